"""The reverse proxy to a notebook: HTTP and WebSockets, for a session that has been admitted."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from lakewarden.kernel.clock import Clock
from lakewarden.studio.door import Receive, Scope, Send
from lakewarden.studio.errors import PageRefused
from lakewarden.studio.forward import exchange
from lakewarden.studio.headers import first, to_browser, to_notebook
from lakewarden.studio.live import PROOF, Live
from lakewarden.studio.model import Token

_LONGEST_MESSAGE = 256 * 1024**2
_SESSION_OVER = 4401
_GONE = 1001


async def forward_http(live: Live, scope: Scope, receive: Receive, send: Send, clock: Clock) -> None:
    """Pass a request on and its answer back, streaming both. Raises :class:`PageRefused` when there is no answer."""
    headers = to_notebook(scope["headers"], (PROOF, live.proof))
    if any(name.lower() == b"transfer-encoding" for name, _ in scope["headers"]):
        raise PageRefused(411, "The length of the body must be given.")
    live.active = clock()
    has_body = bool(first(scope["headers"], b"content-length"))
    try:
        answer = await exchange(
            live.notebook, scope["method"], _target(scope), headers, _body(receive) if has_body else None
        )
    except OSError as error:
        raise PageRefused(502, "JupyterLab does not answer. It may be busy, or it may have ended.") from error
    try:
        await send(
            {"type": "http.response.start", "status": answer.status, "headers": to_browser(answer.headers, live.base)}
        )
        if scope["method"] != "HEAD" and answer.status not in {204, 304}:
            async for chunk in answer.body():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        answer.close()


async def forward_socket(live: Live, session: Token, scope: Scope, receive: Receive, send: Send, clock: Clock) -> None:
    """Relay a WebSocket until either side closes it, the app stops, or the session ends."""
    await receive()  # websocket.connect
    headers = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in to_notebook(scope["headers"], (PROOF, live.proof))
        if name.lower() not in {b"host", b"origin", b"user-agent"}
    ]
    host = first(scope["headers"], b"host")
    async with contextlib.AsyncExitStack() as stack:
        try:
            upstream = await stack.enter_async_context(
                unix_connect(
                    uri=f"ws://{host}{_target(scope).decode('ascii')}",
                    sock=await live.notebook.connect(),
                    additional_headers=headers,
                    origin=first(scope["headers"], b"origin"),
                    subprotocols=list(scope.get("subprotocols") or ()) or None,
                    compression=None,
                    max_size=_LONGEST_MESSAGE,
                    ping_interval=None,
                    user_agent_header=None,
                )
            )
        except (OSError, InvalidHandshake, TimeoutError):
            await send({"type": "websocket.close", "code": _GONE})
            return
        await send({"type": "websocket.accept", "subprotocol": upstream.subprotocol})
        await _relay(live, session, upstream, receive, send, clock)


async def _relay(
    live: Live, session: Token, upstream: ClientConnection, receive: Receive, send: Send, clock: Clock
) -> None:
    relays = {
        asyncio.create_task(_upward(live, upstream, receive, clock)),
        asyncio.create_task(_downward(live, upstream, send)),
    }
    live.sockets |= relays
    # INVARIANT (revocation_is_immediate): an open socket ends with its session and with its app.
    remaining = session.expires - clock().timestamp()
    done, _ = await asyncio.wait(relays, timeout=remaining, return_when=asyncio.FIRST_COMPLETED)
    for relay in relays:
        relay.cancel()
    await asyncio.gather(*relays, return_exceptions=True)
    live.sockets -= relays
    with contextlib.suppress(RuntimeError):  # the browser closed it first
        await send({"type": "websocket.close", "code": 1000 if done else _SESSION_OVER})


async def _upward(live: Live, upstream: ClientConnection, receive: Receive, clock: Clock) -> None:
    while True:
        message: Any = await receive()
        if message["type"] == "websocket.disconnect":
            return
        live.active = clock()
        data = message.get("bytes") if message.get("bytes") is not None else message["text"]
        try:
            await upstream.send(data)
        except ConnectionClosed:
            return


async def _downward(live: Live, upstream: ClientConnection, send: Send) -> None:
    with contextlib.suppress(ConnectionClosed, RuntimeError):
        async for data in upstream:
            if live.stopping:
                return
            kind = "text" if isinstance(data, str) else "bytes"
            await send({"type": "websocket.send", kind: data})


def _target(scope: Scope) -> bytes:
    query = scope["query_string"]
    raw: bytes = scope["raw_path"]
    return raw + b"?" + query if query else raw


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionAbortedError("the browser went away")
        more = message.get("more_body", False)
        if message.get("body"):
            yield message["body"]
