"""Crawlers and their runs."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from lakewarden.state import METADATA, Database

_crawlers = sa.Table(
    "glue_crawlers",
    METADATA,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
    sa.Column("updated", sa.String(40), nullable=False),
    sa.Column("runs", sa.Text, nullable=False),
    sa.Column("due", sa.String(40), nullable=False, server_default="", index=True),
)
_classifiers = sa.Table(
    "glue_classifiers",
    METADATA,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
    sa.Column("updated", sa.String(40), nullable=False),
)
_KEPT_RUNS = 50


@dataclass(frozen=True, slots=True)
class Run:
    """One crawl. ``status`` is SUCCEEDED, FAILED, CANCELLED, or RUNNING until it has ended."""

    id: str
    started: str
    status: str = "RUNNING"
    ended: str = ""
    message: str = ""
    created: int = 0
    updated: int = 0
    deleted: int = 0
    partitions: int = 0


@dataclass(frozen=True, slots=True)
class CrawlerRecord:
    """``document`` is CreateCrawler's input; ``state`` READY, RUNNING or STOPPING; ``runs`` newest last.

    ``due`` is when its schedule starts it next; empty where that is never, or the schedule is stopped.
    """

    name: str
    document: Mapping[str, Any]
    state: str
    version: int
    created: str
    updated: str
    runs: tuple[Run, ...] = field(default_factory=tuple)
    due: str = ""


@dataclass(frozen=True, slots=True)
class ClassifierRecord:
    """``document`` is CreateClassifier's one member, by its kind: ``CsvClassifier`` or ``JsonClassifier``."""

    name: str
    document: Mapping[str, Any]
    version: int
    created: str
    updated: str


@dataclass(frozen=True, slots=True)
class Crawlers:
    """Crawlers within one transaction."""

    connection: sa.Connection

    def get(self, name: str) -> CrawlerRecord | None:
        """The crawler, or None."""
        row = self.connection.execute(sa.select(_crawlers).where(_crawlers.c.name == name)).mappings().one_or_none()
        return None if row is None else _record(row)

    def all(self) -> list[CrawlerRecord]:
        """All of them by name."""
        rows = self.connection.execute(sa.select(_crawlers).order_by(_crawlers.c.name)).mappings()
        return [_record(row) for row in rows]

    def due(self, now: str) -> list[CrawlerRecord]:
        """Those whose schedule starts them by ``now``."""
        query = sa.select(_crawlers).where(_crawlers.c.due != "", _crawlers.c.due <= now).order_by(_crawlers.c.due)
        return [_record(row) for row in self.connection.execute(query).mappings()]

    def put(self, record: CrawlerRecord) -> None:
        """Insert or replace."""
        self.remove(record.name)
        kept = record.runs[-_KEPT_RUNS:]
        runs = [{name: getattr(run, name) for name in Run.__dataclass_fields__} for run in kept]
        self.connection.execute(
            sa.insert(_crawlers).values(
                name=record.name, document=json.dumps(record.document), state=record.state, version=record.version,
                created=record.created, updated=record.updated, runs=json.dumps(runs),
                due=record.due,
            )
        )  # fmt: skip

    def remove(self, name: str) -> None:
        """Delete the row."""
        self.connection.execute(sa.delete(_crawlers).where(_crawlers.c.name == name))

    def classifier(self, name: str) -> ClassifierRecord | None:
        """The classifier, or None."""
        query = sa.select(_classifiers).where(_classifiers.c.name == name)
        row = self.connection.execute(query).mappings().one_or_none()
        return None if row is None else _classifier(row)

    def classifiers(self) -> list[ClassifierRecord]:
        """All of them by name."""
        rows = self.connection.execute(sa.select(_classifiers).order_by(_classifiers.c.name)).mappings()
        return [_classifier(row) for row in rows]

    def put_classifier(self, record: ClassifierRecord) -> None:
        """Insert or replace."""
        self.remove_classifier(record.name)
        self.connection.execute(
            sa.insert(_classifiers).values(
                name=record.name, document=json.dumps(record.document), version=record.version,
                created=record.created, updated=record.updated,
            )
        )  # fmt: skip

    def remove_classifier(self, name: str) -> None:
        """Delete the row."""
        self.connection.execute(sa.delete(_classifiers).where(_classifiers.c.name == name))


class CrawlerStore:
    """Transactions over the crawlers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def read(self) -> Iterator[Crawlers]:
        """A consistent view."""
        with self._database.read() as connection:
            yield Crawlers(connection)

    @contextmanager
    def write(self) -> Iterator[Crawlers]:
        """A durable change."""
        with self._database.write() as connection:
            yield Crawlers(connection)


def finished(record: CrawlerRecord, run: Run) -> CrawlerRecord:
    """The crawler at rest, ``run`` its newest."""
    earlier = tuple(one for one in record.runs if one.id != run.id)
    return replace(record, state="READY", runs=(*earlier, run))


def _record(row: sa.RowMapping) -> CrawlerRecord:
    return CrawlerRecord(
        row["name"], json.loads(row["document"]), row["state"], row["version"], row["created"], row["updated"],
        tuple(Run(**run) for run in json.loads(row["runs"])), row["due"],
    )  # fmt: skip


def _classifier(row: sa.RowMapping) -> ClassifierRecord:
    return ClassifierRecord(**{**row, "document": json.loads(row["document"])})
