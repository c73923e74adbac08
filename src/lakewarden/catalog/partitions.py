"""Partitions of tables: Glue's operations on them, and what a query needs to find its files."""

import base64
import binascii
from collections.abc import Iterator, Sequence, Set
from datetime import date, datetime
from typing import Any

from lakewarden.catalog.details import position_of
from lakewarden.catalog.errors import (
    AlreadyExistsException,
    EntityNotFoundException,
    InsufficientPermissions,
    InvalidInputException,
)
from lakewarden.catalog.history import ColumnStatistics, TableHistory
from lakewarden.catalog.model import PartitionRecord, TableRecord
from lakewarden.catalog.partition_filter import NULL_PARTITION, is_number, partition_condition
from lakewarden.catalog.ports import TablePermissions
from lakewarden.catalog.projection import Source, is_projected, kept_sources, outside_roots, projected_sources
from lakewarden.catalog.service import CatalogService, Document
from lakewarden.catalog.store import CatalogStore, Entries
from lakewarden.catalog.visible import visible_partition
from lakewarden.kernel.call import Principal
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.lake import Column, GovernedTable, Table, TableAccess, Wanted

Values = Sequence[str]
_LONGEST_POSITION = 2048
_MAY_ADD = frozenset({"ALTER", "INSERT"})


