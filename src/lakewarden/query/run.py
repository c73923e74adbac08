"""Runs one execution: parse, decide, record, read, write. SEMANTICS, "What an Athena user sees"."""

import fnmatch
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event

import pyarrow as pa

from lakewarden import sql
from lakewarden.kernel.call import Call
from lakewarden.kernel.errors import AwsError
from lakewarden.kernel.lake import AccessMode, GovernedTable
from lakewarden.query.errors import QueryFailed
from lakewarden.query.model import Execution
from lakewarden.query.ports import AccessAudit, Engine, Lake, ResultColumn, ResultStore, Scan
from lakewarden.query.results import Row, csv_chunks, metadata, text_lines
from lakewarden.sql import model, show
from lakewarden.sql.errors import SqlError, TableNotFound

_VARCHAR = 2147483647


@dataclass(slots=True)
class Progress:
    """What is known of a run so far; filled in as it goes on."""

    kind: str = "DML"
    substatement: str = ""
    columns: tuple[ResultColumn, ...] = ()
    first_rows: list[Row] = field(default_factory=list)
    complete: bool = False
    rows: int = 0
    bytes_written: int = 0
    scanned_bytes: int = 0
    planning_ms: int = 0
    engine_ms: int = 0
    tables: list[Mapping[str, object]] = field(default_factory=list)


