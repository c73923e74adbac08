"""The rows of Glue's OPERATIONS table for crawlers."""

import json
import operator
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from lakewarden.catalog.attached import Attached
from lakewarden.catalog.crawler_store import CrawlerRecord, Run
from lakewarden.catalog.crawlers import CrawlerService
from lakewarden.catalog.errors import InvalidInputException
from lakewarden.catalog.pages import numbered
from lakewarden.catalog.rules import Params, Rules
from lakewarden.guard import Access, AuthorizedCall, Operation, Rule
from lakewarden.kernel.arn import iam
from lakewarden.kernel.call import Call
from lakewarden.kernel.clock import Clock


class CrawlerHandlers:
    """Handlers over a :class:`CrawlerService`."""

    def __init__(self, service: CrawlerService, attached: Attached, account: str, region: str, clock: Clock) -> None:
        self._service = service
        self._attached = attached
        self._account = account
        self._arns = Rules(attached, account, region)
        self._clock = clock

    def operations(self) -> Iterable[Operation]:
        """One row an operation."""
        named = self._arns.crawler()
        every = self._arns.crawler("")
        rows: Sequence[tuple[str, Callable[[AuthorizedCall], Params | None], Rule, bool]] = (
            ("CreateCrawler", self.create, self._passing_the_role, False),
            ("UpdateCrawler", self.update, self._passing_the_role, False),
            ("DeleteCrawler", self.delete, named, False),
            ("GetCrawler", self.get, named, True),
            ("GetCrawlers", self.get_all, every, True),
            ("BatchGetCrawlers", self.batch_get, self._arns.crawler("CrawlerNames"), True),
            ("ListCrawlers", self.names, every, True),
            ("StartCrawler", self.start, named, False),
            ("StopCrawler", self.stop, named, False),
            ("GetCrawlerMetrics", self.metrics, self._arns.crawler("CrawlerNameList"), True),
            ("ListCrawls", self.crawls, self._arns.crawler("CrawlerName"), True),
            ("UpdateCrawlerSchedule", self.set_schedule, self._arns.crawler("CrawlerName"), False),
            ("StartCrawlerSchedule", self.start_schedule, self._arns.crawler("CrawlerName"), False),
            ("StopCrawlerSchedule", self.stop_schedule, self._arns.crawler("CrawlerName"), False),
        )
        for name, do, rule, read in rows:
            yield Operation(name, _handler(do), rule, read_only=read)

    def _passing_the_role(self, call: Call) -> Sequence[Access]:
        asked = list(self._arns.crawler()(call))
        # INVARIANT (no_escalation): nobody has a crawler do what they may not hand a role over for.
        if call.params.get("Role"):
            arn = self._role(call.params["Role"])
            asked.append(Access("iam:PassRole", arn, {"iam:PassedToService": "glue.amazonaws.com"}))
        return asked

    def _role(self, given: str) -> str:
        return given if given.startswith("arn:") else iam(self._account, f"role/{given.lstrip('/')}")

    def create(self, call: AuthorizedCall) -> None:
        """CreateCrawler."""
        self._service.create({**call.params, "Role": self._role(call.params["Role"])})
        if call.params.get("Tags"):
            self._attached.tag(self._arns.arn(f"crawler/{call.params['Name']}"), call.params["Tags"])

    def update(self, call: AuthorizedCall) -> None:
        """UpdateCrawler."""
        role = {"Role": self._role(call.params["Role"])} if call.params.get("Role") else {}
        self._service.update({**call.params, **role})

    def delete(self, call: AuthorizedCall) -> None:
        """DeleteCrawler, with its tags."""
        self._service.delete(call.params["Name"])
        arn = self._arns.arn(f"crawler/{call.params['Name']}")
        self._attached.untag(arn, self._attached.tags(arn))

    def get(self, call: AuthorizedCall) -> Params:
        """GetCrawler."""
        return {"Crawler": self._answer(self._service.get(call.params["Name"]))}

    def get_all(self, call: AuthorizedCall) -> Params:
        """GetCrawlers."""
        return numbered([self._answer(one) for one in self._service.all()], call.params, "Crawlers")

    def batch_get(self, call: AuthorizedCall) -> Params:
        """BatchGetCrawlers."""
        wanted = list(dict.fromkeys(call.params["CrawlerNames"]))
        found = {one.name: one for one in self._service.all()}
        return {
            "Crawlers": [self._answer(found[name]) for name in wanted if name in found],
            "CrawlersNotFound": [name for name in wanted if name not in found],
        }

    def names(self, call: AuthorizedCall) -> Params:
        """ListCrawlers, those with all the tags that are asked for."""
        asked = (call.params.get("Tags") or {}).items()
        names = [one.name for one in self._service.all()]
        kept = [name for name in names if asked <= self._attached.tags(self._arns.arn(f"crawler/{name}")).items()]
        return numbered(kept, call.params, "CrawlerNames")

    def start(self, call: AuthorizedCall) -> None:
        """StartCrawler."""
        self._service.start(call.params["Name"])

    def stop(self, call: AuthorizedCall) -> None:
        """StopCrawler."""
        self._service.stop(call.params["Name"])

    def metrics(self, call: AuthorizedCall) -> Params:
        """GetCrawlerMetrics."""
        wanted = call.params.get("CrawlerNameList")
        found = [one for one in self._service.all() if not wanted or one.name in wanted]
        return numbered([_metrics(one) for one in found], call.params, "CrawlerMetricsList")

    def crawls(self, call: AuthorizedCall) -> Params:
        """ListCrawls, newest first, those that all filters fit."""
        asked = call.params.get("Filters") or ()
        found = self._service.get(call.params["CrawlerName"])
        runs = [run for run in reversed(found.runs) if all(_fits(run, one) for one in asked)]
        return numbered([_crawl(run) for run in runs], call.params, "Crawls", 20)

    def set_schedule(self, call: AuthorizedCall) -> None:
        """UpdateCrawlerSchedule."""
        self._service.set_schedule(call.params["CrawlerName"], call.params.get("Schedule") or "")

    def start_schedule(self, call: AuthorizedCall) -> None:
        """StartCrawlerSchedule."""
        self._service.start_schedule(call.params["CrawlerName"])

    def stop_schedule(self, call: AuthorizedCall) -> None:
        """StopCrawlerSchedule."""
        self._service.stop_schedule(call.params["CrawlerName"])

    def _answer(self, record: CrawlerRecord) -> dict[str, Any]:
        last = next((run for run in reversed(record.runs) if run.status != "RUNNING"), None)
        running = record.state != "READY" and bool(record.runs)
        elapsed = (self._clock() - datetime.fromisoformat(record.runs[-1].started)).total_seconds() if running else 0
        crawl = {"LastCrawl": _last(last)} if last is not None else {}
        policy = {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DEPRECATE_IN_DATABASE"}
        return {
            "Classifiers": [],
            "SchemaChangePolicy": policy,
            "RecrawlPolicy": {"RecrawlBehavior": "CRAWL_EVERYTHING"},
            **{name: value for name, value in record.document.items() if name != "Schedule"},
            **_schedule(record),
            **crawl,
            "State": record.state,
            "Version": record.version,
            "CrawlElapsedTime": int(elapsed * 1000),
            "CreationTime": datetime.fromisoformat(record.created),
            "LastUpdated": datetime.fromisoformat(record.updated),
        }


def _handler(do: Callable[[AuthorizedCall], Params | None]) -> Callable[[AuthorizedCall], Params]:
    return lambda call: do(call) or {}


def _schedule(record: CrawlerRecord) -> dict[str, Any]:
    text = record.document.get("Schedule")
    if not text:
        return {}
    return {"Schedule": {"ScheduleExpression": text, "State": "SCHEDULED" if record.due else "NOT_SCHEDULED"}}


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "GT": operator.gt, "GE": operator.ge, "LT": operator.lt, "LE": operator.le, "EQ": operator.eq, "NE": operator.ne,
}  # fmt: skip


