"""Delivery through kills, absent buckets, two servers and clocks that step back: nothing is missed, nothing doubled."""

import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lakewarden.audit.delivery import Delivery
from lakewarden.audit.digests import DigestKeys
from lakewarden.audit.log import AuditLog
from lakewarden.audit.store import AuditStore
from lakewarden.audit.trail_store import TrailStore
from lakewarden.audit.trails import TrailService
from lakewarden.identity.sealed import KeyRing
from lakewarden.state import Database
from tests.unit.audit.calls import ACCOUNT, REGION
from tests.unit.audit.test_records import cases


class Killed(BaseException):
    """kill -9: nothing of ours catches it."""


class Buckets:
    """A bucket in memory that can be closed, and that can be where the server is killed."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.metadata: dict[str, Mapping[str, str]] = {}
        self.open = True
        self.kill = ""

    def region(self, bucket: str) -> str | None:
        return REGION if bucket == "b" else None

    def may_deliver(self, bucket: str, key: str, trail_arn: str) -> bool:
        return self.open

    def put(self, bucket: str, key: str, body: bytes, metadata: Mapping[str, str]) -> None:
        if self.kill == "before":
            raise Killed
        self.objects[key], self.metadata[key] = body, metadata
        if self.kill == "after":
            raise Killed

    def delivered(self) -> list[str]:
        files = [key for key in self.objects if "/CloudTrail/" in key]
        return [one["eventID"] for key in files for one in json.loads(gzip.decompress(self.objects[key]))["Records"]]

    def digests(self) -> list[dict[str, Any]]:
        keys = [key for key in sorted(self.objects) if "/CloudTrail-Digest/" in key]
        return [json.loads(gzip.decompress(self.objects[key])) for key in keys]


class World:
    """A trail that logs, and a clock that the test sets."""

    def __init__(self, root: Path) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.database = Database(f"sqlite:///{root / 'audit.db'}")
        self.database.create_schema()
        self.store = AuditStore(self.database, b"s" * 32)
        self.log = AuditLog(self.store)
        self.trails = TrailStore(self.database)
        self.buckets = Buckets()
        self.ring = KeyRing({"k": b"k" * 32}, "k")
        self.service = TrailService(
            self.trails, self.store, self.buckets, ACCOUNT, REGION, lambda: self.now, lambda: None
        )
        self.written: list[str] = []
        self.service.create({"Name": "trail", "S3BucketName": "b", "EnableLogFileValidation": True})
        self.service.start("trail")
        self.server = self.started()

    def started(self) -> Delivery:
        keys = DigestKeys(self.trails, self.ring, 30)
        return Delivery(self.trails, self.store, self.buckets, keys, ACCOUNT, lambda: self.now, 60)

    def write(self, count: int = 3, case: str = "management", **changed: Any) -> None:
        for _ in range(count):
            name = f"event-{len(self.written)}"
            self.log.append({**cases()[case], "eventID": name, **changed}).result()
            self.written.append(name)

    def step(self, **time: float) -> None:
        self.now += timedelta(**time)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.log.close()
    made.database.close()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_while_a_file_is_stored_neither_loses_nor_doubles(world: World, moment: str) -> None:
    world.write()
    world.buckets.kill = moment
    with pytest.raises(Killed):
        world.server.deliver_all()
    world.buckets.kill = ""
    world.write()
    world.step(minutes=2)
    again = world.started()
    again.deliver_all()
    assert world.buckets.delivered() == world.written
    again.deliver_all()
    assert world.buckets.delivered() == world.written


def test_a_bucket_that_is_closed_for_a_while_gets_everything_later(world: World) -> None:
    world.write()
    world.buckets.open = False
    world.server.deliver_all()
    world.write()
    assert world.service.trail("trail").error == "AccessDenied"
    assert world.buckets.delivered() == []
    world.buckets.open = True
    world.server.deliver_all()
    assert world.buckets.delivered() == world.written
    assert world.service.trail("trail").error == ""


def test_only_one_of_two_servers_delivers(world: World) -> None:
    other = world.started()
    world.write()
    world.server.deliver_all()
    world.write()
    other.deliver_all()
    assert world.buckets.delivered() == world.written[:3]
    world.step(minutes=1)
    other.deliver_all()
    assert world.buckets.delivered() == world.written


def test_a_digest_comes_on_schedule_and_names_every_file_with_its_hash(world: World) -> None:
    world.write()
    world.server.deliver_all()
    assert world.buckets.digests() == []
    world.step(minutes=61)
    world.server.deliver_all()
    (digest,) = world.buckets.digests()
    (file,) = digest["logFiles"]
    assert file["hashValue"] == hashlib.sha256(gzip.decompress(world.buckets.objects[file["s3Object"]])).hexdigest()
    assert digest["previousDigestS3Object"] is None
    world.write()
    world.step(minutes=61)
    world.server.deliver_all()
    first, second = world.buckets.digests()
    assert second["previousDigestS3Object"] == first["digestS3Object"]
    assert second["previousDigestSignature"] == world.buckets.metadata[first["digestS3Object"]]["signature"]
    assert second["digestStartTime"] == first["digestEndTime"]


def test_a_digest_on_demand_and_a_new_key(world: World) -> None:
    world.write()
    world.service.want_digest("trail")
    world.server.deliver_all()
    world.trails.retire_keys(int(world.now.timestamp()))
    world.step(seconds=5)
    world.service.want_digest("trail")
    world.server.deliver_all()
    fingerprints = {one["digestPublicKeyFingerprint"] for one in world.buckets.digests()}
    assert len(fingerprints) == 2
    known = DigestKeys(world.trails, world.ring, 30).public(world.now - timedelta(hours=1), world.now)
    assert {key.fingerprint for key in known} == fingerprints
    assert [bool(key.private_key) for key in known] == [False, True]


def test_a_clock_that_steps_back_gives_no_two_digests_one_name(world: World) -> None:
    for _ in range(3):
        world.write()
        world.service.want_digest("trail")
        world.step(seconds=-10)
        world.server.deliver_all()
    digests = world.buckets.digests()
    assert len(digests) == 3
    assert all(one["digestStartTime"] < one["digestEndTime"] for one in digests)
    assert sorted(world.buckets.delivered()) == sorted(world.written)


def test_a_stop_delivers_up_to_its_own_record_and_not_further(world: World) -> None:
    world.write()
    world.write(1, "management", eventSource="cloudtrail.amazonaws.com", eventName="StopLogging")
    world.service.stop("trail")
    world.write()
    world.server.deliver_all()
    assert world.buckets.delivered() == world.written[:4]
    assert len(world.buckets.digests()) == 1
    assert world.service.trail("trail").until == 0


@pytest.mark.parametrize("event", ["StopLogging", "DeleteTrail"])
def test_a_kill_between_the_record_of_an_end_and_the_end_itself(world: World, event: str) -> None:
    parameters = {"name": world.service.trail("trail").arn}
    source = "cloudtrail.amazonaws.com"
    world.write()
    refused: dict[str, Any] = {"errorCode": "AccessDenied", "requestParameters": parameters, "eventSource": source}
    world.write(1, eventName=event, **refused)
    world.write(1, eventName=event, eventSource=source, requestParameters={"name": "another"})
    world.write(1, eventName=event, eventSource=source, requestParameters=parameters)
    world.write()
    world.server.deliver_all()
    assert world.buckets.delivered() == world.written[:6]
    if event == "StopLogging":
        assert world.service.trail("trail").logging is False
    else:
        assert world.service.trails() == []


def test_a_trail_that_is_deleted_does_not_wait_for_a_bucket_that_is_gone(world: World) -> None:
    world.write()
    world.buckets.open = False
    world.service.delete("trail")
    assert world.service.trails() == []
    world.server.deliver_all()
    with world.trails.read() as records:
        assert records.trails() == []


def test_many_records_are_delivered_in_files_of_a_bounded_size(world: World) -> None:
    waiting = [world.log.append({**cases()["management"], "eventID": str(n)}) for n in range(6000)]
    for one in waiting:
        one.result()
    world.server.deliver_all()
    assert world.buckets.delivered() == [str(n) for n in range(6000)]
    assert len([key for key in world.buckets.objects if "/CloudTrail/" in key]) == 2
