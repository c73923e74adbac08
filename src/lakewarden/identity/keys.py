"""Access keys: two a user, so that one can be rotated while the other works."""

import msgspec

from lakewarden.identity.credentials import SECRET_PURPOSE
from lakewarden.identity.entities import require
from lakewarden.identity.errors import LimitExceeded, NoSuchEntity
from lakewarden.identity.model import AccessKey, User
from lakewarden.identity.sealed import KeyRing
from lakewarden.identity.sessions import new_id, new_secret
from lakewarden.identity.store import Identities, IdentityStore, LastUse
from lakewarden.kernel.clock import Clock

_MAX_KEYS = 2


class AccessKeys:
    """Long-lived keys of users."""

    def __init__(self, store: IdentityStore, ring: KeyRing, clock: Clock) -> None:
        self._store = store
        self._ring = ring
        self._clock = clock

    def of(self, user: str) -> list[AccessKey]:
        """A user's keys, oldest first."""
        with self._store.read() as identities:
            return list(identities.keys_of(require(identities, User, user).name))

    def owner(self, key_id: str) -> str:
        """The name of a key's user, or empty."""
        with self._store.read() as identities:
            key = identities.key(key_id)
        return key.user if key is not None else ""

    def last_use(self, key_id: str) -> tuple[str, LastUse | None]:
        """GetAccessKeyLastUsed: the user's name, and the use if there was one; raises :class:`NoSuchEntity`."""
        with self._store.read() as identities:
            key = identities.key(key_id)
            if key is None:
                raise NoSuchEntity(f"The Access Key with id {key_id} cannot be found.")
            return key.user, identities.last_used().get(key_id)

    def create(self, user: str) -> tuple[AccessKey, str]:
        """CreateAccessKey; the secret is answered this once."""
        secret = new_secret()
        with self._store.write() as identities:
            owner = require(identities, User, user)
            if len(identities.keys_of(owner.name)) >= _MAX_KEYS:
                raise LimitExceeded(f"Cannot exceed quota for AccessKeysPerUser: {_MAX_KEYS}")
            key = AccessKey(
                id=new_id("AKIA", 16), user=owner.name, secret=self._ring.seal(secret.encode(), SECRET_PURPOSE),
                created=self._clock().isoformat(),
            )  # fmt: skip
            identities.put_key(key)
        return key, secret

    def set_active(self, user: str, key_id: str, *, active: bool) -> None:
        """UpdateAccessKey."""
        with self._store.write() as identities:
            identities.put_key(msgspec.structs.replace(_require_key(identities, user, key_id), active=active))

    def delete(self, user: str, key_id: str) -> None:
        """DeleteAccessKey."""
        with self._store.write() as identities:
            identities.delete_key(_require_key(identities, user, key_id).id)


def _require_key(identities: Identities, user: str, key_id: str) -> AccessKey:
    key = identities.key(key_id)
    if key is None or key.user.lower() != user.lower():
        raise NoSuchEntity(f"The Access Key with id {key_id} cannot be found.")
    return key
