"""What :class:`Database` promises, on SQLite and on PostgreSQL alike."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import sqlalchemy as sa

from lakewarden.kernel.errors import ServiceUnavailable
from lakewarden.state import METADATA, Database, Snapshot, Statement

VERSIONS = METADATA.tables["state_versions"]


def value(connection: sa.Connection, scope: str) -> int:
    return int(connection.execute(sa.select(VERSIONS.c.value).where(VERSIONS.c.scope == scope)).scalar_one())


def test_a_version_moves_with_every_write_that_names_its_scope(database: Database) -> None:
    assert database.version("grants") == 0
    with database.write("grants"):
        pass
    with database.write("users", "grants"):
        pass
    assert (database.version("grants"), database.version("users")) == (2, 1)


def test_a_failed_write_leaves_nothing_behind(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write("grants"):
        raise RuntimeError
    assert database.version("grants") == 0
    with database.write("grants"):
        pass
    assert database.version("grants") == 1


def test_what_is_not_committed_is_not_seen(database: Database, url: str) -> None:
    other = Database(url)
    with database.write("grants"):
        assert other.version("grants") == database.version("grants") == 0
    assert other.version("grants") == 1
    other.close()


def test_a_read_is_one_snapshot_until_it_ends(database: Database) -> None:
    with database.write("grants"):
        pass
    with database.read() as reading:
        assert value(reading, "grants") == 1
        with database.write("grants"):
            pass
        assert value(reading, "grants") == 1
    with database.read() as reading:
        assert value(reading, "grants") == 2


def test_a_read_waits_for_no_writer(database: Database) -> None:
    with database.write("grants"), ThreadPoolExecutor(1) as other:
        assert other.submit(database.version, "grants").result(timeout=10) == 0


@pytest.mark.parametrize("same_server", [True, False])
def test_writers_take_turns_so_that_no_update_is_lost(database: Database, url: str, same_server: bool) -> None:
    """Read, think, write: the pattern of every service. Two servers are two Database objects."""
    with database.write("counter"):
        pass
    databases = (database, database) if same_server else (database, Database(url))
    start = threading.Barrier(2)

    def count(mine: Database) -> None:
        start.wait()
        for _ in range(40):
            with mine.write() as connection:
                found = value(connection, "counter")
                connection.execute(sa.update(VERSIONS).where(VERSIONS.c.scope == "counter").values(value=found + 1))

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(count, one) for one in databases]:
            done.result(timeout=60)
    assert database.version("counter") == 81
    databases[1].close()


def test_the_first_bump_of_a_scope_is_not_lost_among_servers(database: Database, url: str) -> None:
    other = Database(url)
    start = threading.Barrier(2)

    def bump(mine: Database) -> None:
        start.wait()
        with mine.write("new"):
            pass

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(bump, one) for one in (database, other)]:
            done.result(timeout=60)
    assert database.version("new") == 2
    other.close()


def test_revocation_is_immediate_in_a_snapshot(database: Database, url: str) -> None:
    loads: list[int] = []

    def load() -> int:
        loads.append(1)
        return len(loads)

    snapshot = Snapshot(database, "grants", load)
    assert (snapshot.current(), snapshot.current()) == (1, 1)
    replica = Database(url)
    with replica.write("grants"):
        pass
    replica.close()
    assert snapshot.current() == 2


def test_a_database_that_fails_is_unavailable_and_says_nothing_of_what_was_asked(database: Database) -> None:
    with database.write() as connection:
        connection.execute(sa.text("DROP TABLE state_versions"))
    with pytest.raises(ServiceUnavailable) as told:
        database.version("grants")
    assert "state_versions" not in told.value.message


def test_names_sort_by_code_point_everywhere(database: Database) -> None:
    names = ["a", "B", "_c", "é", "Z-1", "z", "ß", "あ", "a-b", "a b", "10", "9"]
    with database.write(*names):
        pass
    with database.read() as reading:
        ordered = list(reading.execute(sa.select(VERSIONS.c.scope).order_by(VERSIONS.c.scope)).scalars())
        after = list(reading.execute(sa.select(VERSIONS.c.scope).where(VERSIONS.c.scope > "_c")).scalars())
    assert ordered == sorted(names)
    assert sorted(after) == [name for name in sorted(names) if name > "_c"]


def test_servers_know_of_each_other(database: Database, url: str) -> None:
    mine = database.join()
    assert mine.server in mine.alive()
    if database.shared:
        other = Database(url).join()
        assert mine.alive() == other.alive() == {mine.server, other.server}
        other.leave()
    assert mine.alive() == {mine.server}
    mine.leave()


def test_a_write_within_a_write_is_a_part_of_it(database: Database, url: str) -> None:
    other = Database(url)
    with database.write("grants"):
        with database.write("users"):
            pass
        assert (other.version("grants"), other.version("users")) == (0, 0)
    assert (database.version("grants"), database.version("users")) == (1, 1)
    other.close()


def test_a_part_that_failed_takes_the_whole_with_it(database: Database) -> None:
    with (
        pytest.raises(RuntimeError, match="a part"),
        database.write("grants"),
        suppress(KeyError),
        database.write("users"),
    ):
        raise KeyError
    assert (database.version("grants"), database.version("users")) == (0, 0)
    with database.write("grants"):
        pass
    assert database.version("grants") == 1


def test_a_statement_sees_its_own_transaction_and_nothing_of_others(database: Database, url: str) -> None:
    find = Statement(sa.select(VERSIONS.c.value).where(VERSIONS.c.scope == sa.bindparam("named")))
    add = Statement(sa.insert(VERSIONS))
    other = Database(url)
    with database.write() as writing, other.read() as reading:
        add.run(writing, {"scope": "x'; --", "value": 2**40})
        assert find.first(writing, {"named": "x'; --"})[0] == 2**40
        assert find.first(reading, {"named": "x'; --"}) is None
    with database.read() as reading:
        assert find.first(reading, {"named": "x'; --"})[0] == 2**40
    other.close()


def test_a_statement_fails_as_sqlalchemy_would_and_says_nothing_of_its_values(database: Database) -> None:
    add = Statement(sa.insert(VERSIONS))
    row = {"scope": "secret scope", "value": 1}
    with database.write() as writing:
        add.run(writing, row)
    with pytest.raises(sa.exc.IntegrityError) as told, database.write() as writing:
        add.run(writing, row)
    assert "secret scope" not in str(told.value) or database.shared  # PostgreSQL's own text names the key
    assert database.version("secret scope") == 1