def _fits(run: Run, asked: Params) -> bool:
    """One filter of ListCrawls. Times are in milliseconds since 1970; a crawl that has not ended has no end."""
    name, text = asked.get("FieldName"), str(asked.get("FieldValue") or "")
    compare = _COMPARE.get(asked.get("FilterOperator") or "EQ")
    if compare is None:
        raise InvalidInputException("FilterOperator is invalid.")
    if name in {"CRAWL_ID", "STATE"}:
        if compare not in {operator.eq, operator.ne}:
            raise InvalidInputException(f"{name} is compared by EQ and NE.")
        return compare(run.id if name == "CRAWL_ID" else _crawl(run)["State"], text)
    if name not in {"START_TIME", "END_TIME"} or not text.isdigit():
        raise InvalidInputException(f"Lakewarden does not offer {name} {text[:50]} in Filters.")
    instant = run.started if name == "START_TIME" else run.ended
    return bool(instant) and compare(int(datetime.fromisoformat(instant).timestamp() * 1000), int(text))


def _last(run: Run) -> dict[str, Any]:
    message = {"ErrorMessage": run.message} if run.message else {}
    return {"Status": run.status, "StartTime": datetime.fromisoformat(run.started), **message}


def _crawl(run: Run) -> dict[str, Any]:
    ended = {"EndTime": datetime.fromisoformat(run.ended)} if run.ended else {}
    message = {"ErrorMessage": run.message} if run.message else {}
    told = {
        "Tables": {"created": run.created, "updated": run.updated, "deleted": run.deleted},
        "Partitions": run.partitions,
    }
    state = {"SUCCEEDED": "COMPLETED", "CANCELLED": "STOPPED"}.get(run.status, run.status)
    return {
        "CrawlId": run.id, "State": state, "StartTime": datetime.fromisoformat(run.started),
        "Summary": json.dumps(told), **ended, **message,
    }  # fmt: skip


def _seconds(run: Run) -> float:
    return (datetime.fromisoformat(run.ended) - datetime.fromisoformat(run.started)).total_seconds()


def _metrics(record: CrawlerRecord) -> dict[str, Any]:
    ended = [run for run in record.runs if run.ended]
    times = [_seconds(run) for run in ended]
    return {
        "CrawlerName": record.name,
        "StillEstimating": record.state != "READY",
        "TimeLeftSeconds": 0.0,
        "LastRuntimeSeconds": times[-1] if times else 0.0,
        "MedianRuntimeSeconds": statistics.median(times) if times else 0.0,
        "TablesCreated": ended[-1].created if ended else 0,
        "TablesUpdated": ended[-1].updated if ended else 0,
        "TablesDeleted": ended[-1].deleted if ended else 0,
    }
