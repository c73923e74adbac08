"""IAM: what the operations do to the identities. Authorisation has happened; names and documents are checked here.

Managed policies, access keys and passwords have services of their own, which this one holds.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from lakewarden.identity.entities import (
    ATTACHED_PER_ENTITY,
    GROUPS_PER_USER,
    TITLES,
    checked_name,
    checked_path,
    checked_size,
    insert,
    require,
    tags_of,
    with_tags,
    without_tags,
)
from lakewarden.identity.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    LimitExceeded,
    NoSuchEntity,
    UnmodifiableEntity,
    ValidationError,
)
from lakewarden.identity.keys import AccessKeys
from lakewarden.identity.model import (
    AccessKey,
    Entity,
    Group,
    Holder,
    InstanceProfile,
    MfaDevice,
    OidcProvider,
    Policy,
    Role,
    SamlProvider,
    User,
)
from lakewarden.identity.passwords import Passwords
from lakewarden.identity.policies import Policies
from lakewarden.identity.sealed import KeyRing
from lakewarden.identity.sessions import new_id
from lakewarden.identity.store import Identities, IdentityStore, LastUse
from lakewarden.kernel.arn import Arn, iam
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.decision import Layer
from lakewarden.policy import CompiledPolicy, PolicyKind, compile_policy

E = TypeVar("E", bound=Entity)
H = TypeVar("H", bound=Holder)
Taggable = type[User] | type[Role] | type[Policy] | type[InstanceProfile] | type[OidcProvider] | type[SamlProvider]

LINKED_PATH = "/aws-service-role/"
RESERVED_PATHS = (LINKED_PATH, "/aws-reserved/")
_LONGEST_TRUST = 2048
_LONGEST_INLINE: Mapping[type[Holder], int] = {User: 2048, Group: 5120, Role: 10240}

__all__ = ["IdentityService", "tags_of"]


class IdentityService:
    """Users, groups, roles and their policies. ``policies``, ``access_keys`` and ``passwords`` do what their names say."""

    def __init__(self, store: IdentityStore, ring: KeyRing, account: str, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.account = account
        self.policies = Policies(store, account, clock)
        self.access_keys = AccessKeys(store, ring, clock)
        self.passwords = Passwords(store, account, clock)

    # Reading

    def get(self, kind: type[E], name: str) -> E:
        """The entity; raises :class:`NoSuchEntity`."""
        found = self.find(kind, name)
        if found is None:
            raise NoSuchEntity(f"The {TITLES[kind]} with name {name} cannot be found.")
        return found

    def find(self, kind: type[E], name: str) -> E | None:
        """The entity, or None."""
        return self._store.current().get(kind, name)

    def all(self, kind: type[E], path_prefix: str = "/") -> list[E]:
        """Every entity of a kind below a path, by name."""
        with self._store.read() as identities:
            return [one for one in identities.all(kind) if one.path.startswith(path_prefix)]

    def members(self, group: str) -> list[User]:
        """The users in a group; raises :class:`NoSuchEntity`."""
        with self._store.read() as identities:
            return identities.members(require(identities, Group, group).name)

    def keys(self, user: str) -> list[AccessKey]:
        """A user's access keys."""
        with self._store.read() as identities:
            return list(identities.keys_of(require(identities, User, user).name))

    def arn(self, entity: Entity) -> str:
        """The entity's ARN."""
        return iam(self.account, entity.resource)

    def last_uses(self) -> Mapping[str, LastUse]:
        """When keys, roles and passwords were last used, by key id, role id and user id."""
        with self._store.read() as identities:
            return identities.last_used()

    def exists(self, arn: str) -> bool:
        """Whether a user or role ARN names somebody of this account (Lake Formation grants ask)."""
        try:
            parsed = Arn.parse(arn)
        except ValueError:
            return False
        kind, name = parsed.resource.partition("/")[0], parsed.resource.rpartition("/")[2]
        if parsed.service != "iam" or parsed.account != self.account or kind not in {"user", "role"}:
            return False
        found: User | Role | None = self.find(User, name) if kind == "user" else self.find(Role, name)
        return found is not None and self.arn(found) == arn

    # Entities

    def create_user(
        self, name: str, path: str = "/", tags: Mapping[str, str] | None = None, boundary: str = ""
    ) -> User:
        """CreateUser; raises EntityAlreadyExists, NoSuchEntity (boundary), ValidationError."""
        with self._store.write() as identities:
            self.policies.check_exists(identities, boundary)
            user = User(
                name=checked_name(name, "userName", 64), id=new_id(User.id_prefix), created=self._now(),
                path=checked_path(path), tags=dict(tags or {}), boundary=boundary,
            )  # fmt: skip
            return insert(identities, user)

    def create_group(self, name: str, path: str = "/") -> Group:
        """CreateGroup."""
        with self._store.write() as identities:
            group = Group(
                name=checked_name(name, "groupName", 128),
                id=new_id(Group.id_prefix),
                created=self._now(),
                path=checked_path(path),
            )
            return insert(identities, group)

    def create_role(
        self,
        name: str,
        trust: str,
        path: str = "/",
        tags: Mapping[str, str] | None = None,
        *,
        description: str = "",
        max_session: int = 3600,
        boundary: str = "",
    ) -> Role:
        """CreateRole; the trust policy is compiled before it is stored."""
        compiled = _compiled_trust(name, trust)
        if not 3600 <= max_session <= 43200:
            raise ValidationError("MaxSessionDuration must be between 3600 and 43200 seconds.")
        # INVARIANT (no_escalation): what lies on these paths is taken for a service's own.
        if path.startswith(RESERVED_PATHS):
            raise ValidationError(f"The specified value for path is invalid. {path} is reserved.")
        with self._store.write() as identities:
            self.policies.check_exists(identities, boundary)
            role = Role(
                name=checked_name(name, "roleName", 64), id=new_id(Role.id_prefix), created=self._now(),
                path=checked_path(path), tags=dict(tags or {}), trust=trust, trusted=self._ids(identities, compiled),
                description=description, max_session=max_session, boundary=boundary,
            )  # fmt: skip
            return insert(identities, role)

    def delete(self, kind: type[User] | type[Group] | type[Role], name: str) -> None:
        """Delete a user, group or role; raises :class:`DeleteConflict` while anything hangs on it."""
        with self._store.write() as identities:
            found = require(identities, kind, name)
            _refuse_while_anything_hangs_on(identities, found)
            identities.delete(found)

    def rename(self, kind: type[User] | type[Group], name: str, new_name: str, new_path: str) -> None:
        """UpdateUser and UpdateGroup: a new name, a new path, or both."""
        with self._store.write() as identities:
            found = require(identities, kind, name)
            renamed = msgspec.structs.replace(
                found,
                name=checked_name(new_name, "newName", 64 if kind is User else 128) if new_name else found.name,
                path=checked_path(new_path) if new_path else found.path,
            )
            if new_name.lower() not in {"", name.lower()} and identities.get(kind, new_name) is not None:
                raise EntityAlreadyExists(f"{TITLES[kind].title()} with name {new_name} already exists.")
            identities.delete(found)
            identities.put(renamed)
            if isinstance(found, Group):
                for user in identities.members(found.name):
                    groups = tuple(renamed.name if group == found.name else group for group in user.groups)
                    identities.put(msgspec.structs.replace(user, groups=groups))
            for key in identities.keys_of(found.name) if isinstance(found, User) else ():
                identities.put_key(msgspec.structs.replace(key, user=renamed.name))

    def update_role(self, name: str, description: str | None, max_session: int | None) -> None:
        """UpdateRole and UpdateRoleDescription."""
        if max_session is not None and not 3600 <= max_session <= 43200:
            raise ValidationError("MaxSessionDuration must be between 3600 and 43200 seconds.")
        with self._store.write() as identities:
            role = require(identities, Role, name)
            identities.put(
                msgspec.structs.replace(
                    role,
                    description=role.description if description is None else description,
                    max_session=role.max_session if max_session is None else max_session,
                )
            )

    def set_trust(self, name: str, trust: str) -> None:
        """UpdateAssumeRolePolicy."""
        compiled = _compiled_trust(name, trust)
        with self._store.write() as identities:
            found = _open(require(identities, Role, name))
            trusted = self._ids(identities, compiled)
            identities.put(msgspec.structs.replace(found, trust=trust, trusted=trusted))

    def set_boundary(self, kind: type[User] | type[Role], name: str, boundary: str) -> None:
        """Put or (empty) delete a permissions boundary."""
        with self._store.write() as identities:
            self.policies.check_exists(identities, boundary)
            identities.put(msgspec.structs.replace(_open(require(identities, kind, name)), boundary=boundary))

    # Membership, policies, tags

    def join(self, user: str, group: str) -> None:
        """AddUserToGroup."""
        with self._store.write() as identities:
            joined = require(identities, Group, group).name
            found = require(identities, User, user)
            groups = tuple(dict.fromkeys((*found.groups, joined)))
            if len(groups) > GROUPS_PER_USER:
                raise LimitExceeded(f"Cannot exceed quota for GroupsPerUser: {GROUPS_PER_USER}")
            identities.put(msgspec.structs.replace(found, groups=groups))

    def leave(self, user: str, group: str) -> None:
        """RemoveUserFromGroup."""
        with self._store.write() as identities:
            left = require(identities, Group, group).name
            found = require(identities, User, user)
            if left not in found.groups:
                raise NoSuchEntity(f"The user {user} is not in the group {group}.")
            groups = tuple(name for name in found.groups if name != left)
            identities.put(msgspec.structs.replace(found, groups=groups))

    def attach(self, kind: type[H], name: str, policy_arn: str) -> None:
        """Attach a managed policy."""
        with self._store.write() as identities:
            self.policies.check_exists(identities, policy_arn)
            found = _open(require(identities, kind, name))
            attached = tuple(dict.fromkeys((*found.attached, policy_arn)))
            if len(attached) > ATTACHED_PER_ENTITY:
                raise LimitExceeded(f"Cannot exceed quota for PoliciesPer{kind.__name__}: {ATTACHED_PER_ENTITY}")
            identities.put(msgspec.structs.replace(found, attached=attached))

    def detach(self, kind: type[H], name: str, policy_arn: str) -> None:
        """Detach a managed policy."""
        with self._store.write() as identities:
            found = _open(require(identities, kind, name))
            if policy_arn not in found.attached:
                raise NoSuchEntity(f"Policy {policy_arn} was not found.")
            attached = tuple(arn for arn in found.attached if arn != policy_arn)
            identities.put(msgspec.structs.replace(found, attached=attached))

    def put_inline(self, kind: type[H], name: str, policy_name: str, document: str) -> None:
        """Put an inline policy."""
        compile_policy(document, layer=Layer.IDENTITY, name=policy_name)
        with self._store.write() as identities:
            found = _open(require(identities, kind, name))
            inline = {**found.inline, checked_name(policy_name, "policyName", 128): document}
            longest = _LONGEST_INLINE[kind]
            checked_size("".join(inline.values()), longest, f"{kind.__name__}PolicySizeQuota")
            identities.put(msgspec.structs.replace(found, inline=inline))

    def inline(self, kind: type[H], name: str, policy_name: str) -> str:
        """An inline policy's document."""
        found = self.get(kind, name)
        if policy_name not in found.inline:
            raise NoSuchEntity(f"The {TITLES[kind]} policy with name {policy_name} cannot be found.")
        return found.inline[policy_name]

    def delete_inline(self, kind: type[H], name: str, policy_name: str) -> None:
        """Delete an inline policy."""
        self.inline(kind, name, policy_name)
        with self._store.write() as identities:
            found = require(identities, kind, name)
            inline = {one: document for one, document in found.inline.items() if one != policy_name}
            identities.put(msgspec.structs.replace(found, inline=inline))

    def tag(self, kind: Taggable, name: str, tags: Mapping[str, str]) -> None:
        """Add or replace tags; at most 50."""
        with self._store.write() as identities:
            found = require(identities, kind, name)
            identities.put(msgspec.structs.replace(found, tags=with_tags(found.tags, tags)))

    def untag(self, kind: Taggable, name: str, keys: Sequence[str]) -> None:
        """Remove tags."""
        with self._store.write() as identities:
            found = require(identities, kind, name)
            identities.put(msgspec.structs.replace(found, tags=without_tags(found.tags, keys)))

    # What bootstrap, the console and other rooms ask

    def create_key(self, user: str) -> tuple[AccessKey, str]:
        """CreateAccessKey; the secret is answered this once."""
        return self.access_keys.create(user)

    def check_password(self, user: str, password: str) -> bool:
        """Whether ``password`` opens the console for ``user``; unknown users cost the same time."""
        return self.passwords.check(user, password)

    def _ids(self, identities: Identities, trust: CompiledPolicy) -> dict[str, str]:
        """Who the ARNs of a trust policy mean today.

        INVARIANT (no_escalation): as at AWS, a trusted user or role that is deleted and made anew under the same name is
        somebody else.
        """
        kinds: tuple[type[User] | type[Role], ...] = (User, Role)
        found: dict[str, str] = {}
        for arn in trust.named_arns:
            for kind in kinds:
                one = identities.get(kind, arn.rpartition("/")[2])
                if one is not None and self.arn(one) == arn:
                    found[arn] = one.id
        return found

    def _now(self) -> str:
        return self._clock().isoformat()


