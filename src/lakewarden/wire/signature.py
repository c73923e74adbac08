"""Reading a Signature Version 4 off a request: header and presigned forms. Nothing is verified here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256

from lakewarden.wire import errors
from lakewarden.wire.request import Headers, RawRequest
from lakewarden.wire.route import Query

ALGORITHM = "AWS4-HMAC-SHA256"
LONGEST_PRESIGN = timedelta(days=7)
EMPTY_SHA256 = sha256(b"").hexdigest()
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
STAMP = "%Y%m%dT%H%M%SZ"

_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}")
_PRESIGNED = ("X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature")
_AUTHENTICATION = frozenset(
    name.lower() for name in (*_PRESIGNED, "X-Amz-Algorithm", "X-Amz-Security-Token", "X-Amz-Content-Sha256")
)


@dataclass(frozen=True, slots=True)
class Signature:
    """The parts of a signature, as the request states them.

    ``payload_hash`` is what the canonical request should end with: a SHA-256 in hex, ``UNSIGNED-PAYLOAD``, a
    ``STREAMING-...`` constant, or empty where the request does not say. ``expires`` is zero for header signatures,
    whose time is bounded by the clock skew alone.
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
    presigned: bool = False
    expires: timedelta = timedelta(0)

    @property
    def scope(self) -> str:
        """The credential scope without the key."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"

    @property
    def stamp(self) -> str:
        """The signing time as it is signed."""
        return self.signed_at.strftime(STAMP)


def read(request: RawRequest, query: Query, service: str) -> Signature | None:
    """The signature of ``request``, or None when it bears none. ``service`` is the routed service.

    Raises IncompleteSignature, AuthorizationQueryParametersError, or InvalidRequest for what is neither SigV4 nor
    unsigned, and for two signatures at once.
    """
    names = {name for name, _ in query}
    presigned = not names.isdisjoint({"X-Amz-Algorithm", "X-Amz-Signature", "X-Amz-Credential"})
    if "authorization" in request.headers:
        if presigned or len(request.headers.all("authorization")) > 1:
            raise errors.InvalidRequest("Only one auth mechanism allowed.")
        return _read_header(request.headers)
    if presigned:
        return _read_presigned(query, service)
    if {"AWSAccessKeyId", "Signature"} <= names:
        raise errors.InvalidRequest(
            "Signature Version 2 is not accepted; make the URL with Signature Version 4 "
            '(in boto3: Config(signature_version="s3v4")).'
        )
    return None


def is_hash(text: str) -> bool:
    """Whether ``text`` is a SHA-256 in lower-case hex."""
    return _HASH.fullmatch(text) is not None


def hoisted(request: RawRequest, query: Query) -> Headers:
    """The headers with those that a presigned S3 URL carries as query fields (``x-amz-copy-source=...``).

    Other SDKs than botocore sign ``x-amz-`` headers in this place. A real header of the same name stands first.
    """
    if not any(name == "X-Amz-Signature" for name, _ in query):
        return request.headers
    found = tuple(
        (name, value.encode().decode("latin-1"))  # as header bytes arrive
        for name, value in query
        if name.lower().startswith("x-amz-") and name.lower() not in _AUTHENTICATION and name.lower() != "x-amz-target"
    )
    return Headers(request.headers.pairs + found) if found else request.headers


def _read_header(headers: Headers) -> Signature:
    algorithm, _, rest = headers.get("authorization").partition(" ")
    if algorithm != ALGORITHM:
        raise errors.IncompleteSignature(f"The authorization mechanism is not supported; please use {ALGORITHM}.")
    parts = _parts(rest)
    access_key_id, date, region, scope_service = _scope(parts["Credential"])
    return Signature(
        access_key_id=access_key_id,
        date=date,
        region=region,
        service=scope_service,
        signed_headers=tuple(parts["SignedHeaders"].split(";")),
        signature=parts["Signature"],
        signed_at=_header_time(headers),
        session_token=headers.get("x-amz-security-token") or None,
        payload_hash=headers.get("x-amz-content-sha256"),
    )


def _parts(text: str) -> Mapping[str, str]:
    parts: dict[str, str] = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        if name in parts:
            raise errors.IncompleteSignature(f"Authorization header names '{name[:32]}' twice.")
        parts[name] = value
    for name in ("Credential", "SignedHeaders", "Signature"):
        if not parts.get(name):
            raise errors.IncompleteSignature(f"Authorization header requires '{name}' parameter.")
    return parts


def _header_time(headers: Headers) -> datetime:
    """``X-Amz-Date``, or ``Date`` where there is none; both must be signed (:mod:`lakewarden.wire.sigv4`)."""
    stamp = headers.get("x-amz-date")
    signed_at = parse_stamp(stamp)
    if signed_at is None and not stamp and "date" in headers:
        signed_at = _parse_date(headers.get("date"))
    if signed_at is None:
        raise errors.IncompleteSignature(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        )
    return signed_at


def _parse_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
        return (found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)).replace(microsecond=0)
    except (ValueError, TypeError, IndexError, OverflowError):
        return parse_stamp(text)


def _read_presigned(query: Query, service: str) -> Signature:
    fields = {name: value for name, value in query if name.lower() in _AUTHENTICATION}
    if len(fields) != sum(name.lower() in _AUTHENTICATION for name, _ in query):
        raise errors.AuthorizationQueryParametersError("An authentication parameter stands twice in the URL.")
    if fields.get("X-Amz-Algorithm") != ALGORITHM or not all(fields.get(name) for name in _PRESIGNED):
        raise errors.AuthorizationQueryParametersError(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
            "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        )
    signed_at = parse_stamp(fields["X-Amz-Date"])
    seconds = fields["X-Amz-Expires"]
    if signed_at is None:
        raise errors.AuthorizationQueryParametersError("X-Amz-Date must be in the ISO8601 Long Format.")
    if not seconds.isascii() or not seconds.isdigit() or len(seconds) > 9:
        raise errors.AuthorizationQueryParametersError("X-Amz-Expires should be a number of seconds.")
    expires = timedelta(seconds=int(seconds))
    if expires > LONGEST_PRESIGN:
        raise errors.AuthorizationQueryParametersError("X-Amz-Expires must be less than a week (in seconds).")
    access_key_id, date, region, scope_service = _scope(fields["X-Amz-Credential"])
    return Signature(
        access_key_id=access_key_id,
        date=date,
        region=region,
        service=scope_service,
        signed_headers=tuple(fields["X-Amz-SignedHeaders"].split(";")),
        signature=fields["X-Amz-Signature"],
        signed_at=signed_at,
        session_token=fields.get("X-Amz-Security-Token"),
        # INVARIANT: only S3 leaves the payload of a presigned URL open; elsewhere the body counts (none, as a rule),
        # so that nobody can add a form to somebody's presigned GetCallerIdentity.
        payload_hash=UNSIGNED_PAYLOAD if service == "s3" else "",
        presigned=True,
        expires=expires,
    )


def _scope(text: str) -> tuple[str, str, str, str]:
    parts = text.split("/")
    if len(parts) != 5 or parts[4] != "aws4_request" or not all(parts):
        raise errors.IncompleteSignature(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/aws4_request."
        )
    return parts[0], parts[1], parts[2], parts[3]


def parse_stamp(text: str) -> datetime | None:
    """The time that ``20060102T150405Z`` says, or None."""
    found = _STAMP.fullmatch(text)
    if found is None:
        return None
    try:
        return datetime(*(int(part) for part in found.groups()), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        return None
