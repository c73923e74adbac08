"""What several kinds of tests share: the PostgreSQL that the run starts for itself."""

import os
import uuid
from collections.abc import Iterator

import pytest

from tests.postgres import Cluster, binaries, cluster

ABSENT = "PostgreSQL is not installed here (apt-get install postgresql), so nothing is shown about it"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """One cluster a run. Absent where Debian's package is not installed, which CI never excuses."""
    if binaries() is None:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(ABSENT)
        pytest.skip(ABSENT)
    with cluster() as running:
        yield running


@pytest.fixture
def postgres_url(postgres: Cluster) -> str:
    """A database of the test's own."""
    return postgres.create(f"test_{uuid.uuid4().hex}")
