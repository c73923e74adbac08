"""IAM's OPERATIONS table: handlers and the rules that open them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from lakewarden.guard import Access, AuthorizedCall, Operation, Operations, Rule, table_of
from lakewarden.identity import rules
from lakewarden.identity.errors import NoSuchEntity, ValidationError
from lakewarden.identity.model import Entity, Group, Holder, Policy, Role, User
from lakewarden.identity.service import IdentityService, tags_of

Params = Mapping[str, Any]
_KINDS: tuple[tuple[str, type[Holder]], ...] = (("User", User), ("Group", Group), ("Role", Role))


def operations(service: IdentityService) -> Operations:
    """IAM's operations over ``service``."""
    return table_of(
        *_users(service),
        *_groups(service),
        *_roles(service),
        *_policies(service),
        *_keys(service),
        *(one for title, kind in _KINDS for one in _holder(service, title, kind)),
        *(
            one
            for title, kind in (("User", User), ("Role", Role), ("Policy", Policy))
            for one in _tags(service, title, kind)
        ),
    )


# Answers


def user_answer(service: IdentityService, user: User) -> dict[str, Any]:
    """IAM's User shape."""
    return {**_entity(service, user, "User"), **_optional(user), "PasswordLastUsed": None}


def role_answer(service: IdentityService, role: Role) -> dict[str, Any]:
    """IAM's Role shape."""
    return {
        **_entity(service, role, "Role"),
        **_optional(role),
        "AssumeRolePolicyDocument": quote(role.trust, safe=""),
        "Description": role.description or None,
        "MaxSessionDuration": role.max_session,
    }


def group_answer(service: IdentityService, group: Group) -> dict[str, Any]:
    """IAM's Group shape."""
    return _entity(service, group, "Group")


def policy_answer(service: IdentityService, policy: Policy, arn: str = "") -> dict[str, Any]:
    """IAM's Policy shape."""
    arn = arn or service.arn(policy)
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": arn,
        "Path": policy.path,
        "DefaultVersionId": policy.default,
        "AttachmentCount": len(service.attachments(arn)),
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "Description": policy.description or None,
        "CreateDate": _moment(policy.created),
        "UpdateDate": _moment(policy.updated),
        "Tags": tag_list(policy.tags),
    }


def _entity(service: IdentityService, entity: Entity, title: str) -> dict[str, Any]:
    return {
        "Path": entity.path,
        f"{title}Name": entity.name,
        f"{title}Id": entity.id,
        "Arn": service.arn(entity),
        "CreateDate": _moment(entity.created),
    }


def _optional(entity: User | Role) -> dict[str, Any]:
    boundary = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": entity.boundary}
    return {
        "PermissionsBoundary": boundary if entity.boundary else None,
        "Tags": tag_list(entity.tags) or None,
    }


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """A dict as AWS's list of Key and Value."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _moment(text: str) -> datetime:
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


def _user_name(call: AuthorizedCall) -> str:
    """UserName, or the caller's own where it is left out."""
    return rules.user_name(call.call)


Do = Callable[[Params], Mapping[str, Any] | None]


def _operation(name: str, rule: Rule, do: Do, *, read: bool = False) -> Operation:
    def handler(call: AuthorizedCall) -> Mapping[str, Any]:
        return do(call.params) or {}

    return Operation(name, handler, rule, read_only=read)


def _users(service: IdentityService) -> Sequence[Operation]:
    named = rules.entity(service, User, "UserName")

    def create(params: Params) -> Mapping[str, Any]:
        user = service.create_user(
            params["UserName"],
            params.get("Path", "/"),
            tags_of(params.get("Tags")),
            params.get("PermissionsBoundary", ""),
        )
        return {"User": user_answer(service, user)}

    def get(call: AuthorizedCall) -> Mapping[str, Any]:
        return {"User": user_answer(service, service.get(User, _user_name(call)))}

    def everyone(params: Params) -> Mapping[str, Any]:
        users = service.all(User, params.get("PathPrefix", "/"))
        return page([user_answer(service, user) for user in users], params, "Users")

    def groups(params: Params) -> Mapping[str, Any]:
        found = [service.get(Group, name) for name in service.get(User, params["UserName"]).groups]
        return page([group_answer(service, group) for group in found], params, "Groups")

    return (
        _operation("CreateUser", rules.create(service, User, "UserName"), create),
        Operation("GetUser", get, rules.own_user(service, "iam:GetUser"), read_only=True),
        _operation("ListUsers", rules.listing("iam:ListUsers"), everyone, read=True),
        _operation("DeleteUser", named("iam:DeleteUser"), lambda params: service.delete(User, params["UserName"])),
        _operation(
            "UpdateUser",
            named("iam:UpdateUser"),
            lambda params: service.rename(
                User, params["UserName"], params.get("NewUserName", ""), params.get("NewPath", "")
            ),
        ),
        _operation("ListGroupsForUser", named("iam:ListGroupsForUser"), groups, read=True),
        _operation(
            "PutUserPermissionsBoundary",
            rules.boundary(service, User, "UserName", "iam:PutUserPermissionsBoundary"),
            lambda params: service.set_boundary(User, params["UserName"], params["PermissionsBoundary"]),
        ),
        _operation(
            "DeleteUserPermissionsBoundary",
            named("iam:DeleteUserPermissionsBoundary"),
            lambda params: service.set_boundary(User, params["UserName"], ""),
        ),
    )


