"""What the audit context needs from elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from lakewarden.audit.queries import Execution


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


class Sealer(Protocol):
    """Keeps private keys unreadable at rest."""

    def seal(self, plain: bytes, purpose: str) -> str: ...

    def open(self, text: str, purpose: str) -> bytes: ...
