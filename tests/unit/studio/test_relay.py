"""A relayed WebSocket ends with its session, with its app, and with either side."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Any, cast

from lakewarden.studio.apps import Live
from lakewarden.studio.model import App, Signer, Token
from lakewarden.studio.proxy import _relay
from tests.unit.studio.furniture import Clock, role_session

SIGNER = Signer(type="User", account="1", arn="a", user_id="i", name="ann")


class Upstream:
    """The notebook's side: sends what it is given, then stays silent."""

    def __init__(self, *messages: str | bytes) -> None:
        self._messages = messages
        self.received: list[str | bytes] = []

    async def send(self, data: str | bytes) -> None:
        self.received.append(data)

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        for message in self._messages:
            yield message
        await asyncio.Event().wait()


class Browser:
    """The browser's side."""

    def __init__(self, *messages: MutableMapping[str, Any]) -> None:
        self._messages = list(messages)
        self.sent: list[MutableMapping[str, Any]] = []

    async def receive(self) -> MutableMapping[str, Any]:
        if not self._messages:
            await asyncio.Event().wait()
        return self._messages.pop(0)

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(message)


async def relay(upstream: Upstream, browser: Browser, seconds: float, *, stop: bool = False) -> Live:
    clock = Clock()
    app = App(domain="d-1", name="default", id="1", created="", modified="", space="s")
    live = Live(app, "ann", "/_studio/d-1/ann/s/", "proof", cast("Any", None), role_session("r", "ann"), clock())
    expires = clock().timestamp() + seconds
    session = Token(domain="d-1", profile="ann", profile_id="1", signer=SIGNER, expires=cast("int", expires))
    running = asyncio.create_task(_relay(live, session, cast("Any", upstream), browser.receive, browser.send, clock))
    if stop:
        for _ in range(3):
            await asyncio.sleep(0)
        assert live.sockets
        for socket in live.sockets:
            socket.cancel()
    await running
    return live


def test_an_open_socket_ends_with_its_session() -> None:
    browser = Browser()
    live = asyncio.run(relay(Upstream("hello", b"bytes"), browser, 0.02))
    assert browser.sent == [
        {"type": "websocket.send", "text": "hello"},
        {"type": "websocket.send", "bytes": b"bytes"},
        {"type": "websocket.close", "code": 4401},
    ]
    assert live.sockets == set()


def test_an_open_socket_ends_with_its_app() -> None:
    browser = Browser()
    asyncio.run(relay(Upstream(), browser, 3600, stop=True))
    assert browser.sent == [{"type": "websocket.close", "code": 1000}]


def test_what_the_browser_sends_arrives_until_it_leaves() -> None:
    upstream = Upstream()
    browser = Browser(
        {"type": "websocket.receive", "text": "a"},
        {"type": "websocket.receive", "text": None, "bytes": b"b"},
        {"type": "websocket.disconnect"},
    )
    asyncio.run(relay(upstream, browser, 3600))
    assert upstream.received == ["a", b"b"]
