"""Instance profiles."""

from collections.abc import Mapping, Sequence
from typing import Any

from lakewarden.guard import Access, Operation
from lakewarden.identity import rules
from lakewarden.identity.api.shapes import Params, operation, page, profile_answer
from lakewarden.identity.model import InstanceProfile, Role
from lakewarden.identity.profiles import InstanceProfiles
from lakewarden.identity.service import IdentityService, tags_of
from lakewarden.kernel.call import Call


def operations(service: IdentityService, profiles: InstanceProfiles) -> Sequence[Operation]:
    """The rows about instance profiles."""
    named = rules.entity(service, InstanceProfile, "InstanceProfileName")

    def create(params: Params) -> Mapping[str, Any]:
        profile = profiles.create(params["InstanceProfileName"], params.get("Path", "/"), tags_of(params.get("Tags")))
        return {"InstanceProfile": profile_answer(service, profile)}

    def get(params: Params) -> Mapping[str, Any]:
        return {"InstanceProfile": profile_answer(service, service.get(InstanceProfile, params["InstanceProfileName"]))}

    def everything(params: Params) -> Mapping[str, Any]:
        found = service.all(InstanceProfile, params.get("PathPrefix", "/"))
        return page([profile_answer(service, one) for one in found], params, "InstanceProfiles")

    def of_role(params: Params) -> Mapping[str, Any]:
        role = service.get(Role, params["RoleName"])
        found = [one for one in service.all(InstanceProfile) if one.role == role.name]
        return page([profile_answer(service, one) for one in found], params, "InstanceProfiles")

    def adding(call: Call) -> Sequence[Access]:
        """INVARIANT (no_escalation): whoever puts a role where a machine takes it must be allowed to pass the role."""
        passed = rules.on(service, Role, call.params["RoleName"], "iam:PassRole")
        context = {**passed.context, "iam:PassedToService": "ec2.amazonaws.com"}
        return (
            *named("iam:AddRoleToInstanceProfile")(call),
            Access(passed.action, passed.resource, context),
        )

    return (
        operation("CreateInstanceProfile", rules.create(service, InstanceProfile, "InstanceProfileName"), create),
        operation("GetInstanceProfile", named("iam:GetInstanceProfile"), get, read=True),
        operation("ListInstanceProfiles", rules.listing("iam:ListInstanceProfiles"), everything, read=True),
        operation(
            "ListInstanceProfilesForRole",
            rules.entity(service, Role, "RoleName")("iam:ListInstanceProfilesForRole"),
            of_role,
            read=True,
        ),
        operation(
            "DeleteInstanceProfile",
            named("iam:DeleteInstanceProfile"),
            lambda params: profiles.delete(params["InstanceProfileName"]),
        ),
        operation(
            "AddRoleToInstanceProfile",
            adding,
            lambda params: profiles.add_role(params["InstanceProfileName"], params["RoleName"]),
        ),
        operation(
            "RemoveRoleFromInstanceProfile",
            named("iam:RemoveRoleFromInstanceProfile"),
            lambda params: profiles.remove_role(params["InstanceProfileName"], params["RoleName"]),
        ),
    )
