"""Glue's OPERATIONS table. A new Glue operation is a row here, with its handler and its rule."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from lakewarden.catalog.errors import EntityNotFoundException, InvalidInputException
from lakewarden.catalog.model import DatabaseRecord
from lakewarden.catalog.service import CatalogService, Shown
from lakewarden.guard import Access, AuthorizedCall, Operation, Operations, Rule, table_of
from lakewarden.kernel.arn import Arn
from lakewarden.kernel.call import Call
from lakewarden.kernel.errors import AwsError

Params = Mapping[str, Any]
_PAGE = 100
_INSTANTS = ("LastAccessTime", "LastAnalyzedTime")


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
        self._service.create_table(call.call.principal, call.params["DatabaseName"], _table_input(call.params))

    def get_table(self, call: AuthorizedCall) -> Params:
        """GetTable with the permitted columns."""
        shown = self._service.table(call.call.principal, call.params["DatabaseName"], call.params["Name"])
        return {"Table": self._table(shown)}

    def get_tables(self, call: AuthorizedCall) -> Params:
        """GetTables: those that the caller may see, with the permitted columns."""
        params = call.params
        limit = int(params.get("MaxResults", _PAGE))
        found = self._service.tables_after(
            call.call.principal,
            params["DatabaseName"],
            name_of(params.get("NextToken")),
            _expression(params.get("Expression")),
            limit + 1,
        )
        # The token is the last name told; what follows it is decided anew on the next call.
        more = {"NextToken": token_of(found[limit - 1][1].name)} if len(found) > limit else {}
        return {"TableList": [self._table(one) for one in found[:limit]], **more}

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

    def _table(self, shown: Shown) -> dict[str, Any]:
        governed, record = shown
        return {
            **record.document,
            **{name: datetime.fromisoformat(record.document[name]) for name in _INSTANTS if record.document.get(name)},
            "DatabaseName": record.database,
            "CreateTime": datetime.fromisoformat(record.created),
            "UpdateTime": datetime.fromisoformat(record.updated),
            "CreatedBy": record.created_by,
            "IsRegisteredWithLakeFormation": self._service.is_registered(governed.table.location),
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
    """GetTables' Expression: names with ``*`` (or ``.*``) for any text and ``|`` between alternatives.

    Matched part by part and not as a regular expression, so that no pattern can take more than a moment.
    """
    if not text:
        return lambda _: True
    alternatives = [re.split(r"\.?\*", one) for one in text.lower().split("|")]
    return lambda name: any(_matches(name, parts) for parts in alternatives)


def _matches(name: str, parts: Sequence[str]) -> bool:
    """Whether ``name`` is ``parts`` with any text between them."""
    first, *middle = parts
    if not middle:
        return name == first
    last = middle.pop()
    end = len(name) - len(last)
    if not name.startswith(first) or not name.endswith(last) or end < len(first):
        return False
    position = len(first)
    for part in middle:
        found = name.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


def token_of(name: str) -> str:
    """A NextToken that means "behind this name"."""
    return base64.urlsafe_b64encode(name.encode()).decode()


def name_of(token: str | None) -> str:
    """The name in a NextToken; raises InvalidInput."""
    try:
        return base64.b64decode(token or "", altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise InvalidInputException("NextToken is invalid.") from error


def page(items: Sequence[DatabaseRecord], params: Params) -> tuple[Sequence[DatabaseRecord], dict[str, Any]]:
    """The databases of one page, and NextToken where there are more."""
    after, limit = name_of(params.get("NextToken")), int(params.get("MaxResults", _PAGE))
    rest = [one for one in items if one.name > after]
    return rest[:limit], {"NextToken": token_of(rest[limit - 1].name)} if len(rest) > limit else {}
