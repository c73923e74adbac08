"""``aws-chunked`` bodies: signed chunks, signed and unsigned trailers (S3, "SigV4 authentication, multiple chunks")."""

import hashlib
import hmac
import re
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass

from lakewarden.wire import sigv4
from lakewarden.wire.errors import IncompleteBody, InvalidRequest, SignatureDoesNotMatch
from lakewarden.wire.signature import EMPTY_SHA256

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
KINDS = frozenset({SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER})

_LONGEST_LINE = 4096
_LARGEST_SIGNED_CHUNK = 16 * 1024 * 1024  # a signed chunk is held until its signature has been checked
_HEAD = re.compile(rb"([0-9a-fA-F]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?")


@dataclass(slots=True)
class ChunkSigner:
    """The running signature: each chunk's covers the one before it."""

    key: bytes
    stamp: str
    scope: str
    previous: str

    def check(self, kind: str, data: bytes, claimed: str) -> None:
        """Verify one chunk (or, with kind ``TRAILER``, the trailer); raises SignatureDoesNotMatch."""
        digests = (EMPTY_SHA256, hashlib.sha256(data).hexdigest()) if kind == "PAYLOAD" else (
            hashlib.sha256(data).hexdigest(),
        )  # fmt: skip
        text = "\n".join((f"AWS4-HMAC-SHA256-{kind}", self.stamp, self.scope, self.previous, *digests))
        if not hmac.compare_digest(sigv4.sign(self.key, text).encode(), claimed.encode()):
            raise SignatureDoesNotMatch("The signature of a chunk does not match.")
        self.previous = claimed


class Reader:
    """Decodes an aws-chunked stream. After ``__aiter__`` is exhausted, ``trailers`` holds the trailer fields."""

    def __init__(self, source: AsyncIterable[bytes], signer: ChunkSigner | None, *, trailer: bool) -> None:
        self._source = source.__aiter__()
        self._signer = signer
        self._trailer = trailer
        self._rest = memoryview(b"")
        self.trailers: Mapping[str, str] = {}

    async def __aiter__(self) -> AsyncIterator[bytes | memoryview]:
        """The decoded bytes; raises AwsErrors on anything that is not exactly the format."""
        while True:
            size, claimed = self._head(await self._line())
            if self._signer is None:
                async for piece in self._pieces(size):
                    yield piece
            else:
                if size > _LARGEST_SIGNED_CHUNK:
                    raise InvalidRequest("A signed chunk may have at most 16 MiB.")
                data = await self._exactly(size)
                # INVARIANT: no byte of a signed chunk is passed on before its signature has been checked.
                self._signer.check("PAYLOAD", data, claimed)
                if data:
                    yield data
            if size == 0:
                break
            if await self._exactly(2) != b"\r\n":
                raise IncompleteBody("A chunk is longer than its size says.")
        await self._end()

    def _head(self, line: bytes) -> tuple[int, str]:
        found = _HEAD.fullmatch(line)
        if found is None or (self._signer is not None) != (found.group(2) is not None):
            raise InvalidRequest("A chunk does not begin as aws-chunked chunks do.")
        return int(found.group(1), 16), (found.group(2) or b"").decode()

    async def _end(self) -> None:
        fields: dict[str, str] = {}
        canonical = b""
        claimed = ""
        while self._trailer:
            line = await self._line()
            if not line:
                break
            name, _, value = line.decode("latin-1").partition(":")
            name, value = name.strip().lower(), value.strip()
            if name == "x-amz-trailer-signature":
                claimed = value
            else:
                fields[name] = value
                canonical += f"{name}:{value}\n".encode("latin-1")
            if len(fields) > 16:
                raise InvalidRequest("The trailer has too many fields.")
        if self._trailer and self._signer is not None:
            self._signer.check("TRAILER", canonical, claimed)
        self.trailers = fields
        await self._drain()

    async def _drain(self) -> None:
        """Nothing but the last line end may follow."""
        rest = bytes(self._rest)
        async for piece in self._source:
            rest += piece
            if len(rest) > 2:
                break
        if rest not in {b"", b"\r\n"}:
            raise InvalidRequest("Bytes follow the last chunk.")

    async def _fill(self) -> None:
        """What came next, behind what is left: a line end or a few bytes of a chunk that lie across two pieces."""
        try:
            piece = await self._source.__anext__()
        except StopAsyncIteration:
            raise IncompleteBody("The request body terminated unexpectedly.") from None
        self._rest = memoryview(bytes(self._rest) + piece if self._rest else piece)

    async def _line(self) -> bytes:
        while True:
            head = bytes(self._rest[: _LONGEST_LINE + 2])
            end = head.find(b"\r\n")
            if end >= 0:
                self._rest = self._rest[end + 2 :]
                return head[:end]
            if len(self._rest) > _LONGEST_LINE:
                raise InvalidRequest("A chunk's first line is too long.")
            await self._fill()

    async def _exactly(self, size: int) -> bytes:
        pieces = [bytes(piece) async for piece in self._pieces(size)]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _pieces(self, size: int) -> AsyncIterator[memoryview]:
        """The next ``size`` bytes, as they came: nothing is copied."""
        while size:
            if not self._rest:
                await self._fill()
            piece = self._rest[:size]
            self._rest = self._rest[size:]
            size -= len(piece)
            yield piece
