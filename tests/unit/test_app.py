"""Bodies that stop, and the server's health."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from lakewarden import app
from lakewarden.health import Health


async def gathered(messages: list[MutableMapping[str, Any]]) -> bytes:
    async def receive() -> MutableMapping[str, Any]:
        if messages:
            return messages.pop(0)
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    scope = {
        "type": "http", "method": "PUT", "scheme": "http", "path": "/", "query_string": b"", "headers": [],
        "client": ("192.0.2.1", 1),
    }  # fmt: skip
    return b"".join([chunk async for chunk in app.raw_request(scope, app._Body(scope, receive)).body])


def part(body: bytes, *, more: bool) -> MutableMapping[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_comes_in_parts() -> None:
    parts = [part(b"a", more=True), part(b"", more=True), part(b"b", more=False)]
    assert asyncio.run(gathered(parts)) == b"ab"


def test_a_body_that_ends_too_early_is_incomplete() -> None:
    with pytest.raises(app.IncompleteBody):
        asyncio.run(gathered([part(b"a", more=True), {"type": "http.disconnect"}]))


def test_a_client_that_falls_silent_is_not_awaited_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "BODY_SECONDS", 0.05)
    with pytest.raises(app.RequestTimeout):
        asyncio.run(gathered([part(b"a", more=True)]))


def test_health_is_trouble_while_draining_and_while_nothing_can_be_recorded() -> None:
    recordable = [True]
    health = Health(lambda: recordable[0])
    assert health.trouble() == ""
    recordable[0] = False
    assert health.trouble() == "the audit log cannot be written"
    recordable[0] = True
    health.drain()
    assert health.trouble() == "draining"
