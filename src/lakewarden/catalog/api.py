"""Glue's OPERATIONS table. A new Glue operation is a row here, with its handler and its rule."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from lakewarden.catalog.answers import table_answer
from lakewarden.catalog.api_account import AccountHandlers
from lakewarden.catalog.api_details import DetailHandlers
from lakewarden.catalog.api_engines import EngineHandlers
from lakewarden.catalog.errors import EntityNotFoundException, InvalidInputException
from lakewarden.catalog.model import DatabaseRecord
from lakewarden.catalog.pages import PAGE, name_expression, name_of, page, token_of
from lakewarden.catalog.partitions import PartitionService
from lakewarden.catalog.rules import Rules
from lakewarden.catalog.service import CatalogService, Shown
from lakewarden.guard import AuthorizedCall, Operation, Operations, Rule, table_of
from lakewarden.kernel.errors import AwsError

Params = Mapping[str, Any]


class Handlers:
    """Glue's handlers over a :class:`CatalogService`."""

    def __init__(self, service: CatalogService, account: str, arns: Rules) -> None:
        self._service = service
        self._account = account
        self._arn = arns.arn

    def create_database(self, call: AuthorizedCall) -> None:
        """CreateDatabase."""
        self._service.create_database(call.call.principal, call.params["DatabaseInput"])
        if call.params.get("Tags"):
            self._service.attached.tag(
                self._arn(f"database/{call.params['DatabaseInput']['Name'].lower()}"), call.params["Tags"]
            )

    def get_database(self, call: AuthorizedCall) -> Params:
        """GetDatabase."""
        return {"Database": self._database(self._service.database(call.call.principal, call.params["Name"]))}

    def get_databases(self, call: AuthorizedCall) -> Params:
        """GetDatabases: those that the caller may see."""
        found, more = page(self._service.databases(call.call.principal), call.params)
        return {"DatabaseList": [self._database(one) for one in found], **more}

    def update_database(self, call: AuthorizedCall) -> None:
        """UpdateDatabase."""
        self._service.update_database(call.call.principal, call.params["Name"], call.params["DatabaseInput"])

    def delete_database(self, call: AuthorizedCall) -> None:
        """DeleteDatabase."""
        self._service.delete_database(call.call.principal, call.params["Name"])

    def create_table(self, call: AuthorizedCall) -> None:
        """CreateTable."""
        for member in ("PartitionIndexes", "OpenTableFormatInput"):
            if call.params.get(member):
                raise InvalidInputException(f"Lakewarden does not offer {member}.")
        self._service.create_table(call.call.principal, call.params["DatabaseName"], _table_input(call.params))

    def get_table(self, call: AuthorizedCall) -> Params:
        """GetTable with the permitted columns."""
        shown = self._service.table(call.call.principal, call.params["DatabaseName"], call.params["Name"])
        return {"Table": self._table(shown)}

    def get_tables(self, call: AuthorizedCall) -> Params:
        """GetTables: those that the caller may see, with the permitted columns."""
        params = call.params
        limit = int(params.get("MaxResults", PAGE))
        found = self._service.tables_after(
            call.call.principal,
            params["DatabaseName"],
            name_of(params.get("NextToken")),
            name_expression(params.get("Expression")),
            limit + 1,
        )
        # The token is the last name told; what follows it is decided anew on the next call.
        more = {"NextToken": token_of(found[limit - 1][1].name)} if len(found) > limit else {}
        return {"TableList": [self._table(one) for one in found[:limit]], **more}

    def update_table(self, call: AuthorizedCall) -> None:
        """UpdateTable."""
        self._service.update_table(
            call.call.principal,
            call.params["DatabaseName"],
            _table_input(call.params),
            call.params.get("VersionId"),
            archive=not call.params.get("SkipArchive", False),
        )

    def delete_table(self, call: AuthorizedCall) -> None:
        """DeleteTable."""
        self._delete_table(call, call.params["Name"])

    def _delete_table(self, call: AuthorizedCall, name: str) -> None:
        database = call.params["DatabaseName"]
        self._service.delete_table(call.call.principal, database, name)

    def batch_delete_table(self, call: AuthorizedCall) -> Params:
        """BatchDeleteTable: each table stands or falls by itself."""
        errors = []
        for name in call.params["TablesToDelete"]:
            try:
                self._delete_table(call, name)
            except AwsError as error:
                detail = {"ErrorCode": error.code, "ErrorMessage": error.message}
                errors.append({"TableName": name, "ErrorDetail": detail})
        return {"Errors": errors}

    def _database(self, record: DatabaseRecord) -> dict[str, Any]:
        return {**record.document, "CreateTime": datetime.fromisoformat(record.created), "CatalogId": self._account}

    def _table(self, shown: Shown) -> dict[str, Any]:
        governed, record = shown
        return table_answer(record, self._account, registered=self._service.is_registered(governed.table.location))


def operations(
    service: CatalogService, partitions: PartitionService, account: str, region: str, crawlers: Iterable[Operation] = ()
) -> Operations:
    """Glue's operations over ``service`` and ``partitions``."""
    arns = Rules(service.attached, account, region)
    handlers = Handlers(service, account, arns)

    def operation(
        name: str, do: Callable[[AuthorizedCall], Params | None], rule: Rule, *, read: bool = False
    ) -> Operation:
        def handler(call: AuthorizedCall) -> Params:
            if call.params.get("CatalogId", account) != account:
                raise EntityNotFoundException(f"Catalog {call.params['CatalogId']} not found.")
            return do(call) or {}

        return Operation(name, handler, rule, read_only=read)

    return table_of(
        operation("CreateDatabase", handlers.create_database, arns.database("DatabaseInput.Name")),
        operation("GetDatabase", handlers.get_database, arns.database("Name"), read=True),
        operation("GetDatabases", handlers.get_databases, arns.catalog, read=True),
        operation("UpdateDatabase", handlers.update_database, arns.database("Name")),
        operation("DeleteDatabase", handlers.delete_database, arns.database("Name")),
        operation("CreateTable", handlers.create_table, arns.table("TableInput.Name")),
        operation("GetTable", handlers.get_table, arns.table("Name"), read=True),
        operation("GetTables", handlers.get_tables, arns.database("DatabaseName"), read=True),
        operation("UpdateTable", handlers.update_table, arns.table("TableInput.Name")),
        operation("DeleteTable", handlers.delete_table, arns.table("Name")),
        operation("BatchDeleteTable", handlers.batch_delete_table, arns.tables("TablesToDelete")),
        *DetailHandlers(service, partitions, account).rows(arns, operation),
        *AccountHandlers(service, account, arns).rows(arns, operation),
        *EngineHandlers(service, partitions, account).rows(arns, operation),
        *crawlers,
    )


def _table_input(params: Params) -> Params:
    found = params.get("TableInput")
    if not found:
        raise InvalidInputException("TableInput must be given.")
    return dict(found)
