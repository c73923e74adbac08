"""Rows of Iceberg tables: CREATE TABLE AS, INSERT, DELETE, UPDATE, MERGE and OPTIMIZE.

Each statement runs once in the engine, which writes new rows and position deletes; the commit makes all of it visible at
once, or none.
"""

import time
from collections.abc import Mapping, Sequence

from lakewarden.kernel.call import Call
from lakewarden.kernel.iceberg import ChangeRows, NewFile
from lakewarden.kernel.lake import Column, GovernedTable
from lakewarden.query.iceberg_commits import Commits, Right, is_iceberg
from lakewarden.query.iceberg_ports import Changed, IcebergLake, RowChange, RowEngine
from lakewarden.query.iceberg_tables import IcebergTables, checked_location, create_work, exists
from lakewarden.query.manifests import answer
from lakewarden.query.model import Execution
from lakewarden.query.ports import Engine, Lake, ResultStore, Scan
from lakewarden.query.progress import Cancellation, Progress, elapsed_ms
from lakewarden.query.reading import Read, Reader
from lakewarden.sql import files, iceberg_rows, model
from lakewarden.sql import iceberg_properties as properties
from lakewarden.sql.errors import SqlError, TableNotFound
from lakewarden.sql.iceberg_model import PUT_IN, READ, TAKE_OUT, ChangeTable, Optimize, Vacuum

_WIDENED: Mapping[str, str] = {"tinyint": "int", "smallint": "int"}
"""What Iceberg has no type for becomes the next wider one."""


class IcebergWriter:
    """Statements that change rows, each with its caller's rights."""

    def __init__(
        self,
        reader: Reader,
        lake: Lake,
        engine: Engine,
        rows: RowEngine,
        iceberg: IcebergLake,
        commits: Commits,
        results: ResultStore,
    ) -> None:
        self._reader = reader
        self._lake = lake
        self._engine = engine
        self._rows = rows
        self._iceberg = iceberg
        self._commits = commits
        self._tables = IcebergTables(lake, iceberg, commits)
        self._results = results

    def create_table_as(
        self, statement: model.CreateTableAs, execution: Execution, call: Call, progress: Progress, stop: Cancellation
    ) -> None:
        """CREATE TABLE AS with table_type ICEBERG."""
        stated = properties.properties_of(statement.properties)
        partitioned_by = properties.partitioning(statement.properties)
        location = _stated_location(statement.properties)
        if self._lake.table(call, *statement.table.key) is not None:
            if statement.if_not_exists:
                answer(self._results, call, execution, progress, ())
                return
            raise exists(statement.table)
        location = checked_location(location, execution)
        vended = self._iceberg.require_create(call, statement.table, location)
        read = self._read(statement.query, execution, call, progress)
        types = self._engine.describe(read.plan.sql, _without_files(read), stop.event)
        columns = tuple(
            Column(column.name, _WIDENED.get(column.type, column.type))
            for column in files.output_columns(read.plan.columns, types, ())
        )
        scans = self._reader.scans(read, execution, call, progress)
        made: list[NewFile] = []
        try:
            first, told = self._commits.create(
                call, location, create_work(location, columns, partitioned_by, stated), vended=vended
            )
            made.append(first)
            if statement.with_data:
                change = RowChange(first.path, tuple(column.name for column in columns))
                sql = _inserting(read, columns, columns)
                with self._rows.change(sql, scans, change, stop.event) as changed:
                    stop.commit()
                    made += self._commits.store(call, execution, location, changed, vended=vended)
                    made += self._commits.fill(call, location, first, made[1:], vended=vended)
                    _count(progress, changed.inserted, made, location)
            else:
                stop.commit()
            self._iceberg.create(call, statement.table, location, made[-1].uri, told, "")
        except BaseException:
            self._commits.discard(made)
            raise
        answer(self._results, call, execution, progress, _data(made))

    def insert(
        self,
        statement: model.Insert,
        governed: GovernedTable,
        execution: Execution,
        call: Call,
        progress: Progress,
        stop: Cancellation,
    ) -> None:
        """INSERT INTO."""
        right = self._right(call, governed, frozenset({PUT_IN}))
        columns = governed.table.columns
        wanted = inserted_columns(columns, statement.columns)
        read = self._read(statement.query, execution, call, progress)
        files.check_insert(wanted, self._engine.describe(read.plan.sql, _without_files(read), stop.event))
        scans = self._reader.scans(read, execution, call, progress)
        sql = _inserting(read, wanted, columns)
        self._changed(sql, scans, governed, right, execution, call, progress, stop, "append")

    def change(
        self, statement: ChangeTable, execution: Execution, call: Call, progress: Progress, stop: Cancellation
    ) -> None:
        """DELETE, UPDATE and MERGE INTO."""
        governed = self._target(statement.table, call)
        right = self._right(call, governed, statement.needs)
        columns = governed.table.columns
        asked = self._read(statement.asked, execution, call, progress)
        types = self._engine.describe(asked.plan.sql, _without_files(asked), stop.event)
        iceberg_rows.check(statement, columns, types)
        query = iceberg_rows.rows(statement, columns, types, execution.sql, execution.database)
        read, scans = self._of_rows(query, statement.table, governed, execution, call, progress)
        operation = "delete" if statement.needs == {READ, TAKE_OUT} else "overwrite"
        self._changed(read.plan.sql, scans, governed, right, execution, call, progress, stop, operation)

    def optimize(
        self, statement: Optimize, execution: Execution, call: Call, progress: Progress, stop: Cancellation
    ) -> None:
        """OPTIMIZE ... REWRITE DATA: every row into as few files as partitions need, without deletes."""
        governed = self._target(statement.table, call)
        right = self._right(call, governed, frozenset({READ, PUT_IN, TAKE_OUT}))
        query = iceberg_rows.all_rows(statement.table, governed.table.columns)
        read, scans = self._of_rows(query, statement.table, governed, execution, call, progress)
        self._changed(read.plan.sql, scans, governed, right, execution, call, progress, stop, "replace")
        progress.rows = progress.update_count = 0

    def vacuum(
        self, statement: Vacuum, execution: Execution, call: Call, progress: Progress, stop: Cancellation
    ) -> None:
        """VACUUM."""
        governed = self._target(statement.table, call)
        stop.commit()
        self._tables.vacuum(governed, call)
        progress.written = governed.table.location
        answer(self._results, call, execution, progress, ())

    # Steps

    def _target(self, ref: model.TableRef, call: Call) -> GovernedTable:
        found = self._lake.table(call, ref.database, ref.name)
        if found is None:
            raise TableNotFound(ref.line, ref.column, ref.database, ref.name)
        if not is_iceberg(found):
            raise SqlError("NOT_SUPPORTED: Modifying Hive table rows is only supported for transactional tables")
        return found

    def _right(self, call: Call, governed: GovernedTable, actions: frozenset[str]) -> Right:
        return Right(actions, self._iceberg.require_change(call, governed, actions))

    def _read(self, query: model.Select, execution: Execution, call: Call, progress: Progress) -> Read:
        started = time.perf_counter()
        read = self._reader.read(query, execution.sql, execution.database, call)
        progress.planning_ms = elapsed_ms(started)
        return read

    def _of_rows(
        self,
        query: model.Select,
        ref: model.TableRef,
        governed: GovernedTable,
        execution: Execution,
        call: Call,
        progress: Progress,
    ) -> tuple[Read, Sequence[Scan]]:
        """The rows of a table whose caller reads all of it, with their addresses."""
        known = {iceberg_rows.rows_name(ref): iceberg_rows.addressed(governed)}
        read = self._reader.read(query, execution.sql, execution.database, call, known)
        return read, self._reader.scans(read, execution, call, progress)

    def _changed(
        self,
        sql: str,
        scans: Sequence[Scan],
        governed: GovernedTable,
        right: Right,
        execution: Execution,
        call: Call,
        progress: Progress,
        stop: Cancellation,
        operation: str,
    ) -> None:
        """Run, store, commit, answer."""
        table = governed.table
        rewrite = operation == "replace"
        change = RowChange(
            self._commits.metadata_path(call, governed), tuple(column.name for column in table.columns), rewrite
        )
        started = time.perf_counter()
        with self._rows.change(sql, scans, change, stop.event) as changed:
            progress.engine_ms = elapsed_ms(started)
            stop.commit()
            self._reader.record_write(execution, call, governed, right.actions - {READ})
            stored: Sequence[NewFile] = ()
            if changed.touched or (rewrite and changed.sources):
                stored = self._stored(changed, governed, right, execution, call, operation)
            _count(progress, changed.inserted if operation == "append" else changed.touched, stored, table.location)
            answer(self._results, call, execution, progress, _data(stored))

    def _stored(
        self, changed: Changed, governed: GovernedTable, right: Right, execution: Execution, call: Call, operation: str
    ) -> Sequence[NewFile]:
        stored = self._commits.store(call, execution, governed.table.location, changed, vended=right.vended)
        try:
            self._commits.rows(call, governed, right, ChangeRows(tuple(stored), operation, changed.sources))
        except BaseException:
            self._commits.discard(stored)
            raise
        return stored