def _groups(service: IdentityService) -> Sequence[Operation]:
    named = rules.entity(service, Group, "GroupName")

    def create(params: Params) -> Mapping[str, Any]:
        return {"Group": group_answer(service, service.create_group(params["GroupName"], params.get("Path", "/")))}

    def get(params: Params) -> Mapping[str, Any]:
        group = service.get(Group, params["GroupName"])
        users = [user_answer(service, user) for user in service.members(group.name)]
        return {"Group": group_answer(service, group), **page(users, params, "Users")}

    def everything(params: Params) -> Mapping[str, Any]:
        groups = service.all(Group, params.get("PathPrefix", "/"))
        return page([group_answer(service, group) for group in groups], params, "Groups")

    return (
        _operation("CreateGroup", rules.create(service, Group, "GroupName"), create),
        _operation("GetGroup", named("iam:GetGroup"), get, read=True),
        _operation("ListGroups", rules.listing("iam:ListGroups"), everything, read=True),
        _operation("DeleteGroup", named("iam:DeleteGroup"), lambda params: service.delete(Group, params["GroupName"])),
        _operation(
            "UpdateGroup",
            named("iam:UpdateGroup"),
            lambda params: service.rename(
                Group, params["GroupName"], params.get("NewGroupName", ""), params.get("NewPath", "")
            ),
        ),
        _operation(
            "AddUserToGroup",
            named("iam:AddUserToGroup"),
            lambda params: service.join(params["UserName"], params["GroupName"]),
        ),
        _operation(
            "RemoveUserFromGroup",
            named("iam:RemoveUserFromGroup"),
            lambda params: service.leave(params["UserName"], params["GroupName"]),
        ),
    )


def _roles(service: IdentityService) -> Sequence[Operation]:
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

    def everything(params: Params) -> Mapping[str, Any]:
        roles = service.all(Role, params.get("PathPrefix", "/"))
        return page([role_answer(service, role) for role in roles], params, "Roles")

    return (
        _operation("CreateRole", rules.create(service, Role, "RoleName"), create),
        _operation(
            "GetRole",
            named("iam:GetRole"),
            lambda params: {"Role": role_answer(service, service.get(Role, params["RoleName"]))},
            read=True,
        ),
        _operation("ListRoles", rules.listing("iam:ListRoles"), everything, read=True),
        _operation("DeleteRole", named("iam:DeleteRole"), lambda params: service.delete(Role, params["RoleName"])),
        _operation(
            "UpdateRole",
            named("iam:UpdateRole"),
            lambda params: service.update_role(
                params["RoleName"], params.get("Description"), params.get("MaxSessionDuration")
            ),
        ),
        _operation(
            "UpdateAssumeRolePolicy",
            named("iam:UpdateAssumeRolePolicy"),
            lambda params: service.set_trust(params["RoleName"], params["PolicyDocument"]),
        ),
        _operation(
            "PutRolePermissionsBoundary",
            rules.boundary(service, Role, "RoleName", "iam:PutRolePermissionsBoundary"),
            lambda params: service.set_boundary(Role, params["RoleName"], params["PermissionsBoundary"]),
        ),
        _operation(
            "DeleteRolePermissionsBoundary",
            named("iam:DeleteRolePermissionsBoundary"),
            lambda params: service.set_boundary(Role, params["RoleName"], ""),
        ),
        _operation(
            "ListInstanceProfilesForRole",
            named("iam:ListInstanceProfilesForRole"),
            lambda params: page([], {"RoleName": service.get(Role, params["RoleName"]).name}, "InstanceProfiles"),
            read=True,
        ),
    )


