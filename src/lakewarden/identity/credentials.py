"""Access key ids and session tokens to principals: the identity side of signature verification."""

import hmac
from collections import OrderedDict
from datetime import datetime
from typing import TypeVar

from lakewarden.identity.directory import Directory
from lakewarden.identity.sealed import KeyRing
from lakewarden.identity.sessions import TemporaryCredentials, unseal
from lakewarden.kernel.arn import Arn, iam
from lakewarden.kernel.call import Principal, PrincipalType
from lakewarden.kernel.credentials import Credential, ExpiredToken, InvalidToken, UnknownAccessKey

SECRET_PURPOSE = "access-key"  # noqa: S105 - a label, not a secret
_REMEMBERED = 4096
T = TypeVar("T")
_INVALID = "The security token included in the request is invalid."


class CredentialResolver:
    """Implements :class:`lakewarden.kernel.credentials.Credentials`."""

    def __init__(self, directory: Directory, ring: KeyRing, account: str) -> None:
        self._directory = directory
        self._ring = ring
        self._account = account
        self._tokens: OrderedDict[str, TemporaryCredentials] = OrderedDict()
        self._secrets: OrderedDict[str, str] = OrderedDict()

    def resolve(self, access_key_id: str, session_token: str | None, now: datetime) -> Credential:
        """The credential behind a key id at ``now``; raises UnknownAccessKey, InvalidToken or ExpiredToken."""
        if session_token:
            return self._temporary(access_key_id, session_token, now)
        present = self._directory.present()
        key = present.key(access_key_id)
        user = present.user(key.user) if key is not None and key.active else None
        if key is None or user is None:
            raise UnknownAccessKey(_INVALID)
        principal = Principal(
            PrincipalType.USER, self._account, iam(self._account, user.resource), user.id, user.name, key.id,
            tags=user.tags,
        )  # fmt: skip
        return Credential(self._secret(key.secret), principal)

    def still_valid(self, principal: Principal, now: datetime) -> bool:
        """Whether a principal that was resolved before may still act: it exists, and its session has not ended."""
        session = principal.session
        if session is None:
            user = self._directory.present().user(principal.name)
            return user is not None and user.id == principal.user_id
        if now >= session.expires_at:
            return False
        if session.role_id:
            role = self._directory.role(session.role_name)
            return role is not None and role.id == session.role_id
        user = self._directory.present().user(principal.name)
        return user is not None

    def _temporary(self, access_key_id: str, token: str, now: datetime) -> Credential:
        found = self._opened(token)
        # INVARIANT: the token is bound to its key id; with another key's id it is worth nothing.
        if not hmac.compare_digest(found.key_id, access_key_id):
            raise InvalidToken(_INVALID)
        if now >= found.session.expires_at:
            raise ExpiredToken("The security token included in the request is expired")
        return Credential(found.secret, self._principal(found))

    def _principal(self, found: TemporaryCredentials) -> Principal:
        session = found.session
        if not session.role_id:
            return self._user_session(found)
        role = self._directory.role(session.role_name)
        # INVARIANT: a role that was deleted, or made anew under the same name, does not revive old sessions.
        if role is None or role.id != session.role_id:
            raise InvalidToken(_INVALID)
        return Principal(
            PrincipalType.ASSUMED_ROLE, self._account,
            str(Arn("sts", "", self._account, f"assumed-role/{role.name}/{session.session_name}")),
            f"{role.id}:{session.session_name}", role.name, found.key_id, session, {**role.tags, **session.tags},
        )  # fmt: skip

    def _user_session(self, found: TemporaryCredentials) -> Principal:
        user = self._directory.present().user(found.user)
        if user is None or user.id != found.user_id:
            raise InvalidToken(_INVALID)
        name = found.session.session_name
        if name:
            arn = str(Arn("sts", "", self._account, f"federated-user/{name}"))
            return Principal(
                PrincipalType.FEDERATED_USER, self._account, arn, f"{self._account}:{name}", user.name,
                found.key_id, found.session, found.session.tags, iam(self._account, user.resource),
            )  # fmt: skip
        return Principal(
            PrincipalType.USER, self._account, iam(self._account, user.resource), user.id, user.name,
            found.key_id, found.session, user.tags,
        )  # fmt: skip

    def _opened(self, token: str) -> TemporaryCredentials:
        found = self._tokens.get(token)
        if found is None:
            found = unseal(self._ring, token)
            _remember(self._tokens, token, found)
        return found

    def _secret(self, sealed: str) -> str:
        secret = self._secrets.get(sealed)
        if secret is None:
            secret = self._ring.open(sealed, SECRET_PURPOSE).decode()
            _remember(self._secrets, sealed, secret)
        return secret


def _remember(memory: OrderedDict[str, T], key: str, value: T) -> None:
    memory[key] = value
    while len(memory) > _REMEMBERED:
        memory.popitem(last=False)
