"""What is ended, and what is left alone: real processes, an invented table."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakewarden.studio.ports import Limits
from lakewarden.studio.processes import Process, descendants, table
from lakewarden.studio.watch import Watched, check, end

LIMITS = Limits(memory=1000, processes=4, disk=1)


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def watched(pid: int, told: list[str]) -> Watched:
    return Watched(pid, (), LIMITS, told.append)


def test_the_largest_process_goes_first_and_the_app_with_its_last_three(sleeper: "subprocess.Popen[bytes]") -> None:
    told: list[str] = []
    family = {1: Process(1, 0, 1, 1), 2: Process(2, 1, 1, 1), 3: Process(3, 2, 600, 1)}
    kernel = {sleeper.pid: Process(sleeper.pid, 3, 700, 1)}
    one = watched(1, told)
    check(one, family | kernel)
    assert sleeper.wait(10) == -9
    assert told == []
    assert one.busy


def test_an_app_over_its_limit_is_told_why(sleeper: "subprocess.Popen[bytes]") -> None:
    told: list[str] = []
    check(watched(sleeper.pid, told), {sleeper.pid: Process(sleeper.pid, 0, 2000, 1)})
    assert sleeper.wait(10) == -9
    assert told == ["The app used more than 0 MiB of memory."]


def test_who_takes_much_is_the_kernels_first_choice(sleeper: "subprocess.Popen[bytes]") -> None:
    told: list[str] = []
    check(watched(sleeper.pid, told), {sleeper.pid: Process(sleeper.pid, 0, 700, 1)})
    assert Path(f"/proc/{sleeper.pid}/oom_score_adj").read_text() == "1000\n"
    assert told == []


def test_a_fork_bomb_is_ended_whole(sleeper: "subprocess.Popen[bytes]") -> None:
    told: list[str] = []
    many = {number: Process(number, sleeper.pid, 0, 1) for number in range(10**7, 10**7 + 20)}
    check(watched(sleeper.pid, told), {sleeper.pid: Process(sleeper.pid, 0, 1, 1), **many})
    assert sleeper.wait(10) == -9
    assert told == ["The app ran more than 4 processes."]


def test_who_is_gone_already_is_no_error() -> None:
    told: list[str] = []
    end(watched(2**22 + 1, told), "reason")
    assert told == ["reason"]


def test_the_table_knows_our_children(sleeper: "subprocess.Popen[bytes]") -> None:
    running = table()
    mine = descendants(running[sleeper.pid].parent, running)
    assert sleeper.pid in {one.pid for one in mine}
    assert running[sleeper.pid].memory > 1024**2
