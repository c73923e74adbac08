"""OpenID Connect tokens, verified against the account's providers (OpenID Connect Core, 3.1.3.7; RFC 7515, 7518)."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from lakewarden.identity.errors import ExpiredIdentityToken, IdpRejectedClaim, InvalidIdentityToken
from lakewarden.identity.model import OidcProvider
from lakewarden.identity.providers import Providers

_RSA: Mapping[str, HashAlgorithm] = {"RS256": SHA256(), "RS384": SHA384(), "RS512": SHA512()}
_EC: Mapping[str, tuple[str, type[ec.EllipticCurve], int, HashAlgorithm]] = {
    "ES256": ("P-256", ec.SECP256R1, 32, SHA256()),
    "ES384": ("P-384", ec.SECP384R1, 48, SHA384()),
}
_LEAST_RSA_BITS = 2048
_SKEW_SECONDS = 300
_NAMESPACE = "https://aws.amazon.com/"
_SHOWN = ("sub", "azp", "amr", "email", "nbf", "jti")
Key = Mapping[str, Any]


class SigningKeys(Protocol):
    """Port: the keys that an issuer signs with."""

    def keys(self, issuer: str, kid: str) -> Sequence[Key]:
        """JSON Web Keys of ``issuer`` (a URL), fresh enough to hold ``kid``; raises IdpCommunicationError."""
        ...


@dataclass(frozen=True, slots=True)
class WebIdentity:
    """What a verified token says."""

    provider: OidcProvider
    provider_arn: str
    subject: str
    audience: str
    claims: Mapping[str, Any]

    @property
    def context(self) -> Mapping[str, str | Sequence[str]]:
        """The condition keys of the provider: ``host:sub``, ``host:aud`` and those of the other claims that AWS has."""
        keys: dict[str, str | Sequence[str]] = {f"{self.provider.name}:aud": self.audience}
        for name in _SHOWN:
            value = self.claims.get(name)
            if isinstance(value, str):
                keys[f"{self.provider.name}:{name}"] = value
            elif isinstance(value, list) and all(isinstance(one, str) for one in value):
                keys[f"{self.provider.name}:{name}"] = tuple(value)
        return keys

    @property
    def source_identity(self) -> str:
        """The source identity that the provider sets, or empty."""
        value = self.claims.get(f"{_NAMESPACE}source_identity", "")
        return value if isinstance(value, str) else ""

    @property
    def tags(self) -> tuple[list[Mapping[str, str]], list[str]]:
        """Session tags that the provider sets, in the form of AssumeRole's Tags, and the transitive ones among them."""
        body = self.claims.get(f"{_NAMESPACE}tags")
        if body is None:
            return [], []
        try:
            tags: list[Mapping[str, str]] = [
                {"Key": key, "Value": values[0]} for key, values in body.get("principal_tags", {}).items()
            ]
            transitive = list(body.get("transitive_tag_keys", ()))
        except (AttributeError, IndexError, TypeError, KeyError) as error:
            raise InvalidIdentityToken("The tags claim is not of the form that AWS documents.") from error
        if not all(isinstance(text, str) for text in (*transitive, *(tag["Value"] for tag in tags))):
            raise InvalidIdentityToken("The tags claim is not of the form that AWS documents.")
        return tags, transitive


class WebIdentities:
    """Verifies tokens."""

    def __init__(self, providers: Providers, signing: SigningKeys) -> None:
        self._providers = providers
        self._signing = signing

    def verified(self, token: str, now: datetime) -> WebIdentity:
        """The identity in ``token``; raises InvalidIdentityToken, ExpiredIdentityToken, IdpRejectedClaim, or
        IdpCommunicationError.

        INVARIANT: nothing in the token is believed before its signature is checked with a key of the issuer that the
        account registered; the algorithm is one of a list, and fits the kind of key.
        """
        header, claims, signed, signature = _opened(token)
        provider = self._provider(claims.get("iss"))
        kid = header.get("kid", "")
        found = self._signing.keys(provider.url, kid if isinstance(kid, str) else "")
        fitting = [key for key in found if not kid or key.get("kid") == kid]
        if not any(_signed_by(key, header.get("alg"), signed, signature) for key in fitting):
            raise InvalidIdentityToken("Couldn't retrieve verification key from your identity provider")
        _check_times(claims, now)
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise InvalidIdentityToken("The token has no subject.")
        return WebIdentity(provider, self._providers.arn(provider), subject, _audience(provider, claims), claims)

    def _provider(self, issuer: Any) -> OidcProvider:
        for provider in self._providers.all_oidc():
            if issuer in {provider.url, provider.url + "/"}:
                return provider
        raise InvalidIdentityToken("No OpenIDConnect provider found in your account for the token's issuer")


def _opened(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any], bytes, bytes]:
    parts = token.split(".")
    try:
        header, claims = (json.loads(_decode(part)) for part in parts[:2])
        signature = _decode(parts[2])
        signed = ".".join(parts[:2]).encode("ascii")
    except (ValueError, IndexError, RecursionError) as error:
        raise InvalidIdentityToken("The ID Token provided is not a valid JWT.") from error
    if len(parts) != 3 or not isinstance(header, dict) or not isinstance(claims, dict) or "crit" in header:
        raise InvalidIdentityToken("The ID Token provided is not a valid JWT.")
    return header, claims, signed, signature


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error


def _signed_by(key: Key, algorithm: Any, signed: bytes, signature: bytes) -> bool:
    if key.get("use", "sig") != "sig" or key.get("alg", algorithm) != algorithm or not isinstance(algorithm, str):
        return False
    try:
        if key.get("kty") == "RSA" and algorithm in _RSA:
            public = rsa.RSAPublicNumbers(_number(key["e"]), _number(key["n"])).public_key()
            if public.key_size < _LEAST_RSA_BITS:
                return False
            public.verify(signature, signed, padding.PKCS1v15(), _RSA[algorithm])
            return True
        if key.get("kty") == "EC" and algorithm in _EC:
            curve, kind, size, digest = _EC[algorithm]
            if key.get("crv") != curve or len(signature) != 2 * size:
                return False
            point = ec.EllipticCurvePublicNumbers(_number(key["x"]), _number(key["y"]), kind()).public_key()
            halves = (int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big"))
            point.verify(encode_dss_signature(*halves), signed, ec.ECDSA(digest))
            return True
    except (InvalidSignature, ValueError, KeyError, TypeError):
        return False
    return False


def _number(text: Any) -> int:
    if not isinstance(text, str):
        raise TypeError("not a number of a JSON Web Key")
    return int.from_bytes(_decode(text), "big")


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    moments = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
    if "exp" not in moments or not all(type(value) in {int, float} for value in moments.values()):
        raise InvalidIdentityToken("The token has no time of expiry, or times that are no numbers.")
    at = now.timestamp()
    if at >= moments["exp"]:
        raise ExpiredIdentityToken("Token expired")
    if any(at + _SKEW_SECONDS < moments[name] for name in ("nbf", "iat") if name in moments):
        raise InvalidIdentityToken("The token is not valid yet.")


def _audience(provider: OidcProvider, claims: Mapping[str, Any]) -> str:
    audiences = claims.get("azp") or claims.get("aud")
    for audience in audiences if isinstance(audiences, list) else [audiences]:
        if isinstance(audience, str) and audience in provider.clients:
            return audience
    raise IdpRejectedClaim("Incorrect token audience")
