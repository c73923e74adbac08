"""Roles, those that are linked to services among them."""

from collections.abc import Mapping, Sequence
from typing import Any

from lakewarden.guard import Access, Operation
from lakewarden.identity import rules
from lakewarden.identity.api.shapes import Params, listed, operation, page, role_answer
from lakewarden.identity.model import Role
from lakewarden.identity.profiles import LinkedRoles
from lakewarden.identity.service import LINKED_PATH, IdentityService, tags_of
from lakewarden.kernel.arn import iam
from lakewarden.kernel.call import Call


def operations(service: IdentityService, linked: LinkedRoles) -> Sequence[Operation]:
    """The rows about roles."""
    named = rules.entity(service, Role, "RoleName")

    def create(params: Params) -> Mapping[str, Any]:
        role = service.create_role(
            params["RoleName"],
            params["AssumeRolePolicyDocument"],
            params.get("Path", "/"),
            tags_of(params.get("Tags")),
            description=params.get("Description", ""),
            max_session=params.get("MaxSessionDuration", 3600),
            boundary=params.get("PermissionsBoundary", ""),
        )
        return {"Role": role_answer(service, role)}

    def get(params: Params) -> Mapping[str, Any]:
        role = service.get(Role, params["RoleName"])
        return {"Role": role_answer(service, role, used=service.last_uses().get(role.id))}

    def everything(params: Params) -> Mapping[str, Any]:
        roles = service.all(Role, params.get("PathPrefix", "/"))
        return page([listed(role_answer(service, role)) for role in roles], params, "Roles")

    def update(params: Params) -> None:
        service.update_role(params["RoleName"], params.get("Description"), params.get("MaxSessionDuration"))

    def describe(params: Params) -> Mapping[str, Any]:
        service.update_role(params["RoleName"], params["Description"], None)
        return {"Role": role_answer(service, service.get(Role, params["RoleName"]))}

    return (
        operation("CreateRole", rules.create(service, Role, "RoleName"), create),
        operation("GetRole", named("iam:GetRole"), get, read=True),
        operation("ListRoles", rules.listing("iam:ListRoles"), everything, read=True),
        operation("DeleteRole", named("iam:DeleteRole"), lambda params: service.delete(Role, params["RoleName"])),
        operation("UpdateRole", named("iam:UpdateRole"), update),
        operation("UpdateRoleDescription", named("iam:UpdateRoleDescription"), describe),
        operation(
            "UpdateAssumeRolePolicy",
            named("iam:UpdateAssumeRolePolicy"),
            lambda params: service.set_trust(params["RoleName"], params["PolicyDocument"]),
        ),
        operation(
            "PutRolePermissionsBoundary",
            rules.boundary(service, Role, "RoleName", "iam:PutRolePermissionsBoundary"),
            lambda params: service.set_boundary(Role, params["RoleName"], params["PermissionsBoundary"]),
        ),
        operation(
            "DeleteRolePermissionsBoundary",
            named("iam:DeleteRolePermissionsBoundary"),
            lambda params: service.set_boundary(Role, params["RoleName"], ""),
        ),
        *_linked(service, linked),
    )


def _linked(service: IdentityService, linked: LinkedRoles) -> Sequence[Operation]:
    def creating(call: Call) -> Sequence[Access]:
        of = call.params["AWSServiceName"]
        name = linked.name_for(of, call.params.get("CustomSuffix", ""))
        arn = iam(service.account, f"role{LINKED_PATH}{of}/{name}")
        return (Access("iam:CreateServiceLinkedRole", arn, {"iam:AWSServiceName": of}),)

    def create(params: Params) -> Mapping[str, Any]:
        role = linked.create(params["AWSServiceName"], params.get("Description", ""), params.get("CustomSuffix", ""))
        return {"Role": role_answer(service, role)}

    return (
        operation("CreateServiceLinkedRole", creating, create),
        operation(
            "DeleteServiceLinkedRole",
            rules.entity(service, Role, "RoleName")("iam:DeleteServiceLinkedRole"),
            lambda params: {"DeletionTaskId": linked.delete(params["RoleName"])},
        ),
        operation(
            "GetServiceLinkedRoleDeletionStatus",
            lambda call: (
                Access(
                    "iam:GetServiceLinkedRoleDeletionStatus",
                    iam(
                        service.account,
                        "role/" + call.params["DeletionTaskId"].removeprefix("task/").rpartition("/")[0],
                    ),
                ),
            ),
            lambda params: {"Status": linked.deletion_status(params["DeletionTaskId"])},
            read=True,
        ),
    )
