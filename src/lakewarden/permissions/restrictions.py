"""The tables of data cells filters, LF-tags, their assignments and named LF-tag expressions."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from lakewarden.kernel.lake import RowFilter
from lakewarden.permissions.model import CellsFilter, Expression, TagExpression
from lakewarden.permissions.tags import Assignment
from lakewarden.state import METADATA

_filters = sa.Table(
    "lf_filters",
    METADATA,
    sa.Column("database", sa.String(255), primary_key=True),
    sa.Column("table_name", sa.String(255), primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)
_tags = sa.Table(
    "lf_tags",
    METADATA,
    sa.Column("key", sa.String(128), primary_key=True),
    sa.Column("tag_values", sa.Text, nullable=False),
)
_assignments = sa.Table(
    "lf_tag_assignments",
    METADATA,
    sa.Column("database", sa.String(255), primary_key=True),
    sa.Column("table_name", sa.String(255), primary_key=True),
    sa.Column("column_name", sa.String(255), primary_key=True),
    sa.Column("key", sa.String(128), primary_key=True),
    sa.Column("value", sa.String(256), nullable=False),
    sa.Index("ix_lf_tag_assignments_key_value", "key", "value"),
)
_expressions = sa.Table(
    "lf_tag_expressions",
    METADATA,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Restrictions:
    """Filters and tags within one transaction."""

    connection: sa.Connection

    # Data cells filters

    def filter(self, database: str, table: str, name: str) -> CellsFilter | None:
        """A data cells filter, or None."""
        found = self.filters(database, table, name)
        return found[0] if found else None

    def filters(self, database: str = "", table: str = "", name: str = "") -> list[CellsFilter]:
        """The filters of a database, of a table, or all of them, by name."""
        query = sa.select(_filters).order_by(_filters.c.database, _filters.c.table_name, _filters.c.name)
        for column, value in ((_filters.c.database, database), (_filters.c.table_name, table), (_filters.c.name, name)):
            if value:
                query = query.where(column == value)
        return [_filter(row) for row in self.connection.execute(query).mappings()]

    def put_filter(self, one: CellsFilter) -> None:
        """Insert or replace."""
        self.remove_filter(one.database, one.table, one.name)
        document = {
            "all_rows": one.rows.all_rows, "expressions": one.rows.expressions, "text": one.text,
            "include": one.include, "wildcard": one.wildcard, "exclude": one.exclude, "version": one.version,
        }  # fmt: skip
        self.connection.execute(
            sa.insert(_filters).values(
                database=one.database, table_name=one.table, name=one.name, document=json.dumps(document)
            )
        )

    def remove_filter(self, database: str, table: str, name: str) -> None:
        """Delete the row; the grants on it are the caller's to remove."""
        self.connection.execute(
            sa.delete(_filters).where(
                _filters.c.database == database, _filters.c.table_name == table, _filters.c.name == name
            )
        )

    def drop_restrictions(self, database: str, table: str | None) -> None:
        """Remove the filters and tags of a table, or of a database and all in it."""
        for one in (_filters, _assignments):
            query = sa.delete(one).where(one.c.database == database)
            if table is not None:
                query = query.where(one.c.table_name == table)
            self.connection.execute(query)

    # LF-tags

    def tag(self, key: str) -> tuple[str, ...] | None:
        """The values of an LF-tag; None when there is none."""
        text = self.connection.execute(sa.select(_tags.c.tag_values).where(_tags.c.key == key)).scalar_one_or_none()
        return None if text is None else tuple(json.loads(text))

    def tags(self) -> dict[str, tuple[str, ...]]:
        """All LF-tags by key."""
        rows = self.connection.execute(sa.select(_tags).order_by(_tags.c.key)).mappings()
        return {row["key"]: tuple(json.loads(row["tag_values"])) for row in rows}

    def put_tag(self, key: str, values: Iterable[str]) -> None:
        """Insert or replace."""
        self.connection.execute(sa.delete(_tags).where(_tags.c.key == key))
        self.connection.execute(sa.insert(_tags).values(key=key, tag_values=json.dumps(list(values))))

    def remove_tag(self, key: str) -> None:
        """Delete an LF-tag, wherever it is assigned too."""
        self.connection.execute(sa.delete(_tags).where(_tags.c.key == key))
        self.connection.execute(sa.delete(_assignments).where(_assignments.c.key == key))

    def assignments(self, database: str | None = None) -> list[Assignment]:
        """What is tagged, in one database or anywhere."""
        query = sa.select(_assignments).order_by(*_assignments.primary_key.columns)
        if database is not None:
            query = query.where(_assignments.c.database == database)
        return [
            Assignment(row["database"], row["table_name"], row["column_name"], row["key"], row["value"])
            for row in self.connection.execute(query).mappings()
        ]

    def tagged_databases(self) -> frozenset[str]:
        """The databases in which anything is tagged."""
        return frozenset(self.connection.execute(sa.select(_assignments.c.database).distinct()).scalars())

    def assigned(self, key: str, value: str) -> bool:
        """Whether anything has that tag."""
        query = sa.select(_assignments.c.key).where(_assignments.c.key == key, _assignments.c.value == value).limit(1)
        return self.connection.execute(query).first() is not None

    def assign(self, one: Assignment) -> None:
        """Put a tag on something; another value of the same key gives way."""
        self.unassign(one)
        self.connection.execute(
            sa.insert(_assignments).values(
                database=one.database, table_name=one.table, column_name=one.column, key=one.key, value=one.value
            )
        )

    def unassign(self, one: Assignment) -> None:
        """Take a tag off, whatever its value."""
        self.connection.execute(
            sa.delete(_assignments).where(
                _assignments.c.database == one.database,
                _assignments.c.table_name == one.table,
                _assignments.c.column_name == one.column,
                _assignments.c.key == one.key,
            )
        )

    # Named LF-tag expressions

    def expressions(self) -> dict[str, TagExpression]:
        """All of them by name."""
        rows = self.connection.execute(sa.select(_expressions).order_by(_expressions.c.name)).mappings()
        found = {}
        for row in rows:
            body = json.loads(row["document"])
            found[row["name"]] = TagExpression(row["name"], _expression(body["expression"]), body["description"])
        return found

    def put_expression(self, one: TagExpression) -> None:
        """Insert or replace."""
        self.remove_expression(one.name)
        document = json.dumps({"expression": one.expression, "description": one.description})
        self.connection.execute(sa.insert(_expressions).values(name=one.name, document=document))

    def remove_expression(self, name: str) -> None:
        """Delete the row."""
        self.connection.execute(sa.delete(_expressions).where(_expressions.c.name == name))


def _expression(body: list[Any]) -> Expression:
    return tuple((key, tuple(values)) for key, values in body)


def _filter(row: sa.RowMapping) -> CellsFilter:
    body = json.loads(row["document"])
    return CellsFilter(
        row["database"], row["table_name"], row["name"], RowFilter(body["all_rows"], tuple(body["expressions"])),
        body["text"], tuple(body["include"]), body["wildcard"], tuple(body["exclude"]), body["version"],
    )  # fmt: skip
