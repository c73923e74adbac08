"""Encryption of what must be stored or sent but never read by others: secret keys and session tokens."""

import base64
import binascii
import secrets
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12
KEY_BYTES = 32


class NotSealedHere(Exception):
    """The text was not sealed with a key of this ring, for this purpose, or was changed since."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """AES-256-GCM keys by id; ``current`` seals, all open. Rotation adds a key and moves ``current``."""

    keys: dict[str, bytes] = field(repr=False)
    current: str

    def seal(self, plain: bytes, purpose: str) -> str:
        """URL-safe text that only :meth:`open` with the same ``purpose`` turns back."""
        nonce = secrets.token_bytes(_NONCE)
        # INVARIANT: the purpose is authenticated, so a sealed secret can never pass for a session token.
        sealed = AESGCM(self.keys[self.current]).encrypt(nonce, plain, f"{self.current}:{purpose}".encode())
        return f"{self.current}.{base64.urlsafe_b64encode(nonce + sealed).decode('ascii')}"

    def open(self, text: str, purpose: str) -> bytes:
        """The plain bytes; raises :class:`NotSealedHere`."""
        name, _, body = text.partition(".")
        key = self.keys.get(name)
        if key is None:
            raise NotSealedHere
        try:
            raw = base64.b64decode(body, altchars=b"-_", validate=True)
            return AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], f"{name}:{purpose}".encode())
        except (InvalidTag, ValueError, binascii.Error) as error:
            raise NotSealedHere from error
