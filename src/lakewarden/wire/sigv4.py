"""AWS Signature Version 4, verified: header and presigned forms (AWS General Reference, "Signing AWS API requests")."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from posixpath import normpath
from urllib.parse import quote, unquote_to_bytes

from lakewarden.kernel.errors import AwsError
from lakewarden.wire import errors
from lakewarden.wire.request import RawRequest
from lakewarden.wire.route import Query

ALGORITHM = "AWS4-HMAC-SHA256"
SKEW = timedelta(minutes=15)
LONGEST_PRESIGN = timedelta(days=7)
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_STAMP = "%Y%m%dT%H%M%SZ"
_HEX = re.compile(r"[0-9a-f]{64}")
_SPACES = re.compile(r" {2,}")


@dataclass(frozen=True, slots=True)
class Signature:
    """The parts of a signature, as the request states them; nothing is verified yet.

    ``payload_hash`` is what the canonical request ends with: a SHA-256 in hex, ``UNSIGNED-PAYLOAD`` or a
    ``STREAMING-...`` constant.
    """

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    signed_at: datetime
    session_token: str | None
    payload_hash: str
    presigned: bool
    expires: timedelta

    @property
    def scope(self) -> str:
        """The credential scope without the key."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def read(request: RawRequest, query: Query, service: str) -> Signature | None:
    """The signature of ``request``, or None when it bears none. ``service`` is the routed service.

    Raises IncompleteSignature, AuthorizationHeaderMalformed or AuthorizationQueryParametersError.
    """
    authorization = request.headers.get("authorization")
    fields = dict(query)
    if authorization:
        return _read_header(request, authorization, service)
    if "X-Amz-Algorithm" in fields or "X-Amz-Signature" in fields:
        return _read_presigned(fields, service)
    if "AWSAccessKeyId" in fields and "Signature" in fields:
        raise errors.InvalidRequest(
            "Signature Version 2 is not accepted; make the URL with Signature Version 4 "
            '(in boto3: Config(signature_version="s3v4")).'
        )
    return None


def _malformed(service: str, text: str) -> AwsError:
    return errors.AuthorizationHeaderMalformed(text) if service == "s3" else errors.IncompleteSignature(text)


def _read_header(request: RawRequest, authorization: str, service: str) -> Signature:
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM:
        raise _malformed(service, f"The authorization mechanism you have provided is not supported; use {ALGORITHM}.")
    parts: dict[str, str] = {}
    for part in rest.split(","):
        name, _, value = part.strip().partition("=")
        if name in parts:
            raise _malformed(service, f"Authorization header names '{name}' twice.")
        parts[name] = value
    for name in ("Credential", "SignedHeaders", "Signature"):
        if not parts.get(name):
            raise _malformed(service, f"Authorization header requires '{name}' parameter.")
    stamp = request.headers.get("x-amz-date")
    signed_at = _parse_stamp(stamp)
    if signed_at is None:
        raise _malformed(service, "Authorization header requires existence of a valid 'X-Amz-Date' header.")
    access_key_id, date, region, scope_service = _credential(parts["Credential"], service)
    return Signature(
        access_key_id, date, region, scope_service,
        tuple(parts["SignedHeaders"].split(";")), parts["Signature"], signed_at,
        request.headers.get("x-amz-security-token") or None,
        request.headers.get("x-amz-content-sha256"),
        presigned=False, expires=SKEW,
    )  # fmt: skip


def _read_presigned(fields: dict[str, str], service: str) -> Signature:
    needed = ("X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature")
    if fields.get("X-Amz-Algorithm") != ALGORITHM or not all(fields.get(name) for name in needed):
        raise errors.AuthorizationQueryParametersError(
            f"Query-string authentication requires X-Amz-Algorithm={ALGORITHM} and {', '.join(needed)}."
        )
    signed_at = _parse_stamp(fields["X-Amz-Date"])
    seconds = fields["X-Amz-Expires"]
    if signed_at is None or not seconds.isascii() or not seconds.isdigit() or len(seconds) > 9:
        raise errors.AuthorizationQueryParametersError("X-Amz-Date or X-Amz-Expires is not valid.")
    expires = timedelta(seconds=int(seconds))
    if expires > LONGEST_PRESIGN:
        raise errors.AuthorizationQueryParametersError("X-Amz-Expires must be less than a week (in seconds).")
    access_key_id, date, region, scope_service = _credential(fields["X-Amz-Credential"], service)
    return Signature(
        access_key_id, date, region, scope_service,
        tuple(fields["X-Amz-SignedHeaders"].split(";")), fields["X-Amz-Signature"], signed_at,
        fields.get("X-Amz-Security-Token"),
        UNSIGNED_PAYLOAD if service == "s3" else EMPTY_SHA256,
        presigned=True, expires=expires,
    )  # fmt: skip


