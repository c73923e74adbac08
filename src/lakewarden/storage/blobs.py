"""Objects' bytes as immutable files: written aside, synced, renamed. No key ever becomes a path."""

import contextlib
import errno
import hashlib
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lakewarden.storage.errors import InsufficientStorage

_NAME = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Blob:
    """A finished blob: ``md5`` in hex, for the ETag."""

    name: str
    size: int
    md5: str


class BlobWriter:
    """Writes one blob; :meth:`finish` makes it durable, anything else leaves nothing."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._name = secrets.token_hex(16)
        self._temporary = root / "incoming" / self._name
        self._file = self._temporary.open("xb")
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._size = 0

    def write(self, data: bytes) -> None:
        """Append; raises :class:`InsufficientStorage` on a full disk."""
        try:
            self._file.write(data)
        except OSError as error:
            raise _storage_error(error) from error
        self._md5.update(data)
        self._size += len(data)

    def finish(self) -> Blob:
        """Sync the file and its directory; from now on the blob can be read."""
        try:
            self._file.flush()
            os.fdatasync(self._file.fileno())
            self._file.close()
            target = path_of(self._root, self._name)
            made = not target.parent.exists()
            target.parent.mkdir(exist_ok=True)
            self._temporary.rename(target)
            _sync_directory(target.parent)
            if made:
                _sync_directory(self._root)
        except OSError as error:
            raise _storage_error(error) from error
        return Blob(self._name, self._size, self._md5.hexdigest())

    def discard(self) -> None:
        """Forget what was written."""
        self._file.close()
        with contextlib.suppress(FileNotFoundError):
            self._temporary.unlink()


class BlobStore:
    """A directory of blobs."""

    def __init__(self, root: Path, *, alone: bool = True) -> None:
        self.root = root
        (root / "incoming").mkdir(mode=0o700, parents=True, exist_ok=True)
        # Another server on the same directory may be in the middle of an upload.
        for leftover in (root / "incoming").iterdir() if alone else ():
            leftover.unlink()

    def writer(self) -> BlobWriter:
        """A new blob to be."""
        return BlobWriter(self.root)

    def put(self, chunks: Iterable[bytes]) -> Blob:
        """Store a blob from ``chunks``; when they raise, nothing is left."""
        writer = self.writer()
        try:
            for chunk in chunks:
                writer.write(chunk)
            return writer.finish()
        except BaseException:
            writer.discard()
            raise

    def path(self, name: str) -> Path:
        """The file of a blob."""
        return path_of(self.root, name)

    def names(self) -> Iterable[tuple[str, float]]:
        """Every blob with its modification time (epoch seconds)."""
        for folder in self.root.iterdir():
            if folder.is_dir() and folder.name != "incoming":
                for file in folder.iterdir():
                    yield file.name, file.stat().st_mtime

    def remove(self, name: str) -> None:
        """Delete a blob that nothing refers to."""
        self.path(name).unlink(missing_ok=True)


def path_of(root: Path, name: str) -> Path:
    """Where a blob lies: ``ab/abcdef...``."""
    # INVARIANT: only names that we made become paths.
    if not _NAME.fullmatch(name):
        raise ValueError("not a blob name")
    return root / name[:2] / name


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _storage_error(error: OSError) -> Exception:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return InsufficientStorage("There is not enough space to store the object.")
    return error
