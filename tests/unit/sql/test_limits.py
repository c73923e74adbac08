"""What would take a parser or a binder exponential time is refused on its tokens; what people write is not."""

import pytest

from lakewarden import sql
from lakewarden.sql import SqlError

_NESTED = {
    "brackets": ("(", ")", 61),
    "arrays": ("ARRAY[", "]", 11),
    "rows": ("ROW(", ")", 11),
    "scalar queries": ("(SELECT ", ")", 11),
    "lambdas": ("transform(ARRAY[1], x -> ", ")", 12),
    "signs": ("- ", "", 51),
    "negations": ("NOT ", "", 51),
    "cases": ("CASE WHEN true THEN ", " END", 61),
}


@pytest.mark.parametrize("what", _NESTED)
def test_deep_nesting_is_refused(what: str) -> None:
    opening, closing, depth = _NESTED[what]
    with pytest.raises(SqlError, match="nested too deeply"):
        sql.parse(f"SELECT {opening * depth}1{closing * depth}", "db")


@pytest.mark.parametrize("what", _NESTED)
def test_what_people_write_is_not(what: str) -> None:
    opening, closing, depth = _NESTED[what]
    half = min(depth // 2, 8)
    sql.parse(f"SELECT {opening * half}1{closing * half}", "db")


def test_long_lists_are_not_deep() -> None:
    sql.parse(f"SELECT 1 WHERE 1 IN ({', '.join(map(str, range(5_000)))})", "db")
    sql.parse("SELECT " + " + ".join("1" for _ in range(200)), "db")


@pytest.mark.parametrize("text", ["SELECT " + "1," * 30_000 + "1", "SELECT '" + "x" * 300_000 + "'"])
def test_size_is_bounded(text: str) -> None:
    with pytest.raises(SqlError, match="more than"):
        sql.parse(text, "db")
