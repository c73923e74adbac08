"""Signed, audited calls a second over HTTP, beside moto_server in the same run, each server on one core."""

import asyncio
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bench._server import running
from lakewarden.demo.server import free_port

CALLS = 3000
CONNECTIONS = 16
CASES = {
    "sts GetCallerIdentity": ("sts", b"Action=GetCallerIdentity&Version=2011-06-15"),
    "iam GetUser": ("iam", b"Action=GetUser&Version=2010-05-08&UserName=lakewarden-admin"),
}


def run() -> list[tuple[str, float, str]]:
    rows: list[tuple[str, float, str]] = []
    with running() as (server, session), moto() as peer:
        keys = session.get_credentials()
        session.client("iam", endpoint_url=peer).create_user(UserName="lakewarden-admin")
        for name, (service, body) in CASES.items():
            ours, theirs = [], []
            for _ in range(3):
                ours.append(asyncio.run(rate(server.endpoint, service, body, keys, CALLS)))
                theirs.append(asyncio.run(rate(peer, service, body, keys, CALLS // 10)))
            rows.append((f"{name}, Lakewarden", statistics.median(ours), "calls/s"))
            rows.append((f"{name}, moto_server", statistics.median(theirs), "calls/s"))
            rows.append((f"{name}, ratio", statistics.median(ours) / statistics.median(theirs), "x"))
    return rows


async def rate(endpoint: str, service: str, body: bytes, keys: Credentials, calls: int) -> float:
    """Calls a second over keep-alive connections; the requests are signed before the clock starts."""
    url = urlsplit(endpoint)
    requests = [_signed(endpoint, service, body, keys) for _ in range(calls)]

    async def connection(mine: list[bytes]) -> None:
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        for request in mine:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = next(
                int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
            )
            await reader.readexactly(length)
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(connection(requests[number::CONNECTIONS]) for number in range(CONNECTIONS)))
    return calls / (time.perf_counter() - started)


def _signed(endpoint: str, service: str, body: bytes, keys: Credentials) -> bytes:
    request = AWSRequest("POST", endpoint + "/", data=body)
    request.headers["Content-Type"] = "application/x-www-form-urlencoded"
    request.headers["Host"] = urlsplit(endpoint).netloc
    SigV4Auth(keys, service, "us-east-1").add_auth(request)
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    return f"POST / HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@contextmanager
def moto() -> Iterator[str]:
    port = free_port()
    peer = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=1)
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        peer.terminate()
        peer.wait()
