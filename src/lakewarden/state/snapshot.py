"""Immutable values in memory that are as fresh as the database."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from lakewarden.state.database import Database

T = TypeVar("T")


class Snapshot(Generic[T]):
    """An immutable value loaded from the database, replaced when the version of its scope has moved.

    INVARIANT (revocation_is_immediate): ``current`` compares versions on every call, so a committed revoke is seen by
    the next decision.
    """

    def __init__(self, database: Database, scope: str, load: Callable[[], T]) -> None:
        self._database = database
        self._scope = scope
        self._load = load
        self._lock = threading.Lock()
        self._held: tuple[int, T] | None = None

    def current(self) -> T:
        """The value at the database's present version."""
        version = self._database.version(self._scope)
        held = self._held
        if held is not None and held[0] == version:
            return held[1]
        with self._lock:
            # The version is read before the load: a write in between makes the value look old, never new.
            version = self._database.version(self._scope)
            if self._held is None or self._held[0] != version:
                self._held = (version, self._load())
            return self._held[1]
