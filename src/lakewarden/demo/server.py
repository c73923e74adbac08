"""Starts the real server on a free loopback port, and stops it by its own process id."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lakewarden.demo.errors import DemoError

_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RunningServer:
    """Where the server listens, its process id, and the administrator that ``init`` printed."""

    endpoint: str
    pid: int
    data: Path
    administrator: Mapping[str, str]


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def initialise(data: Path) -> Mapping[str, str]:
    """Run ``lakewarden init`` and return what it printed."""
    command = [sys.executable, "-m", "lakewarden", "init", "--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    if done.returncode != 0:
        raise DemoError(f"lakewarden init failed: {done.stderr.strip()}")
    printed: Mapping[str, str] = json.loads(done.stdout)
    return printed


@contextmanager
def serving(data: Path, administrator: Mapping[str, str], port: int | None = None) -> Iterator[RunningServer]:
    """Run ``lakewarden serve`` until the block ends; raises :class:`DemoError` when it does not become ready."""
    port = port or free_port()
    log = data / "server.log"
    command = [sys.executable, "-m", "lakewarden", "serve", "--data", str(data), "--port", str(port)]
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)  # noqa: S603 - our own command
    endpoint = f"http://127.0.0.1:{port}"
    try:
        _await_ready(endpoint, process, log)
        yield RunningServer(endpoint, process.pid, data, administrator)
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(endpoint: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DemoError(f"the server ended with status {process.returncode}; its log is {log}")
        try:
            with urllib.request.urlopen(f"{endpoint}/_health", timeout=1):  # noqa: S310 - our own loopback URL
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.05)
    raise DemoError(f"the server was not ready after {_START_SECONDS:.0f} s; its log is {log}")
