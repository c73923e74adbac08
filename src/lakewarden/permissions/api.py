"""Lake Formation's OPERATIONS table."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from lakewarden.guard import Access, AuthorizedCall, Operation, Operations, Rule, on, table_of
from lakewarden.kernel.call import Call, Principal
from lakewarden.kernel.errors import AwsError
from lakewarden.permissions.api_restrictions import RestrictionHandlers
from lakewarden.permissions.api_vending import VendingHandlers
from lakewarden.permissions.errors import InvalidInputException
from lakewarden.permissions.model import (
    CatalogResource,
    ColumnsResource,
    DatabaseResource,
    FilterResource,
    Grant,
    LocationResource,
    PolicyResource,
    Registration,
    Resource,
    Settings,
    TableResource,
    TagExpressionResource,
    TagResource,
)
from lakewarden.permissions.service import PermissionService
from lakewarden.permissions.shapes import (
    Params,
    grant_answer,
    grant_of,
    own_account,
    page,
    resource_answer,
    resource_of,
)
from lakewarden.permissions.vending import Vending

_TYPES: Mapping[str, tuple[type[Resource], ...]] = {
    "CATALOG": (CatalogResource,),
    "DATABASE": (DatabaseResource,),
    "TABLE": (TableResource, ColumnsResource, FilterResource),
    "DATA_LOCATION": (LocationResource,),
    "LF_TAG": (TagResource,),
    "LF_TAG_POLICY": (PolicyResource,),
    "LF_TAG_POLICY_DATABASE": (PolicyResource,),
    "LF_TAG_POLICY_TABLE": (PolicyResource,),
    "LF_NAMED_TAG_EXPRESSION": (TagExpressionResource,),
}


class Handlers:
    """Lake Formation's handlers over a :class:`PermissionService`."""

    def __init__(self, service: PermissionService, account: str) -> None:
        self._service = service
        self._account = account

    def grant(self, call: AuthorizedCall) -> None:
        """GrantPermissions."""
        self._service.grants.grant(call.call.principal, self._grant_of(call.params))

    def revoke(self, call: AuthorizedCall) -> None:
        """RevokePermissions."""
        self._service.grants.revoke(call.call.principal, self._grant_of(call.params))

    def batch_grant(self, call: AuthorizedCall) -> Params:
        """BatchGrantPermissions."""
        return self._batch(call, self._service.grants.grant)

    def batch_revoke(self, call: AuthorizedCall) -> Params:
        """BatchRevokePermissions."""
        return self._batch(call, self._service.grants.revoke)

    def list_permissions(self, call: AuthorizedCall) -> Params:
        """ListPermissions; whoever does not administer the lake is told of its own grants only."""
        params = call.params
        own_account(params, self._account)
        wanted = params.get("Principal", {}).get("DataLakePrincipalIdentifier", "")
        resource = self._resource_of(params["Resource"]) if params.get("Resource") else None
        # A type that is not offered has no grants, rather than all of them.
        kinds = _TYPES.get(params["ResourceType"], ()) if params.get("ResourceType") else None
        if not self._service.facts(call.call.principal).sees_everything:
            own = call.call.principal.grantee_arn
            if wanted not in {"", own}:
                return {"PrincipalResourcePermissions": []}
            wanted = own
        policy = params.get("ResourceType", "").partition("LF_TAG_POLICY_")[2]
        found = [
            grant_answer(one, self._account)
            for one in self._service.grants.found(wanted, resource, kinds)
            if not policy or getattr(one.resource, "kind", "") == policy
        ]
        return page(found, params, "PrincipalResourcePermissions")

    def effective(self, call: AuthorizedCall) -> Params:
        """GetEffectivePermissionsForPath; whoever does not administer the lake is told of its own grants only."""
        own_account(call.params, self._account)
        all_seen = self._service.facts(call.call.principal).sees_everything
        own = call.call.principal.grantee_arn
        found = [
            grant_answer(one, self._account)
            for one in self._service.effective(call.params["ResourceArn"])
            if all_seen or one.principal == own
        ]
        return page(found, call.params, "Permissions")

    def _grant_of(self, params: Params) -> Grant:
        own_account(params, self._account)
        return grant_of(params, self._account)

    def _resource_of(self, members: Params) -> Resource:
        return resource_of(members, self._account)

    def _batch(self, call: AuthorizedCall, do: Callable[[Principal, Grant], None]) -> Params:
        """Each entry stands or fails by itself."""
        own_account(call.params, self._account)
        failures = []
        for entry in call.params["Entries"]:
            try:
                do(call.call.principal, grant_of(entry, self._account))
            except AwsError as error:
                problem = {"ErrorCode": error.code, "ErrorMessage": error.message}
                failures.append({"RequestEntry": entry, "Error": problem})
        return {"Failures": failures}

    def register(self, call: AuthorizedCall) -> None:
        """RegisterResource, by default with the service-linked role."""
        params = call.params
        if params.get("RoleArn") and params.get("UseServiceLinkedRole"):
            raise InvalidInputException("Either RoleArn or UseServiceLinkedRole can be given, not both.")
        role = params.get("RoleArn") or (
            f"arn:aws:iam::{self._account}:role/aws-service-role/lakeformation.amazonaws.com/"
            "AWSServiceRoleForLakeFormationDataAccess"
        )
        self._service.registry.register(
            params["ResourceArn"], role, hybrid=bool(params.get("HybridAccessEnabled", False))
        )

    def update_resource(self, call: AuthorizedCall) -> None:
        """UpdateResource."""
        params = call.params
        self._service.registry.update(
            params["ResourceArn"], params["RoleArn"], hybrid=params.get("HybridAccessEnabled")
        )

    def deregister(self, call: AuthorizedCall) -> None:
        """DeregisterResource."""
        self._service.registry.deregister(call.params["ResourceArn"])

    def describe_resource(self, call: AuthorizedCall) -> Params:
        """DescribeResource."""
        return {"ResourceInfo": _registration(self._service.registry.registration(call.params["ResourceArn"]))}

    def list_resources(self, call: AuthorizedCall) -> Params:
        """ListResources."""
        return page(
            [_registration(one) for one in self._service.registry.registrations()], call.params, "ResourceInfoList"
        )

    def put_settings(self, call: AuthorizedCall) -> None:
        """PutDataLakeSettings."""
        own_account(call.params, self._account)
        document = dict(call.params["DataLakeSettings"])
        administrators = tuple(one["DataLakePrincipalIdentifier"] for one in document.pop("DataLakeAdmins", None) or ())
        self._service.registry.set_settings(call.call.principal, Settings(administrators, document))

    def get_settings(self, call: AuthorizedCall) -> Params:
        """GetDataLakeSettings."""
        own_account(call.params, self._account)
        settings = self._service.registry.settings()
        admins = [{"DataLakePrincipalIdentifier": arn} for arn in settings.administrators]
        empty: dict[str, Any] = {"CreateDatabaseDefaultPermissions": [], "CreateTableDefaultPermissions": []}
        return {"DataLakeSettings": {**empty, **settings.document, "DataLakeAdmins": admins}}

    def principal(self, call: AuthorizedCall) -> Params:
        """GetDataLakePrincipal: whom grants to the caller name."""
        return {"Identity": call.call.principal.grantee_arn}

    def opt_in(self, call: AuthorizedCall) -> None:
        """CreateLakeFormationOptIn."""
        self._opt(call, opted_in=True)

    def opt_out(self, call: AuthorizedCall) -> None:
        """DeleteLakeFormationOptIn."""
        self._opt(call, opted_in=False)

    def _opt(self, call: AuthorizedCall, *, opted_in: bool) -> None:
        principal = call.params["Principal"]["DataLakePrincipalIdentifier"]
        resource = self._resource_of(call.params["Resource"])
        self._service.registry.set_opt_in(call.call.principal, principal, resource, opted_in=opted_in)

    def opt_ins(self, call: AuthorizedCall) -> Params:
        """ListLakeFormationOptIns; whoever does not administer the lake is told of its own only."""
        wanted = call.params.get("Principal", {}).get("DataLakePrincipalIdentifier", "")
        asked = self._resource_of(call.params["Resource"]) if call.params.get("Resource") else None
        own = call.call.principal.grantee_arn
        all_seen = self._service.facts(call.call.principal).sees_everything
        found = [
            {
                "Principal": {"DataLakePrincipalIdentifier": principal},
                "Resource": resource_answer(resource, self._account),
            }
            for principal, resource in self._service.registry.opt_ins()
            if wanted in {"", principal} and asked in {None, resource} and (all_seen or principal == own)
        ]
        return page(found, call.params, "LakeFormationOptInsInfoList")


