"""Carries out the life cycle rules of buckets: each removal is recorded before it is made."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lakewarden.kernel.clock import Clock
from lakewarden.storage import versions
from lakewarden.storage.errors import NoSuchBucket, NoSuchUpload
from lakewarden.storage.lifecycle import Rule
from lakewarden.storage.model import Bucket, StoredObject, Version
from lakewarden.storage.service import StorageService
from lakewarden.storage.store import StorageStore
from lakewarden.storage.uploads import Uploads

_PAGE = 1000


class ExpiryRecorder(Protocol):
    """Port to the audit log."""

    def expired(self, operation: str, bucket: str, key: str, rule: str, details: Mapping[str, str]) -> None:
        """One record of a removal by a rule; durable when it returns, raises when it cannot be written."""
        ...


class Changed(Exception):
    """What was due is not there any more; somebody else was faster."""


@dataclass(frozen=True, slots=True)
class _Due:
    version: Version
    rule: str


class Expirer:
    """Removes what rules say is due; safe to run at any time, beside anything, and on several servers."""

    def __init__(
        self, storage: StorageService, store: StorageStore, uploads: Uploads, recorder: ExpiryRecorder, clock: Clock
    ) -> None:
        self._storage = storage
        self._store = store
        self._uploads = uploads
        self._recorder = recorder
        self._clock = clock

    def run(self) -> int:
        """Every bucket once; answers how many objects, versions, markers and uploads went."""
        removed = 0
        for bucket in self._storage.buckets():
            rules = [rule for rule in bucket.lifecycle if rule.enabled]
            if rules:
                removed += self._objects(bucket, rules) + self._abort(bucket, rules)
        return removed

    def _objects(self, bucket: Bucket, rules: Sequence[Rule]) -> int:
        removed = 0
        # What is due is gathered a page at a time and removed between the pages, so that no transaction is long.
        for due in self._pages(bucket.name, rules, self._clock()):
            removed += sum(self._remove(bucket.name, one) for one in due)
        return removed

    def _pages(self, bucket: str, rules: Sequence[Rule], now: datetime) -> Iterator[list[_Due]]:
        start: tuple[bytes, int | None] = (b"", None)
        history: list[Version] = []
        while True:
            with self._store.read() as index:
                rows = versions.walk(index, bucket, start, _PAGE)
            due: list[_Due] = []
            for version, _ in rows:
                if history and history[0].stored.key != version.stored.key:
                    due += _due_of(history, rules, now)
                    history = []
                history.append(version)
            if len(rows) < _PAGE:
                yield due + _due_of(history, rules, now)
                return
            yield due
            start = (rows[-1][0].stored.key.encode(), rows[-1][1])

    def _remove(self, bucket: str, due: _Due) -> bool:
        stored = due.version.stored

        def check(present: StoredObject | None) -> None:
            if present is None or (present.blob, present.version) != (stored.blob, stored.version):
                raise Changed
            # INVARIANT (no_answer_without_audit): the record is durable before the removal is committed.
            details = {"versionId": stored.version} if stored.version else {}
            self._recorder.expired("DeleteObject", bucket, stored.key, due.rule, details)

        current = due.version.latest and not due.version.marker
        try:
            self._storage.delete(bucket, stored.key, check, "" if current else stored.version or versions.NULL)
        except (Changed, NoSuchBucket):
            return False
        return True

    def _abort(self, bucket: Bucket, rules: Sequence[Rule]) -> int:
        removed, after, now = 0, ("", ""), self._clock()
        while True:
            found = self._uploads.list(bucket.name, "", after, _PAGE)
            for upload in found:
                rule = next((one for one in rules if one.aborts(upload.key, upload.created, now)), None)
                if rule is not None:
                    details = {"uploadId": upload.id}
                    self._recorder.expired("AbortMultipartUpload", bucket.name, upload.key, rule.id, details)
                    try:
                        self._uploads.abort(upload)
                    except NoSuchUpload:
                        continue
                    removed += 1
            if len(found) < _PAGE:
                return removed
            after = (found[-1].key, found[-1].id)


def _due_of(history: Sequence[Version], rules: Sequence[Rule], now: datetime) -> list[_Due]:
    """What is due of one key; ``history`` are its versions, the newest first."""
    due: list[_Due] = []
    for place, version in enumerate(history):
        rule = _rule_for(history, place, rules, now)
        if rule is not None:
            due.append(_Due(version, rule.id))
    return due


def _rule_for(history: Sequence[Version], place: int, rules: Sequence[Rule], now: datetime) -> Rule | None:
    version = history[place]
    for rule in rules:
        if place:
            # A version is as old as the one is that took its place; a marker among them is a version like others.
            if rule.expires_version(version.stored, history[place - 1].stored.modified, place - 1, now):
                return rule
        elif version.marker:
            # A marker that hides nothing any more.
            if rule.lone_markers and len(history) == 1 and version.stored.key.startswith(rule.prefix) and rule.enabled:
                return rule
        elif rule.expires(version.stored, now):
            return rule
    return None
