"""Executions, workgroups, prepared statements, saved queries and tags, durable."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from lakewarden.query.model import Execution, NamedQuery, PreparedStatement, WorkGroup
from lakewarden.state import METADATA, Database, Presence, Snapshot, Statement

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
    sa.Column("fingerprint", sa.String(64), nullable=False, server_default=""),
    sa.Index("ix_athena_executions_owner_token", "owner", "token"),
    sa.Index("ix_athena_executions_fingerprint", "fingerprint"),
    sa.Index("ix_athena_executions_workgroup_submitted", "workgroup", "submitted"),
)
_workgroups = sa.Table(
    "athena_workgroups",
    METADATA,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)
_stops = sa.Table("athena_stops", METADATA, sa.Column("id", sa.String(36), primary_key=True))
_prepared = sa.Table(
    "athena_prepared_statements",
    METADATA,
    sa.Column("workgroup", sa.String(128), primary_key=True),
    sa.Column("name", sa.String(256), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)
_named = sa.Table(
    "athena_named_queries",
    METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("workgroup", sa.String(128), nullable=False, index=True),
    sa.Column("created", sa.String(40), nullable=False),
    sa.Column("document", sa.Text, nullable=False),
)
_tags = sa.Table(
    "athena_tags",
    METADATA,
    sa.Column("arn", sa.String(512), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)


# What every query asks, put together once (:class:`Statement`).
_FIND = Statement(sa.select(_executions.c.document).where(_executions.c.id == sa.bindparam("known")))
_BY_TOKEN = Statement(
    sa.select(_executions.c.document).where(
        _executions.c.owner == sa.bindparam("of_owner"), _executions.c.token == sa.bindparam("by_token")
    )
)
_INSERT = Statement(sa.insert(_executions))
_UPDATE = Statement(
    sa.update(_executions)
    .where(_executions.c.id == sa.bindparam("known"))
    .values(
        state=sa.bindparam("new_state"),
        document=sa.bindparam("new_document"),
        fingerprint=sa.bindparam("new_fingerprint"),
    )
)
_PREPARED = Statement(
    sa.select(_prepared.c.document).where(
        _prepared.c.workgroup == sa.bindparam("in_workgroup"), _prepared.c.name == sa.bindparam("by_name")
    )
)
_SCOPE = "athena_workgroups"


@dataclass(frozen=True, slots=True)
class Groups:
    """All workgroups by name, and all tags by ARN, as they stand."""

    by_name: Mapping[str, WorkGroup]
    tags: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Records:
    """Executions and workgroups within one transaction."""

    connection: sa.Connection
    presence: Presence

    def execution(self, execution_id: str) -> Execution | None:
        """The execution, or None."""
        return _execution(_FIND.first(self.connection, {"known": execution_id}))

    def by_token(self, owner: str, token: str) -> Execution | None:
        """The execution that its owner started with a client request token."""
        return _execution(_BY_TOKEN.first(self.connection, {"of_owner": owner, "by_token": token}))

    def unfinished(self) -> list[Execution]:
        """Executions that were queued or running on a server that is not there any more."""
        query = sa.select(_executions.c.document).where(
            _executions.c.state.in_(("QUEUED", "RUNNING")), _executions.c.server.not_in(self.presence.alive())
        )
        return [msgspec.json.decode(text, type=Execution) for text in self.connection.execute(query).scalars()]

    def claim(self, execution_id: str) -> bool:
        """Whether this server takes over an execution of one that is gone; only one server does."""
        changed = self.connection.execute(
            sa.update(_executions)
            .where(_executions.c.id == execution_id, _executions.c.server.not_in(self.presence.alive()))
            .values(server=self.presence.server)
        )
        return changed.rowcount == 1

    def listed(self, workgroup: str, owner: str | None, offset: int, limit: int) -> list[str]:
        """Ids of a workgroup's executions, newest first; of one owner, or of all."""
        query = sa.select(_executions.c.id).where(_executions.c.workgroup == workgroup)
        if owner is not None:
            query = query.where(_executions.c.owner == owner)
        query = query.order_by(_executions.c.submitted.desc(), _executions.c.id).offset(offset).limit(limit)
        return list(self.connection.execute(query).scalars())

    def by_fingerprint(self, owner: str, fingerprint: str) -> Execution | None:
        """The owner's newest successful execution with a fingerprint."""
        query = (
            sa.select(_executions.c.document)
            .where(_executions.c.fingerprint == fingerprint, _executions.c.owner == owner)
            .where(_executions.c.state == "SUCCEEDED")
            .order_by(_executions.c.submitted.desc())
            .limit(1)
        )
        return _execution(self.connection.execute(query).first())

    def put(self, execution: Execution) -> None:
        """Insert or replace."""
        document = msgspec.json.encode(execution).decode()
        values = {
            "known": execution.id, "new_state": execution.state, "new_document": document,
            "new_fingerprint": execution.fingerprint,
        }  # fmt: skip
        if _UPDATE.run(self.connection, values).rowcount:
            return
        row = {
            "id": execution.id, "owner": execution.owner, "workgroup": execution.workgroup, "token": execution.token,
            "state": execution.state, "submitted": execution.submitted, "document": document,
            "server": self.presence.server, "fingerprint": execution.fingerprint,
        }  # fmt: skip
        _INSERT.run(self.connection, row)

    # Stops

    def ask_stop(self, execution_id: str) -> None:
        """Ask whichever server runs the execution to stop it."""
        self.forget_stop(execution_id)
        self.connection.execute(sa.insert(_stops).values(id=execution_id))

    def asked_to_stop(self, running: Sequence[str]) -> list[str]:
        """Those of ``running`` that somebody asked to stop."""
        return list(self.connection.execute(sa.select(_stops.c.id).where(_stops.c.id.in_(running))).scalars())

    def forget_stop(self, execution_id: str) -> None:
        """Withdraw the request, once it is obeyed or there is nothing left to stop."""
        self.connection.execute(sa.delete(_stops).where(_stops.c.id == execution_id))

    # Workgroups

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

    def has_executions(self, workgroup: str) -> bool:
        """Whether anything ran in the workgroup."""
        query = sa.select(_executions.c.id).where(_executions.c.workgroup == workgroup).limit(1)
        return self.connection.execute(query).scalar_one_or_none() is not None

    # Prepared statements

    def prepared(self, workgroup: str, name: str) -> PreparedStatement | None:
        """The statement, or None."""
        row = _PREPARED.first(self.connection, {"in_workgroup": workgroup, "by_name": name})
        return None if row is None else msgspec.json.decode(row[0], type=PreparedStatement)

    def all_prepared(self, workgroup: str) -> list[PreparedStatement]:
        """A workgroup's statements by name."""
        query = sa.select(_prepared.c.document).where(_prepared.c.workgroup == workgroup).order_by(_prepared.c.name)
        return [msgspec.json.decode(text, type=PreparedStatement) for text in self.connection.execute(query).scalars()]

    def put_prepared(self, statement: PreparedStatement) -> None:
        """Insert or replace."""
        self.remove_prepared(statement.workgroup, statement.name)
        document = msgspec.json.encode(statement).decode()
        self.connection.execute(
            sa.insert(_prepared).values(workgroup=statement.workgroup, name=statement.name, document=document)
        )

    def remove_prepared(self, workgroup: str, name: str) -> None:
        """Delete."""
        self.connection.execute(
            sa.delete(_prepared).where(_prepared.c.workgroup == workgroup, _prepared.c.name == name)
        )

    # Named queries

    def named(self, query_id: str) -> NamedQuery | None:
        """The saved query, or None."""
        text = self.connection.execute(sa.select(_named.c.document).where(_named.c.id == query_id)).scalar_one_or_none()
        return None if text is None else msgspec.json.decode(text, type=NamedQuery)

    def all_named(self, workgroup: str) -> list[NamedQuery]:
        """A workgroup's saved queries, newest first."""
        query = (
            sa.select(_named.c.document)
            .where(_named.c.workgroup == workgroup)
            .order_by(_named.c.created.desc(), _named.c.id)
        )
        return [msgspec.json.decode(text, type=NamedQuery) for text in self.connection.execute(query).scalars()]

    def put_named(self, query: NamedQuery) -> None:
        """Insert or replace."""
        self.remove_named(query.id)
        document = msgspec.json.encode(query).decode()
        self.connection.execute(
            sa.insert(_named).values(id=query.id, workgroup=query.workgroup, created=query.created, document=document)
        )

    def remove_named(self, query_id: str) -> None:
        """Delete."""
        self.connection.execute(sa.delete(_named).where(_named.c.id == query_id))

    # Tags

    def tags(self, arn: str) -> dict[str, str]:
        """The tags of a workgroup or data catalog."""
        text = self.connection.execute(sa.select(_tags.c.document).where(_tags.c.arn == arn)).scalar_one_or_none()
        return {} if text is None else msgspec.json.decode(text, type=dict[str, str])

    def all_tags(self) -> dict[str, dict[str, str]]:
        """The tags of everything that has some, by ARN."""
        rows = self.connection.execute(sa.select(_tags.c.arn, _tags.c.document))
        return {row[0]: msgspec.json.decode(row[1], type=dict[str, str]) for row in rows}

    def put_tags(self, arn: str, tags: Mapping[str, str]) -> None:
        """Replace them all."""
        self.connection.execute(sa.delete(_tags).where(_tags.c.arn == arn))
        if tags:
            document = msgspec.json.encode(dict(tags)).decode()
            self.connection.execute(sa.insert(_tags).values(arn=arn, document=document))


class QueryStore:
    """Transactions over executions and workgroups."""

    def __init__(self, database: Database, presence: Presence) -> None:
        self._database = database
        self._presence = presence
        self._groups = Snapshot(database, _SCOPE, self._load_groups)

    def groups(self) -> Groups:
        """The workgroups and tags in force, from memory while they stand."""
        return self._groups.current()

    def _load_groups(self) -> Groups:
        with self.read() as records:
            return Groups({one.name: one for one in records.workgroups()}, records.all_tags())

    @contextmanager
    def read(self) -> Iterator[Records]:
        """A consistent view."""
        with self._database.read() as connection:
            yield Records(connection, self._presence)

    @contextmanager
    def write(self) -> Iterator[Records]:
        """A durable change of executions, or of what is saved."""
        with self._database.write() as connection:
            yield Records(connection, self._presence)

    @contextmanager
    def write_groups(self) -> Iterator[Records]:
        """A durable change of workgroups or tags: what :meth:`groups` answered before is stale from its commit on."""
        with self._database.write(_SCOPE) as connection:
            yield Records(connection, self._presence)


def _execution(row: Any) -> Execution | None:
    return None if row is None else msgspec.json.decode(row[0], type=Execution)
