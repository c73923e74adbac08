"""IAM's answers: entities in the shapes of the API reference, and its pages."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from lakewarden.guard import AuthorizedCall, Operation, Rule
from lakewarden.identity.errors import ValidationError
from lakewarden.identity.model import Entity, Group, Holder, InstanceProfile, Policy, Role, User
from lakewarden.identity.policies import Usage
from lakewarden.identity.service import IdentityService
from lakewarden.identity.store import LastUse

Params = Mapping[str, Any]
Do = Callable[[Params], Mapping[str, Any] | None]
HOLDERS: tuple[tuple[str, type[Holder]], ...] = (("User", User), ("Group", Group), ("Role", Role))


def operation(name: str, rule: Rule, do: Do, *, read: bool = False) -> Operation:
    """A row whose handler needs the input members only."""

    def handler(call: AuthorizedCall) -> Mapping[str, Any]:
        return do(call.params) or {}

    return Operation(name, handler, rule, read_only=read)


def user_answer(service: IdentityService, user: User, *, signed_in: LastUse | None = None) -> dict[str, Any]:
    """IAM's User shape."""
    used = moment(signed_in.at) if signed_in is not None else None
    return {**entity_answer(service, user, "User"), **bounded(user), "PasswordLastUsed": used}


def role_answer(service: IdentityService, role: Role, *, used: LastUse | None = None) -> dict[str, Any]:
    """IAM's Role shape."""
    return {
        **entity_answer(service, role, "Role"),
        **bounded(role),
        "AssumeRolePolicyDocument": quote(role.trust, safe=""),
        "Description": role.description or None,
        "MaxSessionDuration": role.max_session,
        "RoleLastUsed": last_used_answer(used),
    }


def last_used_answer(used: LastUse | None) -> dict[str, Any] | None:
    """IAM's RoleLastUsed shape."""
    return None if used is None else {"LastUsedDate": moment(used.at), "Region": used.region}


def listed(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What listings show of a user or role: not its tags, boundary and last use, as at AWS."""
    return {key: value for key, value in answer.items() if key not in {"Tags", "PermissionsBoundary", "RoleLastUsed"}}


def group_answer(service: IdentityService, group: Group) -> dict[str, Any]:
    """IAM's Group shape."""
    return entity_answer(service, group, "Group")


def profile_answer(service: IdentityService, profile: InstanceProfile) -> dict[str, Any]:
    """IAM's InstanceProfile shape."""
    role = service.find(Role, profile.role) if profile.role else None
    return {
        **entity_answer(service, profile, "InstanceProfile"),
        "Roles": [listed(role_answer(service, role))] if role is not None else [],
        "Tags": tag_list(profile.tags) or None,
    }


def policy_answer(policy: Policy, arn: str, usage: Usage) -> dict[str, Any]:
    """IAM's Policy shape."""
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": arn,
        "Path": policy.path,
        "DefaultVersionId": policy.default,
        "AttachmentCount": len(usage.attached),
        "PermissionsBoundaryUsageCount": len(usage.boundary),
        "IsAttachable": True,
        "Description": policy.description or None,
        "CreateDate": moment(policy.created),
        "UpdateDate": moment(policy.updated),
        "Tags": tag_list(policy.tags),
    }


def version_answer(policy: Policy, version: str, *, document: bool) -> dict[str, Any]:
    """IAM's PolicyVersion shape."""
    found = policy.versions[version]
    return {
        "VersionId": version,
        "IsDefaultVersion": version == policy.default,
        "CreateDate": moment(found.created),
        "Document": quote(found.document, safe="") if document else None,
    }


def attached_answer(arns: Sequence[str]) -> list[dict[str, str]]:
    """A list of IAM's AttachedPolicy shape."""
    return [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in arns]


def entity_answer(service: IdentityService, entity: Entity, title: str) -> dict[str, Any]:
    """What all shapes begin with."""
    return {
        "Path": entity.path,
        f"{title}Name": entity.name,
        f"{title}Id": entity.id,
        "Arn": service.arn(entity),
        "CreateDate": moment(entity.created),
    }


def bounded(entity: User | Role) -> dict[str, Any]:
    """Boundary and tags."""
    boundary = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": entity.boundary}
    return {
        "PermissionsBoundary": boundary if entity.boundary else None,
        "Tags": tag_list(entity.tags) or None,
    }


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """A dict as AWS's list of Key and Value."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def moment(text: str) -> datetime:
    """A stored time."""
    return datetime.fromisoformat(text)


def page(items: Sequence[Any], params: Params, name: str) -> dict[str, Any]:
    """One page under IAM's Marker protocol: the marker is the position of the next item."""
    marker = params.get("Marker", "")
    if marker and not (marker.isascii() and marker.isdigit() and len(marker) < 10):
        raise ValidationError("Invalid Marker.")
    start = int(marker or 0)
    end = start + int(params.get("MaxItems", 100))
    more = end < len(items)
    return {name: list(items[start:end]), "IsTruncated": more, **({"Marker": str(end)} if more else {})}
