"""Buckets and objects: what the gateway does, and what the rest of the house uses without going through it."""

import re
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from lakewarden.kernel.clock import Clock
from lakewarden.kernel.decision import Layer
from lakewarden.kernel.lake import DataFile
from lakewarden.policy import CompiledPolicy, MalformedPolicyDocument, PolicyKind, compile_policy
from lakewarden.storage import versions
from lakewarden.storage.errors import (
    BucketAlreadyOwnedByYou,
    BucketNotEmpty,
    InvalidArgument,
    InvalidBucketName,
    KeyTooLong,
    MalformedPolicy,
    MarkerIsNoObject,
    NoSuchBucket,
    NoSuchKey,
    NoSuchVersion,
    OperationAborted,
)
from lakewarden.storage.listing import Visible, everything, page
from lakewarden.storage.model import (
    Attributes,
    Bucket,
    Listing,
    Part,
    StoredObject,
    Sums,
    Version,
    VersionListing,
)
from lakewarden.storage.ports import Blob, Blobs, BlobWriter
from lakewarden.storage.public import is_public
from lakewarden.storage.store import Index, StorageStore

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+")
_KEY_BYTES = 1024
_SCAN = 1000

Check = Callable[[StoredObject | None], None]
"""Sees what is there, in the transaction that changes it, and raises if the change must not be."""


