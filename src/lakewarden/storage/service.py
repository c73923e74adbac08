"""Buckets and objects: what the gateway does, and what the rest of the house uses without going through it."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from lakewarden.kernel.clock import Clock
from lakewarden.kernel.decision import Layer
from lakewarden.kernel.lake import DataFile
from lakewarden.policy import CompiledPolicy, MalformedPolicyDocument, PolicyKind, compile_policy
from lakewarden.storage.blobs import Blob, BlobStore, BlobWriter
from lakewarden.storage.errors import (
    BucketAlreadyOwnedByYou,
    BucketNotEmpty,
    InvalidArgument,
    InvalidBucketName,
    KeyTooLong,
    MalformedPolicy,
    NoSuchBucket,
    NoSuchKey,
)
from lakewarden.storage.model import Bucket, Listing, StoredObject
from lakewarden.storage.store import Index, StorageStore

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+")
_KEY_BYTES = 1024
_PAGE = 1000
GRACE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a client says about an object. ``headers`` are CacheControl and its kind, under their member names."""

    content_type: str = "binary/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""


class StorageService:
    """One account's objects in a local directory."""

    def __init__(self, store: StorageStore, blobs: BlobStore, clock: Clock) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock

    # Buckets

    def create_bucket(self, name: str, region: str) -> Bucket:
        """CreateBucket; raises InvalidBucketName or BucketAlreadyOwnedByYou (not in us-east-1, as AWS)."""
        if not _BUCKET.fullmatch(name) or ".." in name or _ADDRESS.fullmatch(name):
            raise InvalidBucketName("The specified bucket is not valid.")
        with self._store.write() as index:
            found = index.bucket(name)
            if found is not None:
                if region == "us-east-1" == found.region:
                    return found
                raise BucketAlreadyOwnedByYou(
                    "Your previous request to create the named bucket succeeded and you already own it."
                )
            bucket = Bucket(name, region, self._now())
            index.add_bucket(bucket)
            return bucket

    def bucket(self, name: str) -> Bucket:
        """The bucket; raises NoSuchBucket."""
        with self._store.read() as index:
            return _require_bucket(index, name)

    def find_bucket(self, name: str) -> Bucket | None:
        """The bucket, or None."""
        with self._store.read() as index:
            return index.bucket(name)

    def buckets(self) -> Sequence[Bucket]:
        """All buckets."""
        with self._store.read() as index:
            return index.buckets()

    def delete_bucket(self, name: str) -> None:
        """DeleteBucket; raises BucketNotEmpty."""
        with self._store.write() as index:
            _require_bucket(index, name)
            if not index.is_empty(name):
                raise BucketNotEmpty("The bucket you tried to delete is not empty.")
            index.remove_bucket(name)

    def set_policy(self, name: str, document: str) -> None:
        """Put, or (empty) delete, the bucket policy."""
        if document:
            try:
                _compile(name, document)
            except MalformedPolicyDocument as error:
                raise MalformedPolicy(error.message) from error
        with self._store.write() as index:
            _require_bucket(index, name)
            index.set_policy(name, document)

    def policy(self, name: str) -> CompiledPolicy | None:
        """The bucket policy, compiled; None where there is none."""
        bucket = self.find_bucket(name)
        return _compile(name, bucket.policy) if bucket is not None and bucket.policy else None

    # Objects

    def writer(self, bucket: str, key: str) -> BlobWriter:
        """Begin an upload; raises NoSuchBucket or KeyTooLong before a byte is taken."""
        check_key(key)
        self.bucket(bucket)
        return self._blobs.writer()

    def commit(
        self,
        bucket: str,
        key: str,
        blob: Blob,
        attributes: Attributes,
        check: Callable[[StoredObject | None], None] | None = None,
    ) -> StoredObject:
        """Make a finished blob the object's bytes. ``check`` sees what is there, in the same transaction, and may raise."""
        stored = StoredObject(
            bucket, key, blob.size, blob.md5, self._now(), blob.name,
            attributes.content_type, attributes.metadata, attributes.headers, attributes.owner,
        )  # fmt: skip
        with self._store.write() as index:
            _require_bucket(index, bucket)
            if check is not None:
                check(index.get(bucket, key))
            index.put(stored)
        return stored

    def put(self, bucket: str, key: str, chunks: Iterable[bytes], attributes: Attributes) -> StoredObject:
        """Store an object, all or nothing."""
        check_key(key)
        self.bucket(bucket)
        return self.commit(bucket, key, self._blobs.put(chunks), attributes)

    def get(self, bucket: str, key: str) -> StoredObject:
        """The object's facts; raises NoSuchBucket or NoSuchKey."""
        with self._store.read() as index:
            _require_bucket(index, bucket)
            found = index.get(bucket, key)
        if found is None:
            raise NoSuchKey("The specified key does not exist.", {"Key": key})
        return found

    def find(self, bucket: str, key: str) -> StoredObject | None:
        """The object, or None."""
        with self._store.read() as index:
            return index.get(bucket, key)

    def path(self, stored: StoredObject) -> Path:
        """The file that holds exactly the object's bytes."""
        return self._blobs.path(stored.blob)

    def read(self, stored: StoredObject, start: int, length: int) -> bytes:
        """Bytes of the object, fewer at its end."""
        with self.path(stored).open("rb") as file:
            file.seek(start)
            return file.read(length)

    def copy(self, source: StoredObject, bucket: str, key: str, attributes: Attributes | None) -> StoredObject:
        """CopyObject: the copy shares the immutable bytes."""
        check_key(key)
        changed = replace(source, bucket=bucket, key=key, modified=self._now())
        if attributes is not None:
            changed = replace(
                changed, content_type=attributes.content_type, metadata=attributes.metadata, headers=attributes.headers
            )
        with self._store.write() as index:
            _require_bucket(index, bucket)
            index.put(changed)
        return changed

    def delete(self, bucket: str, key: str) -> None:
        """DeleteObject; an absent key is no error."""
        with self._store.write() as index:
            _require_bucket(index, bucket)
            index.remove(bucket, key)

    def list(self, bucket: str, prefix: str, delimiter: str, after: str, limit: int) -> Listing:
        """A page of at most ``limit`` keys and common prefixes, greater than ``after``."""
        with self._store.read() as index:
            _require_bucket(index, bucket)
            return _page(index, bucket, prefix, delimiter, after, limit)

    def files_under(self, location: str) -> tuple[DataFile, ...]:
        """The data objects below an ``s3://`` location: no empty markers, no ``_`` or ``.`` names (as Athena)."""
        bucket, prefix = split_uri(location)
        prefix = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
        found: list[DataFile] = []
        after = b""
        with self._store.read() as index:
            if index.bucket(bucket) is None:
                return ()
            while batch := index.scan(bucket, prefix.encode(), after, _PAGE):
                found += [
                    DataFile(f"s3://{bucket}/{one.key}", one.size, str(self.path(one)))
                    for one in batch
                    if one.size and not one.key.rpartition("/")[2].startswith(("_", "."))
                ]
                after = batch[-1].key.encode()
        return tuple(found)

    def sweep(self) -> int:
        """Remove blobs that no object refers to and that are older than the grace time; answers how many."""
        oldest = (self._clock() - GRACE).timestamp()
        candidates = [name for name, modified in self._blobs.names() if modified < oldest]
        with self._store.read() as index:
            used = index.blobs()
        unused = [name for name in candidates if name not in used]
        for name in unused:
            self._blobs.remove(name)
        return len(unused)

    def _now(self) -> str:
        return self._clock().isoformat(timespec="milliseconds")


