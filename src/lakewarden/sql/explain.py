"""EXPLAIN: the plan of a decided query in words. Pure.

INVARIANT (non_interference): it is made of the rewritten statement alone, never of the engine's estimates, which
depend on rows and columns that the caller may not see.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlglot
from sqlglot import exp

from lakewarden.sql.model import EnginePlan, PlannedScan

_LONGEST = 400


def text(plan: EnginePlan) -> Sequence[str]:
    """The lines of EXPLAIN (FORMAT TEXT)."""
    return list(_lines(tree(plan), 0))


def document(plan: EnginePlan) -> str:
    """EXPLAIN (FORMAT JSON)."""
    return json.dumps(tree(plan), indent=2)


def tree(plan: EnginePlan) -> dict[str, Any]:
    """Nodes with a name, descriptors and children."""
    scans = {scan.relation: scan for scan in plan.scans}
    parsed = sqlglot.parse_one(plan.sql, dialect="duckdb")
    return _node("Output", {"columnNames": list(plan.columns)}, [_query(parsed, scans)])


def _node(name: str, descriptor: dict[str, Any], children: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "descriptor": descriptor, "children": children}


def _query(node: exp.Expression, scans: dict[str, PlannedScan]) -> dict[str, Any]:
    if isinstance(node, exp.Subquery):
        return _query(node.this, scans)
    if isinstance(node, exp.SetOperation):
        name = type(node).__name__
        return _node(name, {}, [_query(node.left, scans), _query(node.right, scans)])
    if not isinstance(node, exp.Select):
        return _node("Values", {}, [])
    found = _sources(node, scans)
    where, group = node.args.get("where"), node.args.get("group")
    if where is not None:
        found = _node("Filter", {"filterPredicate": _said(where.this)}, [found])
    if group is not None or any(one.find(exp.AggFunc) is not None for one in node.selects):
        keys = [_said(one) for one in group.expressions] if group is not None else []
        found = _node("Aggregate", {"keys": keys}, [found])
    found = _node("Project", {"expressions": [_said(one) for one in node.selects]}, [found])
    if node.args.get("distinct") is not None:
        found = _node("Distinct", {}, [found])
    order, limit = node.args.get("order"), node.args.get("limit")
    if order is not None:
        found = _node("Sort", {"orderBy": [_said(one) for one in order.expressions]}, [found])
    if limit is not None:
        found = _node("Limit", {"count": _said(limit.expression)}, [found])
    return found


def _sources(node: exp.Select, scans: dict[str, PlannedScan]) -> dict[str, Any]:
    from_ = node.args.get("from_") or node.args.get("from")
    if from_ is None:
        return _node("Values", {}, [])
    found = _source(from_.this, scans)
    for join in node.args.get("joins") or ():
        kind = " ".join(part for part in (join.side, join.kind) if part) or "INNER"
        condition = join.args.get("on")
        descriptor = {"type": kind, "criteria": "" if condition is None else _said(condition)}
        found = _node("Join", descriptor, [found, _source(join.this, scans)])
    return found


def _source(node: exp.Expression, scans: dict[str, PlannedScan]) -> dict[str, Any]:
    if isinstance(node, exp.Table):
        scan = scans.get(node.name)
        if scan is None:
            return _node("RemoteSource", {"name": node.name}, [])
        table = scan.governed.table
        return _node(
            "TableScan",
            {
                "table": f"awsdatacatalog:{table.database}:{table.name}",
                "columns": [column.name for column in scan.columns],
            },
            [],
        )
    return _query(node, scans) if isinstance(node, exp.Query) else _node(type(node).__name__, {}, [])


def _said(node: exp.Expression) -> str:
    said: str = node.sql(dialect="trino")
    return said[:_LONGEST]


def _lines(node: dict[str, Any], depth: int) -> Iterator[str]:
    said = ", ".join(
        f"{name} = {'[' + ', '.join(value) + ']' if isinstance(value, list) else value}"
        for name, value in node["descriptor"].items()
    )
    yield f"{'    ' * depth}{'- ' if depth else ''}{node['name']}[{said}]"
    for child in node["children"]:
        yield from _lines(child, depth + 1)
