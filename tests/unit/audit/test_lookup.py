"""LookupEvents over the log and its index; the retention rule."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lakewarden.audit.anchors import AnchorFile, Anchors
from lakewarden.audit.errors import (
    InvalidEventCategoryException,
    InvalidLookupAttributesException,
    InvalidMaxResultsException,
    InvalidNextTokenException,
    InvalidTimeRangeException,
)
from lakewarden.audit.index import EventIndex
from lakewarden.audit.log import AuditLog
from lakewarden.audit.model import Trail
from lakewarden.audit.retention import Retention
from lakewarden.audit.service import EventHistory
from lakewarden.audit.store import AuditStore
from lakewarden.audit.trail_store import TrailStore
from lakewarden.audit.verify import Keys, verify
from lakewarden.state import Database
from tests.unit.audit.calls import ACCOUNT, REGION
from tests.unit.audit.test_records import cases

SEAL = b"s" * 32
START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = Ed25519PrivateKey.generate()


class World:
    """A log whose record number n happened n minutes after the start."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = START
        self.database = Database(f"sqlite:///{root / 'audit.db'}")
        self.database.create_schema()
        self.store = AuditStore(self.database, SEAL)
        self.index = EventIndex(self.store, self.database)
        self.trails = TrailStore(self.database)
        self.places = (AnchorFile(root / "heads"),)
        self.log = AuditLog(self.store, Anchors(self.places[0], self.places[1:], root / "newest", KEY))
        self.history = EventHistory(self.store, self.index)

    def add(self, case: str, number: int) -> None:
        at = (START + timedelta(minutes=number)).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.log.append({**cases()[case], "eventID": f"event-{number}", "eventTime": at}).result()

    def found(self, key: str = "", value: str = "", **params: Any) -> list[str]:
        attributes = [{"AttributeKey": key, "AttributeValue": value}] if key else []
        events = self.history.look_up({"LookupAttributes": attributes, **params})["Events"]
        return [event["EventId"] for event in events]

    def close(self) -> None:
        self.log.close()
        self.database.close()


@pytest.fixture
def world(tmp_path: Path) -> Any:
    made = World(tmp_path)
    for number, case in enumerate(["management", "GetDataAccess", "S3 data event", "denied", "stranger", "management"]):
        made.add(case, number)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("key", "value", "numbers"),
    [
        ("", "", [5, 4, 3, 2, 1, 0]),
        ("EventId", "event-3", [3]),
        ("EventName", "CreateAccessKey", [5, 0]),
        ("EventName", "createaccesskey", []),
        ("EventSource", "s3.amazonaws.com", [2]),
        ("Username", "ana", [5, 2, 0]),
        ("Username", "SageMaker", [3, 1]),
        ("AccessKeyId", "ASIAEXAMPLE", [3, 1]),
        ("ReadOnly", "false", [5, 0]),
        ("ReadOnly", "True", [4, 3, 2, 1]),
        ("ReadOnly", "perhaps", []),
        ("ResourceType", "AWS::S3::Bucket", [2]),
        ("ResourceName", "lake", [2]),
        ("ResourceName", "lake/a/b.csv", [2]),
        ("ResourceName", "arn:aws:s3:::lake", [2]),
        ("ResourceName", "lak", []),
        ("ResourceName", "%", []),
        ("ResourceName", "clinic.visits", [3, 1]),
        ("EventName", "x' OR 1=1 --", []),
    ],
)
def test_every_attribute(world: World, key: str, value: str, numbers: list[int]) -> None:
    assert world.found(key, value) == [f"event-{number}" for number in numbers]


def test_time_ranges_include_both_ends(world: World) -> None:
    window: dict[str, Any] = {"StartTime": START + timedelta(minutes=1), "EndTime": START + timedelta(minutes=3)}
    assert world.found(**window) == ["event-3", "event-2", "event-1"]
    assert world.found("Username", "SageMaker", **window) == ["event-3", "event-1"]


