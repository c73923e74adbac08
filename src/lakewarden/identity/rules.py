"""What IAM's operations ask of the policies (Service Authorization Reference, "IAM")."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lakewarden.guard import Access, Rule
from lakewarden.identity.errors import ValidationError
from lakewarden.identity.model import Entity, Group, OidcProvider, Policy, Role, User
from lakewarden.identity.service import IdentityService, tags_of
from lakewarden.kernel.arn import iam
from lakewarden.kernel.call import Call, PrincipalType

Context = dict[str, str | Sequence[str]]


def listing(action: str) -> Rule:
    """Listings have no resource of their own."""
    return lambda _: (Access(action),)


def entity(service: IdentityService, kind: type[Entity], member: str) -> Callable[[str], Rule]:
    """Rules on the entity that ``member`` names."""
    return lambda action: lambda call: (on(service, kind, call.params[member], action),)


def own_user(service: IdentityService, action: str) -> Rule:
    """A rule on the named user, or on the caller itself when no name is given."""
    return lambda call: (on(service, User, user_name(call), action),)


def user_name(call: Call) -> str:
    """UserName, or the calling user's own; raises :class:`ValidationError` for roles that leave it out."""
    name = call.params.get("UserName")
    if name:
        return str(name)
    if call.principal.type is not PrincipalType.USER:
        raise ValidationError("Must specify userName when calling with non-User credentials")
    return call.principal.name


def create(service: IdentityService, kind: type[Entity], member: str) -> Rule:
    """A rule on the entity that is about to be; its tags and boundary are in the context."""

    def rule(call: Call) -> Sequence[Access]:
        resource = f"{kind.kind}{call.params.get('Path', '/')}{call.params[member]}"
        context = _request_tags(tags_of(call.params.get("Tags")))
        if call.params.get("PermissionsBoundary"):
            context["iam:PermissionsBoundary"] = call.params["PermissionsBoundary"]
        arn = iam(service.account, resource)
        accesses = [Access(f"iam:{call.operation}", arn, context)]
        if call.params.get("Tags"):
            accesses.append(Access(f"iam:Tag{call.operation.removeprefix('Create')}", arn, context))
        return accesses

    return rule


def boundary(service: IdentityService, kind: type[Entity], member: str, action: str) -> Rule:
    """A rule that also shows the boundary that is to be put."""
    return lambda call: (
        on(service, kind, call.params[member], action, {"iam:PermissionsBoundary": call.params["PermissionsBoundary"]}),
    )


def attaching(service: IdentityService, kind: type[Entity], member: str) -> Callable[[str], Rule]:
    """Rules that also show the policy that is attached or detached."""
    return lambda action: (
        lambda call: (on(service, kind, call.params[member], action, {"iam:PolicyARN": call.params["PolicyArn"]}),)
    )


def tagging(service: IdentityService, kind: type[Entity], member: str) -> Callable[[str], Rule]:
    """Rules that also show the tags or tag keys of the request."""

    def with_action(action: str) -> Rule:
        def rule(call: Call) -> Sequence[Access]:
            context = _request_tags(tags_of(call.params.get("Tags")))
            if "TagKeys" in call.params:
                context["aws:TagKeys"] = tuple(call.params["TagKeys"])
            if not member.endswith("Arn"):
                return (on(service, kind, call.params[member], action, context),)
            found = service.find(kind, name_of(kind, call.params[member]))
            if found is not None and service.arn(found) == call.params[member]:
                context |= _resource_tags(found)
            return (Access(action, call.params[member], context),)

        return rule

    return with_action


def renaming(service: IdentityService, kind: type[Entity], member: str) -> Rule:
    """UpdateUser and UpdateGroup need their right on the old ARN and on the new one."""

    def rule(call: Call) -> Sequence[Access]:
        params = call.params
        access = on(service, kind, params[member], f"iam:{call.operation}")
        new_name, new_path = params.get(f"New{member}"), params.get("NewPath")
        found = service.find(kind, params[member])
        if found is None or not (new_name or new_path):
            return (access,)
        # INVARIANT (no_escalation): a name is a claim, since policies speak of ${aws:username}.
        renamed = iam(service.account, f"{kind.kind}{new_path or found.path}{new_name or found.name}")
        return (access, Access(access.action, renamed, access.context))

    return rule


def create_as(service: IdentityService, resource: Callable[[Mapping[str, Any]], str]) -> Rule:
    """A rule on the ARN that is about to be, its tags in the context."""

    def rule(call: Call) -> Sequence[Access]:
        context = _request_tags(tags_of(call.params.get("Tags")))
        arn = iam(service.account, resource(call.params))
        accesses = [Access(f"iam:{call.operation}", arn, context)]
        if call.params.get("Tags"):
            accesses.append(Access(f"iam:Tag{call.operation.removeprefix('Create')}", arn, context))
        return accesses

    return rule


def by_arn(service: IdentityService, kind: type[Entity], member: str) -> Callable[[str], Rule]:
    """Rules on the entity whose ARN ``member`` holds."""

    def with_action(action: str) -> Rule:
        def rule(call: Call) -> Sequence[Access]:
            arn = call.params[member]
            found = service.find(kind, name_of(kind, arn))
            return (Access(action, arn, _resource_tags(found) if found is not None else {}),)

        return rule

    return with_action


def name_of(kind: type[Entity], text: str) -> str:
    """The name under which an entity is kept, from its name or ARN."""
    if kind is OidcProvider:
        return text.partition(":oidc-provider/")[2]
    return text.rpartition("/")[2]


def on_policy(service: IdentityService, arn: str, action: str) -> Access:
    """A question about a managed policy."""
    found = service.find(Policy, arn.rpartition("/")[2])
    own = found is not None and service.arn(found) == arn
    return Access(action, arn, _resource_tags(found) if found is not None and own else {})


def on_arn(service: IdentityService, arn: str, action: str) -> Access:
    """A question about a user, group or role by its ARN."""
    kinds: Mapping[str, type[Entity]] = {"user": User, "group": Group, "role": Role}
    kind = kinds.get(arn.rpartition(":")[2].partition("/")[0])
    found = service.find(kind, arn.rpartition("/")[2]) if kind is not None else None
    same = found is not None and service.arn(found) == arn
    return Access(action, arn, _resource_tags(found) if found is not None and same else {})


def on(service: IdentityService, kind: type[Entity], name: str, action: str, context: Context | None = None) -> Access:
    """A question about an entity.

    An absent one is asked about at the root path, so that its absence shows to no one who may not ask.
    """
    found = service.find(kind, name)
    keys: Context = dict(context or {})
    if found is None:
        return Access(action, iam(service.account, f"{kind.kind}/{name}"), keys)
    keys |= _resource_tags(found)
    if isinstance(found, User | Role) and found.boundary:
        keys.setdefault("iam:PermissionsBoundary", found.boundary)
    return Access(action, service.arn(found), keys)


def _resource_tags(entity: Entity) -> Context:
    return {f"{prefix}:ResourceTag/{key}": value for key, value in entity.tags.items() for prefix in ("aws", "iam")}


def _request_tags(tags: Mapping[str, str]) -> Context:
    if not tags:
        return {}
    return {**{f"aws:RequestTag/{key}": value for key, value in tags.items()}, "aws:TagKeys": tuple(tags)}
