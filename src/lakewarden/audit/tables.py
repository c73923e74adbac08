"""The trail as tables: ``lakewarden_audit.events``, ``.queries`` and ``.lineage`` as Parquet files made from the log.

The files are derived: lost ones are made anew. A sealed manifest names them; small ones are merged. A reader calls
:meth:`AuditTables.files`, which first writes all that the log holds, so that what Athena's SQL sees is as fresh as the query.
Servers that share a data directory share the files, and take turns.
"""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import structlog

from lakewarden.audit import manifest as manifests
from lakewarden.audit.lineage import Lineage, lineage
from lakewarden.audit.manifest import BadManifest, Manifest, Part
from lakewarden.audit.ports import Executions
from lakewarden.audit.queries import OUTCOME, Execution, QueryRow, TextSeal, query_row
from lakewarden.audit.rows import SCHEMAS, event_row, lineage_rows, query_columns, query_id_of
from lakewarden.audit.store import AuditStore

_CHUNK = 20_000
_BACKGROUND = 5_000
_BOUNDS = (5_000, 200_000)
_MOST_SMALL = 12
_GRACE_SECONDS = 900
_log = structlog.get_logger("lakewarden.audit")
Ran = tuple[QueryRow, Lineage]


def ran_queries(records: Iterable[tuple[int, Mapping[str, Any]]], executions: Executions, seal: TextSeal) -> list[Ran]:
    """The queries whose outcomes are among ``records``, with their lineage."""
    ended = [(sequence, record) for sequence, record in records if record["eventName"] == OUTCOME]
    ids = [query_id_of(record) for _, record in ended]
    known = executions.find(ids)
    rows = [
        query_row(sequence, record, known.get(query_id, Execution()), seal)
        for (sequence, record), query_id in zip(ended, ids, strict=True)
    ]
    return [(row, lineage(row.sql, row.database, row.read)) for row in rows]


class AuditTables:
    """The files of one data directory. ``key`` seals the manifest."""

    def __init__(self, root: Path, log: AuditStore, executions: Executions, key: bytes) -> None:
        self._root = root
        self._log = log
        self._executions = executions
        self._key = key
        self._thread = threading.Lock()
        self._manifest = Manifest()
        for name in SCHEMAS:
            (root / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def files(self, table: str) -> list[Path]:
        """The files of a table, with all that the log holds by now."""
        with self._turn():
            self._refresh(1)
            return [self._root / part.path for part in self._manifest.of(table)]

    def refresh(self, at_least: int = 1) -> None:
        """Write the records that no file holds yet, where there are ``at_least`` so many."""
        with self._turn():
            self._refresh(at_least)

    def refresh_in_background(self) -> None:
        """The same when much has come together; what is little waits for a reader."""
        self.refresh(_BACKGROUND)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Threads take turns, and servers do; what another one wrote is seen."""
        with self._thread:
            lock = os.open(self._root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._manifest = self._present()
                yield
            finally:
                os.close(lock)

    def _present(self) -> Manifest:
        """What is there. Where something is missing or foreign, all is made anew from the log."""
        try:
            found = manifests.load(self._root, self._key)
            if found is None:
                return Manifest()
            for part in found.parts:
                if not self._is_there(part):
                    raise BadManifest(f"{part.path} is missing or has another size")
        except BadManifest as error:
            _log.error("the audit tables are made anew from the log", cause=str(error))
            return Manifest()
        return found

    def _is_there(self, part: Part) -> bool:
        try:
            return (self._root / part.path).stat().st_size == part.size
        except FileNotFoundError:
            return False

    def _refresh(self, at_least: int) -> None:
        base = self._log.base()
        position = max(self._manifest.position, base[0].sequence if base else 0)
        if self._log.head().sequence - position < at_least:
            return
        while found := self._log.records(position, _CHUNK):
            position = found[-1][0]
            self._write(found)
            for name in SCHEMAS:
                self._merge(name)
            self._keep()
        if base is not None:
            self._forget_removed(base[0].sequence)
            self._keep()
        self._remove_retired()

    def _keep(self) -> None:
        manifests.store(self._root, self._manifest, self._key)

    def _write(self, found: Sequence[tuple[int, str]]) -> None:
        """The next files of all tables; they count when the manifest names them."""
        first, last = found[0][0], found[-1][0]
        decoded = [(sequence, text, msgspec.json.decode(text)) for sequence, text in found]
        ran = ran_queries(
            ((sequence, record) for sequence, _, record in decoded), self._executions, self._log.text_seal
        )
        rows: Mapping[str, Iterable[Mapping[str, Any]]] = {
            "queries": [query_columns(row) for row, _ in ran],
            "lineage": [one for row, traced in ran for one in lineage_rows(row, traced)],
            "events": [event_row(*one) for one in decoded],
        }
        new = [
            self._store(name, first, last, pa.Table.from_pylist(list(some), schema=SCHEMAS[name]))
            for name, some in rows.items()
            if some
        ]
        self._manifest = Manifest(last, (*self._manifest.parts, *new))

    def _store(self, name: str, first: int, last: int, table: pa.Table) -> Part:
        path = self._root / Part(name, first, last, 0, 0, "").path
        written = path.with_suffix(".new")
        _parquet().write(table, written)
        part = Part(name, first, last, table.num_rows, written.stat().st_size, manifests.hash_of(written))
        written.replace(path)
        return part

    def _merge(self, name: str) -> None:
        """Merge the newest files, tiny ones first, so that a reader opens few and no row is written often."""
        for bound in _BOUNDS:
            run: list[Part] = []
            for part in reversed(self._manifest.of(name)):
                if part.rows >= bound:
                    break
                run.insert(0, part)
            if len(run) > _MOST_SMALL:
                table = pa.concat_tables([self._read(part) for part in run])
                self._replace(run, [self._store(name, run[0].first, run[-1].last, table)])

    def _read(self, part: Part) -> pa.Table:
        table: pa.Table = _parquet().read(self._root / part.path, SCHEMAS[part.table])
        return table

    def _replace(self, old: list[Part], new: list[Part]) -> None:
        """A query that has begun may still read the old ones: they go when nobody can any more."""
        self._manifest = self._manifest.replaced(old, new)
        for part in old:
            (self._root / part.path).touch()

    def _forget_removed(self, kept_from: int) -> None:
        """Records that the retention rule removed from the log leave the tables as well."""
        for name in SCHEMAS:
            for part in self._manifest.of(name):
                if part.first > kept_from:
                    break
                new = []
                if part.last > kept_from:
                    table = _parquet().after(self._read(part), kept_from)
                    new = [self._store(name, kept_from + 1, part.last, table)]
                self._replace([part], new)
                (self._root / part.path).unlink()

    def _remove_retired(self) -> None:
        """Files that are in no manifest: merged ones, and what a kill left half written."""
        kept = {self._root / part.path for part in self._manifest.parts}
        for name in SCHEMAS:
            for path in (self._root / name).iterdir():
                if path not in kept and time.time() - path.stat().st_mtime > _GRACE_SECONDS:
                    path.unlink()


def _parquet() -> Any:
    """Loaded with the first file: an idle server does without 9 MB of it."""
    from lakewarden.audit import parquet

    return parquet
