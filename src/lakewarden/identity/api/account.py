"""The account as a whole: alias, password policy, summary, authorization details, credential report."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from lakewarden.guard import Operation
from lakewarden.identity import entities, rules
from lakewarden.identity.account import AccountSettings
from lakewarden.identity.api.shapes import (
    Params,
    attached_answer,
    bounded,
    entity_answer,
    last_used_answer,
    operation,
    page,
    policy_answer,
    profile_answer,
    version_answer,
)
from lakewarden.identity.last_used import LastUses
from lakewarden.identity.model import (
    Group,
    Holder,
    InstanceProfile,
    MfaDevice,
    OidcProvider,
    PasswordPolicy,
    Policy,
    Role,
    SamlProvider,
    User,
)
from lakewarden.identity.policies import Usage
from lakewarden.identity.service import IdentityService


def operations(service: IdentityService, settings: AccountSettings, uses: LastUses) -> Sequence[Operation]:
    """The rows about the account."""

    def generate(_: Params) -> Mapping[str, Any]:
        uses.flush()
        settings.generate_report()
        return {"State": "COMPLETE"}

    def report(_: Params) -> Mapping[str, Any]:
        content, made = settings.report()
        return {"Content": content.encode(), "ReportFormat": "text/csv", "GeneratedTime": made}

    def aliases(params: Params) -> Mapping[str, Any]:
        alias = settings.current().alias
        return page([alias] if alias else [], params, "AccountAliases")

    def details(params: Params) -> Mapping[str, Any]:
        uses.flush()
        return _details(service, params)

    def row(name: str, do: Any, *, read: bool = False) -> Operation:
        return operation(name, rules.listing(f"iam:{name}"), do, read=read)

    return (
        row("CreateAccountAlias", lambda params: settings.set_alias(params["AccountAlias"])),
        row("DeleteAccountAlias", lambda params: settings.delete_alias(params["AccountAlias"])),
        row("ListAccountAliases", aliases, read=True),
        row(
            "GetAccountPasswordPolicy",
            lambda _: {"PasswordPolicy": _password_policy_answer(settings.password_policy())},
            read=True,
        ),
        row("UpdateAccountPasswordPolicy", lambda params: settings.set_password_policy(_password_policy(params))),
        row("DeleteAccountPasswordPolicy", lambda _: settings.set_password_policy(None)),
        row("GetAccountSummary", lambda _: {"SummaryMap": _summary(service)}, read=True),
        row("GetAccountAuthorizationDetails", details, read=True),
        row("GenerateCredentialReport", generate),
        row("GetCredentialReport", report, read=True),
    )


_PASSWORD_MEMBERS: Mapping[str, str] = {
    "MinimumPasswordLength": "minimum_length",
    "RequireSymbols": "symbols",
    "RequireNumbers": "numbers",
    "RequireUppercaseCharacters": "uppercase",
    "RequireLowercaseCharacters": "lowercase",
    "AllowUsersToChangePassword": "users_may_change",
    "MaxPasswordAge": "max_age_days",
    "PasswordReusePrevention": "reuse_prevention",
    "HardExpiry": "hard_expiry",
}


def _password_policy(params: Params) -> PasswordPolicy:
    """What is left out is set back to its default, as at AWS."""
    return PasswordPolicy(**{field: params[name] for name, field in _PASSWORD_MEMBERS.items() if name in params})


def _password_policy_answer(policy: PasswordPolicy) -> Mapping[str, Any]:
    answer = {name: getattr(policy, field) for name, field in _PASSWORD_MEMBERS.items()}
    for name in ("MaxPasswordAge", "PasswordReusePrevention"):
        answer[name] = answer[name] or None
    return answer | {"ExpirePasswords": bool(policy.max_age_days)}


def _summary(service: IdentityService) -> Mapping[str, int]:
    users = service.all(User)
    policies = service.all(Policy)
    devices = service.all(MfaDevice)
    return {
        "Users": len(users),
        "UsersQuota": entities.QUOTAS[User],
        "Groups": len(service.all(Group)),
        "GroupsQuota": entities.QUOTAS[Group],
        "Roles": len(service.all(Role)),
        "RolesQuota": entities.QUOTAS[Role],
        "Policies": len(policies),
        "PoliciesQuota": entities.QUOTAS[Policy],
        "InstanceProfiles": len(service.all(InstanceProfile)),
        "InstanceProfilesQuota": entities.QUOTAS[InstanceProfile],
        "Providers": len(service.all(OidcProvider)) + len(service.all(SamlProvider)),
        "PolicyVersionsInUse": sum(len(policy.versions) for policy in policies),
        "PolicyVersionsInUseQuota": 10000,
        "VersionsPerPolicyQuota": 5,
        "AccessKeysPerUserQuota": 2,
        "GroupsPerUserQuota": entities.GROUPS_PER_USER,
        "AttachedPoliciesPerUserQuota": entities.ATTACHED_PER_ENTITY,
        "AttachedPoliciesPerGroupQuota": entities.ATTACHED_PER_ENTITY,
        "AttachedPoliciesPerRoleQuota": entities.ATTACHED_PER_ENTITY,
        "UserPolicySizeQuota": 2048,
        "GroupPolicySizeQuota": 5120,
        "RolePolicySizeQuota": 10240,
        "PolicySizeQuota": 6144,
        "AssumeRolePolicySizeQuota": 2048,
        "MFADevices": len(devices),
        "MFADevicesInUse": sum(bool(device.user_id) for device in devices),
        "AccountMFAEnabled": 0,
        "AccountAccessKeysPresent": 0,
        "AccountPasswordPresent": 0,
        "ServerCertificates": 0,
        "GlobalEndpointTokenVersion": 2,
    }


def _details(service: IdentityService, params: Params) -> Mapping[str, Any]:
    wanted = set(params.get("Filter") or ("User", "Group", "Role", "LocalManagedPolicy", "AWSManagedPolicy"))
    used = service.last_uses()
    profiles = service.all(InstanceProfile) if "Role" in wanted else []
    usages = service.policies.usages()
    found: list[tuple[str, dict[str, Any]]] = []
    if "User" in wanted:
        for user in service.all(User):
            own = {"GroupList": list(user.groups), "UserPolicyList": _inline(user), **bounded(user)}
            found.append(("UserDetailList", entity_answer(service, user, "User") | _attached(user) | own))
    if "Group" in wanted:
        for group in service.all(Group):
            own = {"GroupPolicyList": _inline(group)}
            found.append(("GroupDetailList", entity_answer(service, group, "Group") | _attached(group) | own))
    if "Role" in wanted:
        for role in service.all(Role):
            own = {
                "AssumeRolePolicyDocument": quote(role.trust, safe=""),
                "RolePolicyList": _inline(role),
                "InstanceProfileList": [profile_answer(service, one) for one in profiles if one.role == role.name],
                "RoleLastUsed": last_used_answer(used.get(role.id)),
                **bounded(role),
            }
            found.append(("RoleDetailList", entity_answer(service, role, "Role") | _attached(role) | own))
    policies: dict[str, Policy] = {}
    if "LocalManagedPolicy" in wanted:
        policies |= {service.policies.arn(policy): policy for policy in service.all(Policy)}
    if "AWSManagedPolicy" in wanted:
        policies |= {arn: policy for arn, policy in service.policies.shipped().items() if arn in usages}
    for arn, policy in policies.items():
        versions = [version_answer(policy, version, document=True) for version in reversed(policy.versions)]
        answer = policy_answer(policy, arn, usages.get(arn, Usage()))
        answer.pop("Tags")
        found.append(("Policies", answer | {"PolicyVersionList": versions}))
    shown = page(found, params, "found")
    lists = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
    return {name: [one for key, one in shown["found"] if key == name] for name in lists} | {
        key: value for key, value in shown.items() if key != "found"
    }


def _inline(holder: Holder) -> list[dict[str, str]]:
    return [
        {"PolicyName": name, "PolicyDocument": quote(document, safe="")} for name, document in holder.inline.items()
    ]


def _attached(holder: Holder) -> dict[str, Any]:
    return {"AttachedManagedPolicies": attached_answer(holder.attached)}
