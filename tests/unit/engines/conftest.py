"""One worker for the tests of this folder; it opens no sockets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lakewarden.engines.duckdb import DuckDbEngine
from tests.unit.engines.lake import engine


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="session")
def worker(root: Path) -> Iterator[DuckDbEngine]:
    with engine(root) as made:
        yield made
