"""From a presigned URL to a usable JupyterLab, what the proxy adds, and what an idle app holds beside bare JupyterLab."""

import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.studio_lab import Browser, Lab, bare, space

from bench._server import running
from lakewarden.demo.server import RunningServer
from lakewarden.demo.walkthrough import FULL
from lakewarden.studio.processes import descendants, table

ROUNDS = 3
REQUESTS = 300
APPS = 20
SETTLE_SECONDS = 10
IDLE_SECONDS = 30


def run() -> list[tuple[str, float, str]]:
    with running() as (server, _):
        lab = bare(server)
        cold, warm = [], []
        for _ in range(ROUNDS):
            cold.append(_usable(lab))
            warm += [_usable(lab) for _ in range(ROUNDS)]
            _stop(lab)
        rows = [
            ("presigned URL to usable JupyterLab, cold", statistics.median(cold), "s"),
            ("presigned URL to usable JupyterLab, running", statistics.median(warm), "s"),
        ]
        browser = lab.opened(FULL)
        through, direct = _overhead(lab, server, browser)
        rows += [
            ("GET api through the proxy", through * 1000, "ms"),
            ("GET api on JupyterLab's own socket", direct * 1000, "ms"),
            ("proxy overhead a request", (through - direct) * 1000, "ms"),
        ]
        _stop(lab)
    return rows + _idle_apps()


def _idle_apps() -> list[tuple[str, float, str]]:
    """As many idle apps as bare servers, one after the other: what they hold, and the processor time that they take."""
    with running() as (server, _):
        lab = bare(server)
        before = _spent([server.pid], whole=False)
        time.sleep(IDLE_SECONDS)
        alone = _spent([server.pid], whole=False) - before
        _start_many(lab)
        apps = [one.pid for one in table().values() if one.parent == server.pid and b"bwrap" in _line(one.pid)]
        assert len(apps) == APPS, apps
        time.sleep(SETTLE_SECONDS)
        before, server_before = _spent(apps), _spent([server.pid], whole=False)
        time.sleep(IDLE_SECONDS)
        spent, server_spent = _spent(apps) - before, _spent([server.pid], whole=False) - server_before - alone
        ours = sum(map(_memory, apps))
    with _bare_servers(APPS) as (peers, bare_start):
        time.sleep(SETTLE_SECONDS)
        before = _spent(peers)
        time.sleep(IDLE_SECONDS)
        their_time, theirs = _spent(peers) - before, sum(map(_memory, peers))
    return [
        ("bare JupyterLab, from its command to its socket", bare_start, "s"),
        (f"memory of {APPS} idle apps, walls included (PSS)", ours / 1024**2, "MiB"),
        (f"memory of {APPS} bare JupyterLab servers (PSS)", theirs / 1024**2, "MiB"),
        ("ratio of memory", ours / theirs, "x"),
        (f"processor time of {APPS} idle apps", spent / IDLE_SECONDS * 100, "% of a core"),
        ("processor time of the server for them", server_spent / IDLE_SECONDS * 100, "% of a core"),
        (f"processor time of {APPS} bare JupyterLab servers", their_time / IDLE_SECONDS * 100, "% of a core"),
    ]


def _start_many(lab: Lab) -> None:
    sagemaker = lab.sagemaker("admin")
    for number in range(APPS):
        name = f"idle-{number}"
        sagemaker.create_space(
            DomainId=lab.domain, SpaceName=name, OwnershipSettings={"OwnerUserProfileName": FULL},
            SpaceSharingSettings={"SharingType": "Private"},
        )  # fmt: skip
        sagemaker.create_app(DomainId=lab.domain, SpaceName=name, AppType="JupyterLab", AppName="default")
        lab.await_app(name, "InService")


def _spent(pids: list[int], *, whole: bool = True) -> float:
    """Processor seconds of processes, with all that came from them or alone."""
    running = table()
    family = [one.pid for pid in pids for one in descendants(pid, running)] if whole else pids
    # The scheduler's own account in nanoseconds: an idle server's moments are shorter than the ticks of /proc/PID/stat.
    accounts = [task / "schedstat" for pid in family for task in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int(one.read_text(encoding="ascii").split()[0]) for one in accounts) / 1e9


def _usable(lab: Lab) -> float:
    """The page, the kernels that it lists, and a status: what JupyterLab's first screen asks for."""
    url = lab.url(FULL, SpaceName=space(FULL), LandingUri="app:JupyterLab:")
    started = time.perf_counter()
    browser = Browser(lab.port)
    browser.open(url)
    browser.json("GET", f"{lab.base(FULL)}api/kernelspecs")
    browser.json("GET", f"{lab.base(FULL)}api/contents")
    return time.perf_counter() - started


def _stop(lab: Lab) -> None:
    lab.sagemaker("admin").delete_app(
        DomainId=lab.domain, SpaceName=space(FULL), AppType="JupyterLab", AppName="default"
    )
    lab.await_app(space(FULL), "Deleted")


def _overhead(lab: Lab, server: RunningServer, browser: Browser) -> tuple[float, float]:
    path = f"{lab.base(FULL)}api"  # the one answer that JupyterLab gives to anybody
    place = next((server.data / "studio" / "run").rglob("jupyter.sock"))
    through = _median(lambda: _timed(lambda: browser.get(path)[0]))
    direct = _median(lambda: _timed(lambda: _get_unix(place, path)))
    return through, direct


def _median(measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(REQUESTS))


def _timed(do: Callable[[], int]) -> float:
    started = time.perf_counter()
    status = do()
    assert status == 200, status
    return time.perf_counter() - started


class _UnixConnection(http.client.HTTPConnection):
    """One request over a unix socket. The path may be too long for an address, so it goes through a file descriptor."""

    def __init__(self, place: Path) -> None:
        super().__init__("localhost")
        self._place = place

    def connect(self) -> None:
        handle = os.open(self._place, os.O_PATH)
        try:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(f"/proc/self/fd/{handle}")
        finally:
            os.close(handle)


def _get_unix(place: Path, path: str) -> int:
    connection = _UnixConnection(place)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


@contextmanager
def _bare_servers(count: int) -> Iterator[tuple[list[int], float]]:
    """JupyterLab as its own command starts it, on unix sockets: process ids, and how long one takes to listen."""
    with tempfile.TemporaryDirectory() as scratch:
        environment = {**os.environ, "HOME": scratch, "JUPYTER_RUNTIME_DIR": f"{scratch}/run"}
        servers, started = [], time.perf_counter()
        for number in range(count):
            sock = Path(scratch) / f"{number}.sock"
            command = [
                sys.executable, "-m", "jupyterlab", "--allow-root", "--no-browser", f"--ServerApp.sock={sock}",
                f"--ServerApp.root_dir={scratch}", "--LanguageServerManager.autodetect=False",
            ]  # fmt: skip
            servers.append(
                subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
            while not sock.exists():
                time.sleep(0.1)
        try:
            yield [one.pid for one in servers], (time.perf_counter() - started) / count
        finally:
            for one in servers:
                one.terminate()
                one.wait()


def _memory(pid: int) -> int:
    """The proportional set size of a process and all that came from it, in bytes."""
    total = 0
    for one in descendants(pid, table()):
        for line in Path(f"/proc/{one.pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def _line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
