"""Managed policies and their versions."""

from collections.abc import Mapping, Sequence
from typing import Any

from lakewarden.guard import Operation, Rule
from lakewarden.identity import rules
from lakewarden.identity.api.shapes import HOLDERS, Params, operation, page, policy_answer, version_answer
from lakewarden.identity.errors import NoSuchEntity
from lakewarden.identity.model import Holder, Policy
from lakewarden.identity.policies import Usage
from lakewarden.identity.service import IdentityService, tags_of


def operations(service: IdentityService) -> Sequence[Operation]:
    """The rows about managed policies."""
    policies = service.policies

    def rule(action: str) -> Rule:
        return lambda call: (rules.on_policy(service, call.params["PolicyArn"], action),)

    def create(params: Params) -> Mapping[str, Any]:
        policy = policies.create(
            params["PolicyName"], params["PolicyDocument"], params.get("Path", "/"),
            tags_of(params.get("Tags")), params.get("Description", ""),
        )  # fmt: skip
        return {"Policy": policy_answer(policy, policies.arn(policy), Usage())}

    def get(params: Params) -> Mapping[str, Any]:
        arn = params["PolicyArn"]
        return {"Policy": policy_answer(policies.by_arn(arn), arn, policies.usage(arn))}

    def everything(params: Params) -> Mapping[str, Any]:
        return page(_listed(service, params), params, "Policies")

    return (
        operation("CreatePolicy", rules.create(service, Policy, "PolicyName"), create),
        operation("GetPolicy", rule("iam:GetPolicy"), get, read=True),
        operation("ListPolicies", rules.listing("iam:ListPolicies"), everything, read=True),
        operation("DeletePolicy", rule("iam:DeletePolicy"), lambda params: policies.delete(params["PolicyArn"])),
        operation(
            "ListEntitiesForPolicy",
            rule("iam:ListEntitiesForPolicy"),
            lambda params: _entities(service, params),
            read=True,
        ),
        *_versions(service, rule),
    )


def _versions(service: IdentityService, rule: Any) -> Sequence[Operation]:
    policies = service.policies

    def create(params: Params) -> Mapping[str, Any]:
        version, policy = policies.create_version(
            params["PolicyArn"], params["PolicyDocument"], default=params.get("SetAsDefault", False)
        )
        return {"PolicyVersion": version_answer(policy, version, document=False)}

    def get(params: Params) -> Mapping[str, Any]:
        policy = policies.by_arn(params["PolicyArn"])
        if params["VersionId"] not in policy.versions:
            raise NoSuchEntity(f"Policy {params['PolicyArn']} version {params['VersionId']} does not exist.")
        return {"PolicyVersion": version_answer(policy, params["VersionId"], document=True)}

    def versions(params: Params) -> Mapping[str, Any]:
        policy = policies.by_arn(params["PolicyArn"])
        answers = [version_answer(policy, version, document=False) for version in reversed(policy.versions)]
        return page(answers, params, "Versions")

    return (
        operation("CreatePolicyVersion", rule("iam:CreatePolicyVersion"), create),
        operation("GetPolicyVersion", rule("iam:GetPolicyVersion"), get, read=True),
        operation("ListPolicyVersions", rule("iam:ListPolicyVersions"), versions, read=True),
        operation(
            "DeletePolicyVersion",
            rule("iam:DeletePolicyVersion"),
            lambda params: policies.delete_version(params["PolicyArn"], params["VersionId"]),
        ),
        operation(
            "SetDefaultPolicyVersion",
            rule("iam:SetDefaultPolicyVersion"),
            lambda params: policies.set_default_version(params["PolicyArn"], params["VersionId"]),
        ),
    )


def _listed(service: IdentityService, params: Params) -> list[dict[str, Any]]:
    policies = service.policies
    scope, prefix = params.get("Scope", "All"), params.get("PathPrefix", "/")
    found: dict[str, Policy] = {}
    if scope != "AWS":
        found |= {policies.arn(policy): policy for policy in service.all(Policy, prefix)}
    if scope != "Local":
        found |= {arn: policy for arn, policy in policies.shipped().items() if policy.path.startswith(prefix)}
    usages = policies.usages()
    asked = params.get("PolicyUsageFilter", "")
    answers = []
    for arn, policy in found.items():
        usage = usages.get(arn, Usage())
        users = {"PermissionsPolicy": usage.attached, "PermissionsBoundary": usage.boundary}.get(asked)
        if asked and not users:
            continue
        if params.get("OnlyAttached") and not usage.attached:
            continue
        answer = policy_answer(policy, arn, usage)
        # As at AWS, a listing shows neither the description nor the tags.
        answers.append({key: value for key, value in answer.items() if key not in {"Description", "Tags"}})
    return answers


def _entities(service: IdentityService, params: Params) -> Mapping[str, Any]:
    arn, wanted = params["PolicyArn"], params.get("EntityFilter", "")
    service.policies.by_arn(arn)
    usage = service.policies.usage(arn)
    asked = params.get("PolicyUsageFilter", "")
    attached = () if asked == "PermissionsBoundary" else usage.attached
    boundary = () if asked == "PermissionsPolicy" else usage.boundary
    found: dict[tuple[str, str], Holder] = {(one.kind, one.name): one for one in (*attached, *boundary)}
    kinds = [title for title, _ in HOLDERS if wanted in {"", title}]
    entities = [
        (title, one)
        for title, kind in HOLDERS
        for one in found.values()
        if title in kinds and isinstance(one, kind) and one.path.startswith(params.get("PathPrefix", "/"))
    ]
    shown = page(entities, params, "found")
    return {
        f"Policy{title}s": [
            {f"{title}Name": one.name, f"{title}Id": one.id} for name, one in shown["found"] if name == title
        ]
        for title, _ in HOLDERS
    } | {key: value for key, value in shown.items() if key != "found"}
