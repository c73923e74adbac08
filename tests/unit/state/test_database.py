"""What SQLite must be told, and which URLs are refused. The rest of :class:`Database` is in the conformance suite."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from lakewarden.kernel.errors import ServiceUnavailable
from lakewarden.state import Database, UnusableDatabase
from lakewarden.state.database import parse_url
from lakewarden.state.probe import HeldVersions


def test_commits_are_synced_to_disk(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'state.db'}")
    with database.read() as connection:
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar_one() == 2
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar_one() == "wal"
    database.close()


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://u@h/d", "postgresql://u:secret@h", "postgresql://u:secret@h:port/d", "redis://"]
)
def test_other_urls_are_refused_without_showing_a_password(url: str) -> None:
    with pytest.raises(UnusableDatabase) as told:
        parse_url(url)
    assert "secret" not in str(told.value)


def test_a_directory_in_the_databases_place_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}")
    with pytest.raises(ServiceUnavailable), database.read() as connection:
        connection.execute(sa.text("SELECT 1"))
    with pytest.raises(ServiceUnavailable):
        database.version("grants")
    database.close()


def test_revocation_is_immediate_where_versions_are_held_in_memory(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'state.db'}", alone=True)
    database.create_schema()
    assert database.version("grants") == 0
    with database.write("grants"), database.write("users"):
        assert database.version("grants") == 0
    assert (database.version("grants"), database.version("users")) == (1, 1)
    with pytest.raises(KeyError), database.write("grants"):
        raise KeyError
    assert database.version("grants") == 1
    database.close()


def test_a_held_version_that_was_read_before_a_commit_does_not_outlive_it() -> None:
    """A reader is in the middle of its read while a writer commits: what it keeps is taken back."""
    values = {"grants": 1}
    reading, go_on = threading.Event(), threading.Event()

    class Slow:
        def version(self, scope: str) -> int:
            found = values[scope]
            reading.set()
            go_on.wait(10)
            return found

        def moved(self, scopes: Sequence[str]) -> None: ...

        def close(self) -> None: ...

    held = HeldVersions(Slow())
    with ThreadPoolExecutor(2) as threads:
        reader = threads.submit(held.version, "grants")
        assert reading.wait(10)
        values["grants"] = 2  # the commit
        writer = threads.submit(held.moved, ["grants"])
        go_on.set()
        writer.result(10)
        assert reader.result(10) == 1
    assert held.version("grants") == 2


def test_versions_in_memory_cost_no_read(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'state.db'}", alone=True)
    database.create_schema()
    with database.write("grants"):
        pass
    assert database.version("grants") == 1
    with database.write() as connection:
        connection.execute(sa.text("DROP TABLE state_versions"))
    assert database.version("grants") == 1
    database.close()
