"""Who calls what: the values that the wire layer hands to the guard."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Protocol


class PrincipalType(Enum):
    """``aws:PrincipalType``, and the ``type`` of CloudTrail's userIdentity."""

    ACCOUNT = "Account"
    USER = "User"
    ASSUMED_ROLE = "AssumedRole"
    FEDERATED_USER = "FederatedUser"
    WEB_IDENTITY_USER = "WebIdentityUser"
    SAML_USER = "SAMLUser"
    ANONYMOUS = "Anonymous"
    SERVICE = "AWSService"


@dataclass(frozen=True, slots=True)
class Session:
    """What temporary credentials carry. Self-contained in the encrypted session token; nothing is looked up.

    ``policies`` are inline session policy documents (JSON text), ``policy_arns`` managed ones;
    both limit the session to their intersection with the issuer's rights. ``session_name`` is the
    RoleSessionName, or the federated user's name. ``provider`` is the identity provider of a web identity or SAML
    session (``aws:FederatedProvider``). ``role_*`` are empty for GetSessionToken sessions.
    ``studio_domain`` and ``studio_profile`` are set for the execution role of a Studio notebook, by the server alone.
    """

    issued_at: datetime
    expires_at: datetime
    session_name: str = ""
    role_arn: str = ""
    role_id: str = ""
    role_name: str = ""
    source_identity: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive_tag_keys: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    policy_arns: tuple[str, ...] = ()
    mfa: bool = False
    provider: str = ""
    studio_domain: str = ""
    studio_profile: str = ""


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    ``arn`` is what STS GetCallerIdentity answers (``...:user/a`` or ``...:assumed-role/R/session``);
    ``user_id`` is ``aws:userid`` (``AIDA...`` or ``AROA...:session``); ``name`` is the user's or the role's name.
    ``tags`` are the principal tags in force: the user's or role's own, overlaid with the session's.
    ``issuer_arn`` is the IAM user behind a federated user's session. A web identity or SAML user (who only assumes
    a role) has its provider as ``name``, and as ``user_id`` what the provider calls it.
    """

    type: PrincipalType
    account: str
    arn: str
    user_id: str
    name: str
    access_key_id: str = ""
    session: Session | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    issuer_arn: str = ""

    @property
    def grantee_arn(self) -> str:
        """The ARN that policies and Lake Formation grants name: the role's for a role session."""
        if self.session is not None and self.session.role_arn:
            return self.session.role_arn
        return self.arn


ANONYMOUS = Principal(PrincipalType.ANONYMOUS, "", "", "", "")


class Upload(Protocol):
    """The streaming blob of an S3 upload. It raises at its end, or before, when it is not what was signed or promised."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The decoded bytes. Whoever has taken some must discard them all when the iteration raises."""
        ...

    @property
    def length(self) -> int | None:
        """How many decoded bytes are announced; the iteration raises when they are not so many."""
        ...

    def also(self, kind: str) -> None:
        """Ask, before the iteration, for one checksum more (a kind of ``kernel.checksums``): see :meth:`digest`."""
        ...

    def digest(self, kind: str) -> str:
        """After the end: the checksum that :meth:`also` asked for, in hex."""
        ...

    @property
    def checksums(self) -> Mapping[str, str]:
        """After the end: kind -> base64 value; those that the client sent, verified, and S3's default kind."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated, parsed call; nothing is authorised yet.

    ``service`` is botocore's service name (``athena``), ``params`` the input members under the names and with the
    Python types that boto3 uses. ``body`` is the streaming blob of an S3 upload, already signature-checked
    as it is read; ``None`` elsewhere. ``at`` is the server's time of arrival (UTC).
    ``auth_type`` is S3's ``s3:authType`` (``REST-HEADER``, ``REST-QUERY-STRING``, ``POST``), empty when unsigned;
    ``signed_at`` the time that the client put into its signature.
    """

    principal: Principal
    service: str
    operation: str
    params: Mapping[str, Any]
    request_id: str
    at: datetime
    region: str
    source_ip: str = "127.0.0.1"
    user_agent: str = ""
    secure: bool = False
    host: str = ""
    body: Upload | None = None
    auth_type: str = ""
    signed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler returns when a plain mapping of output members is not enough.

    ``body`` is the streaming output member (S3 GetObject), ``status`` overrides the model's HTTP status (206, 304).
    """

    members: Mapping[str, Any]
    body: bytes | AsyncIterable[bytes] | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
