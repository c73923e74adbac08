"""Statements that were parsed and queries that were planned before: what is pure is done once."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from lakewarden import sql
from lakewarden.kernel.lake import GovernedTable
from lakewarden.sql import model
from lakewarden.sql.iceberg_model import AnyStatement

MOST: Final = 256
"""How many are remembered of each kind."""

LONGEST: Final = 4096
"""Longer texts are not remembered: their trees are large, and they are seldom asked twice."""

Tables = Mapping[tuple[str, str], GovernedTable]
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Planned:
    """A plan with all that it follows from."""

    query: model.Select
    tables: Tables
    plan: model.EnginePlan


class Plans:
    """What was parsed and planned for each caller.

    INVARIANT (non_interference): a caller is answered from its own earlier statements only, so that not even the time
    that a plan takes tells of anybody else's. INVARIANT (revocation_is_immediate): a plan stands for exactly the tables
    and rights, compared by value, that it was made for; they are decided anew for each query.
    """

    def __init__(self) -> None:
        self._statements: _Newest[tuple[str, str, str, tuple[str, ...]], AnyStatement] = _Newest()
        self._planned: _Newest[tuple[str, int], _Planned] = _Newest()

    def statement(self, owner: str, text: str, database: str, parameters: Sequence[str] = ()) -> AnyStatement:
        """As :func:`lakewarden.sql.parse`; trees are shared, and changed by nobody."""
        key = (owner, text, database, tuple(parameters))
        found = self._statements.get(key)
        if found is None:
            found = sql.parse(text, database, parameters)
            if len(text) + sum(map(len, parameters)) <= LONGEST:
                self._statements.put(key, found)
        return found

    def plan(self, owner: str, query: model.Select, tables: Tables, text: str, database: str) -> model.EnginePlan:
        """As :func:`lakewarden.sql.plan`, for a query that :meth:`statement` gave."""
        key = (owner, id(query))
        found = self._planned.get(key)
        # The query is held, so that its identity is nobody else's as long as the entry stands.
        if found is not None and found.query is query and found.tables == tables:
            return found.plan
        plan = sql.plan(query, tables, text, database)
        if len(text) <= LONGEST:
            self._planned.put(key, _Planned(query, dict(tables), plan))
        return plan


class _Newest(Generic[K, V]):
    """The entries that were used last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        with self._lock:
            found = self._entries.get(key)
            if found is not None:
                self._entries.move_to_end(key)
            return found

    def put(self, key: K, value: V) -> None:
        with self._lock:
            self._entries[key] = value
            while len(self._entries) > MOST:
                self._entries.popitem(last=False)
