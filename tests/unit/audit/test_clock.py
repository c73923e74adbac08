"""Whoever sets the server's clock is on the record, and in ``verify``'s report."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from lakewarden.audit.clock import STEPPED, ClockWatch
from lakewarden.audit.log import AuditLog
from lakewarden.audit.records import is_service_record
from lakewarden.audit.store import AuditStore
from lakewarden.state import Database
from tests.unit.audit.calls import ACCOUNT, REGION
from tests.unit.audit.test_records import cases

START = datetime(2026, 1, 31, 10, 0, tzinfo=UTC)


class Clocks:
    """One that can be set, and one that cannot."""

    def __init__(self, root: Path) -> None:
        self.wall = START
        self.ticks = 100.0
        self.database = Database(f"sqlite:///{root / 'audit.db'}")
        self.database.create_schema()
        self.store = AuditStore(self.database, b"s" * 32)
        self.log = AuditLog(self.store)
        self.watch = self.new_watch()

    def new_watch(self) -> ClockWatch:
        return ClockWatch(self.log, self.store, ACCOUNT, REGION, lambda: self.wall, lambda: self.ticks)

    def pass_(self, seconds: float) -> None:
        self.ticks += seconds
        self.wall += timedelta(seconds=seconds)

    def steps(self) -> list[int]:
        records = [msgspec.json.decode(text) for _, text in self.store.records(0, 100)]
        return [one["serviceEventDetails"]["seconds"] for one in records if is_service_record(one, STEPPED)]

    def close(self) -> None:
        self.log.close()
        self.database.close()


@pytest.fixture
def clocks(tmp_path: Path):  # type: ignore[no-untyped-def]
    made = Clocks(tmp_path)
    yield made
    made.close()


def test_a_clock_that_runs_is_not_worth_a_record(clocks: Clocks) -> None:
    for seconds in (0, 2, 3600, 2):
        clocks.pass_(seconds)
        clocks.watch.look()
    clocks.wall += timedelta(seconds=4)  # a clock that is disciplined drifts a little
    clocks.watch.look()
    assert clocks.steps() == []


@pytest.mark.parametrize("step", [-86_400, -6, 6, 86_400])
def test_a_step_is_recorded_once_in_either_direction(clocks: Clocks, step: int) -> None:
    clocks.watch.look()
    clocks.pass_(2)
    clocks.wall += timedelta(seconds=step)
    clocks.watch.look()
    clocks.pass_(2)
    clocks.watch.look()
    assert clocks.steps() == [step]


def test_a_clock_that_was_set_while_the_server_was_down_is_recorded(clocks: Clocks) -> None:
    clocks.log.append({**cases()["management"], "eventTime": "2026-01-31T10:00:00Z"}).result()
    clocks.wall = START - timedelta(days=1)
    clocks.new_watch().look()
    assert clocks.steps() == [-86_400]
    clocks.wall = START + timedelta(days=1)
    clocks.new_watch().look()
    assert clocks.steps() == [-86_400]