class StorageService:
    """One account's buckets and objects."""

    def __init__(self, store: StorageStore, blobs: Blobs, clock: Clock) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._buckets = store.snapshot(self._load)

    def _load(self) -> dict[str, Bucket]:
        with self._store.read() as index:
            return {
                bucket.name: replace(
                    bucket, compiled=_compile(bucket.name, bucket.policy), public=is_public(bucket.policy)
                )
                if bucket.policy
                else bucket
                for bucket in index.buckets()
            }

    # Buckets

    def create_bucket(self, name: str, region: str) -> Bucket:
        """CreateBucket; raises InvalidBucketName or BucketAlreadyOwnedByYou (not in us-east-1, as AWS)."""
        if not _BUCKET.fullmatch(name) or ".." in name or _ADDRESS.fullmatch(name):
            raise InvalidBucketName("The specified bucket is not valid.")
        with self._store.write_buckets(self.now()) as index:
            found = index.bucket(name)
            if found is not None:
                if region == "us-east-1" == found.region:
                    return found
                raise BucketAlreadyOwnedByYou(
                    "Your previous request to create the named bucket succeeded and you already own it.",
                    {"BucketName": name},
                )
            bucket = Bucket(name, region, self.now())
            index.put_bucket(bucket)
            return bucket

    def bucket(self, name: str) -> Bucket:
        """The bucket; raises NoSuchBucket."""
        return _present(name, self.find_bucket(name))

    def find_bucket(self, name: str) -> Bucket | None:
        """The bucket, or None."""
        return self._buckets.current().get(name)

    def buckets(self) -> Sequence[Bucket]:
        """All buckets by name."""
        return tuple(self._buckets.current().values())

    def delete_bucket(self, name: str) -> None:
        """DeleteBucket; raises BucketNotEmpty."""
        with self._store.write_buckets(self.now()) as index:
            _present(name, index.bucket(name))
            if not index.is_empty(name):
                raise BucketNotEmpty("The bucket you tried to delete is not empty", {"BucketName": name})
            index.remove_bucket(name)

    def change_bucket(self, name: str, change: Callable[[Bucket], Bucket]) -> None:
        """Replace a bucket's settings; ``change`` may raise."""
        with self._store.write_buckets(self.now()) as index:
            index.put_bucket(change(_present(name, index.bucket(name))))

    def set_policy(self, name: str, document: str, check: Callable[[Bucket], None] | None = None) -> None:
        """Put, or (empty) delete, the bucket policy; ``check`` sees the bucket as it is and may raise."""
        if document:
            try:
                _compile(name, document)
            except MalformedPolicyDocument as error:
                raise MalformedPolicy(error.message) from error

        def change(bucket: Bucket) -> Bucket:
            if check is not None:
                check(bucket)
            return replace(bucket, policy=document)

        self.change_bucket(name, change)

    def policy(self, name: str) -> CompiledPolicy | None:
        """The bucket policy, compiled; None where there is none."""
        bucket = self.find_bucket(name)
        return bucket.compiled if bucket is not None else None

    # Objects

    def writer(self, bucket: str, key: str, *, md5: bool = True) -> BlobWriter:
        """Begin an upload; raises NoSuchBucket or KeyTooLong before a byte is taken."""
        check_key(key)
        self.bucket(bucket)
        return self._blobs.writer(md5=md5)

    def commit(
        self, bucket: str, key: str, blob: Blob, attributes: Attributes, check: Check | None = None,
        sums: Sums | None = None,
    ) -> StoredObject:  # fmt: skip
        """Make a finished blob the object's bytes."""
        stored = StoredObject(bucket, key, blob.size, blob.etag, self.now(), blob.name, attributes, sums or Sums())
        with self.writing(bucket, attributes.tags) as (index, found):
            if check is not None:
                check(index.get(bucket, key))
            return versions.place(index, found, stored)

    def put(
        self,
        bucket: str,
        key: str,
        chunks: Iterable[bytes],
        attributes: Attributes,
        check: Check | None = None,
    ) -> StoredObject:
        """Store an object, all or nothing."""
        return self.commit(bucket, key, self.blob(bucket, key, chunks), attributes, check)

    def blob(self, bucket: str, key: str, chunks: Iterable[bytes]) -> Blob:
        """Write the bytes of an object to be, durably; :meth:`commit` makes the object, :meth:`discard` forgets them."""
        writer = self.writer(bucket, key)
        try:
            for chunk in chunks:
                writer.write(chunk)
            return writer.finish()
        except BaseException:
            writer.discard()
            raise

    def discard(self, blobs: Iterable[Blob]) -> None:
        """Remove bytes that became no object."""
        self._blobs.remove(blob.name for blob in blobs)

    def get(self, bucket: str, key: str) -> StoredObject:
        """The object's facts; raises NoSuchBucket or NoSuchKey."""
        self.bucket(bucket)
        found = self.find(bucket, key)
        if found is None:
            raise NoSuchKey("The specified key does not exist.", {"Key": key})
        return found

    def find(self, bucket: str, key: str, version: str = "") -> StoredObject | None:
        """The object, or one version of it, or None."""
        if not version:
            return self._store.find(bucket, key)
        with self._store.read() as index:
            found = versions.find(index, bucket, key, version)
            return None if found is None or found.marker else found.stored

    def get_version(self, bucket: str, key: str, version: str) -> StoredObject:
        """One version; raises NoSuchBucket, NoSuchVersion, or MarkerIsNoObject."""
        self.bucket(bucket)
        with self._store.read() as index:
            found = versions.find(index, bucket, key, version)
        if found is None:
            raise NoSuchVersion("The specified version does not exist.", {"Key": key, "VersionId": version})
        if found.marker:
            raise marker_is_no_object(version)
        return found.stored

    def marker(self, bucket: str, key: str) -> Version | None:
        """The marker that says that an object was deleted, where there is one."""
        if not self.bucket(bucket).versioning:
            return None
        with self._store.read() as index:
            return versions.newest_marker(index, bucket, key)

    def parts_of(self, stored: StoredObject) -> Sequence[Part]:
        """The parts that it was uploaded in; none of an object that was put whole."""
        if not stored.parts:
            return ()
        with self._store.read() as index:
            return index.parts_of(stored)

    def path(self, stored: StoredObject) -> Path:
        """A local file that holds exactly the object's bytes."""
        return self._blobs.path(stored.blob)

    def read(self, stored: StoredObject, start: int, length: int) -> bytes:
        """Bytes of the object, fewer at its end."""
        return self._blobs.read(stored.blob, start, length)

    def body(self, stored: StoredObject, start: int, length: int) -> AsyncIterable[bytes]:
        """Bytes of the object as a stream."""
        return self._blobs.body(stored.blob, start, length)

    def copy(
        self, source: StoredObject, bucket: str, key: str, attributes: Attributes, check: Check | None = None,
        sums: Sums | None = None,
    ) -> StoredObject:  # fmt: skip
        """CopyObject: the copy shares the immutable bytes."""
        check_key(key)
        changed = replace(
            source, bucket=bucket, key=key, modified=self.now(), attributes=attributes, sums=sums or source.sums,
            parts=0, upload="", version="",
        )  # fmt: skip
        with self.writing(bucket, attributes.tags) as (index, found):
            # INVARIANT (crash_safe): bytes are shared only while something holds them, or they might be swept away.
            held = versions.find(index, source.bucket, source.key, source.version or versions.NULL)
            if held is None or held.stored.blob != source.blob:
                raise OperationAborted("The source changed while it was copied. Please try again.")
            if check is not None:
                check(index.get(bucket, key))
            return versions.place(index, found, changed)

    def set_tags(
        self, bucket: str, key: str, tags: Mapping[str, str], check: Check | None = None, version: str = ""
    ) -> StoredObject:
        """Replace the tags of an object or of one version; raises NoSuchKey, NoSuchVersion, or MarkerIsNoObject."""
        with self.writing(bucket, tags) as (index, _):
            stored = index.get(bucket, key)
            if version:
                named = versions.find(index, bucket, key, version)
                if named is None:
                    raise NoSuchVersion("The specified version does not exist.", {"Key": key, "VersionId": version})
                if named.marker:
                    raise marker_is_no_object(version)
                stored = named.stored
            if stored is None:
                raise NoSuchKey("The specified key does not exist.", {"Key": key})
            if check is not None:
                check(stored)
            versions.change_tags(index, stored, tags)
            return stored

    def delete(self, bucket: str, key: str, check: Check | None = None, version: str = "") -> versions.Removed:
        """DeleteObject; an absent key or version is no error."""
        with self.writing(bucket, {}) as (index, found):
            if version:
                named = versions.find(index, bucket, key, version)
                if check is not None:
                    check(named.stored if named is not None else None)
                return versions.delete_version(index, bucket, key, version)
            if check is not None:
                check(index.get(bucket, key))
            return versions.delete(index, found, key)

    @contextmanager
    def writing(self, bucket: str, tags: Mapping[str, str]) -> Iterator[tuple[Index, Bucket]]:
        """A change of objects in a bucket that exists. The first tags of a bucket make policies look for tags."""
        known = self.find_bucket(bucket)
        first = bool(tags) and (known is None or not known.tagged)
        with (self._store.write_buckets if first else self._store.write)(self.now()) as index:
            found = _present(bucket, index.bucket(bucket))
            if first:
                index.put_bucket(replace(found, tagged=True))
            yield index, found

    # Listings

    def list(
        self, bucket: str, prefix: str, delimiter: str, after: str, limit: int, visible: Visible = everything
    ) -> Listing:
        """A page of at most ``limit`` keys and common prefixes, greater than ``after``, of what is ``visible``."""
        self.bucket(bucket)
        with self._store.read() as index:
            return page(index, bucket, prefix, delimiter, after, limit, visible)

    def list_versions(
        self, bucket: str, prefix: str, delimiter: str, after: tuple[str, str], limit: int, visible: Visible
    ) -> VersionListing:
        """The same of versions; ``after`` is a key and, or empty, a version id; raises InvalidArgument."""
        self.bucket(bucket)
        key, version = after
        with self._store.read() as index:
            sequence = versions.sequence_of(index, bucket, key, version) if version else 0
            if sequence is None:
                raise InvalidArgument("Invalid version id specified", {"ArgumentName": "version-id-marker"})
            return versions.page(index, bucket, prefix, delimiter, (key, sequence if key else None), limit, visible)

    def files_under(self, location: str, reader: str = "") -> tuple[DataFile, ...]:
        """The data objects below an ``s3://`` location: no empty markers, no ``_`` or ``.`` names (as Athena).

        INVARIANT (non_interference): a table laid over a results bucket shows nobody's results but ``reader``'s own.
        """
        bucket, prefix = split_uri(location)
        prefix = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
        if self.find_bucket(bucket) is None:
            return ()
        found: list[DataFile] = []
        after = b""
        with self._store.read() as index:
            while batch := index.scan(bucket, prefix.encode(), after, _SCAN):
                found += [
                    DataFile(f"s3://{bucket}/{one.key}", one.size, str(self.path(one)))
                    for one in batch
                    if one.size and one.owner in {"", reader} and not one.key.rpartition("/")[2].startswith(("_", "."))
                ]
                after = batch[-1].key.encode()
        return tuple(found)

    def now(self) -> str:
        """The clock as the index writes it."""
        return self._clock().isoformat(timespec="milliseconds")


