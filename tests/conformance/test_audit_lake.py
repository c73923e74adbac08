"""CloudTrail Lake's queries on both databases: what is stored, what a dead server leaves, what is nobody's."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lakewarden.audit.datastores import IDS
from lakewarden.audit.errors import InactiveQueryException, MaxConcurrentQueriesException, QueryIdNotFoundException
from lakewarden.audit.lake import LakeService
from lakewarden.audit.lake_model import Reading
from lakewarden.audit.lake_store import LakeStore
from lakewarden.audit.ports import Found, Row, RunCancelled
from lakewarden.kernel.call import Call
from lakewarden.kernel.errors import AccessDeniedException, ServiceUnavailable
from lakewarden.state import Database
from lakewarden.state.presence import Alone
from tests.unit.audit.calls import AT, SESSION, USER, call

STATEMENT = f"SELECT a FROM {IDS['queries']}"


class Rows:
    """``TrailSql`` that finds what it is told to."""

    def __init__(self) -> None:
        self.blocks: list[list[Row]] = [[("1",), (None,)]]
        self.readable = True
        self.wait: threading.Event | None = None

    def check(self, statement: str) -> None:
        """Anything goes."""

    @contextmanager
    def run(
        self, call: Call, query_id: str, statement: str, tables: Sequence[str], cancelled: threading.Event
    ) -> Iterator[Found]:
        def blocks() -> Iterator[list[Row]]:
            for block in self.blocks:
                yield block
                if cancelled.is_set():
                    raise RunCancelled

        yield Found(("a",), blocks(), [{"table": "lakewarden_audit.queries"}], (Reading("queries", ("a",), ""),), 9, 5)

    def still_readable(self, call: Call, readings: Sequence[Reading]) -> bool:
        return self.readable


class Outcomes:
    """``QueryAudit`` that remembers, or cannot."""

    def __init__(self) -> None:
        self.found: list[Mapping[str, object]] = []
        self.broken = False

    def outcome(self, call: Call, query_id: str, details: Mapping[str, object]) -> None:
        if self.broken:
            raise ServiceUnavailable("The audit log cannot be written.")
        self.found.append(details)


class Lake:
    """A service on a database, whose jobs run when the test says so."""

    def __init__(self, database: Database) -> None:
        self.sql, self.outcomes, self.jobs = Rows(), Outcomes(), list[Callable[[], None]]()
        self.now = AT
        self.may_act = True
        self.store = LakeStore(database, Alone())
        self.service = LakeService(
            self.store, self.sql, self.outcomes, lambda _, job: self.jobs.append(job), lambda *_: self.may_act,
            "us-east-1", lambda: self.now,
        )  # fmt: skip

    def start(self, caller: str = "user") -> str:
        return self.service.start(replace(call("cloudtrail", "StartQuery", caller=caller), at=self.now), STATEMENT)

    def run(self) -> None:
        while self.jobs:
            self.jobs.pop(0)()


CALL = call("cloudtrail", "GetQueryResults")


@pytest.fixture
def lake(database: Database) -> Lake:
    return Lake(database)


def test_a_query_is_stored_run_and_read(lake: Lake) -> None:
    lake.sql.blocks = [[(str(number),) for number in range(1500)], [("x" * 1_200_000,)] * 3]
    query_id = lake.start()
    assert lake.service.query(CALL, query_id).status == "QUEUED"
    lake.run()
    found = lake.service.query(CALL, query_id)
    assert (found.status, found.rows, found.columns, found.scanned_bytes) == ("FINISHED", 1503, ("a",), 5)
    pages = [lake.service.rows(CALL, found, page) for page in range(found.pages)]
    assert [row for page in pages for row in page] == [tuple(row) for block in lake.sql.blocks for row in block]
    assert max(len(page) for page in pages) == 1000
    assert [one["state"] for one in lake.outcomes.found] == ["SUCCEEDED"]
    assert lake.service.queries(CALL) == [found]
    assert found.principal == USER


def test_rows_are_handed_out_to_their_owner_while_the_right_lasts(lake: Lake) -> None:
    query_id = lake.start()
    lake.run()
    with pytest.raises(QueryIdNotFoundException):
        lake.service.query(call("cloudtrail", "GetQueryResults", caller="session"), query_id)
    lake.sql.readable = False
    with pytest.raises(AccessDeniedException):
        lake.service.rows(CALL, lake.service.query(CALL, query_id), 0)


def test_nothing_is_handed_out_whose_outcome_is_not_on_the_record(lake: Lake) -> None:
    lake.outcomes.broken = True
    query_id = lake.start()
    lake.run()
    found = lake.service.query(CALL, query_id)
    assert (found.status, found.error) == ("FAILED", "The audit log cannot be written.")
    with lake.store.read() as records:
        assert records.page(query_id, 0) == []


def test_too_large_a_result_fails_and_leaves_nothing(lake: Lake) -> None:
    lake.sql.blocks = [[("x",)] * 60_000] * 2
    query_id = lake.start()
    lake.run()
    found = lake.service.query(CALL, query_id)
    assert found.status == "FAILED"
    assert "100000 rows" in found.error
    with lake.store.read() as records:
        assert records.page(query_id, 0) == []
    assert lake.outcomes.found[0]["tables"], "what was read is in the record, whatever became of it"


def test_a_cancelled_query_ends_cancelled(lake: Lake) -> None:
    query_id = lake.start()
    assert lake.service.cancel(CALL, query_id).status == "CANCELLED"
    lake.run()
    assert lake.service.query(CALL, query_id).status == "CANCELLED"
    assert [one["state"] for one in lake.outcomes.found] == ["CANCELLED"]
    with pytest.raises(InactiveQueryException):
        lake.service.cancel(CALL, query_id)


def test_a_session_that_ended_meanwhile_runs_nothing(lake: Lake) -> None:
    query_id = lake.start()
    lake.may_act = False
    lake.run()
    assert "expired" in lake.service.query(CALL, query_id).error


def test_what_a_dead_server_left_has_failed_visibly(database: Database) -> None:
    first = Lake(database)
    query_id = first.start("session")
    second = Lake(database)
    second.service.recover()
    mine = call("cloudtrail", "GetQueryResults", caller="session")
    assert second.service.query(mine, query_id).status == "FAILED"
    assert [one["state"] for one in second.outcomes.found] == ["FAILED"]
    assert second.service.query(mine, query_id).principal == SESSION
    second.service.recover()
    assert len(second.outcomes.found) == 1
    # The first server was not dead after all: what it finds is not handed out, for the query has ended.
    first.run()
    assert second.service.query(mine, query_id).status == "FAILED"
    with second.store.read() as records:
        assert records.page(query_id, 0) == []


def test_results_are_kept_for_seven_days_and_queries_are_bounded(lake: Lake) -> None:
    query_id = lake.start()
    lake.run()
    lake.now = AT + timedelta(days=7, seconds=1)
    with pytest.raises(QueryIdNotFoundException):
        lake.service.query(CALL, query_id)
    for _ in range(10):
        lake.start()
    with lake.store.read() as records:
        assert records.query(query_id) is None
    with pytest.raises(MaxConcurrentQueriesException):
        lake.start()
    assert lake.start("session")


def test_instants_and_principals_come_back_as_they_went(lake: Lake) -> None:
    query_id = lake.start("session")
    found: Any = lake.service.query(call("cloudtrail", "x", caller="session"), query_id)
    assert found.principal.session.issued_at == datetime(2026, 1, 31, 9, 30, 15, tzinfo=UTC)
