"""AWS Signature Version 4, verified (IAM User Guide, "Create a signed AWS API request")."""

import hashlib
import hmac
import re
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

from lakewarden.wire import errors
from lakewarden.wire.request import RawRequest
from lakewarden.wire.signature import ALGORITHM, STAMP, Signature

SKEW = timedelta(minutes=15)
_SPACES = re.compile(r"[ \t]+")
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)


def check_scope(signature: Signature, service: str, signing_name: str, regions: Collection[str]) -> None:
    """The credential scope must be that of this day, of one of ``regions`` and of the service that is called.

    ``regions`` begins with the server's own. INVARIANT: a signature made for one service opens no other.
    """
    if signature.date != signature.stamp[:8]:
        raise errors.SignatureDoesNotMatch(
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{signature.date[:16]}' != '{signature.stamp[:8]}', from '{signature.stamp}'."
        )
    if signature.service != signing_name:
        raise errors.SignatureDoesNotMatch(f"Credential should be scoped to correct service: '{signing_name}'.")
    if signature.region not in regions:
        if service != "s3":
            raise errors.SignatureDoesNotMatch("Credential should be scoped to a valid region.")
        expected = next(iter(regions))
        finding = f"the region '{signature.region[:32]}' is wrong; expecting '{expected}'"
        if signature.presigned:
            text = f"Error parsing the X-Amz-Credential parameter; {finding}"
            raise errors.AuthorizationQueryParametersError(text, {"Region": expected})
        text = f"The authorization header is malformed; {finding}"
        raise errors.AuthorizationHeaderMalformed(text, {"Region": expected})


def check_time(signature: Signature, now: datetime) -> None:
    """The replay bound: 15 minutes around the server's clock, or the presigned URL's own time."""
    early = now < signature.signed_at - SKEW
    if signature.presigned:
        if early:
            raise errors.RequestExpired("Request is not valid yet")
        if now > signature.signed_at + signature.expires:
            raise errors.RequestExpired("Request has expired")
    elif early:
        raise errors.SignatureExpired(
            f"Signature not yet current: {signature.stamp} is still later than "
            f"{(now + SKEW).strftime(STAMP)} ({now.strftime(STAMP)} + 15 min.)"
        )
    elif now > signature.signed_at + SKEW:
        raise errors.SignatureExpired(
            f"Signature expired: {signature.stamp} is now earlier than "
            f"{(now - SKEW).strftime(STAMP)} ({now.strftime(STAMP)} - 15 min.)"
        )


def verify(signature: Signature, request: RawRequest, secret_key: str, service: str, payload_hash: str) -> bytes:
    """Check the signature over ``request``; answers the signing key, which signed chunks need.

    Raises SignatureDoesNotMatch, or UnsignedHeaders when a header that matters was left unsigned.
    """
    _require_signed(signature, request)
    canonical = canonical_request(signature, request, service, payload_hash)
    key = signing_key(secret_key, signature.date, signature.region, signature.service)
    # INVARIANT: compared in constant time, as bytes (text beyond ASCII would raise).
    if not hmac.compare_digest(sign(key, string_to_sign(signature, canonical)).encode(), signature.signature.encode()):
        raise errors.SignatureDoesNotMatch(_MISMATCH)
    return key


def _require_signed(signature: Signature, request: RawRequest) -> None:
    # INVARIANT: an x-amz header, the host or the date that is not signed could be added or changed on the way.
    signed = set(signature.signed_headers)
    if "host" not in signed:
        raise errors.SignatureDoesNotMatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    unsigned = [name for name in request.headers if name.startswith("x-amz-") and name not in signed]
    if not signature.presigned and "x-amz-date" not in request.headers and "date" not in signed:
        unsigned.append("date")
    if unsigned:
        raise errors.UnsignedHeaders(
            f"There were headers present in the request which were not signed: {', '.join(sorted(unsigned))[:200]}"
        )


def canonical_request(signature: Signature, request: RawRequest, service: str, payload_hash: str) -> str:
    """The canonical request; S3 paths are taken as they are, others normalised and encoded once more."""
    headers = "".join(f"{name}:{_header_value(request, name)}\n" for name in signature.signed_headers)
    return "\n".join(
        (
            request.method,
            canonical_path(request.raw_path, service),
            canonical_query(request.query_string, presigned=signature.presigned),
            headers,
            ";".join(signature.signed_headers),
            payload_hash,
        )
    )


def _header_value(request: RawRequest, name: str) -> str:
    # Only spaces and tabs: str.strip() would also take bytes of UTF-8 that read as Latin-1 spaces (0x85, 0xA0).
    return ",".join(_SPACES.sub(" ", value.strip(" \t")) for value in request.headers.all(name))


def canonical_path(raw_path: str, service: str) -> str:
    """S3: each byte encoded once, nothing normalised. Elsewhere: dot segments and repeated slashes go, then encoded."""
    if service == "s3":
        return quote(unquote_to_bytes(raw_path), safe="/~")
    if raw_path in {"", "/"}:
        return "/"
    kept: list[str] = []
    for part in raw_path.split("/"):
        if part == "..":
            del kept[-1:]
        elif part and part != ".":
            kept.append(part)
    end = "/" if kept and raw_path.endswith("/") else ""
    return quote(f"/{'/'.join(kept)}{end}", safe="/~")


def canonical_query(text: str, *, presigned: bool) -> str:
    """Names and values encoded once and sorted; a presigned URL's own signature is left out."""
    pairs = []
    for part in text.split("&") if text else ():
        name, _, value = part.partition("=")
        if part and not (presigned and name == "X-Amz-Signature"):
            pairs.append((_encode(name), _encode(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _encode(text: str) -> str:
    # "+" is a space to whoever reads the parameter (and was signed as one), never a plus sign.
    return quote(unquote_to_bytes(text.replace("+", "%20")), safe="-_.~")


def string_to_sign(signature: Signature, canonical: str) -> str:
    """What the signing key signs."""
    # Header bytes above 127 were read as Latin-1; the client signed the bytes themselves.
    digest = hashlib.sha256(canonical.encode("latin-1", "backslashreplace")).hexdigest()
    return f"{ALGORITHM}\n{signature.stamp}\n{signature.scope}\n{digest}"


@lru_cache(maxsize=1024)
def signing_key(secret_key: str, date: str, region: str, service: str) -> bytes:
    """The day's key for a region and service."""
    key = f"AWS4{secret_key}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def sign(key: bytes, text: str) -> str:
    """HMAC-SHA256 in hex."""
    return hmac.digest(key, text.encode(), "sha256").hex()
