"""What a query reads: views and information_schema resolved, rights decided, accesses recorded, files found."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lakewarden import sql
from lakewarden.kernel.call import Call
from lakewarden.kernel.lake import AccessMode, DataFile, GovernedTable
from lakewarden.query.model import Execution
from lakewarden.query.plans import Plans
from lakewarden.query.ports import AccessAudit, ReadableLake, Scan
from lakewarden.query.progress import Progress
from lakewarden.sql import model, pruning, views
from lakewarden.sql.errors import SqlError, TableNotFound, Unsupported
from lakewarden.sql.result_types import trino_type

VIEW = "VIRTUAL_VIEW"
AS_OF = "$as_of"
"""The parameter by which a table of the past goes to the engine."""
_DEEPEST_VIEW = 10
_MOST_LISTED = 20_000
_MOST_URIS = 100
Key = tuple[str, str]
NO_TABLES: Mapping[Key, GovernedTable] = {}


@dataclass(frozen=True, slots=True)
class Read:
    """A decided query: the engine's plan, and the views that it goes through."""

    plan: model.EnginePlan
    views: tuple[GovernedTable, ...]


@dataclass(slots=True)
class _Names:
    """The names of one statement, looked up once each."""

    call: Call
    tables: dict[Key, GovernedTable] = field(default_factory=dict)
    absent: set[Key] = field(default_factory=set)
    relations: dict[Key, views.Relation] = field(default_factory=dict)


class Reader:
    """Decides queries for their callers."""

    def __init__(self, lake: ReadableLake, audit: AccessAudit, plans: Plans) -> None:
        self._lake = lake
        self._audit = audit
        self._plans = plans

    def read(
        self, query: model.Select, text: str, database: str, call: Call, known: Mapping[Key, GovernedTable] = NO_TABLES
    ) -> Read:
        """Decide and plan; raises a :class:`SqlError`. Nothing of the data is touched.

        ``known`` are names that the statement does not take from the catalog.
        """
        names = _Names(call, dict(known))
        plan = self._plan(query, text, database, names, ())
        used = tuple(names.tables[key] for key in names.relations if key in names.tables)
        return Read(plan, used)

    def _plan(
        self, query: model.Select, text: str, database: str, names: _Names, within: tuple[Key, ...]
    ) -> model.EnginePlan:
        asked = query
        for _ in range(_DEEPEST_VIEW):
            found = {ref.key: self._relation(ref, query, names, within) for ref in query.tables}
            relations = {key: one for key, one in found.items() if one is not None}
            if not relations:
                break
            query = views.expanded(query, relations, text, database)
        else:
            raise views.InvalidView(query.tables[0])
        if query is asked and not within:
            return self._plans.plan(names.call.principal.grantee_arn, query, names.tables, text, database)
        return sql.plan(query, names.tables, text, database)

    def _relation(
        self, ref: model.TableRef, query: model.Select, names: _Names, within: tuple[Key, ...]
    ) -> views.Relation | None:
        """The query that a name stands for; None for a table, and for what is absent or hidden."""
        if ref.key in within:
            raise views.InvalidView(ref)
        if ref.key in names.relations:
            return names.relations[ref.key]
        if ref.database == views.INFORMATION_SCHEMA and not ref.version:
            # Not remembered: what is listed depends on the query that asks.
            return self._listing(ref, query, names.call)
        governed = self._look_up(ref, names)
        if governed is None or governed.table.table_type != VIEW or not governed.access.columns:
            return None
        found = self._view(ref, governed, names, within)
        names.relations[ref.key] = found
        return found

    def _look_up(self, ref: model.TableRef, names: _Names) -> GovernedTable | None:
        if ref.key not in names.tables and ref.key not in names.absent:
            found = self._lake.table(names.call, ref.database, ref.name)
            if found is None or found.access.mode is AccessMode.NONE:
                names.absent.add(ref.key)
            else:
                names.tables[ref.key] = _as_of(found, ref.version) if ref.version else found
        return names.tables.get(ref.key)

    def _view(
        self, ref: model.TableRef, governed: GovernedTable, names: _Names, within: tuple[Key, ...]
    ) -> views.Relation:
        """A stored view, which its invoker must be able to run as it stands.

        INVARIANT (non_interference): whatever is wrong with it, hidden or absent, gives the same text.
        """
        if not governed.access.rows.all_rows:
            raise Unsupported("A row filter on a view")
        try:
            found = views.relation(governed.table, governed.access.columns)
            self._plan(found.query, found.text, found.database, names, (*within, ref.key))
        except (SqlError, ValueError) as error:
            raise views.InvalidView(ref) from error
        return found

    # information_schema

    def _listing(self, ref: model.TableRef, query: model.Select, call: Call) -> views.Relation:
        if ref.name not in views.COLUMNS:
            raise TableNotFound(ref.line, ref.column, ref.database, ref.name)
        wanted = views.wanted_schemas(query)
        names = [name for name in self._lake.database_names(call) if wanted is None or name in wanted]
        rows: list[tuple[views.Value, ...]] = []
        for database in names:
            if ref.name == "schemata":
                rows.append(("awsdatacatalog", database))
            else:
                for governed in self._lake.tables(call, database):
                    rows += _listed(ref.name, governed)
            if len(rows) > _MOST_LISTED:
                raise Unsupported(f"information_schema over more than {_MOST_LISTED} rows; name a table_schema")
        return views.listing(ref.name, rows)

    # Data

    def scans(self, read: Read, execution: Execution, call: Call, progress: Progress) -> Sequence[Scan]:
        """Record all accesses, then find the files; raises QueryCancelled over the workgroup's limit."""
        of_views = [(view, view.access.columns) for view in read.views]
        of_scans = [(planned.governed, _columns_of(planned)) for planned in read.plan.scans]
        # INVARIANT (no_answer_without_audit): the records are durable before a byte of any table is read.
        if of_views or of_scans:
            self._audit.data_access(call, execution.id, (*of_views, *of_scans))
        progress.tables += [_told(view, columns, None) for view, columns in of_views]
        found = []
        wanted = pruning.conditions(read.plan)
        for planned, (_, columns) in zip(read.plan.scans, of_scans, strict=True):
            conditions, table = wanted.get(planned.relation, ()), planned.governed.table
            found_files = self._lake.files(call, table, pruning.equal_texts(table.partition_keys, conditions))
            files = _pruned(found_files, planned, conditions)
            found.append(Scan(planned, files))
            progress.tables.append(_told(planned.governed, columns, files))
            size = sum(file.size for file in files)
            progress.scanned_bytes += size
            if _whole(planned.governed):
                progress.told_bytes += size
            else:
                progress.restricted = True
        progress.cutoff_bytes = execution.cutoff_bytes
        progress.check_cutoff()
        progress.fingerprint = _fingerprint(read.plan, found)
        return found

    def record_write(
        self, execution: Execution, call: Call, governed: GovernedTable, permissions: Iterable[str] = ("INSERT",)
    ) -> None:
        """INVARIANT (no_answer_without_audit): the access to what is written to is durable before the first byte is."""
        self._audit.write_access(call, execution.id, governed, tuple(sorted(permissions)))


