"""CREATE TABLE AS, INSERT INTO and UNLOAD: the engine writes into its own folder, the server moves the files.

Order: every right is required before a byte is read; the data stands before the catalog names it.
"""

import io
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from lakewarden.kernel.call import Call
from lakewarden.kernel.errors import AwsError
from lakewarden.kernel.lake import Column
from lakewarden.query.errors import QueryFailed
from lakewarden.query.iceberg_commits import is_iceberg
from lakewarden.query.iceberg_writing import IcebergWriter, inserted_columns
from lakewarden.query.manifests import answer
from lakewarden.query.model import Execution
from lakewarden.query.ports import (
    Engine,
    Lake,
    OutputFormat,
    Partitions,
    ResultStore,
    Scan,
    Warehouse,
    Written,
    partition_path,
)
from lakewarden.query.progress import Cancellation, Progress, elapsed_ms
from lakewarden.query.reading import VIEW, Read, Reader
from lakewarden.sql import files, formats, iceberg_properties, model
from lakewarden.sql.errors import SqlError, TableNotFound


@dataclass(frozen=True, slots=True)
class _Target:
    """Where files go, whether Lake Formation vends the access, and whether they are their writer's alone."""

    location: str
    vended: bool
    private: bool


class Writer:
    """Statements that write data, each with its caller's rights."""

    def __init__(
        self,
        reader: Reader,
        lake: Lake,
        partitions: Partitions,
        engine: Engine,
        warehouse: Warehouse,
        results: ResultStore,
        iceberg: IcebergWriter,
    ) -> None:
        self._reader = reader
        self._lake = lake
        self._partitions = partitions
        self._engine = engine
        self._warehouse = warehouse
        self._results = results
        self._iceberg = iceberg

    def create_table_as(
        self, statement: model.CreateTableAs, execution: Execution, call: Call, progress: Progress, stop: Cancellation
    ) -> None:
        """CREATE TABLE AS."""
        if iceberg_properties.is_iceberg(statement.properties):
            self._iceberg.create_table_as(statement, execution, call, progress, stop)
            return
        options = files.of_ctas(statement.properties)
        if self._lake.table(call, *statement.table.key) is not None:
            if statement.if_not_exists:
                self._answer(call, execution, progress, ())
                return
            name = f"awsdatacatalog.{statement.table.database}.{statement.table.name}"
            where = f"line {statement.table.line}:{statement.table.column}"
            raise SqlError(f"TABLE_ALREADY_EXISTS: {where}: Table '{name}' already exists")
        location = _folder(options.location or f"{execution.staging}tables/{execution.id}/")
        vended = self._warehouse.require_create(call, statement.table, location)
        if options.partitioned_by:
            self._partitions.require_add(call, *statement.table.key)
        # INVARIANT (non_interference): what lies among query results is its owner's alone, as they are.
        private = location.startswith(execution.staging)
        read, scans = self._scans(statement.query, execution, call, progress)
        types = self._engine.describe(read.plan.sql, scans, stop.event)
        columns = files.output_columns(read.plan.columns, types, options.partitioned_by)
        output = OutputFormat(
            options.format, options.compression, columns, len(options.partitioned_by), options.delimiter
        )
        if statement.with_data:
            with self._written(read, scans, output, progress, stop) as written:
                stop.commit()
                uris = self._store(call, execution, _Target(location, vended, private), output, written, progress)
                try:
                    self._register(statement, call, location, options, columns)
                    self._add_partitions(call, statement.table.key, output, written)
                except (AwsError, QueryFailed):
                    self._warehouse.discard(location, [uri.removeprefix(location) for uri in uris])
                    raise
                self._answer(call, execution, progress, uris)
        else:
            stop.commit()
            self._register(statement, call, location, options, columns)
            self._answer(call, execution, progress, ())

    def _register(
        self,
        statement: model.CreateTableAs,
        call: Call,
        location: str,
        options: files.FileOptions,
        columns: tuple[Column, ...],
    ) -> None:
        width = len(columns) - len(options.partitioned_by)
        layout = formats.Layout().stored_as(options.format)
        if options.format == "TEXTFILE":
            layout = layout.with_properties(
                {"field.delim": options.delimiter, "serialization.format": options.delimiter}
            )
        resolved = layout.resolve()
        parameters = {"EXTERNAL": "TRUE", "has_encrypted_data": "false", "write.compression": options.compression}
        self._lake.create_table(
            call,
            model.CreateTable(
                statement.table, False, columns[:width], columns[width:], location, resolved.input_format,
                resolved.output_format, resolved.serde, resolved.properties, parameters,
            ),
        )  # fmt: skip

    def insert(
        self, statement: model.Insert, execution: Execution, call: Call, progress: Progress, stop: Cancellation
    ) -> None:
        """INSERT INTO."""
        ref = statement.table
        governed = self._lake.table(call, ref.database, ref.name)
        if governed is None:
            raise TableNotFound(ref.line, ref.column, ref.database, ref.name)
        table = governed.table
        if table.table_type == VIEW:
            raise SqlError("NOT_SUPPORTED: Inserting into views is not supported")
        if is_iceberg(governed):
            self._iceberg.insert(statement, governed, execution, call, progress, stop)
            return
        vended = self._warehouse.require_insert(call, governed)
        if table.partition_keys:
            self._partitions.require_add(call, table.database, table.name)
        options = files.of_table(table)
        wanted = inserted_columns(table.all_columns, statement.columns)
        read, scans = self._scans(statement.query, execution, call, progress)
        files.check_insert(wanted, self._engine.describe(read.plan.sql, scans, stop.event))
        output = OutputFormat(
            options.format, options.compression, table.all_columns, len(table.partition_keys), options.delimiter
        )
        # Columns that the statement does not name are null; the plan's own order is the statement's.
        names = {column.name: f"i{number}" for number, column in enumerate(wanted)}
        items = ", ".join(names.get(column.name, "NULL") for column in table.all_columns)
        statement_sql = f"SELECT {items} FROM ({read.plan.sql}) AS w({', '.join(names.values())})"  # noqa: S608
        inserted = Read(model.EnginePlan(statement_sql, read.plan.scans, read.plan.columns), read.views)
        with self._written(inserted, scans, output, progress, stop) as written:
            stop.commit()
            self._reader.record_write(execution, call, governed)
            target = _Target(_folder(table.location), vended, False)
            uris = self._store(call, execution, target, output, written, progress)
            try:
                self._add_partitions(call, ref.key, output, written)
            except (AwsError, QueryFailed):
                self._warehouse.discard(target.location, [uri.removeprefix(target.location) for uri in uris])
                raise
            self._answer(call, execution, progress, uris)

    def unload(
        self, statement: model.Unload, execution: Execution, call: Call, progress: Progress, stop: Cancellation
    ) -> None:
        """UNLOAD."""
        options = files.of_unload(statement.properties)
        location = _folder(statement.location)
        vended = self._warehouse.require_unload(call, location)
        read, scans = self._scans(statement.query, execution, call, progress)
        types = self._engine.describe(read.plan.sql, scans, stop.event)
        columns = files.output_columns(read.plan.columns, types, options.partitioned_by)
        output = OutputFormat(
            options.format, options.compression, columns, len(options.partitioned_by), options.delimiter
        )
        with self._written(read, scans, output, progress, stop) as written:
            stop.commit()
            uris = self._store(call, execution, _Target(location, vended, True), output, written, progress)
            self._answer(call, execution, progress, uris)

    # Steps

    def _scans(
        self, query: model.Select, execution: Execution, call: Call, progress: Progress
    ) -> tuple[Read, Sequence[Scan]]:
        started = time.perf_counter()
        read = self._reader.read(query, execution.sql, execution.database, call)
        progress.planning_ms = elapsed_ms(started)
        return read, self._reader.scans(read, execution, call, progress)

    @contextmanager
    def _written(
        self, read: Read, scans: Sequence[Scan], output: OutputFormat, progress: Progress, stop: Cancellation
    ) -> Iterator[Written]:
        started = time.perf_counter()
        with self._engine.write(read.plan.sql, scans, output, stop.event) as written:
            progress.engine_ms = elapsed_ms(started)
            progress.rows = progress.update_count = written.rows
            progress.check_cutoff(sum(_size(one.file) for one in written.files))
            yield written

    def _store(
        self,
        call: Call,
        execution: Execution,
        target: "_Target",
        output: OutputFormat,
        written: Written,
        progress: Progress,
    ) -> Sequence[str]:
        """Move the files to the target; answers their URIs."""
        keys = [column.name for column in output.columns[len(output.columns) - output.partitioned :]]
        stamp = datetime.fromisoformat(execution.submitted).strftime("%Y%m%d_%H%M%S")
        kept = written.files if written.rows else ()
        names = [
            f"{partition_path(keys, one.partition)}{stamp}_{number:05d}_{execution.id}{one.suffix}"
            for number, one in enumerate(kept)
        ]
        owner = call.principal.grantee_arn if target.private else ""
        progress.bytes_written = self._warehouse.store(
            call, target.location, names, kept, vended=target.vended, owner=owner
        )
        progress.written = target.location
        return [target.location + name for name in names]

    def _add_partitions(self, call: Call, table: tuple[str, str], output: OutputFormat, written: Written) -> None:
        if output.partitioned and written.rows:
            self._partitions.register(call, *table, (one.partition for one in written.files))

    def _answer(self, call: Call, execution: Execution, progress: Progress, uris: Sequence[str]) -> None:
        """The manifest of what was written, and the metadata beside it."""
        answer(self._results, call, execution, progress, uris)


def _size(file: BinaryIO) -> int:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size


def _folder(location: str) -> str:
    if not location.startswith("s3://") or len(location) > 900 or not location[5:].strip("/"):
        raise QueryFailed("INVALID_TABLE_PROPERTY: External location is not a valid S3 path", 2, 1301)
    return location.rstrip("/") + "/"
