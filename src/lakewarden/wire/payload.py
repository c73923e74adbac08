"""Streaming bodies, checked as they are read: hash, length, checksums. A mismatch raises where the stream ends."""

import asyncio
import base64
import binascii
import hmac
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from typing import cast

from lakewarden.kernel.checksums import DEFAULT
from lakewarden.wire import checksums, chunked
from lakewarden.wire.errors import BadDigest, ContentSha256Mismatch, IncompleteBody, InvalidDigest, InvalidRequest
from lakewarden.wire.request import RawRequest
from lakewarden.wire.signature import UNSIGNED_PAYLOAD, Signature, is_hash

_BATCH = 1 << 20
_INLINE = 64 * 1024


def stream(request: RawRequest, signature: Signature | None, key: bytes, *, summed: bool = True) -> "Verified":
    """The decoded body of an upload; whoever reads it must discard all when it raises.

    ``key`` is the signing key. ``summed`` says whether ``x-amz-checksum-`` headers speak of this body; those of
    CompleteMultipartUpload speak of the object. Raises ContentSha256Mismatch, BadDigest, InvalidDigest,
    IncompleteBody, InvalidRequest or SignatureDoesNotMatch, some only at the end of the stream.
    """
    kind = signature.payload_hash if signature is not None else UNSIGNED_PAYLOAD
    reader: chunked.Reader | None = None
    source: AsyncIterable[bytes | memoryview] = request.body
    if kind in chunked.KINDS:
        signer = None
        if signature is not None and kind != chunked.UNSIGNED_TRAILER:
            signer = chunked.ChunkSigner(key, signature.stamp, signature.scope, signature.signature)
        reader = chunked.Reader(request.body, signer, trailer=kind != chunked.SIGNED)
        source = reader
    elif "aws-chunked" in request.headers.get("content-encoding"):
        raise InvalidRequest("aws-chunked bodies need a STREAMING- value in x-amz-content-sha256.")
    return Verified(request, source, reader, kind, summed)


class Verified:
    """``kernel.call.Upload``: the body in pieces of about 1 MiB, hashed away from the event loop while it is consumed."""

    def __init__(
        self,
        request: RawRequest,
        source: AsyncIterable[bytes | memoryview],
        reader: chunked.Reader | None,
        kind: str,
        summed: bool,
    ) -> None:
        self._request = request
        self._source = source
        self._reader = reader
        self._kind = kind
        self._expected = _announced(request, summed)
        self._trailing = _trailing(request) if reader is not None else ()
        # S3's default kind costs next to nothing, and the checksum of an object in parts is made of it.
        self._kept = {*self._expected, *self._trailing, DEFAULT}
        if "x-amz-checksum-md5" not in request.headers:
            self._kept.discard("md5")  # Content-MD5 is a promise about the transfer, not a checksum that S3 keeps
        wanted = {*self._expected, *self._trailing, DEFAULT, *(("sha256",) if is_hash(kind) else ())}
        self._running = {name: checksums.start(name) for name in sorted(wanted)}
        self._sums: dict[str, str] = {}

    @property
    def length(self) -> int | None:
        """How many decoded bytes are announced."""
        header = "content-length" if self._reader is None else "x-amz-decoded-content-length"
        text = self._request.headers.get(header)
        return int(text) if text.isascii() and text.isdigit() else None

    def also(self, kind: str) -> None:
        """One checksum more; what is computed anyway is not computed twice."""
        self._running.setdefault(kind, checksums.start(kind))

    def digest(self, kind: str) -> str:
        """The checksum of ``kind``, in hex."""
        return self._running[kind].digest().hex()

    @property
    def checksums(self) -> Mapping[str, str]:
        """After the end: kind -> base64 value."""
        return self._sums

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes; raises at the end when they are not what was promised."""
        length = 0
        hashing: asyncio.Future[None] | None = None
        try:
            async for piece in _batches(self._source):
                length += len(piece)
                if hashing is not None:
                    await hashing
                    hashing = None
                if len(piece) <= _INLINE:
                    _absorb(self._running.values(), piece)
                else:
                    hashing = asyncio.ensure_future(self._hash(piece))
                yield piece
        finally:
            if hashing is not None:
                await hashing
        self._check(length)

    async def _hash(self, piece: bytes) -> None:
        """On other threads: MD5, the slowest, on one of its own, so that the others cost no time beside it."""
        slow = [running for name, running in self._running.items() if name == "md5"]
        others = [running for name, running in self._running.items() if name != "md5"]
        if not slow or len(others) == 1:
            await asyncio.to_thread(_absorb, self._running.values(), piece)
        else:
            await asyncio.gather(asyncio.to_thread(_absorb, slow, piece), asyncio.to_thread(_absorb, others, piece))

    def _check(self, length: int) -> None:
        _check_length(self._request, length, chunked_body=self._reader is not None)
        if is_hash(self._kind) and not hmac.compare_digest(self.digest("sha256"), self._kind):
            raise ContentSha256Mismatch("The provided 'x-amz-content-sha256' header does not match what was computed.")
        expected = self._expected
        if self._reader is not None:
            expected |= {name: self._reader.trailers.get(checksums.PREFIX + name, "") for name in self._trailing}
        actual = {name: running.digest() for name, running in self._running.items()}
        _check_sums(expected, actual)
        self._sums = {name: base64.b64encode(actual[name]).decode("ascii") for name in sorted(self._kept)}


def _absorb(running: Iterable[checksums.Checksum], piece: bytes) -> None:
    for checksum in running:
        checksum.update(piece)


async def _batches(source: AsyncIterable[bytes | memoryview]) -> AsyncIterator[bytes]:
    """The same bytes in fewer pieces: each one costs the consumer a change of thread."""
    waiting: list[bytes | memoryview] = []
    held = 0
    async for piece in source:
        waiting.append(piece)
        held += len(piece)
        if held >= _BATCH:
            # A piece may be a view: whoever only hashes and writes it does not mind.
            yield cast("bytes", waiting[0]) if len(waiting) == 1 else b"".join(waiting)
            waiting, held = [], 0
    if waiting:
        yield b"".join(waiting)


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


def _check_sums(expected: Mapping[str, str], actual: Mapping[str, bytes]) -> None:
    for kind, value in expected.items():
        if not hmac.compare_digest(_claimed(kind, value, len(actual[kind])), actual[kind]):
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
