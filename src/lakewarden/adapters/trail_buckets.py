"""``audit.ports.TrailBuckets``, and a bucket of this server as sink and source of signed heads."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lakewarden.guard import Access, Guard
from lakewarden.kernel.arn import s3
from lakewarden.kernel.call import Call, Principal, PrincipalType
from lakewarden.kernel.clock import Clock
from lakewarden.storage.model import Attributes
from lakewarden.storage.ports import Blobs
from lakewarden.storage.service import StorageService
from lakewarden.storage.store import StorageStore

_SERVICE = "cloudtrail.amazonaws.com"
_HEADS = "audit-heads/"
_MOST = 10**18
_PAGE = 1000


class PolicedBuckets:
    """Buckets as CloudTrail reaches them: through what the bucket's policy says about its service principal.

    As at AWS there is no other right: an administrator's policies do not count, the policy must name
    ``cloudtrail.amazonaws.com`` (CloudTrail User Guide, "Amazon S3 bucket policy for CloudTrail").
    """

    def __init__(self, storage: StorageService, guard: Guard, account: str, region: str, clock: Clock) -> None:
        self._storage = storage
        self._guard = guard
        self._account = account
        self._region = region
        self._clock = clock

    def region(self, bucket: str) -> str | None:
        """The bucket's region, or None."""
        found = self._storage.find_bucket(bucket)
        return None if found is None else found.region

    def may_deliver(self, bucket: str, key: str, trail_arn: str) -> bool:
        """Whether the policy allows s3:GetBucketAcl and s3:PutObject for this trail."""
        principal = Principal(PrincipalType.SERVICE, self._account, "", "", _SERVICE)
        call = Call(principal, "s3", "PutObject", {}, "", self._clock(), self._region, _SERVICE, _SERVICE, secure=True)
        context = {
            "aws:SourceArn": trail_arn,
            "aws:SourceAccount": self._account,
            "aws:PrincipalIsAWSService": "true",
            "aws:PrincipalServiceName": _SERVICE,
        }
        put = {**context, "s3:x-amz-acl": "bucket-owner-full-control"}
        policy = self._storage.policy(bucket)
        return all(
            self._guard.check(call, Access(action, s3(resource), facts, policy)).allowed
            for action, resource, facts in (
                ("s3:GetBucketAcl", bucket, context),
                ("s3:PutObject", f"{bucket}/{key}", put),
            )
        )

    def put(self, bucket: str, key: str, body: bytes, metadata: Mapping[str, str]) -> None:
        """Store a gzip file of JSON."""
        attributes = Attributes("application/json", dict(metadata), {"ContentEncoding": "gzip"})
        self._storage.put(bucket, key, iter((body,)), attributes)


@dataclass(frozen=True, slots=True)
class AnchorBucket:
    """Signed heads as objects of a bucket of this server, one each, named so that they list in order."""

    storage: StorageService
    bucket: str

    @property
    def name(self) -> str:
        """``s3://bucket/prefix``."""
        return f"s3://{self.bucket}/{_HEADS}"

    def add(self, line: str) -> None:
        """Store one more; durable when it returns. The newest is found by its name, which counts down."""
        first = self.storage.list(self.bucket, _HEADS, "", "", 1).objects
        number = int(first[0].key.removeprefix(_HEADS)) - 1 if first else _MOST
        self.storage.put(self.bucket, f"{_HEADS}{number:020d}", iter((line.encode(),)), Attributes("text/plain"))


@dataclass(frozen=True, slots=True)
class StoredAnchors:
    """The same objects, read from the index and the blobs, whether a server is running or not."""

    store: StorageStore
    blobs: Blobs
    bucket: str

    @property
    def name(self) -> str:
        """``s3://bucket/prefix``."""
        return f"s3://{self.bucket}/{_HEADS}"

    def lines(self) -> Iterable[str]:
        """All of them, in order."""
        found: list[str] = []
        start = b""
        with self.store.read() as index:
            while page := index.scan(self.bucket, _HEADS.encode(), start, _PAGE):
                found += [self.blobs.read(one.blob, 0, one.size).decode("utf-8", "replace") for one in page]
                start = page[-1].key.encode() + b"\0"
        return reversed(found)
