"""Athena's OPERATIONS table."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from lakewarden.guard import Access, AuthorizedCall, Operation, Operations, Rule, table_of
from lakewarden.kernel.call import Call
from lakewarden.kernel.errors import AwsError
from lakewarden.query.errors import InvalidRequestException, MetadataException
from lakewarden.query.model import Execution, WorkGroup
from lakewarden.query.ports import Lake, ResultColumn
from lakewarden.query.results import offset_of, token
from lakewarden.query.service import PRIMARY, QueryService

Params = Mapping[str, Any]
_PATIENCE = 0.8  # seconds; PyAthena and others poll once a second
_CATALOG = "AwsDataCatalog"
_LONGEST_PAGE = 1000


class Handlers:
    """Athena's handlers."""

    def __init__(self, service: QueryService, lake: Lake) -> None:
        self._service = service
        self._lake = lake

    # Rules

    def on_workgroup(self, action: str) -> Rule:
        """A rule on the workgroup that the call names, or ``primary``."""
        return lambda call: (Access(action, self._service.arn(call.params.get("WorkGroup") or PRIMARY)),)

    def on_execution(self, action: str) -> Rule:
        """A rule on the workgroup of the execution; one that is hidden is asked about like one in ``primary``."""

        def rule(call: Call) -> Sequence[Access]:
            try:
                group = self._service.execution(call, call.params["QueryExecutionId"]).workgroup
            except AwsError:
                group = PRIMARY
            return (Access(action, self._service.arn(group)),)

        return rule

    # Executions

    def start(self, call: AuthorizedCall) -> Params:
        """StartQueryExecution."""
        return {"QueryExecutionId": self._service.start(call.call)}

    async def get(self, call: AuthorizedCall) -> Params:
        """GetQueryExecution; waits a little for a query that has not ended."""
        found = await self._service.watch(call.call, call.params["QueryExecutionId"], _PATIENCE)
        return {"QueryExecution": execution_answer(found)}

    def batch_get(self, call: AuthorizedCall) -> Params:
        """BatchGetQueryExecution."""
        found, missing = [], []
        for execution_id in call.params["QueryExecutionIds"]:
            try:
                found.append(execution_answer(self._service.execution(call.call, execution_id)))
            except InvalidRequestException as error:
                missing.append(
                    {
                        "QueryExecutionId": execution_id,
                        "ErrorCode": "INVALID_QUERY_EXECUTION_ID",
                        "ErrorMessage": error.message,
                    }
                )
        return {"QueryExecutions": found, "UnprocessedQueryExecutionIds": missing}

    def listed(self, call: AuthorizedCall) -> Params:
        """ListQueryExecutions."""
        limit = call.params.get("MaxResults", 50)
        start = _start(call.params)
        found = self._service.listed(call.call, call.params.get("WorkGroup") or PRIMARY, start, limit + 1)
        more = {"NextToken": _token(start + limit)} if len(found) > limit else {}
        return {"QueryExecutionIds": found[:limit], **more}

    def stop(self, call: AuthorizedCall) -> Params:
        """StopQueryExecution."""
        self._service.stop(call.call, call.params["QueryExecutionId"])
        return {}

    def results(self, call: AuthorizedCall) -> Params:
        """GetQueryResults: a page, with the header on the first page of DML."""
        params = call.params
        limit = params.get("MaxResults", _LONGEST_PAGE)
        if not 1 <= limit <= _LONGEST_PAGE:
            raise InvalidRequestException("MaxResults is more than maximum allowed length 1000.")
        execution = self._service.execution(call.call, params["QueryExecutionId"])
        offset = offset_of(params["NextToken"], execution.id) if params.get("NextToken") else 0
        columns, page = self._service.results(call.call, execution, offset, limit)
        rows = [{"Data": [{} if value is None else {"VarCharValue": value} for value in row]} for row in page.rows]
        more = {"NextToken": token(execution.id, page.next_offset)} if page.next_offset is not None else {}
        return {
            "UpdateCount": 0,
            "ResultSet": {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": [column_answer(one) for one in columns]}},
            **more,
        }

    # Workgroups and catalogs

    def get_workgroup(self, call: AuthorizedCall) -> Params:
        """GetWorkGroup."""
        return {"WorkGroup": workgroup_answer(self._service.workgroup(call.params["WorkGroup"]))}

    def list_workgroups(self, call: AuthorizedCall) -> Params:  # noqa: ARG002 - a handler's signature
        """ListWorkGroups."""
        return {
            "WorkGroups": [
                {
                    "Name": group.name,
                    "State": "ENABLED" if group.enabled else "DISABLED",
                    "Description": group.description,
                    "CreationTime": datetime.fromisoformat(group.created),
                    "EngineVersion": _ENGINE,
                }
                for group in self._service.workgroups()
            ]
        }

    def get_catalog(self, call: AuthorizedCall) -> Params:
        """GetDataCatalog: there is one, Glue's."""
        _check_catalog(call.params["Name"])
        return {"DataCatalog": {"Name": _CATALOG, "Type": "GLUE", "Description": "The Glue catalog"}}

    def list_catalogs(self, call: AuthorizedCall) -> Params:  # noqa: ARG002 - a handler's signature
        """ListDataCatalogs."""
        return {"DataCatalogsSummary": [{"CatalogName": _CATALOG, "Type": "GLUE"}]}

    def list_databases(self, call: AuthorizedCall) -> Params:
        """ListDatabases: those that the caller may see."""
        _check_catalog(call.params["CatalogName"])
        names = self._lake.database_names(call.call)
        return _page([{"Name": name} for name in names], call.params, "DatabaseList")

    def get_database(self, call: AuthorizedCall) -> Params:
        """GetDatabase."""
        _check_catalog(call.params["CatalogName"])
        name = call.params["DatabaseName"].lower()
        if name not in self._lake.database_names(call.call):
            raise MetadataException(f"Database {name} not found.")
        return {"Database": {"Name": name}}

    def list_tables(self, call: AuthorizedCall) -> Params:
        """ListTableMetadata: the tables and columns that the caller may see."""
        _check_catalog(call.params["CatalogName"])
        database = call.params["DatabaseName"].lower()
        names = self._lake.table_names(call.call, database)
        found = (self._lake.table(call.call, database, name) for name in names)
        return _page([_table(one) for one in found if one is not None], call.params, "TableMetadataList")

    def get_table(self, call: AuthorizedCall) -> Params:
        """GetTableMetadata."""
        _check_catalog(call.params["CatalogName"])
        database, name = call.params["DatabaseName"].lower(), call.params["TableName"].lower()
        found = self._lake.table(call.call, database, name)
        if found is None:
            raise MetadataException(f"EntityNotFoundException: Entity Not Found: {database}.{name}")
        return {"TableMetadata": _table(found)}


def operations(handlers: Handlers, account: str, region: str) -> Operations:
    """Athena's operations."""
    group, execution = handlers.on_workgroup, handlers.on_execution

    def catalog(action: str) -> Rule:
        return lambda _: (Access(action, f"arn:aws:athena:{region}:{account}:datacatalog/{_CATALOG}"),)

    return table_of(
        Operation("StartQueryExecution", handlers.start, group("athena:StartQueryExecution"), read_only=False),
        Operation("GetQueryExecution", handlers.get, execution("athena:GetQueryExecution"), read_only=True),
        Operation("BatchGetQueryExecution", handlers.batch_get, group("athena:BatchGetQueryExecution"), read_only=True),
        Operation("ListQueryExecutions", handlers.listed, group("athena:ListQueryExecutions"), read_only=True),
        Operation("StopQueryExecution", handlers.stop, execution("athena:StopQueryExecution"), read_only=False),
        Operation("GetQueryResults", handlers.results, execution("athena:GetQueryResults"), read_only=True),
        Operation("GetWorkGroup", handlers.get_workgroup, group("athena:GetWorkGroup"), read_only=True),
        Operation(
            "ListWorkGroups", handlers.list_workgroups, lambda _: (Access("athena:ListWorkGroups"),), read_only=True
        ),
        Operation("GetDataCatalog", handlers.get_catalog, catalog("athena:GetDataCatalog"), read_only=True),
        Operation(
            "ListDataCatalogs", handlers.list_catalogs, lambda _: (Access("athena:ListDataCatalogs"),), read_only=True
        ),
        Operation("ListDatabases", handlers.list_databases, catalog("athena:ListDatabases"), read_only=True),
        Operation("GetDatabase", handlers.get_database, catalog("athena:GetDatabase"), read_only=True),
        Operation("ListTableMetadata", handlers.list_tables, catalog("athena:ListTableMetadata"), read_only=True),
        Operation("GetTableMetadata", handlers.get_table, catalog("athena:GetTableMetadata"), read_only=True),
    )


_ENGINE = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}


