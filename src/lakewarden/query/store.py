"""Executions and workgroups, durable."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from lakewarden.query.model import Execution, WorkGroup
from lakewarden.state import METADATA, Database, Presence

_executions = sa.Table(
    "athena_executions",
    METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("owner", sa.String(512), nullable=False),
    sa.Column("workgroup", sa.String(128), nullable=False),
    sa.Column("token", sa.String(128), nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("submitted", sa.String(40), nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("server", sa.String(8), nullable=False, server_default=""),
    sa.Index("ix_athena_executions_owner_token", "owner", "token"),
    sa.Index("ix_athena_executions_workgroup_submitted", "workgroup", "submitted"),
)
_workgroups = sa.Table(
    "athena_workgroups",
    METADATA,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Records:
    """Executions and workgroups within one transaction."""

    connection: sa.Connection
    presence: Presence

    def execution(self, execution_id: str) -> Execution | None:
        """The execution, or None."""
        query = sa.select(_executions.c.document).where(_executions.c.id == execution_id)
        return _execution(self.connection.execute(query).scalar_one_or_none())

    def by_token(self, owner: str, token: str) -> Execution | None:
        """The execution that its owner started with a client request token."""
        query = sa.select(_executions.c.document).where(_executions.c.owner == owner, _executions.c.token == token)
        return _execution(self.connection.execute(query).scalar_one_or_none())

    def unfinished(self) -> list[Execution]:
        """Executions that were queued or running on a server that is not there any more."""
        query = sa.select(_executions.c.document).where(
            _executions.c.state.in_(("QUEUED", "RUNNING")), _executions.c.server.not_in(self.presence.alive())
        )
        return [msgspec.json.decode(text, type=Execution) for text in self.connection.execute(query).scalars()]

    def listed(self, workgroup: str, owner: str | None, offset: int, limit: int) -> list[str]:
        """Ids of a workgroup's executions, newest first; of one owner, or of all."""
        query = sa.select(_executions.c.id).where(_executions.c.workgroup == workgroup)
        if owner is not None:
            query = query.where(_executions.c.owner == owner)
        query = query.order_by(_executions.c.submitted.desc(), _executions.c.id).offset(offset).limit(limit)
        return list(self.connection.execute(query).scalars())

    def put(self, execution: Execution) -> None:
        """Insert or replace."""
        document = msgspec.json.encode(execution).decode()
        changed = self.connection.execute(
            sa.update(_executions)
            .where(_executions.c.id == execution.id)
            .values(state=execution.state, document=document)
        )
        if changed.rowcount == 0:
            self.connection.execute(
                sa.insert(_executions).values(
                    id=execution.id, owner=execution.owner, workgroup=execution.workgroup, token=execution.token,
                    state=execution.state, submitted=execution.submitted, document=document,
                    server=self.presence.server,
                )
            )  # fmt: skip

    def workgroup(self, name: str) -> WorkGroup | None:
        """The workgroup, or None."""
        text = self.connection.execute(
            sa.select(_workgroups.c.document).where(_workgroups.c.name == name)
        ).scalar_one_or_none()
        return None if text is None else msgspec.json.decode(text, type=WorkGroup)

    def workgroups(self) -> list[WorkGroup]:
        """All workgroups by name."""
        rows = self.connection.execute(sa.select(_workgroups.c.document).order_by(_workgroups.c.name)).scalars()
        return [msgspec.json.decode(text, type=WorkGroup) for text in rows]

    def put_workgroup(self, workgroup: WorkGroup) -> None:
        """Insert or replace."""
        self.remove_workgroup(workgroup.name)
        document = msgspec.json.encode(workgroup).decode()
        self.connection.execute(sa.insert(_workgroups).values(name=workgroup.name, document=document))

    def remove_workgroup(self, name: str) -> None:
        """Delete."""
        self.connection.execute(sa.delete(_workgroups).where(_workgroups.c.name == name))


class QueryStore:
    """Transactions over executions and workgroups."""

    def __init__(self, database: Database, presence: Presence) -> None:
        self._database = database
        self._presence = presence

    @contextmanager
    def read(self) -> Iterator[Records]:
        """A consistent view."""
        with self._database.read() as connection:
            yield Records(connection, self._presence)

    @contextmanager
    def write(self) -> Iterator[Records]:
        """A durable change."""
        with self._database.write() as connection:
            yield Records(connection, self._presence)


def _execution(text: str | None) -> Execution | None:
    return None if text is None else msgspec.json.decode(text, type=Execution)
