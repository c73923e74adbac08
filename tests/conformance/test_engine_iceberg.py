"""Iceberg's metadata, made by hand: deletes, refusals, and metadata that reaches for what it was not given."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakewarden.engines.duckdb import DuckDbEngine, Limits
from lakewarden.kernel.lake import Column, DataFile, Table
from lakewarden.query.errors import QueryFailed
from tests.conformance.test_engine import rows, scan

AT = "s3://b/t"
TABLE = Table("d", "t", (Column("a", "bigint"), Column("b", "string")), location=AT,
              parameters={"table_type": "ICEBERG", "metadata_location": f"{AT}/metadata/v1.json"})  # fmt: skip


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDbEngine]:
    place = tmp_path_factory.mktemp("iceberg")
    (place / "objects").mkdir()
    made = DuckDbEngine(place / "objects", place / "spill", Limits(workers=1, memory_bytes=512 << 20))
    made.place = place  # type: ignore[attr-defined]
    yield made
    made.close()


class Lake:
    """Objects by their names below the table's location."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: list[DataFile] = []

    def put(self, name: str, body: bytes) -> str:
        path = self.root / f"blob{len(list(self.root.iterdir()))}"
        path.write_bytes(body)
        self.files.append(DataFile(f"{AT}/{name}", len(body), str(path)))
        return f"{AT}/{name}"

    def parquet(self, name: str, table: pa.Table) -> str:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        return self.put(name, sink.getvalue().to_pybytes())

    def avro(self, name: str, fields: list[Any], records: list[dict[str, Any]]) -> str:
        path = self.root / "made.avro"
        with path.open("wb") as file:
            fastavro.writer(file, {"type": "record", "name": "r", "fields": fields}, records)
        body = path.read_bytes()
        path.unlink()
        return self.put(name, body)

    def manifest(self, name: str, entries: list[tuple[int, int, str]]) -> str:
        """Entries are (status, content, file)."""
        data = {"type": "record", "name": "f", "fields": [
            {"name": "content", "type": "int"}, {"name": "file_path", "type": "string"},
            {"name": "file_format", "type": "string"}]}  # fmt: skip
        fields = [{"name": "status", "type": "int"}, {"name": "data_file", "type": data}]
        records = [
            {"status": status, "data_file": {"content": content, "file_path": path, "file_format": "PARQUET"}}
            for status, content, path in entries
        ]
        return self.avro(name, fields, records)

    def metadata(self, manifests: list[str], version: int = 2) -> None:
        listed = self.avro("metadata/list.avro", [{"name": "manifest_path", "type": "string"}],
                           [{"manifest_path": one} for one in manifests])  # fmt: skip
        fields = [{"id": 1, "name": "a", "type": "long"}, {"id": 2, "name": "b", "type": "string"}]
        document = {
            "format-version": version, "current-schema-id": 0, "current-snapshot-id": 7,
            "schemas": [{"schema-id": 0, "fields": fields}], "snapshots": [{"snapshot-id": 7, "manifest-list": listed}],
        }  # fmt: skip
        self.put("metadata/v1.json", json.dumps(document).encode())


def data(**columns: list[Any]) -> pa.Table:
    table = pa.table(columns)
    ids = {"a": b"1", "b": b"2"}
    fields = [field.with_metadata({b"PARQUET:field_id": ids[field.name]}) for field in table.schema]
    return table.cast(pa.schema(fields))


@pytest.fixture
def lake(engine: DuckDbEngine) -> Lake:
    root: Path = engine.place / "objects"  # type: ignore[attr-defined]
    return Lake(root)


def read(engine: DuckDbEngine, lake: Lake) -> list[tuple[str | None, ...]]:
    return rows(engine, "SELECT a, b FROM scan_0 ORDER BY a", scan(TABLE, *lake.files))


def test_rows_that_position_deletes_name_and_files_that_are_gone_are_left_out(engine: DuckDbEngine, lake: Lake) -> None:
    first = lake.parquet("data/1.parquet", data(a=[1, 2, 3], b=["x", "y", "z"]))
    second = lake.parquet("data/2.parquet", data(a=[4, 5]))
    gone = lake.parquet("data/3.parquet", data(a=[9], b=["gone"]))
    deleted = lake.parquet(
        "data/d.parquet", pa.table({"file_path": [first, second], "pos": pa.array([1, 0], pa.int64())})
    )
    manifest = lake.manifest("metadata/m.avro", [(1, 0, first), (0, 0, second), (2, 0, gone)])
    lake.metadata([manifest, lake.manifest("metadata/d.avro", [(1, 1, deleted)])])
    assert read(engine, lake) == [("1", "x"), ("3", "z"), ("5", None)]


def test_equality_deletes_and_later_versions_are_refused(engine: DuckDbEngine, lake: Lake) -> None:
    first = lake.parquet("data/1.parquet", data(a=[1], b=["x"]))
    lake.metadata([lake.manifest("metadata/m.avro", [(1, 0, first), (1, 2, first)])])
    with pytest.raises(QueryFailed, match="NOT_SUPPORTED"):
        read(engine, lake)
    later = Lake(lake.root)
    later.metadata([later.manifest("metadata/m.avro", [])], version=3)
    with pytest.raises(QueryFailed, match="NOT_SUPPORTED"):
        read(engine, later)


@pytest.mark.parametrize("path", ["/etc/passwd", "file:///etc/passwd", "s3://other/secret.parquet", "../../state.db"])
def test_metadata_reaches_nothing_that_it_was_not_given(engine: DuckDbEngine, lake: Lake, path: str) -> None:
    lake.metadata([lake.manifest("metadata/m.avro", [(1, 0, path)])])
    with pytest.raises(QueryFailed, match="HIVE_BAD_DATA"):
        read(engine, lake)
    odd = Lake(lake.root)
    odd.metadata([path])
    with pytest.raises(QueryFailed, match="HIVE_BAD_DATA"):
        read(engine, odd)
