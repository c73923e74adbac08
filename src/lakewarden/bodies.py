"""Large request bodies, read from the socket straight into the pieces that are handed on.

uvicorn copies each byte of a body four times on its way to the application. Here it is copied once, by the kernel. The
HTTP parser sees the head only: how long the body is, the head has said, and nothing that follows it is touched.
"""

import asyncio
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Any, Final

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

LARGE: Final = 512 * 1024
"""Bodies of at least so many bytes are read this way; smaller ones may come whole with their head."""

_FIRST_PIECE = 64 * 1024
_PIECE = 1 << 20
_AHEAD = 2
_LINGER = 2.0
"""Seconds after which a piece is handed on although it is not full: a slow client is not a silent one."""


class LargeBody(asyncio.BufferedProtocol):
    """The protocol of a connection while a body of ``length`` bytes comes in; ``ended`` is called after its last byte.

    Before the application asks, nothing is read and nothing is set aside: whoever only announces a body costs nothing.
    """

    def __init__(
        self, connection: asyncio.Protocol, cycle: RequestResponseCycle, flow: FlowControl, length: int,
        ended: Callable[[], None],
    ) -> None:  # fmt: skip
        self._connection = connection
        self._cycle = cycle
        self._flow = flow
        self._ended = ended
        self._left = length
        self._ready: deque[bytes | bytearray] = deque()
        self._piece = bytearray()
        self._filled = 0
        self._size = _FIRST_PIECE

    @property
    def left(self) -> int:
        """How many bytes have not been read."""
        return self._left

    def first(self, data: bytes) -> None:
        """What came in one read with the head."""
        self._left -= len(data)
        self._ready.append(data)
        self._cycle.message_event.set()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Where the next bytes go: never more room than the body still needs."""
        if not self._piece:
            self._piece = bytearray(min(self._size, self._left))
            # Who sends little is given little.
            self._size = min(_PIECE, self._size * 4)
        return memoryview(self._piece)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """``nbytes`` have come."""
        self._filled += nbytes
        self._left -= nbytes
        if self._cycle.response_complete:
            # The answer did not wait for the body, and nobody will ask for it any more: read and forgotten.
            self._ready.clear()
            self._piece, self._filled = bytearray(), 0
        elif self._filled == len(self._piece):
            self._hand_on(self._piece)
        if not self._left:
            self._ended()
        elif len(self._ready) >= _AHEAD:
            self._flow.pause_reading()

    def _hand_on(self, piece: bytes | bytearray) -> None:
        self._ready.append(piece)
        self._cycle.message_event.set()
        self._piece, self._filled = bytearray(), 0

    async def receive(self) -> MutableMapping[str, Any]:
        """ASGI's ``receive``: the body in pieces of up to 1 MiB."""
        cycle = self._cycle
        if cycle.waiting_for_100_continue and not cycle.transport.is_closing():
            cycle.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            cycle.waiting_for_100_continue = False
        while not self._ready and self._left and not cycle.disconnected and not cycle.response_complete:
            cycle.message_event.clear()
            self._flow.resume_reading()
            try:
                async with asyncio.timeout(_LINGER):
                    await cycle.message_event.wait()
            except TimeoutError:
                if self._filled:
                    self._hand_on(bytes(memoryview(self._piece)[: self._filled]))
        if cycle.disconnected or cycle.response_complete:
            return {"type": "http.disconnect"}
        piece = self._ready.popleft() if self._ready else b""
        return {"type": "http.request", "body": piece, "more_body": bool(self._left or self._ready)}

    # What else a connection hears goes to whom it concerns.

    def eof_received(self) -> bool | None:
        """The client sends no more."""
        return self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client went away."""
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """An answer is being written faster than it is read."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """It may go on."""
        self._connection.resume_writing()
