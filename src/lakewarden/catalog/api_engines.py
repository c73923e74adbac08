"""The rows of Glue's OPERATIONS table for registered engines, which enforce columns and rows themselves."""

from collections.abc import Callable, Iterable
from typing import Any

from lakewarden.catalog.answers import partition_answer, table_answer
from lakewarden.catalog.api_details import segment_of
from lakewarden.catalog.partitions import PartitionService
from lakewarden.catalog.rules import Params, Rules
from lakewarden.catalog.service import CatalogService
from lakewarden.guard import AuthorizedCall, Operation
from lakewarden.kernel.lake import GovernedTable, RowFilter

Make = Callable[..., Operation]


class EngineHandlers:
    """GetUnfiltered...Metadata: the whole truth, and what of it the engine may let its caller see."""

    def __init__(self, service: CatalogService, partitions: PartitionService, account: str) -> None:
        self._service = service
        self._partitions = partitions
        self._account = account

    def rows(self, arns: Rules, operation: Make) -> Iterable[Operation]:
        """One row an operation."""
        yield operation("GetUnfilteredTableMetadata", self.table, arns.table("Name"), read=True)
        rule = arns.table("TableName")
        yield operation("GetUnfilteredPartitionsMetadata", self.partitions, rule, read=True)
        yield operation("GetUnfilteredPartitionMetadata", self.partition, rule, read=True)

    def table(self, call: AuthorizedCall) -> Params:
        """GetUnfilteredTableMetadata."""
        params = call.params
        supported = frozenset(params["SupportedPermissionTypes"])
        governed, record = self._partitions.for_engine(
            call.call.principal, params["DatabaseName"], params["Name"], supported
        )
        access = governed.access
        registered = self._service.is_registered(governed.table.location)
        answer: dict[str, Any] = {
            "Table": table_answer(record, self._account, registered=registered),
            "AuthorizedColumns": list(access.columns),
            "IsRegisteredWithLakeFormation": registered,
            "Permissions": sorted(access.actions),
            "CellFilters": [
                {"ColumnName": name, "RowFilterExpression": expression(access.rows_for((name,)))}
                for name in access.columns
                if access.cells
            ],
        }
        if access.cells:
            answer["RowFilter"] = expression(access.rows)
        return answer

    def partitions(self, call: AuthorizedCall) -> Params:
        """GetUnfilteredPartitionsMetadata."""
        params = call.params
        governed = self._governed(call)
        found, more = self._partitions.unfiltered(
            governed, params.get("Expression") or "", segment_of(params), params.get("NextToken"),
            int(params.get("MaxResults", 1000)),
        )  # fmt: skip
        answers = [
            {
                "Partition": partition_answer(one, self._account),
                "AuthorizedColumns": list(governed.access.columns),
                "IsRegisteredWithLakeFormation": self._service.is_registered(one.location or governed.table.location),
            }
            for one in found
        ]
        return {"UnfilteredPartitions": answers, **({"NextToken": more} if more else {})}

    def partition(self, call: AuthorizedCall) -> Params:
        """GetUnfilteredPartitionMetadata."""
        governed = self._governed(call)
        found = self._partitions.unfiltered_one(governed, call.params["PartitionValues"])
        return {
            "Partition": partition_answer(found, self._account),
            "AuthorizedColumns": list(governed.access.columns),
            "IsRegisteredWithLakeFormation": self._service.is_registered(found.location or governed.table.location),
        }

    def _governed(self, call: AuthorizedCall) -> GovernedTable:
        params = call.params
        supported = frozenset(params["SupportedPermissionTypes"])
        return self._partitions.for_engine(
            call.call.principal, params["DatabaseName"], params["TableName"], supported
        )[0]  # fmt: skip


def expression(rows: RowFilter) -> str:
    """A row filter as one SQL condition; FALSE where no row is to be seen."""
    if rows.all_rows:
        return "TRUE"
    return " OR ".join(f"({one})" for one in rows.expressions) or "FALSE"
