"""Lake Formation's OPERATIONS table."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from lakewarden.guard import AuthorizedCall, Operation, Operations, on, table_of
from lakewarden.kernel.call import Principal
from lakewarden.kernel.errors import AwsError
from lakewarden.permissions.errors import InvalidInputException
from lakewarden.permissions.model import (
    CatalogResource,
    ColumnsResource,
    DatabaseResource,
    Grant,
    LocationResource,
    Registration,
    Resource,
    Settings,
    TableResource,
)
from lakewarden.permissions.service import PermissionService

Params = Mapping[str, Any]
_TYPES: Mapping[str, type[Resource]] = {
    "CATALOG": CatalogResource,
    "DATABASE": DatabaseResource,
    "TABLE": TableResource,
    "DATA_LOCATION": LocationResource,
}


class Handlers:
    """Lake Formation's handlers over a :class:`PermissionService`."""

    def __init__(self, service: PermissionService, account: str) -> None:
        self._service = service
        self._account = account

    def grant(self, call: AuthorizedCall) -> None:
        """GrantPermissions."""
        self._service.grant(call.call.principal, grant_of(call.params))

    def revoke(self, call: AuthorizedCall) -> None:
        """RevokePermissions."""
        self._service.revoke(call.call.principal, grant_of(call.params))

    def batch_grant(self, call: AuthorizedCall) -> Params:
        """BatchGrantPermissions."""
        return _batch(call, self._service.grant)

    def batch_revoke(self, call: AuthorizedCall) -> Params:
        """BatchRevokePermissions."""
        return _batch(call, self._service.revoke)

    def list_permissions(self, call: AuthorizedCall) -> Params:
        """ListPermissions; whoever does not administer the lake is told of its own grants only."""
        params = call.params
        wanted = params.get("Principal", {}).get("DataLakePrincipalIdentifier", "")
        resource = resource_of(params["Resource"]) if params.get("Resource") else None
        kind = _TYPES.get(params.get("ResourceType", ""))
        if not self._service.facts(call.call.principal).administrator:
            own = call.call.principal.grantee_arn
            if wanted not in {"", own}:
                return {"PrincipalResourcePermissions": []}
            wanted = own
        found = [grant_answer(one, self._account) for one in self._service.list_grants(wanted, resource, kind)]
        return page(found, params, "PrincipalResourcePermissions")

    def register(self, call: AuthorizedCall) -> None:
        """RegisterResource, by default with the service-linked role."""
        role = call.params.get("RoleArn") or (
            f"arn:aws:iam::{self._account}:role/aws-service-role/lakeformation.amazonaws.com/"
            "AWSServiceRoleForLakeFormationDataAccess"
        )
        self._service.register(call.params["ResourceArn"], role, hybrid=call.params.get("HybridAccessEnabled", False))

    def deregister(self, call: AuthorizedCall) -> None:
        """DeregisterResource."""
        self._service.deregister(call.params["ResourceArn"])

    def describe_resource(self, call: AuthorizedCall) -> Params:
        """DescribeResource."""
        return {"ResourceInfo": _registration(self._service.registration(call.params["ResourceArn"]))}

    def list_resources(self, call: AuthorizedCall) -> Params:
        """ListResources."""
        return page([_registration(one) for one in self._service.registrations()], call.params, "ResourceInfoList")

    def put_settings(self, call: AuthorizedCall) -> None:
        """PutDataLakeSettings."""
        document = dict(call.params["DataLakeSettings"])
        administrators = tuple(one["DataLakePrincipalIdentifier"] for one in document.pop("DataLakeAdmins", None) or ())
        self._service.set_settings(call.call.principal, Settings(administrators, document))

    def get_settings(self, call: AuthorizedCall) -> Params:  # noqa: ARG002 - a handler's signature
        """GetDataLakeSettings."""
        settings = self._service.settings()
        admins = [{"DataLakePrincipalIdentifier": arn} for arn in settings.administrators]
        empty: dict[str, Any] = {"CreateDatabaseDefaultPermissions": [], "CreateTableDefaultPermissions": []}
        return {"DataLakeSettings": {**empty, **settings.document, "DataLakeAdmins": admins}}

    def opt_in(self, call: AuthorizedCall) -> None:
        """CreateLakeFormationOptIn."""
        self._opt(call, opted_in=True)

    def opt_out(self, call: AuthorizedCall) -> None:
        """DeleteLakeFormationOptIn."""
        self._opt(call, opted_in=False)

    def _opt(self, call: AuthorizedCall, *, opted_in: bool) -> None:
        principal = call.params["Principal"]["DataLakePrincipalIdentifier"]
        resource = resource_of(call.params["Resource"])
        self._service.set_opt_in(call.call.principal, principal, resource, opted_in=opted_in)

    def opt_ins(self, call: AuthorizedCall) -> Params:
        """ListLakeFormationOptIns."""
        found = [
            {
                "Principal": {"DataLakePrincipalIdentifier": principal},
                "Resource": resource_answer(resource, self._account),
            }
            for principal, resource in self._service.opt_ins()
        ]
        return page(found, call.params, "LakeFormationOptInsInfoList")


