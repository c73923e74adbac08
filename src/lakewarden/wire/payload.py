"""Streaming bodies, checked as they are read: hash, length, checksums. A mismatch raises where the stream ends."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import AsyncIterable, AsyncIterator

from lakewarden.wire import checksums, chunked
from lakewarden.wire.checksums import Checksum
from lakewarden.wire.errors import BadDigest, ContentSha256Mismatch, IncompleteBody, InvalidDigest, InvalidRequest
from lakewarden.wire.request import RawRequest
from lakewarden.wire.signature import UNSIGNED_PAYLOAD, Signature, is_hash


def stream(
    request: RawRequest, signature: Signature | None, key: bytes, *, summed: bool = True
) -> AsyncIterable[bytes]:
    """The decoded body of an upload; whoever reads it must discard all when it raises.

    ``key`` is the signing key. ``summed`` says whether ``x-amz-checksum-`` headers speak of this body; those of
    CompleteMultipartUpload speak of the object. Raises ContentSha256Mismatch, BadDigest, InvalidDigest,
    IncompleteBody, InvalidRequest or SignatureDoesNotMatch, some only at the end of the stream.
    """
    kind = signature.payload_hash if signature is not None else UNSIGNED_PAYLOAD
    reader: chunked.Reader | None = None
    source = request.body
    if kind in chunked.KINDS:
        signer = None
        if signature is not None and kind != chunked.UNSIGNED_TRAILER:
            signer = chunked.ChunkSigner(key, signature.stamp, signature.scope, signature.signature)
        reader = chunked.Reader(request.body, signer, trailer=kind != chunked.SIGNED)
        source = reader
    elif "aws-chunked" in request.headers.get("content-encoding"):
        raise InvalidRequest("aws-chunked bodies need a STREAMING- value in x-amz-content-sha256.")
    return _checked(request, source, reader, kind, summed)


async def _checked(
    request: RawRequest, source: AsyncIterable[bytes], reader: chunked.Reader | None, kind: str, summed: bool
) -> AsyncIterator[bytes]:
    expected = _announced(request, summed)
    running = {name: checksums.start(name) for name in expected}
    trailing = _trailing(request) if reader is not None else ()
    running.update({name: checksums.start(name) for name in trailing})
    digest = hashlib.sha256() if is_hash(kind) else None
    length = 0
    async for piece in source:
        length += len(piece)
        for checksum in running.values():
            checksum.update(piece)
        if digest is not None:
            digest.update(piece)
        yield piece
    _check_length(request, length, chunked_body=reader is not None)
    if digest is not None and not hmac.compare_digest(digest.hexdigest(), kind):
        raise ContentSha256Mismatch("The provided 'x-amz-content-sha256' header does not match what was computed.")
    if reader is not None:
        expected |= {name: reader.trailers.get(checksums.PREFIX + name, "") for name in trailing}
    _check_sums(expected, running)


def _announced(request: RawRequest, summed: bool) -> dict[str, str]:
    expected = {}
    for header in request.headers if summed else ():
        kind = checksums.kind_of(header)
        if kind is not None:
            expected[kind] = request.headers.get(header)
    if "content-md5" in request.headers:
        expected["md5"] = request.headers.get("content-md5")
    return expected


def _trailing(request: RawRequest) -> tuple[str, ...]:
    names = (name.strip().lower() for name in request.headers.get("x-amz-trailer").split(","))
    return tuple(kind for name in names if name and (kind := checksums.kind_of(name)) is not None)


def _check_length(request: RawRequest, length: int, *, chunked_body: bool) -> None:
    header = "x-amz-decoded-content-length" if chunked_body else "content-length"
    announced = request.headers.get(header)
    if chunked_body and not announced:
        raise InvalidRequest("x-amz-decoded-content-length is missing.")
    if announced and announced != str(length):
        raise IncompleteBody("You did not provide the number of bytes specified by the Content-Length HTTP header.")


def _check_sums(expected: dict[str, str], running: dict[str, Checksum]) -> None:
    for kind, value in expected.items():
        actual = running[kind].digest()
        if not hmac.compare_digest(_claimed(kind, value, len(actual)), actual):
            raise BadDigest(f"The {kind.upper()} you specified did not match the calculated checksum.")


def _claimed(kind: str, value: str, size: int) -> bytes:
    try:
        claimed = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        claimed = b""
    if len(claimed) == size:
        return claimed
    if kind == "md5":
        raise InvalidDigest("The Content-MD5 you specified is not valid.")
    raise InvalidRequest(f"Value for {checksums.PREFIX}{kind} header is invalid.")
