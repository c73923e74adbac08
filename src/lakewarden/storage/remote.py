"""Blobs in any S3-compatible store, and a bounded local cache of those that the query engine opens as files.

The blobs keep our own names under a prefix: keys, listings, conditions and rights stay in our index, so both backends
behave alike, and an object exists when its row is committed, whatever the store does meanwhile (docs/adr).
"""

import contextlib
import hashlib
import os
import secrets
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from lakewarden.storage.errors import BlobMissing, InsufficientStorage, StoreUnavailable
from lakewarden.storage.local import path_of
from lakewarden.storage.ports import Blob

_PIECE = 4 * 1024**2
_BUFFER = 8 * 1024**2
_IN_USE = 600.0
"""Seconds that a cached file stays after it was last asked for, however full the cache is: a query may read it."""


@dataclass(frozen=True, slots=True)
class RemotePlace:
    """A bucket of an S3-compatible store. ``secret_access_key`` never leaves in a text."""

    endpoint: str
    bucket: str
    prefix: str
    region: str
    access_key_id: str
    secret_access_key: "Secret"

    def store(self) -> S3Store:
        """A client for it."""
        return S3Store(
            self.bucket,
            prefix=self.prefix or None,
            endpoint=self.endpoint,
            region=self.region,
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key.reveal(),
            virtual_hosted_style_request=False,
            client_options={"allow_http": self.endpoint.startswith("http://")},
        )


def place_of(url: str, region: str, access_key_id: str, secret_access_key: str) -> RemotePlace:
    """``s3+https://host/bucket/prefix`` as a place; raises ValueError, whose text holds no secret."""
    parts = urlsplit(url)
    bucket, _, prefix = parts.path.strip("/").partition("/")
    if parts.scheme not in {"s3+https", "s3+http"} or not parts.hostname or not bucket:
        raise ValueError("expected s3+https://host/bucket/prefix")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("an address holds no keys and no options")
    if not access_key_id or not secret_access_key:
        raise ValueError("the store's keys are missing from the environment")
    endpoint = f"{parts.scheme.removeprefix('s3+')}://{parts.netloc}"
    return RemotePlace(endpoint, bucket, prefix, region, access_key_id, Secret(secret_access_key))


