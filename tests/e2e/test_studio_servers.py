"""Studio on two servers that share a PostgreSQL database: whose app it is, who may end it, and what a dead one leaves."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from lakewarden.demo.server import RunningServer, serving
from lakewarden.demo.walkthrough import FULL
from tests.e2e.conftest import Lake
from tests.e2e.servers import initialised, kill
from tests.e2e.studio_lab import Kernel, Lab, bare, space


@dataclass(frozen=True)
class Two:
    """The same Studio, seen through either server."""

    first: Lab
    second: Lab


@pytest.fixture
def two(postgres_url: str, tmp_path: Path) -> Iterator[Two]:
    data = tmp_path / "data"
    administrator = initialised(data, "--database-url", postgres_url)
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(data, administrator)) for _ in range(2)]
        first = bare(servers[0])
        yield Two(first, _through(first, servers[1]))


def _through(lab: Lab, server: RunningServer) -> Lab:
    return replace(lab, lake=Lake(server, lab.lake.dataset, "", {}), port=int(server.endpoint.rpartition(":")[2]))


def test_an_app_is_told_stopped_and_taken_over_through_the_other_server(two: Two) -> None:
    kernel = Kernel.start(two.first.opened(FULL), two.first.base(FULL))
    kernel.run("open('/home/sagemaker-user/kept.txt', 'w').write('still here')")
    _the_other_server_says_where_it_runs(two.second)
    _the_other_server_can_end_it(two.second, kernel)
    kernel = Kernel.start(two.first.opened(FULL), two.first.base(FULL))
    kill(two.first.lake.server)
    _await_dead(two.first.lake.server.pid)
    # Nobody restarts the dead one: the other finds out by itself, and whoever comes to it gets her notebook.
    again = Kernel.start(two.second.opened(FULL), two.second.base(FULL))
    assert again.run("print(open('/home/sagemaker-user/kept.txt').read())") == "still here"
    again.socket.close()
    reasons = [one["serviceEventDetails"].get("reason") for one in two.second.events("AppStopped")]
    assert "The server was restarted." in reasons


def _the_other_server_says_where_it_runs(lab: Lab) -> None:
    browser = lab.signed_in(FULL)
    status, body = browser.get(f"{lab.base(FULL)}lab")
    assert (status, b"runs on another server of this lake" in body) == (503, True)
    assert browser.get(f"{lab.base(FULL)}api/status", Accept="application/json")[0] == 503
    assert "InService" in browser.get(f"/_studio/{lab.domain}/{FULL}/")[1].decode()


def _the_other_server_can_end_it(lab: Lab, kernel: Kernel) -> None:
    browser = lab.signed_in(FULL)
    assert browser.send("POST", f"/_studio/{lab.domain}/{FULL}/-/stop", f"space={space(FULL)}".encode())[0] == 303
    lab.await_app(space(FULL), "Deleted")
    with pytest.raises(ConnectionClosed):
        kernel.run("1")
    assert lab.events("DeleteApp")[0]["userIdentity"]["sessionContext"]["sourceIdentity"] == FULL


def _await_dead(pid: int) -> None:
    """A killed server's sockets and locks are gone when its process has ended: it is a zombie until it is waited for."""
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.05)
