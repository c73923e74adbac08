"""The index of buckets and objects. An object exists from the moment its row is committed."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from lakewarden.state import Database, Snapshot, Statement
from lakewarden.storage.lifecycle import Rule
from lakewarden.storage.model import Bucket, MultipartUpload, Part, PublicAccess, StoredObject
from lakewarden.storage.tables import (
    BUCKETS,
    FACTS,
    GARBAGE,
    OBJECTS,
    PARTS,
    UPLOADS,
    VERSIONS,
    object_of,
    object_row,
    part_of,
    parts_of,
    parts_text,
    upload_of,
    upload_row,
)

_SCOPE = "storage_buckets"
# What every read and every new object asks, put together once (:class:`Statement`).
_GET = Statement(
    sa.select(*FACTS).where(OBJECTS.c.bucket == sa.bindparam("in_bucket"), OBJECTS.c.key == sa.bindparam("at_key"))
)
_INSERT = Statement(sa.insert(OBJECTS))
_BLOB = Statement(
    sa.select(OBJECTS.c.blob).where(
        OBJECTS.c.bucket == sa.bindparam("in_bucket"), OBJECTS.c.key == sa.bindparam("at_key")
    )
)
_BUCKET = Statement(sa.select(BUCKETS).where(BUCKETS.c.name == sa.bindparam("named")))
_NAMES = tuple(column.name for column in FACTS)


@dataclass(frozen=True, slots=True)
class Index:
    """Buckets and objects within one transaction; ``now`` (ISO 8601) stamps what is let go."""

    connection: sa.Connection
    now: str = ""

    # Buckets

    def bucket(self, name: str) -> Bucket | None:
        """The bucket, or None."""
        row = _BUCKET.first(self.connection, {"named": name})
        return None if row is None else _bucket(dict(zip(BUCKETS.c.keys(), row, strict=True)))

    def buckets(self) -> list[Bucket]:
        """All buckets by name."""
        return [_bucket(row) for row in self.connection.execute(sa.select(BUCKETS).order_by(BUCKETS.c.name)).mappings()]

    def put_bucket(self, bucket: Bucket) -> None:
        """Insert or replace."""
        self.remove_bucket(bucket.name)
        details = {
            "public_access": bucket.public_access,
            "tags": bucket.tags,
            "tagged": bucket.tagged,
            "versioning": bucket.versioning,
            "lifecycle": bucket.lifecycle,
        }
        self.connection.execute(
            sa.insert(BUCKETS).values(
                name=bucket.name, region=bucket.region, created=bucket.created, policy=bucket.policy,
                details=msgspec.json.encode(details).decode(),
            )
        )  # fmt: skip

    def remove_bucket(self, name: str) -> None:
        """Delete."""
        self.connection.execute(sa.delete(BUCKETS).where(BUCKETS.c.name == name))

    def is_empty(self, bucket: str) -> bool:
        """Whether a bucket holds no object, no version of one and no unfinished upload."""
        return all(
            self.connection.execute(sa.select(table.c.key).where(table.c.bucket == bucket).limit(1)).first() is None
            for table in (OBJECTS, VERSIONS, UPLOADS)
        )

    # Objects

    def get(self, bucket: str, key: str) -> StoredObject | None:
        """The object, or None."""
        row = _GET.first(self.connection, {"in_bucket": bucket, "at_key": key.encode()})
        return None if row is None else object_of(dict(zip(_NAMES, row, strict=True)))

    def parts_of(self, stored: StoredObject) -> list[Part]:
        """The parts that a finished object, or a version of it, was uploaded in."""
        for table in (OBJECTS, VERSIONS):
            query = sa.select(table.c.parts).where(
                table.c.bucket == stored.bucket, table.c.key == stored.key.encode(), table.c.blob == stored.blob
            )
            found = self.connection.execute(query.limit(1)).scalar_one_or_none()
            if found:
                return parts_of(found)
        return []

    def put(self, stored: StoredObject, parts: list[Part] | None = None) -> None:
        """Insert or replace: the moment the object exists."""
        self.remove(stored.bucket, stored.key)
        _INSERT.run(self.connection, object_row(stored, parts_text(parts) if parts else ""))

    def remove(self, bucket: str, key: str) -> None:
        """Delete; the bytes go later."""
        found = _BLOB.first(self.connection, {"in_bucket": bucket, "at_key": key.encode()})
        if found is not None:
            self.connection.execute(sa.delete(OBJECTS).where(OBJECTS.c.bucket == bucket, OBJECTS.c.key == key.encode()))
            self.release(str(found[0]))

    def scan(self, bucket: str, prefix: bytes, after: bytes, limit: int, start: bytes = b"") -> list[StoredObject]:
        """Objects whose key begins with ``prefix``, is greater than ``after`` and at least ``start``, in key order."""
        query = (
            sa.select(*FACTS)
            .where(OBJECTS.c.bucket == bucket, OBJECTS.c.key > after, OBJECTS.c.key >= max(prefix, start))
            .order_by(OBJECTS.c.key)
            .limit(limit)
        )
        end = successor(prefix)
        if end is not None:
            query = query.where(OBJECTS.c.key < end)
        return [object_of(row) for row in self.connection.execute(query).mappings()]

    # Uploads

    def upload(self, identifier: str) -> MultipartUpload | None:
        """The unfinished upload, or None."""
        query = sa.select(UPLOADS.c.document).where(UPLOADS.c.id == identifier)
        row = self.connection.execute(query).mappings().one_or_none()
        return None if row is None else upload_of(row)

    def uploads(self, bucket: str, prefix: bytes, after: tuple[bytes, str], limit: int) -> list[MultipartUpload]:
        """Unfinished uploads in the order of key and id, after (key, id)."""
        key, identifier = after
        query = (
            sa.select(UPLOADS.c.document)
            .where(
                UPLOADS.c.bucket == bucket,
                UPLOADS.c.key >= prefix,
                sa.or_(UPLOADS.c.key > key, sa.and_(UPLOADS.c.key == key, UPLOADS.c.id > identifier)),
            )
            .order_by(UPLOADS.c.key, UPLOADS.c.id)
            .limit(limit)
        )
        end = successor(prefix)
        if end is not None:
            query = query.where(UPLOADS.c.key < end)
        return [upload_of(row) for row in self.connection.execute(query).mappings()]

    def put_upload(self, upload: MultipartUpload) -> None:
        """Insert or replace."""
        self.connection.execute(sa.delete(UPLOADS).where(UPLOADS.c.id == upload.id))
        self.connection.execute(sa.insert(UPLOADS).values(upload_row(upload)))

    def remove_upload(self, identifier: str) -> None:
        """Delete an upload and its parts."""
        for part in self.parts(identifier):
            self.release(part.blob)
        self.connection.execute(sa.delete(PARTS).where(PARTS.c.upload == identifier))
        self.connection.execute(sa.delete(UPLOADS).where(UPLOADS.c.id == identifier))

    def parts(self, identifier: str, after: int = 0, limit: int = 10_000) -> list[Part]:
        """The parts of an unfinished upload by number."""
        query = (
            sa.select(PARTS)
            .where(PARTS.c.upload == identifier, PARTS.c.number > after)
            .order_by(PARTS.c.number)
            .limit(limit)
        )
        return [part_of(row) for row in self.connection.execute(query).mappings()]

    def put_part(self, identifier: str, part: Part) -> None:
        """Insert or replace."""
        where = (PARTS.c.upload == identifier, PARTS.c.number == part.number)
        before = self.connection.execute(sa.select(PARTS.c.blob).where(*where)).scalar_one_or_none()
        if before is not None:
            self.connection.execute(sa.delete(PARTS).where(*where))
            self.release(before)
        self.connection.execute(
            sa.insert(PARTS).values(
                upload=identifier, number=part.number, size=part.size, etag=part.etag, modified=part.modified,
                blob=part.blob, sums=msgspec.json.encode(part.sums).decode(),
            )
        )  # fmt: skip

    def stale_uploads(self, before: str) -> list[str]:
        """Uploads that were begun before ``before``."""
        return list(self.connection.execute(sa.select(UPLOADS.c.id).where(UPLOADS.c.created < before)).scalars())

    # Blobs

    def release(self, blob: str) -> None:
        """Note that a reference to ``blob`` is gone."""
        self.connection.execute(sa.delete(GARBAGE).where(GARBAGE.c.blob == blob))
        self.connection.execute(sa.insert(GARBAGE).values(blob=blob, since=self.now))

    def collect(self, before: str, limit: int) -> tuple[int, list[str]]:
        """Take at most ``limit`` notes older than ``before``: how many, and those blobs that nothing refers to."""
        query = sa.select(GARBAGE.c.blob).where(GARBAGE.c.since < before).limit(limit)
        found = list(self.connection.execute(query).scalars())
        self.connection.execute(sa.delete(GARBAGE).where(GARBAGE.c.blob.in_(found)))
        used = self.referred(found)
        return len(found), [name for name in found if name not in used]

    def referred(self, names: Collection[str]) -> set[str]:
        """Those of ``names`` that an object, a version, a part or a note refers to."""
        return {
            name
            for table in (OBJECTS, VERSIONS, PARTS, GARBAGE)
            for name in self.connection.execute(sa.select(table.c.blob).where(table.c.blob.in_(names))).scalars()
        }


def successor(prefix: bytes) -> bytes | None:
    """The smallest key that is greater than every key with ``prefix``; None when there is none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes((stripped[-1] + 1,)) if stripped else None


