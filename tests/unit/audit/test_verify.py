"""Every way to tamper with the log is caught and named. The attacker can write the database, but has no key."""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lakewarden.audit.anchors import AnchorFile, Anchors
from lakewarden.audit.chain import GENESIS, digest
from lakewarden.audit.derived import Derived
from lakewarden.audit.index import EventIndex
from lakewarden.audit.log import AuditLog
from lakewarden.audit.store import AuditStore
from lakewarden.audit.verify import Keys, Report, verify
from lakewarden.state import Database
from tests.unit.audit.test_records import cases

SEAL = b"s" * 32
KEY = Ed25519PrivateKey.generate()
RECORDS = 12
RECORD = cases()["management"]


@dataclass
class Trail:
    """A log of twelve records with two anchors: after the sixth, and at the end."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "audit.db"

    @property
    def places(self) -> tuple[AnchorFile, ...]:
        return (AnchorFile(self.root / "heads"), AnchorFile(self.root / "elsewhere"))

    def write(self, count: int) -> None:
        self.write_record(*({**RECORD, "eventID": f"event {number}"} for number in range(count)))

    def write_record(self, *records: dict[str, Any]) -> None:
        database = Database(f"sqlite:///{self.database}")
        database.create_schema()
        log = AuditLog(AuditStore(database, SEAL), Anchors(self.places[0], self.places[1:], self.root / "newest", KEY))
        for record in records:
            log.append(record).result()
        log.close()
        database.close()

    def verified(self) -> Report:
        database = Database(f"sqlite:///{self.database}")
        try:
            store = AuditStore(database, SEAL)
            derived = Derived(EventIndex(store, database), self.root / "tables")
            return verify(store, self.places, self.root / "newest", Keys(SEAL, KEY.public_key()), derived)
        finally:
            database.close()

    def index(self) -> None:
        database = Database(f"sqlite:///{self.database}")
        EventIndex(AuditStore(database, SEAL), database).catch_up()
        database.close()

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.database, isolation_level=None)
        try:
            return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    def row(self, sequence: int) -> tuple[Any, ...]:
        return self.sql("SELECT record, previous, hash, seal FROM audit_events WHERE sequence = ?", sequence)[0]

    def replace(self, sequence: int, record: str, previous: str, hashed: str, seal: str) -> None:
        self.sql(
            "UPDATE audit_events SET record = ?, previous = ?, hash = ?, seal = ? WHERE sequence = ?",
            record, previous, hashed, seal, sequence,
        )  # fmt: skip

    def rewrite_from(self, sequence: int, record: str) -> None:
        """Put a record in the place of another and recompute every hash behind it."""
        previous = self.row(sequence - 1)[2] if sequence > 1 else GENESIS
        for number in range(sequence, RECORDS + 1):
            text, _, _, seal = self.row(number)
            text = record if number == sequence else text
            hashed = digest(number, previous, text)
            self.replace(number, text, previous, hashed, seal)
            previous = hashed


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    made = Trail(tmp_path)
    made.write(RECORDS // 2)
    made.write(RECORDS // 2)
    return made


def test_an_untouched_log_is_good(trail: Trail) -> None:
    report = trail.verified()
    assert report.ok, report
    assert (report.head.sequence, report.anchored) == (RECORDS, 2)


def flip_record(trail: Trail) -> None:
    text = trail.row(5)[0]
    trail.sql("UPDATE audit_events SET record = ? WHERE sequence = 5", text.replace("event 4", "event 5"))


def flip_hash(trail: Trail) -> None:
    text, previous, hashed, seal = trail.row(5)
    trail.replace(5, text, previous, ("1" if hashed[0] == "0" else "0") + hashed[1:], seal)


def flip_seal(trail: Trail) -> None:
    text, previous, hashed, seal = trail.row(5)
    trail.replace(5, text, previous, hashed, ("1" if seal[0] == "0" else "0") + seal[1:])


def strange_seal(trail: Trail) -> None:
    trail.sql("UPDATE audit_events SET seal = 'ü' WHERE sequence = 5")


def remove(trail: Trail) -> None:
    trail.sql("DELETE FROM audit_events WHERE sequence = 5")


def remove_and_renumber(trail: Trail) -> None:
    remove(trail)
    for number in range(6, RECORDS + 1):
        trail.sql("UPDATE audit_events SET sequence = ? WHERE sequence = ?", number - 1, number)


def remove_first(trail: Trail) -> None:
    trail.sql("DELETE FROM audit_events WHERE sequence = 1")


def swap(trail: Trail) -> None:
    fifth, sixth = trail.row(5), trail.row(6)
    trail.replace(5, *sixth)
    trail.replace(6, *fifth)


def swap_texts(trail: Trail) -> None:
    fifth, sixth = trail.row(5), trail.row(6)
    trail.replace(5, sixth[0], *fifth[1:])
    trail.replace(6, fifth[0], *sixth[1:])


def insert(trail: Trail) -> None:
    for number in range(RECORDS, 4, -1):
        trail.sql("UPDATE audit_events SET sequence = ? WHERE sequence = ?", number + 1, number)
    text, previous = json.dumps(RECORD), trail.row(4)[2]
    trail.sql("INSERT INTO audit_events VALUES (5, ?, ?, ?, ?)", text, previous, digest(5, previous, text), "0" * 64)


def append_foreign(trail: Trail) -> None:
    text, previous = json.dumps(RECORD), trail.row(RECORDS)[2]
    number = RECORDS + 1
    trail.sql(
        "INSERT INTO audit_events VALUES (?, ?, ?, ?, ?)",
        number, text, previous, digest(number, previous, text), "0" * 64,
    )  # fmt: skip


def cut_one(trail: Trail) -> None:
    trail.sql("DELETE FROM audit_events WHERE sequence = ?", RECORDS)


def cut_tail(trail: Trail) -> None:
    trail.sql("DELETE FROM audit_events WHERE sequence > 3")


def cut_all(trail: Trail) -> None:
    trail.sql("DELETE FROM audit_events")


def rewrite(trail: Trail) -> None:
    trail.rewrite_from(5, json.dumps(RECORD))


def rewrite_last(trail: Trail) -> None:
    trail.rewrite_from(RECORDS, json.dumps(RECORD))


def cut_with_a_false_base(trail: Trail) -> None:
    trail.sql("INSERT INTO audit_base SELECT 1, sequence, hash, seal FROM audit_events WHERE sequence = 4")
    trail.sql("DELETE FROM audit_events WHERE sequence <= 4")


def invent_a_base(trail: Trail) -> None:
    trail.sql("DELETE FROM audit_events")
    trail.sql("INSERT INTO audit_base VALUES (1, 999, ?, ?)", "a" * 64, "b" * 64)


def cut_behind_a_forged_removal(trail: Trail) -> None:
    """A caller writes the words of a removal's record into its own parameters, then somebody cuts the beginning."""
    entry = trail.row(4)
    forged = {"eventName": "AuditRetention", "eventType": "AwsServiceEvent", "hash": entry[2]}
    trail.write_record({**RECORD, "requestParameters": {"parameters": forged, "serviceEventDetails": forged}})
    cut_with_a_false_base(trail)


