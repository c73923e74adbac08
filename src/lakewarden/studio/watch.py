"""Looking after what notebooks use: one look at the process table for all of them, and now and then at their files."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from lakewarden.studio.files import size
from lakewarden.studio.ports import Limits
from lakewarden.studio.processes import Process, descendants, table

_CALM_SECONDS: Final = 2.0
_BUSY_SECONDS: Final = 0.5
_FILES_SHARE: Final = 100
_SLACK: Final = 1024**3
_log = structlog.get_logger("lakewarden.studio")


@dataclass(slots=True)
class Watched:
    """One notebook: its outermost process, where it may write, and what it may use. ``tell`` is called with the reason
    before it is ended.
    """

    pid: int
    places: Sequence[Path]
    limits: Limits
    tell: Callable[[str], None]
    disk: int = 0
    look_again: float = 0.0
    family: Sequence[Process] = field(default_factory=tuple)

    @property
    def busy(self) -> bool:
        """Whether it is on its way to its limits, so that it is worth a closer look."""
        used = sum(one.memory for one in self.family)
        return used > self.limits.memory // 2 or len(self.family) > self.limits.processes // 2


class Watch:
    """The notebooks of one server. It runs while there are any, and looks at files every ``files_seconds`` at most."""

    def __init__(self, files_seconds: float = 20.0) -> None:
        self._files_seconds = files_seconds
        self._watched: list[Watched] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, one: Watched) -> None:
        """Begin to look after a notebook. To be called on the event loop."""
        self._watched.append(one)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def remove(self, one: Watched) -> None:
        """It has ended."""
        self._watched.remove(one)
        if not self._watched and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_BUSY_SECONDS if any(one.busy for one in self._watched) else _CALM_SECONDS)
            try:
                processes = await loop.run_in_executor(None, table)
                for one in list(self._watched):
                    check(one, processes)
                    if loop.time() > one.look_again:
                        await self._check_files(one)
            except OSError as error:
                _log.warning("notebooks could not be looked after; the next round tries again", error=str(error))

    async def _check_files(self, one: Watched) -> None:
        loop = asyncio.get_running_loop()
        first, begun = one.disk == 0, loop.time()
        used = await loop.run_in_executor(None, size, one.places)
        took = loop.time() - begun
        one.look_again = loop.time() + max(self._files_seconds, _FILES_SHARE * took)
        if first:
            # A home that is too full already can be opened to be emptied: what is stopped is what grows.
            one.disk = max(one.limits.disk, used.bytes + _SLACK if used.bytes > one.limits.disk else 0)
        if used.bytes > one.disk:
            end(one, f"The app's files take more than {one.disk // 1024**2} MiB.")
        elif used.excessive and not first:
            end(one, "The app made more files, or deeper directories, than a home may hold.")


def check(one: Watched, processes: Mapping[int, Process]) -> None:
    """End what takes more processes or memory than the app may have: the largest first, as the kernel would."""
    one.family = descendants(one.pid, processes)
    if one.busy:
        _offer(one.family)
    if len(one.family) > 2 * one.limits.processes:
        end(one, f"The app ran more than {one.limits.processes} processes.")
    elif sum(process.memory for process in one.family) > one.limits.memory:
        largest = max(one.family, key=lambda process: process.memory)
        if largest in one.family[:3]:  # JupyterLab itself, or the wall around it
            end(one, f"The app used more than {one.limits.memory // 1024**2} MiB of memory.")
        else:
            _kill(largest.pid)


def end(one: Watched, reason: str) -> None:
    """Kill all of it; what bubblewrap holds dies with it."""
    one.tell(reason)
    _kill(one.pid)


def _offer(family: Sequence[Process]) -> None:
    """Where memory runs out on the machine, the kernel takes these first: the launcher said so, they may have unsaid it."""
    for process in family:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            Path(f"/proc/{process.pid}/oom_score_adj").write_text("1000", encoding="ascii")


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
