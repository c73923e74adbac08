"""Where objects' bytes lie. Blobs are immutable and have names of our own; no key ever becomes a path."""

from collections.abc import AsyncIterable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Blob:
    """A finished, durable blob: ``size`` in bytes, ``etag`` what becomes an ETag: the MD5 in hex, unless nobody asked."""

    name: str
    size: int
    etag: str


class BlobWriter(Protocol):
    """Writes one blob. Until :meth:`finish` has returned there is none; its methods block and belong to one thread."""

    def write(self, data: bytes) -> None:
        """Append; raises :class:`InsufficientStorage` when there is no room."""
        ...

    def finish(self) -> Blob:
        """Make it durable; from now on it can be read."""
        ...

    def discard(self) -> None:
        """Forget what was written. Allowed at any time, also after a failed ``finish``."""
        ...


class Blobs(Protocol):
    """The bytes behind the index. Every method but ``body`` blocks."""

    def writer(self, *, md5: bool = True) -> BlobWriter: ...

    def join(self, names: Sequence[str], sizes: Sequence[int]) -> Blob:
        """A new blob of the bytes of others, in order; its ``etag`` is empty. They stay as they are."""
        ...

    def read(self, name: str, start: int, length: int) -> bytes:
        """``length`` bytes, fewer at the end; raises :class:`BlobMissing`."""
        ...

    def body(self, name: str, start: int, length: int) -> AsyncIterable[bytes]:
        """Exactly ``length`` bytes, in pieces. The blob may be removed once this has returned: it stays readable."""
        ...

    def path(self, name: str) -> Path:
        """A local file that holds exactly the blob's bytes, brought here first if need be."""
        ...

    def names(self) -> Iterator[tuple[str, float]]:
        """Every blob with its modification time (epoch seconds)."""
        ...

    def remove(self, names: Iterable[str]) -> None:
        """Delete blobs that nothing refers to; an absent one is no error."""
        ...
