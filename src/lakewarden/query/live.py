"""The queries that have not ended or have just ended, in memory, and those who wait for them."""

import asyncio
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from lakewarden.query.model import Execution
from lakewarden.query.progress import Cancellation, Progress

_REMEMBERED = 256
_Watcher = tuple[asyncio.AbstractEventLoop, asyncio.Event]


@dataclass(slots=True)
class Live:
    """A query that has not ended, or has just ended. Watchers are told of every change of state."""

    execution: Execution
    stop: Cancellation = field(default_factory=Cancellation)
    progress: Progress = field(default_factory=Progress)
    watchers: set[_Watcher] = field(default_factory=set)
    ended: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def claim_end(self) -> bool:
        """True for the first that asks: an execution ends once, by itself or by being cancelled."""
        with self.lock:
            first = not self.ended
            self.ended = True
            return first


class LiveQueries:
    """By id. Those that have not ended are always kept, of the others the newest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: dict[str, Live] = {}
        self._ended: deque[str] = deque()

    def add(self, execution: Execution) -> Live:
        """Begin to follow an execution."""
        live = Live(execution)
        with self._lock:
            self._live[execution.id] = live
        return live

    def get(self, execution_id: str) -> Live | None:
        """The query, or None where it is not remembered."""
        return self._live.get(execution_id)

    def __iter__(self) -> Iterator[Live]:
        with self._lock:
            return iter(tuple(self._live.values()))

    def change(self, live: Live, execution: Execution) -> None:
        """A new state: whoever watches is told."""
        with self._lock:
            live.execution = execution
            watchers = list(live.watchers)
            if execution.final:
                self._ended.append(execution.id)
                while len(self._ended) > _REMEMBERED:
                    self._live.pop(self._ended.popleft(), None)
        for loop, event in watchers:
            loop.call_soon_threadsafe(event.set)

    async def watch(self, live: Live, patience: float) -> Execution:
        """Wait up to ``patience`` seconds for a query's end; its state then."""
        watcher = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            live.watchers.add(watcher)
        try:
            deadline = watcher[0].time() + patience
            while not live.execution.final and (left := deadline - watcher[0].time()) > 0:
                try:
                    await asyncio.wait_for(watcher[1].wait(), left)
                except TimeoutError:
                    break
                watcher[1].clear()
        finally:
            with self._lock:
                live.watchers.discard(watcher)
        return live.execution
