"""IAM: what the operations do to the identities. Authorisation has happened; names and documents are checked here."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from lakewarden.identity.credentials import SECRET_PURPOSE
from lakewarden.identity.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    InvalidInput,
    LimitExceeded,
    NoSuchEntity,
    PasswordPolicyViolation,
    UnmodifiableEntity,
    ValidationError,
)
from lakewarden.identity.model import AccessKey, Entity, Group, Holder, Policy, PolicyVersion, Role, User
from lakewarden.identity.sealed import KeyRing
from lakewarden.identity.sessions import new_id, new_secret
from lakewarden.identity.store import Identities, IdentityStore
from lakewarden.kernel.arn import Arn, iam
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.decision import Layer
from lakewarden.policy import PolicyKind, compile_policy, managed_policies

E = TypeVar("E", bound=Entity)
H = TypeVar("H", bound=Holder)
Taggable = type[User] | type[Role] | type[Policy]

_NAME = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
_PATH = re.compile(r"/([!-~]{1,510}/)?")
_TITLES: Mapping[type[Entity], str] = {User: "user", Group: "group", Role: "role", Policy: "policy"}
_MAX_VERSIONS = 5
_MAX_KEYS = 2
_SCRYPT = {"n": 2**14, "r": 8, "p": 1}


class IdentityService:
    """Users, groups, roles, policies, keys and passwords of one account."""

    def __init__(self, store: IdentityStore, ring: KeyRing, account: str, clock: Clock) -> None:
        self._store = store
        self._ring = ring
        self._clock = clock
        self.account = account
        self._shipped = {policy.arn: policy for policy in managed_policies()}

    # Reading

    def get(self, kind: type[E], name: str) -> E:
        """The entity; raises :class:`NoSuchEntity`."""
        with self._store.read() as identities:
            return _require(identities, kind, name)

    def find(self, kind: type[E], name: str) -> E | None:
        """The entity, or None."""
        with self._store.read() as identities:
            return identities.get(kind, name)

    def all(self, kind: type[E], path_prefix: str = "/") -> list[E]:
        """Every entity of a kind below a path, by name."""
        with self._store.read() as identities:
            return [one for one in identities.all(kind) if one.path.startswith(path_prefix)]

    def members(self, group: str) -> list[User]:
        """The users in a group; raises :class:`NoSuchEntity`."""
        with self._store.read() as identities:
            return identities.members(_require(identities, Group, group).name)

    def keys(self, user: str) -> list[AccessKey]:
        """A user's access keys."""
        with self._store.read() as identities:
            return list(identities.keys_of(_require(identities, User, user).name))

    def arn(self, entity: Entity) -> str:
        """The entity's ARN."""
        return iam(self.account, entity.resource)

    def policy_by_arn(self, arn: str) -> Policy:
        """A managed policy, the account's or AWS's; raises :class:`NoSuchEntity`."""
        shipped = self._shipped.get(arn)
        if shipped is not None:
            version = PolicyVersion(document=msgspec.json.encode(shipped.document).decode(), created=_SHIPPED_AT)
            return Policy(
                name=shipped.name, id="ANPA" + hashlib.sha256(arn.encode()).hexdigest()[:17].upper(), path=shipped.path,
                created=_SHIPPED_AT, updated=_SHIPPED_AT, versions={"v1": version}, default="v1", next_version=2,
                description=shipped.description,
            )  # fmt: skip
        with self._store.read() as identities:
            return self._policy(identities, arn)

    def shipped(self) -> list[Policy]:
        """AWS's managed policies."""
        return [self.policy_by_arn(arn) for arn in self._shipped]

    def is_shipped(self, arn: str) -> bool:
        """Whether ``arn`` names a policy that AWS owns."""
        return arn in self._shipped

    def attachments(self, arn: str) -> list[Holder]:
        """Who holds a managed policy."""
        with self._store.read() as identities:
            return _attachments(identities, arn)

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
            self._check_boundary(identities, boundary)
            user = User(
                name=_name(name, "userName", 64), id=new_id(User.id_prefix), created=self._now(),
                path=_path(path), tags=dict(tags or {}), boundary=boundary,
            )  # fmt: skip
            return _insert(identities, user)

    def create_group(self, name: str, path: str = "/") -> Group:
        """CreateGroup."""
        with self._store.write() as identities:
            group = Group(
                name=_name(name, "groupName", 128), id=new_id(Group.id_prefix), created=self._now(), path=_path(path)
            )
            return _insert(identities, group)

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
        compile_policy(trust, layer=Layer.RESOURCE, name=name, kind=PolicyKind.TRUST)
        if not 3600 <= max_session <= 43200:
            raise ValidationError("MaxSessionDuration must be between 3600 and 43200 seconds.")
        with self._store.write() as identities:
            self._check_boundary(identities, boundary)
            role = Role(
                name=_name(name, "roleName", 64), id=new_id(Role.id_prefix), created=self._now(), path=_path(path),
                tags=dict(tags or {}), trust=trust, description=description, max_session=max_session, boundary=boundary,
            )  # fmt: skip
            return _insert(identities, role)

    def create_policy(
        self, name: str, document: str, path: str = "/", tags: Mapping[str, str] | None = None, description: str = ""
    ) -> Policy:
        """CreatePolicy."""
        compile_policy(document, layer=Layer.IDENTITY, name=name)
        now = self._now()
        with self._store.write() as identities:
            policy = Policy(
                name=_name(name, "policyName", 128), id=new_id(Policy.id_prefix), created=now, updated=now,
                path=_path(path), tags=dict(tags or {}), description=description,
                versions={"v1": PolicyVersion(document=document, created=now)}, default="v1", next_version=2,
            )  # fmt: skip
            return _insert(identities, policy)

    def delete(self, kind: type[User] | type[Group] | type[Role], name: str) -> None:
        """Delete a user, group or role; raises :class:`DeleteConflict` while anything hangs on it."""
        with self._store.write() as identities:
            found = _require(identities, kind, name)
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
            if isinstance(found, Group) and identities.members(found.name):
                raise DeleteConflict("Cannot delete entity, must remove users from group first.")
            identities.delete(found)

    def rename(self, kind: type[User] | type[Group], name: str, new_name: str, new_path: str) -> None:
        """UpdateUser and UpdateGroup: a new name, a new path, or both."""
        with self._store.write() as identities:
            found = _require(identities, kind, name)
            renamed = msgspec.structs.replace(
                found,
                name=_name(new_name, "newName", 64) if new_name else found.name,
                path=_path(new_path) if new_path else found.path,
            )
            if new_name.lower() not in {"", name.lower()} and identities.get(kind, new_name) is not None:
                raise EntityAlreadyExists(f"{_TITLES[kind].title()} with name {new_name} already exists.")
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
            role = _require(identities, Role, name)
            identities.put(
                msgspec.structs.replace(
                    role,
                    description=role.description if description is None else description,
                    max_session=role.max_session if max_session is None else max_session,
                )
            )

    def set_trust(self, name: str, trust: str) -> None:
        """UpdateAssumeRolePolicy."""
        compile_policy(trust, layer=Layer.RESOURCE, name=name, kind=PolicyKind.TRUST)
        with self._store.write() as identities:
            identities.put(msgspec.structs.replace(_require(identities, Role, name), trust=trust))

    def set_boundary(self, kind: type[User] | type[Role], name: str, boundary: str) -> None:
        """Put or (empty) delete a permissions boundary."""
        with self._store.write() as identities:
            self._check_boundary(identities, boundary)
            identities.put(msgspec.structs.replace(_require(identities, kind, name), boundary=boundary))

    # Membership, policies, tags

    def join(self, user: str, group: str) -> None:
        """AddUserToGroup."""
        with self._store.write() as identities:
            joined = _require(identities, Group, group).name
            found = _require(identities, User, user)
            identities.put(msgspec.structs.replace(found, groups=tuple(dict.fromkeys((*found.groups, joined)))))

    def leave(self, user: str, group: str) -> None:
        """RemoveUserFromGroup."""
        with self._store.write() as identities:
            left = _require(identities, Group, group).name
            found = _require(identities, User, user)
            if left not in found.groups:
                raise NoSuchEntity(f"The user {user} is not in the group {group}.")
            groups = tuple(name for name in found.groups if name != left)
            identities.put(msgspec.structs.replace(found, groups=groups))

    def attach(self, kind: type[H], name: str, policy_arn: str) -> None:
        """Attach a managed policy."""
        with self._store.write() as identities:
            if policy_arn not in self._shipped:
                self._policy(identities, policy_arn)
            found = _require(identities, kind, name)
            identities.put(msgspec.structs.replace(found, attached=tuple(dict.fromkeys((*found.attached, policy_arn)))))

    def detach(self, kind: type[H], name: str, policy_arn: str) -> None:
        """Detach a managed policy."""
        with self._store.write() as identities:
            found = _require(identities, kind, name)
            if policy_arn not in found.attached:
                raise NoSuchEntity(f"Policy {policy_arn} was not found.")
            attached = tuple(arn for arn in found.attached if arn != policy_arn)
            identities.put(msgspec.structs.replace(found, attached=attached))

    def put_inline(self, kind: type[H], name: str, policy_name: str, document: str) -> None:
        """Put an inline policy."""
        compile_policy(document, layer=Layer.IDENTITY, name=policy_name)
        with self._store.write() as identities:
            found = _require(identities, kind, name)
            inline = {**found.inline, _name(policy_name, "policyName", 128): document}
            identities.put(msgspec.structs.replace(found, inline=inline))

    def inline(self, kind: type[H], name: str, policy_name: str) -> str:
        """An inline policy's document."""
        found = self.get(kind, name)
        if policy_name not in found.inline:
            raise NoSuchEntity(f"The {_TITLES[kind]} policy with name {policy_name} cannot be found.")
        return found.inline[policy_name]

    def delete_inline(self, kind: type[H], name: str, policy_name: str) -> None:
        """Delete an inline policy."""
        self.inline(kind, name, policy_name)
        with self._store.write() as identities:
            found = _require(identities, kind, name)
            inline = {one: document for one, document in found.inline.items() if one != policy_name}
            identities.put(msgspec.structs.replace(found, inline=inline))

    def tag(self, kind: Taggable, name: str, tags: Mapping[str, str]) -> None:
        """Add or replace tags; at most 50."""
        with self._store.write() as identities:
            found = _require(identities, kind, name)
            merged = {**found.tags, **tags}
            if len(merged) > 50:
                raise LimitExceeded("An entity can have at most 50 tags.")
            identities.put(msgspec.structs.replace(found, tags=merged))

    def untag(self, kind: Taggable, name: str, keys: list[str]) -> None:
        """Remove tags."""
        with self._store.write() as identities:
            found = _require(identities, kind, name)
            tags = {key: value for key, value in found.tags.items() if key not in keys}
            identities.put(msgspec.structs.replace(found, tags=tags))

    # Managed policies

    def delete_policy(self, arn: str) -> None:
        """DeletePolicy: nothing attached, no version but the default."""
        self._refuse_shipped(arn)
        with self._store.write() as identities:
            policy = self._policy(identities, arn)
            if _attachments(identities, arn):
                raise DeleteConflict("Cannot delete a policy attached to entities.")
            if len(policy.versions) > 1:
                raise DeleteConflict("This policy has more than one version. Delete the others first.")
            identities.delete(policy)

    def create_version(self, arn: str, document: str, *, default: bool) -> tuple[str, Policy]:
        """CreatePolicyVersion; answers the version's id."""
        self._refuse_shipped(arn)
        compile_policy(document, layer=Layer.IDENTITY, name=arn)
        with self._store.write() as identities:
            policy = self._policy(identities, arn)
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
        self._refuse_shipped(arn)
        with self._store.write() as identities:
            policy = self._policy(identities, arn)
            _require_version(policy, version)
            if version == policy.default:
                raise DeleteConflict("Cannot delete the default version of a policy.")
            versions = {key: value for key, value in policy.versions.items() if key != version}
            identities.put(msgspec.structs.replace(policy, versions=versions))

    def set_default_version(self, arn: str, version: str) -> None:
        """SetDefaultPolicyVersion."""
        self._refuse_shipped(arn)
        with self._store.write() as identities:
            policy = self._policy(identities, arn)
            _require_version(policy, version)
            identities.put(msgspec.structs.replace(policy, default=version, updated=self._now()))

    # Keys and passwords

    def create_key(self, user: str) -> tuple[AccessKey, str]:
        """CreateAccessKey; the secret is answered this once."""
        secret = new_secret()
        with self._store.write() as identities:
            owner = _require(identities, User, user)
            if len(identities.keys_of(owner.name)) >= _MAX_KEYS:
                raise LimitExceeded("Cannot exceed quota for AccessKeysPerUser: 2")
            key = AccessKey(
                id=new_id("AKIA", 16), user=owner.name, secret=self._ring.seal(secret.encode(), SECRET_PURPOSE),
                created=self._now(),
            )  # fmt: skip
            identities.put_key(key)
        return key, secret

    def set_key_active(self, user: str, key_id: str, *, active: bool) -> None:
        """UpdateAccessKey."""
        with self._store.write() as identities:
            identities.put_key(msgspec.structs.replace(_require_key(identities, user, key_id), active=active))

    def delete_key(self, user: str, key_id: str) -> None:
        """DeleteAccessKey."""
        with self._store.write() as identities:
            identities.delete_key(_require_key(identities, user, key_id).id)

    def set_password(self, user: str, password: str, *, reset_required: bool, create: bool) -> User:
        """CreateLoginProfile and UpdateLoginProfile."""
        if len(password) < 8 or len(password) > 128:
            raise PasswordPolicyViolation("Password should have a minimum length of 8 and at most 128 characters.")
        with self._store.write() as identities:
            found = _require(identities, User, user)
            if create and found.password:
                raise EntityAlreadyExists(f"Login Profile for user {user} already exists.")
            if not create and not found.password:
                raise NoSuchEntity(f"Login Profile for User {user} cannot be found.")
            changed = msgspec.structs.replace(
                found,
                password=_hashed(password, secrets.token_bytes(16)),
                password_created=found.password_created or self._now(),
                password_reset_required=reset_required,
            )
            identities.put(changed)
            return changed

    def delete_password(self, user: str) -> None:
        """DeleteLoginProfile."""
        with self._store.write() as identities:
            found = _require(identities, User, user)
            if not found.password:
                raise NoSuchEntity(f"Login Profile for User {user} cannot be found.")
            identities.put(msgspec.structs.replace(found, password="", password_created=""))

    def check_password(self, user: str, password: str) -> bool:
        """Whether ``password`` opens the console for ``user``; unknown users cost the same time."""
        found = self.find(User, user)
        stored = found.password if found is not None and found.password else _hashed("", b"-" * 16)
        right = hmac.compare_digest(_hashed(password, bytes.fromhex(stored.partition("$")[0])), stored)
        return right and found is not None and bool(found.password)

    def _now(self) -> str:
        return self._clock().isoformat()

    def _policy(self, identities: Identities, arn: str) -> Policy:
        found = identities.get(Policy, arn.rpartition("/")[2])
        if found is None or self.arn(found) != arn:
            raise NoSuchEntity(f"Policy {arn} does not exist or is not attachable.")
        return found

    def _check_boundary(self, identities: Identities, arn: str) -> None:
        if arn and arn not in self._shipped:
            self._policy(identities, arn)

    def _refuse_shipped(self, arn: str) -> None:
        if arn in self._shipped:
            raise UnmodifiableEntity("AWS managed policies cannot be changed.")