def execution_answer(found: Execution) -> dict[str, Any]:
    """Athena's QueryExecution shape."""
    status: dict[str, Any] = {
        "State": found.state,
        "SubmissionDateTime": datetime.fromisoformat(found.submitted),
        "StateChangeReason": found.reason or None,
        "CompletionDateTime": datetime.fromisoformat(found.completed) if found.completed else None,
    }
    if found.failure is not None:
        status["AthenaError"] = {
            "ErrorCategory": found.failure.category,
            "ErrorType": found.failure.error_type,
            "Retryable": False,
            "ErrorMessage": found.failure.message,
        }
    statistics = found.statistics
    return {
        "QueryExecutionId": found.id,
        "Query": found.sql,
        "StatementType": found.kind,
        "SubstatementType": found.substatement or None,
        "ResultConfiguration": {"OutputLocation": found.output},
        "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": False}},
        "QueryExecutionContext": {"Database": found.database, "Catalog": "awsdatacatalog"},
        "Status": status,
        "Statistics": {
            "EngineExecutionTimeInMillis": statistics.engine_ms,
            "DataScannedInBytes": statistics.scanned_bytes,
            "TotalExecutionTimeInMillis": statistics.total_ms,
            "QueryQueueTimeInMillis": statistics.queue_ms,
            "QueryPlanningTimeInMillis": statistics.planning_ms,
            "ServiceProcessingTimeInMillis": statistics.service_ms,
            "ResultReuseInformation": {"ReusedPreviousResult": False},
        },
        "WorkGroup": found.workgroup,
        "EngineVersion": _ENGINE,
    }


