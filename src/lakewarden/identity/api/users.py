"""Users."""

from collections.abc import Mapping, Sequence
from typing import Any

from lakewarden.guard import AuthorizedCall, Operation
from lakewarden.identity import rules
from lakewarden.identity.api.shapes import Params, group_answer, listed, operation, page, user_answer
from lakewarden.identity.model import Group, User
from lakewarden.identity.service import IdentityService, tags_of


def operations(service: IdentityService) -> Sequence[Operation]:
    """The rows about users."""
    named = rules.entity(service, User, "UserName")

    def create(params: Params) -> Mapping[str, Any]:
        user = service.create_user(
            params["UserName"],
            params.get("Path", "/"),
            tags_of(params.get("Tags")),
            params.get("PermissionsBoundary", ""),
        )
        return {"User": user_answer(service, user)}

    async def get(call: AuthorizedCall) -> Mapping[str, Any]:
        # On the event loop: it reads what authorising the call has just read, and clients poll it.
        user = service.get(User, rules.user_name(call.call))
        signed_in = service.last_uses().get(user.id) if user.password else None
        return {"User": user_answer(service, user, signed_in=signed_in)}

    def everyone(params: Params) -> Mapping[str, Any]:
        users = service.all(User, params.get("PathPrefix", "/"))
        return page([listed(user_answer(service, user)) for user in users], params, "Users")

    def groups(params: Params) -> Mapping[str, Any]:
        found = [service.get(Group, name) for name in service.get(User, params["UserName"]).groups]
        return page([group_answer(service, group) for group in found], params, "Groups")

    return (
        operation("CreateUser", rules.create(service, User, "UserName"), create),
        Operation("GetUser", get, rules.own_user(service, "iam:GetUser"), read_only=True),
        operation("ListUsers", rules.listing("iam:ListUsers"), everyone, read=True),
        operation("DeleteUser", named("iam:DeleteUser"), lambda params: service.delete(User, params["UserName"])),
        operation(
            "UpdateUser",
            rules.renaming(service, User, "UserName"),
            lambda params: service.rename(
                User, params["UserName"], params.get("NewUserName", ""), params.get("NewPath", "")
            ),
        ),
        operation("ListGroupsForUser", named("iam:ListGroupsForUser"), groups, read=True),
        operation(
            "PutUserPermissionsBoundary",
            rules.boundary(service, User, "UserName", "iam:PutUserPermissionsBoundary"),
            lambda params: service.set_boundary(User, params["UserName"], params["PermissionsBoundary"]),
        ),
        operation(
            "DeleteUserPermissionsBoundary",
            named("iam:DeleteUserPermissionsBoundary"),
            lambda params: service.set_boundary(User, params["UserName"], ""),
        ),
    )