def _present(name: str, bucket: Bucket | None) -> Bucket:
    if bucket is None:
        raise NoSuchBucket("The specified bucket does not exist", {"BucketName": name})
    return bucket


@lru_cache(maxsize=256)
def _compile(bucket: str, document: str) -> CompiledPolicy:
    return compile_policy(document, layer=Layer.RESOURCE, name=f"arn:aws:s3:::{bucket}", kind=PolicyKind.RESOURCE)


def check_key(key: str) -> None:
    """Keys have 1 to 1,024 bytes of UTF-8; anything else about them is free."""
    size = len(key.encode())
    if size > _KEY_BYTES:
        raise KeyTooLong("Your key is too long", {"Size": size, "MaxSizeAllowed": _KEY_BYTES})


def marker_is_no_object(version: str) -> MarkerIsNoObject:
    """The refusal of what was asked of a delete marker."""
    error = MarkerIsNoObject(
        "The specified method is not allowed against this resource.", {"ResourceType": "DeleteMarker"}
    )
    error.headers = {"x-amz-delete-marker": "true", "x-amz-version-id": version}
    return error


def split_uri(uri: str) -> tuple[str, str]:
    """``s3://bucket/key`` as bucket and key; raises InvalidArgument."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme not in {"s3", "s3a", "s3n"} or not bucket:
        raise InvalidArgument(f"not an s3:// location: {uri[:200]}")
    return bucket, key


def when(text: str) -> datetime:
    """A stored instant."""
    return datetime.fromisoformat(text)


__all__ = ["Attributes", "Check", "StorageService", "check_key", "split_uri", "when"]
