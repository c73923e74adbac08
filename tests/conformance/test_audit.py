"""The audit log, its index and the trails' store on both databases."""

import threading
from datetime import UTC, datetime

from lakewarden.audit.chain import START, first_break
from lakewarden.audit.index import EventIndex, Question
from lakewarden.audit.log import AuditLog
from lakewarden.audit.model import DigestKey, DigestLink, Trail, TrailFile
from lakewarden.audit.store import AuditStore
from lakewarden.audit.trail_store import TrailStore
from lakewarden.state import AUDIT, AUDIT_INDEX, Database
from lakewarden.state.migrate import migrate
from tests.unit.audit.test_records import cases

SEAL = b"s" * 32


def test_two_servers_write_one_chain_and_index_it_once(url: str) -> None:
    first, second, third = Database(url, AUDIT), Database(url, AUDIT), Database(url, AUDIT_INDEX)
    migrate(first)
    stores = AuditStore(first, SEAL), AuditStore(second, SEAL)
    logs = [AuditLog(store) for store in stores]
    record = cases()["S3 data event"] | {"userAgent": "a \0 zero, an é and \U0001f600"}
    waiting = [logs[number % 2].append({**record, "eventID": f"event {number}"}) for number in range(300)]
    for one in waiting:
        one.result()
    for log in logs:
        log.close()
    head, broken = first_break(stores[1].entries(), START, SEAL)
    assert (head.sequence, broken) == (300, None)

    indexes = [EventIndex(stores[0], third), EventIndex(stores[1], third)]
    threads = [threading.Thread(target=index.catch_up) for index in indexes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = indexes[0].find(Question("ResourceName", "lake/a/b.csv", None, None, None, 1000))
    assert sorted(sequence for _, sequence in found) == list(range(1, 301))
    page = indexes[0].find(Question("ResourceName", "lake", None, None, found[99], 100))
    assert page == found[100:200]
    assert stores[0].by_number([found[0][1]])
    indexes[0].forget(100)
    left = indexes[0].find(Question("any", "", None, None, None, 1000))
    assert sorted(sequence for _, sequence in left) == list(range(101, 301))
    entry = next(iter(stores[0].entries(99, 100)))
    stores[0].remove_to(entry)
    assert stores[0].base() == (stores[0].head().__class__(100, entry.hash), entry.seal)
    for database in (first, second, third):
        database.close()


def test_trails_come_back_as_they_went(database: Database) -> None:
    store = TrailStore(database)
    link = DigestLink("b", "k", "h", "s")
    trail = Trail(name="t", arn="a", region="r", bucket="b", selectors=({"ReadWriteType": "All"},), digest=link)
    file = TrailFile("t", 9, 4, "b", "k" * 1000, "h" * 64, "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z")
    key = DigestKey("f", b"\x00\xff", "sealed", 1, 2)
    with store.write() as records:
        records.add(trail, 7)
        records.put_file(file)
        records.put_key(key)
    with store.read() as records:
        assert records.trails() == [trail]
        assert (records.position("t"), records.files("t"), records.digest_keys()) == (7, [file], [key])
    now = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    assert store.lease("t", "one", now, 30)
    assert not store.lease("t", "two", now + 29, 30)
    assert store.lease("t", "one", now + 29, 30)
    assert store.lease("t", "two", now + 60, 30)
    assert store.lease("t", "one", now - 3600, 30), "a clock that stepped back must not lock a trail for ever"
    with store.write() as records:
        records.remove("t")
    with store.read() as records:
        assert (records.trails(), records.files("t")) == ([], [])