def _refuse_while_anything_hangs_on(identities: Identities, found: Holder) -> None:
    if found.attached:
        raise DeleteConflict("Cannot delete entity, must detach all policies first.")
    if found.inline:
        raise DeleteConflict("Cannot delete entity, must delete policies first.")
    if isinstance(found, User):
        if found.groups:
            raise DeleteConflict("Cannot delete entity, must remove users from group first.")
        if found.password:
            raise DeleteConflict("Cannot delete entity, must delete login profile first.")
        if identities.keys_of(found.name):
            raise DeleteConflict("Cannot delete entity, must delete access keys first.")
        if any(device.user_id == found.id for device in identities.all(MfaDevice)):
            raise DeleteConflict("Cannot delete entity, must delete MFA device first.")
    if isinstance(found, Group) and identities.members(found.name):
        raise DeleteConflict("Cannot delete entity, must remove users from group first.")
    if isinstance(found, Role):
        if any(profile.role == found.name for profile in identities.all(InstanceProfile)):
            raise DeleteConflict("Cannot delete entity, must remove roles from instance profile first.")
        if found.path.startswith(LINKED_PATH):
            raise UnmodifiableEntity(f"Cannot perform the operation on the protected role '{found.name}'.")


def _compiled_trust(name: str, trust: str) -> CompiledPolicy:
    compiled = compile_policy(trust, layer=Layer.RESOURCE, name=name, kind=PolicyKind.TRUST)
    checked_size(trust, _LONGEST_TRUST, "ACLSizePerRole")
    return compiled


def _open(found: E) -> E:
    """A role that is linked to a service is the service's own to change."""
    if isinstance(found, Role) and found.path.startswith(LINKED_PATH):
        raise UnmodifiableEntity(f"Cannot perform the operation on the protected role '{found.name}'.")
    return found