class _Details(msgspec.Struct):
    public_access: PublicAccess | None = PublicAccess()
    tags: dict[str, str] = {}
    tagged: bool = False
    versioning: str = ""
    lifecycle: tuple[Rule, ...] = ()


def _bucket(row: Mapping[str, Any] | sa.RowMapping) -> Bucket:
    details = msgspec.json.decode(row["details"] or "{}", type=_Details)
    return Bucket(
        row["name"], row["region"], row["created"], row["policy"], details.public_access, details.tags, details.tagged,
        details.versioning, details.lifecycle,
    )  # fmt: skip


class StorageStore:
    """Transactions over the index."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, bucket: str, key: str) -> StoredObject | None:
        """One object by name."""
        with self.read() as index:
            return index.get(bucket, key)

    @contextmanager
    def read(self) -> Iterator[Index]:
        """A consistent view."""
        with self._database.read() as connection:
            yield Index(connection)

    @contextmanager
    def write(self, now: str) -> Iterator[Index]:
        """A durable change of objects at the instant ``now`` (ISO 8601)."""
        with self._database.write() as connection:
            yield Index(connection, now)

    @contextmanager
    def write_buckets(self, now: str) -> Iterator[Index]:
        """A durable change of buckets: every snapshot of them is stale from its commit on."""
        with self._database.write(_SCOPE) as connection:
            yield Index(connection, now)

    def snapshot(self, load: Callable[[], dict[str, Bucket]]) -> Snapshot[dict[str, Bucket]]:
        """The buckets in memory, never older than the last commit."""
        return Snapshot(self._database, _SCOPE, load)
