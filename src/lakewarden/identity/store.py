"""Where identities are kept: one row an entity, the entity itself as a JSON document."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar, cast

import msgspec
import sqlalchemy as sa

from lakewarden.identity.model import AccessKey, Entity, User
from lakewarden.state import METADATA, Database

SCOPE = "identity"
E = TypeVar("E", bound=Entity)
T = TypeVar("T")

_entities = sa.Table(
    "iam_entities",
    METADATA,
    sa.Column("kind", sa.String(32), primary_key=True),
    sa.Column("folded_name", sa.String(255), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)
_last_used = sa.Table(
    "iam_last_used",
    METADATA,
    sa.Column("subject", sa.String(32), primary_key=True),
    sa.Column("at", sa.String(40), nullable=False),
    sa.Column("region", sa.String(32), nullable=False),
    sa.Column("service", sa.String(32), nullable=False),
)
_keys = sa.Table(
    "iam_access_keys",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("folded_user", sa.String(64), nullable=False, index=True),
    sa.Column("document", sa.Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class LastUse:
    """A use of a credential; ``at`` is ISO 8601 UTC."""

    at: str
    region: str
    service: str


@dataclass(frozen=True, slots=True)
class Identities:
    """Entities within one transaction. Names are matched without regard to case, as IAM keeps them unique."""

    connection: sa.Connection

    def get(self, kind: type[E], name: str) -> E | None:
        """The entity of that name, or None."""
        text = self.connection.execute(
            sa.select(_entities.c.document).where(
                _entities.c.kind == kind.kind, _entities.c.folded_name == name.lower()
            )
        ).scalar_one_or_none()
        return None if text is None else msgspec.json.decode(text, type=kind)

    def all(self, kind: type[E]) -> list[E]:
        """Every entity of a kind, by name."""
        rows = self.connection.execute(
            sa.select(_entities.c.document).where(_entities.c.kind == kind.kind).order_by(_entities.c.folded_name)
        ).scalars()
        return [msgspec.json.decode(text, type=kind) for text in rows]

    def count(self, kind: type[Entity]) -> int:
        """How many there are of a kind."""
        query = sa.select(sa.func.count()).select_from(_entities).where(_entities.c.kind == kind.kind)
        return int(self.connection.execute(query).scalar_one())

    def all_keys(self) -> Sequence[AccessKey]:
        """Every access key, in order of age."""
        rows = self.connection.execute(sa.select(_keys.c.document)).scalars()
        return sorted((msgspec.json.decode(text, type=AccessKey) for text in rows), key=lambda key: key.created)

    def last_used(self) -> dict[str, LastUse]:
        """When keys, roles and passwords were last used, by key id, role id and user id."""
        return {row[0]: LastUse(*row[1:]) for row in self.connection.execute(sa.select(_last_used))}

    def put_last_used(self, uses: Mapping[str, LastUse]) -> None:
        """Insert or replace."""
        self.connection.execute(sa.delete(_last_used).where(_last_used.c.subject.in_(tuple(uses))))
        self.connection.execute(
            sa.insert(_last_used),
            [
                {"subject": subject, "at": use.at, "region": use.region, "service": use.service}
                for subject, use in uses.items()
            ],
        )

    def members(self, group: str) -> list[User]:
        """The users in a group."""
        return [user for user in self.all(User) if group in user.groups]

    def put(self, entity: Entity) -> None:
        """Insert or replace."""
        self.delete(entity)
        self.connection.execute(
            sa.insert(_entities).values(
                kind=entity.kind, folded_name=entity.name.lower(), document=msgspec.json.encode(entity).decode()
            )
        )

    def delete(self, entity: Entity) -> None:
        """Remove the row."""
        self.connection.execute(
            sa.delete(_entities).where(_entities.c.kind == entity.kind, _entities.c.folded_name == entity.name.lower())
        )

    def key(self, key_id: str) -> AccessKey | None:
        """The access key of that id, or None."""
        text = self.connection.execute(sa.select(_keys.c.document).where(_keys.c.id == key_id)).scalar_one_or_none()
        return None if text is None else msgspec.json.decode(text, type=AccessKey)

    def keys_of(self, user: str) -> Sequence[AccessKey]:
        """A user's keys, oldest first."""
        rows = self.connection.execute(sa.select(_keys.c.document).where(_keys.c.folded_user == user.lower())).scalars()
        return sorted((msgspec.json.decode(text, type=AccessKey) for text in rows), key=lambda key: key.created)

    def put_key(self, key: AccessKey) -> None:
        """Insert or replace."""
        self.delete_key(key.id)
        self.connection.execute(
            sa.insert(_keys).values(id=key.id, folded_user=key.user.lower(), document=msgspec.json.encode(key).decode())
        )

    def delete_key(self, key_id: str) -> None:
        """Remove the row."""
        self.connection.execute(sa.delete(_keys).where(_keys.c.id == key_id))


class Current:
    """The identities as they stand at one version of the store, each loaded when it is first asked for.

    Whoever asks several things for one decision asks one ``Current``. Values are immutable and shared by threads.
    """

    __slots__ = ("_store", "_values", "version")

    def __init__(self, store: "IdentityStore", version: int) -> None:
        self._store = store
        self._values: dict[tuple[object, str], object] = {}
        self.version = version

    def get(self, kind: type[E], name: str) -> E | None:
        """The entity of that name, or None."""
        return self.remember(kind, name.lower(), lambda: self._load(kind, name))

    def key(self, key_id: str) -> AccessKey | None:
        """The access key of that id, or None."""
        return self.remember("key", key_id, lambda: self._load_key(key_id))

    def remember(self, kind: object, name: str, load: Callable[[], T]) -> T:
        """What ``load`` made of these identities when it was first asked for."""
        found = self._values.get((kind, name), _ABSENT)
        if found is _ABSENT:
            # A write in between leaves a newer value under an older version, and the version is compared again
            # before anybody else uses it.
            found = load()
            if len(self._values) >= _MOST_REMEMBERED:  # names that callers invent are remembered as absent, too
                self._values.clear()
            self._values[kind, name] = found
        return cast("T", found)

    def _load(self, kind: type[E], name: str) -> E | None:
        with self._store.read() as identities:
            return identities.get(kind, name)

    def _load_key(self, key_id: str) -> AccessKey | None:
        with self._store.read() as identities:
            return identities.key(key_id)


class IdentityStore:
    """Transactions over the identities."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._current = Current(self, -1)

    def current(self) -> Current:
        """The identities in force.

        INVARIANT (revocation_is_immediate): the version is compared on every question.
        """
        version = self._database.version(SCOPE)
        held = self._current
        if held.version != version:
            self._current = held = Current(self, version)
        return held

    @contextmanager
    def read(self) -> Iterator[Identities]:
        """A consistent view."""
        with self._database.read() as connection:
            yield Identities(connection)

    @contextmanager
    def write(self) -> Iterator[Identities]:
        """A durable change; every cached principal is stale from its commit on."""
        with self._database.write(SCOPE) as connection:
            yield Identities(connection)

    @contextmanager
    def note(self) -> Iterator[Identities]:
        """A durable change of what no decision rests on (last uses): no cached principal becomes stale."""
        with self._database.write() as connection:
            yield Identities(connection)


_ABSENT = object()
_MOST_REMEMBERED = 100_000
