"""The process table, as far as it concerns notebooks: who descends from whom, and how much memory each holds."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    """``memory`` is the resident set in bytes, ``started`` the kernel's start tick: with the id it names one process."""

    pid: int
    parent: int
    memory: int
    started: int


def table() -> Mapping[int, Process]:
    """Every process that runs now."""
    found: dict[int, Process] = {}
    with os.scandir("/proc") as entries:
        names = [entry.name for entry in entries]
    for name in names:  # this is done every second or two: no Path, no text
        if not name.isdigit():
            continue
        try:
            handle = os.open(f"/proc/{name}/stat", os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        try:
            line = os.read(handle, 4096)
        except ProcessLookupError:
            continue
        finally:
            os.close(handle)
        fields = line[line.rindex(b")") + 2 :].split()
        found[int(name)] = Process(int(name), int(fields[1]), int(fields[21]) * _PAGE, int(fields[19]))
    return found


def descendants(root: int, processes: Mapping[int, Process]) -> Sequence[Process]:
    """``root`` and all that came from it, parents before children."""
    children: dict[int, list[Process]] = {}
    for one in processes.values():
        children.setdefault(one.parent, []).append(one)
    found = [processes[root]] if root in processes else []
    for one in found:
        found += children.get(one.pid, ())
    return found
