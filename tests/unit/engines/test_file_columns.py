"""``$path``, ``$partition`` and ``$file_size``: for who may read all of a table, and for nobody else."""

from pathlib import Path

import pyarrow as pa
import pytest

from lakewarden.engines.duckdb import DuckDbEngine
from lakewarden.kernel.lake import ALL_ROWS, Column, DataFile, RowFilter
from tests.unit.engines.lake import governed, parquet, run, table

HIDDEN = ("$path", "$partition", "$file_size")


def files(root: Path) -> tuple[DataFile, ...]:
    made = []
    for day in ("1", "2"):
        (file,) = parquet(root, f"hidden_{day}", pa.table({"a": [int(day), int(day) + 10]}))
        made.append(DataFile(f"s3://lake/t/day={day}/x", file.size, file.path, (day,)))
    return tuple(made)


def test_they_tell_of_each_row_s_file(worker: DuckDbEngine, root: Path) -> None:
    of = table("t", {"a": "bigint"}, partition_keys=(Column("day", "string"),))
    found = files(root)
    whole = {"t": (governed(of), found)}
    told = run(
        worker, 'SELECT a, "$path", "$partition", "$file_size" FROM t WHERE "$path" LIKE \'%day=2%\' ORDER BY a', whole
    )
    size = str(found[1].size)
    assert told.rows == (("2", found[1].uri, "day=2", size), ("12", found[1].uri, "day=2", size))
    assert [name for name, *_ in run(worker, "SELECT * FROM t", whole).columns] == ["a", "day"]
    assert run(worker, 'SELECT count(*) FROM t x JOIN t y ON x."$path" = y."$path"', whole).rows == (("8",),)


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        (["a"], ALL_ROWS),
        (["day"], ALL_ROWS),
        (["a", "day"], RowFilter(False, ("a > 1",))),
        (["a", "day"], RowFilter(False)),
    ],
)
def test_who_may_see_a_part_has_none(
    worker: DuckDbEngine, root: Path, name: str, columns: list[str], rows: RowFilter
) -> None:
    of = table("t", {"a": "bigint"}, partition_keys=(Column("day", "string"),))
    part = {"t": (governed(of, columns, rows), files(root))}
    for text in (
        f'SELECT "{name}" FROM t',
        f'SELECT 1 FROM t WHERE "{name}" IS NULL',
        f'SELECT 1 FROM t ORDER BY t."{name}"',
    ):
        assert run(worker, text, part).error.startswith("COLUMN_NOT_FOUND"), text


def test_a_column_of_the_table_s_own_keeps_its_values(worker: DuckDbEngine, root: Path) -> None:
    of = table("own", {"a": "bigint", "$path": "string"})
    found = parquet(root, "own", pa.table({"a": [1], "$path": ["mine"]}))
    for columns in (["$path"], ["a", "$path"]):
        assert run(worker, 'SELECT "$path" FROM own', {"own": (governed(of, columns), found)}).rows == (("mine",),)