def operations(service: PermissionService, vending: Vending, account: str, region: str) -> Operations:
    """Lake Formation's operations over ``service``."""
    handlers = Handlers(service, account)

    def operation(
        name: str, do: Callable[[AuthorizedCall], Params | None], *, read: bool = False, rule: Rule | None = None
    ) -> Operation:
        return Operation(name, lambda call: do(call) or {}, rule or on(f"lakeformation:{name}"), read_only=read)

    return table_of(
        operation("GrantPermissions", handlers.grant),
        operation("RevokePermissions", handlers.revoke),
        operation("BatchGrantPermissions", handlers.batch_grant),
        operation("BatchRevokePermissions", handlers.batch_revoke),
        operation("ListPermissions", handlers.list_permissions, read=True),
        operation("GetEffectivePermissionsForPath", handlers.effective, read=True),
        *RestrictionHandlers(service, account).operations(),
        *VendingHandlers(vending, account, region).operations(),
        operation("RegisterResource", handlers.register, rule=_passing_a_role),
        operation("UpdateResource", handlers.update_resource, rule=_passing_a_role),
        operation("DeregisterResource", handlers.deregister),
        operation("DescribeResource", handlers.describe_resource, read=True),
        operation("ListResources", handlers.list_resources, read=True),
        operation("PutDataLakeSettings", handlers.put_settings),
        operation("GetDataLakeSettings", handlers.get_settings, read=True),
        operation("GetDataLakePrincipal", handlers.principal, read=True),
        operation("CreateLakeFormationOptIn", handlers.opt_in),
        operation("DeleteLakeFormationOptIn", handlers.opt_out),
        operation("ListLakeFormationOptIns", handlers.opt_ins, read=True),
    )


def _passing_a_role(call: Call) -> Sequence[Access]:
    """Registering a location under a role hands that role to Lake Formation."""
    asked = [Access(f"lakeformation:{call.operation}")]
    # INVARIANT (no_escalation): nobody can pass a role without iam:PassRole on it.
    if role := call.params.get("RoleArn"):
        asked.append(Access("iam:PassRole", role, {"iam:PassedToService": "lakeformation.amazonaws.com"}))
    return asked


def _registration(found: Registration) -> dict[str, Any]:
    return {
        "ResourceArn": found.arn,
        "RoleArn": found.role_arn,
        "HybridAccessEnabled": found.hybrid,
        "LastModified": datetime.fromisoformat(found.modified),
    }