@pytest.mark.parametrize(
    ("tamper", "sequence", "reason"),
    [
        (flip_record, 5, "was changed"),
        (flip_hash, 5, "was changed"),
        (flip_seal, 5, "was not written by this server"),
        (strange_seal, 5, "was not written by this server"),
        (remove, 5, "is missing"),
        (remove_and_renumber, 5, "does not follow"),
        (remove_first, 1, "is missing"),
        (swap, 5, "does not follow"),
        (swap_texts, 5, "was changed"),
        (insert, 5, "was not written by this server"),
        (append_foreign, RECORDS + 1, "was not written by this server"),
        (cut_one, RECORDS, "tail was cut off"),
        (cut_tail, 4, "tail was cut off"),
        (cut_all, 1, "tail was cut off"),
        (rewrite, 5, "was not written by this server"),
        (rewrite_last, RECORDS, "was not written by this server"),
        (cut_with_a_false_base, 4, "without a record of it"),
        (cut_behind_a_forged_removal, 4, "without a record of it"),
        (invent_a_base, 999, "was not set by this server"),
    ],
)
def test_tampering_with_the_log_is_found_and_named(
    trail: Trail, tamper: Callable[[Trail], None], sequence: int, reason: str
) -> None:
    tamper(trail)
    report = trail.verified()
    assert report.broken is not None
    assert report.broken.sequence == sequence, report
    assert reason in report.broken.reason
    assert not report.ok


