"""An OpenID Connect issuer that signs what it is told to."""

import base64
import json
import secrets
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Issuer:
    """RS256 by default; ES256 when it is asked for."""

    def __init__(self, url: str, bits: int = 2048) -> None:
        self.url = url
        self.kid = secrets.token_hex(4)
        self._rsa = rsa.generate_private_key(65537, bits)
        self._ec = ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self) -> list[dict[str, str]]:
        numbers, point = self._rsa.public_key().public_numbers(), self._ec.public_key().public_numbers()
        return [
            {"kty": "RSA", "kid": self.kid, "n": number(numbers.n), "e": number(numbers.e), "use": "sig"},
            {
                "kty": "EC", "kid": f"{self.kid}-ec", "crv": "P-256",
                "x": b64(point.x.to_bytes(32, "big")), "y": b64(point.y.to_bytes(32, "big")),
            },
        ]  # fmt: skip

    def token(self, *, header: dict[str, Any] | None = None, curve: bool = False, **claims: Any) -> str:
        head = {"alg": "ES256" if curve else "RS256", "kid": f"{self.kid}-ec" if curve else self.kid}
        signed = ".".join(
            b64(json.dumps(part).encode()) for part in ({**head, **(header or {})}, {"iss": self.url, **claims})
        )
        if curve:
            r, s = decode_dss_signature(self._ec.sign(signed.encode(), ec.ECDSA(SHA256())))
            signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        else:
            signature = self._rsa.sign(signed.encode(), padding.PKCS1v15(), SHA256())
        return f"{signed}.{b64(signature)}"
