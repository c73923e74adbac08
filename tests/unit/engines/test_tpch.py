"""All 22 TPC-H queries, governed, beside plain DuckDB on the same files."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakewarden.engines.duckdb import DuckDbEngine
from lakewarden.kernel.lake import DataFile, GovernedTable, RowFilter
from tests.unit.engines.lake import governed, run, table

_QUERIES = [
    line
    for line in (Path(__file__).parents[2] / "golden" / "tpch.sql").read_text(encoding="utf-8").splitlines()
    if not line.startswith("--")
]
_TABLES = ("customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier")
Lake = Mapping[str, tuple[GovernedTable, tuple[DataFile, ...]]]


def _glue(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    named = {pa.int32(): "int", pa.int64(): "bigint", pa.date32(): "date"}
    return named.get(kind, "string")


@pytest.fixture(scope="module")
def lake(root: Path) -> Lake:
    objects = root / "objects" / "tpch"
    objects.mkdir(parents=True, exist_ok=True)
    command = [str(Path(sys.executable).with_name("tpchgen-cli")), "parquet", "-s", "0.01", f"--output-dir={objects}"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    made = {}
    for name in _TABLES:
        path = objects / f"{name}.parquet"
        columns = {field.name: _glue(field.type) for field in pq.read_schema(path)}
        made[name] = (governed(table(name, columns)), (DataFile(f"s3://lake/{name}", path.stat().st_size, str(path)),))
    return made


@pytest.mark.parametrize("number", range(22))
def test_query(worker: DuckDbEngine, lake: Lake, number: int) -> None:
    plain = duckdb.connect()
    for name, (_, files) in lake.items():
        plain.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{files[0].path}')")
    ours = run(worker, _QUERIES[number], lake)
    assert ours.error == ""
    theirs = plain.execute(_QUERIES[number]).fetchall()
    assert len(ours.rows) == len(theirs)
    for mine, other in zip(ours.rows, theirs, strict=True):
        for cell, value in zip(mine, other, strict=True):
            _same(cell, value)


def _same(cell: str | None, value: object) -> None:
    """Decimals divide to decimals in Trino and to doubles in DuckDB: equal to the scale that Trino keeps."""
    if isinstance(value, float):
        assert cell is not None
        digits = len(cell.partition(".")[2])
        assert float(cell) == pytest.approx(value, abs=0.5 * 10**-digits + 1e-9, rel=1e-12)
    else:
        assert cell == (None if value is None else str(value))


def test_with_row_filters_the_same_as_with_the_predicates_by_hand(worker: DuckDbEngine, lake: Lake) -> None:
    of, files = lake["lineitem"]
    names = [column.name for column in of.table.columns if column.name != "l_shipmode"]
    only = governed(
        of.table, names, RowFilter(all_rows=False, expressions=("l_shipmode = 'AIR'", "l_shipmode = 'RAIL'"))
    )
    ours = run(worker, "SELECT count(*), sum(l_quantity), max(l_comment) FROM lineitem", {"lineitem": (only, files)})
    plain = duckdb.connect()
    (row,) = plain.execute(
        f"SELECT count(*), sum(l_quantity), max(l_comment) FROM '{files[0].path}' WHERE l_shipmode IN ('AIR', 'RAIL')"
    ).fetchall()
    assert ours.rows == (tuple(str(value) for value in row),)
