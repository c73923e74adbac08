"""DDL, SHOW, DESCRIBE and prepared statements: what answers with a few lines of text."""

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lakewarden.kernel.call import Call
from lakewarden.kernel.lake import GovernedTable
from lakewarden.query.errors import QueryFailed
from lakewarden.query.iceberg_commits import is_iceberg
from lakewarden.query.iceberg_tables import IcebergTables
from lakewarden.query.model import Execution
from lakewarden.query.ports import Lake, Partitions, Prepared, ResultColumn, partition_path
from lakewarden.query.reading import VIEW, view_text
from lakewarden.query.results import Row
from lakewarden.sql import model, show
from lakewarden.sql.errors import SqlError, TableNotFound
from lakewarden.sql.iceberg_model import CreateIcebergTable, IcebergStatement

Answer = tuple[tuple[ResultColumn, ...], Sequence[Row]]
_NOTHING: Answer = ((), ())


class Utility:
    """One method for each statement, found by its class."""

    def __init__(self, lake: Lake, partitions: Partitions, prepared: Prepared, iceberg: IcebergTables) -> None:
        self._lake = lake
        self._partitions = partitions
        self._prepared = prepared
        self._iceberg = iceberg
        self._methods: Mapping[type, Callable[[Any, Execution, Call], Answer]] = {
            model.CreateDatabase: self._create_database,
            model.AlterDatabase: self._alter_database,
            model.DropDatabase: self._drop_database,
            model.CreateTable: self._create_table,
            CreateIcebergTable: self._create_iceberg_table,
            model.AlterTable: self._alter_table,
            model.RepairTable: self._repair_table,
            model.DropTable: self._drop_table,
            model.DropView: self._drop_view,
            model.Prepare: self._prepare,
            model.Deallocate: self._deallocate,
            model.ShowDatabases: self._show_databases,
            model.ShowTables: self._show_tables,
            model.ShowViews: self._show_views,
            model.ShowColumns: self._show_columns,
            model.ShowPartitions: self._show_partitions,
            model.ShowProperties: self._show_properties,
            model.ShowCreateTable: self._show_create_table,
            model.ShowCreateView: self._show_create_view,
            model.Describe: self._describe,
        }

    def run(self, statement: model.Statement | IcebergStatement, execution: Execution, call: Call) -> Answer:
        """The columns and rows that the statement answers with."""
        found = self._methods.get(type(statement))
        if found is None:
            raise QueryFailed(f"NOT_SUPPORTED: {statement.substatement} is not supported", 2, 1303)
        return found(statement, execution, call)

    # Changes

    def _create_database(self, statement: model.CreateDatabase, _: Execution, call: Call) -> Answer:
        self._lake.create_database(call, statement)
        return _NOTHING

    def _alter_database(self, statement: model.AlterDatabase, _: Execution, call: Call) -> Answer:
        self._lake.alter_database(call, statement)
        return _NOTHING

    def _drop_database(self, statement: model.DropDatabase, _: Execution, call: Call) -> Answer:
        self._lake.drop_database(call, statement.name, if_exists=statement.if_exists, cascade=statement.cascade)
        return _NOTHING

    def _create_table(self, statement: model.CreateTable, _: Execution, call: Call) -> Answer:
        self._lake.create_table(call, statement)
        return _NOTHING

    def _create_iceberg_table(self, statement: CreateIcebergTable, execution: Execution, call: Call) -> Answer:
        self._iceberg.create(statement, execution, call)
        return _NOTHING

    def _alter_table(self, statement: model.AlterTable, _: Execution, call: Call) -> Answer:
        found, change = self._found(statement.table, call), statement.change
        if is_iceberg(found):
            self._iceberg.alter(found, change, call)
        elif isinstance(change, model.AddPartitions):
            self._partitions.add(call, found, change)
        elif isinstance(change, model.DropPartitions):
            self._partitions.drop(call, found, change)
        elif isinstance(change, model.RenamePartition):
            self._partitions.rename(call, found, change)
        else:
            self._lake.alter_table(call, statement)
        return _NOTHING

    def _repair_table(self, statement: model.RepairTable, _: Execution, call: Call) -> Answer:
        found = self._found(statement.table, call)
        keys = _keys(found)
        added = self._partitions.repair(call, found)
        head = f"Repair: Added partition to metastore {found.table.name}:"
        return (_text("result"),), [(head + partition_path(keys, one).rstrip("/"),) for one in added]

    def _drop_table(self, statement: model.DropTable, _: Execution, call: Call) -> Answer:
        found = self._lake.table(call, *statement.table.key)
        if found is not None and is_iceberg(found):
            self._iceberg.drop(found, statement, call)
        else:
            self._lake.drop_table(call, statement.table, if_exists=statement.if_exists)
        return _NOTHING

    def _drop_view(self, statement: model.DropView, _: Execution, call: Call) -> Answer:
        self._lake.drop_table(call, statement.table, if_exists=statement.if_exists, view=True)
        return _NOTHING

    def _prepare(self, statement: model.Prepare, execution: Execution, call: Call) -> Answer:
        self._prepared.prepare(call, execution.workgroup, statement.name, statement.text)
        return _NOTHING

    def _deallocate(self, statement: model.Deallocate, execution: Execution, call: Call) -> Answer:
        self._prepared.deallocate(call, execution.workgroup, statement.name)
        return _NOTHING

    # Looks

    def _show_databases(self, statement: model.ShowDatabases, _: Execution, call: Call) -> Answer:
        names = self._lake.database_names(call)
        return (_text("database_name"),), [(name,) for name in names if _like(name, statement.pattern)]

    def _show_tables(self, statement: model.ShowTables, _: Execution, call: Call) -> Answer:
        names = self._lake.table_names(call, statement.database)
        return (_text("tab_name"),), [(name,) for name in names if _like(name, statement.pattern)]

    def _show_views(self, statement: model.ShowViews, _: Execution, call: Call) -> Answer:
        tables = self._lake.tables(call, statement.database)
        names = [one.table.name for one in tables if one.table.table_type == VIEW]
        return (_text("views"),), [(name,) for name in names if _like(name, statement.pattern)]

    def _show_columns(self, statement: model.ShowColumns, _: Execution, call: Call) -> Answer:
        found = self._found(statement.table, call)
        return (_text("field"),), [(name.ljust(20),) for name in found.access.described]

    def _show_partitions(self, statement: model.ShowPartitions, _: Execution, call: Call) -> Answer:
        """Partition keys can be seen whenever any column can; which of them there are, by who may read the table."""
        found = self._found(statement.table, call)
        keys = _keys(found)
        if not found.access.columns:
            raise QueryFailed("Insufficient Lake Formation permission(s): Required Select on the table", 2, 1301)
        values = sorted(self._partitions.listed(call, found))
        return (_text("partition"),), [(partition_path(keys, one).rstrip("/"),) for one in values]

    def _show_properties(self, statement: model.ShowProperties, _: Execution, call: Call) -> Answer:
        found = self._whole(statement.table, call)
        lines = [
            (name, value)
            for name, value in sorted(found.table.parameters.items())
            if not statement.name or name == statement.name
        ]
        return (_text("prpt_name"), _text("prpt_value")), lines

    def _show_create_table(self, statement: model.ShowCreateTable, _: Execution, call: Call) -> Answer:
        found = self._whole(statement.table, call)
        if found.table.table_type == VIEW:
            raise QueryFailed(f"FAILED: {found.table.name} is a view; use SHOW CREATE VIEW", 2, 1301)
        return (_text("createtab_stmt"),), [(line,) for line in show.show_create_table(found.table)]

    def _show_create_view(self, statement: model.ShowCreateView, _: Execution, call: Call) -> Answer:
        found = self._whole(statement.table, call)
        text = view_text(found) if found.table.table_type == VIEW else None
        if text is None:
            raise SqlError(f"NOT_SUPPORTED: {found.table.name} is not a view that can be shown")
        head = f'CREATE VIEW "{found.table.database}"."{found.table.name}" AS'
        return (_text("Create View"),), [(line,) for line in (head, *text.splitlines())]

    def _describe(self, statement: model.Describe, _: Execution, call: Call) -> Answer:
        found = self._found(statement.table, call)
        seen = set(found.access.described)
        if statement.column:
            seen &= {statement.column}
            if not seen:
                raise QueryFailed(f"FAILED: cannot find field {statement.column}", 2, 1301)
        lines = show.describe(
            tuple(column for column in found.table.columns if column.name in seen),
            tuple(column for column in found.table.partition_keys if column.name in seen),
        )
        columns = (_text("col_name"), _text("data_type"), _text("comment"))
        return columns, [tuple([*line.split("\t"), "", ""][:3]) for line in lines]

    def _found(self, ref: model.TableRef, call: Call) -> GovernedTable:
        found = self._lake.table(call, ref.database, ref.name)
        if found is None:
            raise TableNotFound(ref.line, ref.column, ref.database, ref.name)
        return found

    def _whole(self, ref: model.TableRef, call: Call) -> GovernedTable:
        """A table of which the caller may see every column: what is said of the rest may name the others."""
        found = self._found(ref, call)
        if len(found.access.described) < len(found.table.all_columns):
            raise QueryFailed(
                "Insufficient Lake Formation permission(s): Required Describe on the whole table", 2, 1301
            )
        return found


def _keys(found: GovernedTable) -> list[str]:
    keys = [key.name for key in found.table.partition_keys]
    if not keys:
        raise QueryFailed(f"FAILED: Table {found.table.name} is not a partitioned table", 2, 1301)
    return keys


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
