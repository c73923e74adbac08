"""The golden tables of grants: one line a case, with the source of its expectation."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lakewarden.kernel.lake import Column
from lakewarden.permissions.errors import InvalidInputException
from lakewarden.permissions.predicate import checked_predicate
from lakewarden.permissions.resolve import (
    database_access,
    may_assign_tags,
    may_define_filter,
    may_grant,
    may_place_data,
    table_access,
    visible_tables,
)
from tests.unit.permissions.notation import facts, grant, resource, table

GOLDEN = Path(__file__).parents[2] / "golden" / "grants"
COLUMNS = (
    "id:bigint name:string ssn:varchar(11) born:date at:timestamp ok:boolean tags:array<string> price:decimal(10,2)"
)
Case = dict[str, Any]


def cases(name: str) -> list[Any]:
    lines = (GOLDEN / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [pytest.param(case, id=case["case"]) for case in map(json.loads, lines)]


@pytest.mark.parametrize("case", cases("tables"))
def test_what_a_principal_may_do_with_a_table(case: Case) -> None:
    access = table_access(facts(case), table(case.get("table")))
    assert {
        "mode": access.mode.value,
        "can": " ".join(sorted(access.actions)),
        "columns": " ".join(access.columns),
        "described": " ".join(access.described),
    } == {name: value for name, value in case["expect"].items() if name != "rows"}
    assert access.visible == bool(access.because) == bool(case["expect"]["can"])
    if "rows" not in case["expect"]:
        assert access.rows.all_rows == bool(access.columns)
    for read, rows in case["expect"].get("rows", {}).items():
        found = access.rows if read == "*" else access.rows_for(read.split())
        assert ("all" if found.all_rows else " | ".join(found.expressions)) == rows


@pytest.mark.parametrize("case", cases("databases"))
def test_what_a_principal_may_do_with_a_database(case: Case) -> None:
    access = database_access(facts(case), "db")
    assert {"mode": access.mode.value, "can": " ".join(sorted(access.actions))} == case["expect"]


@pytest.mark.parametrize("case", cases("listings"))
def test_which_tables_a_listing_looks_at(case: Case) -> None:
    names = visible_tables(facts(case), "db")
    assert (None if names is None else " ".join(sorted(names))) == case["expect"]


@pytest.mark.parametrize("case", cases("granting"))
def test_no_escalation(case: Case) -> None:
    columns = ("id", "name", "ssn", "dt")
    assert may_grant(facts(case), grant(case["wants"]), columns) is case["expect"]


@pytest.mark.parametrize("case", cases("tagging"))
def test_no_escalation_by_tags_and_filters(case: Case) -> None:
    held = facts(case)
    if "assigns" in case:
        assert may_assign_tags(held, resource(case["assigns"])) is case["expect"]
    else:
        database, _, name = case["filters_table"].partition(".")
        assert may_define_filter(held, database, name) is case["expect"]


@pytest.mark.parametrize("case", cases("predicates"))
def test_a_row_filter_expression_is_read_and_written_anew(case: Case) -> None:
    columns = tuple(Column(*one.split(":")) for one in case.get("columns", COLUMNS).split())
    if "expect" in case:
        assert checked_predicate(case["text"], columns) == case["expect"]
    else:
        with pytest.raises(InvalidInputException, match=re.escape(case["refused"])):
            checked_predicate(case["text"], columns)


@pytest.mark.parametrize("case", cases("placing"))
def test_where_a_table_may_point(case: Case) -> None:
    assert may_place_data(facts(case), case["location"], case["parent"]) is case["expect"]


def test_there_are_enough_cases_and_each_has_a_source() -> None:
    lines = [json.loads(line) for file in GOLDEN.glob("*.jsonl") for line in file.read_text("utf-8").splitlines()]
    assert len(lines) >= 200
    assert all(line["source"] for line in lines)
