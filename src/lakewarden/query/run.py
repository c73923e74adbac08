"""Runs one execution: parse, decide, record, read, write. SEMANTICS, "What an Athena user sees"."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa

from lakewarden import sql
from lakewarden.kernel.call import Call
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.errors import AwsError
from lakewarden.query.errors import QueryFailed
from lakewarden.query.iceberg_commits import Commits
from lakewarden.query.iceberg_ports import IcebergLake, RowEngine, Scribe
from lakewarden.query.iceberg_tables import IcebergTables
from lakewarden.query.iceberg_writing import IcebergWriter
from lakewarden.query.model import Execution
from lakewarden.query.plans import Plans
from lakewarden.query.ports import (
    AccessAudit,
    Engine,
    EngineResult,
    Lake,
    Partitions,
    Prepared,
    ResultColumn,
    ResultStore,
    Scan,
    Warehouse,
)
from lakewarden.query.progress import Cancellation, Progress, elapsed_ms
from lakewarden.query.reading import Read, Reader
from lakewarden.query.results import Row, csv_chunks, metadata, text_lines
from lakewarden.query.utility import Utility
from lakewarden.query.writing import Writer
from lakewarden.sql import explain, files, model, views
from lakewarden.sql.errors import SqlError
from lakewarden.sql.iceberg_model import AnyStatement, ChangeTable, Optimize, Vacuum

Earlier = Callable[[Execution, str], Execution | None]
"""The caller's own earlier execution with a fingerprint, young enough for the execution's reuse; None if there is none."""
_PLAN_COLUMN = (ResultColumn("Query Plan", "varchar", 2147483647),)


@dataclass(frozen=True, slots=True)
class Iceberg:
    """What Iceberg tables are written with."""

    lake: IcebergLake
    scribe: Scribe
    engine: RowEngine
    clock: Clock


class Runner:
    """Executes statements with their caller's rights."""

    def __init__(
        self,
        lake: Lake,
        partitions: Partitions,
        engine: Engine,
        warehouse: Warehouse,
        results: ResultStore,
        audit: AccessAudit,
        prepared: Prepared,
        keep_rows: int,
        iceberg: Iceberg,
    ) -> None:
        self._lake = lake
        self._engine = engine
        self._results = results
        self._prepared = prepared
        self._keep_rows = keep_rows
        self._plans = Plans()
        self._reader = Reader(lake, audit, self._plans)
        commits = Commits(iceberg.lake, iceberg.scribe, iceberg.clock)
        self._utility = Utility(lake, partitions, prepared, IcebergTables(lake, iceberg.lake, commits))
        rows = IcebergWriter(self._reader, lake, engine, iceberg.engine, iceberg.lake, commits, results)
        writer = Writer(self._reader, lake, partitions, engine, warehouse, results, rows)
        self._writers: Mapping[type, Callable[[Any, Execution, Call, Progress, Cancellation], None]] = {
            model.CreateTableAs: writer.create_table_as,
            model.Insert: writer.insert,
            model.Unload: writer.unload,
            ChangeTable: rows.change,
            Optimize: rows.optimize,
            Vacuum: rows.vacuum,
        }

    def run(self, execution: Execution, call: Call, progress: Progress, stop: Cancellation, earlier: Earlier) -> None:
        """Run to the end; raises QueryFailed or QueryCancelled."""
        try:
            self._run(execution, call, progress, stop, earlier)
        except SqlError as error:
            raise QueryFailed(error.text, error.category, error.error_type) from error
        except AwsError as error:
            raise QueryFailed(error.message, 2, 1301) from error

    def _run(self, execution: Execution, call: Call, progress: Progress, stop: Cancellation, earlier: Earlier) -> None:
        started = time.perf_counter()
        execution, statement = self._statement(execution, call)
        progress.kind, progress.substatement = statement.kind.value, statement.substatement
        # The right to write the result is asked for before any data is read.
        self._results.may_write(call, execution.output)
        stop.check()
        writer = self._writers.get(type(statement))
        if isinstance(statement, model.Select):
            self._select(statement, execution, call, progress, stop, earlier)
        elif writer is not None:
            writer(statement, execution, call, progress, stop)
        else:
            columns, rows = self._answer(statement, execution, call, progress, stop)
            progress.planning_ms = progress.planning_ms or elapsed_ms(started)
            progress.columns, progress.first_rows, progress.complete = columns, list(rows), True
            progress.rows = len(rows)
            self._draft(call, execution, progress, iter((text_lines(rows),)))

    def _statement(self, execution: Execution, call: Call) -> tuple[Execution, AnyStatement]:
        """The statement that runs: for EXECUTE the prepared one, in its own text, with its values bound."""
        owner = execution.owner
        statement = self._plans.statement(owner, execution.sql, execution.database, execution.parameters)
        if not isinstance(statement, model.Execute):
            return execution, statement
        text = self._prepared.text(call, execution.workgroup, statement.name)
        values = statement.parameters or execution.parameters
        found = self._plans.statement(owner, text, execution.database, values)
        if isinstance(found, model.Execute | model.Prepare | model.Deallocate):
            raise SqlError("NOT_SUPPORTED: A prepared statement of a prepared statement is not supported")
        return msgspec.structs.replace(execution, sql=text), found

    def _answer(
        self, statement: AnyStatement, execution: Execution, call: Call, progress: Progress, stop: Cancellation
    ) -> tuple[tuple[ResultColumn, ...], Sequence[Row]]:
        if isinstance(statement, model.Explain):
            return _PLAN_COLUMN, [(line,) for line in self._explain(statement, execution, call, progress, stop)]
        if isinstance(statement, model.CreateView):
            self._create_view(statement, execution, call, stop)
            return (), ()
        return self._utility.run(statement, execution, call)

    # Queries

    def _select(
        self,
        query: model.Select,
        execution: Execution,
        call: Call,
        progress: Progress,
        stop: Cancellation,
        earlier: Earlier,
    ) -> None:
        started = time.perf_counter()
        read = self._reader.read(query, execution.sql, execution.database, call)
        progress.planning_ms = elapsed_ms(started)
        stop.check()
        scans = self._reader.scans(read, execution, call, progress)
        if not read.views and sql.is_repeatable(query):
            found = earlier(execution, progress.fingerprint) if execution.reuse_minutes else None
            if found is not None and self._reused(found, call, progress):
                return
        else:
            progress.fingerprint = ""
        engine_started = time.perf_counter()
        with self._engine.run(read.plan.sql, scans, stop.event) as result:
            progress.columns = _columns(read, result)
            batches = self._counted(result.batches, progress, stop)
            self._draft(call, execution, progress, _limited(csv_chunks(read.plan.columns, batches), progress))
        progress.complete = progress.rows <= self._keep_rows
        progress.engine_ms = elapsed_ms(engine_started)

    def _reused(self, found: Execution, call: Call, progress: Progress) -> bool:
        """Whether the earlier result can still be read by the caller, and so stands for this one."""
        try:
            self._results.may_read(call, found.output)
            self._results.read(call, f"{found.output}.metadata", 0, 1)
        except AwsError:
            return False
        progress.reused_output, progress.rows = found.output, found.statistics.rows
        progress.scanned_bytes = progress.told_bytes = 0
        progress.restricted = False
        return True

    def _counted(
        self, batches: Iterator[pa.RecordBatch], progress: Progress, stop: Cancellation
    ) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            stop.check()
            room = self._keep_rows - len(progress.first_rows)
            if room > 0:
                kept = batch.slice(0, room)
                progress.first_rows += zip(*(column.to_pylist() for column in kept.columns), strict=True)
            progress.rows += batch.num_rows
            yield batch

    def _draft(self, call: Call, execution: Execution, progress: Progress, chunks: Iterator[bytes]) -> None:
        """The result and its metadata; both become objects with the end of the execution."""
        result = self._results.draft(call, execution.output, chunks)
        progress.drafts.append(result)
        progress.bytes_written = result.size
        facts = iter((metadata(progress.columns),))
        progress.drafts.append(self._results.draft(call, f"{execution.output}.metadata", facts))

    def _explain(
        self, statement: model.Explain, execution: Execution, call: Call, progress: Progress, stop: Cancellation
    ) -> Sequence[str]:
        started = time.perf_counter()
        read = self._reader.read(statement.query, execution.sql, execution.database, call)
        progress.planning_ms = elapsed_ms(started)
        if statement.validate:
            return ["true"]
        lines = explain.document(read.plan).splitlines() if statement.form == "JSON" else explain.text(read.plan)
        if not statement.analyze:
            return lines
        scans = self._reader.scans(read, execution, call, progress)
        engine_started = time.perf_counter()
        rows = size = 0
        with self._engine.run(read.plan.sql, scans, stop.event) as result:
            for batch in result.batches:
                rows += batch.num_rows
                size += batch.nbytes
        progress.engine_ms = elapsed_ms(engine_started)
        head = f"Planning: {progress.planning_ms}ms, Execution: {progress.engine_ms}ms, Output: {rows} rows ({size}B)"
        return [head, *lines]

    # Views

    def _create_view(self, statement: model.CreateView, execution: Execution, call: Call, stop: Cancellation) -> None:
        """CREATE VIEW: its creator must be able to run it now, and its columns are what it answers with."""
        read = self._reader.read(statement.query, execution.sql, execution.database, call)
        # The types are asked for without any data: the planned scans are given no files.
        types = self._engine.describe(read.plan.sql, [Scan(one, ()) for one in read.plan.scans], stop.event)
        columns = files.output_columns(read.plan.columns, types, ())
        stop.commit()
        text = views.encoded(statement.text, execution.database, columns)
        self._lake.create_view(call, statement.table, text, columns, replace=statement.or_replace)


def _limited(chunks: Iterator[bytes], progress: Progress) -> Iterator[bytes]:
    """The chunks, as long as the workgroup's limit of scanned bytes allows."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        progress.check_cutoff(size)
        yield chunk


def _columns(read: Read, result: EngineResult) -> tuple[ResultColumn, ...]:
    return tuple(
        ResultColumn(name, one.type, one.precision, one.scale)
        for name, one in zip(read.plan.columns, result.columns, strict=True)
    )
