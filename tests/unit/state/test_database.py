"""Transactions, versions and snapshots."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from lakewarden.state import Database, Snapshot


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'state.db'}")
    database.create_schema()
    yield database
    database.close()


def test_a_version_moves_with_every_write_that_names_its_scope(database: Database) -> None:
    assert database.version("grants") == 0
    with database.write("grants"):
        pass
    with database.write("users"):
        pass
    assert (database.version("grants"), database.version("users")) == (1, 1)


def test_a_failed_write_leaves_nothing_behind(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write("grants"):
        raise RuntimeError
    assert database.version("grants") == 0


def test_revocation_is_immediate_in_a_snapshot(database: Database, tmp_path: Path) -> None:
    loads: list[int] = []

    def load() -> int:
        loads.append(1)
        return len(loads)

    snapshot = Snapshot(database, "grants", load)
    assert (snapshot.current(), snapshot.current()) == (1, 1)
    other_replica = Database(f"sqlite:///{tmp_path / 'state.db'}")
    with other_replica.write("grants"):
        pass
    other_replica.close()
    assert snapshot.current() == 2


def test_commits_are_synced_to_disk(database: Database) -> None:
    with database.read() as connection:
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar_one() == 2
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar_one() == "wal"
