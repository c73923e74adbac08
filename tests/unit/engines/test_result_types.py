"""The names, precisions and scales of result columns, and the values of table columns of every Glue type."""

import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from lakewarden.engines.duckdb import DuckDbEngine
from tests.unit.engines.lake import governed, parquet, run, table


@pytest.mark.parametrize(
    ("expression", "column"),
    [
        ("CAST(1 AS tinyint)", ("tinyint", 3, 0)),
        ("CAST(1 AS smallint)", ("smallint", 5, 0)),
        ("1", ("integer", 10, 0)),
        ("CAST(1 AS bigint)", ("bigint", 19, 0)),
        ("count(*)", ("bigint", 19, 0)),
        ("sum(1)", ("bigint", 19, 0)),
        ("CAST(1 AS real)", ("float", 17, 0)),
        ("1e0", ("double", 17, 0)),
        ("1.25", ("decimal", 3, 2)),
        ("sum(1.25)", ("decimal", 38, 2)),
        ("avg(1.25)", ("decimal", 3, 2)),
        ("1.25 / 2", ("decimal", 3, 2)),
        ("'a'", ("varchar", 2147483647, 0)),
        ("true", ("boolean", 0, 0)),
        ("X'00'", ("varbinary", 1073741824, 0)),
        ("DATE '2020-01-01'", ("date", 0, 0)),
        ("TIME '01:02:03'", ("time", 3, 0)),
        ("TIMESTAMP '2020-01-01 00:00:00'", ("timestamp", 3, 0)),
        ("now()", ("timestamp with time zone", 3, 0)),
        ("JSON '{}'", ("json", 0, 0)),
        ("ARRAY[1]", ("array", 0, 0)),
        ("MAP(ARRAY[1], ARRAY[1])", ("map", 0, 0)),
        ("ROW(1)", ("row", 0, 0)),
        ("INTERVAL '1' DAY", ("interval day to second", 0, 0)),
        ("uuid()", ("uuid", 0, 0)),
    ],
)
def test_column_info(worker: DuckDbEngine, expression: str, column: tuple[str, int, int]) -> None:
    ran = run(worker, f"SELECT {expression} AS x")
    assert ran.error == ""
    assert ran.columns == (("x", *column),)


def test_values_of_every_glue_type(worker: DuckDbEngine, root: Path) -> None:
    columns = {
        "b": "boolean", "t": "tinyint", "s": "smallint", "i": "int", "l": "bigint", "f": "float", "d": "double",
        "m": "decimal(9,3)", "c": "string", "v": "varchar(5)", "x": "binary", "day": "date", "at": "timestamp", "a": "array<int>",
        "k": "map<string,double>",
        "r": "struct<p:int,q:array<string>>",
    }  # fmt: skip
    data = pa.table(
        {
            "b": [True, None], "t": pa.array([1, None], pa.int8()), "s": pa.array([2, None], pa.int16()),
            "i": pa.array([3, None], pa.int32()), "l": [4, None], "f": pa.array([0.1, None], pa.float32()), "d": [1e21, None],
            "m": pa.array([Decimal("12.500"), None], pa.decimal128(9, 3)), "c": ["ü\n\"", ""], "v": ["abc", None],
            "x": pa.array([b"\x00\xff", None]), "day": [datetime.date(2020, 2, 29), None],
            "at": pa.array([datetime.datetime(2020, 2, 29, 1, 2, 3, 4000), None], pa.timestamp("us")),  # noqa: DTZ001
            "a": [[1, None], None], "k": pa.array([[("z", 1.5)], None], pa.map_(pa.string(), pa.float64())),
            "r": [{"p": 1, "q": ["w", None]}, None],
        }
    )  # fmt: skip
    of = table("types", columns)
    ran = run(worker, "SELECT * FROM types", {"types": (governed(of), parquet(root, "types", data))})
    assert ran.error == ""
    assert ran.rows[0] == (
        "true", "1", "2", "3", "4", "0.1", "1.0E21", "12.500", 'ü\n"', "abc", "00 ff", "2020-02-29", "2020-02-29 01:02:03.004",
        "[1, null]", "{z=1.5}", "{p=1, q=[w, null]}",
    )  # fmt: skip
    assert ran.rows[1] == (*[None] * 8, "", *[None] * 7)
    assert [column[1] for column in ran.columns] == [
        "boolean", "tinyint", "smallint", "integer", "bigint", "float", "double", "decimal", "varchar", "varchar", "varbinary",
        "date", "timestamp", "array", "map", "row",
    ]  # fmt: skip
