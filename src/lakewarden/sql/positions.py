"""Where a node stands in the statement, for error texts: line and column from 1, as Trino counts."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sqlglot import exp

_LONGEST = 200


def position_of(node: exp.Expression, text: str, called: str = "") -> tuple[int, int]:
    """The position of the first token of ``node`` that kept one; (1, 1) when none did.

    ``called`` is the name of the function that the node is a call of: names of calls keep no position.
    """
    starts = [one["start"] for one in _spans(node)]
    if called:
        before = text[: min(starts)] if starts else text
        calls = list(re.finditer(rf"(?i)(?<!\w){re.escape(called)}\s*\(", before))
        if calls:
            return at(text, calls[-1 if starts else 0].start())
    return at(text, min(starts)) if starts else (1, 1)


def said(node: exp.Expression, text: str) -> str:
    """``node`` as it was written, as far as that is known."""
    spans = list(_spans(node))
    if isinstance(node, exp.Column) and spans:
        return text[min(one["start"] for one in spans) : max(one["end"] for one in spans) + 1][:_LONGEST]
    shown = node.copy()
    for column in shown.find_all(exp.Column):
        if not _is_written(column.args.get("table")):
            column.set("table", None)
    written: str = shown.sql(dialect="trino", comments=False, normalize_functions="lower")
    return written.replace('"', "").replace("$", "")[:_LONGEST]


def _spans(node: exp.Expression) -> Iterator[Mapping[str, Any]]:
    """Where the names in ``node`` stand; not those of tables that columns were given while they were resolved."""
    for one in node.walk():
        if "start" in one.meta and "end" in one.meta and _is_written(one):
            yield one.meta


def _is_written(node: object) -> bool:
    """Whether a name stands where its node does: a column's table directly before the column."""
    if not isinstance(node, exp.Identifier):
        return node is not None
    column = node.parent
    if not isinstance(column, exp.Column) or node is column.this or not isinstance(column.this, exp.Identifier):
        return True
    return bool("start" in node.meta and column.this.meta.get("start", -1) - node.meta["end"] == 2)


def at(text: str, offset: int) -> tuple[int, int]:
    """Line and column of a character offset."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
