"""Uploads in parts. Half-finished ones survive restarts and are swept by age."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from lakewarden.kernel import checksums
from lakewarden.storage import versions
from lakewarden.storage.errors import (
    BadDigest,
    EntityTooSmall,
    InvalidPart,
    InvalidPartOrder,
    InvalidRequest,
    NoSuchUpload,
)
from lakewarden.storage.model import Attributes, MultipartUpload, Part, StoredObject, Sums
from lakewarden.storage.ports import Blob, Blobs, BlobWriter
from lakewarden.storage.service import Check, StorageService, check_key
from lakewarden.storage.store import StorageStore

_SMALLEST = 5 * 1024 * 1024
_GONE = (
    "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
    "completed."
)
_BAD_PART = (
    "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified "
    "entity tag may not match the part's entity tag."
)


@dataclass(frozen=True, slots=True)
class Claims:
    """What CompleteMultipartUpload says of the whole: checksum kind -> value, FULL_OBJECT or COMPOSITE, size."""

    sums: Mapping[str, str] = field(default_factory=dict)
    type: str = ""
    size: int | None = None


class Uploads:
    """Multipart uploads over the same index and blobs as :class:`StorageService`."""

    def __init__(self, storage: StorageService, store: StorageStore, blobs: Blobs) -> None:
        self._storage = storage
        self._store = store
        self._blobs = blobs

    def create(
        self, bucket: str, key: str, attributes: Attributes, algorithm: str, sums_type: str, initiator: str
    ) -> MultipartUpload:
        """CreateMultipartUpload; ``algorithm`` a checksum kind or empty, ``sums_type`` as asked or empty."""
        check_key(key)
        self._storage.bucket(bucket)
        kind = algorithm or checksums.DEFAULT
        settled = sums_type or ("FULL_OBJECT" if kind == checksums.DEFAULT else "COMPOSITE")
        if settled == "FULL_OBJECT" and kind not in checksums.LINEAR:
            raise InvalidRequest(f"The FULL_OBJECT checksum type cannot be used with the {kind} checksum algorithm.")
        if settled == "COMPOSITE" and kind == checksums.DEFAULT:
            raise InvalidRequest(f"The COMPOSITE checksum type cannot be used with the {kind} checksum algorithm.")
        upload = MultipartUpload(
            secrets.token_urlsafe(36), bucket, key, self._storage.now(), initiator, attributes, algorithm, settled
        )
        with self._store.write(self._storage.now()) as index:
            if index.bucket(bucket) is None:
                self._storage.bucket(bucket)
            index.put_upload(upload)
        return upload

    def get(self, bucket: str, key: str, identifier: str) -> MultipartUpload:
        """The unfinished upload; raises NoSuchBucket or NoSuchUpload."""
        self._storage.bucket(bucket)
        with self._store.read() as index:
            return _of(index.upload(identifier), bucket, key)

    def writer(self, *, md5: bool = True) -> BlobWriter:
        """A part's bytes to be."""
        return self._blobs.writer(md5=md5)

    def add(self, upload: MultipartUpload, number: int, blob: Blob, sums: Mapping[str, str], owner: str = "") -> Part:
        """Make a finished blob a part. ``owner``, when given, makes the object that comes of it private to that ARN."""
        if upload.algorithm and upload.algorithm not in sums:
            sent = next((kind for kind in sums if kind != checksums.DEFAULT), "null")
            raise InvalidRequest(
                f"Checksum Type mismatch occurred, expected checksum Type: {upload.algorithm}, "
                f"actual checksum Type: {sent}"
            )
        part = Part(number, blob.size, blob.etag, self._storage.now(), blob.name, sums)
        with self._store.write(self._storage.now()) as index:
            present = _of(index.upload(upload.id), upload.bucket, upload.key)
            if owner and present.attributes.owner != owner:
                index.put_upload(replace(present, attributes=replace(present.attributes, owner=owner)))
            index.put_part(upload.id, part)
        return part

    def parts(self, upload: MultipartUpload, after: int, limit: int) -> Sequence[Part]:
        """ListParts: those with a greater number than ``after``."""
        with self._store.read() as index:
            return index.parts(upload.id, after, limit)

    def list(self, bucket: str, prefix: str, after: tuple[str, str], limit: int) -> Sequence[MultipartUpload]:
        """ListMultipartUploads: those after (key, upload id)."""
        self._storage.bucket(bucket)
        with self._store.read() as index:
            return index.uploads(bucket, prefix.encode(), (after[0].encode(), after[1]), limit)

    def abort(self, upload: MultipartUpload) -> None:
        """AbortMultipartUpload; raises NoSuchUpload when somebody else has ended it."""
        with self._store.write(self._storage.now()) as index:
            _of(index.upload(upload.id), upload.bucket, upload.key)
            index.remove_upload(upload.id)

    def completed(self, bucket: str, key: str, identifier: str) -> StoredObject | None:
        """The object that this upload has become already: a client that missed the answer asks again."""
        found = self._storage.find(bucket, key)
        return found if found is not None and found.upload == identifier else None

    def complete(
        self, upload: MultipartUpload, wanted: Sequence[Part], claims: Claims, check: Check | None = None
    ) -> StoredObject:
        """CompleteMultipartUpload: the parts named in ``wanted``, by number, become the object; all or nothing.

        Raises InvalidPart, InvalidPartOrder, EntityTooSmall, BadDigest, InvalidRequest, or what ``check`` raises.
        """
        with self._store.read() as index:
            _of(index.upload(upload.id), upload.bucket, upload.key)
            present = {part.number: part for part in index.parts(upload.id)}
        parts = _chosen(wanted, present)
        size = sum(part.size for part in parts)
        if claims.size is not None and claims.size != size:
            raise InvalidRequest("The provided 'x-amz-mp-object-size' header does not match what was computed.")
        sums = _sums(upload, parts, claims)
        blob = self._joined(parts)
        digests = b"".join(bytes.fromhex(part.etag) for part in parts)
        etag = f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"
        try:
            with self._storage.writing(upload.bucket, upload.attributes.tags) as (index, bucket):
                now = _of(index.upload(upload.id), upload.bucket, upload.key)
                held = {part.blob for part in index.parts(upload.id)}
                if not held.issuperset(part.blob for part in parts):
                    raise InvalidPart(_BAD_PART)
                if check is not None:
                    check(index.get(upload.bucket, upload.key))
                stored = StoredObject(
                    upload.bucket, upload.key, size, etag, self._storage.now(), blob.name, now.attributes, sums,
                    len(parts), upload.id,
                )  # fmt: skip
                kept = {upload.algorithm or checksums.DEFAULT}
                kept_parts = [replace(part, sums=_only(part.sums, kept)) for part in parts]
                stored = versions.place(index, bucket, stored, kept_parts)
                index.remove_upload(upload.id)
        except BaseException:
            if len(parts) > 1:
                self._blobs.remove([blob.name])
            raise
        return stored

    def _joined(self, parts: Sequence[Part]) -> Blob:
        if len(parts) == 1:
            return Blob(parts[0].blob, parts[0].size, "")
        return self._blobs.join([part.blob for part in parts], [part.size for part in parts])


