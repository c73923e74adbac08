"""The golden tables of grants: one line a case, with the source of its expectation."""

import json
from pathlib import Path
from typing import Any

import pytest

from lakewarden.permissions.resolve import (
    database_access,
    may_grant,
    may_place_data,
    table_access,
    visible_tables,
)
from tests.unit.permissions.notation import facts, grant, table

GOLDEN = Path(__file__).parents[2] / "golden" / "grants"
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
    } == case["expect"]
    assert access.visible == bool(access.because) == bool(case["expect"]["can"])
    assert access.rows.all_rows == bool(access.columns)


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


@pytest.mark.parametrize("case", cases("placing"))
def test_where_a_table_may_point(case: Case) -> None:
    assert may_place_data(facts(case), case["location"], case["parent"]) is case["expect"]


def test_there_are_enough_cases_and_each_has_a_source() -> None:
    lines = [json.loads(line) for file in GOLDEN.glob("*.jsonl") for line in file.read_text("utf-8").splitlines()]
    assert len(lines) >= 200
    assert all(line["source"] for line in lines)
