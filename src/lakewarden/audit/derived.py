"""Whether what is made from the log tells what the log tells: the look-up index, and the audit tables' files.

Neither proves anything about the log, and both are made anew when they are lost; but they are what people look at, and
whoever would hide a look could begin there.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from lakewarden.audit import manifest
from lakewarden.audit.chain import Break
from lakewarden.audit.index import EventIndex, IndexRow, index_rows
from lakewarden.audit.store import AuditStore

_BLOCK = 1000
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Derived:
    """What is made from a log."""

    index: EventIndex
    tables: Path


class IndexCheck:
    """Compares the index with the log's records, which pass one by one.

    For each block of numbers both sides are added up to a sum of their rows' hashes, in any order. Python's hashes are
    keyed anew in each process, so nobody can choose rows whose sums agree.
    """

    def __init__(self, index: EventIndex) -> None:
        self._index = index
        self._position = index.position()
        self._sums: defaultdict[int, int] = defaultdict(int)

    def add(self, sequence: int, record: str) -> None:
        """A record of the log."""
        if sequence <= self._position:
            for row in set(index_rows(sequence, record)):
                self._sums[sequence // _BLOCK] += hash(row)

    def first_break(self, store: AuditStore, removed_to: int) -> Break | None:
        """The first record of which the index tells something else.

        Records up to ``removed_to`` are being removed by the retention rule, perhaps right now, from the index first.
        """
        found: defaultdict[int, int] = defaultdict(int)
        for row in self._index.rows():
            if row[3] <= self._position:
                found[row[3] // _BLOCK] += hash(row)
        for block in sorted(self._sums.keys() | found.keys()):
            if self._sums[block] & _MASK != found[block] & _MASK:
                broken = self._inside(block, store, removed_to)
                if broken is not None:
                    return broken
        return None

    def _inside(self, block: int, store: AuditStore, removed_to: int) -> Break | None:
        first, last = block * _BLOCK, min(self._position, block * _BLOCK + _BLOCK - 1)
        told: defaultdict[int, set[IndexRow]] = defaultdict(set)
        for row in self._index.rows():
            if first <= row[3] <= last:
                told[row[3]].add(row)
        logged = {one: set(index_rows(one, record)) for one, record in store.records(first - 1, _BLOCK) if one <= last}
        for sequence in sorted(told.keys() | logged.keys()):
            if sequence > removed_to and told[sequence] != logged.get(sequence, set()):
                reason = "the look-up index tells something else of the record than the log: LookupEvents is not to be"
                return Break(sequence, f"{reason} trusted. Stop the server and remove the index; it is made anew")
        return None


def tables_break(tables: Path, key: bytes) -> Break | None:
    """Whether a file of the audit tables is not as the server left it."""
    try:
        manifest.check(tables, key)
    except manifest.BadManifest as error:
        reason = f"{error}: SQL over the audit tables is not to be trusted"
        return Break(0, f"{reason}. Stop the server and remove {tables.name}; it is made anew")
    return None
