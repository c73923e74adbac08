"""How a signed request becomes a principal: the port between the wire and whoever keeps the keys."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from lakewarden.kernel.call import Principal
from lakewarden.kernel.errors import AwsError


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret access key and whose it is. The secret never shows in a repr."""

    secret_key: str = field(repr=False)
    principal: Principal


class UnknownAccessKey(AwsError):
    """No active access key has this id."""

    code = "InvalidClientTokenId"
    status = 403


class InvalidToken(AwsError):
    """The session token is missing, damaged, foreign, or belongs to another key or a vanished principal."""

    code = "InvalidClientTokenId"
    status = 403


class ExpiredToken(AwsError):
    """The session token's time is over."""

    code = "ExpiredToken"
    status = 403


class Credentials(Protocol):
    """Port to the identity context."""

    def resolve(self, access_key_id: str, session_token: str | None, now: datetime) -> Credential:
        """The credential behind a key id, at time ``now``.

        Raises :class:`UnknownAccessKey`, :class:`InvalidToken` or :class:`ExpiredToken`.
        """
        ...