def _credential(text: str, service: str) -> tuple[str, str, str, str]:
    parts = text.split("/")
    if len(parts) != 5 or parts[4] != "aws4_request" or not all(parts):
        raise _malformed(service, "The credential is malformed; expecting KEY/DATE/REGION/SERVICE/aws4_request.")
    return parts[0], parts[1], parts[2], parts[3]


def _parse_stamp(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def check_time(signature: Signature, now: datetime, service: str) -> None:
    """The replay bound: 15 minutes around the server's clock, or the presigned URL's own time."""
    if signature.date != signature.signed_at.strftime("%Y%m%d"):
        raise _malformed(service, "The date in the credential scope does not match the date of the request.")
    if signature.presigned:
        if now > signature.signed_at + signature.expires or now < signature.signed_at - SKEW:
            raise errors.RequestExpired("Request has expired")
        return
    if abs(now - signature.signed_at) > SKEW:
        if service == "s3":
            raise errors.RequestTimeTooSkewed(
                "The difference between the request time and the server's time is too large."
            )
        raise errors.SignatureDoesNotMatch(
            f"Signature expired: {signature.signed_at.strftime(_STAMP)} is now too far from "
            f"{now.strftime(_STAMP)} ({int(SKEW.total_seconds() // 60)} min.)"
        )


def verify(signature: Signature, request: RawRequest, secret_key: str, service: str, payload_hash: str) -> bytes:
    """Check the signature over ``request``; answers the signing key, which signed chunks need.

    Raises SignatureDoesNotMatch, or AccessDenied when a header that matters was left unsigned.
    """
    _require_signed(signature, request)
    canonical = canonical_request(signature, request, service, payload_hash)
    key = signing_key(secret_key, signature.date, signature.region, signature.service)
    expected = sign(key, string_to_sign(signature, canonical))
    # INVARIANT: compared in constant time.
    if not hmac.compare_digest(expected, signature.signature):
        raise errors.SignatureDoesNotMatch(
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
        )
    return key


def _require_signed(signature: Signature, request: RawRequest) -> None:
    # INVARIANT: an x-amz header or the host that is not signed could be added or changed on the way.
    signed = set(signature.signed_headers)
    if "host" not in signed:
        raise errors.SignatureDoesNotMatch("'Host' must be a 'SignedHeader' in the AWS Authorization.")
    unsigned = [name for name in request.headers if name.startswith("x-amz-") and name not in signed]
    if unsigned:
        raise errors.RequestExpired(
            f"There were headers present in the request which were not signed: {', '.join(sorted(unsigned))[:200]}"
        )


def canonical_request(signature: Signature, request: RawRequest, service: str, payload_hash: str) -> str:
    """The canonical request; S3 paths are taken as they are, others normalised and encoded once more."""
    headers = "".join(f"{name}:{_header_value(request, name)}\n" for name in signature.signed_headers)
    return "\n".join(
        (
            request.method,
            _canonical_path(request.raw_path, service),
            _canonical_query(request.query_string),
            headers,
            ";".join(signature.signed_headers),
            payload_hash,
        )
    )


def _header_value(request: RawRequest, name: str) -> str:
    return ",".join(_SPACES.sub(" ", value.strip()) for value in request.headers.all(name))


def _canonical_path(raw_path: str, service: str) -> str:
    if service == "s3":
        return quote(unquote_to_bytes(raw_path), safe="/~")
    if raw_path in {"", "/"}:
        return "/"
    normal = normpath(raw_path)
    if normal.startswith("//"):
        normal = normal[1:]
    if raw_path.endswith("/") and not normal.endswith("/"):
        normal += "/"
    return quote(normal, safe="/~")


def _canonical_query(text: str) -> str:
    if not text:
        return ""
    pairs = []
    for part in text.split("&"):
        name, _, value = part.partition("=")
        if name != "X-Amz-Signature":
            pairs.append((_encode(name), _encode(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _encode(text: str) -> str:
    return quote(unquote_to_bytes(text), safe="-_.~")


def string_to_sign(signature: Signature, canonical: str) -> str:
    """What the signing key signs."""
    # Header bytes above 127 were read as Latin-1; the client signed the bytes themselves.
    digest = hashlib.sha256(canonical.encode("latin-1", "surrogateescape")).hexdigest()
    return f"{ALGORITHM}\n{signature.signed_at.strftime(_STAMP)}\n{signature.scope}\n{digest}"


@lru_cache(maxsize=4096)
def signing_key(secret_key: str, date: str, region: str, service: str) -> bytes:
    """The day's key for a region and service."""
    key = f"AWS4{secret_key}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def sign(key: bytes, text: str) -> str:
    """HMAC-SHA256 in hex."""
    return hmac.digest(key, text.encode(), "sha256").hex()


def is_hash(text: str) -> bool:
    """Whether ``text`` is a SHA-256 in lower-case hex."""
    return _HEX.fullmatch(text) is not None
