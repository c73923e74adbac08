"""Buckets and objects."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio


@dataclass(frozen=True, slots=True)
class Bucket:
    """``created`` is ISO 8601 UTC; ``policy`` a resource policy document or empty."""

    name: str
    region: str
    created: str
    policy: str = ""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object's facts. ``etag`` is without quotes; ``blob`` names the file of its bytes.

    ``owner`` is the ARN of the principal that a query result belongs to, empty for ordinary objects.
    """

    bucket: str
    key: str
    size: int
    etag: str
    modified: str
    blob: str
    content_type: str = "binary/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of keys: ``prefixes`` are the common prefixes, ``next_after`` the key to go on from."""

    objects: tuple[StoredObject, ...]
    prefixes: tuple[str, ...]
    truncated: bool
    next_after: str


_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class FileBody:
    """``length`` bytes of ``path`` from ``start`` on, read in 1 MiB pieces away from the event loop."""

    path: Path
    start: int
    length: int

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes."""
        left = self.length
        async with await anyio.open_file(self.path, "rb") as file:
            await file.seek(self.start)
            while left:
                piece = await file.read(min(_CHUNK, left))
                if not piece:
                    raise OSError(f"{self.path} is shorter than its index entry")
                left -= len(piece)
                yield piece
