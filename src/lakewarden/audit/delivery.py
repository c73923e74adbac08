"""Delivers trails: log files within seconds, digests on schedule. It survives restarts and misses and doubles nothing.

A file's name and range are durable before its bytes are stored, so that after a kill the same file is written again and
not a second one. One server delivers for a trail at a time.
"""

import gzip
import hashlib
import secrets
import string
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import structlog

from lakewarden.audit import selectors
from lakewarden.audit.digests import DigestKeys, digest_of, log_prefix
from lakewarden.audit.model import Trail, TrailFile
from lakewarden.audit.ports import TrailBuckets
from lakewarden.audit.records import Record, moment
from lakewarden.audit.store import AuditStore
from lakewarden.audit.trail_store import TrailStore
from lakewarden.audit.trails import end_trail
from lakewarden.kernel.clock import Clock

_LETTERS = string.ascii_letters + string.digits
_MOST_RECORDS = 5000
_LEASE_SECONDS = 30
_log = structlog.get_logger("lakewarden.audit")


class NotDelivered(Exception):
    """The bucket is gone or its policy does not let CloudTrail in; the text is GetTrailStatus's."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A record of the log, decoded, with its text as stored."""

    sequence: int
    text: str
    record: Record


class Delivery:
    """Brings the log to the trails' buckets."""

    def __init__(
        self,
        store: TrailStore,
        log: AuditStore,
        buckets: TrailBuckets,
        keys: DigestKeys,
        account: str,
        clock: Clock,
        digest_minutes: int,
    ) -> None:
        self._store = store
        self._log = log
        self._buckets = buckets
        self._keys = keys
        self._account = account
        self._clock = clock
        self._digest_every = timedelta(minutes=digest_minutes)
        self._holder = str(uuid.uuid4())
        self._leases: dict[str, int] = {}

    def deliver_all(self) -> None:
        """Deliver for every trail that has something to deliver. A trail's failure is its own."""
        with self._store.read() as records:
            trails = records.trails()
        for trail in trails:
            if not (trail.logging or trail.until or trail.deleting or trail.digest_wanted):
                continue
            if self._leased(trail.name):
                self._deliver(trail)

    def _leased(self, name: str) -> bool:
        """Whether this server delivers for the trail; its lease is renewed when half of it is over."""
        now = int(self._clock().timestamp())
        if now < self._leases.get(name, 0) - _LEASE_SECONDS // 2 < now + _LEASE_SECONDS:
            return True
        if not self._store.lease(name, self._holder, now, _LEASE_SECONDS):
            return False
        self._leases[name] = now + _LEASE_SECONDS
        return True

    def _deliver(self, trail: Trail) -> None:
        try:
            self._files(trail)
            self._digest(trail.name)
            self._settle(trail.name)
        except NotDelivered as error:
            self._failed(trail, str(error))
        except Exception:  # noqa: BLE001 - one trail's trouble must not keep the others' records back
            _log.exception("a trail cannot be delivered", trail=trail.name)
            self._failed(trail, "InternalError")

    def _failed(self, trail: Trail, reason: str) -> None:
        _log.warning("a trail is not delivered", trail=trail.name, reason=reason)
        if trail.deleting:
            # The records stay in the log; a trail that is deleted does not wait for a bucket that is gone.
            with self._store.write() as records:
                records.remove(trail.name)
            return
        now = self._now()
        self._store.change(trail.name, lambda found: msgspec.structs.replace(found, error=reason, attempted=now))

    # Log files

    def _files(self, trail: Trail) -> None:
        with self._store.read() as records:
            planned = [file for file in records.files(trail.name) if not file.hash]
        for file in planned:
            self._put(file)
        while self._plan(trail.name):
            with self._store.read() as records:
                planned = [file for file in records.files(trail.name) if not file.hash]
            for file in planned:
                self._put(file)
            if not self._leased(trail.name):
                return

    def _plan(self, name: str) -> bool:
        """Move the position over the next records, and note the file that will hold them; False when all is planned."""
        with self._store.read() as records:
            trail, position = records.trail(name), records.position(name)
        if trail is None or not (trail.logging or trail.until):
            return False
        limit = _MOST_RECORDS if not trail.until else min(_MOST_RECORDS, max(0, trail.until - position))
        found = self._read(position, limit)
        if not found:
            return False
        ended = _own_end(found, trail)
        if ended is not None and trail.logging:
            # The server was killed between the record of a stop and the stop itself.
            end_trail(
                self._store, name, ended.sequence, self._now(), deleting=ended.record["eventName"] == "DeleteTrail"
            )
            return True
        chosen = [one for one in found if self._chosen(trail, one)]
        with self._store.write() as records:
            current = records.trail(name)
            if current is None or records.position(name) != position:
                return False
            records.move(name, found[-1].sequence)
            if chosen:
                key = self._file_key(current)
                records.put_file(TrailFile(name, found[-1].sequence, found[0].sequence, current.bucket, key))
        return True

    def _put(self, file: TrailFile) -> None:
        with self._store.read() as records:
            trail = records.trail(file.trail)
        if trail is None:
            return
        found = self._read(file.first - 1, file.last - file.first + 1)
        chosen = [one for one in found if self._chosen(trail, one)]
        body = b'{"Records":[' + b",".join(one.text.encode() for one in chosen) + b"]}"
        self._store_object(trail, file.key, gzip.compress(body, mtime=0), {}, bucket=file.bucket)
        times = sorted(one.record["eventTime"] for one in chosen)
        done = msgspec.structs.replace(
            file,
            hash=hashlib.sha256(body).hexdigest(),
            oldest=times[0] if times else moment(self._clock()),
            newest=times[-1] if times else moment(self._clock()),
        )
        now = self._now()
        with self._store.write() as records:
            current = records.trail(file.trail)
            if current is None:
                return
            records.put_file(done)
            if not current.validation:
                records.remove_files(file.trail, file.last)
            records.put(msgspec.structs.replace(current, delivered=now, attempted=now, error=""))

    def _read(self, after: int, limit: int) -> list[_Found]:
        if limit <= 0:
            return []
        return [
            _Found(sequence, text, msgspec.json.decode(text))
            for sequence, text in self._log.records(after, limit)
            if sequence <= after + limit
        ]

    def _chosen(self, trail: Trail, found: _Found) -> bool:
        return selectors.selects(trail.selectors, trail.advanced, found.record, global_events=trail.global_events)

    def _file_key(self, trail: Trail) -> str:
        now, region = self._clock(), trail.region
        unique = "".join(secrets.choice(_LETTERS) for _ in range(16))
        name = f"{self._account}_CloudTrail_{region}_{now:%Y%m%dT%H%MZ}_{unique}.json.gz"
        return f"{log_prefix(trail, self._account)}/CloudTrail/{region}/{now:%Y/%m/%d}/{name}"

    def _store_object(self, trail: Trail, key: str, body: bytes, metadata: dict[str, str], *, bucket: str) -> None:
        if self._buckets.region(bucket) is None:
            raise NotDelivered("NoSuchBucket")
        # INVARIANT (deny_by_default): the bucket's policy is asked for each object, so that its owner can end it.
        if not self._buckets.may_deliver(bucket, key, trail.arn):
            raise NotDelivered("AccessDenied")
        self._buckets.put(bucket, key, body, metadata)

    # Digests

    def _digest(self, name: str) -> None:
        with self._store.read() as records:
            trail, files = records.trail(name), records.files(name)
        if trail is None or not self._digest_due(trail):
            return
        delivered = [file for file in files if file.hash]
        end = self._clock().replace(microsecond=0)
        if trail.digest_from:
            # A clock that stepped back must not give two digests one name, or an end before the beginning.
            end = max(end, datetime.fromisoformat(trail.digest_from) + timedelta(seconds=1))
        key, private = self._keys.current(self._clock())
        digest = digest_of(trail, self._account, delivered, end, key, private)
        try:
            self._store_object(trail, digest.key, digest.body, digest.metadata, bucket=trail.bucket)
        except NotDelivered as error:
            reason = str(error)
            self._store.change(name, lambda found: msgspec.structs.replace(found, digest_error=reason))
            raise
        with self._store.write() as records:
            current = records.trail(name)
            if current is None:
                return
            if delivered:
                records.remove_files(name, delivered[-1].last)
            records.put(
                msgspec.structs.replace(
                    current, digest=digest.link, digest_from=moment(end), digested=self._now(), digest_error="",
                    digest_wanted=False,
                )
            )  # fmt: skip

    def _digest_due(self, trail: Trail) -> bool:
        if not trail.validation or not trail.digest_from:
            return False
        since = datetime.fromisoformat(trail.digest_from)
        return trail.digest_wanted or (trail.logging and self._clock() - since >= self._digest_every)

    def _settle(self, name: str) -> None:
        """A trail that was ended and has delivered all is at rest; one that is deleted goes."""
        with self._store.write() as records:
            trail = records.trail(name)
            if trail is None or trail.logging:
                return
            if trail.deleting:
                records.remove(name)
            elif trail.until or trail.digest_wanted:
                records.put(msgspec.structs.replace(trail, until=0, digest_wanted=False))

    def _now(self) -> str:
        return self._clock().isoformat(timespec="seconds")


def _own_end(found: Sequence[_Found], trail: Trail) -> _Found | None:
    """The record that ended this trail, if it is among ``found``."""
    for one in found:
        record = one.record
        if record["eventName"] not in {"StopLogging", "DeleteTrail"} or "errorCode" in record:
            continue
        if record["eventSource"] != "cloudtrail.amazonaws.com" or one.sequence <= trail.since:
            continue
        named = (record.get("requestParameters") or {}).get("name")
        if named in {trail.name, trail.arn}:
            return one
    return None
