"""AWS's shapes of principals, resources and permissions, to our values and back."""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lakewarden.kernel.lake import ALL_ROWS, NO_ROWS
from lakewarden.permissions.errors import EntityNotFoundException, InvalidInputException
from lakewarden.permissions.model import (
    CatalogResource,
    CellsFilter,
    ColumnsResource,
    DatabaseResource,
    Expression,
    FilterResource,
    Grant,
    LocationResource,
    PolicyResource,
    Resource,
    TableResource,
    TagExpressionResource,
    TagResource,
)

Params = Mapping[str, Any]


def own_account(members: Params, account: str) -> None:
    """Raise for another account's catalog: there is none here."""
    for name in ("CatalogId", "Id"):
        if members.get(name, account) != account:
            raise EntityNotFoundException(f"Catalog not found: {members[name]}")


def grant_of(params: Params, account: str) -> Grant:
    """AWS's Principal, Resource, Permissions and PermissionsWithGrantOption as a :class:`Grant`."""
    if params.get("Condition"):
        # A condition that is not enforced would grant more than was asked for.
        raise InvalidInputException("Lakewarden does not offer conditions on grants.")
    principal = (params.get("Principal") or {}).get("DataLakePrincipalIdentifier", "")
    grantable = frozenset(params.get("PermissionsWithGrantOption") or ())
    permissions = frozenset(params.get("Permissions") or ())
    return Grant(principal, resource_of(params.get("Resource") or {}, account), permissions, grantable)


def resource_of(members: Params, account: str) -> Resource:
    """AWS's Resource shape; exactly one of its members must be there."""
    if len(members) != 1:
        raise InvalidInputException("Resource must name exactly one kind of resource.")
    kind, body = next(iter(members.items()))
    own_account(body, account)
    if kind == "Catalog":
        return CatalogResource()
    if kind == "Database":
        return DatabaseResource(_named(body["Name"]))
    if kind == "Table":
        if ("Name" in body) == ("TableWildcard" in body):
            raise InvalidInputException("A table resource has either a name or a wildcard.")
        return TableResource(_named(body["DatabaseName"]), _named(body["Name"]) if "Name" in body else "")
    if kind == "TableWithColumns":
        return _columns(body)
    if kind == "DataLocation":
        return LocationResource(body["ResourceArn"].rstrip("/"))
    if kind == "DataCellsFilter":
        own_account({"CatalogId": body.get("TableCatalogId", account)}, account)
        database, table = _named(body.get("DatabaseName", "")), _named(body.get("TableName", ""))
        return FilterResource(database, table, _given(body.get("Name", "")))
    if kind == "LFTag":
        return TagResource(_given(body["TagKey"]).lower(), _values(body["TagValues"]))
    if kind == "LFTagExpression":
        return TagExpressionResource(_given(body["Name"]))
    if kind == "LFTagPolicy":
        return _policy(body)
    raise InvalidInputException(f"Lakewarden does not offer permissions on {kind}.")


def _policy(body: Params) -> Resource:
    if bool(body.get("Expression")) == bool(body.get("ExpressionName")):
        raise InvalidInputException("Either Expression or ExpressionName must be given.")
    if body["ResourceType"] not in {"DATABASE", "TABLE"}:
        raise InvalidInputException("ResourceType is DATABASE or TABLE.")
    return PolicyResource(
        body["ResourceType"], expression_of(body.get("Expression") or ()), body.get("ExpressionName") or ""
    )


def expression_of(members: Iterable[Params]) -> Expression:
    """AWS's list of LFTag as an expression; raises unless each key stands once. Keys and values are lower case."""
    found = tuple(sorted((_given(one["TagKey"]).lower(), _values(one["TagValues"])) for one in members))
    if len(dict(found)) != len(found):
        raise InvalidInputException("An LF-tag expression names each of its keys once.")
    return found


def expression_answer(expression: Expression) -> list[dict[str, Any]]:
    """The same, back."""
    return [{"TagKey": key, "TagValues": list(values)} for key, values in expression]


def _values(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({_given(value).lower() for value in values}))


def _given(name: str) -> str:
    if not name:
        raise InvalidInputException("A name must not be empty.")
    return name


def filter_of(members: Params, account: str) -> CellsFilter:
    """AWS's DataCellsFilter; its expression is not yet checked."""
    own_account({"CatalogId": members["TableCatalogId"]}, account)
    rows = members.get("RowFilter") or {}
    if ("FilterExpression" in rows) == ("AllRowsWildcard" in rows):
        raise InvalidInputException("A row filter has either a filter expression or the wildcard for all rows.")
    columns = _columns({**members, "Name": members["TableName"]})
    if not isinstance(columns, ColumnsResource):
        raise InvalidInputException("Columns must be given.")
    return CellsFilter(
        columns.database, columns.table, _given(members["Name"]),
        ALL_ROWS if "AllRowsWildcard" in rows else NO_ROWS, rows.get("FilterExpression") or "",
        columns.include, columns.wildcard, columns.exclude, members.get("VersionId") or "",
    )  # fmt: skip


