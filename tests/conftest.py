"""What several kinds of tests share: the PostgreSQL that the run starts for itself, and how cases are drawn."""

import os
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import settings

from tests.postgres import Cluster, binaries, cluster

# The default suite draws the same cases each time: a commit is not refused for what chance found in another room.
# The long forms draw new ones (pytest --hypothesis-profile=random).
settings.register_profile("same", derandomize=True)
settings.register_profile("random", derandomize=False)
settings.load_profile("same")

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
    """An empty database. The same one each time, emptied: making and removing databases costs seconds."""
    url = postgres.url("postgres")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return url
