"""Statements and their lineage, one line each; the reads are the columns that an execution would have recorded."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakewarden.audit.lineage import Lineage, lineage

GOLDEN = Path(__file__).parents[2] / "golden/audit/lineage.jsonl"
READ = {"clinic.visits": ["id", "name", "dose", "arm"], "clinic.people": ["id", "email"]}


def flat(found: Lineage) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "target": found.target,
        "inputs": list(found.inputs),
        "outputs": {one.name: [".".join(source) for source in one.sources] for one in found.outputs},
        "influences": [".".join(one) for one in found.influences],
    }


CASES = [json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["sql"][:60])
def test_lineage(case: dict[str, Any]) -> None:
    assert flat(lineage(case["sql"], "clinic", READ)) == case["lineage"]


WORDS = [
    "SELECT",
    "FROM",
    "visits",
    "*",
    "(",
    ")",
    ",",
    "WITH",
    "x",
    "AS",
    "id",
    "name",
    "UNION",
    "ALL",
    "INSERT",
    "INTO",
    "UNLOAD",
    "TO",
    "'s3://b/'",
    "JOIN",
    "ON",
    "=",
    "1",
    "'",
]


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.lists(st.sampled_from(WORDS), max_size=14))
def test_whatever_is_written_it_never_raises(words: list[str]) -> None:
    lineage(" ".join(words), "clinic", READ)