class Secret:
    """A text that does not print itself."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"


class RemoteWriter:
    """``ports.BlobWriter``: small blobs are put at once, larger ones in parts; the store shows nothing before the end."""

    def __init__(self, store: S3Store, *, md5: bool = True) -> None:
        self._name = secrets.token_hex(16)
        self._store = store
        self._file = obstore.open_writer(store, self._name, buffer_size=_BUFFER, max_concurrency=4)
        self._md5 = hashlib.md5(usedforsecurity=False) if md5 else None
        self._size = 0

    def write(self, data: bytes) -> None:
        """Append."""
        with _spoken():
            self._file.write(bytes(data))  # it takes no views; bytes are not copied
        if self._md5 is not None:
            self._md5.update(data)
        self._size += len(data)

    def finish(self) -> Blob:
        """Complete the upload; the store has it durably when it says so."""
        with _spoken():
            self._file.close()
        return Blob(self._name, self._size, self._md5.hexdigest() if self._md5 is not None else "")

    def discard(self) -> None:
        """Forget it. Parts that the store holds by then are never completed; give its bucket a rule that ends them."""
        with contextlib.suppress(BaseError, OSError, FileNotFoundError):
            obstore.delete(self._store, self._name)


class RemoteBlobs:
    """``ports.Blobs`` over an S3-compatible store. ``cache`` is ours alone and may grow to about ``most`` bytes."""

    def __init__(self, store: S3Store, cache: Path, most: int) -> None:
        self._store = store
        self._cache = cache
        self._most = most
        self._lock = threading.Lock()
        (cache / "incoming").mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in (cache / "incoming").iterdir():
            leftover.unlink()

    def writer(self, *, md5: bool = True) -> RemoteWriter:
        """A new blob to be."""
        return RemoteWriter(self._store, md5=md5)

    def join(self, names: Sequence[str], sizes: Sequence[int]) -> Blob:
        """Streamed through: S3 has no joining that works at every store for every size."""
        writer = self.writer(md5=False)
        try:
            for name, size in zip(names, sizes, strict=True):
                for start in range(0, size, _BUFFER):
                    writer.write(self.read(name, start, min(_BUFFER, size - start)))
            return writer.finish()
        except BaseException:
            writer.discard()
            raise

    def read(self, name: str, start: int, length: int) -> bytes:
        """Bytes of the blob."""
        if not length:
            return b""
        with _spoken():
            try:
                return bytes(obstore.get_range(self._store, name, start=start, length=length))
            except BaseError:
                # Stores refuse a range that begins at the end; for us it is an empty one.
                if int(obstore.head(self._store, name)["size"]) > start:
                    raise
                return b""

    def body(self, name: str, start: int, length: int) -> "RemoteBody":
        """The bytes as a stream."""
        return RemoteBody(self._store, name, start, length)

    def path(self, name: str) -> Path:
        """The blob as a local file, fetched when it is not here."""
        target = path_of(self._cache, name)
        with contextlib.suppress(FileNotFoundError):
            os.utime(target)
            return target
        temporary = self._cache / "incoming" / secrets.token_hex(16)
        try:
            with _spoken(), temporary.open("xb") as file:
                for piece in obstore.get(self._store, name).stream(min_chunk_size=_PIECE):
                    file.write(piece)
            target.parent.mkdir(mode=0o700, exist_ok=True)
            temporary.rename(target)
        finally:
            temporary.unlink(missing_ok=True)
        self._shrink()
        return target

    def _shrink(self) -> None:
        """Drop what was not asked for longest, until the cache fits again."""
        with self._lock:
            files = []
            for file in self._cache.glob("??/*"):
                with contextlib.suppress(FileNotFoundError):
                    facts = file.stat()
                    files.append((facts.st_mtime, facts.st_size, file))
            total = sum(size for _, size, _ in files)
            oldest_in_use = time.time() - _IN_USE
            for modified, size, file in sorted(files):
                if total <= self._most or modified > oldest_in_use:
                    return
                file.unlink(missing_ok=True)
                total -= size

    def names(self) -> Iterator[tuple[str, float]]:
        """Every blob with its modification time (epoch seconds)."""
        with _spoken():
            for batch in obstore.list(self._store):
                for one in batch:
                    yield str(one["path"]), one["last_modified"].timestamp()

    def remove(self, names: Iterable[str]) -> None:
        """Delete blobs that nothing refers to."""
        for name in names:
            path_of(self._cache, name).unlink(missing_ok=True)
            with contextlib.suppress(BlobMissing), _spoken():
                obstore.delete(self._store, name)


@dataclass(frozen=True, slots=True)
class RemoteBody:
    """Exactly ``length`` bytes of a blob from ``start`` on."""

    store: S3Store
    name: str
    start: int
    length: int

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes."""
        left = self.length
        if not left:
            return
        options: Any = {"range": (self.start, self.start + self.length)}
        found = await obstore.get_async(self.store, self.name, options=options)
        async for piece in found.stream(min_chunk_size=_PIECE):
            left -= len(piece)
            yield bytes(piece)
        if left:
            raise OSError(f"blob {self.name} is not as long as its index entry says")


@contextlib.contextmanager
def _spoken() -> Iterator[None]:
    """The store's failures in our words; its texts may hold addresses and stay in the log."""
    try:
        yield
    except FileNotFoundError:
        raise BlobMissing("We encountered an internal error. Please try again.") from None
    except (BaseError, OSError) as error:
        if "507" in str(error) or "InsufficientStorage" in str(error):
            raise InsufficientStorage("There is not enough space to store the object.") from error
        raise StoreUnavailable("The object store does not answer. Please try again.") from error
