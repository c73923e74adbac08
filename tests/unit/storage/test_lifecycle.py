"""Life cycle rules: what they take, when something is due, and that each removal is recorded first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lakewarden.kernel.errors import AwsError, ServiceUnavailable
from lakewarden.state import Database
from lakewarden.storage.expire import Expirer
from lakewarden.storage.lifecycle import configuration_of, due, rules_of
from lakewarden.storage.local import LocalBlobs
from lakewarden.storage.model import Attributes
from lakewarden.storage.service import StorageService
from lakewarden.storage.store import StorageStore
from lakewarden.storage.uploads import Uploads

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@dataclass
class Recorder:
    written: list[tuple[str, str, str, Mapping[str, str]]] = field(default_factory=list)
    closed: bool = False

    def expired(self, operation: str, bucket: str, key: str, rule: str, details: Mapping[str, str]) -> None:
        if self.closed:
            raise ServiceUnavailable("The audit log cannot be written.")
        self.written.append((operation, key, rule, details))


@dataclass
class World:
    storage: StorageService
    uploads: Uploads
    expirer: Expirer
    recorder: Recorder
    now: datetime = NOON

    def put(self, key: str, body: bytes = b"x", **said: Any) -> str:
        return self.storage.put("lake", key, [body], Attributes(**said)).version

    def rules(self, *rules: Mapping[str, Any], versioning: str = "") -> None:
        given = [{"ID": f"r{n}", "Status": "Enabled", "Filter": {}} | dict(one) for n, one in enumerate(rules)]
        self.storage.change_bucket(
            "lake", lambda bucket: replace(bucket, lifecycle=rules_of({"Rules": given}), versioning=versioning)
        )

    def keys(self) -> list[str]:
        return [one.key for one in self.storage.list("lake", "", "", "", 1000).objects]

    def versions(self) -> list[tuple[str, bool]]:
        page = self.storage.list_versions("lake", "", "", ("", ""), 1000, lambda _: True)
        return [(one.stored.key, one.marker) for one in page.versions]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    database = Database(f"sqlite:///{tmp_path / 'state.db'}")
    database.create_schema()
    index, blobs = StorageStore(database), LocalBlobs(tmp_path / "objects")
    made: list[World] = []

    def clock() -> datetime:
        return made[0].now if made else NOON

    storage = StorageService(index, blobs, clock)
    uploads, recorder = Uploads(storage, index, blobs), Recorder()
    made.append(World(storage, uploads, Expirer(storage, index, uploads, recorder, clock), recorder))
    storage.create_bucket("lake", "us-east-1")
    yield made[0]
    database.close()


def test_days_end_at_midnight() -> None:
    assert due("2026-05-01T12:00:00.000+00:00", 1) == datetime(2026, 5, 3, tzinfo=UTC)
    assert due("2026-05-01T00:00:00.000+00:00", 1) == datetime(2026, 5, 2, tzinfo=UTC)
    assert due("2026-05-01T23:30:00.000-02:00", 1) == datetime(2026, 5, 4, tzinfo=UTC)


def test_what_is_due_goes_and_is_recorded(world: World) -> None:
    world.rules({"Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}})
    for key in ("tmp/1", "tmp", "keep/tmp/1"):
        world.put(key)
    world.now = datetime(2026, 5, 2, 23, 59, tzinfo=UTC)
    assert world.expirer.run() == 0
    world.now = datetime(2026, 5, 3, tzinfo=UTC)
    assert world.expirer.run() == 1
    assert world.keys() == ["keep/tmp/1", "tmp"]
    assert world.recorder.written == [("DeleteObject", "tmp/1", "r0", {})]


def test_what_cannot_be_recorded_is_not_removed(world: World) -> None:
    world.rules({"Expiration": {"Days": 1}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}})
    world.put("a")
    upload = world.uploads.create("lake", "u", Attributes(), "", "", "arn")
    world.now += timedelta(days=9)
    world.recorder.closed = True
    with pytest.raises(ServiceUnavailable):
        world.expirer.run()
    assert world.keys() == ["a"]
    assert world.uploads.get("lake", "u", upload.id)
    world.recorder.closed = False
    assert world.expirer.run() == 2
    assert [one[0] for one in world.recorder.written] == ["DeleteObject", "AbortMultipartUpload"]


def test_tags_sizes_dates_and_disabled_rules(world: World) -> None:
    both = {"And": {"Prefix": "t/", "Tags": [{"Key": "a", "Value": "1"}], "ObjectSizeGreaterThan": 2}}
    world.rules(
        {"Filter": both, "Expiration": {"Days": 1}},
        {"Filter": {"Prefix": "d/"}, "Expiration": {"Date": datetime(2026, 5, 4, tzinfo=UTC)}},
        {"Status": "Disabled", "Expiration": {"Days": 1}},
    )
    world.put("t/1", b"xxx", tags={"a": "1", "b": "2"})
    world.put("t/2", b"xx", tags={"a": "1"})
    world.put("t/3", b"xxx", tags={"a": "2"})
    world.put("d/1")
    world.now = datetime(2026, 5, 3, tzinfo=UTC)
    world.expirer.run()
    assert world.keys() == ["d/1", "t/2", "t/3"]
    world.now = datetime(2026, 5, 4, tzinfo=UTC)
    world.expirer.run()
    assert world.keys() == ["t/2", "t/3"]


def test_versions_go_by_when_they_were_replaced(world: World) -> None:
    world.rules(
        {"NoncurrentVersionExpiration": {"NoncurrentDays": 2, "NewerNoncurrentVersions": 1},
         "Expiration": {"ExpiredObjectDeleteMarker": True}},
        {"Filter": {"Prefix": "gone"}, "Expiration": {"Days": 1}},
        versioning="Enabled",
    )  # fmt: skip
    for body in (b"1", b"2", b"3", b"4"):
        world.put("k", body)
    world.put("gone")
    world.now = datetime(2026, 5, 3, 1, tzinfo=UTC)
    assert world.expirer.run() == 1
    assert world.versions() == [("gone", True), ("gone", False)] + [("k", False)] * 4
    world.now = datetime(2026, 5, 4, 1, tzinfo=UTC)
    assert world.expirer.run() == 2
    assert world.versions() == [("gone", True), ("gone", False), ("k", False), ("k", False)]
    assert world.storage.read(world.storage.get("lake", "k"), 0, 9) == b"4"
    # The newest version that was replaced is kept by NewerNoncurrentVersions; one that a person removes leaves the marker
    # alone, and then it goes as well.
    page = world.storage.list_versions("lake", "gone", "", ("", ""), 9, lambda _: True)
    world.storage.delete("lake", "gone", version=page.versions[1].stored.version)
    assert world.expirer.run() == 1
    assert world.versions() == [("k", False), ("k", False)]


def test_what_was_replaced_meanwhile_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.rules({"Expiration": {"Days": 1}})
    world.put("k", b"old")
    world.now += timedelta(days=3)
    pages = world.expirer._pages

    def late(*arguments: Any) -> Any:
        for page in pages(*arguments):
            world.put("k", b"new")
            yield page

    monkeypatch.setattr(world.expirer, "_pages", late)
    assert world.expirer.run() == 0
    assert world.storage.read(world.storage.get("lake", "k"), 0, 9) == b"new"
    assert world.recorder.written == []


def test_rules_are_given_back_as_they_were_put() -> None:
    rules = [
        {"ID": "a", "Status": "Enabled", "Prefix": "old", "Expiration": {"Days": 3}},
        {"ID": "b", "Status": "Disabled", "Filter": {"Prefix": ""}, "Expiration": {"ExpiredObjectDeleteMarker": True}},
        {"ID": "c", "Status": "Enabled", "Filter": {"Tag": {"Key": "k", "Value": "v"}}, "Expiration": {"Days": 3}},
        {"ID": "d", "Status": "Enabled", "Filter": {"ObjectSizeLessThan": 9},
         "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2}},
        {"ID": "e", "Status": "Enabled",
         "Filter": {"And": {"ObjectSizeGreaterThan": 0, "Prefix": "p", "Tags": [{"Key": "k", "Value": "v"}]}},
         "Expiration": {"Date": datetime(2027, 1, 1, tzinfo=UTC)}},
        {"ID": "f", "Status": "Enabled", "Filter": {"Prefix": "u"},
         "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
    ]  # fmt: skip
    assert configuration_of(rules_of({"Rules": rules})) == rules


@pytest.mark.parametrize(
    "rule",
    [
        {"Expiration": {"Days": 0}}, {"Expiration": {"Days": -1}}, {}, {"Expiration": {}},
        {"Expiration": {"Days": 1, "Date": datetime(2027, 1, 1, tzinfo=UTC)}},
        {"Expiration": {"Date": datetime(2027, 1, 1, 5, tzinfo=UTC)}},
        {"Filter": {"Prefix": "a", "Tag": {"Key": "k", "Value": "v"}}, "Expiration": {"Days": 1}},
        {"Prefix": "a", "Expiration": {"Days": 1}},
        {"NoncurrentVersionExpiration": {"NewerNoncurrentVersions": 1}},
        {"Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]},
        {"NoncurrentVersionTransitions": [{"NoncurrentDays": 1, "StorageClass": "GLACIER"}], "Expiration": {"Days": 1}},
        {"Filter": {"Tag": {"Key": "k", "Value": "v"}}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
    ],
)  # fmt: skip
def test_what_is_not_meant_is_refused(rule: Mapping[str, Any]) -> None:
    with pytest.raises(AwsError):
        rules_of({"Rules": [{"Status": "Enabled", "Filter": {}} | dict(rule)]})
