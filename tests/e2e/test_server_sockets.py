"""Absurd requests on raw sockets: each gets a 4xx or a closed connection, never a 500, and the server goes on."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import uvicorn

from lakewarden import connections
from lakewarden.connections import LONGEST_HEAD, Connection
from tests.e2e.conftest import Lake
from tests.e2e.servers import say

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-amz-json-1.1\r\nX-Amz-Target: AmazonAthena.X\r\n"
CLOSE = b"Connection: close\r\n"

ABSURD = {
    "nothing at all": [b"\r\n\r\n\r\n"],
    "not http": [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256))],
    "an old version": [b"GET / HTTP/0.9\r\n\r\n"],
    "a version to come": [b"GET / HTTP/7.3\r\nHost: x\r\n\r\n"],
    "an unknown method": [b"BREW / HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n"],
    "connect": [b"CONNECT internal:22 HTTP/1.1\r\nHost: x\r\n\r\n"],
    "options star": [b"OPTIONS * HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n"],
    "a url with a host": [b"GET http://169.254.169.254/latest HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n"],
    "a url that is not ascii": [b"GET /\xff\xfe\x80 HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n"],
    "percent signs": [b"GET /%zz%%%25%ff%00 HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n"],
    "nul in a header": [HEAD + b"X-A: a\x00b\r\n" + CLOSE + b"\r\n"],
    "header without a colon": [HEAD + b"nonsense\r\n" + CLOSE + b"\r\n"],
    "folded header": [HEAD + b"X-A: a\r\n b\r\n" + CLOSE + b"\r\n"],
    "bytes in a header": [HEAD + b"Authorization: \xff\xfe AWS4-HMAC-SHA256 \xe9\r\n" + CLOSE + b"\r\n"],
    "one enormous header": [HEAD + b"X-A: " + b"a" * (LONGEST_HEAD * 8), b"\r\n\r\n"],
    "a header just too long, at once": [HEAD + b"X-A: " + b"a" * LONGEST_HEAD + b"\r\n\r\n"],
    "thousands of headers": [HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)) + b"\r\n"],
    "an enormous url": [b"GET /" + b"a" * (LONGEST_HEAD * 4) + b" HTTP/1.1\r\nHost: x\r\n\r\n"],
    "endless url": [b"GET /" + b"a" * LONGEST_HEAD, b"a" * LONGEST_HEAD],
    "two lengths": [POST + b"Content-Length: 2\r\nContent-Length: 20\r\n\r\n{}"],
    "length and chunks": [POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    "a negative length": [POST + b"Content-Length: -1\r\n\r\n"],
    "a length beyond all": [POST + b"Content-Length: 99999999999999999999999\r\n\r\n{}"],
    "a large length and nothing": [POST + CLOSE + b"Content-Length: 1000000\r\n\r\n{}"],
    "bad chunks": [POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"],
    "truncated chunks": [POST + CLOSE + b"Transfer-Encoding: chunked\r\n\r\nff\r\nhello"],
    "unknown coding": [POST + CLOSE + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
    "broken utf-8": [POST + CLOSE + b'Content-Length: 4\r\n\r\n{"\xff\xfe'],
    "a websocket to nowhere": [
        HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ],
    "h2c": [HEAD + b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n"],
    "a page that is none": [b"GET /_nothing/../../etc/passwd HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n"],
    "a page's dots": [b"GET /_health/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n"],
}  # fmt: skip


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_requests_get_a_4xx_or_nothing(lake: Lake, name: str) -> None:
    answer = say(lake.server.endpoint, *ABSURD[name], finish=True)
    if answer:
        assert answer.startswith(b"HTTP/1.1 ")
        assert 400 <= int(answer[9:12]) < 500 or answer[9:12] == b"501", answer[:300]
    assert say(lake.server.endpoint, b"GET /_health HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n")[9:12] == b"200"


def test_pipelined_requests_are_answered_in_order(lake: Lake) -> None:
    one = b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AmazonAthena.ListWorkGroups\r\nContent-Length: 2\r\n\r\n{}"
    health = b"GET /_health HTTP/1.1\r\nHost: x\r\n"
    answer = say(lake.server.endpoint, (one + health + b"\r\n") * 20 + health + CLOSE + b"\r\n")
    statuses = [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses[1::2] == [200] * 20
    assert all(400 <= status < 500 for status in statuses[:-1:2])


def test_a_client_that_goes_away_in_the_middle_of_its_body_is_audited(lake: Lake) -> None:
    begun = POST.replace(b"AmazonAthena.X", b"AmazonAthena.ListWorkGroups") + b"Content-Length: 1000\r\n\r\n{"
    say(lake.server.endpoint, begun, finish=True)
    cloudtrail = lake.client("admin", "cloudtrail")
    wanted = [{"AttributeKey": "EventSource", "AttributeValue": "athena.amazonaws.com"}]
    for _ in range(200):  # nobody waits for this answer, so its record may come a moment later
        events = cloudtrail.lookup_events(LookupAttributes=wanted, MaxResults=50)["Events"]
        if any('"IncompleteBody"' in event["CloudTrailEvent"] for event in events):
            return
    pytest.fail("the attempt is not in the trail")


# Slow clients, with the bounds made short


async def _echo(scope: Any, _receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server of our connections that waits a fraction of a second for a head; answers its port."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(_echo, http=Connection, lifespan="off", log_config=None))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize("pieces", [[], [b"GET"], [HEAD + b"X-Slow: "], [HEAD + b"\r\n", HEAD + b"X-Slow: "]])
def test_a_head_that_does_not_come_is_not_awaited_for_ever(impatient: int, pieces: list[bytes]) -> None:
    answer = say(f"http://127.0.0.1:{impatient}", *pieces)
    assert answer.endswith(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200") == max(0, len(pieces) - 1)
