"""Objects in and out over loopback, beside a plain write + fsync of the same disk and SeaweedFS, in the same run."""

import asyncio
import io
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from tests.conformance.seaweed import seaweed

from bench._server import running

SIZE = 256 * 1024 * 1024
SMALL = 4096
CALLS = 3000
CONNECTIONS = 16
ROUNDS = 5
_PIECE = 1 << 20


def run() -> list[tuple[str, float, str]]:
    rows: list[tuple[str, float, str]] = []
    with tempfile.TemporaryDirectory() as scratch, running() as (server, session), seaweed(Path(scratch)) as peer:
        keys = session.get_credentials().get_frozen_credentials()
        ours = (server.endpoint, Credentials(keys.access_key, keys.secret_key))
        theirs = (peer.endpoint, Credentials(peer.access_key, peer.secret_key))
        clients = {}
        for name, (endpoint, credentials) in (("Lakewarden", ours), ("SeaweedFS", theirs)):
            client = boto3.client(
                "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=credentials.access_key,
                aws_secret_access_key=credentials.secret_key, config=Config(s3={"addressing_style": "path"}),
            )  # fmt: skip
            clients[name] = client
            client.create_bucket(Bucket="bench")
            client.put_object(Bucket="bench", Key="small", Body=os.urandom(SMALL))
        body = os.urandom(SIZE)
        plain = [_plain(Path(scratch) / "plain", body) for _ in range(ROUNDS)]
        puts: dict[str, list[float]] = {"Lakewarden": [], "SeaweedFS": []}
        gets: dict[str, list[float]] = {"Lakewarden": [], "SeaweedFS": []}
        parts: dict[str, list[float]] = {"Lakewarden": [], "SeaweedFS": []}
        for _ in range(ROUNDS):
            for name, (endpoint, credentials) in (("Lakewarden", ours), ("SeaweedFS", theirs)):
                puts[name].append(_timed(lambda e=endpoint, c=credentials: _put(e, c, body)))
                gets[name].append(_timed(lambda e=endpoint, c=credentials: _get(e, c)))
                parts[name].append(
                    _timed(lambda c=clients[name]: c.upload_fileobj(io.BytesIO(body), Bucket="bench", Key="parts"))
                )
        rows.append(("256 MB plain write + fsync", statistics.median(plain), "GB/s"))
        for name in puts:
            rows.append((f"256 MB PUT, {name}", statistics.median(puts[name]), "GB/s"))
            rows.append((f"256 MB GET, {name}", statistics.median(gets[name]), "GB/s"))
            rows.append((f"256 MB boto3 upload_fileobj (8 MiB parts), {name}", statistics.median(parts[name]), "GB/s"))
        rows.append(
            ("256 MB PUT against plain write", statistics.median(puts["Lakewarden"]) / statistics.median(plain), "x")
        )
        for name, (endpoint, credentials) in (("Lakewarden", ours), ("SeaweedFS", theirs)):
            rates = [asyncio.run(_rate(endpoint, credentials)) for _ in range(3)]
            rows.append((f"4 KB GET signed, {name}", statistics.median(rates), "calls/s"))
        used = _cpu(server.pid)
        for _ in range(ROUNDS):
            _put(*ours, body)
        rows.append(("256 MB PUT, server CPU", (_cpu(server.pid) - used) * 1e9 / (ROUNDS * SIZE), "s/GB"))
        core = min(os.sched_getaffinity(server.pid))
        for thread in Path(f"/proc/{server.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})
        rates = [asyncio.run(_rate(*ours)) for _ in range(3)]
        rows.append(("4 KB GET signed and audited on one core, Lakewarden", statistics.median(rates), "calls/s"))
        status = Path(f"/proc/{server.pid}/status").read_text()
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        rows.append(("peak memory after all of it, Lakewarden", peak / 1024, "MiB"))
    return rows


def _plain(path: Path, body: bytes) -> float:
    def write() -> None:
        with path.open("wb", buffering=0) as file:
            for at in range(0, len(body), _PIECE):
                file.write(memoryview(body)[at : at + _PIECE])
            os.fsync(file.fileno())

    speed = _timed(write)
    path.unlink()
    return speed


def _timed(action: Callable[[], None]) -> float:
    started = time.perf_counter()
    action()
    return SIZE / 1e9 / (time.perf_counter() - started)


def _cpu(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Unsigned(S3SigV4Auth):  # type: ignore[misc]
    def payload(self, request: AWSRequest) -> str:  # noqa: ARG002 - botocore's signature
        return "UNSIGNED-PAYLOAD"


def _signed(method: str, url: str, credentials: Credentials, length: int = 0) -> bytes:
    """A request's head, its payload unsigned, as any SDK signs uploads over TLS."""
    request = AWSRequest(method, url)
    request.headers["Host"] = urlsplit(url).netloc
    _Unsigned(credentials, "s3", "us-east-1").add_auth(request)
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    return f"{method} {urlsplit(url).path} HTTP/1.1\r\n{head}Content-Length: {length}\r\n\r\n".encode()


def _connected(endpoint: str) -> socket.socket:
    url = urlsplit(endpoint)
    assert url.hostname is not None
    line = socket.create_connection((url.hostname, url.port))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


def _head(line: socket.socket) -> tuple[bytes, bytes]:
    head = b""
    while b"\r\n\r\n" not in head:
        got = line.recv(65536)
        assert got, head
        head += got
    start, _, rest = head.partition(b"\r\n\r\n")
    assert b" 200 " in start.splitlines()[0], start
    return start, rest


def _put(endpoint: str, credentials: Credentials, body: bytes) -> None:
    with _connected(endpoint) as line:
        line.sendall(_signed("PUT", f"{endpoint}/bench/large", credentials, len(body)))
        line.sendall(body)
        _head(line)


def _get(endpoint: str, credentials: Credentials) -> None:
    buffer = bytearray(4 << 20)
    with _connected(endpoint) as line:
        line.sendall(_signed("GET", f"{endpoint}/bench/large", credentials))
        _, rest = _head(line)
        left = SIZE - len(rest)
        while left:
            got = line.recv_into(buffer)
            assert got
            left -= got


async def _rate(endpoint: str, credentials: Credentials) -> float:
    url = urlsplit(endpoint)
    requests = [_signed("GET", f"{endpoint}/bench/small", credentials) for _ in range(CALLS)]

    async def connection(mine: list[bytes]) -> None:
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        for request in mine:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            await reader.readexactly(SMALL)
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(connection(requests[number::CONNECTIONS]) for number in range(CONNECTIONS)))
    return CALLS / (time.perf_counter() - started)


if __name__ == "__main__":
    for row in run():
        sys.stdout.write(f"{row}\n")
