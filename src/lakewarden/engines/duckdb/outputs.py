"""In the server: the files that a worker has written, taken from its folder without trusting it."""

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

import msgspec

from lakewarden.kernel.iceberg import Value
from lakewarden.query.errors import QueryFailed
from lakewarden.query.iceberg_ports import Changed, ChangedFile
from lakewarden.query.ports import OutputFormat, WrittenFile

MOST_PARTITIONS = 100
_MOST_FILES = 10_000
Opened = tuple[tuple[str, ...], BinaryIO]
_SUFFIX = {"GZIP": ".gz", "ZSTD": ".zst"}


@contextmanager
def written_files(folder: Path, output: OutputFormat) -> Iterator[tuple[WrittenFile, ...]]:
    """The files below ``folder``, open; raises :class:`QueryFailed` for too many partitions or anything odd."""
    keys = tuple(column.name for column in output.columns[len(output.columns) - output.partitioned :])
    with opened_files(folder) as opened:
        found = [WrittenFile(_partition(parts[:-1], keys), suffix(output), file) for parts, file in opened]
        if len({one.partition for one in found}) > MOST_PARTITIONS:
            text = f"Exceeded limit of {MOST_PARTITIONS} open writers for partitions/buckets"
            raise QueryFailed(f"HIVE_TOO_MANY_OPEN_PARTITIONS: {text}", 2, 1102)
        yield tuple(found)


@contextmanager
def opened_files(folder: Path) -> Iterator[tuple[Opened, ...]]:
    """Every file below ``folder``, in order: the parts of its path, and the file, open for reading.

    INVARIANT (least_reach): the folder is the worker's, so that a link in it could name any file that the server can
    read. Nothing is followed, and only plain files with one name are taken.
    """
    with ExitStack() as opened:
        found: list[Opened] = []
        for place, folders, names, descriptor in os.fwalk(folder, follow_symlinks=False):
            folders.sort()
            for name in sorted(names):
                file = opened.enter_context(_open(name, descriptor))
                found.append(((*Path(place).relative_to(folder).parts, name), file))
            if len(found) > _MOST_FILES:
                raise _odd()
        yield tuple(found)


@contextmanager
def changed_files(folder: Path, told: str) -> Iterator[Changed]:
    """The files of a change of rows, which are exactly those that the worker told of; raises :class:`QueryFailed`."""
    try:
        answer = msgspec.json.decode(told, type=_Told)
    except msgspec.DecodeError as error:
        raise _odd() from error
    with opened_files(folder) as opened:
        found = {name: file for (*_, name), file in opened}
        if found.keys() != {one.name for one in answer.files}:
            raise _odd()
        files = tuple(
            ChangedFile(found[one.name], one.records, one.partition, one.spec, one.deletes) for one in answer.files
        )
        yield Changed(answer.inserted, answer.deleted, answer.touched, files, answer.sources)


class _ToldFile(msgspec.Struct, frozen=True):
    name: str
    records: int
    partition: tuple[Value, ...]
    spec: int
    deletes: bool


class _Told(msgspec.Struct, frozen=True):
    inserted: int
    deleted: int
    touched: int
    files: tuple[_ToldFile, ...]
    sources: tuple[str, ...]


def suffix(output: OutputFormat) -> str:
    """What a file's name ends in: text formats are recognised by it."""
    return _SUFFIX.get(output.compression, "") if output.format in {"JSON", "TEXTFILE"} else ""


def _open(name: str, folder: int) -> BinaryIO:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        raise _odd() from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(descriptor)
        raise _odd()
    return os.fdopen(descriptor, "rb")


def _partition(parts: tuple[str, ...], keys: tuple[str, ...]) -> tuple[str, ...]:
    """The values in ``key=value`` folder names, which must be exactly the keys. DuckDB's own ``part`` is skipped."""
    named = [part.partition("=") for part in parts if "=" in part]
    if tuple(unquote(name).lower() for name, _, _ in named) != keys:
        raise _odd()
    return tuple(unquote(value) for _, _, value in named)


def _odd() -> QueryFailed:
    return QueryFailed("GENERIC_INTERNAL_ERROR: The engine wrote something that cannot be taken", 1, 401)
