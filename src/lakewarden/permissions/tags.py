"""LF-tags on the databases, tables and columns, and whether they match a policy. Pure.

Lake Formation Developer Guide, "Lake Formation tag-based access control": tables inherit their database's tags, columns
their table's; a value that is set lower down replaces the inherited one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from lakewarden.permissions.model import EVERY_VALUE, Expression

Values = Mapping[str, str]
"""Tag keys to the one value that a resource has of each."""
NO_TAGS: Values = {}


@dataclass(frozen=True, slots=True)
class Assignment:
    """One LF-tag on a database (``table`` empty), a table (``column`` empty) or a column."""

    database: str
    table: str
    column: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class DatabaseTags:
    """The tags within one database, as assigned. ``columns`` is by table, then by column."""

    own: Values = field(default_factory=dict)
    tables: Mapping[str, Values] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, Values]] = field(default_factory=dict)

    @classmethod
    def of(cls, assignments: Iterable[Assignment]) -> Self:
        """Index the assignments of one database."""
        own: dict[str, str] = {}
        tables: dict[str, dict[str, str]] = {}
        columns: dict[str, dict[str, dict[str, str]]] = {}
        for one in assignments:
            if one.column:
                columns.setdefault(one.table, {}).setdefault(one.column, {})[one.key] = one.value
            elif one.table:
                tables.setdefault(one.table, {})[one.key] = one.value
            else:
                own[one.key] = one.value
        return cls(own, tables, columns)

    def on_table(self, table: str) -> Values:
        """A table's tags, the inherited ones included."""
        return {**self.own, **self.tables.get(table, NO_TAGS)}

    def on_column(self, table: str, column: str) -> Values:
        """A column's tags, the inherited ones included."""
        return {**self.on_table(table), **self.columns.get(table, {}).get(column, NO_TAGS)}

    def tagged_tables(self) -> Iterator[str]:
        """The tables that have tags of their own, or on their columns."""
        yield from self.tables.keys() | self.columns.keys()


UNTAGGED = DatabaseTags()


def matches(expression: Expression, tags: Values) -> bool:
    """Whether ``tags`` have every key of ``expression`` with one of its values; an empty expression matches nothing."""
    return bool(expression) and all(
        key in tags and (EVERY_VALUE in values or tags[key] in values) for key, values in expression
    )


def covers(held: Expression, wanted: Expression) -> bool:
    """Whether all that ``wanted`` matches is matched by ``held`` too."""
    asked = dict(wanted)
    return bool(held) and all(
        key in asked and (EVERY_VALUE in values or (bool(asked[key]) and frozenset(asked[key]) <= frozenset(values)))
        for key, values in held
    )
