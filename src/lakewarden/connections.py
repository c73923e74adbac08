"""One client's connection: what uvicorn leaves unbounded (the head's size, the time it takes) gets its bounds here."""

import asyncio
from http import HTTPStatus
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lakewarden.bodies import LARGE, LargeBody

LONGEST_HEAD: Final = 64 * 1024
"""Bytes of a request line with its headers. AWS's limits are lower; session tokens and presigned URLs fit many times."""

HEAD_SECONDS: Final = 20.0
"""How long a request's head may take, from the connection or its first byte on."""


class Connection(HttpToolsProtocol):
    """uvicorn's protocol with bounds. A head that breaks them is answered at once, and the connection closed."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_bytes = 0
        self._in_head = True
        self._deadline: asyncio.TimerHandle | None = None
        self._large: LargeBody | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first head is awaited."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._head_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, then count: what a head holds beyond the bound is never more than one read."""
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > LONGEST_HEAD:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if self._large is not None and not self.transport.is_closing():
            self._become(self._large)

    def on_message_begin(self) -> None:
        """A further head on the same connection has its own bounds."""
        super().on_message_begin()
        if not self._in_head:
            self._await_head()

    def on_headers_complete(self) -> None:
        """The head is whole; it is refused when it came in one read and is too long all the same."""
        self._head_arrived()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > LONGEST_HEAD:
            raise ValueError("the head is too long")  # the parser makes a 400 of it, and the connection closes
        waiting = self.cycle is not None and not self.cycle.response_complete
        super().on_headers_complete()
        length = self._announced()
        if length >= LARGE and not waiting and not self.parser.should_upgrade():
            self._large = LargeBody(self, self.cycle, self.flow, length, self._large_ended)
            self.cycle.receive = self._large.receive  # type: ignore[method-assign,assignment]

    def on_body(self, body: bytes) -> None:
        """What came with the head belongs to the large body as well."""
        if self._large is not None:
            self._large.first(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole body came with the head."""
        self._large = None
        super().on_message_complete()

    def _announced(self) -> int:
        """The body's length where the head says it, and nothing else about it; the parser has checked the form."""
        names = [name for name, _ in self.headers]
        if names.count(b"content-length") != 1 or b"transfer-encoding" in names:
            return 0
        return int(dict(self.headers)[b"content-length"])

    def _large_ended(self) -> None:
        """The next head is the parser's again; a new one, for the old one still waits for the body."""
        self._large = None
        self.cycle.more_body = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        self._become(self)

    def _become(self, protocol: asyncio.BaseProtocol) -> None:
        # Reading is begun anew, or the bytes would go the old way. Before somebody asks for it, no body is read.
        self.flow.pause_reading()
        self.transport.set_protocol(protocol)
        if protocol is self:
            self.flow.resume_reading()

    def _await_head(self) -> None:
        self._head_arrived()
        self._in_head, self._head_bytes = True, 0
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._refuse, HTTPStatus.REQUEST_TIMEOUT)

    def _head_arrived(self) -> None:
        self._in_head = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: HTTPStatus) -> None:
        self._head_arrived()
        if not self.transport.is_closing():
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(head.encode("ascii"))
            self.transport.close()
