"""What the audit context needs from elsewhere."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Protocol

from lakewarden.audit.lake_model import Reading
from lakewarden.audit.queries import Execution
from lakewarden.kernel.call import Call


class AnchorSink(Protocol):
    """Where signed heads go: a file, a bucket. ``add`` is durable when it returns."""

    @property
    def name(self) -> str: ...

    def add(self, line: str) -> None: ...


class AnchorSource(Protocol):
    """Where signed heads are read again. ``lines`` is in order."""

    @property
    def name(self) -> str: ...

    def lines(self) -> Iterable[str]: ...


class TimeAuthority(Protocol):
    """Who says when something was there (RFC 3161). Tokens are the authority's answers, as it gave them."""

    @property
    def name(self) -> str: ...

    def stamp(self, message: bytes) -> bytes:
        """A token for ``message``, checked; raises :class:`NoTimeStamp`."""
        ...

    def check(self, token: bytes, message: bytes) -> datetime:
        """When ``message`` was there; raises :class:`BadTimeStamp` where the token does not prove it."""
        ...


class NoTimeStamp(Exception):
    """The authority cannot be reached, or does not answer as it should."""


class BadTimeStamp(Exception):
    """A token that is not the authority's, or that is another message's."""


class TrailBuckets(Protocol):
    """The buckets that trails deliver to, as the service principal ``cloudtrail.amazonaws.com``."""

    def region(self, bucket: str) -> str | None:
        """The bucket's region; None when there is no such bucket."""
        ...

    def may_deliver(self, bucket: str, key: str, trail_arn: str) -> bool:
        """Whether the bucket's policy lets CloudTrail read the bucket's ACL and put an object at ``key``."""
        ...

    def put(self, bucket: str, key: str, body: bytes, metadata: Mapping[str, str]) -> None:
        """Store an object, all or nothing, durably."""
        ...


class Executions(Protocol):
    """What the query context keeps of executions; the trail itself does not hold the texts of statements."""

    def find(self, query_ids: Sequence[str]) -> Mapping[str, Execution]:
        """Those that are known, by id."""
        ...


Row = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a statement finds: column names, and rows in blocks, values in Athena's text form.

    ``tables`` are what the outcome's record says of the tables that are read, ``readings`` the same for
    :meth:`TrailSql.still_readable`. ``told_bytes`` is what may be told of the bytes that are read.
    """

    columns: tuple[str, ...]
    blocks: Iterator[Sequence[Row]]
    tables: Sequence[Mapping[str, object]]
    readings: tuple[Reading, ...]
    scanned_bytes: int
    told_bytes: int


class StatementRefused(Exception):
    """Not a query, or none that can be run; the text says why."""


class RunCancelled(Exception):
    """The query was cancelled."""


class TrailSql(Protocol):
    """SQL over the audit tables, with the rights of whoever asks."""

    def check(self, statement: str) -> None:
        """Raise :class:`StatementRefused` unless this is one query."""
        ...

    def run(
        self, call: Call, query_id: str, statement: str, tables: Sequence[str], cancelled: Event
    ) -> AbstractContextManager[Found]:
        """Run it over these audit tables and nothing else. Each access is on the record before a byte is read.

        Raises :class:`StatementRefused`, also while the blocks are taken, or :class:`RunCancelled`.
        """
        ...

    def still_readable(self, call: Call, readings: Sequence[Reading]) -> bool:
        """Whether the caller may read now what a query read before."""
        ...


class QueryAudit(Protocol):
    """Records of a query that are not its call's own."""

    def outcome(self, call: Call, query_id: str, details: Mapping[str, object]) -> None:
        """How it ended; durable when it returns."""
        ...


class Sealer(Protocol):
    """Keeps private keys unreadable at rest."""

    def seal(self, plain: bytes, purpose: str) -> str: ...

    def open(self, text: str, purpose: str) -> bytes: ...