def _of(upload: MultipartUpload | None, bucket: str, key: str) -> MultipartUpload:
    if upload is None or (upload.bucket, upload.key) != (bucket, key):
        raise NoSuchUpload(_GONE)
    return upload


def _only(sums: Mapping[str, str], kinds: set[str]) -> Mapping[str, str]:
    return {kind: value for kind, value in sums.items() if kind in kinds}


def _chosen(wanted: Sequence[Part], present: Mapping[int, Part]) -> list[Part]:
    numbers = [one.number for one in wanted]
    if numbers != sorted(set(numbers)):
        raise InvalidPartOrder("The list of parts was not in ascending order. Parts must be ordered by part number.")
    chosen: list[Part] = []
    for one in wanted:
        found = present.get(one.number)
        if found is None or found.etag != one.etag.strip('"') or not one.sums.items() <= found.sums.items():
            raise InvalidPart(_BAD_PART, {"PartNumber": one.number, "ETag": one.etag.strip('"')})
        chosen.append(found)
    for part in chosen[:-1]:
        if part.size < _SMALLEST:
            raise EntityTooSmall(
                "Your proposed upload is smaller than the minimum allowed size",
                {"ProposedSize": part.size, "MinSizeAllowed": _SMALLEST, "PartNumber": part.number, "ETag": part.etag},
            )
    return chosen


def _sums(upload: MultipartUpload, parts: Sequence[Part], claims: Claims) -> Sums:
    if claims.type and claims.type != upload.sums_type:
        raise InvalidRequest(
            f"The upload was created using the {upload.sums_type} checksum mode. The complete request must use the "
            "same checksum mode."
        )
    kind = upload.algorithm or checksums.DEFAULT
    values = [part.sums[kind] for part in parts]
    if upload.sums_type == "FULL_OBJECT":
        whole = checksums.full_object(kind, [(part.sums[kind], part.size) for part in parts])
    else:
        whole = checksums.composite(kind, values)
    for claimed, value in claims.sums.items():
        if claimed != kind or value.partition("-")[0] != whole.partition("-")[0]:
            raise BadDigest(f"The {claimed.upper()} you specified did not match the calculated checksum.")
    return Sums({kind: whole}, upload.sums_type)
