"""AWS's shapes of principals, resources and permissions, to our values and back."""

from collections.abc import Mapping
from typing import Any

from lakewarden.permissions.errors import EntityNotFoundException, InvalidInputException
from lakewarden.permissions.model import (
    CatalogResource,
    ColumnsResource,
    DatabaseResource,
    Grant,
    LocationResource,
    Resource,
    TableResource,
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
    raise InvalidInputException(f"Lakewarden does not offer permissions on {kind} yet.")


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
    table: dict[str, Any] = {"CatalogId": account, "DatabaseName": resource.database}
    if isinstance(resource, TableResource):
        named: dict[str, Any] = {"Name": resource.table} if resource.table else {"TableWildcard": {}}
        return {"Table": table | named}
    table["Name"] = resource.table
    if resource.wildcard:
        excluded = {"ExcludedColumnNames": list(resource.exclude)} if resource.exclude else {}
        return {"TableWithColumns": {**table, "ColumnWildcard": excluded}}
    return {"TableWithColumns": {**table, "ColumnNames": list(resource.include)}}
