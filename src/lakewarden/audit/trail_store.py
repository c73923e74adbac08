"""Trails, their files that no digest has named yet, and the keys of the digests, durable."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from lakewarden.audit.model import DigestKey, Trail, TrailFile
from lakewarden.state import METADATA, Database

_trails = sa.Table(
    "audit_trails",
    METADATA,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("lease_holder", sa.String(36), nullable=False),
    sa.Column("lease_until", sa.BigInteger, nullable=False),
)
_files = sa.Table(
    "audit_trail_files",
    METADATA,
    sa.Column("trail", sa.String(128), primary_key=True),
    sa.Column("last", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("first", sa.BigInteger, nullable=False),
    sa.Column("bucket", sa.String(63), nullable=False),
    sa.Column("key", sa.String(1024), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("oldest", sa.String(24), nullable=False),
    sa.Column("newest", sa.String(24), nullable=False),
)
_keys = sa.Table(
    "audit_digest_keys",
    METADATA,
    sa.Column("fingerprint", sa.String(64), primary_key=True),
    sa.Column("public_key", sa.LargeBinary, nullable=False),
    sa.Column("private_key", sa.Text, nullable=False),
    sa.Column("valid_from", sa.BigInteger, nullable=False),
    sa.Column("valid_to", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class TrailRecords:
    """Trails within one transaction."""

    connection: sa.Connection

    def trail(self, name: str) -> Trail | None:
        """The trail, or None; in a write transaction nobody else changes it meanwhile."""
        query = sa.select(_trails.c.document).where(_trails.c.name == name).with_for_update()
        text = self.connection.execute(query).scalar_one_or_none()
        return None if text is None else msgspec.json.decode(text, type=Trail)

    def trails(self) -> list[Trail]:
        """All trails by name."""
        rows = self.connection.execute(sa.select(_trails.c.document).order_by(_trails.c.name)).scalars()
        return [msgspec.json.decode(text, type=Trail) for text in rows]

    def add(self, trail: Trail, position: int) -> None:
        """Insert."""
        self.connection.execute(
            sa.insert(_trails).values(
                name=trail.name, document=_text(trail), position=position, lease_holder="", lease_until=0
            )
        )

    def put(self, trail: Trail) -> None:
        """Replace; its position stays."""
        self.connection.execute(sa.update(_trails).where(_trails.c.name == trail.name).values(document=_text(trail)))

    def remove(self, name: str) -> None:
        """Delete the trail with what is kept for it."""
        self.connection.execute(sa.delete(_files).where(_files.c.trail == name))
        self.connection.execute(sa.delete(_trails).where(_trails.c.name == name))

    def position(self, name: str) -> int:
        """The last record that was planned for delivery."""
        query = sa.select(_trails.c.position).where(_trails.c.name == name)
        return int(self.connection.execute(query).scalar_one_or_none() or 0)

    def move(self, name: str, position: int) -> None:
        """Set the position."""
        self.connection.execute(sa.update(_trails).where(_trails.c.name == name).values(position=position))

    def files(self, name: str) -> list[TrailFile]:
        """The files that no digest has named yet, in order."""
        query = sa.select(_files).where(_files.c.trail == name).order_by(_files.c.last)
        return [TrailFile(**row) for row in self.connection.execute(query).mappings()]

    def put_file(self, file: TrailFile) -> None:
        """Insert or replace."""
        self.connection.execute(sa.delete(_files).where(_files.c.trail == file.trail, _files.c.last == file.last))
        self.connection.execute(sa.insert(_files).values(**msgspec.structs.asdict(file)))

    def remove_files(self, name: str, to: int) -> None:
        """Forget the delivered files up to a record: a digest names them, or none ever will."""
        self.connection.execute(
            sa.delete(_files).where(_files.c.trail == name, _files.c.last <= to, _files.c.hash != "")
        )

    def digest_keys(self) -> list[DigestKey]:
        """All digest keys, oldest first."""
        query = sa.select(_keys).order_by(_keys.c.valid_from)
        return [DigestKey(**row) for row in self.connection.execute(query).mappings()]

    def put_key(self, key: DigestKey) -> None:
        """Insert or replace."""
        self.connection.execute(sa.delete(_keys).where(_keys.c.fingerprint == key.fingerprint))
        self.connection.execute(sa.insert(_keys).values(**msgspec.structs.asdict(key)))


class TrailStore:
    """Transactions over trails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def read(self) -> Iterator[TrailRecords]:
        """A consistent view."""
        with self._database.read() as connection:
            yield TrailRecords(connection)

    @contextmanager
    def write(self) -> Iterator[TrailRecords]:
        """A durable change."""
        with self._database.write() as connection:
            yield TrailRecords(connection)

    def change(self, name: str, changed: Callable[[Trail], Trail]) -> Trail | None:
        """Replace a trail by what ``changed`` makes of it; None when it is gone."""
        with self.write() as records:
            found = records.trail(name)
            if found is None:
                return None
            made = changed(found)
            if made != found:
                records.put(made)
            return made

    def retire_keys(self, now: int) -> None:
        """End every signing key's time. Private keys are forgotten, public ones are kept for ever."""
        with self.write() as records:
            for key in records.digest_keys():
                if key.private_key:
                    records.put_key(msgspec.structs.replace(key, private_key="", valid_to=min(key.valid_to, now)))

    def lease(self, name: str, holder: str, now: int, seconds: int) -> bool:
        """Take or renew the right to deliver for a trail: one server at a time."""
        with self._database.write() as connection:
            taken = connection.execute(
                sa.update(_trails)
                .where(
                    _trails.c.name == name,
                    sa.or_(
                        _trails.c.lease_holder == holder, _trails.c.lease_until < now, _trails.c.lease_until > now + 600
                    ),
                )
                .values(lease_holder=holder, lease_until=now + seconds)
            )
            return bool(taken.rowcount)


def _text(trail: Trail) -> str:
    return msgspec.json.encode(trail).decode()
