"""Queries of CloudTrail Lake and the rows that they found, durable."""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from lakewarden.audit.lake_model import UNFINISHED, LakeQuery
from lakewarden.audit.ports import Row
from lakewarden.state import METADATA, Database, Presence

_queries = sa.Table(
    "audit_lake_queries",
    METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("owner", sa.String(512), nullable=False),
    sa.Column("created", sa.String(40), nullable=False, index=True),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("server", sa.String(8), nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Index("ix_audit_lake_queries_owner_created", "owner", "created"),
)
_pages = sa.Table(
    "audit_lake_pages",
    METADATA,
    sa.Column("query", sa.String(36), primary_key=True),
    sa.Column("page", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("rows", sa.LargeBinary, nullable=False),
)


@dataclass(frozen=True, slots=True)
class LakeRecords:
    """Queries within one transaction."""

    connection: sa.Connection
    presence: Presence

    def query(self, query_id: str) -> LakeQuery | None:
        """The query, or None."""
        text = self.connection.execute(sa.select(_queries.c.document).where(_queries.c.id == query_id)).scalar()
        return None if text is None else msgspec.json.decode(text, type=LakeQuery)

    def of_owner(self, owner: str) -> list[LakeQuery]:
        """An owner's queries, newest first."""
        query = sa.select(_queries.c.document).where(_queries.c.owner == owner)
        rows = self.connection.execute(query.order_by(_queries.c.created.desc(), _queries.c.id)).scalars()
        return [msgspec.json.decode(text, type=LakeQuery) for text in rows]

    def unfinished(self, owner: str) -> int:
        """How many of an owner's queries have not ended."""
        query = sa.select(sa.func.count()).where(_queries.c.owner == owner, _queries.c.status.in_(UNFINISHED))
        return int(self.connection.execute(query).scalar_one())

    def abandoned(self) -> list[LakeQuery]:
        """Queries that have not ended, of servers that are not there any more."""
        query = sa.select(_queries.c.document).where(
            _queries.c.status.in_(UNFINISHED), _queries.c.server.not_in(self.presence.alive())
        )
        return [msgspec.json.decode(text, type=LakeQuery) for text in self.connection.execute(query).scalars()]

    def put(self, query: LakeQuery) -> None:
        """Insert or replace."""
        values = {"status": query.status, "document": msgspec.json.encode(query).decode()}
        changed = self.connection.execute(sa.update(_queries).where(_queries.c.id == query.id).values(**values))
        if changed.rowcount == 0:
            self.connection.execute(
                sa.insert(_queries).values(
                    id=query.id, owner=query.owner, created=query.created, server=self.presence.server, **values
                )
            )

    def put_page(self, query_id: str, page: int, rows: Sequence[Row]) -> None:
        """Store rows."""
        body = zlib.compress(msgspec.json.encode(rows))
        self.connection.execute(sa.insert(_pages).values(query=query_id, page=page, rows=body))

    def page(self, query_id: str, page: int) -> list[Row]:
        """Rows that were stored; none where there is no such page."""
        query = sa.select(_pages.c.rows).where(_pages.c.query == query_id, _pages.c.page == page)
        body = self.connection.execute(query).scalar()
        return [] if body is None else msgspec.json.decode(zlib.decompress(body), type=list[Row])

    def forget_pages(self, query_id: str) -> None:
        """The rows of a query that did not finish are nobody's."""
        self.connection.execute(sa.delete(_pages).where(_pages.c.query == query_id))

    def forget_before(self, created: str) -> None:
        """Forget ended queries that are older, with their rows."""
        old = sa.select(_queries.c.id).where(_queries.c.created < created, _queries.c.status.not_in(UNFINISHED))
        self.connection.execute(sa.delete(_pages).where(_pages.c.query.in_(old)))
        self.connection.execute(
            sa.delete(_queries).where(_queries.c.created < created, _queries.c.status.not_in(UNFINISHED))
        )


class LakeStore:
    """Transactions over queries."""

    def __init__(self, database: Database, presence: Presence) -> None:
        self._database = database
        self._presence = presence

    @contextmanager
    def read(self) -> Iterator[LakeRecords]:
        """A consistent view."""
        with self._database.read() as connection:
            yield LakeRecords(connection, self._presence)

    @contextmanager
    def write(self) -> Iterator[LakeRecords]:
        """A durable change."""
        with self._database.write() as connection:
            yield LakeRecords(connection, self._presence)
