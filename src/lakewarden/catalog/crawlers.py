"""Crawlers: what they are, and how one runs. Each runs as its own role, in the background."""

import threading
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Protocol

import structlog

from lakewarden.catalog.crawl_plan import Candidate, candidates, common, table_input, table_name
from lakewarden.catalog.crawler_store import CrawlerRecord, Crawlers, CrawlerStore, Run, finished
from lakewarden.catalog.errors import (
    AlreadyExistsException,
    CrawlerNotRunningException,
    CrawlerRunningException,
    CrawlerStoppingException,
    EntityNotFoundException,
    InvalidInputException,
)
from lakewarden.catalog.service import checked_name
from lakewarden.kernel.call import Call
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.errors import AwsError
from lakewarden.kernel.lake import DataFile

_log = structlog.get_logger("lakewarden.crawlers")
_SAMPLE = 10
_REFUSED = ("Schedule", "Classifiers", "Configuration", "CrawlerSecurityConfiguration")
Document = Mapping[str, Any]


class RoleLake(Protocol):
    """The lake as a crawler's role may see it. Every method asks IAM and Lake Formation, and records what it does."""

    def session(self, role: str, crawler: str) -> Call:
        """A call in the role's name; raises AccessDenied when there is no such role, or it does not trust Glue."""
        ...

    def files(self, call: Call, location: str) -> Sequence[DataFile]:
        """The data objects below a location, which the role may list and read."""
        ...

    def look(self, call: Call, files: Sequence[DataFile]) -> Sequence[Mapping[str, Any]]:
        """What the files are, found out in a process of its own."""
        ...

    def save(self, call: Call, database: str, document: Document, *, update: bool) -> str:
        """Create or update a table; answers ``created``, ``updated`` or nothing."""
        ...

    def save_partitions(
        self, call: Call, database: str, table: str, partitions: Sequence[tuple[tuple[str, ...], Document]]
    ) -> int:
        """Add the partitions that are not there; answers how many."""
        ...


class CrawlerService:
    """CreateCrawler and its kind."""

    def __init__(self, store: CrawlerStore, lake: RoleLake, clock: Clock) -> None:
        self._store = store
        self._lake = lake
        self._clock = clock
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="crawler")
        self._stopping: dict[str, threading.Event] = {}

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
        for event in self._stopping.values():
            event.set()
        self._threads.shutdown(cancel_futures=True)

    def create(self, document: Document) -> None:
        """CreateCrawler; raises AlreadyExists or InvalidInput."""
        name = document["Name"]
        kept = _checked({key: value for key, value in document.items() if key != "Tags"})
        with self._store.write() as crawlers:
            if crawlers.get(name) is not None:
                raise AlreadyExistsException(f"Crawler {name} already exists.")
            crawlers.put(CrawlerRecord(name, kept, "READY", 1, self._now(), self._now()))

    def update(self, document: Document) -> None:
        """UpdateCrawler: the members that are given are replaced."""
        with self._store.write() as crawlers:
            record = _resting(crawlers, document["Name"])
            kept = _checked({**record.document, **document})
            changed = replace(record, document=kept, version=record.version + 1, updated=self._now())
            crawlers.put(changed)

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
            record = _resting(crawlers, name)
            run = Run(str(uuid.uuid4()), self._now())
            crawlers.put(replace(record, state="RUNNING", runs=(*record.runs, run)))
        stop = self._stopping[name] = threading.Event()
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
        call = self._lake.session(document["Role"], document["Name"])
        update = (document.get("SchemaChangePolicy") or {}).get("UpdateBehavior", "UPDATE_IN_DATABASE") != "LOG"
        for target in document["Targets"]["S3Targets"]:
            for candidate in candidates(target["Path"], self._lake.files(call, target["Path"])):
                if stop.is_set():
                    return replace(run, status="CANCELLED")
                run = self._table(call, document, candidate, run, update=update)
        return replace(run, status="CANCELLED" if stop.is_set() else "SUCCEEDED")

    def _table(self, call: Call, document: Document, candidate: Candidate, run: Run, *, update: bool) -> Run:
        schema = common(self._lake.look(call, candidate.sample(_SAMPLE)), candidate.keys)
        if not schema.format or not schema.columns:
            return run
        name = checked_name(table_name(str(document.get("TablePrefix") or "") + candidate.name))
        made = table_input(name, candidate, schema, document["Name"])
        database = document["DatabaseName"]
        done = self._lake.save(call, database, made, update=update)
        partitions = [
            (values, {**made["StorageDescriptor"], "Location": files[0].uri.rpartition("/")[0] + "/"})
            for values, files in candidate.files.items()
            if candidate.keys
        ]
        added = self._lake.save_partitions(call, database, name, partitions) if partitions else 0
        return replace(
            run,
            created=run.created + (done == "created"),
            updated=run.updated + (done == "updated"),
            partitions=run.partitions + added,
        )

    def _now(self) -> str:
        return self._clock().isoformat()


def _checked(document: Document) -> Document:
    """Raise InvalidInput for what is not offered: refused by name, never ignored."""
    for member in _REFUSED:
        if document.get(member):
            raise InvalidInputException(f"Lakewarden does not offer {member} of crawlers.")
    targets = document.get("Targets") or {}
    odd = [name for name, value in targets.items() if value and name != "S3Targets"]
    if odd:
        raise InvalidInputException(f"Lakewarden does not offer {', '.join(odd)}.")
    paths = targets.get("S3Targets") or ()
    if not paths or not all(str(one.get("Path", "")).startswith("s3://") for one in paths):
        raise InvalidInputException("S3Targets must be given, each with an s3:// path.")
    if any({name for name, value in one.items() if value} - {"Path"} for one in paths):
        raise InvalidInputException("Lakewarden offers nothing of S3Targets but Path.")
    if not document.get("DatabaseName"):
        raise InvalidInputException("DatabaseName must be given.")
    _check_choices(document)
    return document


def _check_choices(document: Document) -> None:
    offered: Mapping[tuple[str, str], Sequence[object]] = {
        ("SchemaChangePolicy", "UpdateBehavior"): ("LOG", "UPDATE_IN_DATABASE"),
        ("SchemaChangePolicy", "DeleteBehavior"): ("LOG",),
        ("RecrawlPolicy", "RecrawlBehavior"): ("CRAWL_EVERYTHING",),
        ("LineageConfiguration", "CrawlerLineageSettings"): ("DISABLE",),
        ("LakeFormationConfiguration", "UseLakeFormationCredentials"): (False,),
    }
    for (member, name), values in offered.items():
        given = (document.get(member) or {}).get(name)
        if given is not None and given not in values:
            raise InvalidInputException(f"Lakewarden does not offer {name} {given}.")


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
