"""Every store's suite runs on every database that the product offers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lakewarden.state import Database
from lakewarden.state.migrate import migrate


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A database as a server would find it: made by the migrations."""
    database = Database(url)
    migrate(database)
    yield database
    database.close()
