"""What SQLite must be told, and which URLs are refused. The rest of :class:`Database` is in the conformance suite."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from lakewarden.kernel.errors import ServiceUnavailable
from lakewarden.state import Database, UnusableDatabase
from lakewarden.state.database import parse_url


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
