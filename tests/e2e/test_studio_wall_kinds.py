"""The wall of a server that is no root, the refusal where no wall can be built, and the operator's exception."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from lakewarden.demo.server import RunningServer, free_port, initialise
from lakewarden.demo.walkthrough import FULL
from lakewarden.studio.processes import descendants, table
from tests.e2e.studio_lab import Kernel, bare, space

ORDINARY = ("unshare", "--user", "--map-user=1000", "--map-group=1000") if os.geteuid() == 0 else ()


@contextmanager
def serving(data: Path, prefix: tuple[str, ...], *options: str, **environment: str) -> Iterator[RunningServer]:
    administrator = initialise(data)
    port = free_port()
    command = [*prefix, sys.executable, "-m", "lakewarden", "serve", "--data", str(data), "--port", str(port), *options]
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    try:
        _await(f"http://127.0.0.1:{port}/_health", process)
        yield RunningServer(f"http://127.0.0.1:{port}", process.pid, data, administrator)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _await(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_least_reach_under_an_ordinary_user(tmp_path: Path) -> None:
    with serving(tmp_path / "data", ORDINARY) as server:
        lab = bare(server)
        kernel = Kernel.start(lab.opened(FULL), lab.base(FULL))
        assert kernel.run("import os; print(os.getuid(), os.path.exists('/sys'), os.listdir('/home'))") == (
            "1000 False ['sagemaker-user']"
        )
        assert "FileNotFoundError" in kernel.run(f"import os; os.stat({str(server.data)!r})")
        assert "Read-only" in kernel.run("open('/dev/mine', 'w')")
        assert "Read-only" in kernel.run("open('/mine', 'w')")
        assert kernel.run("print([line for line in open('/proc/self/status') if line.startswith('CapBnd')])") == (
            "['CapBnd:\\t0000000000000000\\n']"
        )
        assert "OSError" in kernel.run("import ctypes, os\nif ctypes.CDLL(None, use_errno=True).unshare(0x10000000):\n"
                                       "    raise OSError(ctypes.get_errno())")  # fmt: skip
        assert kernel.run("import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])").endswith(f"/{FULL}")
        family = {(one.pid, one.started) for one in descendants(server.pid, table()) if one.pid != server.pid}
        os.kill(server.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while family & {(one.pid, one.started) for one in table().values()}:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture
def path_without_bubblewrap(tmp_path: Path) -> Mapping[str, str]:
    place = tmp_path / "bin"
    place.mkdir()
    for name in ("bash", "env"):
        (place / name).symlink_to(str(shutil.which(name)))
    return {"PATH": str(place)}


def test_without_a_wall_no_app_starts(tmp_path: Path, path_without_bubblewrap: Mapping[str, str]) -> None:
    with serving(tmp_path / "data", (), **path_without_bubblewrap) as server:
        lab = bare(server)
        with pytest.raises(ClientError, match=r"bubblewrap.*not installed.*--unsafe-notebooks"):
            lab.sagemaker("admin").create_app(
                DomainId=lab.domain, SpaceName=space(FULL), AppType="JupyterLab", AppName="default"
            )
        assert lab.sagemaker("admin").list_apps()["Apps"] == []


@pytest.mark.long
def test_the_operator_may_insist(tmp_path: Path, path_without_bubblewrap: Mapping[str, str]) -> None:
    with serving(tmp_path / "data", (), "--unsafe-notebooks", **path_without_bubblewrap) as server:
        lab = bare(server)
        kernel = Kernel.start(lab.opened(FULL), lab.base(FULL))
        assert kernel.run("import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])").endswith(f"/{FULL}")
        home = kernel.run("import os; print(os.getcwd())")
        assert home.startswith(str(server.data / "studio" / "homes"))
        lab.sagemaker("admin").delete_app(
            DomainId=lab.domain, SpaceName=space(FULL), AppType="JupyterLab", AppName="default"
        )
        lab.await_app(space(FULL), "Deleted")
        assert not [one for one in descendants(server.pid, table()) if b"launch.py" in _line(one.pid)]


def _line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