def _require_bucket(index: Index, name: str) -> Bucket:
    bucket = index.bucket(name)
    if bucket is None:
        raise NoSuchBucket("The specified bucket does not exist", {"BucketName": name})
    return bucket


def _compile(bucket: str, document: str) -> CompiledPolicy:
    return compile_policy(document, layer=Layer.RESOURCE, name=f"arn:aws:s3:::{bucket}", kind=PolicyKind.RESOURCE)


def check_key(key: str) -> None:
    """Keys have 1 to 1,024 bytes of UTF-8; anything else about them is free."""
    if len(key.encode()) > _KEY_BYTES:
        raise KeyTooLong("Your key is too long")


def split_uri(uri: str) -> tuple[str, str]:
    """``s3://bucket/key`` as bucket and key; raises InvalidArgument."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme not in {"s3", "s3a", "s3n"} or not bucket:
        raise InvalidArgument(f"not an s3:// location: {uri[:200]}")
    return bucket, key


def _page(index: Index, bucket: str, prefix: str, delimiter: str, after: str, limit: int) -> Listing:
    objects: list[StoredObject] = []
    prefixes: list[str] = []
    position = after.encode()
    last = ""
    while True:
        batch = index.scan(bucket, prefix.encode(), position, _PAGE)
        for one in batch:
            position = one.key.encode()
            common = _common(one.key, prefix, delimiter)
            if common and (prefixes[-1:] == [common] or (after and after.startswith(common))):
                continue
            if len(objects) + len(prefixes) >= limit:
                return Listing(tuple(objects), tuple(prefixes), True, last)
            if common:
                prefixes.append(common)
                last = common
            else:
                objects.append(one)
                last = one.key
        if len(batch) < _PAGE:
            return Listing(tuple(objects), tuple(prefixes), False, "")


def _common(key: str, prefix: str, delimiter: str) -> str:
    if not delimiter:
        return ""
    at = key.find(delimiter, len(prefix))
    return "" if at < 0 else key[: at + len(delimiter)]


def when(text: str) -> datetime:
    """A stored instant."""
    return datetime.fromisoformat(text)
