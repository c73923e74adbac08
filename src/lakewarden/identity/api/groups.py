"""Groups, and who is in them."""

from collections.abc import Mapping, Sequence
from typing import Any

from lakewarden.guard import Operation
from lakewarden.identity import rules
from lakewarden.identity.api.shapes import Params, group_answer, listed, operation, page, user_answer
from lakewarden.identity.model import Group
from lakewarden.identity.service import IdentityService


def operations(service: IdentityService) -> Sequence[Operation]:
    """The rows about groups."""
    named = rules.entity(service, Group, "GroupName")

    def create(params: Params) -> Mapping[str, Any]:
        return {"Group": group_answer(service, service.create_group(params["GroupName"], params.get("Path", "/")))}

    def get(params: Params) -> Mapping[str, Any]:
        group = service.get(Group, params["GroupName"])
        users = [listed(user_answer(service, user)) for user in service.members(group.name)]
        return {"Group": group_answer(service, group), **page(users, params, "Users")}

    def everything(params: Params) -> Mapping[str, Any]:
        groups = service.all(Group, params.get("PathPrefix", "/"))
        return page([group_answer(service, group) for group in groups], params, "Groups")

    return (
        operation("CreateGroup", rules.create(service, Group, "GroupName"), create),
        operation("GetGroup", named("iam:GetGroup"), get, read=True),
        operation("ListGroups", rules.listing("iam:ListGroups"), everything, read=True),
        operation("DeleteGroup", named("iam:DeleteGroup"), lambda params: service.delete(Group, params["GroupName"])),
        operation(
            "UpdateGroup",
            rules.renaming(service, Group, "GroupName"),
            lambda params: service.rename(
                Group, params["GroupName"], params.get("NewGroupName", ""), params.get("NewPath", "")
            ),
        ),
        operation(
            "AddUserToGroup",
            named("iam:AddUserToGroup"),
            lambda params: service.join(params["UserName"], params["GroupName"]),
        ),
        operation(
            "RemoveUserFromGroup",
            named("iam:RemoveUserFromGroup"),
            lambda params: service.leave(params["UserName"], params["GroupName"]),
        ),
    )
