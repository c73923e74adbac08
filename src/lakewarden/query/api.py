"""Athena's OPERATIONS table, and the handlers of executions."""

from collections.abc import Mapping
from typing import Any

from lakewarden.guard import Access, AuthorizedCall, Handler, Operation, Operations, Rule, on, table_of
from lakewarden.query.answers import column_answer, execution_answer, statistics_answer
from lakewarden.query.catalog_api import CATALOG, CatalogHandlers
from lakewarden.query.errors import InvalidRequestException
from lakewarden.query.fetching import Fetcher
from lakewarden.query.pages import start_of, token_of
from lakewarden.query.ports import Lake
from lakewarden.query.prepared import PreparedStatements
from lakewarden.query.results import offset_of, token
from lakewarden.query.rules import Rules
from lakewarden.query.saved_api import SavedHandlers
from lakewarden.query.service import QueryService
from lakewarden.query.workgroups import PRIMARY, WorkGroups

Params = Mapping[str, Any]
_PATIENCE = 5.0  # seconds (docs/adr/0003-patience.md); PyAthena and others sleep a whole one between two polls
_LONGEST_PAGE = 1000


class ExecutionHandlers:
    """Executions and their results."""

    def __init__(self, service: QueryService, fetcher: Fetcher) -> None:
        self._service = service
        self._fetcher = fetcher

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
        start = start_of(call.params)
        found = self._service.listed(call.call, call.params.get("WorkGroup") or PRIMARY, start, limit + 1)
        more = {"NextToken": token_of(start + limit)} if len(found) > limit else {}
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
        columns, page = self._fetcher.page(call.call, execution, offset, limit)
        rows = [{"Data": [{} if value is None else {"VarCharValue": value} for value in row]} for row in page.rows]
        more = {"NextToken": token(execution.id, page.next_offset)} if page.next_offset is not None else {}
        return {
            "UpdateCount": execution.update_count,
            "ResultSet": {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": [column_answer(one) for one in columns]}},
            **more,
        }

    def statistics(self, call: AuthorizedCall) -> Params:
        """GetQueryRuntimeStatistics."""
        found = self._service.execution(call.call, call.params["QueryExecutionId"])
        return {"QueryRuntimeStatistics": statistics_answer(found)}


class Handlers:
    """All of Athena's handlers, and the rules of its operations."""

    def __init__(
        self, service: QueryService, fetcher: Fetcher, groups: WorkGroups, prepared: PreparedStatements, lake: Lake
    ) -> None:
        self.executions = ExecutionHandlers(service, fetcher)
        self.saved = SavedHandlers(groups, prepared)
        self.catalog = CatalogHandlers(lake)
        self.rules = Rules(service, groups)


def operations(handlers: Handlers, account: str, region: str) -> Operations:
    """Athena's operations."""
    rules = handlers.rules
    group, execution, named, tagged = rules.workgroup, rules.execution, rules.named, rules.tagged
    ran, saved, lake = handlers.executions, handlers.saved, handlers.catalog

    def catalog(action: str) -> Rule:
        return lambda _: (Access(action, f"arn:aws:athena:{region}:{account}:datacatalog/{CATALOG}"),)

    def read(name: str, handler: Handler, rule: Rule) -> Operation:
        return Operation(name, handler, rule, read_only=True)

    def write(name: str, handler: Handler, rule: Rule) -> Operation:
        return Operation(name, handler, rule, read_only=False)

    return table_of(
        write("StartQueryExecution", ran.start, group("athena:StartQueryExecution")),
        read("GetQueryExecution", ran.get, execution("athena:GetQueryExecution")),
        read("BatchGetQueryExecution", ran.batch_get, rules.executions("athena:BatchGetQueryExecution")),
        read("ListQueryExecutions", ran.listed, group("athena:ListQueryExecutions")),
        write("StopQueryExecution", ran.stop, execution("athena:StopQueryExecution")),
        read("GetQueryResults", ran.results, execution("athena:GetQueryResults")),
        read("GetQueryRuntimeStatistics", ran.statistics, execution("athena:GetQueryRuntimeStatistics")),
        write("CreateWorkGroup", saved.create_workgroup, rules.new_workgroup("athena:CreateWorkGroup")),
        read("GetWorkGroup", saved.get_workgroup, group("athena:GetWorkGroup")),
        write("UpdateWorkGroup", saved.update_workgroup, group("athena:UpdateWorkGroup")),
        write("DeleteWorkGroup", saved.delete_workgroup, group("athena:DeleteWorkGroup")),
        read("ListWorkGroups", saved.list_workgroups, on("athena:ListWorkGroups")),
        read("ListEngineVersions", saved.list_engine_versions, on("athena:ListEngineVersions")),
        write("CreatePreparedStatement", saved.create_prepared, group("athena:CreatePreparedStatement")),
        write("UpdatePreparedStatement", saved.update_prepared, group("athena:UpdatePreparedStatement")),
        read("GetPreparedStatement", saved.get_prepared, group("athena:GetPreparedStatement")),
        read("BatchGetPreparedStatement", saved.batch_get_prepared, group("athena:BatchGetPreparedStatement")),
        read("ListPreparedStatements", saved.list_prepared, group("athena:ListPreparedStatements")),
        write("DeletePreparedStatement", saved.delete_prepared, group("athena:DeletePreparedStatement")),
        write("CreateNamedQuery", saved.create_named, group("athena:CreateNamedQuery")),
        read("GetNamedQuery", saved.get_named, named("athena:GetNamedQuery")),
        read("BatchGetNamedQuery", saved.batch_get_named, rules.several_named("athena:BatchGetNamedQuery")),
        read("ListNamedQueries", saved.list_named, group("athena:ListNamedQueries")),
        write("UpdateNamedQuery", saved.update_named, named("athena:UpdateNamedQuery")),
        write("DeleteNamedQuery", saved.delete_named, named("athena:DeleteNamedQuery")),
        write("TagResource", saved.tag, tagged("athena:TagResource")),
        write("UntagResource", saved.untag, tagged("athena:UntagResource")),
        read("ListTagsForResource", saved.tags, tagged("athena:ListTagsForResource")),
        read("GetDataCatalog", lake.get_catalog, catalog("athena:GetDataCatalog")),
        read("ListDataCatalogs", lake.list_catalogs, on("athena:ListDataCatalogs")),
        read("ListDatabases", lake.list_databases, catalog("athena:ListDatabases")),
        read("GetDatabase", lake.get_database, catalog("athena:GetDatabase")),
        read("ListTableMetadata", lake.list_tables, catalog("athena:ListTableMetadata")),
        read("GetTableMetadata", lake.get_table, catalog("athena:GetTableMetadata")),
    )