_SHIPPED_AT = "2015-02-06T18:39:46+00:00"


def _require(identities: Identities, kind: type[E], name: str) -> E:
    found = identities.get(kind, name)
    if found is None:
        raise NoSuchEntity(f"The {_TITLES[kind]} with name {name} cannot be found.")
    return found


def _require_key(identities: Identities, user: str, key_id: str) -> AccessKey:
    key = identities.key(key_id)
    if key is None or key.user.lower() != user.lower():
        raise NoSuchEntity(f"The Access Key with id {key_id} cannot be found.")
    return key


def _require_version(policy: Policy, version: str) -> None:
    if version not in policy.versions:
        raise NoSuchEntity(f"Policy version {version} does not exist.")


def _insert(identities: Identities, entity: E) -> E:
    if identities.get(type(entity), entity.name) is not None:
        raise EntityAlreadyExists(f"{_TITLES[type(entity)].title()} with name {entity.name} already exists.")
    identities.put(entity)
    return entity


def _attachments(identities: Identities, arn: str) -> list[Holder]:
    kinds: tuple[type[Holder], ...] = (User, Group, Role)
    return [one for kind in kinds for one in identities.all(kind) if arn in one.attached]


def _name(text: str, member: str, longest: int) -> str:
    if not _NAME.fullmatch(text) or len(text) > longest:
        raise ValidationError(
            f"The specified value for {member} is invalid. It must contain only alphanumeric characters and/or the "
            "following: +=,.@_-"
        )
    return text


def _path(text: str) -> str:
    if not _PATH.fullmatch(text):
        raise ValidationError("The specified value for path is invalid. It must begin and end with /.")
    return text


def _hashed(password: str, salt: bytes) -> str:
    digest = hashlib.scrypt(password.encode(), salt=salt, **_SCRYPT)
    return f"{salt.hex()}${digest.hex()}"


def tags_of(members: list[Mapping[str, str]] | None) -> dict[str, str]:
    """AWS's list of Key and Value as a dict; raises :class:`InvalidInput` for keys that stand twice."""
    tags = {tag["Key"]: tag.get("Value", "") for tag in members or ()}
    if len(tags) != len(members or ()):
        raise InvalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    return tags