def filter_answer(found: CellsFilter, account: str) -> dict[str, Any]:
    """The same, back, in the form in which it was made."""
    rows: dict[str, Any] = {"AllRowsWildcard": {}} if found.rows.all_rows else {"FilterExpression": found.text}
    excluded = {"ExcludedColumnNames": list(found.exclude)} if found.exclude else {}
    columns: dict[str, Any] = {"ColumnWildcard": excluded} if found.wildcard else {"ColumnNames": list(found.include)}
    return {
        "TableCatalogId": account, "DatabaseName": found.database, "TableName": found.table, "Name": found.name,
        "RowFilter": rows, **columns, "VersionId": found.version,
    }  # fmt: skip


def _named(name: str) -> str:
    """A name as the catalog keeps it. An empty one would mean every table of a database."""
    if not name:
        raise InvalidInputException("A name must not be empty.")
    return name.lower()


def _columns(body: Params) -> Resource:
    database, table = _named(body["DatabaseName"]), _named(body["Name"])
    wildcard = body.get("ColumnWildcard")
    names = tuple(sorted({name.lower() for name in body.get("ColumnNames") or ()}))
    if (wildcard is None) == (not names):
        raise InvalidInputException("Either ColumnNames or ColumnWildcard must be given.")
    if wildcard is None:
        return ColumnsResource(database, table, include=names)
    excluded = tuple(sorted({name.lower() for name in wildcard.get("ExcludedColumnNames") or ()}))
    return ColumnsResource(database, table, wildcard=True, exclude=excluded)


def grant_answer(grant: Grant, account: str) -> dict[str, Any]:
    """AWS's PrincipalResourcePermissions shape, in the form in which the grant was made."""
    return {
        "Principal": {"DataLakePrincipalIdentifier": grant.principal},
        "Resource": resource_answer(grant.resource, account),
        "Permissions": sorted(grant.permissions),
        "PermissionsWithGrantOption": sorted(grant.grantable),
    }


def resource_answer(resource: Resource, account: str) -> dict[str, Any]:
    """AWS's Resource shape."""
    if isinstance(resource, CatalogResource):
        return {"Catalog": {}}
    if isinstance(resource, DatabaseResource):
        return {"Database": {"CatalogId": account, "Name": resource.database}}
    if isinstance(resource, LocationResource):
        return {"DataLocation": {"CatalogId": account, "ResourceArn": resource.arn}}
    if isinstance(resource, TagResource):
        return {"LFTag": {"CatalogId": account, "TagKey": resource.key, "TagValues": list(resource.values)}}
    if isinstance(resource, TagExpressionResource):
        return {"LFTagExpression": {"CatalogId": account, "Name": resource.name}}
    if isinstance(resource, PolicyResource):
        meant: dict[str, Any] = (
            {"ExpressionName": resource.named}
            if resource.named
            else {"Expression": expression_answer(resource.expression)}
        )
        return {"LFTagPolicy": {"CatalogId": account, "ResourceType": resource.kind, **meant}}
    return _table_answer(resource, account)


def _table_answer(resource: TableResource | ColumnsResource | FilterResource, account: str) -> dict[str, Any]:
    if isinstance(resource, FilterResource):
        named = {"DatabaseName": resource.database, "TableName": resource.table, "Name": resource.name}
        return {"DataCellsFilter": {"TableCatalogId": account, **named}}
    table: dict[str, Any] = {"CatalogId": account, "DatabaseName": resource.database}
    if isinstance(resource, TableResource):
        which: dict[str, Any] = {"Name": resource.table} if resource.table else {"TableWildcard": {}}
        return {"Table": table | which}
    table["Name"] = resource.table
    if resource.wildcard:
        excluded = {"ExcludedColumnNames": list(resource.exclude)} if resource.exclude else {}
        return {"TableWithColumns": {**table, "ColumnWildcard": excluded}}
    return {"TableWithColumns": {**table, "ColumnNames": list(resource.include)}}


def page(items: Sequence[Any], params: Params, name: str) -> dict[str, Any]:
    """One page; the token is the position of the next item."""
    start = 0
    if params.get("NextToken"):
        try:
            start = int(base64.b64decode(params["NextToken"], validate=True))
        except (binascii.Error, ValueError) as error:
            raise InvalidInputException("NextToken is invalid.") from error
    if start < 0:
        raise InvalidInputException("NextToken is invalid.")
    end = start + int(params.get("MaxResults", 1000))
    more = {"NextToken": base64.b64encode(str(end).encode()).decode()} if end < len(items) else {}
    return {name: list(items[start:end]), **more}
