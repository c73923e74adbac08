"""Pruning only saves work: no partition is left out that holds a row that the condition admits."""

from datetime import date, timedelta

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakewarden.kernel.lake import ALL_ROWS, AccessMode, Column, GovernedTable, Table, TableAccess
from lakewarden.sql.model import EnginePlan, PlannedScan
from lakewarden.sql.pruning import NO_PARTITION, conditions, equal_texts, needed

KEYS = (Column("day", "date"), Column("n", "int"), Column("s", "string"))
TABLE = Table("d", "t", (Column("a", "int"),), KEYS)
ACCESS = TableAccess(AccessMode.LAKE_FORMATION, frozenset(), ("a", "day", "n", "s"), ALL_ROWS)
VALUES = [
    (str(date(2020, 1, 1) + timedelta(days=number)), str(number % 3), "abc"[number % 3])
    for number in range(6)
] + [(NO_PARTITION, "1", "a"), ("2020-01-02", NO_PARTITION, NO_PARTITION)]  # fmt: skip


def plan(where: str, relation: str = '"scan_0" AS "t"') -> EnginePlan:
    scan = PlannedScan("scan_0", GovernedTable(TABLE, ACCESS), TABLE.all_columns, ALL_ROWS)
    return EnginePlan(f'SELECT "t"."a" FROM {relation} WHERE {where}', (scan,), ("a",))


def kept(one: EnginePlan) -> list[tuple[str, ...]]:
    wanted = conditions(one)["scan_0"]
    return [values for values in VALUES if needed(values, KEYS, wanted)]


ATOMS = st.one_of(
    st.builds("\"t\".\"n\" {} {}".format, st.sampled_from(["=", "<", "<=", ">", ">=", "<>"]), st.integers(-1, 3)),
    st.builds("{} {} \"t\".\"n\"".format, st.integers(-1, 3), st.sampled_from(["=", "<", ">="])),
    st.builds("\"t\".\"s\" = '{}'".format, st.sampled_from("abcd")),
    st.builds("\"t\".\"s\" IN ('{}', '{}')".format, st.sampled_from("abcd"), st.sampled_from("abcd")),
    st.builds("\"t\".\"s\" > '{}'".format, st.sampled_from("abcd")),
    st.builds("\"t\".\"day\" {} CAST('2020-01-0{}' AS DATE)".format, st.sampled_from(["=", "<", ">="]), st.integers(1, 7)),
    st.builds("\"t\".\"day\" BETWEEN CAST('2020-01-0{}' AS DATE) AND CAST('2020-01-0{}' AS DATE)".format,
              st.integers(1, 7), st.integers(1, 7)),
    st.builds("\"t\".\"n\" IS {}NULL".format, st.sampled_from(["", "NOT "])),
    st.just('coalesce("t"."s", \'a\') = \'a\''),
)  # fmt: skip
WHERE = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds("({} AND {})".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("NOT ({})".format, inner),
    ),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(WHERE)
def test_no_partition_with_a_wanted_row_is_left_out(where: str) -> None:
    rows = ", ".join(
        f"(1, {literal(day, 'DATE')}, {literal(n, 'INTEGER')}, {literal(s, 'VARCHAR')}, {number})"
        for number, (day, n, s) in enumerate(VALUES)
    )
    table = f'(VALUES {rows}) AS "t"("a", "day", "n", "s", "number")'
    with duckdb.connect() as connection:
        admitted = connection.execute(f'SELECT "t"."number" FROM {table} WHERE {where}').fetchall()
    assert {VALUES[number] for (number,) in admitted} <= set(kept(plan(where)))


def literal(value: str, kind: str) -> str:
    return f"CAST({'NULL' if value == NO_PARTITION else repr(value)} AS {kind})"


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ('"t"."n" = 1', 3),
        ('"t"."n" = 1 AND "t"."s" = \'b\'', 2),
        ('"t"."day" = CAST(\'2020-01-02\' AS DATE)', 2),
        ('"t"."n" = 1 OR "t"."a" = 1', 8),
        ('"t"."day" = T_CAST_DATE(\'2020-01-02\')', 2),
        ('"t"."a" = 1', 8),
    ],
)
def test_partitions_are_left_out(where: str, count: int) -> None:
    assert len(kept(plan(where))) == count


def test_a_table_that_stands_twice_is_read_for_both() -> None:
    twice = '"scan_0" AS "t" JOIN (SELECT "u"."a" FROM "scan_0" AS "u" WHERE "u"."n" = 2) AS "u" ON TRUE'
    assert len(kept(plan('"t"."n" = 1', twice))) == 5


@pytest.mark.parametrize(
    ("where", "texts"),
    [
        ('"t"."s" = \'a\' AND "t"."n" = 1', {"s": frozenset({"a"})}),
        ("\"t\".\"s\" IN ('a', 'b')", {"s": frozenset({"a", "b"})}),
        ('"t"."s" > \'a\'', {}),
        ('"t"."s" = \'a\' OR "t"."n" = 1', {}),
    ],
)
def test_the_only_texts_that_are_needed(where: str, texts: dict[str, frozenset[str]]) -> None:
    assert equal_texts(KEYS, conditions(plan(where))["scan_0"]) == texts
