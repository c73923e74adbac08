"""The hot path: who a key or a role is right now, and the policies in force. Cached per entity, by version."""

import threading
from collections.abc import Callable
from typing import TypeVar, cast

from lakewarden.identity.model import AccessKey, Entity, Group, Policy, Role, User
from lakewarden.identity.store import IdentityStore
from lakewarden.kernel.arn import iam
from lakewarden.kernel.decision import Layer
from lakewarden.policy import CompiledPolicy, PolicyKind, compile_policy, managed_policies

T = TypeVar("T")
E = TypeVar("E", bound=Entity)


class Directory:
    """Answers from memory while the store's version stands; each entity is loaded when it is first asked for.

    INVARIANT (revocation_is_immediate): the version is compared on every question.
    """

    def __init__(self, store: IdentityStore, account: str) -> None:
        self._store = store
        self._account = account
        self._shipped = {
            policy.arn: compile_policy(policy.document, layer=Layer.IDENTITY, name=policy.arn)
            for policy in managed_policies()
        }
        self._lock = threading.Lock()
        self._held: tuple[int, dict[tuple[str, str], object]] = (-1, {})

    def key(self, key_id: str) -> AccessKey | None:
        """A long-lived access key."""
        return self._cached("key", key_id, lambda: self._key(key_id))

    def user(self, name: str) -> User | None:
        """A user by name."""
        return self._cached("user", name.lower(), lambda: self._entity(User, name))

    def role(self, name: str) -> Role | None:
        """A role by name."""
        return self._cached("role", name.lower(), lambda: self._entity(Role, name))

    def group(self, name: str) -> Group | None:
        """A group by name."""
        return self._cached("group", name.lower(), lambda: self._entity(Group, name))

    def managed(self, arn: str, layer: Layer = Layer.IDENTITY) -> CompiledPolicy | None:
        """A managed policy's default version, compiled for ``layer``."""
        if layer is Layer.IDENTITY and arn in self._shipped:
            return self._shipped[arn]
        return self._cached(f"managed:{layer.name}", arn, lambda: self._managed(arn, layer))

    def policies_of(self, holder: User | Role) -> tuple[CompiledPolicy, ...]:
        """The identity policies of a user (groups' included) or a role."""
        return self._cached(
            f"policies:{holder.kind}", holder.name.lower(), lambda: tuple(self._identity_policies(holder))
        )

    def trust(self, role: Role) -> CompiledPolicy:
        """A role's trust policy."""
        return self._cached(
            "trust",
            role.name.lower(),
            lambda: compile_policy(
                role.trust, layer=Layer.RESOURCE, name=iam(self._account, role.resource), kind=PolicyKind.TRUST
            ),
        )

    def _cached(self, kind: str, name: str, load: Callable[[], T]) -> T:
        version = self._store.version()
        held, values = self._held
        if held != version:
            with self._lock:
                values = {}
                self._held = (version, values)
        found = values.get((kind, name), _ABSENT)
        if found is _ABSENT:
            # Read before the load: a write in between leaves an older value under an older version, never a newer.
            found = load()
            values[kind, name] = found
        return cast("T", found)

    def _key(self, key_id: str) -> AccessKey | None:
        with self._store.read() as identities:
            return identities.key(key_id)

    def _entity(self, kind: type[E], name: str) -> E | None:
        with self._store.read() as identities:
            return identities.get(kind, name)

    def _managed(self, arn: str, layer: Layer) -> CompiledPolicy | None:
        for policy in managed_policies():
            if policy.arn == arn:
                return compile_policy(policy.document, layer=layer, name=arn)
        with self._store.read() as identities:
            stored = identities.get(Policy, arn.rpartition("/")[2])
        if stored is None or iam(self._account, stored.resource) != arn:
            return None
        return compile_policy(stored.versions[stored.default].document, layer=layer, name=arn)

    def _identity_policies(self, holder: User | Role) -> list[CompiledPolicy]:
        groups = [self.group(name) for name in holder.groups] if isinstance(holder, User) else []
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


_ABSENT = object()
