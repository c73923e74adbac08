"""Users, groups, roles and policies as IAM keeps them. Immutable; a change is a new value."""

from typing import ClassVar

import msgspec


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """What all have: ``id`` is never reused, ``path`` begins and ends with a slash, ``created`` is ISO 8601 UTC."""

    kind: ClassVar[str] = ""
    id_prefix: ClassVar[str] = ""

    name: str
    id: str
    created: str
    path: str = "/"
    tags: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def resource(self) -> str:
        """The resource part of the ARN: ``user/path/name``."""
        return f"{self.kind}{self.path}{self.name}"


class Holder(Entity, frozen=True, kw_only=True):
    """An entity that holds policies: ``attached`` are ARNs, ``inline`` are documents by name."""

    attached: tuple[str, ...] = ()
    inline: dict[str, str] = msgspec.field(default_factory=dict)


class User(Holder, frozen=True, kw_only=True):
    """An IAM user; ``groups`` are names, ``boundary`` a policy ARN, ``password`` a salted hash."""

    kind: ClassVar[str] = "user"
    id_prefix: ClassVar[str] = "AIDA"

    groups: tuple[str, ...] = ()
    boundary: str = ""
    password: str = ""
    password_created: str = ""
    password_reset_required: bool = False


class Group(Holder, frozen=True, kw_only=True):
    """An IAM group. Who is in it stands with the users."""

    kind: ClassVar[str] = "group"
    id_prefix: ClassVar[str] = "AGPA"


class Role(Holder, frozen=True, kw_only=True):
    """An IAM role; ``trust`` is the AssumeRolePolicyDocument, ``max_session`` seconds."""

    kind: ClassVar[str] = "role"
    id_prefix: ClassVar[str] = "AROA"

    trust: str
    description: str = ""
    max_session: int = 3600
    boundary: str = ""


class PolicyVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a managed policy."""

    document: str
    created: str


class Policy(Entity, frozen=True, kw_only=True):
    """A customer managed policy; ``versions`` are keyed ``v1``, ``v2``..."""

    kind: ClassVar[str] = "policy"
    id_prefix: ClassVar[str] = "ANPA"

    versions: dict[str, PolicyVersion]
    default: str
    next_version: int
    description: str = ""
    updated: str = ""


class AccessKey(msgspec.Struct, frozen=True, kw_only=True):
    """A long-lived key; ``secret`` is sealed with the server's key ring."""

    id: str
    user: str
    secret: str
    created: str
    active: bool = True
