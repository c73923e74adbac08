"""Faults, with a real server and real clients: no answer without a record, none lost, none doubled, no hand needed."""

import json
import resource
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from lakewarden.demo.server import RunningServer, serving
from tests.e2e.faulty import serving_faulty
from tests.e2e.servers import client, initialised, kill, run
from tests.postgres import cluster


class Calls:
    """Calls to one or more servers, and what became of each: answered with a request id, or refused with a code."""

    def __init__(self, *servers: RunningServer) -> None:
        self.servers = servers
        self.clients = [client(one.endpoint, one.administrator, "iam") for one in servers]
        self.answered: list[str] = []
        self.refused: Counter[str] = Counter()
        self.made: list[str] = []

    def make(self, name: str, which: int = 0) -> bool:
        """CreateUser: what is recorded has an effect that can be seen."""
        try:
            answer = self.clients[which % len(self.clients)].create_user(UserName=name)
        except ClientError as error:
            self.refused[error.response["Error"]["Code"]] += 1
            return False
        except BotoCoreError as error:
            self.refused[type(error).__name__] += 1
            return False
        self.answered.append(answer["ResponseMetadata"]["RequestId"])
        self.made.append(name)
        return True

    def await_answer(self, name: str, which: int = 0) -> None:
        """Try until the server has recovered, with nobody's help."""
        deadline = time.monotonic() + 60
        number = 0
        while not self.make(f"{name}-{number}", which):
            assert time.monotonic() < deadline, self.refused
            number += 1
            time.sleep(0.2)


def records(server: RunningServer) -> list[dict[str, Any]]:
    pages = client(server.endpoint, server.administrator, "cloudtrail").get_paginator("lookup_events").paginate()
    return [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]]


def check(server: RunningServer, calls: Calls) -> None:
    """Every answer has exactly one record, every effect has one, and no event stands there twice."""
    found = records(server)
    assert len({one["eventID"] for one in found}) == len(found)
    created = [one for one in found if one["eventName"] == "CreateUser" and "errorCode" not in one]
    requests = Counter(one["requestID"] for one in created)
    assert [one for one in calls.answered if requests[one] != 1] == []
    # What was done while the log was away, and could not be answered, is on the record all the same.
    pages = client(server.endpoint, server.administrator, "iam").get_paginator("list_users").paginate()
    users = {user["UserName"] for page in pages for user in page["Users"]} - {"lakewarden-admin"}
    named = [one["requestParameters"]["userName"] for one in created]
    assert sorted(named) == sorted(users)
    assert set(calls.made) <= users


def verified(data: Path) -> str:
    done = run("audit", "verify", "--data", str(data))
    assert done.stdout.startswith("ok: "), done.stdout
    return done.stdout


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def limit_files(server: RunningServer, size: int) -> None:
    """No file of the server can be written beyond ``size``: for the kernel the same as a disk that is full."""
    _, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size, hard))


def test_a_full_disk(data: Path) -> None:
    administrator = initialised(data)
    with serving(data, administrator) as server:
        calls = Calls(server)
        for number in range(5):
            assert calls.make(f"before-{number}")
        limit_files(server, 0)
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda number: calls.make(f"during-{number}"), range(20)))
        assert calls.made == [f"before-{number}" for number in range(5)]
        assert set(calls.refused) == {"ServiceUnavailable"}
        # A call that only reads is not answered either: who looked would not be on the record.
        with pytest.raises(ClientError, match="ServiceUnavailable"):
            calls.clients[0].list_users()
        limit_files(server, resource.RLIM_INFINITY)
        calls.await_answer("after")
        check(server, calls)
    verified(data)


def test_a_database_that_dies_under_two_servers(data: Path, tmp_path: Path) -> None:
    with cluster() as postgres:
        administrator = initialised(data, "--database-url", postgres.create("faults"))
        with ExitStack() as stack:
            pair = tuple(stack.enter_context(serving(data, administrator)) for _ in range(2))
            calls = Calls(*pair)
            with ThreadPoolExecutor(4) as threads:
                list(threads.map(lambda number: calls.make(f"before-{number}", number), range(40)))
            assert not calls.refused
            with ThreadPoolExecutor(4) as threads:
                under_way = [
                    threads.submit(lambda one=number: calls.make(f"during-{one}", one))  # type: ignore[misc]
                    for number in range(200)
                ]
                postgres.kill()
                for one in under_way:
                    one.result()
            assert not calls.make("away", 0)
            assert not calls.make("away", 1)
            assert set(calls.refused) == {"ServiceUnavailable"}
            postgres.start()
            for which in range(2):
                calls.await_answer(f"after-{which}", which)
            check(pair[0], calls)
            check(pair[1], calls)
            kill(pair[1])
            assert calls.make("one-is-left", 0)
            check(pair[0], calls)
        verified(data)


@pytest.fixture
def faulty(data: Path, tmp_path: Path) -> Callable[[], Any]:
    administrator = initialised(data)
    return lambda: serving_faulty(data, tmp_path / "faults", administrator)


def test_a_clock_that_is_set_back_and_a_kill_before_the_answer(
    data: Path, tmp_path: Path, faulty: Callable[[], Any]
) -> None:
    clock, killing = tmp_path / "faults" / "clock", tmp_path / "faults" / "kill"
    with faulty() as server:
        calls = Calls(server)
        assert calls.make("at-first")
        _await_steps(server, [])
        clock.write_text("-200")
        assert calls.make("set-back")
        _await_steps(server, [-200])
        clock.write_text("0")
        _await_steps(server, [-200, 200])
        check(server, calls)
        # The record is durable, the answer never leaves: the client does not know, and the trail does.
        killing.write_text("CreateUser")
        assert not calls.make("unanswered")
        assert set(calls.refused) <= {"ConnectionClosedError", "ReadTimeoutError"}
    with faulty() as server:
        again = Calls(server)
        assert not again.make("unanswered")
        assert set(again.refused) == {"EntityAlreadyExists"}
        again.answered, again.made = calls.answered, [*calls.made, "unanswered"]
        assert again.make("at-last")
        check(server, again)
    assert verified(data).count("the server's clock was set by ") == 2


def _await_steps(server: RunningServer, wanted: list[int]) -> None:
    """The clock's steps on the record, within half a second of rounding."""
    deadline = time.monotonic() + 30
    while True:
        found = [one for one in records(server) if one["eventName"] == "AuditClockStepped"]
        steps = sorted(one["serviceEventDetails"]["seconds"] for one in found)
        if len(steps) == len(wanted):
            break
        assert time.monotonic() < deadline, steps
        time.sleep(0.2)
    assert all(abs(step - asked) <= 1 for step, asked in zip(steps, sorted(wanted), strict=True)), steps
