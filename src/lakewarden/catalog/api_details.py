"""The rows of Glue's OPERATIONS table for partitions, table versions and column statistics."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from lakewarden.catalog.answers import partition_answer, table_answer
from lakewarden.catalog.errors import InvalidInputException
from lakewarden.catalog.model import PartitionRecord, TableRecord
from lakewarden.catalog.pages import numbered
from lakewarden.catalog.partitions import PartitionService
from lakewarden.catalog.rules import Params, Rules
from lakewarden.catalog.service import CatalogService
from lakewarden.guard import AuthorizedCall, Operation
from lakewarden.kernel.errors import AwsError

Make = Callable[..., Operation]


class DetailHandlers:
    """Handlers for what belongs to a table."""

    def __init__(self, service: CatalogService, partitions: PartitionService, account: str) -> None:
        self._service = service
        self._partitions = partitions
        self._history = partitions.history
        self._statistics = partitions.statistics
        self._account = account

    def rows(self, arns: Rules, operation: Make) -> Iterable[Operation]:
        """One row an operation; each asks for its action on catalog, database and table."""
        rule = arns.table("TableName")
        for name, do, read in (
            ("CreatePartition", self.create, False),
            ("BatchCreatePartition", self.batch_create, False),
            ("GetPartition", self.get, True),
            ("BatchGetPartition", self.batch_get, True),
            ("GetPartitions", self.get_page, True),
            ("UpdatePartition", self.update, False),
            ("BatchUpdatePartition", self.batch_update, False),
            ("DeletePartition", self.delete, False),
            ("BatchDeletePartition", self.batch_delete, False),
            ("GetPartitionIndexes", self.indexes, True),
            ("GetTableVersion", self.version, True),
            ("GetTableVersions", self.versions, True),
            ("DeleteTableVersion", self.delete_version, False),
            ("BatchDeleteTableVersion", self.batch_delete_version, False),
            ("GetColumnStatisticsForTable", self.get_statistics, True),
            ("GetColumnStatisticsForPartition", self.get_statistics, True),
            ("UpdateColumnStatisticsForTable", self.update_statistics, False),
            ("UpdateColumnStatisticsForPartition", self.update_statistics, False),
            ("DeleteColumnStatisticsForTable", self.delete_statistics, False),
            ("DeleteColumnStatisticsForPartition", self.delete_statistics, False),
        ):
            yield operation(name, do, rule, read=read)

    # Partitions

    def create(self, call: AuthorizedCall) -> None:
        """CreatePartition."""
        self._partitions.create(call.call.principal, *_table(call.params), call.params["PartitionInput"])

    def batch_create(self, call: AuthorizedCall) -> Params:
        """BatchCreatePartition: each stands or fails by itself."""
        errors = []
        for one in call.params["PartitionInputList"]:
            try:
                self._partitions.create(call.call.principal, *_table(call.params), one)
            except AwsError as error:
                errors.append({"PartitionValues": one.get("Values") or [], "ErrorDetail": detail(error)})
        return {"Errors": errors}

    def get(self, call: AuthorizedCall) -> Params:
        """GetPartition."""
        found = self._partitions.get(call.call.principal, *_table(call.params), call.params["PartitionValues"])
        return {"Partition": self._answer(found)}

    def batch_get(self, call: AuthorizedCall) -> Params:
        """BatchGetPartition."""
        wanted = [one["Values"] for one in call.params["PartitionsToGet"]]
        found, missing = self._partitions.get_many(call.call.principal, *_table(call.params), wanted)
        return {
            "Partitions": [self._answer(one) for one in found],
            "UnprocessedKeys": [{"Values": list(values)} for values in missing],
        }

    def get_page(self, call: AuthorizedCall) -> Params:
        """GetPartitions."""
        params = call.params
        found, more = self._partitions.page(
            call.call.principal,
            *_table(params),
            params.get("Expression") or "",
            segment=segment_of(params),
            token=params.get("NextToken"),
            limit=int(params.get("MaxResults", 1000)),
        )
        answers = [self._answer(one) for one in found]
        if params.get("ExcludeColumnSchema"):
            for one in answers:
                storage = one.get("StorageDescriptor")
                if storage:
                    one["StorageDescriptor"] = {name: value for name, value in storage.items() if name != "Columns"}
        return {"Partitions": answers, **({"NextToken": more} if more else {})}

    def update(self, call: AuthorizedCall) -> None:
        """UpdatePartition."""
        params = call.params
        self._partitions.update(
            call.call.principal, *_table(params), params["PartitionValueList"], params["PartitionInput"]
        )

    def batch_update(self, call: AuthorizedCall) -> Params:
        """BatchUpdatePartition."""
        errors = []
        for one in call.params["Entries"]:
            values = one["PartitionValueList"]
            try:
                self._partitions.update(call.call.principal, *_table(call.params), values, one["PartitionInput"])
            except AwsError as error:
                errors.append({"PartitionValueList": values, "ErrorDetail": detail(error)})
        return {"Errors": errors}

    def delete(self, call: AuthorizedCall) -> None:
        """DeletePartition."""
        self._partitions.delete(call.call.principal, *_table(call.params), call.params["PartitionValues"])

    def batch_delete(self, call: AuthorizedCall) -> Params:
        """BatchDeletePartition."""
        errors = []
        for one in call.params["PartitionsToDelete"]:
            try:
                self._partitions.delete(call.call.principal, *_table(call.params), one["Values"])
            except AwsError as error:
                errors.append({"PartitionValues": one["Values"], "ErrorDetail": detail(error)})
        return {"Errors": errors}

    def indexes(self, call: AuthorizedCall) -> Params:
        """GetPartitionIndexes: there are none, and none are needed."""
        self._service.table(call.call.principal, *_table(call.params))
        return {"PartitionIndexDescriptorList": []}

    def _answer(self, record: PartitionRecord) -> dict[str, Any]:
        return partition_answer(record, self._account)

    # Versions

    def version(self, call: AuthorizedCall) -> Params:
        """GetTableVersion."""
        found = self._history.version(call.call.principal, *_table(call.params), call.params.get("VersionId"))
        return {"TableVersion": self._version(found)}

    def versions(self, call: AuthorizedCall) -> Params:
        """GetTableVersions, newest first."""
        found = self._history.versions(call.call.principal, *_table(call.params))
        return numbered([self._version(one) for one in found], call.params, "TableVersions")

    def delete_version(self, call: AuthorizedCall) -> None:
        """DeleteTableVersion."""
        self._history.delete(call.call.principal, *_table(call.params), call.params["VersionId"])

    def batch_delete_version(self, call: AuthorizedCall) -> Params:
        """BatchDeleteTableVersion."""
        errors = []
        for version in call.params["VersionIds"]:
            try:
                self._history.delete(call.call.principal, *_table(call.params), version)
            except AwsError as error:
                name = call.params["TableName"]
                errors.append({"TableName": name, "VersionId": version, "ErrorDetail": detail(error)})
        return {"Errors": errors}

    def _version(self, record: TableRecord) -> dict[str, Any]:
        registered = self._service.is_registered(record.table().location)
        return {"Table": table_answer(record, self._account, registered=registered), "VersionId": str(record.version)}

    # Statistics

    def get_statistics(self, call: AuthorizedCall) -> Params:
        """GetColumnStatisticsForTable and ...ForPartition."""
        params = call.params
        found, failures = self._statistics.get(
            call.call.principal, *_table(params), params.get("PartitionValues") or (), params["ColumnNames"]
        )
        return {
            "ColumnStatisticsList": [restored(one) for one in found],
            "Errors": [{"ColumnName": name, "Error": detail(error)} for name, error in failures],
        }

    def update_statistics(self, call: AuthorizedCall) -> Params:
        """UpdateColumnStatisticsForTable and ...ForPartition."""
        params = call.params
        failures = self._statistics.update(
            call.call.principal, *_table(params), params.get("PartitionValues") or (), params["ColumnStatisticsList"]
        )
        return {"Errors": [{"ColumnStatistics": one, "Error": detail(error)} for one, error in failures]}

    def delete_statistics(self, call: AuthorizedCall) -> None:
        """DeleteColumnStatisticsForTable and ...ForPartition."""
        params = call.params
        self._statistics.delete(
            call.call.principal, *_table(params), params.get("PartitionValues") or (), params["ColumnName"]
        )


def detail(error: AwsError) -> dict[str, str]:
    """Glue's ErrorDetail."""
    return {"ErrorCode": error.code, "ErrorMessage": error.message}


