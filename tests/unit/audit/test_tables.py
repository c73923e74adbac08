"""The trail's Parquet files: every record once, through merges, kills and removals, in few files."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import duckdb
import pytest

from lakewarden.audit import manifest
from lakewarden.audit.log import AuditLog
from lakewarden.audit.queries import Execution
from lakewarden.audit.records import outcome_record
from lakewarden.audit.rows import FIELDS, SCHEMAS
from lakewarden.audit.store import AuditStore
from lakewarden.audit.tables import AuditTables
from lakewarden.sql.hive_types import duckdb_type
from lakewarden.state import Database
from tests.unit.audit.calls import ACCOUNT, AT, call
from tests.unit.audit.test_records import cases

KEY = b"k" * 32


class Texts:
    """What the query context would keep."""

    def find(self, query_ids: Sequence[str]) -> Mapping[str, Execution]:
        return {
            one: Execution("SELECT id AS n FROM visits WHERE name = 'x'", AT.isoformat(), "primary", "clinic")
            for one in query_ids
        }


class World:
    """A log and its tables."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.database = Database(f"sqlite:///{root / 'audit.db'}")
        self.database.create_schema()
        self.store = AuditStore(self.database, b"s" * 32)
        self.log = AuditLog(self.store)
        self.tables = self.started()

    def started(self) -> AuditTables:
        return AuditTables(self.root / "tables", self.store, Texts(), KEY)

    def write(self, count: int = 1) -> None:
        for _ in range(count):
            self.log.append(cases()["management"]).result()

    def ask(self, table: str, columns: str) -> list[tuple[object, ...]]:
        paths = [str(path) for path in self.tables.files(table)]
        found: list[tuple[object, ...]] = duckdb.execute(
            f"SELECT {columns} FROM read_parquet({paths}) ORDER BY 1"
        ).fetchall()
        return found

    def sequences(self) -> list[object]:
        return [row[0] for row in self.ask("events", "sequence")]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.log.close()
    made.database.close()


def test_a_reader_sees_what_was_just_recorded(world: World) -> None:
    for number in range(1, 6):
        world.write()
        assert world.sequences() == list(range(1, number + 1))


def test_many_small_files_become_few_and_every_record_stays_once(world: World) -> None:
    for _ in range(40):
        world.write(2)
        world.tables.refresh()
    assert world.sequences() == list(range(1, 81))
    assert len(world.tables.files("events")) <= 13
    assert world.started().files("events") == world.tables.files("events")


def test_what_was_merged_goes_when_nobody_can_read_it_any_more(world: World) -> None:
    for _ in range(14):
        world.write()
        world.tables.refresh()
    kept = set(world.tables.files("events"))
    merged = set((world.root / "tables/events").iterdir()) - kept
    assert len(merged) == 13
    for path in merged:
        os.utime(path, (0, 0))
    world.write()
    kept = set(world.tables.files("events"))
    assert set((world.root / "tables/events").iterdir()) == kept


def test_a_kill_between_two_tables_is_made_good(world: World) -> None:
    _outcome(world, 1)
    world.tables.refresh()
    _outcome(world, 2)
    world.tables.refresh()
    before = (world.root / "tables/manifest").read_bytes()
    _outcome(world, 3)
    world.tables.refresh()
    # Killed when some files were there, and before the manifest named them.
    (world.root / "tables/manifest").write_bytes(before)
    sorted((world.root / "tables/events").iterdir())[-1].unlink()
    (world.root / "tables/events/half.new").write_bytes(b"half")
    world.write()
    world.tables = world.started()
    assert world.sequences() == [1, 2, 3, 4]
    assert [row[0] for row in world.ask("queries", "query_id")] == ["query-1", "query-2", "query-3"]


