"""What was parsed and planned before is used again: by the same caller, for the same rights."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from lakewarden.kernel.lake import ALL_ROWS, AccessMode, Column, GovernedTable, RowFilter, Table, TableAccess
from lakewarden.query.plans import LONGEST, MOST, Plans
from lakewarden.sql.errors import ColumnNotFound, SqlError
from lakewarden.sql.model import Select

TABLE = Table("d", "t", (Column("a", "int"), Column("b", "string")))
TEXT = "SELECT a FROM t WHERE b = 'x'"


def granted(columns: Sequence[str], rows: RowFilter = ALL_ROWS) -> GovernedTable:
    access = TableAccess(AccessMode.LAKE_FORMATION, frozenset({"SELECT"}), tuple(columns), rows)
    return GovernedTable(TABLE, access)


def selected(plans: Plans, owner: str = "me", text: str = TEXT) -> Select:
    found = plans.statement(owner, text, "d")
    assert isinstance(found, Select)
    return found


def test_the_same_statement_of_the_same_caller_is_parsed_and_planned_once() -> None:
    plans = Plans()
    query = selected(plans)
    assert selected(plans) is query
    tables = {("d", "t"): granted(["a", "b"])}
    plan = plans.plan("me", query, tables, TEXT, "d")
    assert plans.plan("me", query, {("d", "t"): granted(["a", "b"])}, TEXT, "d") is plan
    assert plans.statement("me", TEXT, "elsewhere") is not query
    assert plans.statement("me", "SELECT ?", "d", ("1",)) is not plans.statement("me", "SELECT ?", "d", ("2",))


def test_non_interference_nobody_is_answered_from_what_others_asked() -> None:
    plans = Plans()
    mine, theirs = selected(plans, "me"), selected(plans, "them")
    assert mine is not theirs
    tables = {("d", "t"): granted(["a", "b"])}
    assert plans.plan("me", mine, tables, TEXT, "d") is not plans.plan("them", theirs, tables, TEXT, "d")
    assert plans.plan("me", mine, tables, TEXT, "d") is not plans.plan("them", mine, tables, TEXT, "d")


def test_revocation_is_immediate_in_plans() -> None:
    plans = Plans()
    query = selected(plans)
    plan = plans.plan("me", query, {("d", "t"): granted(["a", "b"])}, TEXT, "d")
    with pytest.raises(ColumnNotFound):
        plans.plan("me", query, {("d", "t"): granted(["a"])}, TEXT, "d")
    filtered = plans.plan("me", query, {("d", "t"): granted(["a", "b"], RowFilter(False, ("a > 1",)))}, TEXT, "d")
    assert (plan.scans[0].predicate, bool(filtered.scans[0].predicate)) == ("", True)
    with pytest.raises(SqlError):
        plans.plan("me", query, {}, TEXT, "d")


def test_a_table_that_changed_is_planned_anew() -> None:
    plans = Plans()
    query = selected(plans)
    plans.plan("me", query, {("d", "t"): granted(["a", "b"])}, TEXT, "d")
    moved = replace(granted(["a", "b"]), table=replace(TABLE, location="s3://elsewhere/", table_id="2"))
    found = plans.plan("me", query, {("d", "t"): moved}, TEXT, "d")
    assert found.scans[0].governed.table.location == "s3://elsewhere/"


def test_a_plan_leaves_the_tree_as_it_was() -> None:
    """Trees are shared by threads: what planning changes is a copy."""
    plans = Plans()
    query = selected(plans)
    before = query.tree.sql("trino")
    for columns in (["a", "b"], ["b", "a"]):
        plans.plan("me", query, {("d", "t"): granted(columns)}, TEXT, "d")
    assert query.tree.sql("trino") == before


def test_what_is_remembered_is_bounded() -> None:
    plans = Plans()
    first = selected(plans)
    for number in range(MOST):
        plans.statement("me", f"SELECT {number}", "d")
    assert selected(plans) is not first
    text = f"SELECT '{'x' * LONGEST}'"
    assert plans.statement("me", text, "d") is not plans.statement("me", text, "d")


def test_what_does_not_parse_is_refused_each_time() -> None:
    plans = Plans()
    for _ in range(2):
        with pytest.raises(SqlError):
            plans.statement("me", "SELECT FROM WHERE", "d")
