"""``audit.ports.TrailSql``: CloudTrail Lake's statements through Athena's own gate, planner, rights and engine."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event

from lakewarden import sql
from lakewarden.adapters.audit_tables import TABLE_IDS, AuditFiles
from lakewarden.audit.datastores import DATABASE
from lakewarden.audit.lake_model import Reading
from lakewarden.audit.ports import Found, Row, RunCancelled, StatementRefused
from lakewarden.catalog.service import CatalogService
from lakewarden.guard import Access, Guard
from lakewarden.kernel.call import Call
from lakewarden.kernel.lake import EVERY_PARTITION, AccessMode, DataFile, GovernedTable, Table, Wanted
from lakewarden.query.errors import QueryCancelled, QueryFailed
from lakewarden.query.model import Caller, Execution
from lakewarden.query.plans import Plans
from lakewarden.query.ports import AccessAudit, Engine, EngineResult
from lakewarden.query.progress import Progress
from lakewarden.query.reading import Read, Reader
from lakewarden.sql.errors import SqlError
from lakewarden.sql.model import Select

_FORWARDED = {"aws:CalledVia": ("cloudtrail.amazonaws.com",), "aws:ViaAWSService": "true"}


class TrailLake:
    """``query.ports.ReadableLake`` of some audit tables: nothing else is there.

    INVARIANT (deny_by_default): Lake Formation alone gives access to the trail; plain IAM rights on S3 or Glue never do,
    whatever was granted to IAMAllowedPrincipals.
    """

    def __init__(self, catalog: CatalogService, guard: Guard, files: AuditFiles, tables: Sequence[str]) -> None:
        self._catalog = catalog
        self._guard = guard
        self._files = files
        self._tables = frozenset(tables)

    def database_names(self, call: Call) -> Sequence[str]:  # noqa: ARG002 - the port's signature
        """There is no information_schema over event data stores."""
        return ()

    def tables(self, call: Call, database: str) -> Sequence[GovernedTable]:  # noqa: ARG002 - the port's signature
        """As above."""
        return ()

    def table(self, call: Call, database: str, name: str) -> GovernedTable | None:
        """An audit table with what the caller may do; None alike for hidden, absent, and not among those asked for."""
        if database != DATABASE or name not in self._tables:
            return None
        found = self._catalog.find(call.principal, database, name)
        if found is None or TABLE_IDS.get(found.table.table_id) != name:
            return None
        if found.access.mode is not AccessMode.LAKE_FORMATION:
            return None
        allowed = self._guard.check(call, Access("lakeformation:GetDataAccess", "*", _FORWARDED)).allowed
        return found if allowed else None

    def files(self, call: Call, table: Table, wanted: Wanted = EVERY_PARTITION) -> Sequence[DataFile]:  # noqa: ARG002
        """The table's files, as fresh as the query."""
        return self._files.files(table) or ()


class GovernedTrail:
    """Runs statements over the audit tables."""

    def __init__(
        self, catalog: CatalogService, guard: Guard, files: AuditFiles, engine: Engine, audit: AccessAudit
    ) -> None:
        self._catalog = catalog
        self._guard = guard
        self._files = files
        self._engine = engine
        self._audit = audit

    def check(self, statement: str) -> None:
        """Raise :class:`StatementRefused` unless this is one query."""
        self._parsed(statement)

    def _parsed(self, statement: str) -> Select:
        try:
            found = sql.parse(statement, DATABASE)
        except SqlError as error:
            raise StatementRefused(error.text) from error
        if not isinstance(found, Select):
            raise StatementRefused("NOT_SUPPORTED: Only queries (SELECT) of event data stores are supported")
        return found

    @contextmanager
    def run(
        self, call: Call, query_id: str, statement: str, tables: Sequence[str], cancelled: Event
    ) -> Iterator[Found]:
        """As :class:`TrailSql`."""
        try:
            reader = Reader(self._lake(tables), self._audit, Plans())
            read = reader.read(self._parsed(statement), statement, DATABASE, call)
            progress = Progress()
            scans = reader.scans(read, _execution(call, query_id, statement), call, progress)
            with self._engine.run(read.plan.sql, scans, cancelled) as result:
                yield Found(
                    tuple(read.plan.columns), _blocks(result, cancelled), progress.tables, _readings(read),
                    progress.scanned_bytes, progress.statistic_bytes,
                )  # fmt: skip
        except SqlError as error:
            raise StatementRefused(error.text) from error
        except QueryFailed as error:
            raise StatementRefused(error.text) from error
        except QueryCancelled as error:
            raise RunCancelled from error

    def still_readable(self, call: Call, readings: Sequence[Reading]) -> bool:
        """Whether every column is still granted, in the same rows."""
        lake = self._lake([one.table for one in readings])
        for one in readings:
            found = lake.table(call, DATABASE, one.table)
            if found is None or not set(one.columns) <= set(found.access.columns):
                return False
            if _rows(found, one.columns) != one.rows:
                return False
        return True

    def _lake(self, tables: Sequence[str]) -> TrailLake:
        return TrailLake(self._catalog, self._guard, self._files, tables)


def _blocks(result: EngineResult, cancelled: Event) -> Iterator[Sequence[Row]]:
    for batch in result.batches:
        if cancelled.is_set():
            raise QueryCancelled
        yield list(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def _execution(call: Call, query_id: str, statement: str) -> Execution:
    return Execution(
        id=query_id, owner=call.principal.grantee_arn, workgroup="", sql=statement, database=DATABASE, output="",
        submitted=call.at.isoformat(), caller=Caller.of(call),
    )  # fmt: skip


def _readings(read: Read) -> tuple[Reading, ...]:
    found = []
    for planned in read.plan.scans:
        columns = tuple(column.name for column in planned.columns)
        found.append(Reading(planned.governed.table.name, columns, _rows(planned.governed, columns)))
    return tuple(found)


def _rows(governed: GovernedTable, columns: Sequence[str]) -> str:
    """A fingerprint of the rows that may be seen of these columns."""
    return hashlib.sha256(repr(governed.access.rows_for(columns)).encode()).hexdigest()
