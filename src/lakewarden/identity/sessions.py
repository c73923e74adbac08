"""Temporary credentials: self-contained, encrypted, expiring session tokens; nothing is looked up to read one."""

import secrets
import string
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from lakewarden.identity.sealed import KeyRing, NotSealedHere
from lakewarden.kernel.call import Session
from lakewarden.kernel.credentials import InvalidToken

_PURPOSE = "session-token"
_UPPER = string.ascii_uppercase + "234567"
_SECRET = string.ascii_letters + string.digits + "+/"


def new_id(prefix: str, length: int = 17) -> str:
    """A random AWS unique id such as ``AROA...``."""
    return prefix + "".join(secrets.choice(_UPPER) for _ in range(length))


def new_secret() -> str:
    """A random secret access key of 40 characters."""
    return "".join(secrets.choice(_SECRET) for _ in range(40))


class _Token(msgspec.Struct, frozen=True, array_like=True):
    key_id: str
    secret: str
    user: str
    user_id: str
    issued_at: float
    expires_at: float
    session_name: str
    role_arn: str
    role_id: str
    role_name: str
    source_identity: str
    tags: dict[str, str]
    transitive: tuple[str, ...]
    policies: tuple[str, ...]
    policy_arns: tuple[str, ...]
    mfa: bool
    studio_domain: str = ""
    studio_profile: str = ""
    provider: str = ""


@dataclass(frozen=True, slots=True)
class TemporaryCredentials:
    """What STS hands out. ``user`` and ``user_id`` name the IAM user of GetSessionToken and GetFederationToken."""

    key_id: str
    secret: str = field(repr=False)
    session: Session
    user: str = ""
    user_id: str = ""


def issue(session: Session, user: str = "", user_id: str = "") -> TemporaryCredentials:
    """New credentials for ``session``."""
    return TemporaryCredentials(new_id("ASIA", 16), new_secret(), session, user, user_id)


def seal(ring: KeyRing, credentials: TemporaryCredentials) -> str:
    """The session token of ``credentials``."""
    session = credentials.session
    token = _Token(
        credentials.key_id, credentials.secret, credentials.user, credentials.user_id,
        session.issued_at.timestamp(), session.expires_at.timestamp(), session.session_name,
        session.role_arn, session.role_id, session.role_name, session.source_identity,
        dict(session.tags), session.transitive_tag_keys, session.policies, session.policy_arns, session.mfa,
        session.studio_domain, session.studio_profile, session.provider,
    )  # fmt: skip
    return ring.seal(msgspec.json.encode(token), _PURPOSE)


def unseal(ring: KeyRing, text: str) -> TemporaryCredentials:
    """The credentials in a session token; raises :class:`InvalidToken`. Expiry is the caller's to check."""
    try:
        token = msgspec.json.decode(ring.open(text, _PURPOSE), type=_Token)
    except (NotSealedHere, msgspec.DecodeError) as error:
        raise InvalidToken("The security token included in the request is invalid") from error
    session = Session(
        issued_at=datetime.fromtimestamp(token.issued_at, UTC),
        expires_at=datetime.fromtimestamp(token.expires_at, UTC),
        session_name=token.session_name,
        role_arn=token.role_arn,
        role_id=token.role_id,
        role_name=token.role_name,
        source_identity=token.source_identity,
        tags=token.tags,
        transitive_tag_keys=token.transitive,
        policies=token.policies,
        policy_arns=token.policy_arns,
        mfa=token.mfa,
        studio_domain=token.studio_domain,
        studio_profile=token.studio_profile,
        provider=token.provider,
    )
    return TemporaryCredentials(token.key_id, token.secret, session, token.user, token.user_id)
