"""Views and information_schema: a name in a query becomes the relation that it stands for. Pure.

A view is stored as Athena stores it: Presto's encoding, a base64 JSON document within a comment.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from lakewarden.kernel.lake import Column, Table
from lakewarden.sql.errors import SqlError, Unsupported
from lakewarden.sql.model import Select, TableRef
from lakewarden.sql.names import catalog_tables, is_cte, table_ref
from lakewarden.sql.parse import parse
from lakewarden.sql.result_types import trino_type

_HEAD, _TAIL = "/* Presto View: ", " */"
EXPANDED_TEXT = "/* Presto View */"
MOST_TABLES = 500


class InvalidView(SqlError):
    """A stored view that cannot be used by this caller: the same text whatever the reason."""

    error_type = 1008

    def __init__(self, ref: TableRef) -> None:
        super().__init__(
            f"INVALID_VIEW: line {ref.line}:{ref.column}: Failed analyzing stored view "
            f"'awsdatacatalog.{ref.database}.{ref.name}'"
        )


@dataclass(frozen=True, slots=True)
class Relation:
    """What a name stands for: a query, the database that its own names are in, and the columns that may be seen."""

    query: Select
    text: str
    database: str
    columns: tuple[str, ...]


def encoded(text: str, database: str, columns: Sequence[Column]) -> str:
    """Glue's ViewOriginalText."""
    document = {
        "originalSql": text,
        "catalog": "awsdatacatalog",
        "schema": database,
        "columns": [{"name": column.name, "type": trino_type(column.type)} for column in columns],
    }
    return _HEAD + base64.b64encode(json.dumps(document).encode()).decode("ascii") + _TAIL


def decoded(view: Table) -> tuple[str, str]:
    """The query's text and its database; raises ``ValueError`` for what is not a view of this encoding."""
    text = view.view_text.strip()
    if not (text.startswith(_HEAD) and text.endswith(_TAIL)):
        raise ValueError("not a Presto view")
    try:
        document = json.loads(base64.b64decode(text[len(_HEAD) : -len(_TAIL)], validate=True))
        query, database = document["originalSql"], document["schema"]
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise ValueError("a damaged view") from error
    if not isinstance(query, str) or not isinstance(database, str):
        raise ValueError("a damaged view")
    return query, database


def relation(view: Table, columns: tuple[str, ...]) -> Relation:
    """A stored view as a relation; raises ``ValueError`` or a :class:`SqlError`."""
    text, database = decoded(view)
    found = parse(text, database)
    if not isinstance(found, Select):
        raise ValueError("a view that is no query")
    return Relation(found, text, database, columns)


def expanded(query: Select, relations: Mapping[tuple[str, str], Relation], text: str, database: str) -> Select:
    """``query`` with each name of ``relations`` replaced by its query, which may name further views."""
    tree = query.tree.copy()
    for table in list(tree.find_all(exp.Table)):
        if is_cte(table):
            continue
        found = relations.get(table_ref(table, text, database).key)
        if found is not None:
            _replace(table, found)
    for column in tree.find_all(exp.Column):
        # db.view.column means the relation that goes by the view's own name.
        if column.db and (column.db.lower(), column.table.lower()) in relations:
            column.set("db", None)
            column.set("catalog", None)
    tables = tuple(catalog_tables(tree, text, database))
    if len(tables) > MOST_TABLES or sum(1 for _ in tree.find_all(exp.Table)) > MOST_TABLES:
        raise Unsupported(f"A query over more than {MOST_TABLES} tables")
    return Select(tree, tables)


def _replace(table: exp.Table, found: Relation) -> None:
    odd = [key for key, value in table.args.items() if value and key not in {"this", "db", "catalog", "alias", "joins"}]
    if odd:
        raise Unsupported(f"{odd[0].upper()} of a view")
    inner = found.query.tree.copy()
    for one in inner.find_all(exp.Table):
        # Names of the view mean its own database, wherever it is used, and never a WITH name around it.
        if not one.db and not isinstance(one.this, exp.Func) and not is_cte(one):
            one.set("db", exp.to_identifier(found.database, quoted=True))
    for node in inner.walk():
        # Positions within the view's text mean nothing in the statement's.
        if "start" in node.meta:
            del node.meta["start"]
    alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name.lower(), quoted=True))
    items = [exp.column(exp.to_identifier(name, quoted=True)) for name in found.columns]
    inside = exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier("_view", quoted=True)))
    # INVARIANT (non_interference): of a view only the permitted columns exist.
    outer = exp.Select(expressions=items, from_=exp.From(this=inside))
    replaced = exp.Subquery(this=outer, alias=alias.copy())
    if table.args.get("joins"):
        replaced.set("joins", [one.copy() for one in table.args["joins"]])
    table.replace(replaced)


# information_schema

INFORMATION_SCHEMA = "information_schema"
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "schemata": ("catalog_name", "schema_name"),
    "tables": ("table_catalog", "table_schema", "table_name", "table_type"),
    "views": ("table_catalog", "table_schema", "table_name", "view_definition"),
    "columns": (
        "table_catalog", "table_schema", "table_name", "column_name", "ordinal_position", "column_default",
        "is_nullable", "data_type", "comment", "extra_info",
    ),
}  # fmt: skip
Value = str | int | None


def listing(name: str, rows: Sequence[tuple[Value, ...]]) -> Relation:
    """An information_schema table as a relation over rows that its reader may see."""
    columns = COLUMNS[name]
    tuples = [exp.Tuple(expressions=[_typed(value, column) for value, column in zip(row, columns, strict=True)])
              for row in rows or [(None,) * len(columns)]]  # fmt: skip
    names = [exp.to_identifier(column, quoted=True) for column in columns]
    values = exp.Values(
        expressions=tuples, alias=exp.TableAlias(this=exp.to_identifier("_listed", quoted=True), columns=names)
    )
    query = exp.Select(
        expressions=[exp.column(exp.to_identifier(column, quoted=True)) for column in columns],
        from_=exp.From(this=values),
    )
    if not rows:
        query = query.where(exp.false())
    return Relation(Select(query, ()), "", INFORMATION_SCHEMA, columns)


def _typed(value: Value, column: str) -> exp.Expression:
    if column == "ordinal_position":
        return exp.cast(exp.null() if value is None else exp.Literal.number(str(value)), "BIGINT")
    return exp.cast(exp.null(), "VARCHAR") if value is None else exp.Literal.string(str(value))


def wanted_schemas(query: Select) -> frozenset[str] | None:
    """The schemas that every WHERE over information_schema names by ``=``; None when some may want them all.

    Only saves work: the query's own conditions decide what it answers.
    """
    found: set[str] = set()
    for table in query.tree.find_all(exp.Table):
        if table.db.lower() == INFORMATION_SCHEMA:
            named = _named_schema(table)
            if named is None:
                return None
            found.add(named)
    return frozenset(found)


def _named_schema(table: exp.Table) -> str | None:
    """The schema that the WHERE of the table's own SELECT, in which nothing else stands, asks for."""
    select = table.find_ancestor(exp.Select)
    where = select.args.get("where") if select is not None and not select.args.get("joins") else None
    if not isinstance(where, exp.Where):
        return None
    for part in where.this.flatten() if isinstance(where.this, exp.And) else (where.this,):
        left, right = part.args.get("this"), part.args.get("expression")
        if not (isinstance(part, exp.EQ) and isinstance(left, exp.Column) and isinstance(right, exp.Literal)):
            continue
        if left.name.lower() in {"table_schema", "schema_name"} and right.is_string:
            return str(right.this)
    return None
