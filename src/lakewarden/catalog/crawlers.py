"""Crawlers: what they are, and when they run. Each runs as its own role, in the background."""

import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import structlog

from lakewarden.catalog.crawl_options import options_of
from lakewarden.catalog.crawler_store import CrawlerRecord, Crawlers, CrawlerStore, Run, finished
from lakewarden.catalog.crawling import Crawl, RoleLake
from lakewarden.catalog.errors import (
    AlreadyExistsException,
    CrawlerNotRunningException,
    CrawlerRunningException,
    CrawlerStoppingException,
    EntityNotFoundException,
    NoScheduleException,
    SchedulerNotRunningException,
    SchedulerRunningException,
)
from lakewarden.catalog.schedule import schedule_of
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.errors import AwsError

_log = structlog.get_logger("lakewarden.crawlers")
_SECONDS_BETWEEN_LOOKS = 20.0
Document = Mapping[str, Any]


class CrawlerService:
    """CreateCrawler and its kind."""

    def __init__(self, store: CrawlerStore, lake: RoleLake, clock: Clock) -> None:
        self._store = store
        self._lake = lake
        self._clock = clock
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="crawler")
        self._stopping: dict[str, threading.Event] = {}
        self._ended = threading.Event()
        self._schedule: threading.Thread | None = None

    def begin(self) -> None:
        """Start crawlers as their schedules say, until closed."""
        self._schedule = threading.Thread(target=self._keep_time, name="crawler-schedule", daemon=True)
        self._schedule.start()

    def recover(self) -> None:
        """At start: a crawl that was cut off has failed."""
        with self._store.write() as crawlers:
            for record in crawlers.all():
                if record.state != "READY" and record.runs:
                    run = replace(
                        record.runs[-1], status="FAILED", message="The server was stopped.", ended=self._now()
                    )
                    crawlers.put(finished(record, run))

    def close(self) -> None:
        """Stop what runs, and wait for it."""
        self._ended.set()
        if self._schedule is not None:
            self._schedule.join()
        for event in [*self._stopping.values()]:
            event.set()
        self._threads.shutdown(cancel_futures=True)

    def create(self, document: Document) -> None:
        """CreateCrawler; raises AlreadyExists or InvalidInput."""
        name = document["Name"]
        kept = {key: value for key, value in document.items() if key != "Tags"}
        with self._store.write() as crawlers:
            _check(crawlers, kept)
            if crawlers.get(name) is not None:
                raise AlreadyExistsException(f"Crawler {name} already exists.")
            due = self._due(kept.get("Schedule"))
            crawlers.put(CrawlerRecord(name, kept, "READY", 1, self._now(), self._now(), due=due))

    def update(self, document: Document) -> None:
        """UpdateCrawler: the members that are given are replaced."""
        with self._store.write() as crawlers:
            record = _resting(crawlers, document["Name"])
            kept = {**record.document, **document}
            _check(crawlers, kept)
            due = self._due(kept.get("Schedule")) if "Schedule" in document else record.due
            crawlers.put(replace(record, document=kept, version=record.version + 1, updated=self._now(), due=due))

    def set_schedule(self, name: str, text: str) -> None:
        """UpdateCrawlerSchedule; an empty one takes it away. In force at once."""
        with self._store.write() as crawlers:
            record = _present(crawlers, name)
            due = self._due(text)
            kept = {key: value for key, value in record.document.items() if key != "Schedule"}
            if text:
                kept["Schedule"] = text
            crawlers.put(replace(record, document=kept, updated=self._now(), due=due))

    def start_schedule(self, name: str) -> None:
        """StartCrawlerSchedule; raises NoSchedule or SchedulerRunning."""
        with self._store.write() as crawlers:
            record = _present(crawlers, name)
            if not record.document.get("Schedule"):
                raise NoScheduleException(f"Crawler {name} has no schedule.")
            if record.due:
                raise SchedulerRunningException(f"The schedule of crawler {name} is in force.")
            crawlers.put(replace(record, due=self._due(record.document["Schedule"])))

    def stop_schedule(self, name: str) -> None:
        """StopCrawlerSchedule; raises SchedulerNotRunning."""
        with self._store.write() as crawlers:
            record = _present(crawlers, name)
            if not record.due:
                raise SchedulerNotRunningException(f"The schedule of crawler {name} is stopped.")
            crawlers.put(replace(record, due=""))

    def delete(self, name: str) -> None:
        """DeleteCrawler."""
        with self._store.write() as crawlers:
            crawlers.remove(_resting(crawlers, name).name)

    def get(self, name: str) -> CrawlerRecord:
        """GetCrawler; raises EntityNotFound."""
        with self._store.read() as crawlers:
            return _present(crawlers, name)

    def all(self) -> list[CrawlerRecord]:
        """GetCrawlers."""
        with self._store.read() as crawlers:
            return crawlers.all()

    def start(self, name: str) -> None:
        """StartCrawler: it runs in the background; raises CrawlerRunning."""
        with self._store.write() as crawlers:
            record, run = self._started(crawlers, _resting(crawlers, name))
        self._submit(record, run)

    def start_due(self) -> None:
        """Start whatever its schedule says by now: once, however many moments were missed, and on one server only."""
        now = self._now()
        with self._store.read() as crawlers:
            due = crawlers.due(now)
        for one in due:
            with self._store.write() as crawlers:
                record = crawlers.get(one.name)
                if record is None or record.due != one.due:
                    continue  # another server was first, or the schedule was changed
                record = replace(record, due=self._due(record.document.get("Schedule")))
                if record.state != "READY":
                    crawlers.put(record)  # it still runs: this moment is left out
                    continue
                record, run = self._started(crawlers, record)
            self._submit(record, run)

    def _started(self, crawlers: Crawlers, record: CrawlerRecord) -> tuple[CrawlerRecord, Run]:
        run = Run(str(uuid.uuid4()), self._now())
        crawlers.put(replace(record, state="RUNNING", runs=(*record.runs, run)))
        return record, run

    def _submit(self, record: CrawlerRecord, run: Run) -> None:
        stop = self._stopping[record.name] = threading.Event()
        self._threads.submit(self._run, record, run, stop)

    def stop(self, name: str) -> None:
        """StopCrawler; raises CrawlerNotRunning or CrawlerStopping."""
        with self._store.write() as crawlers:
            record = _present(crawlers, name)
            if record.state == "STOPPING":
                raise CrawlerStoppingException(f"Crawler {name} is being stopped.")
            if record.state != "RUNNING":
                raise CrawlerNotRunningException(f"Crawler {name} is not running.")
            crawlers.put(replace(record, state="STOPPING"))
        if name in self._stopping:
            self._stopping[name].set()

    # Running

    def _run(self, record: CrawlerRecord, run: Run, stop: threading.Event) -> None:
        try:
            done = self._crawl(record.document, run, stop)
        except AwsError as error:
            done = replace(run, status="FAILED", message=error.message)
        except Exception:  # noqa: BLE001 - the edge of a thread: whatever broke is logged, and the crawl has failed
            _log.exception("crawl failed", crawler=record.name)
            done = replace(run, status="FAILED", message="Internal Service Exception")
        with self._store.write() as crawlers:
            present = crawlers.get(record.name)
            if present is not None:
                crawlers.put(finished(present, replace(done, ended=self._now())))
        self._stopping.pop(record.name, None)

    def _crawl(self, document: Document, run: Run, stop: threading.Event) -> Run:
        with self._store.read() as crawlers:
            found = [crawlers.classifier(name) for name in document.get("Classifiers") or ()]
        classifiers = [one.document for one in found if one is not None]
        return Crawl(self._lake, document, classifiers, stop).carry_out(run)

    # Schedules

    def _keep_time(self) -> None:
        while not self._ended.wait(_SECONDS_BETWEEN_LOOKS):
            try:
                self.start_due()
            except Exception:  # noqa: BLE001 - what cannot be started now is due still, and tried again
                _log.exception("crawlers that are due cannot be started")

    def _due(self, schedule: str | None) -> str:
        """When a schedule is due next; empty for never."""
        found = schedule_of(schedule).after(self._clock()) if schedule else None
        return "" if found is None else found.isoformat()

    def _now(self) -> str:
        return self._clock().isoformat()


def _check(crawlers: Crawlers, document: Document) -> None:
    """Raise InvalidInput for what is not offered, EntityNotFound for a classifier that is not there."""
    options_of(document)
    for name in document.get("Classifiers") or ():
        if crawlers.classifier(name) is None:
            raise EntityNotFoundException(f"Classifier {name[:255]} not found.")


def _present(crawlers: Crawlers, name: str) -> CrawlerRecord:
    found = crawlers.get(name)
    if found is None:
        raise EntityNotFoundException(f"Crawler {name} not found.")
    return found


def _resting(crawlers: Crawlers, name: str) -> CrawlerRecord:
    found = _present(crawlers, name)
    if found.state != "READY":
        raise CrawlerRunningException(f"Crawler {name} is running.")
    return found
