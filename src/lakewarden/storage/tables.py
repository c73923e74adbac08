"""The index's tables, and their rows as values."""

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from lakewarden.state import METADATA
from lakewarden.storage.model import Attributes, MultipartUpload, Part, StoredObject, Sums


def _of_an_object() -> tuple[sa.Column[Any], ...]:
    """What is kept of an object, whether it is the one that is there or an older version."""
    return (
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("etag", sa.String(64), nullable=False),
        sa.Column("modified", sa.String(40), nullable=False),
        sa.Column("blob", sa.String(32), nullable=False, index=True),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False, server_default=""),
        sa.Column("parts", sa.Text, nullable=False, server_default=""),
    )


BUCKETS = sa.Table(
    "storage_buckets",
    METADATA,
    sa.Column("name", sa.String(63), primary_key=True),
    sa.Column("region", sa.String(32), nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
    sa.Column("policy", sa.Text, nullable=False, server_default=""),
    sa.Column("details", sa.Text, nullable=False, server_default=""),
)
# Keys are kept as UTF-8 bytes, so that every database sorts and compares them as S3 does.
OBJECTS = sa.Table(
    "storage_objects",
    METADATA,
    sa.Column("bucket", sa.String(63), primary_key=True),
    sa.Column("key", sa.LargeBinary(1024), primary_key=True),
    *_of_an_object(),
)
# What versioned buckets keep beside the objects that are: older versions, and markers (without a blob) of deletions. An
# object's row in storage_objects is always newer than these; among these the greater sequence is the newer.
VERSIONS = sa.Table(
    "storage_versions",
    METADATA,
    sa.Column("bucket", sa.String(63), primary_key=True),
    sa.Column("key", sa.LargeBinary(1024), primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    *_of_an_object(),
    sa.Column("version", sa.String(40), nullable=False),
)
UPLOADS = sa.Table(
    "storage_uploads",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("bucket", sa.String(63), nullable=False),
    sa.Column("key", sa.LargeBinary(1024), nullable=False),
    sa.Column("created", sa.String(40), nullable=False, index=True),
    sa.Column("document", sa.Text, nullable=False),
    sa.Index("ix_storage_uploads_bucket_key", "bucket", "key", "id"),
)
PARTS = sa.Table(
    "storage_parts",
    METADATA,
    sa.Column("upload", sa.String(64), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("etag", sa.String(64), nullable=False),
    sa.Column("modified", sa.String(40), nullable=False),
    sa.Column("blob", sa.String(32), nullable=False, index=True),
    sa.Column("sums", sa.Text, nullable=False),
)
# Blobs that lost a reference, and when: whoever was just reading them has time to finish.
GARBAGE = sa.Table(
    "storage_garbage",
    METADATA,
    sa.Column("blob", sa.String(32), primary_key=True),
    sa.Column("since", sa.String(40), nullable=False, index=True),
)
# An object's row without the list of its parts, which only GetObjectAttributes and partNumber ask for.
FACTS = tuple(column for column in OBJECTS.c if column.name != "parts")


def object_row(stored: StoredObject, parts: str) -> dict[str, Any]:
    """The row of an object; ``parts`` as :func:`parts_text` writes it."""
    own = stored.attributes
    details = {
        "metadata": own.metadata,
        "headers": own.headers,
        "tags": own.tags,
        "sums": stored.sums.values,
        "sums_type": stored.sums.type,
        "parts": stored.parts,
        "upload": stored.upload,
        "version": stored.version,
    }
    return {
        "bucket": stored.bucket,
        "key": stored.key.encode(),
        "size": stored.size,
        "etag": stored.etag,
        "modified": stored.modified,
        "blob": stored.blob,
        "content_type": own.content_type,
        "details": msgspec.json.encode({name: value for name, value in details.items() if value}).decode(),
        "owner": own.owner,
        "parts": parts,
    }


def object_of(row: Mapping[str, Any] | sa.RowMapping) -> StoredObject:
    """The object of a row."""
    details = msgspec.json.decode(row["details"])
    own = Attributes(
        row["content_type"], details.get("metadata", {}), details.get("headers", {}), row["owner"],
        details.get("tags", {}),
    )  # fmt: skip
    return StoredObject(
        row["bucket"], bytes(row["key"]).decode(), row["size"], row["etag"], row["modified"], row["blob"], own,
        Sums(details.get("sums", {}), details.get("sums_type", "FULL_OBJECT")), details.get("parts", 0),
        details.get("upload", ""), details.get("version", ""),
    )  # fmt: skip


def parts_text(parts: list[Part]) -> str:
    """The parts of a finished object, in order."""
    return msgspec.json.encode([(one.number, one.size, one.sums) for one in parts]).decode()


def parts_of(text: str) -> list[Part]:
    """The parts that :func:`parts_text` wrote; none of an object that was put whole."""
    return [Part(number, size, sums=sums) for number, size, sums in msgspec.json.decode(text)] if text else []


def upload_row(upload: MultipartUpload) -> dict[str, Any]:
    """The row of an upload."""
    return {
        "id": upload.id,
        "bucket": upload.bucket,
        "key": upload.key.encode(),
        "created": upload.created,
        "document": msgspec.json.encode(upload).decode(),
    }


def upload_of(row: sa.RowMapping) -> MultipartUpload:
    """The upload of a row."""
    return msgspec.json.decode(row["document"], type=MultipartUpload)


def part_of(row: sa.RowMapping) -> Part:
    """The part of a row."""
    return Part(row["number"], row["size"], row["etag"], row["modified"], row["blob"], msgspec.json.decode(row["sums"]))
