"""The trail as tables: ``lakewarden_audit.events``, ``.queries`` and ``.lineage`` as Parquet files made from the log.

The files are derived: lost ones are made anew. Each holds the records ``first`` to ``last``, which its name says; small
ones are merged. A reader calls :meth:`AuditTables.files`, which first writes all that the log holds, so that what
Athena's SQL sees is as fresh as the query.
"""

import re
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from lakewarden.audit.lineage import Lineage, lineage
from lakewarden.audit.ports import Executions
from lakewarden.audit.queries import OUTCOME, Execution, QueryRow, query_row
from lakewarden.audit.rows import SCHEMAS, event_row, lineage_rows, query_columns, query_id_of
from lakewarden.audit.store import AuditStore

_PART = re.compile(r"([0-9]{20})-([0-9]{20})\.parquet")
_CHUNK = 20_000
_BACKGROUND = 5_000
_BOUNDS = (5_000, 200_000)
_MOST_SMALL = 12
_GRACE_SECONDS = 900
Ran = tuple[QueryRow, Lineage]


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """One file with the records ``first`` to ``last``."""

    first: int
    last: int
    path: Path


def ran_queries(records: Iterable[tuple[int, Mapping[str, Any]]], executions: Executions) -> list[Ran]:
    """The queries whose outcomes are among ``records``, with their lineage."""
    ended = [(sequence, record) for sequence, record in records if record["eventName"] == OUTCOME]
    ids = [query_id_of(record) for _, record in ended]
    known = executions.find(ids)
    rows = [
        query_row(sequence, record, known.get(query_id, Execution()))
        for (sequence, record), query_id in zip(ended, ids, strict=True)
    ]
    return [(row, lineage(row.sql, row.database, row.read)) for row in rows]


class AuditTables:
    """The files of one data directory."""

    def __init__(self, root: Path, log: AuditStore, executions: Executions) -> None:
        self._root = root
        self._log = log
        self._executions = executions
        self._turn = threading.Lock()
        self._retired: list[tuple[float, Path]] = []
        for name in SCHEMAS:
            (root / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._tidy()

    def files(self, table: str) -> list[Path]:
        """The files of a table, with all that the log holds by now."""
        self.refresh()
        with self._turn:
            return [part.path for part in self._parts(table)]

    def refresh(self, at_least: int = 1) -> None:
        """Write the records that no file holds yet, where there are ``at_least`` so many."""
        with self._turn:
            position = self._position()
            if self._log.head().sequence - position < at_least:
                return
            while found := self._log.records(position, _CHUNK):
                position = self._write(found)
                for name in SCHEMAS:
                    self._merge(name)
            self._forget_removed()
            self._remove_retired()

    def refresh_in_background(self) -> None:
        """The same when much has come together; what is little waits for a reader."""
        self.refresh(_BACKGROUND)

    def _write(self, found: Sequence[tuple[int, str]]) -> int:
        """The next files of all tables. The events' come last: their last record is how far all of them are."""
        decoded = [(sequence, text, msgspec.json.decode(text)) for sequence, text in found]
        ran = ran_queries(((sequence, record) for sequence, _, record in decoded), self._executions)
        if ran:
            self._part("queries", found, [query_columns(row) for row, _ in ran])
            self._part("lineage", found, [one for row, traced in ran for one in lineage_rows(row, traced)])
        self._part("events", found, [event_row(*one) for one in decoded])
        return found[-1][0]

    def _part(self, name: str, found: Sequence[tuple[int, str]], rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            table = pa.Table.from_pylist(list(rows), schema=SCHEMAS[name])
            self._store(name, found[0][0], found[-1][0], table)

    def _store(self, name: str, first: int, last: int, table: pa.Table) -> Path:
        path = self._root / name / f"{first:020d}-{last:020d}.parquet"
        written = path.with_suffix(".new")
        _parquet().write(table, written)
        written.replace(path)
        return path

    def _parts(self, name: str) -> list[Part]:
        """The files that together hold every record once: a merged file stands for those that it was made of."""
        found = []
        for path in (self._root / name).iterdir():
            named = _PART.fullmatch(path.name)
            if named is not None:
                found.append(Part(int(named.group(1)), int(named.group(2)), path))
        chosen: list[Part] = []
        for part in sorted(found, key=lambda one: (one.first, -one.last)):
            if not chosen or part.first > chosen[-1].last:
                chosen.append(part)
        return chosen

    def _position(self) -> int:
        parts = self._parts("events")
        base = self._log.base()
        return max(parts[-1].last if parts else 0, base[0].sequence if base else 0)

    def _merge(self, name: str) -> None:
        """Merge the newest files, tiny ones first, so that a reader opens few and no row is written often."""
        for bound in _BOUNDS:
            run: list[Part] = []
            for part in reversed(self._parts(name)):
                if _parquet().rows(part.path) >= bound:
                    break
                run.insert(0, part)
            if len(run) > _MOST_SMALL:
                self._merge_group(name, run)

    def _merge_group(self, name: str, group: Sequence[Part]) -> None:
        table = pa.concat_tables([_parquet().read(part.path, SCHEMAS[name]) for part in group])
        self._store(name, group[0].first, group[-1].last, table)
        self._retire(part.path for part in group)

    def _retire(self, paths: Iterable[Path]) -> None:
        """A query that has begun may still read them."""
        self._retired += [(time.monotonic(), path) for path in paths]

    def _remove_retired(self) -> None:
        due = [path for since, path in self._retired if time.monotonic() - since > _GRACE_SECONDS]
        self._retired = [(since, path) for since, path in self._retired if path not in due]
        for path in due:
            path.unlink(missing_ok=True)

    def _forget_removed(self) -> None:
        """Records that the retention rule removed from the log leave the tables as well."""
        base = self._log.base()
        if base is None:
            return
        kept_from = base[0].sequence
        for name in SCHEMAS:
            for part in self._parts(name):
                if part.first > kept_from:
                    break
                if part.last > kept_from:
                    table = _parquet().after(part.path, SCHEMAS[name], kept_from)
                    self._store(name, kept_from + 1, part.last, table)
                part.path.unlink(missing_ok=True)

    def _tidy(self) -> None:
        """After a start: no reader is left, so what is half written, merged or ahead of the events goes."""
        for name in SCHEMAS:
            kept = {part.path for part in self._parts(name)}
            for path in (self._root / name).iterdir():
                if path not in kept:
                    path.unlink()
        position = self._position()
        for name in SCHEMAS:
            for part in self._parts(name):
                if part.last > position:
                    part.path.unlink()


def _parquet() -> Any:
    """Loaded with the first file: an idle server does without 9 MB of it."""
    from lakewarden.audit import parquet

    return parquet
