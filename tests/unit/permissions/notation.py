"""A short way to write grants and tables down, for the golden tables and the tests.

``SELECT INSERT with SELECT on db.t`` is a grant; behind ``on`` stands ``catalog``, ``db``, ``db.t``, ``db.*`` (all
tables), ``db.t(a b)`` (columns), ``db.t(* -a)`` (all columns but a), or a location.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lakewarden.kernel.lake import Column, Table
from lakewarden.permissions.facts import Facts, Holdings
from lakewarden.permissions.locations import Locations
from lakewarden.permissions.model import (
    CatalogResource,
    ColumnsResource,
    DatabaseResource,
    Grant,
    LocationResource,
    Resource,
    TableResource,
)

ME = "arn:aws:iam::123456789012:role/me"


def resource(text: str) -> Resource:
    if text == "catalog":
        return CatalogResource()
    if text.startswith(("arn:", "s3://")):
        return LocationResource("arn:aws:s3:::" + text.removeprefix("arn:aws:s3:::").removeprefix("s3://"))
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


def grant(text: str, principal: str = ME) -> Grant:
    what, _, on = text.partition(" on ")
    permissions, _, grantable = what.partition(" with ")
    return Grant(principal, resource(on), frozenset(permissions.split()), frozenset(grantable.split()))


def facts(case: Mapping[str, Any]) -> Facts:
    """From ``admin``, ``reader``, ``own``, ``everyone``, ``hybrid``, ``opted_in``, ``registered`` (default: the lake)."""

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
