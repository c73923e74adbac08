"""What the audit context needs from elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from lakewarden.audit.queries import Execution


class AnchorPlace(Protocol):
    """A place for signed heads: a file, a bucket. ``add`` is durable when it returns; ``lines`` is in order."""

    @property
    def name(self) -> str: ...

    def add(self, line: str) -> None: ...

    def lines(self) -> Iterable[str]: ...


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
