"""The one door of a notebook's wall: the AWS endpoint, the credentials of the notebook's role, and maybe packages.

The listening socket was made inside the notebook's network and handed out; we accept on it here. So whoever talks on it
is that notebook, and a notebook can talk to nothing else.
"""

import asyncio
import hmac
import json
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from lakewarden.connections import Connection
from lakewarden.studio.errors import TrustRefused
from lakewarden.studio.index import PACKAGES
from lakewarden.studio.ports import Worn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
_MOST_CONNECTIONS = 256
CREDENTIALS = "/_studio/credentials"


class Door:
    """The ASGI application behind a notebook's door. ``wear`` answers fresh credentials of its role; ``packages`` is
    the operator's package index, where there is one.
    """

    def __init__(
        self, endpoint: Asgi, token: str, wear: Callable[[], Awaitable[Worn]], packages: Asgi | None = None
    ) -> None:
        self._endpoint = endpoint
        self._token = token.encode()
        self._wear = wear
        self._packages = packages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry point."""
        if scope["type"] != "http":
            return
        if scope["path"] == CREDENTIALS:
            status, body = await self._credentials(scope)
            await answer_json(send, status, body)
        elif self._packages is not None and scope["path"].startswith(PACKAGES):
            await self._packages(scope, receive, send)
        # INVARIANT (least_reach): pages, other notebooks, metrics and the console are no part of the endpoint.
        elif scope["path"].startswith("/_"):
            await answer_json(send, 404, {"message": "Not found."})
        else:
            await self._endpoint({**scope, "client": ("127.0.0.1", 0)}, receive, send)

    async def _credentials(self, scope: Scope) -> tuple[int, dict[str, str]]:
        shown = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        if scope["method"] != "GET" or not hmac.compare_digest(shown, self._token):
            return 403, {"code": "AccessDenied", "message": "The authorization token is not this notebook's."}
        try:
            worn = await self._wear()
        except TrustRefused as error:
            return 403, {"code": "AccessDenied", "message": str(error)}
        return 200, {
            "AccessKeyId": worn.access_key_id,
            "SecretAccessKey": worn.secret_key,
            "Token": worn.session_token,
            "Expiration": worn.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "RoleArn": worn.principal.grantee_arn,
        }


async def open_door(listener: socket.socket, application: Asgi) -> asyncio.Server:
    """Serve ``application`` on a listening socket that came out of a notebook's network."""
    config = uvicorn.Config(
        application,
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # INVARIANT: what a notebook says about whom it forwards for, and how securely, is believed by nobody.
        proxy_headers=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=75,
    )
    config.load()
    state = ServerState()
    return await asyncio.get_running_loop().create_server(
        lambda: Connection(config=config, server_state=state, app_state={}), sock=listener
    )


async def answer_json(send: Send, status: int, body: dict[str, str]) -> None:
    """Send a small JSON answer that nobody may cache."""
    content = json.dumps(body).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
