"""The hot path: who a key or a role is right now, and the policies in force. Cached per entity, by version."""

from dataclasses import dataclass

from lakewarden.identity.model import AccessKey, Group, Policy, Role, User
from lakewarden.identity.store import Current, IdentityStore
from lakewarden.kernel.arn import iam
from lakewarden.kernel.decision import Layer
from lakewarden.policy import CompiledPolicy, PolicyKind, compile_policy, managed_policies


class Directory:
    """Answers from memory while the store's version stands; each entity is loaded when it is first asked for."""

    def __init__(self, store: IdentityStore, account: str) -> None:
        self._store = store
        self._account = account
        self._shipped = {
            (policy.arn, layer): compile_policy(policy.document, layer=layer, name=policy.arn)
            for policy in managed_policies()
            for layer in (Layer.IDENTITY, Layer.BOUNDARY, Layer.SESSION)
        }

    def present(self) -> "Present":
        """What stands right now. Whoever decides asks anew for each decision, and only once."""
        return Present(self._store.current(), self._account, self._shipped)

    def key(self, key_id: str) -> AccessKey | None:
        """A long-lived access key."""
        return self.present().key(key_id)

    def role(self, name: str) -> Role | None:
        """A role by name."""
        return self.present().role(name)

    def managed(self, arn: str, layer: Layer = Layer.IDENTITY) -> CompiledPolicy | None:
        """A managed policy's default version, compiled for ``layer``."""
        return self.present().managed(arn, layer)

    def trust(self, role: Role) -> CompiledPolicy:
        """A role's trust policy."""
        return self.present().trust(role)


@dataclass(frozen=True, slots=True)
class Present:
    """The identities and their compiled policies at one version of the store."""

    _current: Current
    _account: str
    _shipped: dict[tuple[str, Layer], CompiledPolicy]

    def key(self, key_id: str) -> AccessKey | None:
        """A long-lived access key."""
        return self._current.key(key_id)

    def user(self, name: str) -> User | None:
        """A user by name."""
        return self._current.get(User, name)

    def role(self, name: str) -> Role | None:
        """A role by name."""
        return self._current.get(Role, name)

    def managed(self, arn: str, layer: Layer = Layer.IDENTITY) -> CompiledPolicy | None:
        """A managed policy's default version, compiled for ``layer``."""
        shipped = self._shipped.get((arn, layer))
        if shipped is not None:
            return shipped
        return self._current.remember(("managed", layer), arn, lambda: self._managed(arn, layer))

    def policies_of(self, holder: User | Role) -> tuple[CompiledPolicy, ...]:
        """The identity policies of a user (groups' included) or a role."""
        return self._current.remember(
            ("policies", holder.kind), holder.name.lower(), lambda: tuple(self._identity_policies(holder))
        )

    def trust(self, role: Role) -> CompiledPolicy:
        """A role's trust policy."""
        return self._current.remember(
            "trust",
            role.name.lower(),
            lambda: compile_policy(
                role.trust, layer=Layer.RESOURCE, name=iam(self._account, role.resource), kind=PolicyKind.TRUST
            ).pinned(role.trusted),
        )

    def _managed(self, arn: str, layer: Layer) -> CompiledPolicy | None:
        stored = self._current.get(Policy, arn.rpartition("/")[2])
        if stored is None or iam(self._account, stored.resource) != arn:
            return None
        return compile_policy(stored.versions[stored.default].document, layer=layer, name=arn)

    def _identity_policies(self, holder: User | Role) -> list[CompiledPolicy]:
        names = holder.groups if isinstance(holder, User) else ()
        groups = [self._current.get(Group, name) for name in names]
        found: list[CompiledPolicy] = []
        for one in (holder, *groups):
            if one is None:
                continue
            found += [policy for arn in one.attached if (policy := self.managed(arn)) is not None]
            found += [
                compile_policy(document, layer=Layer.IDENTITY, name=f"inline:{name}")
                for name, document in one.inline.items()
            ]
        return found