def _outcome(world: World, number: int) -> None:
    tables = [{"table": "clinic.visits", "columns": ["id", "name"], "because": ["SELECT"], "filters": ["id > 1"]}]
    details = {
        "queryId": f"query-{number}",
        "state": "SUCCEEDED",
        "tables": tables,
        "rows": 3,
        "outputLocation": "s3://o/",
    }
    world.log.append(outcome_record(call("athena", "x", caller="session"), ACCOUNT, str(number), details, AT)).result()


def test_a_query_is_a_row_with_its_lineage(world: World) -> None:
    _outcome(world, 1)
    row = world.ask("queries", "person, role, tables, columns, filters, grants, rows, sql, profile")[0]
    assert row[:2] == ("ben", f"arn:aws:iam::{ACCOUNT}:role/Science")
    assert row[2:6] == (
        ["clinic.visits"], ["clinic.visits.id", "clinic.visits.name"], ["clinic.visits: id > 1"], ["clinic.visits: SELECT"],
    )  # fmt: skip
    assert row[6:] == (3, "SELECT id AS n FROM visits WHERE name = 'x'", "ben")
    assert world.ask("lineage", "target_column, source_table, source_column, kind, target") == [
        ("", "clinic.visits", "name", "SELECT", "s3://o/"),
        ("n", "clinic.visits", "id", "SELECT", "s3://o/"),
    ]


def test_removed_records_leave_the_tables(world: World) -> None:
    world.write(10)
    world.tables.refresh()
    world.store.remove_to(next(iter(world.store.entries(3, 4))))
    world.write()
    assert world.sequences() == list(range(5, 12))


def test_lost_files_are_made_anew(world: World) -> None:
    world.write(3)
    world.tables.refresh()
    for path in (world.root / "tables/events").iterdir():
        path.unlink()
    assert world.sequences() == [1, 2, 3]


def test_two_servers_share_the_files(world: World) -> None:
    other = world.started()
    for _ in range(30):
        world.write()
        world.tables.refresh()
        world.write()
        other.refresh()
    assert world.sequences() == list(range(1, 61))
    assert world.tables.files("events") == other.files("events")


def edit(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


@pytest.mark.parametrize(
    ("file", "tamper", "reason"),
    [
        ("events", edit, "was changed"),
        ("queries", edit, "was changed"),
        ("queries", Path.unlink, "is missing"),
        ("manifest", lambda path: path.write_text(path.read_text().replace('"position":2', '"position":3')), "seal"),
        ("manifest", lambda path: path.write_text(path.read_text().replace("queries", "lineage")), "seal"),
        ("manifest", lambda path: path.write_text("{"), "cannot be read"),
    ],
)
def test_who_edits_the_tables_is_found(world: World, file: str, tamper: Callable[[Path], object], reason: str) -> None:
    _outcome(world, 1)
    _outcome(world, 2)
    world.tables.refresh()
    assert manifest.check(world.root / "tables", KEY) == 3
    path = world.root / "tables" / file
    tamper(path if path.is_file() else next(path.iterdir()))
    with pytest.raises(manifest.BadManifest, match=reason):
        manifest.check(world.root / "tables", KEY)


def test_tables_that_somebody_else_made_are_not_shown(world: World) -> None:
    world.write(3)
    world.tables.refresh()
    path = world.root / "tables/manifest"
    path.write_text(path.read_text().replace('"position":3', '"position":9'))
    assert world.sequences() == [1, 2, 3], "they are made anew from the log"
    assert manifest.check(world.root / "tables", KEY) == 1


def test_the_catalog_and_the_files_agree_about_every_type() -> None:
    for name, fields in FIELDS.items():
        empty = SCHEMAS[name].empty_table()  # noqa: F841 - DuckDB reads it by its name
        described = {row[0]: row[1] for row in duckdb.execute("DESCRIBE SELECT * FROM empty").fetchall()}
        for field in fields:
            found = described[field.name].replace("TIMESTAMP_MS", "TIMESTAMP")
            assert found == duckdb_type(field.type), (name, field.name)
