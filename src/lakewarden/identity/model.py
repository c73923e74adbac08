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
    """An IAM user; ``groups`` are names, ``boundary`` a policy ARN, ``password`` a salted hash.

    ``password_history`` are the hashes before it, newest first.
    """

    kind: ClassVar[str] = "user"
    id_prefix: ClassVar[str] = "AIDA"

    groups: tuple[str, ...] = ()
    boundary: str = ""
    password: str = ""
    password_created: str = ""
    password_reset_required: bool = False
    password_history: tuple[str, ...] = ()


class Group(Holder, frozen=True, kw_only=True):
    """An IAM group. Who is in it stands with the users."""

    kind: ClassVar[str] = "group"
    id_prefix: ClassVar[str] = "AGPA"


class Role(Holder, frozen=True, kw_only=True):
    """An IAM role; ``trust`` is the AssumeRolePolicyDocument, ``max_session`` seconds.

    ``trusted`` are the unique ids of the users and roles that ``trust`` names by ARN, as they were when it was stored.
    """

    kind: ClassVar[str] = "role"
    id_prefix: ClassVar[str] = "AROA"

    trust: str
    trusted: dict[str, str] = msgspec.field(default_factory=dict)
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


class InstanceProfile(Entity, frozen=True, kw_only=True):
    """An instance profile; ``role`` is a role's name, or empty."""

    kind: ClassVar[str] = "instance-profile"
    id_prefix: ClassVar[str] = "AIPA"

    role: str = ""


class MfaDevice(Entity, frozen=True, kw_only=True):
    """A virtual MFA device; ``seed`` is sealed, ``user_id`` its user's unique id or empty, ``enabled`` ISO 8601 UTC.

    ``last_step`` is the half minute whose code was used last; ``failures`` wrong codes came in a row, the last at
    ``failed_at``.
    """

    kind: ClassVar[str] = "mfa"

    seed: str
    user_id: str = ""
    enabled: str = ""
    last_step: int = 0
    failures: int = 0
    failed_at: str = ""


class OidcProvider(Entity, frozen=True, kw_only=True):
    """An OpenID Connect provider. ``name`` is its URL without the scheme; ``clients`` are the audiences it may serve."""

    kind: ClassVar[str] = "oidc-provider"

    clients: tuple[str, ...] = ()
    thumbprints: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The issuer."""
        return f"https://{self.name}"


class SamlProvider(Entity, frozen=True, kw_only=True):
    """A SAML provider; ``valid_until`` is ISO 8601 UTC or empty."""

    kind: ClassVar[str] = "saml-provider"

    metadata: str
    valid_until: str = ""


class PasswordPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What passwords of the account must be; zero means no limit. The defaults are UpdateAccountPasswordPolicy's."""

    minimum_length: int = 6
    symbols: bool = False
    numbers: bool = False
    uppercase: bool = False
    lowercase: bool = False
    users_may_change: bool = False
    max_age_days: int = 0
    reuse_prevention: int = 0
    hard_expiry: bool = False


class Account(Entity, frozen=True, kw_only=True):
    """The account's own settings, one entity named ``account``. Without a password policy AWS's default one holds."""

    kind: ClassVar[str] = "account"

    alias: str = ""
    passwords: PasswordPolicy | None = None
    credential_report: str = ""
    credential_report_at: str = ""
