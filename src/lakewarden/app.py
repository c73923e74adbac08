"""The ASGI application: AWS requests to the dispatcher, health and metrics under paths that no bucket can have."""

import secrets
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.responses import Response as PageResponse
from starlette.routing import Route

from lakewarden.dispatch import Dispatcher
from lakewarden.observe import Metrics
from lakewarden.wire import Headers, RawRequest, Response

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_DISCARDED = 16 * 1024 * 1024


class ClientDisconnected(Exception):
    """The client went away while its body was read."""


class App:
    """One port for everything."""

    def __init__(self, dispatcher: Dispatcher, metrics: Metrics, trusted_proxy: bool = False) -> None:
        self._dispatcher = dispatcher
        self._pages = pages(metrics)
        self._trusted_proxy = trusted_proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry point."""
        # A bucket name cannot begin with an underscore, so these paths can never be an object's.
        if scope["type"] != "http" or scope["path"].startswith("/_"):
            await self._pages(scope, receive, send)
            return
        body = _Body(receive)
        try:
            raw = raw_request(scope, body)
            response = await self._dispatcher.answer(raw)
            # A client that waits for "100 Continue" has sent nothing yet; another one reads the answer only after it
            # has sent its body.
            done = body.done or ("expect" not in raw.headers and await body.discard(_DISCARDED))
        except ClientDisconnected:
            return
        await _send(response, send, () if done else (("Connection", "close"),))


def pages(metrics: Metrics) -> Starlette:
    """The server's own pages."""

    async def health(_: Request) -> PageResponse:
        return PlainTextResponse("ok\n")

    async def show_metrics(_: Request) -> PageResponse:
        return PageResponse(metrics.render(), media_type="text/plain; version=0.0.4")

    return Starlette(routes=[Route("/_health", health), Route("/_metrics", show_metrics)])


def raw_request(scope: Scope, body: "_Body") -> RawRequest:
    """The request as it stood on the wire; the body is read as it is needed."""
    client = scope.get("client")
    return RawRequest(
        method=scope["method"],
        scheme=scope["scheme"],
        raw_path=scope.get("raw_path", scope["path"].encode()).decode("latin-1"),
        query_string=scope["query_string"].decode("latin-1"),
        headers=Headers(tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])),
        source_ip=client[0] if client else "",
        received_at=datetime.now(UTC),
        request_id=str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)),
        body=body,
    )


class _Body:
    """A request's body, read as it is needed. What stays unread would be taken for the connection's next request."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.done = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not self.done:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            self.done = not message.get("more_body", False)
            chunk = message.get("body", b"")
            if chunk:
                yield chunk

    async def discard(self, most: int) -> bool:
        """Read the rest and forget it; False when it is longer than ``most`` bytes."""
        async for chunk in self:
            most -= len(chunk)
            if most < 0:
                return False
        return True


async def _send(response: Response, send: Send, further: Sequence[tuple[str, str]] = ()) -> None:
    pairs = (*response.headers, *further)
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if isinstance(response.body, bytes):
        await send({"type": "http.response.body", "body": response.body})
        return
    async for chunk in response.body:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
