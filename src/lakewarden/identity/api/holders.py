"""What users, groups and roles have in common: attached and inline policies, and tags."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from lakewarden.guard import Operation
from lakewarden.identity import rules
from lakewarden.identity.api.shapes import HOLDERS, Params, attached_answer, operation, page, tag_list
from lakewarden.identity.model import Entity, Holder, InstanceProfile, OidcProvider, Policy, Role, SamlProvider, User
from lakewarden.identity.service import IdentityService, Taggable, tags_of

_TAGGED: tuple[tuple[str, Taggable, str], ...] = (
    ("User", User, "UserName"),
    ("Role", Role, "RoleName"),
    ("Policy", Policy, "PolicyArn"),
    ("InstanceProfile", InstanceProfile, "InstanceProfileName"),
    ("OpenIDConnectProvider", OidcProvider, "OpenIDConnectProviderArn"),
    ("SAMLProvider", SamlProvider, "SAMLProviderArn"),
)


def operations(service: IdentityService) -> Sequence[Operation]:
    """The rows of every kind of holder, and of everything that bears tags."""
    return (
        *(one for title, kind in HOLDERS for one in _holder(service, title, kind)),
        *(one for title, kind, member in _TAGGED for one in _tags(service, title, kind, member)),
    )


def _holder(service: IdentityService, title: str, kind: type[Holder]) -> Sequence[Operation]:
    member = f"{title}Name"
    named = rules.entity(service, kind, member)
    attaching = rules.attaching(service, kind, member)

    def attached(params: Params) -> Mapping[str, Any]:
        prefix = params.get("PathPrefix", "/")
        arns = [arn for arn in service.get(kind, params[member]).attached if _path(arn).startswith(prefix)]
        return page(attached_answer(arns), params, "AttachedPolicies")

    def get_inline(params: Params) -> Mapping[str, Any]:
        document = service.inline(kind, params[member], params["PolicyName"])
        return {member: params[member], "PolicyName": params["PolicyName"], "PolicyDocument": quote(document, safe="")}

    return (
        operation(
            f"Attach{title}Policy",
            attaching(f"iam:Attach{title}Policy"),
            lambda params: service.attach(kind, params[member], params["PolicyArn"]),
        ),
        operation(
            f"Detach{title}Policy",
            attaching(f"iam:Detach{title}Policy"),
            lambda params: service.detach(kind, params[member], params["PolicyArn"]),
        ),
        operation(f"ListAttached{title}Policies", named(f"iam:ListAttached{title}Policies"), attached, read=True),
        operation(
            f"Put{title}Policy",
            named(f"iam:Put{title}Policy"),
            lambda params: service.put_inline(kind, params[member], params["PolicyName"], params["PolicyDocument"]),
        ),
        operation(f"Get{title}Policy", named(f"iam:Get{title}Policy"), get_inline, read=True),
        operation(
            f"List{title}Policies",
            named(f"iam:List{title}Policies"),
            lambda params: page(sorted(service.get(kind, params[member]).inline), params, "PolicyNames"),
            read=True,
        ),
        operation(
            f"Delete{title}Policy",
            named(f"iam:Delete{title}Policy"),
            lambda params: service.delete_inline(kind, params[member], params["PolicyName"]),
        ),
    )


def _path(policy_arn: str) -> str:
    return "/" + policy_arn.partition(":policy/")[2].rpartition("/")[0] + "/"


def _tags(service: IdentityService, title: str, kind: Taggable, member: str) -> Sequence[Operation]:
    named = rules.tagging(service, kind, member)

    def name(params: Params) -> str:
        return rules.name_of(kind, params[member])

    def tags(params: Params) -> Mapping[str, Any]:
        found: Entity = service.get(kind, name(params))
        return page(tag_list(found.tags), params, "Tags")

    return (
        operation(
            f"Tag{title}",
            named(f"iam:Tag{title}"),
            lambda params: service.tag(kind, name(params), tags_of(params["Tags"])),
        ),
        operation(
            f"Untag{title}",
            named(f"iam:Untag{title}"),
            lambda params: service.untag(kind, name(params), params["TagKeys"]),
        ),
        operation(f"List{title}Tags", named(f"iam:List{title}Tags"), tags, read=True),
    )
