"""``query.ports.ResultStore``: results in S3, written and read with the caller's own rights."""

from collections.abc import Iterator, Sequence

from lakewarden.adapters.glue_rights import FORWARDED
from lakewarden.guard import Access, Guard
from lakewarden.kernel.arn import s3
from lakewarden.kernel.call import Call
from lakewarden.kernel.errors import AccessDenied
from lakewarden.query.errors import QueryFailed
from lakewarden.query.ports import Draft
from lakewarden.storage.errors import NoSuchBucket, NoSuchKey
from lakewarden.storage.model import Attributes, StoredObject
from lakewarden.storage.ports import Blob
from lakewarden.storage.rules import Rules
from lakewarden.storage.service import Check, StorageService, split_uri

_DEFAULT_PREFIX = "aws-athena-query-results-"


class OwnedResults:
    """Results are objects that belong to whoever ran the query."""

    def __init__(self, storage: StorageService, guard: Guard, account: str, region: str) -> None:
        self._storage = storage
        self._guard = guard
        self._rules = Rules(storage, guard, account)
        self._account = account
        self._region = region

    def may_write(self, call: Call, uri: str) -> None:
        """Raise unless the caller may put objects there. The default bucket is made when it is first needed."""
        bucket, key = split_uri(uri)
        self._guard.require(
            call, Access("s3:PutObject", s3(f"{bucket}/{key}"), FORWARDED, self._storage.policy(bucket))
        )
        if self._storage.find_bucket(bucket) is None:
            if bucket != f"{_DEFAULT_PREFIX}{self._account}-{self._region}":
                raise QueryFailed("Unable to verify/create output bucket " + bucket, 2, 1301)
            self._guard.require(call, Access("s3:CreateBucket", s3(bucket), FORWARDED))
            self._storage.create_bucket(bucket, self._region)

    def may_read(self, call: Call, uri: str) -> None:
        """Raise unless the caller may get the object."""
        bucket, key = split_uri(uri)
        self._guard.require(
            call, Access("s3:GetObject", s3(f"{bucket}/{key}"), FORWARDED, self._storage.policy(bucket))
        )

    def draft(self, call: Call, uri: str, chunks: Iterator[bytes]) -> Draft:
        """Write the bytes durably; there is no object yet."""
        bucket, key = split_uri(uri)
        self.may_write(call, uri)
        blob = self._storage.blob(bucket, key, chunks)
        return Draft(uri, blob.size, blob)

    def keep(self, call: Call, drafts: Sequence[Draft]) -> None:
        """Make objects of drafts, within the transaction around it."""
        for draft in drafts:
            bucket, key = split_uri(draft.uri)
            kind = "text/csv" if key.endswith(".csv") else "application/octet-stream"
            attributes = Attributes(content_type=kind, owner=call.principal.grantee_arn)
            self._storage.commit(bucket, key, _blob(draft), attributes, self._owned(call))

    def discard(self, drafts: Sequence[Draft]) -> None:
        """Remove the bytes of drafts that were not kept."""
        self._storage.discard([_blob(draft) for draft in drafts])

    def _owned(self, call: Call) -> Check:
        return lambda present: self._check_owner(call, present, "s3:PutObject")

    def read(self, call: Call, uri: str, start: int, length: int) -> bytes:
        """Bytes of the object, fewer at its end."""
        bucket, key = split_uri(uri)
        self.may_read(call, uri)
        try:
            stored = self._storage.get(bucket, key)
        except (NoSuchBucket, NoSuchKey):
            raise NoSuchKey("The query's result is not there any more.") from None
        self._check_owner(call, stored, "s3:GetObject")
        return self._storage.read(stored, start, length)

    def _check_owner(self, call: Call, stored: StoredObject | None, action: str) -> None:
        """INVARIANT (non_interference): Athena is no way round the owner of a result either."""
        if stored is not None and not self._rules.is_mine(call, stored, action):
            raise AccessDenied("Access Denied")


def _blob(draft: Draft) -> Blob:
    assert isinstance(draft.blob, Blob)  # noqa: S101 - this store's own
    return draft.blob
