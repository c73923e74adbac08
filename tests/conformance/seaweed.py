"""A real S3 server of other people's making, on loopback, for the tests of the remote backend."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PORTS = ("s3", "master", "filer", "volume", "admin")


@dataclass(frozen=True)
class Seaweed:
    endpoint: str
    access_key: str
    secret_key: str
    pid: int


def _port() -> int:
    """A free port whose gRPC companion (10,000 higher) is free too."""
    while True:
        number = 20_000 + secrets.randbelow(30_000)
        try:
            for candidate in (number, number + 10_000):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", candidate))
        except OSError:
            continue
        return number


@contextmanager
def seaweed(root: Path) -> Iterator[Seaweed]:
    access, secret = secrets.token_hex(10), secrets.token_hex(20)
    config = root / "s3.json"
    identity = {
        "name": "gateway",
        "credentials": [{"accessKey": access, "secretKey": secret}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config.write_text(json.dumps({"identities": [identity]}))
    (root / "data").mkdir()
    ports = {name: _port() for name in PORTS}
    options = [f"-{name}.port={number}" for name, number in ports.items()]
    command = [
        str(Path(sys.executable).parent / "weed"), "mini", f"-dir={root / 'data'}", "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1", "-master.telemetry=false", f"-s3.config={config}", "-webdav=false", *options,
    ]  # fmt: skip
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=root, env={"PATH": os.environ["PATH"], "HOME": str(root)}
        )
    endpoint = f"http://127.0.0.1:{ports['s3']}"
    try:
        _await(endpoint, process, root / "log")
        yield Seaweed(endpoint, access, secret, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(endpoint: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(endpoint, timeout=1)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(log.read_text()[-2000:])
