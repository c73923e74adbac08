"""Iceberg tables made, altered, cleaned up and dropped."""

from collections.abc import Mapping

from lakewarden.kernel.call import Call
from lakewarden.kernel.iceberg import Alter, ColumnOf, Create, Expire, PartitionBy
from lakewarden.kernel.lake import Column, GovernedTable
from lakewarden.query.errors import QueryFailed
from lakewarden.query.iceberg_commits import Commits, Right, folder
from lakewarden.query.iceberg_ports import IcebergLake
from lakewarden.query.model import Execution
from lakewarden.query.ports import Lake
from lakewarden.sql import changes, model
from lakewarden.sql import iceberg_properties as properties
from lakewarden.sql.errors import SqlError, Unsupported
from lakewarden.sql.iceberg_model import PUT_IN, READ, TAKE_OUT, CreateIcebergTable, PartitionTransform


class IcebergTables:
    """One method for each statement about a table as a whole."""

    def __init__(self, lake: Lake, iceberg: IcebergLake, commits: Commits) -> None:
        self._lake = lake
        self._iceberg = iceberg
        self._commits = commits

    def create(self, statement: CreateIcebergTable, execution: Execution, call: Call) -> None:
        """CREATE TABLE of an Iceberg table, without rows."""
        if self._lake.table(call, *statement.table.key) is not None:
            if statement.if_not_exists:
                return
            raise exists(statement.table)
        location = checked_location(statement.location, execution)
        vended = self._iceberg.require_create(call, statement.table, location)
        work = create_work(location, statement.columns, statement.partitioned_by, statement.properties)
        first, columns = self._commits.create(call, location, work, vended=vended)
        try:
            self._iceberg.create(call, statement.table, location, first.uri, columns, statement.comment)
        except BaseException:
            self._commits.discard([first])
            raise

    def alter(self, governed: GovernedTable, change: changes.Change, call: Call) -> None:
        """ALTER TABLE."""
        if isinstance(change, changes.RenameTable):
            self._right(call, governed, frozenset({"ALTER", "DROP"}))
            self._iceberg.rename(call, governed, change.new)
            return
        right = self._right(call, governed, frozenset({"ALTER"}))
        self._commits.alter(call, governed, right, _work(governed, change))

    def drop(self, governed: GovernedTable, statement: model.DropTable, call: Call) -> None:
        """DROP TABLE: as Athena's, it takes the data along."""
        vended = self._iceberg.require_drop(call, governed)
        reached = self._commits.reached(call, governed)
        self._lake.drop_table(call, statement.table, if_exists=statement.if_exists)
        self._iceberg.remove(call, governed, reached, vended=vended)

    def vacuum(self, governed: GovernedTable, call: Call) -> int:
        """VACUUM: expire snapshots, and delete the files that nothing leads to then; answers how many."""
        right = self._right(call, governed, frozenset({READ, PUT_IN, TAKE_OUT}))
        self._iceberg.require_remove(call, governed, vended=right.vended)
        done = self._commits.alter(call, governed, right, Expire())
        return self._iceberg.remove(call, governed, done.unreached, vended=right.vended)

    def _right(self, call: Call, governed: GovernedTable, actions: frozenset[str]) -> Right:
        return Right(actions, self._iceberg.require_change(call, governed, actions))


def create_work(
    location: str,
    columns: tuple[Column, ...],
    partitioned_by: tuple[PartitionTransform, ...],
    stated: Mapping[str, str],
) -> Create:
    """What the scribe is asked for."""
    return Create(
        location.rstrip("/"),
        tuple(_column(column) for column in columns),
        tuple(PartitionBy(one.column, one.transform, one.width) for one in partitioned_by),
        dict(stated),
    )


def checked_location(location: str, execution: Execution) -> str:
    """Where a table may lie: a folder of a bucket, and not among the query's own results."""
    if not location.startswith("s3://") or len(location) > 900 or not location[5:].rstrip("/").partition("/")[2]:
        raise QueryFailed("INVALID_TABLE_PROPERTY: The location is not a folder of an S3 bucket", 2, 1301)
    # INVARIANT (non_interference): what lies among query results is its owner's alone; a table there could not be shared.
    if folder(location).startswith(execution.staging):
        raise Unsupported("An Iceberg table among query results")
    return folder(location)


def exists(table: model.TableRef) -> SqlError:
    """The table is there already."""
    name = f"awsdatacatalog.{table.database}.{table.name}"
    return SqlError(f"TABLE_ALREADY_EXISTS: line {table.line}:{table.column}: Table '{name}' already exists")


def _column(column: Column) -> ColumnOf:
    return ColumnOf(column.name, column.type, column.comment)


def _work(governed: GovernedTable, change: changes.Change) -> Alter:
    names = {column.name for column in governed.table.columns}
    if isinstance(change, changes.AddColumns):
        return Alter(added=tuple(_column(column) for column in change.columns))
    if isinstance(change, changes.DropColumn):
        _known(change.name, names)
        return Alter(dropped=(change.name,))
    if isinstance(change, changes.ChangeColumn):
        _known(change.name, names)
        return Alter(changed=((change.name, _column(change.column)),))
    if isinstance(change, changes.SetProperties):
        return Alter(properties=dict(properties.properties_of(change.properties)))
    if isinstance(change, changes.UnsetProperties):
        return Alter(unset=tuple(properties.name_of(name) for name in change.names))
    raise Unsupported(f"ALTER TABLE {type(change).__name__} of an Iceberg table")


def _known(name: str, names: set[str]) -> None:
    if name not in names:
        raise QueryFailed(f"COLUMN_NOT_FOUND: Column '{name}' does not exist", 2, 1006)
