"""Earlier versions of tables, and the statistics of columns, to whom they may be told."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lakewarden.catalog.errors import EntityNotFoundException, InvalidInputException
from lakewarden.catalog.model import TableRecord
from lakewarden.catalog.service import CatalogService
from lakewarden.catalog.store import CatalogStore
from lakewarden.catalog.visible import visible_record, visible_version
from lakewarden.kernel.call import Principal
from lakewarden.kernel.errors import AwsError
from lakewarden.kernel.lake import TableAccess

Failure = tuple[str, AwsError]


class TableHistory:
    """GetTableVersions and its kind. Who may change a table may delete its earlier versions."""

    def __init__(self, store: CatalogStore, catalog: CatalogService) -> None:
        self._store = store
        self._catalog = catalog

    def versions(self, principal: Principal, database: str, table: str) -> list[TableRecord]:
        """All versions that are kept, newest first, as far as the caller may see them."""
        governed, record = self._catalog.require_visible(principal, database.lower(), table.lower())
        with self._store.read() as entries:
            earlier = entries.versions(record.database, record.name)
        shown = [visible_record(record, governed)]
        for version, updated, document in earlier:
            told = visible_version(document, record, governed)
            shown.append(replace(record, version=version, updated=updated, document=told))
        return shown

    def version(self, principal: Principal, database: str, table: str, version: str | None) -> TableRecord:
        """GetTableVersion; without a version the present one."""
        found = self.versions(principal, database, table)
        for one in found:
            if version in {None, "", str(one.version)}:
                return one
        raise EntityNotFoundException(f"Table version {version} not found.")

    def delete(self, principal: Principal, database: str, table: str, version: str) -> None:
        """DeleteTableVersion; the present version cannot be deleted."""
        _, record = self._catalog.require_table(principal, database, table, "ALTER", "Alter")
        if version == str(record.version):
            raise InvalidInputException("The current version of a table cannot be deleted.")
        with self._store.write() as entries:
            known = version.isdigit() and len(version) < 10
            if not known or not entries.remove_version(record.database, record.name, int(version)):
                raise EntityNotFoundException(f"Table version {version} not found.")


class ColumnStatistics:
    """Statistics tell the least and greatest value: only of columns that the caller reads in every row."""

    def __init__(self, store: CatalogStore, catalog: CatalogService) -> None:
        self._store = store
        self._catalog = catalog

    def get(
        self, principal: Principal, database: str, table: str, values: Sequence[str], columns: Sequence[str]
    ) -> tuple[list[Mapping[str, Any]], list[Failure]]:
        """GetColumnStatisticsFor...: those found, and an error for each column without.

        INVARIANT (non_interference): the same error for hidden columns, for columns without statistics, and for none.
        """
        governed, record = self._catalog.require_visible(principal, database.lower(), table.lower())
        with self._store.read() as entries:
            kept = entries.statistics(record.database, record.name, values)
        found = {
            name: kept[name.lower()]
            for name in columns
            if name.lower() in kept and _reads_every_row(governed.access, name.lower())
        }
        failures: list[Failure] = [
            (name, EntityNotFoundException(f"Statistics of column {name} not found."))
            for name in columns
            if name not in found
        ]
        return list(found.values()), failures

    def update(
        self,
        principal: Principal,
        database: str,
        table: str,
        values: Sequence[str],
        documents: Sequence[Mapping[str, Any]],
    ) -> list[tuple[Mapping[str, Any], AwsError]]:
        """UpdateColumnStatisticsFor...; each column stands or fails by itself."""
        governed, record = self._catalog.require_table(principal, database, table, "ALTER", "Alter")
        names = {column.name for column in governed.table.all_columns}
        failures: list[tuple[Mapping[str, Any], AwsError]] = []
        with self._store.write() as entries:
            self._require_partition(entries.partition(record.database, record.name, values) if values else record)
            for document in documents:
                name = document["ColumnName"].lower()
                if name not in names:
                    failures.append((document, EntityNotFoundException(f"Column {name} not found.")))
                    continue
                entries.put_statistics(record.database, record.name, values, name, document)
        return failures

    def delete(self, principal: Principal, database: str, table: str, values: Sequence[str], column: str) -> None:
        """DeleteColumnStatisticsFor..."""
        _, record = self._catalog.require_table(principal, database, table, "ALTER", "Alter")
        with self._store.write() as entries:
            if not entries.remove_statistics(record.database, record.name, values, (column.lower(),)):
                raise EntityNotFoundException(f"Statistics of column {column} not found.")

    def _require_partition(self, found: object) -> None:
        if found is None:
            raise EntityNotFoundException("Cannot find partition.")


def _reads_every_row(access: TableAccess, column: str) -> bool:
    return column in access.columns and access.rows_for((column,)).all_rows
