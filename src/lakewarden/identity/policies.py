"""Managed policies: the account's own, with versions, and those that Lakewarden ships."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from lakewarden.identity.entities import checked_name, checked_path, checked_size, insert
from lakewarden.identity.errors import DeleteConflict, LimitExceeded, NoSuchEntity, UnmodifiableEntity
from lakewarden.identity.model import Group, Holder, Policy, PolicyVersion, Role, User
from lakewarden.identity.sessions import new_id
from lakewarden.identity.store import Identities, IdentityStore
from lakewarden.kernel.arn import iam
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.decision import Layer
from lakewarden.policy import ManagedPolicy, compile_policy, managed_policies

_MAX_VERSIONS = 5
_LONGEST = 6144
_SHIPPED_AT = "2015-02-06T18:39:46+00:00"
_KINDS: tuple[type[Holder], ...] = (User, Group, Role)


@dataclass(frozen=True, slots=True)
class Usage:
    """Who holds a managed policy, and whose boundary it is."""

    attached: Sequence[Holder] = ()
    boundary: Sequence[Holder] = ()


class Policies:
    """Managed policies by ARN."""

    def __init__(self, store: IdentityStore, account: str, clock: Clock) -> None:
        self._store = store
        self._account = account
        self._clock = clock
        self._shipped = {policy.arn: policy for policy in managed_policies()}

    def arn(self, policy: Policy) -> str:
        """The ARN of a policy of the account."""
        return iam(self._account, policy.resource)

    def by_arn(self, arn: str) -> Policy:
        """A managed policy, the account's or AWS's; raises :class:`NoSuchEntity`."""
        if arn in self._shipped:
            return _as_policy(self._shipped[arn])
        with self._store.read() as identities:
            return self.stored(identities, arn)

    def shipped(self) -> Mapping[str, Policy]:
        """AWS's managed policies, by ARN."""
        return {arn: _as_policy(policy) for arn, policy in self._shipped.items()}

    def usage(self, arn: str) -> Usage:
        """Who uses a policy."""
        return self.usages().get(arn, Usage())

    def usages(self) -> Mapping[str, Usage]:
        """Who uses each policy that is used."""
        with self._store.read() as identities:
            everyone = holders(identities)
        attached: dict[str, list[Holder]] = {}
        boundary: dict[str, list[Holder]] = {}
        for one in everyone:
            for arn in one.attached:
                attached.setdefault(arn, []).append(one)
            if isinstance(one, User | Role) and one.boundary:
                boundary.setdefault(one.boundary, []).append(one)
        return {arn: Usage(attached.get(arn, ()), boundary.get(arn, ())) for arn in {*attached, *boundary}}

    def stored(self, identities: Identities, arn: str) -> Policy:
        """A policy of the account; raises :class:`NoSuchEntity`."""
        found = identities.get(Policy, arn.rpartition("/")[2])
        if found is None or self.arn(found) != arn:
            raise NoSuchEntity(f"Policy {arn} does not exist or is not attachable.")
        return found

    def check_exists(self, identities: Identities, arn: str) -> None:
        """Raise :class:`NoSuchEntity` unless ``arn`` is empty or names a policy."""
        if arn and arn not in self._shipped:
            self.stored(identities, arn)

    def create(
        self, name: str, document: str, path: str = "/", tags: Mapping[str, str] | None = None, description: str = ""
    ) -> Policy:
        """CreatePolicy."""
        compile_policy(document, layer=Layer.IDENTITY, name=name)
        checked_size(document, _LONGEST, "PolicySize")
        now = self._now()
        with self._store.write() as identities:
            policy = Policy(
                name=checked_name(name, "policyName", 128), id=new_id(Policy.id_prefix), created=now, updated=now,
                path=checked_path(path), tags=dict(tags or {}), description=description,
                versions={"v1": PolicyVersion(document=document, created=now)}, default="v1", next_version=2,
            )  # fmt: skip
            return insert(identities, policy)

    def delete(self, arn: str) -> None:
        """DeletePolicy: nothing attached, no version but the default."""
        _refuse_shipped(self._shipped, arn)
        with self._store.write() as identities:
            policy = self.stored(identities, arn)
            if any(arn in one.attached or arn == getattr(one, "boundary", "") for one in holders(identities)):
                raise DeleteConflict("Cannot delete a policy attached to entities.")
            if len(policy.versions) > 1:
                raise DeleteConflict("This policy has more than one version. Delete the others first.")
            identities.delete(policy)

    def create_version(self, arn: str, document: str, *, default: bool) -> tuple[str, Policy]:
        """CreatePolicyVersion; answers the version's id."""
        _refuse_shipped(self._shipped, arn)
        compile_policy(document, layer=Layer.IDENTITY, name=arn)
        checked_size(document, _LONGEST, "PolicySize")
        with self._store.write() as identities:
            policy = self.stored(identities, arn)
            if len(policy.versions) >= _MAX_VERSIONS:
                raise LimitExceeded(
                    "A managed policy can have up to 5 versions. Before you create a new version, you must delete "
                    "an existing version."
                )
            version = f"v{policy.next_version}"
            changed = msgspec.structs.replace(
                policy,
                versions={**policy.versions, version: PolicyVersion(document=document, created=self._now())},
                default=version if default else policy.default,
                next_version=policy.next_version + 1,
                updated=self._now(),
            )
            identities.put(changed)
            return version, changed

    def delete_version(self, arn: str, version: str) -> None:
        """DeletePolicyVersion; never the default one."""
        _refuse_shipped(self._shipped, arn)
        with self._store.write() as identities:
            policy = self.stored(identities, arn)
            _require_version(policy, version)
            if version == policy.default:
                raise DeleteConflict("Cannot delete the default version of a policy.")
            versions = {key: value for key, value in policy.versions.items() if key != version}
            identities.put(msgspec.structs.replace(policy, versions=versions))

    def set_default_version(self, arn: str, version: str) -> None:
        """SetDefaultPolicyVersion."""
        _refuse_shipped(self._shipped, arn)
        with self._store.write() as identities:
            policy = self.stored(identities, arn)
            _require_version(policy, version)
            identities.put(msgspec.structs.replace(policy, default=version, updated=self._now()))

    def _now(self) -> str:
        return self._clock().isoformat()


def holders(identities: Identities) -> list[Holder]:
    """Everybody who can hold policies: users, groups and roles, each by name."""
    return [one for kind in _KINDS for one in identities.all(kind)]


def _as_policy(shipped: ManagedPolicy) -> Policy:
    version = PolicyVersion(document=msgspec.json.encode(shipped.document).decode(), created=_SHIPPED_AT)
    return Policy(
        name=shipped.name, id="ANPA" + hashlib.sha256(shipped.arn.encode()).hexdigest()[:17].upper(),
        path=shipped.path, created=_SHIPPED_AT, updated=_SHIPPED_AT, versions={"v1": version}, default="v1",
        next_version=2, description=shipped.description,
    )  # fmt: skip


def _refuse_shipped(shipped: Mapping[str, ManagedPolicy], arn: str) -> None:
    if arn in shipped:
        raise UnmodifiableEntity("AWS managed policies cannot be changed.")


def _require_version(policy: Policy, version: str) -> None:
    if version not in policy.versions:
        raise NoSuchEntity(f"Policy version {version} does not exist.")
