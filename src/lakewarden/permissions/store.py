"""Grants, registered locations, settings and opt-ins."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa

from lakewarden.permissions.ledger import Terms
from lakewarden.permissions.model import (
    CatalogResource,
    CellsFilter,
    ColumnsResource,
    DatabaseResource,
    FilterResource,
    Grant,
    LocationResource,
    PolicyResource,
    Registration,
    Resource,
    Settings,
    TableResource,
    TagExpressionResource,
    TagResource,
)
from lakewarden.permissions.restrictions import Restrictions
from lakewarden.state import METADATA, Database

SCOPE = "permissions"
_BATCH = 1000
_KINDS: dict[str, type[Resource]] = {
    "catalog": CatalogResource,
    "columns": ColumnsResource,
    "database": DatabaseResource,
    "expression": TagExpressionResource,
    "filter": FilterResource,
    "location": LocationResource,
    "policy": PolicyResource,
    "table": TableResource,
    "tag": TagResource,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_DECODERS: dict[str, msgspec.json.Decoder[Resource]] = {
    name: msgspec.json.Decoder(kind) for name, kind in _KINDS.items()
}
_HEAD = len('{"_": "')

_grants = sa.Table(
    "lf_grants",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("principal", sa.String(512), nullable=False, index=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("database", sa.String(255), nullable=False),
    sa.Column("table_name", sa.String(255), nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("permissions", sa.Text, nullable=False),
    sa.Column("grantable", sa.Text, nullable=False),
    sa.Index("ix_lf_grants_database_table_name", "database", "table_name"),
)
_GRANTS = sa.select(_grants.c.principal, _grants.c.resource, _grants.c.permissions, _grants.c.grantable)
_locations = sa.Table(
    "lf_locations",
    METADATA,
    sa.Column("arn", sa.String(1200), primary_key=True),
    sa.Column("role_arn", sa.Text, nullable=False),
    sa.Column("hybrid", sa.Boolean, nullable=False),
    sa.Column("modified", sa.String(40), nullable=False),
)
_settings = sa.Table(
    "lf_settings",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)
_opt_ins = sa.Table(
    "lf_opt_ins",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("principal", sa.String(512), nullable=False, index=True),
    sa.Column("resource", sa.Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Records(Restrictions):
    """Permissions within one transaction."""

    def grants_of(self, principal: str, *, catalog: bool = False) -> list[Grant]:
        """What a principal holds, in the order of granting; with ``catalog`` only what it holds on the catalog."""
        query = _GRANTS.where(_grants.c.principal == principal).order_by(_grants.c.id)
        if catalog:
            query = query.where(_grants.c.kind == "catalog")
        return list(map(_grant, self.connection.execute(query).all()))

    def held_in(self, database: str, principal: str) -> list[Resource]:
        """The database and the tables of it that a principal holds anything on; column grants do not count."""
        query = sa.select(_grants.c.kind, _grants.c.table_name).where(
            _grants.c.database == database,
            _grants.c.principal == principal,
            _grants.c.kind.in_(("database", "table")),
        )
        return [_bare(kind, database, table) for kind, table in self.connection.execute(query)]

    def databases_held(self, principal: str) -> frozenset[str]:
        """The databases that a principal holds anything on or in."""
        query = sa.select(_grants.c.database).where(_grants.c.principal == principal).distinct()
        return frozenset(self.connection.execute(query).scalars())

    def grants(self) -> list[Grant]:
        """Every grant."""
        return list(map(_grant, self.connection.execute(_GRANTS.order_by(_grants.c.id)).all()))

    def most_grants(self) -> int:
        """A number that there are no more grants than, found at once."""
        return int(self.connection.execute(sa.select(sa.func.max(_grants.c.id))).scalar() or 0)

    def entries(self) -> Iterator[tuple[str, Terms]]:
        """The principal and the terms of every grant, in the order of granting, as they are read.

        The driver's own rows are taken, which for a million grants is half of the time.
        """
        query = _GRANTS.order_by(_grants.c.id).execution_options(stream_results=True)
        known: dict[tuple[str, str, str], Terms] = {}
        with closing(self.connection.execute(query)) as result:
            cursor = result.cursor
            while cursor is not None and (rows := cursor.fetchmany(_BATCH)):
                for principal, resource, permissions, grantable in rows:
                    written = (resource, permissions, grantable)
                    terms = known.get(written)
                    if terms is None:
                        terms = known[written] = _terms(*written)
                    yield principal, terms

    def put_grant(self, grant: Grant) -> None:
        """Replace what the principal holds on the very resource; an empty grant is removed."""
        written = _written(grant.resource)
        self.connection.execute(
            sa.delete(_grants).where(_grants.c.principal == grant.principal, _grants.c.resource == written)
        )
        if not grant.permissions:
            return
        resource = grant.resource
        self.connection.execute(
            sa.insert(_grants).values(
                principal=grant.principal, kind=_NAMES[type(resource)],
                database=getattr(resource, "database", ""), table_name=getattr(resource, "table", ""),
                resource=written, permissions=json.dumps(sorted(grant.permissions)),
                grantable=json.dumps(sorted(grant.grantable)),
            )
        )  # fmt: skip

    def drop_grants(self, database: str, table: str | None = None) -> None:
        """Remove every grant on a table, or on a database and all in it, with its filters and LF-tags."""
        query = sa.delete(_grants).where(_grants.c.database == database)
        if table is not None:
            query = query.where(_grants.c.table_name == table, _grants.c.kind.in_(("table", "columns", "filter")))
        self.connection.execute(query)
        self.drop_restrictions(database, table)

    def drop_filter(self, found: CellsFilter) -> None:
        """Remove a data cells filter and every grant on it."""
        written = _written(FilterResource(found.database, found.table, found.name))
        self.connection.execute(
            sa.delete(_grants).where(
                _grants.c.database == found.database,
                _grants.c.table_name == found.table,
                _grants.c.resource == written,
            )
        )
        self.remove_filter(found.database, found.table, found.name)

    def grants_of_kind(self, *kinds: str) -> list[Grant]:
        """Every grant on resources of some kinds: ``tag``, ``policy``, ``expression``..."""
        query = _GRANTS.where(_grants.c.kind.in_(kinds)).order_by(_grants.c.id)
        return list(map(_grant, self.connection.execute(query).all()))

    def grants_on(self, resource: Resource) -> list[Grant]:
        """Every grant on the very resource."""
        query = _GRANTS.where(
            _grants.c.resource == _written(resource),
            _grants.c.database == getattr(resource, "database", ""),
            _grants.c.table_name == getattr(resource, "table", ""),
        )
        return list(map(_grant, self.connection.execute(query.order_by(_grants.c.id)).all()))

    def drop_opt_ins(self, database: str, table: str | None = None) -> None:
        """Remove the opt-ins on a table, or on a database and all in it."""
        for principal, resource in self.opt_ins():
            if getattr(resource, "database", "") == database and table in {None, getattr(resource, "table", "")}:
                self.opt_out(principal, resource)

    def location(self, arn: str) -> Registration | None:
        """A registered location."""
        row = self.connection.execute(sa.select(_locations).where(_locations.c.arn == arn)).mappings().one_or_none()
        return None if row is None else Registration(**row)

    def locations(self) -> list[Registration]:
        """All registered locations."""
        return [Registration(**row) for row in self.connection.execute(sa.select(_locations)).mappings()]

    def put_location(self, location: Registration) -> None:
        """Insert or replace."""
        self.remove_location(location.arn)
        self.connection.execute(sa.insert(_locations).values(**asdict(location)))

    def remove_location(self, arn: str) -> None:
        """Delete."""
        self.connection.execute(sa.delete(_locations).where(_locations.c.arn == arn))

    def settings(self) -> Settings:
        """The data lake settings."""
        text = self.connection.execute(sa.select(_settings.c.document)).scalar_one_or_none()
        if text is None:
            return Settings()
        body = json.loads(text)
        return Settings(tuple(body["administrators"]), body["document"])

    def put_settings(self, settings: Settings) -> None:
        """Replace the settings."""
        self.connection.execute(sa.delete(_settings))
        body = {"administrators": list(settings.administrators), "document": dict(settings.document)}
        self.connection.execute(sa.insert(_settings).values(id=1, document=json.dumps(body)))

    def opt_ins(self, principal: str | None = None) -> list[tuple[str, Resource]]:
        """Who has opted in to what."""
        query = sa.select(_opt_ins.c.principal, _opt_ins.c.resource).order_by(_opt_ins.c.id)
        if principal is not None:
            query = query.where(_opt_ins.c.principal == principal)
        return [(row[0], _read(row[1])) for row in self.connection.execute(query)]

    def opt_in(self, principal: str, resource: Resource) -> None:
        """Opt a principal in."""
        self.opt_out(principal, resource)
        self.connection.execute(sa.insert(_opt_ins).values(principal=principal, resource=_written(resource)))

    def opt_out(self, principal: str, resource: Resource) -> None:
        """Undo an opt-in."""
        self.connection.execute(
            sa.delete(_opt_ins).where(_opt_ins.c.principal == principal, _opt_ins.c.resource == _written(resource))
        )


class PermissionStore:
    """Transactions over the permissions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def read(self) -> Iterator[Records]:
        """A consistent view."""
        with self._database.read() as connection:
            yield Records(connection)

    @contextmanager
    def write(self) -> Iterator[Records]:
        """A durable change; in force for the next decision anywhere."""
        with self._database.write(SCOPE) as connection:
            yield Records(connection)

    def version(self) -> int:
        """Moves with every write."""
        return self._database.version(SCOPE)


def _written(resource: Resource) -> str:
    return json.dumps({"_": _NAMES[type(resource)], **asdict(resource)}, sort_keys=True)


@lru_cache(maxsize=1 << 16)
def _read(text: str) -> Resource:
    """The same few texts are read over and over: one table's resource for each of its grants."""
    return _decoded(text)


def _terms(resource: str, permissions: str, grantable: str) -> Terms:
    return Terms.of(_decoded(resource), _set(permissions), _set(grantable))


def _decoded(text: str) -> Resource:
    """What :func:`_written` wrote; the kind stands first, as its member comes before all others in order."""
    return _DECODERS[text[_HEAD : text.index('"', _HEAD)]].decode(text)


@lru_cache(maxsize=4096)
def _set(text: str) -> frozenset[str]:
    return frozenset(json.loads(text))


def _bare(kind: str, database: str, table: str) -> Resource:
    return DatabaseResource(database) if kind == "database" else TableResource(database, table)


def _grant(row: Any) -> Grant:
    principal, resource, permissions, grantable = row
    return Grant(principal, _read(resource), _set(permissions), _set(grantable))
