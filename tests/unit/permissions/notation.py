"""A short way to write grants and tables down, for the golden tables and the tests.

``SELECT INSERT with SELECT on db.t`` is a grant; behind ``on`` stands ``catalog``, ``db``, ``db.t``, ``db.*`` (all
tables), ``db.t(a b)`` (columns), ``db.t(* -a)`` (all columns but a), ``db.t[f]`` (a data cells filter), or a location;
``tag k=v|w``, ``TABLE k=v|w l=x`` and ``DATABASE k=v`` (LF-tag policies), ``TABLE @name`` (with a named expression),
``expression name``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lakewarden.kernel.lake import ALL_ROWS, Column, RowFilter, Table
from lakewarden.permissions.facts import Facts, Holdings
from lakewarden.permissions.locations import Locations
from lakewarden.permissions.model import (
    CatalogResource,
    CellsFilter,
    ColumnsResource,
    DatabaseResource,
    Expression,
    FilterResource,
    Grant,
    LocationResource,
    PolicyResource,
    Resource,
    TableResource,
    TagExpressionResource,
    TagResource,
)
from lakewarden.permissions.tags import Assignment, DatabaseTags

ME = "arn:aws:iam::123456789012:role/me"


def resource(text: str) -> Resource:
    if text == "catalog":
        return CatalogResource()
    if text.startswith(("arn:", "s3://")):
        return LocationResource("arn:aws:s3:::" + text.removeprefix("arn:aws:s3:::").removeprefix("s3://"))
    kind, _, rest = text.partition(" ")
    if kind == "tag":
        return TagResource(*tags(rest)[0])
    if kind == "expression":
        return TagExpressionResource(rest)
    if kind in {"TABLE", "DATABASE"}:
        named = rest.startswith("@")
        return PolicyResource(kind, () if named else tags(rest), rest[1:] if named else "")
    if text.endswith("]"):
        of, _, name = text[:-1].partition("[")
        database, _, of_table = of.partition(".")
        return FilterResource(database, of_table, name)
    database, dot, rest = text.partition(".")
    if not dot:
        return DatabaseResource(database)
    table, bracket, listed = rest.rstrip(")").partition("(")
    if not bracket:
        return TableResource(database, "" if table == "*" else table)
    names = listed.split()
    if names[0] == "*":
        return ColumnsResource(database, table, wildcard=True, exclude=tuple(sorted(n[1:] for n in names[1:])))
    return ColumnsResource(database, table, include=tuple(sorted(names)))


def tags(text: str) -> Expression:
    """``k=v|w l=x``."""
    pairs = (one.partition("=") for one in text.split())
    return tuple(sorted((key, tuple(sorted(values.split("|")))) for key, _, values in pairs))


def assigned(text: str) -> list[Assignment]:
    """``db k=v``, ``db.t k=v`` or ``db.t.column k=v``."""
    of, _, rest = text.partition(" ")
    database, table_name, column = [*of.split("."), "", ""][:3]
    return [Assignment(database, table_name, column, key, values[0]) for key, values in tags(rest)]


def cells_filter(name: str, text: str) -> CellsFilter:
    """``db.t(a b) where p`` or ``db.t(* -a) all``."""
    of, _, rest = text.partition(") ")
    columns = resource(of + ")")
    assert isinstance(columns, ColumnsResource)
    rows = ALL_ROWS if rest == "all" else RowFilter(False, (rest.removeprefix("where "),))
    return CellsFilter(
        columns.database, columns.table, name, rows, rest, columns.include, columns.wildcard, columns.exclude
    )


def grant(text: str, principal: str = ME) -> Grant:
    what, _, on = text.partition(" on ")
    permissions, _, grantable = what.partition(" with ")
    return Grant(principal, resource(on), frozenset(permissions.split()), frozenset(grantable.split()))


def facts(case: Mapping[str, Any]) -> Facts:
    """From ``admin``, ``reader``, ``own``, ``everyone``, ``hybrid``, ``opted_in``, ``registered`` (default: the lake),
    ``tagged``, ``named`` (expressions) and ``filters``.
    """

    def held(texts: Sequence[str]) -> Holdings:
        return Holdings.of(grant(text) for text in texts)

    return Facts(
        administrator=case.get("admin", False),
        reader=case.get("reader", False),
        own=held(case.get("own", ())),
        shared=held(case.get("everyone", ())),
        hybrid=frozenset(map(resource, case.get("hybrid", ()))),
        opted_in=frozenset(map(resource, case.get("opted_in", ()))),
        registered=Locations.of(case.get("registered", ["s3://lake"])),
        tags=DatabaseTags.of(one for text in case.get("tagged", ()) for one in assigned(text)),
        named={name: tags(text) for name, text in case.get("named", {}).items()},
        filters={
            FilterResource(one.database, one.table, one.name): one
            for one in (cells_filter(name, text) for name, text in case.get("filters", {}).items())
        },
    )


def table(members: Mapping[str, str] | None = None, database: str = "db", name: str = "t") -> Table:
    """``db.t`` at ``s3://lake/db/t`` with columns id, name, ssn and the partition key dt, unless said otherwise."""
    said = members or {"columns": "id name ssn", "keys": "dt"}
    return Table(
        database,
        name,
        tuple(Column(one, "string") for one in said["columns"].split()),
        tuple(Column(one, "string") for one in said["keys"].split()),
        said.get("location", f"s3://lake/{database}/{name}"),
    )
