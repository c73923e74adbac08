"""The real ``lakewarden`` command, in a world that a test can break: ``python -m tests.e2e.faulty DIR serve ...``.

``DIR/clock`` holds seconds by which the clock is set; ``DIR/kill`` an operation after whose record, before whose answer, the
process is killed with SIGKILL, once.
"""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from lakewarden.demo.server import RunningServer, free_port


@contextmanager
def serving_faulty(data: Path, faults: Path, administrator: Mapping[str, str]) -> Iterator[RunningServer]:
    """A server whose faults lie in a directory."""
    faults.mkdir(exist_ok=True)
    port = free_port()
    command = [sys.executable, "-m", "tests.e2e.faulty", str(faults), "serve", "--data", str(data), "--port", str(port)]
    with (data / "server.log").open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=Path(__file__).parents[2])
    try:
        endpoint = f"http://127.0.0.1:{port}"
        while process.poll() is None and not _healthy(endpoint):
            pass
        assert process.poll() is None, (data / "server.log").read_text()
        yield RunningServer(endpoint, process.pid, data, administrator)
    finally:
        process.terminate()
        process.wait(timeout=60)


def _healthy(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint}/_health", timeout=0.2):
            return True
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def _break(faults: Path) -> None:
    from lakewarden import bootstrap
    from lakewarden.adapters.recording import AuditRecorder

    true_now: Callable[[], datetime] = bootstrap.now
    true_record = AuditRecorder.record

    def now() -> datetime:
        return true_now() + timedelta(seconds=float(_text(faults / "clock") or 0))

    async def record(self: AuditRecorder, call: Any, *more: Any) -> None:
        await true_record(self, call, *more)
        if call.operation == _text(faults / "kill"):
            (faults / "kill").unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    bootstrap.now = now
    AuditRecorder.record = record  # type: ignore[assignment, method-assign]


if __name__ == "__main__":
    from lakewarden.cli import main

    _break(Path(sys.argv.pop(1)))
    main()
