"""What IAM's operations ask of the policies (Service Authorization Reference, "IAM")."""

from collections.abc import Callable, Mapping, Sequence

from lakewarden.guard import Access, Rule
from lakewarden.identity.errors import ValidationError
from lakewarden.identity.model import Entity, Policy, Role, User
from lakewarden.identity.service import IdentityService, tags_of
from lakewarden.kernel.arn import iam
from lakewarden.kernel.call import Call, PrincipalType

Context = dict[str, str | Sequence[str]]


def listing(action: str) -> Rule:
    """Listings have no resource of their own."""
    return lambda _: (Access(action),)


def entity(service: IdentityService, kind: type[Entity], member: str) -> Callable[[str], Rule]:
    """Rules on the entity that ``member`` names."""
    return lambda action: lambda call: (_on(service, kind, call.params[member], action),)


def own_user(service: IdentityService, action: str) -> Rule:
    """A rule on the named user, or on the caller itself when no name is given."""
    return lambda call: (_on(service, User, user_name(call), action),)


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
        _on(
            service, kind, call.params[member], action, {"iam:PermissionsBoundary": call.params["PermissionsBoundary"]}
        ),
    )


def attaching(service: IdentityService, kind: type[Entity], member: str) -> Callable[[str], Rule]:
    """Rules that also show the policy that is attached or detached."""
    return lambda action: (
        lambda call: (_on(service, kind, call.params[member], action, {"iam:PolicyARN": call.params["PolicyArn"]}),)
    )


def tagging(service: IdentityService, kind: type[Entity], member: str) -> Callable[[str], Rule]:
    """Rules that also show the tags or tag keys of the request."""

    def with_action(action: str) -> Rule:
        def rule(call: Call) -> Sequence[Access]:
            context = _request_tags(tags_of(call.params.get("Tags")))
            if "TagKeys" in call.params:
                context["aws:TagKeys"] = tuple(call.params["TagKeys"])
            if kind is Policy:
                return (Access(action, call.params[member], context),)
            return (_on(service, kind, call.params[member], action, context),)

        return rule

    return with_action


def _on(service: IdentityService, kind: type[Entity], name: str, action: str, context: Context | None = None) -> Access:
    """A question about an entity. An absent one is asked about at the root path, so that its absence shows to no
    one who may not ask."""
    found = service.find(kind, name)
    keys: Context = dict(context or {})
    if found is None:
        return Access(action, iam(service.account, f"{kind.kind}/{name}"), keys)
    for key, value in found.tags.items():
        keys[f"aws:ResourceTag/{key}"] = value
        keys[f"iam:ResourceTag/{key}"] = value
    if isinstance(found, User | Role) and found.boundary:
        keys.setdefault("iam:PermissionsBoundary", found.boundary)
    return Access(action, service.arn(found), keys)


def _request_tags(tags: Mapping[str, str]) -> Context:
    if not tags:
        return {}
    return {**{f"aws:RequestTag/{key}": value for key, value in tags.items()}, "aws:TagKeys": tuple(tags)}