def _stated_location(stated: files.Properties) -> str:
    if str(stated.get("is_external", "false")).lower() != "false":
        raise SqlError("INVALID_TABLE_PROPERTY: A table of table_type ICEBERG is not external")
    location = stated.get("location", "")
    if not isinstance(location, str) or not location:
        raise SqlError("INVALID_TABLE_PROPERTY: location is required for a table of table_type ICEBERG")
    return location


def inserted_columns(columns: Sequence[Column], names: Sequence[str]) -> Sequence[Column]:
    """The columns that are inserted, in the statement's order."""
    if not names:
        return columns
    known = {column.name: column for column in columns}
    for name in names:
        if name not in known:
            raise SqlError(f"COLUMN_NOT_FOUND: line 1:1: Insert column name does not exist in target table: {name}")
    return [known[name] for name in names]


def _inserting(read: Read, given: Sequence[Column], columns: Sequence[Column]) -> str:
    """The engine's statement of new rows: addresses that are null, then the values in the table's order."""
    names = {column.name: f"i{number}" for number, column in enumerate(given)}
    items = ", ".join(names.get(column.name, "NULL") for column in columns)
    return f"SELECT NULL, NULL, NULL, true, {items} FROM ({read.plan.sql}) AS w({', '.join(names.values())})"  # noqa: S608


def _without_files(read: Read) -> Sequence[Scan]:
    """To ask for types needs no data."""
    return [Scan(one, ()) for one in read.plan.scans]


def _count(progress: Progress, rows: int, stored: Sequence[NewFile], location: str) -> None:
    progress.rows = progress.update_count = rows
    progress.bytes_written = sum(one.size for one in stored)
    progress.written = location


def _data(stored: Sequence[NewFile]) -> Sequence[str]:
    return [one.uri for one in stored if one.uri.endswith(".parquet")]
