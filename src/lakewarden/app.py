"""The ASGI application: AWS requests to the dispatcher, health and metrics under paths that no bucket can have."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.responses import Response as PageResponse
from starlette.routing import BaseRoute, Route

from lakewarden.dispatch import Dispatcher
from lakewarden.health import Health
from lakewarden.ids import new_uuid
from lakewarden.kernel.errors import AwsError
from lakewarden.observe import Metrics
from lakewarden.studio.web import Site
from lakewarden.wire import Headers, RawRequest, Response

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
_LOOPBACK = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})

_DISCARDED = 16 * 1024 * 1024


BODY_SECONDS = 60.0
"""How long a client may be silent in the middle of a body."""


class IncompleteBody(AwsError):
    """The client went away in the middle of its body. Nobody reads the answer, the audit trail has it."""

    code = "IncompleteBody"


class RequestTimeout(AwsError):
    """The client was silent in the middle of its body."""

    code = "RequestTimeout"


class App:
    """One port for everything."""

    def __init__(self, dispatcher: Dispatcher, pages: Starlette, studio: Asgi, studio_site: Site) -> None:
        self._dispatcher = dispatcher
        self._pages = pages
        self._studio = studio
        self._studio_site = studio_site

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """The server's own pages."""
        return self._pages.routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry point."""
        if scope["type"] in {"http", "websocket"} and scope["path"].startswith("/_studio"):
            await self._studio(scope, receive, send)
            return
        if scope["type"] in {"http", "websocket"} and scope["path"].startswith("/_console"):
            host = Headers(tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]))
            # INVARIANT: the console never shares an origin with notebooks, whose pages are in their users' hands.
            if self._studio_site.is_studios(host.get("host")):
                await PlainTextResponse("The console is not served under this host name.\n", 421)(scope, receive, send)
                return
        # A bucket name cannot begin with an underscore, so these paths can never be an object's.
        if scope["type"] != "http" or scope["path"].startswith("/_"):
            await self._pages(scope, receive, send)
            return
        body = _Body(scope, receive)
        response = await self._dispatcher.answer(raw_request(scope, body))
        await _send(response, send, last=not await body.finished())


class _Body:
    """A request's body, read as it is needed.

    What stays unread would be taken for the connection's next request, so that it is read and forgotten, or else the
    connection ends. A client that waits for "100 Continue" has sent nothing yet and may send its body or not
    (RFC 9110, 10.1.1): its connection cannot be used again either.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self._done = False
        self._withheld = any(name == b"expect" and value.lower() == b"100-continue" for name, value in scope["headers"])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces; asking for the first one sends the word that the client waits for."""
        self._withheld = False
        while not self._done:
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    message = await self._receive()
            except TimeoutError:
                raise RequestTimeout("Your socket connection to the server was not read from or written to.") from None
            if message["type"] == "http.disconnect":
                raise IncompleteBody("The request body ended before its end.")
            self._done = not message.get("more_body", False)
            chunk = message.get("body", b"")
            if chunk:
                yield chunk

    async def finished(self) -> bool:
        """Whether the next request can follow: all was read, or is read now and is not too much."""
        if self._withheld:
            return False
        left = _DISCARDED
        try:
            async for chunk in self:
                left -= len(chunk)
                if left < 0:
                    return False
        except AwsError:
            return False
        return True


def pages(health: Health, metrics: Metrics, metrics_token: str) -> Starlette:
    """The server's own pages. Anybody may ask for the health, as load balancers do; it tells nothing else."""

    async def show_health(_: Request) -> PageResponse:
        """200 and `ok` when calls may be sent; 503 and the reason when the server drains or cannot record."""
        trouble = health.trouble()
        return PlainTextResponse(f"{trouble or 'ok'}\n", 503 if trouble else 200)

    async def show_metrics(request: Request) -> PageResponse:
        """Prometheus metrics: for the machine's own processes, and for who holds the bearer token of `metrics.token`."""
        if not _may_read_metrics(request, metrics_token):
            return PlainTextResponse("Unauthorized\n", 401, {"www-authenticate": "Bearer"})
        return PageResponse(metrics.render(), media_type="text/plain; version=0.0.4")

    return Starlette(routes=[Route("/_health", show_health), Route("/_metrics", show_metrics)])


def _may_read_metrics(request: Request, token: str) -> bool:
    """The machine's own processes may read the counters, others need the token. A proxy's clients are others."""
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and token and hmac.compare_digest(given.encode(), token.encode()):
        return True
    forwarded = any(name in request.headers for name in ("x-forwarded-for", "forwarded", "via", "x-real-ip"))
    return not forwarded and request.client is not None and request.client.host in _LOOPBACK


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
        request_id=new_uuid(),
        body=body,
    )


async def _send(response: Response, send: Send, *, last: bool) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    if last:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if isinstance(response.body, bytes):
        await send({"type": "http.response.body", "body": response.body})
        return
    async for chunk in response.body:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