def test_an_old_copy_of_the_whole_log_does_not_pass(trail: Trail) -> None:
    copy = trail.database.read_bytes()
    trail.write(3)
    trail.database.write_bytes(copy)
    broken = trail.verified().broken
    assert broken is not None
    assert broken.sequence == RECORDS + 1


def edit_a_head(trail: Trail) -> None:
    path = trail.places[0].path
    path.write_text(path.read_text().replace('"sequence": 6', '"sequence": 7'))


def forge_a_head(trail: Trail) -> None:
    path = trail.places[0].path
    path.write_text('{"number": 1, "sequence": 6, "hash": "00", "signature": "AAAA"}\n' + path.read_text())


def drop_a_head(trail: Trail) -> None:
    path = trail.places[0].path
    path.write_text(path.read_text().splitlines(keepends=True)[1])


def repeat_a_head(trail: Trail) -> None:
    path = trail.places[0].path
    path.write_text(path.read_text() * 2)


def drop_the_newest(trail: Trail) -> None:
    (trail.root / "newest").unlink()


def drop_the_last_head(trail: Trail) -> None:
    path = trail.places[0].path
    path.write_text(path.read_text().splitlines(keepends=True)[0])


def edit_the_newest(trail: Trail) -> None:
    path = trail.root / "newest"
    path.write_text(path.read_text().replace(f'"sequence": {RECORDS}', '"sequence": 3'))


@pytest.mark.parametrize(
    "tamper",
    [edit_a_head, forge_a_head, drop_a_head, drop_the_last_head, repeat_a_head, drop_the_newest, edit_the_newest],
)
def test_tampering_with_the_anchors_is_found(trail: Trail, tamper: Callable[[Trail], None]) -> None:
    tamper(trail)
    report = trail.verified()
    assert not report.ok
    assert report.broken is not None
    assert report.broken.sequence == 0


def test_a_second_place_catches_who_replaces_everything_beside_the_log(trail: Trail) -> None:
    names = ("audit.db", "heads", "newest")
    old = {name: (trail.root / name).read_bytes() for name in names}
    trail.write(3)
    for name, body in old.items():
        (trail.root / name).write_bytes(body)
    report = trail.verified()
    assert not report.ok
    assert "put back" in str(report)


def test_a_log_without_any_head_does_not_pass(trail: Trail) -> None:
    for name in ("heads", "elsewhere", "newest"):
        (trail.root / name).unlink()
    assert "no signed head" in str(trail.verified())


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_index WHERE sequence = 7",
        "DELETE FROM audit_index WHERE sequence = 7 AND attribute = 4",
        "UPDATE audit_index SET value = 'somebody else' WHERE sequence = 7 AND attribute = 4",
        "UPDATE audit_index SET event_time = event_time - 86400 WHERE sequence = 7 AND attribute = 0",
        "INSERT INTO audit_index SELECT attribute, 'invented', event_time, sequence FROM audit_index"
        " WHERE sequence = 7 AND attribute = 2",
    ],
)
def test_who_hides_a_look_from_lookupevents_is_found(trail: Trail, statement: str) -> None:
    assert trail.verified().ok, "an index that is behind the log hides nothing: a look-up brings it up first"
    trail.index()
    assert trail.verified().ok
    trail.write(2)
    assert trail.verified().ok
    trail.sql(statement)
    broken = trail.verified().broken
    assert broken is not None
    assert broken.sequence == 7
    assert "look-up index" in broken.reason


def test_an_index_that_says_it_knows_more_than_the_log_is_found(trail: Trail) -> None:
    trail.index()
    trail.sql("UPDATE audit_indexed SET sequence = 99")
    trail.write(1)
    broken = trail.verified().broken
    assert broken is not None
    assert (broken.sequence, "look-up index" in broken.reason) == (RECORDS + 1, True)