def _policies(service: IdentityService) -> Sequence[Operation]:
    def rule(action: str) -> Rule:
        return lambda call: (Access(action, call.params["PolicyArn"]),)

    def create(params: Params) -> Mapping[str, Any]:
        policy = service.create_policy(
            params["PolicyName"], params["PolicyDocument"], params.get("Path", "/"),
            tags_of(params.get("Tags")), params.get("Description", ""),
        )  # fmt: skip
        return {"Policy": policy_answer(service, policy)}

    def everything(params: Params) -> Mapping[str, Any]:
        scope, prefix = params.get("Scope", "All"), params.get("PathPrefix", "/")
        local = [] if scope == "AWS" else [(policy, "") for policy in service.all(Policy, prefix)]
        shipped = (
            []
            if scope == "Local"
            else [(policy, f"arn:aws:iam::aws:{policy.resource}") for policy in service.shipped()]
        )
        answers = [
            policy_answer(service, policy, arn) for policy, arn in (*local, *shipped) if policy.path.startswith(prefix)
        ]
        if params.get("OnlyAttached"):
            answers = [answer for answer in answers if answer["AttachmentCount"]]
        return page(answers, params, "Policies")

    def version_answer(policy: Policy, version: str, *, document: bool) -> dict[str, Any]:
        found = policy.versions[version]
        return {
            "VersionId": version,
            "IsDefaultVersion": version == policy.default,
            "CreateDate": _moment(found.created),
            "Document": quote(found.document, safe="") if document else None,
        }

    def create_version(params: Params) -> Mapping[str, Any]:
        version, policy = service.create_version(
            params["PolicyArn"], params["PolicyDocument"], default=params.get("SetAsDefault", False)
        )
        return {"PolicyVersion": version_answer(policy, version, document=False)}

    def get_version(params: Params) -> Mapping[str, Any]:
        policy = service.policy_by_arn(params["PolicyArn"])
        if params["VersionId"] not in policy.versions:
            raise NoSuchEntity(f"Policy {params['PolicyArn']} version {params['VersionId']} does not exist.")
        return {"PolicyVersion": version_answer(policy, params["VersionId"], document=True)}

    def versions(params: Params) -> Mapping[str, Any]:
        policy = service.policy_by_arn(params["PolicyArn"])
        answers = [version_answer(policy, version, document=False) for version in reversed(policy.versions)]
        return page(answers, params, "Versions")

    def entities(params: Params) -> Mapping[str, Any]:
        service.policy_by_arn(params["PolicyArn"])
        found = service.attachments(params["PolicyArn"])
        return {
            f"Policy{title}s": [
                {f"{title}Name": one.name, f"{title}Id": one.id} for one in found if isinstance(one, kind)
            ]
            for title, kind in _KINDS
        } | {"IsTruncated": False}

    return (
        _operation("CreatePolicy", rules.create(service, Policy, "PolicyName"), create),
        _operation(
            "GetPolicy",
            rule("iam:GetPolicy"),
            lambda params: {
                "Policy": policy_answer(service, service.policy_by_arn(params["PolicyArn"]), params["PolicyArn"])
            },
            read=True,
        ),
        _operation("ListPolicies", rules.listing("iam:ListPolicies"), everything, read=True),
        _operation("DeletePolicy", rule("iam:DeletePolicy"), lambda params: service.delete_policy(params["PolicyArn"])),
        _operation("CreatePolicyVersion", rule("iam:CreatePolicyVersion"), create_version),
        _operation("GetPolicyVersion", rule("iam:GetPolicyVersion"), get_version, read=True),
        _operation("ListPolicyVersions", rule("iam:ListPolicyVersions"), versions, read=True),
        _operation(
            "DeletePolicyVersion",
            rule("iam:DeletePolicyVersion"),
            lambda params: service.delete_version(params["PolicyArn"], params["VersionId"]),
        ),
        _operation(
            "SetDefaultPolicyVersion",
            rule("iam:SetDefaultPolicyVersion"),
            lambda params: service.set_default_version(params["PolicyArn"], params["VersionId"]),
        ),
        _operation("ListEntitiesForPolicy", rule("iam:ListEntitiesForPolicy"), entities, read=True),
    )


