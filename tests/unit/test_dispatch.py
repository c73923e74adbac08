"""The pipeline's order: nothing is begun that could not be recorded, and nothing is answered that was not."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from lakewarden.dispatch import Dispatcher
from lakewarden.guard import Guard, Operation, own, table_of
from lakewarden.kernel.call import ANONYMOUS, Call
from lakewarden.kernel.errors import AwsError, ServiceUnavailable
from lakewarden.observe import CallLog, Metrics
from lakewarden.wire import Wire

CALL = Call(
    replace(ANONYMOUS, account="1", arn="arn:aws:iam::1:user/a"), "sts", "GetCallerIdentity", {}, "request",
    datetime(2026, 1, 1, tzinfo=UTC), "us-east-1",
)  # fmt: skip


class Ledger:
    """A recorder that is ready, and can write, as the test says."""

    def __init__(self, *, ready: bool, writes: bool) -> None:
        self.is_ready = ready
        self.writes = writes
        self.records: list[tuple[Call, AwsError | None]] = []

    def ready(self) -> bool:
        return self.is_ready

    async def record(self, call: Call, operation: Operation, answer: Mapping[str, Any], error: AwsError | None) -> None:
        if not self.writes:
            raise ServiceUnavailable("full")
        self.records.append((call, error))

    async def refused(self, attempt: Call, error: AwsError) -> None:
        if not self.writes:
            raise ServiceUnavailable("full")
        self.records.append((attempt, error))


def performed(ledger: Ledger, done: list[str]) -> Mapping[str, Any]:
    class Open:
        def authorize(self, call: Call, operation: Operation) -> Any:
            return call

    def handler(_: Any) -> Mapping[str, Any]:
        done.append("done")
        return {"Arn": "a"}

    operations = {"sts": table_of(Operation("GetCallerIdentity", handler, own, read_only=True))}
    with ThreadPoolExecutor(1) as threads:
        dispatcher = Dispatcher(
            cast("Wire", None), cast("Guard", Open()), operations, ledger, Metrics(), CallLog(), threads, lambda _: None
        )
        return asyncio.run(dispatcher.perform(CALL))


def test_what_is_done_is_recorded_before_it_is_answered() -> None:
    ledger, done = Ledger(ready=True, writes=True), list[str]()
    assert performed(ledger, done) == {"Arn": "a"}
    assert done == ["done"]
    assert ledger.records == [(CALL, None)]


def test_no_answer_without_audit() -> None:
    done: list[str] = []
    with pytest.raises(ServiceUnavailable):
        performed(Ledger(ready=True, writes=False), done)
    assert done == ["done"]


def test_what_could_not_be_recorded_is_not_even_begun() -> None:
    done: list[str] = []
    with pytest.raises(ServiceUnavailable):
        performed(Ledger(ready=False, writes=True), done)
    assert done == []
