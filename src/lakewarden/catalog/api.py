"""Glue's OPERATIONS table. A new Glue operation is a row here, with its handler and its rule."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from lakewarden.catalog.errors import InvalidInputException
from lakewarden.catalog.model import DatabaseRecord, TableRecord
from lakewarden.catalog.service import CatalogService
from lakewarden.guard import Access, AuthorizedCall, Operation, Operations, Rule, table_of
from lakewarden.kernel.arn import Arn
from lakewarden.kernel.call import Call
from lakewarden.kernel.errors import AwsError

Params = Mapping[str, Any]


class Handlers:
    """Glue's handlers over a :class:`CatalogService`."""

    def __init__(self, service: CatalogService, account: str) -> None:
        self._service = service
        self._account = account

    def create_database(self, call: AuthorizedCall) -> None:
        """CreateDatabase."""
        self._service.create_database(call.call.principal, call.params["DatabaseInput"])

    def get_database(self, call: AuthorizedCall) -> Params:
        """GetDatabase."""
        return {"Database": self._database(self._service.database(call.call.principal, call.params["Name"]))}

    def get_databases(self, call: AuthorizedCall) -> Params:
        """GetDatabases: those that the caller may see."""
        found = [self._database(one) for one in self._service.databases(call.call.principal)]
        return page(found, call.params, "DatabaseList")

    def update_database(self, call: AuthorizedCall) -> None:
        """UpdateDatabase."""
        self._service.update_database(call.call.principal, call.params["Name"], call.params["DatabaseInput"])

    def delete_database(self, call: AuthorizedCall) -> None:
        """DeleteDatabase."""
        self._service.delete_database(call.call.principal, call.params["Name"])

    def create_table(self, call: AuthorizedCall) -> None:
        """CreateTable."""
        self._service.create_table(call.call.principal, call.params["DatabaseName"], _table_input(call.params))

    def get_table(self, call: AuthorizedCall) -> Params:
        """GetTable with the permitted columns."""
        _, record = self._service.table(call.call.principal, call.params["DatabaseName"], call.params["Name"])
        return {"Table": self._table(record)}

    def get_tables(self, call: AuthorizedCall) -> Params:
        """GetTables: those that the caller may see, with the permitted columns."""
        found = self._service.tables(call.call.principal, call.params["DatabaseName"])
        wanted = _expression(call.params.get("Expression"))
        return page([self._table(one) for _, one in found if wanted(one.name)], call.params, "TableList")

    def update_table(self, call: AuthorizedCall) -> None:
        """UpdateTable."""
        self._service.update_table(
            call.call.principal, call.params["DatabaseName"], _table_input(call.params), call.params.get("VersionId")
        )

    def delete_table(self, call: AuthorizedCall) -> None:
        """DeleteTable."""
        self._service.delete_table(call.call.principal, call.params["DatabaseName"], call.params["Name"])

    def batch_delete_table(self, call: AuthorizedCall) -> Params:
        """BatchDeleteTable: each table stands or falls by itself."""
        errors = []
        for name in call.params["TablesToDelete"]:
            try:
                self._service.delete_table(call.call.principal, call.params["DatabaseName"], name)
            except AwsError as error:
                detail = {"ErrorCode": error.code, "ErrorMessage": error.message}
                errors.append({"TableName": name, "ErrorDetail": detail})
        return {"Errors": errors}

    def _database(self, record: DatabaseRecord) -> dict[str, Any]:
        return {**record.document, "CreateTime": datetime.fromisoformat(record.created), "CatalogId": self._account}

    def _table(self, record: TableRecord) -> dict[str, Any]:
        return {
            **record.document,
            "DatabaseName": record.database,
            "CreateTime": datetime.fromisoformat(record.created),
            "UpdateTime": datetime.fromisoformat(record.updated),
            "CreatedBy": record.created_by,
            "IsRegisteredWithLakeFormation": self._service.is_registered(record),
            "CatalogId": self._account,
            "VersionId": str(record.version),
        }


def operations(service: CatalogService, account: str, region: str) -> Operations:
    """Glue's operations over ``service``."""
    handlers = Handlers(service, account)
    arns = _Arns(account, region)

    def operation(
        name: str, do: Callable[[AuthorizedCall], Params | None], rule: Rule, *, read: bool = False
    ) -> Operation:
        return Operation(name, lambda call: do(call) or {}, rule, read_only=read)

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
    )


class _Arns:
    """Glue asks for the right on the catalog, the database and the table (Service Authorization Reference, "Glue")."""

    def __init__(self, account: str, region: str) -> None:
        self._account = account
        self._region = region

    def arn(self, resource: str) -> str:
        return str(Arn("glue", self._region, self._account, resource))

    def catalog(self, call: Call) -> Sequence[Access]:
        return self._asks(call, "catalog")

    def database(self, member: str) -> Rule:
        return lambda call: self._asks(call, "catalog", f"database/{_member(call.params, member)}")

    def table(self, member: str) -> Rule:
        def rule(call: Call) -> Sequence[Access]:
            database = str(call.params["DatabaseName"]).lower()
            return self._asks(
                call, "catalog", f"database/{database}", f"table/{database}/{_member(call.params, member)}"
            )

        return rule

    def tables(self, member: str) -> Rule:
        def rule(call: Call) -> Sequence[Access]:
            database = str(call.params["DatabaseName"]).lower()
            tables = (f"table/{database}/{name.lower()}" for name in call.params[member])
            return self._asks(call, "catalog", f"database/{database}", *tables)

        return rule

    def _asks(self, call: Call, *resources: str) -> Sequence[Access]:
        return tuple(Access(f"glue:{call.operation}", self.arn(resource)) for resource in resources)


def _member(params: Params, path: str) -> str:
    value: Any = params
    for part in path.split("."):
        value = (value or {}).get(part)
    return str(value or "").lower()


def _table_input(params: Params) -> Params:
    found = params.get("TableInput")
    if not found:
        raise InvalidInputException("TableInput must be given.")
    return dict(found)


def _expression(text: str | None) -> Callable[[str], bool]:
    """GetTables' Expression: a regular expression with ``*``; taken as a plain pattern, so that it always ends."""
    if not text:
        return lambda _: True
    parts = [re.escape(part) for part in re.split(r"\.?\*", text.lower())]
    pattern = re.compile(".*".join(parts).replace(r"\|", "|"))
    return lambda name: pattern.fullmatch(name) is not None


def page(items: Sequence[Any], params: Params, name: str) -> dict[str, Any]:
    """One page; the token is the position of the next item."""
    start = 0
    if params.get("NextToken"):
        try:
            start = int(base64.b64decode(params["NextToken"], validate=True))
        except (binascii.Error, ValueError) as error:
            raise InvalidInputException("NextToken is invalid.") from error
    end = start + int(params.get("MaxResults", 100))
    more = {"NextToken": base64.b64encode(str(end).encode()).decode()} if end < len(items) else {}
    return {name: list(items[max(start, 0) : end]), **more}
