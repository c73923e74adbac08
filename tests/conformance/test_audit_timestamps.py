"""``audit.ports.TimeAuthority`` against a real authority, and what ``verify`` makes of its tokens."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lakewarden.audit.anchors import Anchor, AnchorFile, Anchors, read, signed, stamped
from lakewarden.audit.chain import Head
from lakewarden.audit.log import AuditLog
from lakewarden.audit.ports import BadTimeStamp, NoTimeStamp
from lakewarden.audit.settings import BadSettings
from lakewarden.audit.stamping import Stamping
from lakewarden.audit.store import AuditStore
from lakewarden.audit.timestamps import HttpTimeAuthority, authority_of
from lakewarden.audit.verify import Keys, Report, verify
from lakewarden.state import Database
from tests.authority import Authority, authority
from tests.unit.audit.test_records import cases

SEAL = b"s" * 32
KEY = Ed25519PrivateKey.generate()
RECORD = cases()["management"]
MESSAGE = stamped(Head(7, "a" * 64))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    with authority(tmp_path_factory.mktemp("authority") / "one") as made:
        yield made


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    with authority(tmp_path_factory.mktemp("authority") / "two") as made:
        yield made


def client(of: Authority) -> HttpTimeAuthority:
    return authority_of(of.url, of.certificates)


def test_a_token_proves_its_message_and_no_other(running: Authority) -> None:
    token = client(running).stamp(MESSAGE)
    at = client(running).check(token, MESSAGE)
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=1)
    with pytest.raises(BadTimeStamp):
        client(running).check(token, stamped(Head(8, "a" * 64)))


def test_another_authoritys_token_proves_nothing(running: Authority, stranger: Authority) -> None:
    with pytest.raises(BadTimeStamp):
        client(running).check(client(stranger).stamp(MESSAGE), MESSAGE)
    swapped = HttpTimeAuthority(stranger.url, client(running)._roots)
    with pytest.raises(NoTimeStamp):
        swapped.stamp(MESSAGE)


def test_no_byte_of_a_token_can_be_changed(running: Authority) -> None:
    token = client(running).stamp(MESSAGE)
    choice = random.Random(7)
    for place in choice.sample(range(len(token)), 60):
        changed = token[:place] + bytes([token[place] ^ 1 << choice.randrange(8)]) + token[place + 1 :]
        try:
            at = client(running).check(changed, MESSAGE)
        except BadTimeStamp:
            continue
        # What is not covered by the signature says nothing: the time and the message are.
        assert at == client(running).check(token, MESSAGE)
    for cut in range(0, len(token), 97):
        with pytest.raises(BadTimeStamp):
            client(running).check(token[:cut], MESSAGE)


def test_an_authority_that_is_away_or_lies_gives_no_stamp(running: Authority) -> None:
    old: list[bytes] = []

    def remembered(answer: bytes) -> bytes:
        old.append(answer)
        return old[0]

    running.meddle = remembered
    try:
        client(running).stamp(MESSAGE)
        with pytest.raises(NoTimeStamp, match="Nonce"):
            client(running).stamp(MESSAGE)
        for answer in (b"", b"no token", b"x" * 70_000):
            running.meddle = lambda _, answer=answer: answer  # type: ignore[misc]
            with pytest.raises(NoTimeStamp):
                client(running).stamp(MESSAGE)
        running.away = True
        with pytest.raises(NoTimeStamp, match="503"):
            client(running).stamp(MESSAGE)
    finally:
        running.away, running.meddle = False, lambda answer: answer


@pytest.mark.parametrize(("url", "content"), [("ftp://x/", None), ("http://x/", b""), ("http://x/", b"no pem")])
def test_settings_that_name_no_authority_are_refused(tmp_path: Path, url: str, content: bytes | None) -> None:
    file = tmp_path / "root.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadSettings):
        authority_of(url, file)


class Stamped:
    """A log of records whose heads were stamped."""

    def __init__(self, root: Path, by: Authority) -> None:
        self.root = root
        self.by = by
        self.own = AnchorFile(root / "heads")

    def write(self, *times: str) -> None:
        database = Database(f"sqlite:///{self.root / 'audit.db'}")
        database.create_schema()
        anchors = Anchors(self.own, (), self.root / "newest", KEY)
        log = AuditLog(AuditStore(database, SEAL), anchors)
        for at in times:
            log.append({**RECORD, "eventTime": at}).result()
        Stamping(client(self.by), anchors, self.root / "newest", KEY.public_key(), 60).run()
        log.close()
        database.close()

    def verified(self, by: Authority | None) -> Report:
        database = Database(f"sqlite:///{self.root / 'audit.db'}")
        try:
            keys = Keys(SEAL, KEY.public_key(), None if by is None else client(by))
            return verify(AuditStore(database, SEAL), (self.own,), self.root / "newest", keys)
        finally:
            database.close()


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_stamped_heads_are_verified_and_counted(tmp_path: Path, running: Authority, stranger: Authority) -> None:
    log = Stamped(tmp_path, running)
    log.write(now())
    log.write(now(), now())
    report = log.verified(running)
    assert report.ok, report
    assert report.stamps.count == 2
    assert "2 time stamps, the newest of 2" in str(report)
    assert log.verified(None).stamps.unchecked == 2
    found = log.verified(stranger)
    assert not found.ok
    assert "time stamp" in str(found)


def test_a_stamp_cannot_be_taken_off_or_replaced_by_who_has_no_key(tmp_path: Path, running: Authority) -> None:
    log = Stamped(tmp_path, running)
    log.write(now())
    lines = list(log.own.lines())
    for number, line in enumerate(lines):
        anchor = read(line, KEY.public_key(), "here")
        if anchor.token:
            bare = signed(Anchor(anchor.number, anchor.head), Ed25519PrivateKey.generate())
            taken_off = line[: line.index(', "token"')] + "}"
            for changed in (bare, taken_off):
                log.own.path.write_text("\n".join([*lines[:number], changed, *lines[number + 1 :]]) + "\n")
                assert not log.verified(running).ok
    log.own.path.write_text(lines[0] + "\n")
    assert "heads ends at head 1, and 2 were signed" in str(log.verified(running))


def test_who_has_every_key_cannot_write_the_past_anew(tmp_path: Path, running: Authority) -> None:
    """Root rewrites the log and signs all heads anew: the stamps of before do not fit, and there are no others."""
    log = Stamped(tmp_path, running)
    log.write(now(), now())
    tokens = [read(line, KEY.public_key(), "here").token for line in log.own.lines()]
    (tmp_path / "audit.db").unlink()
    for name in ("heads", "newest"):
        (tmp_path / name).unlink()
    database = Database(f"sqlite:///{tmp_path / 'audit.db'}")
    database.create_schema()
    anchors = Anchors(log.own, (), tmp_path / "newest", KEY)
    head = AuditStore(database, SEAL).append(['{"forged": 1}', '{"forged": 2}'])
    anchors.newest(head)
    anchors.add(head, next(token for token in tokens if token))
    anchors.close()
    database.close()
    found = log.verified(running)
    assert not found.ok
    assert "time stamp of head 1" in str(found)


def test_a_clock_that_was_wrong_is_noted_where_a_stamp_shows_it(tmp_path: Path, running: Authority) -> None:
    log = Stamped(tmp_path, running)
    log.write("2099-01-01T00:00:00Z")
    log.write("2001-01-01T00:00:00Z")
    report = log.verified(running)
    assert report.ok
    assert "the server's clock was ahead" in str(report)
    assert "the server's clock was behind" in str(report)


def test_stamping_goes_on_when_the_authority_is_back(tmp_path: Path, running: Authority) -> None:
    database = Database(f"sqlite:///{tmp_path / 'audit.db'}")
    database.create_schema()
    own, ticks = AnchorFile(tmp_path / "heads"), [0.0]
    anchors = Anchors(own, (), tmp_path / "newest", KEY)
    stamping = Stamping(client(running), anchors, tmp_path / "newest", KEY.public_key(), 1, lambda: ticks[0])
    stamping.run()  # there is nothing yet
    anchors.newest(AuditStore(database, SEAL).append(["{}"]))
    running.away = True
    stamping.run()
    running.away = False
    stamping.run()  # not before a minute
    assert list(own.lines()) == []
    ticks[0] = 61.0
    stamping.run()
    assert len(list(own.lines())) == 1
    asked = running.asked
    ticks[0] = 999.0
    stamping.run()  # the head is stamped already
    assert running.asked == asked
    anchors.close()
    database.close()