class Runner:
    """Executes statements with their caller's rights."""

    def __init__(self, lake: Lake, engine: Engine, results: ResultStore, audit: AccessAudit, keep_rows: int) -> None:
        self._lake = lake
        self._engine = engine
        self._results = results
        self._audit = audit
        self._keep_rows = keep_rows

    def run(self, execution: Execution, call: Call, progress: Progress, cancelled: Event) -> None:
        """Run to the end; raises QueryFailed or QueryCancelled."""
        try:
            self._run(execution, call, progress, cancelled)
        except SqlError as error:
            raise QueryFailed(error.text, error.category, error.error_type) from error
        except AwsError as error:
            raise QueryFailed(error.message, 2, 1301) from error

    def _run(self, execution: Execution, call: Call, progress: Progress, cancelled: Event) -> None:
        started = time.perf_counter()
        statement = sql.parse(execution.sql, execution.database)
        progress.kind, progress.substatement = statement.kind.value, statement.substatement
        # The right to write the result is asked for before any data is read.
        self._results.may_write(call, execution.output)
        if isinstance(statement, model.Select):
            self._select(statement, execution, call, progress, cancelled, started)
            return
        progress.planning_ms = _elapsed(started)
        columns, rows = self._utility(statement, call)
        progress.columns, progress.first_rows, progress.complete = columns, list(rows), True
        progress.rows = len(rows)
        progress.bytes_written = self._write(call, execution, columns, iter((text_lines(rows),)))

    def _select(
        self,
        query: model.Select,
        execution: Execution,
        call: Call,
        progress: Progress,
        cancelled: Event,
        started: float,
    ) -> None:
        tables = self._tables(query.tables, call)
        plan = sql.plan(query, tables, execution.sql, execution.database)
        progress.planning_ms = _elapsed(started)
        scans = []
        for planned in plan.scans:
            names = [column.name for column in planned.columns]
            governed = planned.governed
            # INVARIANT (no_answer_without_audit): the record is durable before a byte of the table is read.
            self._audit.data_access(call, execution.id, governed, names)
            files = tuple(self._lake.files(governed.table))
            scans.append(Scan(planned, files))
            progress.scanned_bytes += sum(file.size for file in files)
            progress.tables.append(
                {
                    "table": f"{governed.table.database}.{governed.table.name}",
                    "columns": names,
                    "because": list(governed.access.because),
                    "objects": len(files),
                    "objectUris": [file.uri for file in files[:100]],
                }
            )
        engine_started = time.perf_counter()
        with self._engine.run(plan.sql, scans, cancelled) as result:
            progress.columns = tuple(
                ResultColumn(name, one.type, one.precision, one.scale)
                for name, one in zip(plan.columns, result.columns, strict=True)
            )
            batches = self._counted(result.batches, progress)
            chunks = csv_chunks(plan.columns, batches)
            progress.bytes_written = self._write(call, execution, progress.columns, chunks)
        progress.complete = progress.rows <= self._keep_rows
        progress.engine_ms = _elapsed(engine_started)

    def _counted(self, batches: Iterator[pa.RecordBatch], progress: Progress) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            room = self._keep_rows - len(progress.first_rows)
            if room > 0:
                kept = batch.slice(0, room)
                progress.first_rows += zip(*(column.to_pylist() for column in kept.columns), strict=True)
            progress.rows += batch.num_rows
            yield batch

    def _write(self, call: Call, execution: Execution, columns: Sequence[ResultColumn], chunks: Iterator[bytes]) -> int:
        size = self._results.write(call, execution.output, chunks)
        self._results.write(call, f"{execution.output}.metadata", iter((metadata(columns),)))
        return size

    def _tables(self, refs: Sequence[model.TableRef], call: Call) -> Mapping[tuple[str, str], GovernedTable]:
        found = {ref.key: self._lake.table(call, ref.database, ref.name) for ref in refs}
        return {key: one for key, one in found.items() if one is not None and one.access.mode is not AccessMode.NONE}

    # DDL and SHOW

    def _utility(self, statement: model.Statement, call: Call) -> tuple[tuple[ResultColumn, ...], Sequence[Row]]:
        if isinstance(statement, model.CreateDatabase):
            self._lake.create_database(call, statement)
        elif isinstance(statement, model.DropDatabase):
            self._lake.drop_database(call, statement.name, if_exists=statement.if_exists, cascade=statement.cascade)
        elif isinstance(statement, model.CreateTable):
            self._lake.create_table(call, statement)
        elif isinstance(statement, model.DropTable):
            self._lake.drop_table(call, statement.table, if_exists=statement.if_exists)
        else:
            return self._show(statement, call)
        return (), ()

    def _show(self, statement: model.Statement, call: Call) -> tuple[tuple[ResultColumn, ...], Sequence[Row]]:
        if isinstance(statement, model.ShowDatabases):
            names = self._lake.database_names(call)
            return (_text("database_name"),), [(name,) for name in names if _like(name, statement.pattern)]
        if isinstance(statement, model.ShowTables):
            names = self._lake.table_names(call, statement.database)
            return (_text("tab_name"),), [(name,) for name in names if _like(name, statement.pattern)]
        if isinstance(statement, model.ShowColumns):
            table = self._described(statement.table, call)
            return (_text("field"),), [(name.ljust(20),) for name in table.access.described]
        if isinstance(statement, model.ShowCreateTable):
            table = self._described(statement.table, call)
            if len(table.access.described) < len(table.table.all_columns):
                raise QueryFailed(
                    "Insufficient Lake Formation permission(s): Required Describe on the whole table", 2, 1301
                )
            return (_text("createtab_stmt"),), [(line,) for line in show.show_create_table(table.table)]
        if isinstance(statement, model.Describe):
            table = self._described(statement.table, call)
            seen = set(table.access.described)
            lines = show.describe(
                tuple(column for column in table.table.columns if column.name in seen),
                tuple(column for column in table.table.partition_keys if column.name in seen),
            )
            columns = (_text("col_name"), _text("data_type"), _text("comment"))
            return columns, [tuple([*line.split("\t"), "", ""][:3]) for line in lines]
        raise QueryFailed(f"NOT_SUPPORTED: {statement.substatement} is not supported", 2, 1303)

    def _described(self, ref: model.TableRef, call: Call) -> GovernedTable:
        found = self._lake.table(call, ref.database, ref.name)
        if found is None:
            raise TableNotFound(ref.line, ref.column, ref.database, ref.name)
        return found


def _text(name: str) -> ResultColumn:
    return ResultColumn(name, "string", 0)


def _like(name: str, pattern: str) -> bool:
    """Hive's patterns: ``*`` for anything, ``|`` between alternatives."""
    if not pattern:
        return True
    return any(
        re.fullmatch(fnmatch.translate(one.replace("[", "[[]").replace("?", "[?]")), name)
        for one in pattern.lower().split("|")
    )


def _elapsed(started: float) -> int:
    return max(1, round((time.perf_counter() - started) * 1000))
