"""Directories that a notebook's user may write: measured and deleted, whatever she has put there.

INVARIANT (least_reach): no link is followed, no depth and no number of files exhausts us. Directories are opened from
their parents' descriptors, never by a path that somebody may change meanwhile.
"""

import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST: Final = 100
_MOST: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Size:
    """``bytes`` on disk; ``excessive`` when there are more files or levels than we count."""

    bytes: int
    excessive: bool = False


def size(places: Sequence[Path]) -> Size:
    """What the files in some directories take; a file with several names counts once."""
    total, count, seen = 0, 0, set[tuple[int, int]]()
    for place in places:
        for entry in _walk(place):
            count += 1
            if entry is None or count > _MOST:
                return Size(total, excessive=True)
            if entry.st_nlink > 1 and not stat.S_ISDIR(entry.st_mode):
                if (entry.st_dev, entry.st_ino) in seen:
                    continue
                seen.add((entry.st_dev, entry.st_ino))
            total += entry.st_blocks * 512
    return Size(total)


def _walk(place: Path) -> Iterator[os.stat_result | None]:
    """Everything below a directory; None where it is nested too deeply."""
    levels: list[tuple[int, Iterator[str]]] = []
    try:
        with suppress(OSError):
            levels.append(_opened(str(place), None))
        while levels:
            handle, names = levels[-1]
            name = next(names, None)
            if name is None:
                os.close(levels.pop()[0])
                continue
            try:
                about = os.stat(name, dir_fd=handle, follow_symlinks=False)
                if stat.S_ISDIR(about.st_mode) and len(levels) < _DEEPEST:
                    levels.append(_opened(name, handle))
            except OSError:
                continue  # it went away, or was made unreadable, while we looked
            yield None if stat.S_ISDIR(about.st_mode) and len(levels) >= _DEEPEST else about
    finally:
        for handle, _ in levels:
            os.close(handle)


def _opened(name: str, parent: int | None) -> tuple[int, Iterator[str]]:
    handle = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        return handle, iter(_names(handle))
    except BaseException:
        os.close(handle)
        raise


def remove(place: Path) -> None:
    """Delete a directory with all that is in it; nothing runs in it any more. Raises ``OSError``.

    Directories are moved to the top before they are emptied, so that no depth costs a level of anything.
    """
    with suppress(FileNotFoundError):
        place.chmod(0o700)
        top = os.open(place, _DIRECTORY)
        try:
            prefix, number = secrets.token_hex(8), 0
            while names := _names(top):
                for name in names:
                    number = _empty(top, name, prefix, number)
        finally:
            os.close(top)
        place.rmdir()


def _empty(top: int, name: str, prefix: str, number: int) -> int:
    if not _is_directory(name, top):
        os.unlink(name, dir_fd=top)
        return number
    os.chmod(name, 0o700, dir_fd=top)  # its owner may have closed it, to us as well where we are not root
    inner = os.open(name, _DIRECTORY, dir_fd=top)
    try:
        for child in _names(inner):
            if not _is_directory(child, inner):
                os.unlink(child, dir_fd=inner)
                continue
            os.chmod(child, 0o700, dir_fd=inner)
            number += 1
            os.rename(child, f"{prefix}{number}", src_dir_fd=inner, dst_dir_fd=top)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=top)
    return number


def _names(handle: int) -> list[str]:
    with os.scandir(handle) as entries:
        return [entry.name for entry in entries]


def _is_directory(name: str, parent: int) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