def segment_of(params: Params) -> tuple[int, int] | None:
    """GetPartitions' Segment; raises InvalidInput."""
    segment = params.get("Segment")
    if segment is None:
        return None
    number, total = int(segment["SegmentNumber"]), int(segment["TotalSegments"])
    if not 0 <= number < total:
        raise InvalidInputException("SegmentNumber must be less than TotalSegments.")
    return number, total


def restored(document: Mapping[str, Any]) -> dict[str, Any]:
    """ColumnStatistics as boto3 knows it: instants and bytes are kept as text."""
    data: dict[str, Any] = dict(document["StatisticsData"])
    dates = data.get("DateColumnStatisticsData")
    if dates:
        data["DateColumnStatisticsData"] = {
            name: datetime.fromisoformat(value) if isinstance(value, str) else value for name, value in dates.items()
        }
    decimals = data.get("DecimalColumnStatisticsData")
    if decimals:
        data["DecimalColumnStatisticsData"] = {
            name: {**value, "UnscaledValue": value["UnscaledValue"].encode("latin-1")}
            if isinstance(value, Mapping)
            else value
            for name, value in decimals.items()
        }
    return {**document, "AnalyzedTime": datetime.fromisoformat(document["AnalyzedTime"]), "StatisticsData": data}


def _table(params: Params) -> tuple[str, str]:
    return params["DatabaseName"], params["TableName"]
