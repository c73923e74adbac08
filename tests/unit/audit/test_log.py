"""No answer without a record: what the log does when it cannot be written, and that it recovers by itself."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lakewarden.audit.anchors import AnchorFile, Anchors
from lakewarden.audit.chain import START, first_break
from lakewarden.audit.log import AuditLog, text_of
from lakewarden.audit.store import AuditStore
from lakewarden.audit.verify import Keys, verify
from lakewarden.kernel.errors import ServiceUnavailable
from lakewarden.state import Database
from tests.unit.audit.test_records import cases

SEAL = b"s" * 32
RECORD = cases()["management"]


def record(number: int, **changed: Any) -> dict[str, Any]:
    return {**RECORD, "eventID": f"event {number}", **changed}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'audit.db'}")
    made.create_schema()
    yield made
    made.close()


def whole(database: Database, count: int) -> None:
    """The chain is unbroken and holds so many records."""
    head, broken = first_break(AuditStore(database, SEAL).entries(), START, SEAL)
    assert broken is None
    assert head.sequence == count


def test_no_answer_without_audit_on_a_full_disk(database: Database) -> None:
    log = AuditLog(AuditStore(database, SEAL))
    log.append(record(1)).result()

    def full(connection: sqlite3.Connection, _record: object, _proxy: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")

    # SQLite's own ceiling gives SQLite's own "database or disk is full".
    sa.event.listen(database.engine, "checkout", full)
    waiting = [log.append(record(number, userAgent="x" * 4000)) for number in range(200)]
    for one in waiting:
        with pytest.raises(ServiceUnavailable, match="cannot be written"):
            one.result()
    sa.event.remove(database.engine, "checkout", full)
    sa.event.listen(database.engine, "checkout", lambda c, _r, _p: c.execute("PRAGMA max_page_count = 1000000"))
    _recovered(log)
    log.append(record(2)).result()
    log.close()
    # What was done while nothing could be written is recorded after all, before anything newer.
    whole(database, 202)


def _recovered(log: AuditLog) -> None:
    deadline = time.monotonic() + 20
    while not log.writable:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_no_answer_without_audit_when_the_store_is_gone(database: Database, tmp_path: Path) -> None:
    log = AuditLog(AuditStore(database, SEAL))
    log.append(record(1)).result()
    other = sqlite3.connect(tmp_path / "audit.db", isolation_level=None)
    other.execute("ALTER TABLE audit_events RENAME TO gone")
    with pytest.raises(ServiceUnavailable):
        log.append(record(2)).result()
    other.execute("ALTER TABLE gone RENAME TO audit_events")
    _recovered(log)
    log.append(record(3)).result()
    other.close()
    log.close()
    whole(database, 3)


def test_a_locked_store_is_waited_for(database: Database, tmp_path: Path) -> None:
    log = AuditLog(AuditStore(database, SEAL))
    other = sqlite3.connect(tmp_path / "audit.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = log.append(record(1))
    time.sleep(0.2)
    assert not waiting.done()
    other.execute("COMMIT")
    other.close()
    waiting.result(timeout=20)
    log.close()
    whole(database, 1)


def test_two_servers_on_one_store_share_one_chain(database: Database, tmp_path: Path) -> None:
    second = Database(f"sqlite:///{tmp_path / 'audit.db'}")
    logs = (AuditLog(AuditStore(database, SEAL)), AuditLog(AuditStore(second, SEAL)))
    waiting: list[Future[None]] = []

    def write(log: AuditLog) -> None:
        for number in range(200):
            waiting.append(log.append(record(number)))
            if number % 10 == 0:
                waiting[-1].result()

    writers = [threading.Thread(target=write, args=(log,)) for log in logs]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    for one in waiting:
        one.result()
    for log in logs:
        log.close()
    second.close()
    whole(database, 400)


def test_a_clock_that_steps_back_loses_and_reorders_nothing(database: Database) -> None:
    log = AuditLog(AuditStore(database, SEAL))
    for number, at in enumerate(("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z")):
        log.append(record(number, eventTime=at)).result()
    log.close()
    assert [number for number, _ in AuditStore(database, SEAL).records(0, 10)] == [1, 2, 3]
    whole(database, 3)


def test_a_closed_log_takes_nothing(database: Database) -> None:
    log = AuditLog(AuditStore(database, SEAL))
    log.close()
    with pytest.raises(ServiceUnavailable):
        log.append(record(1)).result()


def test_a_second_place_that_fails_stops_nothing_and_is_caught_up(database: Database, tmp_path: Path) -> None:
    elsewhere = tmp_path / "mount" / "heads"
    places = (AnchorFile(tmp_path / "heads"), AnchorFile(elsewhere))
    key = Ed25519PrivateKey.generate()
    for number in range(2):
        log = AuditLog(AuditStore(database, SEAL), Anchors(places[0], places[1:], tmp_path / "newest", key))
        log.append(record(number)).result()
        log.close()
        elsewhere.parent.mkdir(exist_ok=True)
    assert len(list(places[0].lines())) == 2
    assert len(list(places[1].lines())) == 1
    report = verify(AuditStore(database, SEAL), places, tmp_path / "newest", Keys(SEAL, key.public_key()))
    assert report.ok, report


def test_an_anchor_that_was_half_written_does_not_count(tmp_path: Path) -> None:
    place = AnchorFile(tmp_path / "heads")
    place.add("whole")
    with place.path.open("a") as file:
        file.write("half")
    assert list(place.lines()) == ["whole"]
    place.add("next")
    assert list(place.lines()) == ["whole", "next"]


def test_a_record_is_never_larger_than_cloudtrails() -> None:
    text = text_of(record(1, requestParameters={"a": ["x" * 4000] * 200}))
    assert len(text) < 256_000
    assert '"omitted":true' in text
