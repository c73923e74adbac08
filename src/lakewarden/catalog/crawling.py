"""One run of a crawler: from the objects below its targets to tables, as its role."""

import threading
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any, Protocol

from lakewarden.catalog.crawl_options import DELETE, LOG, Options, Target, options_of
from lakewarden.catalog.crawl_plan import DEPRECATED, Candidate, candidates, common, table_input, table_name
from lakewarden.catalog.crawler_store import Run
from lakewarden.catalog.errors import InvalidInputException
from lakewarden.catalog.service import checked_name
from lakewarden.kernel.call import Call
from lakewarden.kernel.lake import DataFile

_SAMPLE = 10
Document = Mapping[str, Any]
Values = tuple[str, ...]


class RoleLake(Protocol):
    """The lake as a crawler's role may see it. Every method asks IAM and Lake Formation, and records what it does."""

    def session(self, role: str, crawler: str) -> Call:
        """A call in the role's name; raises AccessDenied when there is no such role, or it does not trust Glue."""
        ...

    def files(self, call: Call, location: str) -> Sequence[DataFile]:
        """The data objects below a location, which the role may list and read."""
        ...

    def look(
        self, call: Call, files: Sequence[DataFile], classifiers: Sequence[Document]
    ) -> Sequence[Mapping[str, Any]]:
        """What the files are, found out in a process of its own."""
        ...

    def present(self, call: Call, database: str, name: str) -> Document | None:
        """A table's document, as far as the role sees it; None for hidden and absent ones."""
        ...

    def save(self, call: Call, database: str, document: Document, *, update: bool, merge: bool) -> str:
        """Create or update a table; answers ``created``, ``updated`` or nothing."""
        ...

    def save_partitions(
        self, call: Call, database: str, table: str, partitions: Sequence[tuple[Values, Document]]
    ) -> int:
        """Add the partitions that are not there; answers how many."""
        ...

    def drop_partitions(self, call: Call, database: str, table: str, below: str, kept: Set[Values]) -> None:
        """Remove the partitions that lie below a place and are not ``kept``."""
        ...

    def made_by(self, call: Call, database: str, crawler: str) -> Sequence[Document]:
        """The tables that the role sees and the crawler made."""
        ...

    def drop(self, call: Call, database: str, name: str) -> None:
        """Delete a table."""
        ...

    def deprecate(self, call: Call, database: str, name: str) -> None:
        """Mark a table as one whose files are gone."""
        ...


class Crawl:
    """A crawler's document, carried out. ``classifiers`` are the documents of those that it names."""

    def __init__(
        self, lake: RoleLake, document: Document, classifiers: Sequence[Document], stop: threading.Event
    ) -> None:
        self._lake = lake
        self._document = document
        self._classifiers = classifiers
        self._stop = stop
        self._options: Options = options_of(document)
        self._database: str = document["DatabaseName"]

    def carry_out(self, run: Run) -> Run:
        """Answers ``run`` with what was done; raises what stops it."""
        call = self._lake.session(self._document["Role"], self._document["Name"])
        found = [
            (target, candidate)
            for target in self._options.targets
            for candidate in candidates(
                target.path,
                [one for one in self._lake.files(call, target.path) if target.holds(one.uri)],
                self._options.level,
            )
        ]
        most = self._options.threshold
        if most and len(found) > most:
            raise InvalidInputException(
                f"The number of tables detected by crawler: {len(found)} is greater than the table threshold value"
                f" provided: {most}. No table was created or updated."
            )
        for target, candidate in found:
            if self._stop.is_set():
                return replace(run, status="CANCELLED")
            run = self._table(call, target, candidate, run)
        if self._stop.is_set():
            return replace(run, status="CANCELLED")
        gone = self._gone(call, {self._name(candidate) for _, candidate in found})
        return replace(run, status="SUCCEEDED", deleted=gone)

    def _name(self, candidate: Candidate) -> str:
        return checked_name(table_name(str(self._document.get("TablePrefix") or "") + candidate.name))

    def _table(self, call: Call, target: Target, candidate: Candidate, run: Run) -> Run:
        name, options = self._name(candidate), self._options
        present = self._lake.present(call, self._database, name) if options.new_only else None
        if present is not None:
            storage: Document = present.get("StorageDescriptor") or {}
            if str(storage.get("Location") or "").rstrip("/") != candidate.location.rstrip("/"):
                raise InvalidInputException(f"Table {name} lies elsewhere, and is left as it is.")
            return self._partitions(call, name, candidate, storage, run)
        looked = self._lake.look(call, candidate.sample(_SAMPLE, target.sample), self._classifiers)
        schema = common(looked, candidate.keys)
        if not schema.format or not schema.columns:
            return run
        made = table_input(name, candidate, schema, self._document["Name"])
        done = self._lake.save(call, self._database, made, update=options.update, merge=options.merge)
        run = replace(run, created=run.created + (done == "created"), updated=run.updated + (done == "updated"))
        return self._partitions(call, name, candidate, made["StorageDescriptor"], run)

    def _partitions(self, call: Call, name: str, candidate: Candidate, storage: Document, run: Run) -> Run:
        if not candidate.keys:
            return run
        partitions = [
            (values, {**storage, "Location": files[0].uri.rpartition("/")[0] + "/"})
            for values, files in candidate.files.items()
        ]
        added = self._lake.save_partitions(call, self._database, name, partitions)
        if self._options.gone == DELETE:
            self._lake.drop_partitions(call, self._database, name, candidate.location, frozenset(candidate.files))
        return replace(run, partitions=run.partitions + added)

    def _gone(self, call: Call, found: Set[str]) -> int:
        """Delete or mark the crawler's own tables whose files are no longer there; answers how many."""
        if self._options.gone == LOG:
            return 0
        count = 0
        for document in self._lake.made_by(call, self._database, self._document["Name"]):
            name = document["Name"]
            place = str((document.get("StorageDescriptor") or {}).get("Location") or "").rstrip("/") + "/"
            inside = any(place.startswith(target.path.rstrip("/") + "/") for target in self._options.targets)
            if name in found or not inside:
                continue
            if self._options.gone == DELETE:
                self._lake.drop(call, self._database, name)
            elif DEPRECATED in (document.get("Parameters") or {}):
                continue
            else:
                self._lake.deprecate(call, self._database, name)
            count += 1
        return count
