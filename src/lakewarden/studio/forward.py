"""HTTP to a notebook's JupyterLab, and to others: one request, one answer, over a connection of its own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import httptools

from lakewarden.studio.ports import Notebook

Pairs = Iterable[tuple[bytes, bytes]]
_CHUNK: Final = 65_536
_HEADER_LIMIT: Final = 65_536
_ASK_SECONDS: Final = 10.0
_LONGEST_ASKED: Final = 1024 * 1024


@dataclass(slots=True)
class _Parsed:
    """What the parser has seen so far."""

    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: list[bytes] = field(default_factory=list)
    head_done: bool = False
    done: bool = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.head_done = True

    def on_body(self, chunk: bytes) -> None:
        self.body.append(chunk)

    def on_message_complete(self) -> None:
        self.done = True


class Answer:
    """An answer whose head has come; its body is read as it is needed. ``close`` ends the connection."""

    def __init__(
        self, status: int, parsed: _Parsed, parser: httptools.HttpResponseParser, reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:  # fmt: skip
        self.status = status
        self.headers = parsed.headers
        self._parsed = parsed
        self._parser = parser
        self._reader = reader
        self._writer = writer

    async def body(self) -> AsyncIterator[bytes]:
        """The body; raises ``ConnectionError`` when it breaks off."""
        while True:
            pending, self._parsed.body = self._parsed.body, []
            for chunk in pending:
                yield chunk
            if self._parsed.done:
                return
            data = await self._reader.read(_CHUNK)
            if not data:
                if any(name in {b"content-length", b"transfer-encoding"} for name, _ in self.headers):
                    raise ConnectionError("the answer broke off")
                return
            _feed(self._parser, data)

    def close(self) -> None:
        """Let go of the connection."""
        self._writer.close()


async def exchange(
    notebook: Notebook, method: str, target: bytes, headers: Pairs, body: AsyncIterator[bytes] | None = None
) -> Answer:
    """Send a request; answers when the head of the answer is there. Raises ``OSError``.

    ``headers`` must hold no line breaks (they come from a parser) and say how long the body is.
    """
    reader, writer = await asyncio.open_unix_connection(sock=await notebook.connect())
    return await converse(reader, writer, method, target, headers, body)


async def converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, target: bytes, headers: Pairs,
    body: AsyncIterator[bytes] | None = None,
) -> Answer:  # fmt: skip
    """The same over a connection that stands already; it is closed with the answer, or when there is none."""
    try:
        head = b"".join(b"%s: %s\r\n" % pair for pair in headers)
        writer.write(b"%s %s HTTP/1.1\r\n%sConnection: close\r\n\r\n" % (method.encode("ascii"), target, head))
        if body is not None:
            await _send(writer, body)
        await writer.drain()
        parsed = _Parsed()
        parser = httptools.HttpResponseParser(parsed)
        received = 0
        while not parsed.head_done or parser.get_status_code() < 200:
            data = await reader.read(_CHUNK)
            received += len(data)
            if not data or received > _HEADER_LIMIT + _CHUNK:
                raise ConnectionError("there was no answer")
            _feed(parser, data)
        return Answer(parser.get_status_code(), parsed, parser, reader, writer)
    except BaseException:
        writer.close()
        raise


async def ask(notebook: Notebook, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """A small GET of our own: status and body. Raises ``OSError``, for an answer that is large or slow too.

    What listens there may be whatever the notebook's user put there.
    """
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    async with asyncio.timeout(_ASK_SECONDS):
        answer = await exchange(notebook, "GET", path.encode("ascii"), pairs)
        try:
            body = b""
            async for chunk in answer.body():
                body += chunk
                if len(body) > _LONGEST_ASKED:
                    raise ConnectionError("the notebook's answer is too long")
            return answer.status, body
        finally:
            answer.close()


async def _send(writer: asyncio.StreamWriter, body: AsyncIterator[bytes]) -> None:
    # JupyterLab may refuse a body that it has not read; then its answer is worth more than the rest of the body.
    with contextlib.suppress(ConnectionError):
        async for chunk in body:
            writer.write(chunk)
            await writer.drain()


def _feed(parser: httptools.HttpResponseParser, data: bytes) -> None:
    try:
        parser.feed_data(data)
    except httptools.HttpParserError as error:
        raise ConnectionError("the answer is not HTTP") from error
