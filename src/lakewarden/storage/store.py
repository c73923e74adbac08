"""The index of buckets and objects. An object exists from the moment its row is committed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from lakewarden.state import METADATA, Database
from lakewarden.storage.model import Bucket, StoredObject

_buckets = sa.Table(
    "storage_buckets",
    METADATA,
    sa.Column("name", sa.String(63), primary_key=True),
    sa.Column("region", sa.String(32), nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
    sa.Column("policy", sa.Text, nullable=False, server_default=""),
)
# Keys are kept as UTF-8 bytes, so that every database sorts and compares them as S3 does.
_objects = sa.Table(
    "storage_objects",
    METADATA,
    sa.Column("bucket", sa.String(63), primary_key=True),
    sa.Column("key", sa.LargeBinary(1024), primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("etag", sa.String(64), nullable=False),
    sa.Column("modified", sa.String(40), nullable=False),
    sa.Column("blob", sa.String(32), nullable=False, index=True),
    sa.Column("content_type", sa.Text, nullable=False),
    sa.Column("details", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False, server_default=""),
)
_COLUMNS = tuple(_objects.c)


@dataclass(frozen=True, slots=True)
class Index:
    """Buckets and objects within one transaction."""

    connection: sa.Connection

    def bucket(self, name: str) -> Bucket | None:
        """The bucket, or None."""
        row = self.connection.execute(sa.select(_buckets).where(_buckets.c.name == name)).mappings().one_or_none()
        return None if row is None else Bucket(**row)

    def buckets(self) -> list[Bucket]:
        """All buckets by name."""
        rows = self.connection.execute(sa.select(_buckets).order_by(_buckets.c.name)).mappings()
        return [Bucket(**row) for row in rows]

    def add_bucket(self, bucket: Bucket) -> None:
        """Insert."""
        self.connection.execute(
            sa.insert(_buckets).values(
                name=bucket.name, region=bucket.region, created=bucket.created, policy=bucket.policy
            )
        )

    def set_policy(self, name: str, policy: str) -> None:
        """Replace a bucket's policy."""
        self.connection.execute(sa.update(_buckets).where(_buckets.c.name == name).values(policy=policy))

    def remove_bucket(self, name: str) -> None:
        """Delete."""
        self.connection.execute(sa.delete(_buckets).where(_buckets.c.name == name))

    def is_empty(self, bucket: str) -> bool:
        """Whether a bucket holds no object."""
        query = sa.select(_objects.c.size).where(_objects.c.bucket == bucket).limit(1)
        return self.connection.execute(query).first() is None

    def get(self, bucket: str, key: str) -> StoredObject | None:
        """The object, or None."""
        query = sa.select(*_COLUMNS).where(_objects.c.bucket == bucket, _objects.c.key == key.encode())
        row = self.connection.execute(query).mappings().one_or_none()
        return None if row is None else _object(row)

    def put(self, stored: StoredObject) -> None:
        """Insert or replace: the moment the object exists."""
        self.remove(stored.bucket, stored.key)
        details = msgspec.json.encode({"metadata": stored.metadata, "headers": stored.headers}).decode()
        self.connection.execute(
            sa.insert(_objects).values(
                bucket=stored.bucket, key=stored.key.encode(), size=stored.size, etag=stored.etag,
                modified=stored.modified, blob=stored.blob, content_type=stored.content_type,
                details=details, owner=stored.owner,
            )
        )  # fmt: skip

    def remove(self, bucket: str, key: str) -> None:
        """Delete."""
        self.connection.execute(sa.delete(_objects).where(_objects.c.bucket == bucket, _objects.c.key == key.encode()))

    def scan(self, bucket: str, prefix: bytes, after: bytes, limit: int) -> list[StoredObject]:
        """Objects whose key begins with ``prefix`` and is greater than ``after``, in key order."""
        query = (
            sa.select(*_COLUMNS)
            .where(_objects.c.bucket == bucket, _objects.c.key >= prefix, _objects.c.key > after)
            .order_by(_objects.c.key)
            .limit(limit)
        )
        end = _successor(prefix)
        if end is not None:
            query = query.where(_objects.c.key < end)
        return [_object(row) for row in self.connection.execute(query).mappings()]

    def blobs(self) -> set[str]:
        """Every blob that an object refers to."""
        return set(self.connection.execute(sa.select(_objects.c.blob)).scalars())


def _successor(prefix: bytes) -> bytes | None:
    """The smallest key that is greater than every key with ``prefix``; None when there is none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes((stripped[-1] + 1,)) if stripped else None


def _object(row: sa.RowMapping) -> StoredObject:
    details = msgspec.json.decode(row["details"])
    return StoredObject(
        row["bucket"], bytes(row["key"]).decode(), row["size"], row["etag"], row["modified"], row["blob"],
        row["content_type"], details["metadata"], details["headers"], row["owner"],
    )  # fmt: skip


class StorageStore:
    """Transactions over the index."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def read(self) -> Iterator[Index]:
        """A consistent view."""
        with self._database.read() as connection:
            yield Index(connection)

    @contextmanager
    def write(self) -> Iterator[Index]:
        """A durable change."""
        with self._database.write() as connection:
            yield Index(connection)