def _columns_of(planned: model.PlannedScan) -> Sequence[str]:
    """The table's own columns that are read."""
    return [column.name for column in planned.columns if not column.name.startswith("$")]


def _as_of(governed: GovernedTable, version: str) -> GovernedTable:
    """The table as it was. Rights are those of today, and so are the columns: what was dropped stays hidden."""
    table = governed.table
    if table.parameters.get("table_type", "").upper() != "ICEBERG":
        raise Unsupported("Time travel of a table that is no Iceberg table")
    return replace(governed, table=replace(table, parameters={**table.parameters, AS_OF: version}))


def _whole(governed: GovernedTable) -> bool:
    """Whether the caller may see every row and column of the table."""
    access = governed.access
    return access.rows.all_rows and len(access.columns) == len(governed.table.all_columns)


def _told(governed: GovernedTable, columns: Sequence[str], files: Sequence[DataFile] | None) -> Mapping[str, object]:
    """What the outcome's record says of a table that was read; a view has no files."""
    told: dict[str, object] = {
        "table": f"{governed.table.database}.{governed.table.name}",
        "columns": list(columns),
        "because": list(governed.access.because),
    }
    if files is not None:
        told |= {"objects": len(files), "objectUris": [file.uri for file in files[:_MOST_URIS]]}
    return told


def _pruned(files: Sequence[DataFile], planned: model.PlannedScan, wanted: pruning.Conditions) -> tuple[DataFile, ...]:
    """The files of the partitions that the query can need."""
    keys = planned.governed.table.partition_keys
    needed: dict[tuple[str, ...], bool] = {}
    for file in files:
        if file.partition not in needed:
            needed[file.partition] = pruning.needed(file.partition, keys, wanted)
    return tuple(file for file in files if needed[file.partition])


def _listed(name: str, governed: GovernedTable) -> Sequence[tuple[views.Value, ...]]:
    table = governed.table
    place = ("awsdatacatalog", table.database, table.name)
    is_view = table.table_type == VIEW
    if name == "tables":
        return [(*place, "VIEW" if is_view else "BASE TABLE")]
    if name == "views":
        return [(*place, view_text(governed))] if is_view else []
    seen = set(governed.access.described)
    keys = {key.name for key in table.partition_keys}
    return [
        (
            *place, column.name, number, None, "YES", trino_type(column.type), column.comment or None,
            "partition key" if column.name in keys else None,
        )
        for number, column in enumerate((one for one in table.all_columns if one.name in seen), 1)
    ]  # fmt: skip


def view_text(governed: GovernedTable) -> str | None:
    """A view's query, to who may see all of the view; None to others, for it names more than they see."""
    if len(governed.access.described) < len(governed.table.all_columns):
        return None
    try:
        return views.decoded(governed.table)[0]
    except ValueError:
        return None


def _fingerprint(plan: model.EnginePlan, scans: Sequence[Scan]) -> str:
    """The same only for the same statement over the same bytes under the same rights."""
    parts: list[object] = [plan.sql, plan.columns]
    for scan in scans:
        planned = scan.planned
        table = planned.governed.table
        parts += [planned.relation, planned.columns, planned.rows, table.table_id, table.serde]
        parts += [sorted(_texts(table.serde_parameters)), sorted(_texts(table.parameters))]
        parts += [(file.uri, file.path, file.partition) for file in scan.files]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _texts(values: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    return tuple(values.items())
