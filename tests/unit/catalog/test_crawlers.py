"""Schedules, exclude patterns, options and plans of crawlers; and who starts what is due."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakewarden.catalog.crawl_options import options_of
from lakewarden.catalog.crawl_plan import candidates, merged
from lakewarden.catalog.crawler_store import CrawlerStore
from lakewarden.catalog.crawlers import CrawlerService
from lakewarden.catalog.errors import (
    EntityNotFoundException,
    InvalidInputException,
    NoScheduleException,
    SchedulerNotRunningException,
    SchedulerRunningException,
)
from lakewarden.catalog.globs import excluded_by
from lakewarden.catalog.model import TableRecord
from lakewarden.catalog.schedule import schedule_of
from lakewarden.kernel.errors import AccessDeniedException
from lakewarden.kernel.lake import DataFile
from lakewarden.state import Database

TUESDAY = datetime(2024, 2, 27, 12, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cron(0 1 * * ? *)", "2024-02-28T01:00"),
        ("cron(15 12 ? * MON-FRI *)", "2024-02-27T12:15"),
        ("cron(7 12 ? * TUE *)", "2024-03-05T12:07"),
        ("cron(8 12 ? * 3 *)", "2024-02-27T12:08"),
        ("cron(0/15 * * * ? *)", "2024-02-27T12:15"),
        ("cron(0 0 L * ? *)", "2024-02-29T00:00"),
        ("cron(0 0 LW 3 ? *)", "2024-03-29T00:00"),
        ("cron(0 8 1W 6 ? *)", "2024-06-03T08:00"),
        ("cron(0 8 31W 8 ? *)", "2024-08-30T08:00"),
        ("cron(0 0 29 2 ? 2025/1)", "2028-02-29T00:00"),
        ("cron(0 9 ? * 6L *)", "2024-03-29T09:00"),
        ("cron(0 9 ? * MON#1 *)", "2024-03-04T09:00"),
        ("cron(0 9 ? * MON#5 *)", "2024-04-29T09:00"),
        ("cron(0 0 1 jan ? *)", "2025-01-01T00:00"),
        ("cron(0 20-22/2 ? * L *)", "2024-03-02T20:00"),
        ("cron(0 0 30 2 ? *)", ""),
        ("cron(0 0 ? * SUN 2023)", ""),
    ],
)
def test_when_a_schedule_is_due_next(text: str, expected: str) -> None:
    found = schedule_of(text).after(TUESDAY)
    assert ("" if found is None else found.isoformat()[:16]) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "0 1 * * ? *", "cron(0 1 * * * *)", "cron(0 1 ? * ? *)", "cron(60 1 * * ? *)", "cron(0 24 * * ? *)",
        "cron(0 1 0 * ? *)", "cron(0 1 * 13 ? *)", "cron(0 1 ? * 8 *)", "cron(0 1 * * ? 1969)", "cron(* * * * ? *)",
        "cron(0/4 * * * ? *)", "cron(58,1 * * * ? *)", "cron(0 1 * * ?)", "rate(5 minutes)", "cron(0 1 5-2 * ? *)",
        "cron(0 1 */0 * ? *)", "cron(0 1 * XXX ? *)", "cron(0 1 ? * MON#6 *)", "cron(a 1 * * ? *)", "cron(0 1 40W * ? *)",
    ],
)  # fmt: skip
def test_what_is_no_schedule_or_comes_too_often_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputException):
        schedule_of(text)


@given(st.text("cron()0123456789 */-,?LW#MONJAN", max_size=40))
@settings(max_examples=150, deadline=None)
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    try:
        found = schedule_of(f"cron({text})").after(TUESDAY)
    except InvalidInputException:
        return
    assert found is None or found > TUESDAY


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.csv", "a.csv", True), ("*.csv", "d/a.csv", False), ("**.csv", "d/a.csv", True), ("d/**", "d/a/b", True),
        ("d/**", "d2/a", False), ("d*/**", "d2/a", True), ("*/[a-c]?.{csv,json}", "x/b1.json", True),
        ("*/[!a-c]*", "x/b1", False), ("*/[!a-c]*", "x/d1", True), ("a?c", "a/c", False), ("a?c", "abc", True),
        ("\\*", "*", True), ("\\*", "a", False), ("**/_tmp/**", "x/y/_tmp/z", True), ("{a,b}/*", "c/x", False),
        ("A.csv", "a.csv", False), ("a.csv", "axcsv", False), ("**", "", True), ("[]]", "]", True),
        ("**a**a**a**a**a**a**a**a**b", "a" * 1000, False),
    ],
)  # fmt: skip
def test_exclude_patterns(pattern: str, path: str, expected: bool) -> None:
    assert excluded_by([pattern])(path) is expected
    assert excluded_by(["nothing.of/the kind", pattern])(path) is expected


@pytest.mark.parametrize("pattern", ["", "a" * 256, "{a", "{a,{b}}", "[a", "a\\", "{a,b}" * 7])
def test_what_is_no_exclude_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInputException):
        excluded_by([pattern])


def crawler(**more: Any) -> dict[str, Any]:
    targets = {"S3Targets": [{"Path": "s3://b/in"}]}
    return {"Name": "c", "Role": "r", "DatabaseName": "d", "Targets": targets, **more}


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"CrawlerSecurityConfiguration": "x"}, "CrawlerSecurityConfiguration"),
        ({"DatabaseName": ""}, "DatabaseName"),
        ({"Targets": {}}, "S3Targets"),
        ({"Targets": {"S3Targets": [{"Path": "s3://b"}], "JdbcTargets": [{"Path": "x"}]}}, "JdbcTargets"),
        ({"Targets": {"S3Targets": [{"Path": "s3://b", "EventQueueArn": "x"}]}}, "EventQueueArn"),
        ({"Targets": {"S3Targets": [{"Path": "s3://b", "SampleSize": 0}]}}, "SampleSize"),
        ({"RecrawlPolicy": {"RecrawlBehavior": "CRAWL_EVENT_MODE"}}, "CRAWL_EVENT_MODE"),
        ({"LakeFormationConfiguration": {"UseLakeFormationCredentials": True}}, "UseLakeFormationCredentials"),
        ({"Configuration": "{"}, "JSON"),
        ({"Configuration": "[]"}, "Configuration"),
        ({"Configuration": '{"CrawlerOutput":{}}'}, "Version"),
        (
            {"Configuration": '{"Version":1.0,"Grouping":{"TableGroupingPolicy":"CombineCompatibleSchemas"}}'},
            "Grouping",
        ),
        ({"Configuration": '{"Version":1.0,"CreatePartitionIndex":true}'}, "CreatePartitionIndex"),
        ({"Configuration": '{"Version":1.0,"Grouping":{"TableLevelConfiguration":true}}'}, "TableLevel"),
        ({"Configuration": '{"Version":2}'}, "Version"),
        ({"Configuration": '{"Version":1' + ',"a":{"b":' * 50 + "1" + "}}" * 50 + "}"}, "Configuration"),
        (
            {
                "RecrawlPolicy": {"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"},
                "SchemaChangePolicy": {"DeleteBehavior": "DELETE_FROM_DATABASE"},
            },
            "SchemaChangePolicy",
        ),
    ],
)
def test_what_is_not_offered_is_refused_by_name(more: Mapping[str, Any], named: str) -> None:
    with pytest.raises(InvalidInputException, match=named):
        options_of(crawler(**more))


def test_options_are_aws_s_own_unless_something_is_said() -> None:
    found = options_of(crawler())
    assert (found.update, found.gone, found.new_only, found.merge) == (True, "DEPRECATE_IN_DATABASE", False, False)
    said = '{"Version":1.0,"CrawlerOutput":{"Tables":{"AddOrUpdateBehavior":"MergeNewColumns","TableThreshold":3}}}'
    assert options_of(crawler(Configuration=said)).threshold == 3


def files(*keys: str) -> list[DataFile]:
    return [DataFile(f"s3://b/{key}", 1, "") for key in keys]


@pytest.mark.parametrize(
    ("level", "keys", "expected"),
    [
        (0, ("in/t/x", "in/u/x"), {"t": 0, "u": 0}),
        (0, ("in/k=1/x", "in/k=2/x"), {"in": 1}),
        (2, ("in/t/x", "in/u/x"), {"in": 1}),
        (4, ("in/a/t/2024/x", "in/a/u/2024/x", "in/y"), {"t": 1, "u": 1}),
        (1, ("in/t/x",), {}),
        (9, ("in/t/x",), {}),
    ],
)
def test_the_level_of_tables(level: int, keys: tuple[str, ...], expected: Mapping[str, int]) -> None:
    found = candidates("s3://b/in/", files(*keys), level)
    assert {one.name: len(one.keys) for one in found} == expected
    assert all(one.location.startswith("s3://b/in/") for one in found)


def test_a_target_holds_what_lies_below_it_and_is_not_excluded() -> None:
    targets = {"S3Targets": [{"Path": "s3://b/in", "Exclusions": ["tmp/**"]}]}
    target = options_of(crawler(Targets=targets)).targets[0]
    kept = [one.uri for one in files("in/a", "in/tmp/a", "input/a", "in", "in/tmp2/a") if target.holds(one.uri)]
    assert kept == ["s3://b/in/a", "s3://b/in/tmp2/a"]


def test_merging_adds_columns_and_changes_none() -> None:
    storage = {"Columns": [{"Name": "a", "Type": "string"}], "Location": "s3://b/in"}
    document = {"Description": "mine", "StorageDescriptor": storage, "PartitionKeys": [{"Name": "k", "Type": "string"}]}
    record = TableRecord("d", "t", "1", 0, "", "", "", document)
    columns = [{"Name": name, "Type": "bigint"} for name in ("b", "a", "k")]
    found = merged(record, {"StorageDescriptor": {"Columns": columns, "Location": "s3://elsewhere"}})
    assert found["Description"] == "mine"
    assert found["StorageDescriptor"] == {
        "Columns": [{"Name": "a", "Type": "string"}, {"Name": "b", "Type": "bigint"}], "Location": "s3://b/in"
    }  # fmt: skip


class ClosedLake:
    """A lake that lets no role in."""

    def session(self, role: str, crawler: str) -> NoReturn:
        raise AccessDeniedException("no")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} without a session")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CrawlerStore]:
    database = Database(f"sqlite:///{tmp_path / 'state.db'}")
    database.create_schema()
    yield CrawlerStore(database)
    database.close()


def test_what_is_due_is_started_once_on_one_server(store: CrawlerStore) -> None:
    now = [TUESDAY]
    servers = [CrawlerService(store, ClosedLake(), lambda: now[0]) for _ in range(2)]
    first, second = servers
    first.create(crawler(Schedule="cron(0 * * * ? *)"))

    def after(moment: datetime) -> tuple[int, str]:
        now[0] = moment
        for server in servers:
            server.start_due()
        found = second.get("c")
        return len(found.runs), found.due[:16]

    assert after(TUESDAY) == (0, "2024-02-27T13:00")
    assert after(TUESDAY.replace(hour=13, minute=0)) == (1, "2024-02-27T14:00")
    for server in servers:
        server.close()
    assert second.get("c").runs[-1].status in {"FAILED", "RUNNING"}
    servers[:] = [CrawlerService(store, ClosedLake(), lambda: now[0]) for _ in range(2)]
    first, second = servers
    first.recover()
    # However many moments were missed, it is started once; and not while its schedule is stopped, or it still runs.
    assert after(TUESDAY + timedelta(hours=30)) == (2, "2024-02-28T19:00")
    for server in servers:
        server.close()
    first.recover()
    first.stop_schedule("c")
    assert after(TUESDAY + timedelta(hours=40)) == (2, "")


def test_a_schedule_is_stopped_started_and_changed(store: CrawlerStore) -> None:
    service = CrawlerService(store, ClosedLake(), lambda: TUESDAY)
    service.create(crawler())
    with pytest.raises(NoScheduleException):
        service.start_schedule("c")
    with pytest.raises(SchedulerNotRunningException):
        service.stop_schedule("c")
    with pytest.raises(InvalidInputException):
        service.set_schedule("c", "cron(* * * * ? *)")
    service.set_schedule("c", "cron(0 1 * * ? *)")
    with pytest.raises(SchedulerRunningException):
        service.start_schedule("c")
    service.stop_schedule("c")
    service.update({"Name": "c", "Description": "x"})
    assert service.get("c").due == ""
    service.start_schedule("c")
    assert service.get("c").due.startswith("2024-02-28T01:00")
    service.set_schedule("c", "")
    assert (service.get("c").due, "Schedule" in service.get("c").document) == ("", False)
    with pytest.raises(EntityNotFoundException):
        service.update({"Name": "c", "Classifiers": ["absent"]})
    service.close()