def _keys(service: IdentityService) -> Sequence[Operation]:
    def operation(name: str, do: Callable[[str, Params], Mapping[str, Any] | None], *, read: bool = False) -> Operation:
        def handler(call: AuthorizedCall) -> Mapping[str, Any]:
            return do(_user_name(call), call.params) or {}

        hidden = frozenset({"AccessKey.SecretAccessKey", "Password", "NewPassword", "OldPassword"})
        return Operation(name, handler, rules.own_user(service, f"iam:{name}"), read_only=read, hidden=hidden)

    def create(user: str, _: Params) -> Mapping[str, Any]:
        key, secret = service.create_key(user)
        return {
            "AccessKey": {
                "UserName": key.user, "AccessKeyId": key.id, "Status": "Active", "SecretAccessKey": secret,
                "CreateDate": _moment(key.created),
            }
        }  # fmt: skip

    def keys(user: str, params: Params) -> Mapping[str, Any]:
        answers = [
            {
                "UserName": key.user, "AccessKeyId": key.id, "Status": "Active" if key.active else "Inactive",
                "CreateDate": _moment(key.created),
            }
            for key in service.keys(user)
        ]  # fmt: skip
        return page(answers, params, "AccessKeyMetadata")

    def profile(user: User) -> Mapping[str, Any]:
        return {
            "LoginProfile": {
                "UserName": user.name, "CreateDate": _moment(user.password_created),
                "PasswordResetRequired": user.password_reset_required,
            }
        }  # fmt: skip

    def get_profile(user: str, _: Params) -> Mapping[str, Any]:
        found = service.get(User, user)
        if not found.password:
            raise NoSuchEntity(f"Login Profile for User {user} cannot be found.")
        return profile(found)

    def set_profile(user: str, params: Params, *, create: bool) -> User:
        reset = params.get("PasswordResetRequired", False)
        return service.set_password(user, params["Password"], reset_required=reset, create=create)

    def void(_: User) -> None:
        return None

    return (
        operation("CreateAccessKey", create),
        operation("ListAccessKeys", keys, read=True),
        operation(
            "UpdateAccessKey",
            lambda user, params: service.set_key_active(
                user, params["AccessKeyId"], active=params["Status"] == "Active"
            ),
        ),
        operation("DeleteAccessKey", lambda user, params: service.delete_key(user, params["AccessKeyId"])),
        operation("CreateLoginProfile", lambda user, params: profile(set_profile(user, params, create=True))),
        operation("GetLoginProfile", get_profile, read=True),
        operation("UpdateLoginProfile", lambda user, params: void(set_profile(user, params, create=False))),
        operation("DeleteLoginProfile", lambda user, _: service.delete_password(user)),
    )


def _holder(service: IdentityService, title: str, kind: type[Holder]) -> Sequence[Operation]:
    """What users, groups and roles have in common: attached and inline policies."""
    member = f"{title}Name"
    named = rules.entity(service, kind, member)
    attaching = rules.attaching(service, kind, member)

    def attached(params: Params) -> Mapping[str, Any]:
        arns = service.get(kind, params[member]).attached
        answers = [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in arns]
        return page(answers, params, "AttachedPolicies")

    def get_inline(params: Params) -> Mapping[str, Any]:
        document = service.inline(kind, params[member], params["PolicyName"])
        return {member: params[member], "PolicyName": params["PolicyName"], "PolicyDocument": quote(document, safe="")}

    return (
        _operation(
            f"Attach{title}Policy",
            attaching(f"iam:Attach{title}Policy"),
            lambda params: service.attach(kind, params[member], params["PolicyArn"]),
        ),
        _operation(
            f"Detach{title}Policy",
            attaching(f"iam:Detach{title}Policy"),
            lambda params: service.detach(kind, params[member], params["PolicyArn"]),
        ),
        _operation(f"ListAttached{title}Policies", named(f"iam:ListAttached{title}Policies"), attached, read=True),
        _operation(
            f"Put{title}Policy",
            named(f"iam:Put{title}Policy"),
            lambda params: service.put_inline(kind, params[member], params["PolicyName"], params["PolicyDocument"]),
        ),
        _operation(f"Get{title}Policy", named(f"iam:Get{title}Policy"), get_inline, read=True),
        _operation(
            f"List{title}Policies",
            named(f"iam:List{title}Policies"),
            lambda params: page(sorted(service.get(kind, params[member]).inline), params, "PolicyNames"),
            read=True,
        ),
        _operation(
            f"Delete{title}Policy",
            named(f"iam:Delete{title}Policy"),
            lambda params: service.delete_inline(kind, params[member], params["PolicyName"]),
        ),
    )


def _tags(service: IdentityService, title: str, kind: type[User] | type[Role] | type[Policy]) -> Sequence[Operation]:
    member = "PolicyArn" if kind is Policy else f"{title}Name"
    named = rules.tagging(service, kind, member)

    def name(params: Params) -> str:
        return str(params[member]).rpartition("/")[2]

    def tags(params: Params) -> Mapping[str, Any]:
        return page(tag_list(service.get(kind, name(params)).tags), params, "Tags")

    return (
        _operation(
            f"Tag{title}",
            named(f"iam:Tag{title}"),
            lambda params: service.tag(kind, name(params), tags_of(params["Tags"])),
        ),
        _operation(
            f"Untag{title}",
            named(f"iam:Untag{title}"),
            lambda params: service.untag(kind, name(params), params["TagKeys"]),
        ),
        _operation(f"List{title}Tags", named(f"iam:List{title}Tags"), tags, read=True),
    )
