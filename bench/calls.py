"""Signed, audited calls a second over HTTP, beside moto_server in the same run, each server on one core."""

import asyncio
import os
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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
    with running() as (server, session), moto() as (peer, peer_pid):
        for pid in (server.pid, peer_pid):
            pin(pid)
        keys = session.get_credentials()
        session.client("iam", endpoint_url=peer).create_user(UserName="lakewarden-admin")
        for name, (service, body) in CASES.items():
            ours, theirs, cost = [], [], []
            for _ in range(3):
                spent = cpu_seconds(server.pid)
                ours.append(asyncio.run(rate(server.endpoint, service, body, keys, CALLS)))
                cost.append((cpu_seconds(server.pid) - spent) / CALLS * 1e6)
                theirs.append(asyncio.run(rate(peer, service, body, keys, CALLS // 10)))
            rows.append((f"{name}, Lakewarden", statistics.median(ours), "calls/s"))
            rows.append((f"{name}, Lakewarden, processor time a call", statistics.median(cost), "us"))
            rows.append((f"{name}, moto_server", statistics.median(theirs), "calls/s"))
            rows.append((f"{name}, ratio", statistics.median(ours) / statistics.median(theirs), "x"))
    return rows


def pin(pid: int) -> None:
    """Keep a server, all its threads, on the first core; the client has the others."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {min(os.sched_getaffinity(0))})


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used: a figure that other load on the machine hardly touches."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def rate(endpoint: str, service: str, body: bytes, keys: Credentials, calls: int) -> float:
    """Calls a second over keep-alive connections; the requests are signed before the clock starts."""
    url = urlsplit(endpoint)
    requests = [_signed(endpoint, service, body, keys) for _ in range(calls)]

    async def connection(mine: list[bytes]) -> None:
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        for request in mine:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert b" 200 " in head.splitlines()[0], head
            length = next(
                int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length")
            )
            await reader.readexactly(length)
            if b"connection: close" in head:  # moto's server keeps no connection; clients open another, and so do we
                writer.close()
                reader, writer = await asyncio.open_connection(url.hostname, url.port)
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
def moto() -> Iterator[tuple[str, int]]:
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
        yield f"http://127.0.0.1:{port}", peer.pid
    finally:
        peer.terminate()
        peer.wait()