class PartitionService:
    """Partitions under Lake Formation's permissions. ALTER or INSERT adds them, ALTER changes, ALTER or DELETE removes."""

    def __init__(
        self, store: CatalogStore, catalog: CatalogService, permissions: TablePermissions, clock: Clock
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._permissions = permissions
        self._clock = clock
        self.history = TableHistory(store, catalog)
        self.statistics = ColumnStatistics(store, catalog)

    # Reading

    def get(self, principal: Principal, database: str, table: str, values: Values) -> PartitionRecord:
        """GetPartition; raises EntityNotFound, or AccessDenied."""
        governed, record = self._readable(principal, database, table)
        with self._store.read() as entries:
            found = entries.partition(record.database, record.name, _checked(governed.table, values))
        if found is None:
            raise EntityNotFoundException("Cannot find partition.")
        return visible_partition(found, governed)

    def get_many(
        self, principal: Principal, database: str, table: str, wanted: Sequence[Values]
    ) -> tuple[list[PartitionRecord], list[Values]]:
        """BatchGetPartition: those that are there, and the values of those that are not."""
        governed, record = self._readable(principal, database, table)
        with self._store.read() as entries:
            found = [(one, entries.partition(record.database, record.name, one)) for one in wanted]
        return (
            [visible_partition(one, governed) for _, one in found if one is not None],
            [values for values, one in found if one is None],
        )

    def page(
        self,
        principal: Principal,
        database: str,
        table: str,
        expression: str = "",
        *,
        segment: tuple[int, int] | None = None,
        token: str | None = None,
        limit: int = 100,
    ) -> tuple[list[PartitionRecord], str]:
        """GetPartitions: one page, and the next one's token where there is more."""
        governed, record = self._readable(principal, database, table)
        with self._store.read() as entries:
            where = _condition(entries, expression, governed.table.partition_keys)
            found = list(
                entries.partitions(
                    record.database, record.name, after=_position(token), where=where, segment=segment, limit=limit + 1
                )
            )
        more = _token(found[limit - 1]) if len(found) > limit else ""
        return [visible_partition(one, governed) for one in found[:limit]], more

    def for_engine(
        self, principal: Principal, database: str, table: str, supported: Set[str]
    ) -> tuple[GovernedTable, TableRecord]:
        """GetUnfiltered...: the whole table, for a registered engine that keeps to what its caller may read."""
        governed, record = self._catalog.require_visible(principal, database.lower(), table.lower())
        self._permissions.require_engine(principal, governed, supported)
        return governed, record

    def unfiltered(
        self, governed: GovernedTable, expression: str, segment: tuple[int, int] | None, token: str | None, limit: int
    ) -> tuple[list[PartitionRecord], str]:
        """GetUnfilteredPartitionsMetadata: one page of all partitions, and the next one's token."""
        table = governed.table
        with self._store.read() as entries:
            where = _condition(entries, expression, table.partition_keys)
            after = _position(token)
            found = list(
                entries.partitions(
                    table.database, table.name, after=after, where=where, segment=segment, limit=limit + 1
                )
            )
        return found[:limit], _token(found[limit - 1]) if len(found) > limit else ""

    def unfiltered_one(self, governed: GovernedTable, values: Values) -> PartitionRecord:
        """GetUnfilteredPartitionMetadata; raises EntityNotFound."""
        with self._store.read() as entries:
            found = entries.partition(governed.table.database, governed.table.name, values)
        if found is None:
            raise EntityNotFoundException("Cannot find partition.")
        return found

    def _readable(self, principal: Principal, database: str, table: str) -> tuple[GovernedTable, TableRecord]:
        governed, record = self._catalog.require_visible(principal, database.lower(), table.lower())
        if not may_list_partitions(governed.table, governed.access):
            raise InsufficientPermissions("Select on all rows", governed.table.name)
        return governed, record

    # Writing

    def create(self, principal: Principal, database: str, table: str, document: Document) -> None:
        """CreatePartition; a location outside the table's own must be one that the principal may place data at."""
        governed, record = self._addable(principal, database, table)
        made = self._made(principal, governed, document)
        with self._store.write() as entries:
            _unchanged(entries, record)
            if entries.partition(record.database, record.name, made.values) is not None:
                raise AlreadyExistsException("Partition already exists.")
            entries.put_partition(made)

    def update(self, principal: Principal, database: str, table: str, values: Values, document: Document) -> None:
        """UpdatePartition; other values make it another partition."""
        governed, record = self._catalog.require_table(principal, database, table, "ALTER", "Alter")
        values = _checked(governed.table, values)
        changed = self._made(principal, governed, {**document, "Values": document.get("Values") or values})
        with self._store.write() as entries:
            _unchanged(entries, record)
            if entries.partition(record.database, record.name, values) is None:
                raise EntityNotFoundException("Cannot find partition.")
            if changed.values != values and entries.partition(record.database, record.name, changed.values) is not None:
                raise AlreadyExistsException("Partition already exists.")
            entries.remove_partition(record.database, record.name, values)
            entries.put_partition(changed)

    def delete(self, principal: Principal, database: str, table: str, values: Values) -> None:
        """DeletePartition; the data stays."""
        governed, record = self._catalog.require_visible(principal, database.lower(), table.lower())
        if not governed.access.actions & {"ALTER", "DELETE"}:
            raise InsufficientPermissions("Alter", governed.table.name)
        with self._store.write() as entries:
            _unchanged(entries, record)
            checked = _checked(governed.table, values)
            if entries.partition(record.database, record.name, checked) is None:
                raise EntityNotFoundException("Cannot find partition.")
            entries.remove_partition(record.database, record.name, checked)

    def _addable(self, principal: Principal, database: str, table: str) -> tuple[GovernedTable, TableRecord]:
        governed, record = self._catalog.require_visible(principal, database.lower(), table.lower())
        if not governed.access.actions & _MAY_ADD:
            raise InsufficientPermissions("Alter", governed.table.name)
        return governed, record

    def _made(self, principal: Principal, governed: GovernedTable, document: Document) -> PartitionRecord:
        table = governed.table
        values = _checked(table, document.get("Values") or ())
        made = PartitionRecord(
            table.database, table.name, values, self._clock().isoformat(), {**document, "Values": list(values)}
        )
        # INVARIANT (no_escalation): a partition is as good a way to another's data as a table; and who reads some rows only
        # could name another partition's files as one of its own.
        if made.location and governed.access.cells:
            raise InsufficientPermissions("Select on all rows", table.name)
        self._permissions.require_location(principal, made.location, table.location)
        return made

    # For the query engine

    def sources(self, table: Table, wanted: Wanted) -> Iterator[Source]:
        """Where the files of a table lie, partition by partition; the table's caller was permitted to read it."""
        if is_projected(table):
            yield from projected_sources(table, wanted, self._clock())
            return
        with self._store.read() as entries:
            yield from kept_sources(table, entries.partitions(table.database, table.name), wanted)

    def outside(self, table: Table) -> frozenset[str]:
        """The places outside the table's own location that reading it leads to."""
        roots = outside_roots(table)
        if table.partition_keys:
            with self._store.read() as entries:
                roots |= entries.partition_locations(table.database, table.name)
        own = table.location.rstrip("/") + "/"
        return frozenset(one for one in roots if not (one.rstrip("/") + "/").startswith(own))


def may_list_partitions(table: Table, access: TableAccess) -> bool:
    """Whether the partitions may be told: not to whoever reads some of the rows only.

    INVARIANT (non_interference): that a partition is there is a fact about rows, which a row filter may hide.
    """
    keys = [column.name for column in table.partition_keys]
    return not access.columns or (access.rows.all_rows if not keys else access.rows_for(keys).all_rows)


def _condition(entries: Entries, expression: str, keys: Sequence[Column]) -> Any:
    if not expression.strip():
        return None
    return partition_condition(expression, keys, entries.connection.dialect.name)


def _checked(table: Table, values: Values) -> tuple[str, ...]:
    """The values, one for each key, each of its key's type; raises InvalidInput."""
    keys = table.partition_keys
    if len(values) != len(keys):
        raise InvalidInputException("The number of partition values does not match the number of partition keys.")
    for key, value in zip(keys, values, strict=True):
        if value != NULL_PARTITION and not _fits(key.type.lower(), value):
            raise InvalidInputException(f"Partition value {value[:100]!r} does not fit the type of key {key.name}.")
    if len(position_of(values)) > _LONGEST_POSITION:
        raise InvalidInputException("The partition values are too long.")
    return tuple(values)


def _fits(kind: str, value: str) -> bool:
    try:
        if is_number(kind):
            return bool(value.isascii()) and "_" not in value and float(value) == float(value)
        if kind == "date":
            date.fromisoformat(value)
        if kind == "timestamp":
            datetime.fromisoformat(value)
    except ValueError:
        return False
    return bool(value) or kind in {"string", "varchar", "char"}


def _unchanged(entries: Entries, record: TableRecord) -> None:
    current = entries.table(record.database, record.name)
    if current is None or current.id != record.id:
        raise EntityNotFoundException(f"Table {record.name} not found.")


def _token(record: PartitionRecord) -> str:
    return base64.urlsafe_b64encode(position_of(record.values).encode()).decode()


def _position(token: str | None) -> str:
    try:
        return base64.b64decode(token or "", altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise InvalidInputException("NextToken is invalid.") from error