def column_answer(column: ResultColumn) -> dict[str, Any]:
    """Athena's ColumnInfo shape."""
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": column.name,
        "Label": column.name,
        "Type": column.type,
        "Precision": column.precision,
        "Scale": column.scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": column.type == "varchar",
    }


def workgroup_answer(group: WorkGroup) -> dict[str, Any]:
    """Athena's WorkGroup shape."""
    configuration: dict[str, Any] = {
        "ResultConfiguration": {"OutputLocation": group.output} if group.output else {},
        "EnforceWorkGroupConfiguration": group.enforced,
        "PublishCloudWatchMetricsEnabled": False,
        "RequesterPaysEnabled": False,
        "EngineVersion": _ENGINE,
    }
    if group.cutoff_bytes:
        configuration["BytesScannedCutoffPerQuery"] = group.cutoff_bytes
    return {
        "Name": group.name,
        "State": "ENABLED" if group.enabled else "DISABLED",
        "Description": group.description,
        "CreationTime": datetime.fromisoformat(group.created),
        "Configuration": configuration,
    }


def _table(governed: Any) -> dict[str, Any]:
    table, seen = governed.table, set(governed.access.described)
    parameters = {
        **table.parameters,
        "location": table.location.rstrip("/"),
        "inputformat": table.input_format,
        "outputformat": table.output_format,
        "serde.serialization.lib": table.serde,
        **{f"serde.param.{name}": value for name, value in table.serde_parameters.items()},
    }
    if table.comment:
        parameters["comment"] = table.comment

    def columns(several: Any) -> list[dict[str, str]]:
        return [{"Name": one.name, "Type": one.type, "Comment": one.comment} for one in several if one.name in seen]

    return {
        "Name": table.name,
        "TableType": table.table_type,
        "Columns": columns(table.columns),
        "PartitionKeys": columns(table.partition_keys),
        "Parameters": parameters,
    }


def _check_catalog(name: str) -> None:
    if name.lower() != _CATALOG.lower():
        raise InvalidRequestException(f"DataCatalog {name} was not found.")


def _token(position: int) -> str:
    return base64.b64encode(str(position).encode()).decode("ascii")


def _start(params: Params) -> int:
    if not params.get("NextToken"):
        return 0
    try:
        return max(0, int(base64.b64decode(params["NextToken"], validate=True)))
    except (binascii.Error, ValueError) as error:
        raise InvalidRequestException("NextToken is invalid.") from error


def _page(items: Sequence[Any], params: Params, name: str) -> Params:
    start = _start(params)
    end = start + int(params.get("MaxResults", 50))
    return {name: list(items[start:end]), **({"NextToken": _token(end)} if end < len(items) else {})}
