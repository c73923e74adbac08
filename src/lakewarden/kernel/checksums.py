"""The checksum kinds of S3: running, and combined from those of the parts."""

import base64
import hashlib
import zlib
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from awscrt import checksums as crt


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
        self._hasher.update(bytes(data))  # it takes nothing that might change

    def digest(self) -> bytes:
        return bytes(self._hasher.finalize())


_KINDS: dict[str, Callable[[], Checksum]] = {
    "crc32": lambda: _Crc(zlib.crc32, 4),
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
_COMBINE: dict[str, Callable[[int, int, int], int]] = {
    "crc32": crt.combine_crc32,
    "crc32c": crt.combine_crc32c,
    "crc64nvme": crt.combine_crc64nvme,
}
KINDS: Final = frozenset(_KINDS)
DEFAULT: Final = "crc64nvme"
"""What S3 computes by itself where the client asks for nothing."""

LINEAR: Final = frozenset(_COMBINE)
"""The kinds whose value of a whole follows from those of its parts."""


def start(kind: str) -> Checksum:
    """A new running checksum of ``kind``, one of :data:`KINDS`."""
    return _KINDS[kind]()


def text(checksum: Checksum) -> str:
    """The value as headers and trailers carry it."""
    return base64.b64encode(checksum.digest()).decode("ascii")


def full_object(kind: str, parts: Sequence[tuple[str, int]]) -> str:
    """FULL_OBJECT: the value of the whole from its parts' (value, size); ``kind`` is one of :data:`LINEAR`."""
    combine = _COMBINE[kind]
    total, width = 0, len(start(kind).digest())
    for value, size in parts:
        total = combine(total, int.from_bytes(base64.b64decode(value), "big"), size)
    return base64.b64encode(total.to_bytes(width, "big")).decode("ascii")


def composite(kind: str, parts: Sequence[str]) -> str:
    """COMPOSITE: the checksum of the parts' checksums, and how many they are."""
    running = start(kind)
    for value in parts:
        running.update(base64.b64decode(value))
    return f"{text(running)}-{len(parts)}"
