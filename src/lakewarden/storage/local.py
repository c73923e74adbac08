"""Blobs as files of a local directory: written aside, synced, renamed."""

import asyncio
import contextlib
import ctypes
import errno
import hashlib
import os
import re
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lakewarden.storage.errors import BlobMissing, InsufficientStorage
from lakewarden.storage.ports import Blob

_NAME = re.compile(r"[0-9a-f]{32}")
_PIECE = 1 << 20
_BEGIN = 8 << 20
_WRITE = 2  # SYNC_FILE_RANGE_WRITE
_SYNC_FILE_RANGE = getattr(ctypes.CDLL(None), "sync_file_range", None)


class LocalWriter:
    """``ports.BlobWriter`` over one file."""

    def __init__(self, root: Path, *, md5: bool = True) -> None:
        self._root = root
        self._name = secrets.token_hex(16)
        self._temporary = root / "incoming" / self._name
        try:
            self._file = self._temporary.open("xb", buffering=0)
        except OSError as error:
            raise storage_error(error) from error
        self._md5 = hashlib.md5(usedforsecurity=False) if md5 else None
        self._size = 0
        self._begun = 0

    def write(self, data: bytes) -> None:
        """Append; raises :class:`InsufficientStorage` on a full disk."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise storage_error(error) from error
        if self._md5 is not None:
            self._md5.update(data)
        self._size += len(data)
        if self._size - self._begun >= _BEGIN:
            _begin_writing(self._file.fileno(), self._begun, self._size - self._begun)
            self._begun = self._size

    def finish(self) -> Blob:
        """Sync the file and its directory; from now on the blob can be read."""
        publish(self._root, self._file.fileno(), self._temporary, self._name)
        self._file.close()
        return Blob(self._name, self._size, self._md5.hexdigest() if self._md5 is not None else "")

    def discard(self) -> None:
        """Forget what was written."""
        self._file.close()
        with contextlib.suppress(FileNotFoundError):
            self._temporary.unlink()


class LocalBlobs:
    """``ports.Blobs`` over a directory."""

    def __init__(self, root: Path, *, alone: bool = True) -> None:
        self.root = root
        (root / "incoming").mkdir(mode=0o700, parents=True, exist_ok=True)
        # Another server on the same directory may be in the middle of an upload.
        for leftover in (root / "incoming").iterdir() if alone else ():
            leftover.unlink()

    def writer(self, *, md5: bool = True) -> LocalWriter:
        """A new blob to be."""
        return LocalWriter(self.root, md5=md5)

    def join(self, names: Sequence[str], sizes: Sequence[int]) -> Blob:
        """Copied by the kernel, shared on file systems that can."""
        name = secrets.token_hex(16)
        temporary = self.root / "incoming" / name
        try:
            with temporary.open("xb", buffering=0) as target:
                for part, size in zip(names, sizes, strict=True):
                    self._append(target.fileno(), part, size)
                publish(self.root, target.fileno(), temporary, name)
        except OSError as error:
            raise storage_error(error) from error
        finally:
            temporary.unlink(missing_ok=True)
        return Blob(name, sum(sizes), "")

    def _append(self, target: int, name: str, size: int) -> None:
        source = _descriptor(self.path(name))
        try:
            left = size
            while left:
                done = os.copy_file_range(source, target, left)
                if not done:
                    raise OSError(errno.EIO, f"blob {name} is shorter than its index entry")
                left -= done
        finally:
            os.close(source)

    def read(self, name: str, start: int, length: int) -> bytes:
        """Bytes of the blob."""
        descriptor = _descriptor(self.path(name))
        try:
            return os.pread(descriptor, length, start)
        finally:
            os.close(descriptor)

    def body(self, name: str, start: int, length: int) -> "FileBody":
        """The bytes; the file is opened now, so that a later removal does not matter."""
        return FileBody(_descriptor(self.path(name)), start, length)

    def path(self, name: str) -> Path:
        """The file of a blob."""
        return path_of(self.root, name)

    def names(self) -> Iterator[tuple[str, float]]:
        """Every blob with its modification time (epoch seconds)."""
        for folder in self.root.iterdir():
            if folder.is_dir() and folder.name != "incoming":
                for file in folder.iterdir():
                    with contextlib.suppress(FileNotFoundError):
                        yield file.name, file.stat().st_mtime

    def remove(self, names: Iterable[str]) -> None:
        """Delete blobs that nothing refers to."""
        for name in names:
            self.path(name).unlink(missing_ok=True)


@dataclass(slots=True)
class FileBody:
    """``length`` bytes of an open file from ``start`` on, read ahead by one piece, away from the event loop."""

    descriptor: int
    start: int
    length: int

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes."""
        position, end = self.start, self.start + self.length
        reading = self._read(position, end)
        try:
            while position < end:
                piece = await reading
                if not piece:
                    raise OSError(errno.EIO, "a blob is shorter than its index entry")
                position += len(piece)
                reading = self._read(position, end)
                yield piece
        finally:
            # The read ahead must be over before the descriptor's number can become another file's.
            await asyncio.shield(reading)
            self.close()

    def _read(self, position: int, end: int) -> "asyncio.Future[bytes]":
        wanted = min(_PIECE, end - position)
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(None, os.pread, self.descriptor, wanted, position)

    def close(self) -> None:
        """Close the file, once."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()


def path_of(root: Path, name: str) -> Path:
    """Where a blob lies: ``ab/abcdef...``."""
    # INVARIANT: only names that we made become paths.
    if not _NAME.fullmatch(name):
        raise ValueError("not a blob name")
    return root / name[:2] / name


def publish(root: Path, descriptor: int, temporary: Path, name: str) -> None:
    """Sync an open file and move it to where blobs lie. INVARIANT (crash_safe): durable before any row names it."""
    target = path_of(root, name)
    try:
        os.fdatasync(descriptor)
        made = not target.parent.exists()
        target.parent.mkdir(mode=0o700, exist_ok=True)
        temporary.rename(target)
        _sync_directory(target.parent)
        if made:
            _sync_directory(root)
    except OSError as error:
        raise storage_error(error) from error


def _begin_writing(descriptor: int, start: int, length: int) -> None:
    """Let the disk begin with these bytes while more arrive, so that syncing has less left to wait for.

    Where the system has no such call, or refuses it, :func:`publish` syncs everything all the same.
    """
    if _SYNC_FILE_RANGE is not None:
        _SYNC_FILE_RANGE(descriptor, ctypes.c_int64(start), ctypes.c_int64(length), _WRITE)


def storage_error(error: OSError) -> Exception:
    """A full disk as :class:`InsufficientStorage`; anything else as it is."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return InsufficientStorage("There is not enough space to store the object.")
    return error


def _descriptor(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise BlobMissing("We encountered an internal error. Please try again.") from None


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
