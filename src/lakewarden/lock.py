"""One data directory, one server; several only where the state is in a shared database."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lakewarden.config import ConfigError, DataDirectory


@dataclass(frozen=True, slots=True)
class Lock:
    """A hold on a data directory. ``alone``: nobody else is at work in it, and what lies about can be swept up."""

    descriptor: int
    alone: bool

    def admit_others(self) -> None:
        """Let in other servers on the same shared database."""
        fcntl.flock(self.descriptor, fcntl.LOCK_SH)


@contextmanager
def held(directory: DataDirectory, *, shared: bool = False) -> Iterator[Lock]:
    """Hold the directory while the block runs. With ``shared``, those who have admitted others are no hindrance.

    Raises :class:`ConfigError` when a server is at work in it. The operating system frees the lock of a killed server,
    so that no stale lock can stand in the way.
    """
    descriptor = os.open(directory.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        alone = _take(descriptor, fcntl.LOCK_EX)
        if not alone and not (shared and _take(descriptor, fcntl.LOCK_SH)):
            process = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            raise ConfigError(f"a server is at work in {directory.root} already (process {process or 'unknown'})")
        if alone:
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield Lock(descriptor, alone)
    finally:
        os.close(descriptor)


def _take(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