def operations(service: PermissionService, account: str) -> Operations:
    """Lake Formation's operations over ``service``."""
    handlers = Handlers(service, account)

    def operation(name: str, do: Callable[[AuthorizedCall], Params | None], *, read: bool = False) -> Operation:
        return Operation(name, lambda call: do(call) or {}, on(f"lakeformation:{name}"), read_only=read)

    return table_of(
        operation("GrantPermissions", handlers.grant),
        operation("RevokePermissions", handlers.revoke),
        operation("BatchGrantPermissions", handlers.batch_grant),
        operation("BatchRevokePermissions", handlers.batch_revoke),
        operation("ListPermissions", handlers.list_permissions, read=True),
        operation("RegisterResource", handlers.register),
        operation("DeregisterResource", handlers.deregister),
        operation("DescribeResource", handlers.describe_resource, read=True),
        operation("ListResources", handlers.list_resources, read=True),
        operation("PutDataLakeSettings", handlers.put_settings),
        operation("GetDataLakeSettings", handlers.get_settings, read=True),
        operation("CreateLakeFormationOptIn", handlers.opt_in),
        operation("DeleteLakeFormationOptIn", handlers.opt_out),
        operation("ListLakeFormationOptIns", handlers.opt_ins, read=True),
    )


def _batch(call: AuthorizedCall, do: Callable[[Principal, Grant], None]) -> Params:
    """Each entry stands or fails by itself."""
    failures = []
    for entry in call.params["Entries"]:
        try:
            do(call.call.principal, grant_of(entry))
        except AwsError as error:
            problem = {"ErrorCode": error.code, "ErrorMessage": error.message}
            failures.append({"RequestEntry": entry, "Error": problem})
    return {"Failures": failures}


def grant_of(params: Params) -> Grant:
    """AWS's Principal, Resource, Permissions and PermissionsWithGrantOption as a :class:`Grant`."""
    principal = (params.get("Principal") or {}).get("DataLakePrincipalIdentifier", "")
    grantable = frozenset(params.get("PermissionsWithGrantOption") or ())
    permissions = frozenset(params.get("Permissions") or ())
    return Grant(principal, resource_of(params.get("Resource") or {}), permissions, grantable)


def resource_of(members: Params) -> Resource:
    """AWS's Resource shape; exactly one of its members must be there."""
    if len(members) != 1:
        raise InvalidInputException("Resource must name exactly one kind of resource.")
    kind, body = next(iter(members.items()))
    if kind == "Catalog":
        return CatalogResource()
    if kind == "Database":
        return DatabaseResource(body["Name"].lower())
    if kind == "Table":
        if ("Name" in body) == ("TableWildcard" in body):
            raise InvalidInputException("A table resource has either a name or a wildcard.")
        return TableResource(body["DatabaseName"].lower(), body.get("Name", "").lower())
    if kind == "TableWithColumns":
        return _columns(body)
    if kind == "DataLocation":
        return LocationResource(body["ResourceArn"].rstrip("/"))
    raise InvalidInputException(f"Lakewarden does not offer permissions on {kind} yet.")


def _columns(body: Params) -> Resource:
    database, table = body["DatabaseName"].lower(), body["Name"].lower()
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


def _registration(found: Registration) -> dict[str, Any]:
    return {
        "ResourceArn": found.arn,
        "RoleArn": found.role_arn,
        "HybridAccessEnabled": found.hybrid,
        "LastModified": datetime.fromisoformat(found.modified),
    }


def page(items: Sequence[Any], params: Params, name: str) -> dict[str, Any]:
    """One page; the token is the position of the next item."""
    start = 0
    if params.get("NextToken"):
        try:
            start = int(base64.b64decode(params["NextToken"], validate=True))
        except (binascii.Error, ValueError) as error:
            raise InvalidInputException("NextToken is invalid.") from error
    end = start + int(params.get("MaxResults", 1000))
    more = {"NextToken": base64.b64encode(str(end).encode()).decode()} if end < len(items) else {}
    return {name: list(items[max(start, 0) : end]), **more}
