"""Fair queues: turns between owners, and no more than its share for any of them."""

import threading
from functools import partial

from lakewarden.query.scheduler import Scheduler


def test_an_owner_never_runs_more_than_its_share_and_others_pass_its_queue() -> None:
    scheduler = Scheduler(threads=3, per_owner=2)
    release, running, peak = threading.Event(), 0, 0
    lock, ended = threading.Lock(), threading.Semaphore(0)

    def long() -> None:
        nonlocal running, peak
        with lock:
            running += 1
            peak = max(peak, running)
        release.wait(20)
        with lock:
            running -= 1
        ended.release()

    passed = threading.Event()
    for _ in range(6):
        scheduler.submit("a", long)
    scheduler.submit("b", passed.set)
    assert passed.wait(20)
    release.set()
    for _ in range(6):
        assert ended.acquire(timeout=20)
    scheduler.close()
    assert peak == 2


def test_owners_take_turns() -> None:
    scheduler = Scheduler(threads=1, per_owner=1)
    started, go, done = threading.Event(), threading.Event(), threading.Event()
    order: list[str] = []

    def first() -> None:
        started.set()
        go.wait(20)

    scheduler.submit("a", first)
    assert started.wait(20)
    for owner, number in (("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1)):
        scheduler.submit(owner, partial(order.append, f"{owner}{number}"))
    scheduler.submit("a", done.set)
    go.set()
    assert done.wait(20)
    scheduler.close()
    assert order == ["a0", "b0", "a1", "b1", "a2"]


def test_a_job_that_fails_ends_no_thread() -> None:
    scheduler = Scheduler(threads=1, per_owner=1)

    def fails() -> None:
        raise RuntimeError("on purpose")

    done = threading.Event()
    scheduler.submit("a", fails)
    scheduler.submit("a", done.set)
    assert done.wait(20)
    scheduler.close()
