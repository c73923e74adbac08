"""Which partitions a query can need, read off its rewritten statement. Pure.

Only saves work: the statement's own conditions still decide about every row. A condition that is not understood
excludes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import sqlglot
from sqlglot import exp

from lakewarden.kernel.lake import Column
from lakewarden.sql.model import EnginePlan

NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"
Value = str | int | date
Test = Callable[[Value], bool]


@dataclass(frozen=True, slots=True)
class Condition:
    """``key`` must pass ``test``; every such condition is false for null. ``values`` are the only ones that do, if known."""

    key: str
    test: Test
    values: frozenset[Value] | None = None


Conditions = Sequence[Sequence[Condition]]
"""One sequence for each place where the relation stands: a partition is needed when it passes all of any."""


def conditions(plan: EnginePlan) -> Mapping[str, Conditions]:
    """The conditions on the partition keys of each partitioned relation."""
    keys = {
        scan.relation: {key.name: key for key in scan.governed.table.partition_keys}
        for scan in plan.scans
        if scan.governed.table.partition_keys
    }
    if not keys:
        return {}
    found: dict[str, list[Sequence[Condition]]] = {relation: [] for relation in keys}
    for table in sqlglot.parse_one(plan.sql, dialect="duckdb").find_all(exp.Table):
        if table.name in keys:
            found[table.name].append(_of_place(table, keys[table.name]))
    return found


def _of_place(table: exp.Table, keys: Mapping[str, Column]) -> Sequence[Condition]:
    """The conjuncts of the WHERE of the table's own SELECT. What they reject is rejected after any join, too."""
    select = table.find_ancestor(exp.Select)
    where = select.args.get("where") if select is not None else None
    if not isinstance(where, exp.Where) or not _direct(table, select):
        return ()
    alias = table.alias_or_name
    parts = where.this.flatten() if isinstance(where.this, exp.And) else (where.this,)
    return [one for part in parts if (one := _condition(part, alias, keys)) is not None]


def _direct(table: exp.Table, select: exp.Expression | None) -> bool:
    """Whether the table stands in FROM or JOIN of the SELECT itself."""
    parent = table.parent
    return isinstance(parent, exp.From | exp.Join) and parent.parent is select


def _condition(node: exp.Expression, alias: str, keys: Mapping[str, Column]) -> Condition | None:
    node = node.unnest()
    if isinstance(node, exp.In) and not node.args.get("query"):
        key = _key(node.this, alias, keys)
        values = [None if key is None else _literal(one, key) for one in node.expressions]
        if key is None or not values or any(value is None for value in values):
            return None
        wanted = frozenset(value for value in values if value is not None)
        return Condition(key.name, lambda value: value in wanted, wanted)
    if isinstance(node, exp.Between):
        key = _key(node.this, alias, keys)
        low, high = (None if key is None else _literal(node.args[one], key) for one in ("low", "high"))
        if key is None or low is None or high is None:
            return None
        return Condition(key.name, lambda value: _at_most(low, value) and _at_most(value, high))
    return _comparison(node, alias, keys)


def _comparison(node: exp.Expression, alias: str, keys: Mapping[str, Column]) -> Condition | None:
    made = _COMPARISONS.get(type(node))
    if made is None:
        return None
    left, right = node.args["this"], node.args["expression"]
    key = _key(left, alias, keys)
    if key is not None:
        literal = _literal(right, key)
        return None if literal is None else Condition(key.name, made(literal), _only(node, literal))
    key = _key(right, alias, keys)
    literal = None if key is None else _literal(left, key)
    if key is None or literal is None:
        return None
    return Condition(key.name, _COMPARISONS[_TURNED[type(node)]](literal), _only(node, literal))


def _only(node: exp.Expression, literal: Value) -> frozenset[Value] | None:
    return frozenset({literal}) if isinstance(node, exp.EQ) else None


def _at_most(low: Value, high: Value) -> bool:
    """``low <= high`` of one type; text is not ordered here, for the engine's order is its own."""
    if isinstance(low, int) and isinstance(high, int):
        return low <= high
    if isinstance(low, date) and isinstance(high, date):
        return low <= high
    return True


_COMPARISONS: Mapping[type, Callable[[Value], Test]] = {
    exp.EQ: lambda wanted: lambda value: value == wanted,
    exp.LTE: lambda wanted: lambda value: _at_most(value, wanted),
    exp.LT: lambda wanted: lambda value: _at_most(value, wanted),
    exp.GTE: lambda wanted: lambda value: _at_most(wanted, value),
    exp.GT: lambda wanted: lambda value: _at_most(wanted, value),
}
_TURNED: Mapping[type, type] = {
    exp.EQ: exp.EQ, exp.LTE: exp.GTE, exp.LT: exp.GT, exp.GTE: exp.LTE, exp.GT: exp.LT,
}  # fmt: skip


def _key(node: exp.Expression, alias: str, keys: Mapping[str, Column]) -> Column | None:
    if not isinstance(node, exp.Column) or node.table != alias:
        return None
    return keys.get(node.name)


def _literal(node: exp.Expression, key: Column) -> Value | None:
    """The literal as a value of the key's type; None for anything else."""
    if isinstance(node, exp.Cast):
        if not node.is_type(exp.DataType.Type.DATE) or key.type.lower() != "date":
            return None
        node = node.this
    if not isinstance(node, exp.Literal):
        return None
    if _is_text(key) != node.is_string and key.type.lower() != "date":
        return None
    return value_of(str(node.this), key)


def _is_text(key: Column) -> bool:
    return key.type.lower().startswith(("string", "varchar"))


def value_of(text: str, key: Column) -> Value | None:
    """A partition value, or a literal, as a value of the key's type; None where it cannot be compared here."""
    kind = key.type.lower()
    try:
        if kind in {"tinyint", "smallint", "int", "integer", "bigint"}:
            return int(text)
        if kind == "date":
            return date.fromisoformat(text)
    except ValueError:
        return None
    return text if _is_text(key) else None


def needed(values: Sequence[str], keys: Sequence[Column], wanted: Conditions) -> bool:
    """Whether a partition with these values may hold rows that the query wants."""
    if not wanted:
        return True
    of = {key.name: (key, value) for key, value in zip(keys, values, strict=False)}
    return any(
        all(_passes(condition, *of[condition.key]) for condition in place if condition.key in of) for place in wanted
    )


def _passes(condition: Condition, key: Column, text: str) -> bool:
    if text == NO_PARTITION:
        return False
    value = value_of(text, key)
    return value is None or condition.test(value)


def equal_texts(keys: Sequence[Column], wanted: Conditions) -> Mapping[str, frozenset[str]]:
    """The only values of text keys that the query can need, for a catalog that finds partitions by them.

    Keys of other types are left out: a number or a date may be written in more than one way.
    """
    found: dict[str, frozenset[str]] = {}
    for key in keys if wanted else ():
        if not _is_text(key):
            continue
        places = [_texts_of(key.name, place) for place in wanted]
        if all(place is not None for place in places):
            found[key.name] = frozenset[str]().union(*(place for place in places if place is not None))
    return found


def _texts_of(key: str, place: Sequence[Condition]) -> frozenset[str] | None:
    for condition in place:
        if condition.key == key and condition.values is not None:
            return frozenset(str(value) for value in condition.values)
    return None