def test_events_are_ordered_by_their_time_and_not_by_their_arrival(world: World) -> None:
    world.add("management", -10)
    assert world.found()[-1] == "event--10"


def test_pages_go_on_where_they_ended_whatever_comes_meanwhile(world: World) -> None:
    seen: list[str] = []
    token: dict[str, Any] = {}
    while True:
        answer = world.history.look_up({"MaxResults": 2, **token})
        seen += [event["EventId"] for event in answer["Events"]]
        world.add("management", 100 + len(seen))
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert seen == [f"event-{number}" for number in (5, 4, 3, 2, 1, 0)]


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"LookupAttributes": [{"AttributeKey": "any", "AttributeValue": ""}]}, InvalidLookupAttributesException),
        (
            {"LookupAttributes": [{"AttributeKey": "EventId", "AttributeValue": "x"}] * 2},
            InvalidLookupAttributesException,
        ),
        ({"StartTime": START, "EndTime": START - timedelta(1)}, InvalidTimeRangeException),
        ({"MaxResults": 51}, InvalidMaxResultsException),
        ({"MaxResults": 0}, InvalidMaxResultsException),
        ({"EventCategory": "insight"}, InvalidEventCategoryException),
        ({"NextToken": "nonsense"}, InvalidNextTokenException),
        ({"NextToken": "W1tdXQ=="}, InvalidNextTokenException),
    ],
)
def test_what_cloudtrail_refuses(world: World, params: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        world.history.look_up(params)


def test_a_token_of_another_look_up_is_refused(world: World) -> None:
    token = world.history.look_up({"MaxResults": 1})["NextToken"]
    with pytest.raises(InvalidNextTokenException):
        world.found("Username", "ana", NextToken=token)


def test_an_index_that_was_lost_is_made_anew(world: World, tmp_path: Path) -> None:
    fresh = Database(f"sqlite:///{tmp_path / 'fresh.db'}")
    fresh.create_schema()
    history = EventHistory(world.store, EventIndex(world.store, fresh))
    assert len(history.look_up({})["Events"]) == 6
    fresh.close()


def retention(world: World, days: int | None) -> Retention:
    return Retention(days, world.log, world.store, world.index, world.trails, lambda: world.now)


def verified(world: World) -> Any:
    return verify(world.store, world.places, world.root / "newest", Keys(SEAL, KEY.public_key()))


def test_records_are_kept_for_ever_unless_a_rule_says_else(world: World) -> None:
    world.now = START + timedelta(days=10_000)
    assert retention(world, None).apply(ACCOUNT, REGION) == 0
    assert len(world.found()) == 6


def test_retention_removes_what_is_old_and_says_so(world: World) -> None:
    world.now = START + timedelta(days=1, minutes=3)
    assert retention(world, 1).apply(ACCOUNT, REGION) == 3
    assert world.found()[-3:] == ["event-5", "event-4", "event-3"]
    assert not world.found("Username", "SageMaker", EndTime=START + timedelta(minutes=2))
    said = world.history.look_up(
        {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "AuditRetention"}]}
    )
    assert '"removedTo":3' in said["Events"][0]["CloudTrailEvent"]
    report = verified(world)
    assert report.ok, report
    assert report.first == 4
    assert retention(world, 1).apply(ACCOUNT, REGION) == 0


def test_retention_waits_for_trails(world: World) -> None:
    world.now = START + timedelta(days=2)
    with world.trails.write() as records:
        records.add(Trail(name="slow", arn="", region=REGION, bucket="b", logging=True), 2)
    assert retention(world, 1).apply(ACCOUNT, REGION) == 2
    assert verified(world).ok


def test_a_removal_without_its_record_is_found(world: World) -> None:
    entry = next(iter(world.store.entries(2, 3)))
    world.store.remove_to(entry)
    assert "without a record of it" in str(verified(world))
