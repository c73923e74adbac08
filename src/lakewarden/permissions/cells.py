"""Data cells filters: CreateDataCellsFilter and its kind."""

import uuid
from dataclasses import replace

from lakewarden.kernel.call import Principal
from lakewarden.kernel.lake import ALL_ROWS, Column, RowFilter
from lakewarden.permissions.errors import (
    AlreadyExistsException,
    ConcurrentModificationException,
    EntityNotFoundException,
    InsufficientPermissions,
    InvalidInputException,
)
from lakewarden.permissions.facts import Facts
from lakewarden.permissions.model import CellsFilter, FilterResource
from lakewarden.permissions.ports import CatalogView
from lakewarden.permissions.predicate import checked_predicate
from lakewarden.permissions.resolve import may_define_filter
from lakewarden.permissions.snapshot import FactBook
from lakewarden.permissions.store import PermissionStore


class CellFilters:
    """Who may define filters: administrators, and holders of SELECT with grant option on the whole table."""

    def __init__(self, store: PermissionStore, book: FactBook, catalog: CatalogView) -> None:
        self._store = store
        self._book = book
        self._catalog = catalog

    def create(self, by: Principal, wanted: CellsFilter) -> None:
        """CreateDataCellsFilter; raises AlreadyExists, InvalidInput, EntityNotFound or AccessDenied."""
        self._require_definer(by, wanted)
        with self._store.write() as records:
            checked = self._checked(wanted)
            if records.filter(wanted.database, wanted.table, wanted.name) is not None:
                raise AlreadyExistsException(f"Data cells filter {wanted.name} already exists.")
            records.put_filter(checked)

    def update(self, by: Principal, wanted: CellsFilter) -> None:
        """UpdateDataCellsFilter; what is granted on it follows at once."""
        self._require_definer(by, wanted)
        with self._store.write() as records:
            checked = self._checked(wanted)
            present = records.filter(wanted.database, wanted.table, wanted.name)
            if present is None:
                raise _absent(wanted)
            if wanted.version and wanted.version != present.version:
                raise ConcurrentModificationException("The filter was changed by another call.")
            records.put_filter(checked)

    def delete(self, by: Principal, named: FilterResource) -> None:
        """DeleteDataCellsFilter, and every grant on it; its definers may, and holders of DROP on it."""
        facts = self._facts(by, named.database)
        if not may_define_filter(facts, named.database, named.table) and not _holds(facts, named, "DROP"):
            raise InsufficientPermissions("Drop", str(named))
        with self._store.write() as records:
            present = records.filter(named.database, named.table, named.name)
            if present is None:
                raise _absent(named)
            records.drop_filter(present)

    def get(self, by: Principal, named: FilterResource) -> CellsFilter:
        """GetDataCellsFilter; refused alike for hidden and absent ones."""
        facts = self._facts(by, named.database)
        if not _may_describe(facts, named):
            raise InsufficientPermissions("Describe", str(named))
        with self._store.read() as records:
            found = records.filter(named.database, named.table, named.name)
        if found is None:
            raise _absent(named)
        return found

    def listed(self, by: Principal, database: str, table: str) -> list[CellsFilter]:
        """ListDataCellsFilter: those that the caller may describe; empty names do not restrict."""
        with self._store.read() as records:
            found = records.filters(database, table)
        return [
            one
            for one in found
            if _may_describe(self._facts(by, one.database), FilterResource(one.database, one.table, one.name))
        ]

    def _facts(self, by: Principal, database: str) -> Facts:
        return self._book.facts(by.grantee_arn, database)

    def _require_definer(self, by: Principal, wanted: CellsFilter) -> None:
        # INVARIANT (non_interference): decided before anything is looked up, so that a refusal tells nothing.
        if not may_define_filter(self._facts(by, wanted.database), wanted.database, wanted.table):
            raise InsufficientPermissions("Select with grant option", f"{wanted.database}.{wanted.table}")

    def _checked(self, wanted: CellsFilter) -> CellsFilter:
        table = self._catalog.found_table(wanted.database, wanted.table)
        if table is None:
            raise EntityNotFoundException(f"Table not found: {wanted.database}.{wanted.table}")
        _check_columns(wanted, table.all_columns)
        rows = wanted.rows
        if not rows.all_rows:
            rows = RowFilter(False, (checked_predicate(wanted.text, table.all_columns),))
        return replace(wanted, rows=ALL_ROWS if rows.all_rows else rows, version=str(uuid.uuid4()))


def _check_columns(wanted: CellsFilter, columns: tuple[Column, ...]) -> None:
    names = {column.name for column in columns}
    unknown = [name for name in (*wanted.include, *wanted.exclude) if name not in names]
    if unknown:
        raise InvalidInputException(f"Columns not found: {', '.join(unknown)}")


def _may_describe(facts: Facts, named: FilterResource) -> bool:
    return (
        facts.sees_everything or bool(facts.on_filter(named)) or may_define_filter(facts, named.database, named.table)
    )


def _holds(facts: Facts, named: FilterResource, permission: str) -> bool:
    return any(permission in grant.permissions for grant in facts.on_filter(named))


def _absent(named: CellsFilter | FilterResource) -> EntityNotFoundException:
    return EntityNotFoundException(f"Data cells filter not found: {named.database}.{named.table}.{named.name}")
