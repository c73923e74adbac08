"""The checksum kinds that S3 clients send, computed as the body streams by."""

import base64
import hashlib
from collections.abc import Callable
from typing import Protocol

from awscrt import checksums as crt

from lakewarden.wire.errors import InvalidRequest


class Checksum(Protocol):
    """A running checksum."""

    def update(self, data: bytes) -> None:
        """Take more bytes."""
        ...

    def digest(self) -> bytes:
        """The checksum in network byte order."""
        ...


class _Crc:
    def __init__(self, function: Callable[..., int], size: int) -> None:
        self._function = function
        self._size = size
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


class _XxHash:
    def __init__(self, hasher: crt.XXHash) -> None:
        self._hasher = hasher

    def update(self, data: bytes) -> None:
        self._hasher.update(data)

    def digest(self) -> bytes:
        return bytes(self._hasher.finalize())


_KINDS: dict[str, Callable[[], Checksum]] = {
    "crc32": lambda: _Crc(crt.crc32, 4),
    "crc32c": lambda: _Crc(crt.crc32c, 4),
    "crc64nvme": lambda: _Crc(crt.crc64nvme, 8),
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "xxhash64": lambda: _XxHash(crt.XXHash.new_xxhash64()),
    "xxhash3": lambda: _XxHash(crt.XXHash.new_xxhash3_64()),
    "xxhash128": lambda: _XxHash(crt.XXHash.new_xxhash3_128()),
}
PREFIX = "x-amz-checksum-"
_NOT_CHECKSUMS = frozenset({"algorithm", "mode", "type"})


def kind_of(header: str) -> str | None:
    """The kind that a header such as ``x-amz-checksum-crc32`` carries, None for other headers.

    Raises InvalidRequest for a kind that is not known: an unverified checksum would be a false promise.
    """
    if not header.startswith(PREFIX) or header[len(PREFIX) :] in _NOT_CHECKSUMS:
        return None
    kind = header[len(PREFIX) :]
    if kind not in _KINDS:
        raise InvalidRequest(f"The checksum kind {kind[:40]!r} is not supported.")
    return kind


def start(kind: str) -> Checksum:
    """A new running checksum of ``kind``."""
    return _KINDS[kind]()


def text(checksum: Checksum) -> str:
    """The value as headers and trailers carry it."""
    return base64.b64encode(checksum.digest()).decode("ascii")
