"""Handlers of uploads in parts."""

from collections.abc import Iterator, Mapping
from typing import Any

from lakewarden.guard import AuthorizedCall
from lakewarden.kernel import checksums
from lakewarden.kernel.errors import AccessDenied
from lakewarden.storage.conditions import copied_range
from lakewarden.storage.errors import InvalidArgument, InvalidRequest, NoSuchUpload
from lakewarden.storage.model import MultipartUpload, Part, StoredObject
from lakewarden.storage.object_calls import ObjectCalls
from lakewarden.storage.ports import Blob
from lakewarden.storage.receive import receive
from lakewarden.storage.rules import Rules
from lakewarden.storage.service import StorageService, when
from lakewarden.storage.uploads import Claims, Uploads
from lakewarden.storage.words import (
    algorithm,
    attributes,
    claimed_sums,
    encoded,
    kept_sums,
    quoted,
    refuse_unsupported,
    sums,
)

_MOST_PARTS = 10_000
_LONGEST_PAGE = 1000
_PIECE = 4 * 1024**2


class UploadCalls:
    """CreateMultipartUpload to CompleteMultipartUpload."""

    def __init__(
        self, service: StorageService, uploads: Uploads, objects: ObjectCalls, rules: Rules, account: str
    ) -> None:
        self._service = service
        self._uploads = uploads
        self._objects = objects
        self._rules = rules
        self._owner = {"ID": account, "DisplayName": account}

    def create(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """CreateMultipartUpload."""
        params = call.params
        refuse_unsupported(params)
        upload = self._uploads.create(
            params["Bucket"], params["Key"], attributes(params), algorithm(params), params.get("ChecksumType", ""),
            call.call.principal.arn,
        )  # fmt: skip
        named = upload.algorithm.upper() or None
        return {
            "Bucket": upload.bucket,
            "Key": upload.key,
            "UploadId": upload.id,
            "ChecksumAlgorithm": named,
            "ChecksumType": upload.sums_type if named else None,
        }

    def _upload(self, call: AuthorizedCall) -> MultipartUpload:
        upload = self._uploads.get(call.params["Bucket"], call.params["Key"], call.params["UploadId"])
        self._check_owner(call, upload)
        return upload

    def _check_owner(self, call: AuthorizedCall, upload: MultipartUpload) -> None:
        # INVARIANT (non_interference): an upload that holds private bytes is open to whom they are private only.
        if upload.attributes.owner not in {"", call.call.principal.grantee_arn}:
            raise AccessDenied("Access Denied")

    async def put_part(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """UploadPart."""
        refuse_unsupported(call.params)
        number = _number(call.params["PartNumber"])
        body = call.call.body

        def keep(blob: Blob) -> Part:
            return self._uploads.add(self._upload(call), number, blob, body.checksums if body is not None else {})

        def begin() -> Any:
            self._upload(call)
            return self._uploads.writer(md5=False)

        part = await receive(body, begin, keep, "md5")
        return {"ETag": quoted(part.etag), **sums(kept_sums(part.sums), "")}

    def copy_part(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """UploadPartCopy."""
        params = call.params
        refuse_unsupported(params)
        number = _number(params["PartNumber"])
        upload = self._upload(call)
        source = self._objects.source(call)
        start, length = 0, source.size
        if params.get("CopySourceRange"):
            start, length = copied_range(params["CopySourceRange"], source.size)
        running = {kind: checksums.start(kind) for kind in sorted({checksums.DEFAULT, upload.algorithm} - {""})}
        writer = self._uploads.writer()
        try:
            for piece in self._pieces(source, start, length):
                writer.write(piece)
                for checksum in running.values():
                    checksum.update(piece)
            blob = writer.finish()
        except BaseException:
            writer.discard()
            raise
        found = {kind: checksums.text(checksum) for kind, checksum in running.items()}
        owner = call.call.principal.grantee_arn if source.owner else ""
        part = self._uploads.add(upload, number, blob, found, owner)
        shown = sums({upload.algorithm: found[upload.algorithm]} if upload.algorithm else {}, "")
        return {"CopyPartResult": {"ETag": quoted(part.etag), "LastModified": when(part.modified), **shown}}

    def _pieces(self, source: StoredObject, start: int, length: int) -> Iterator[bytes]:
        for place in range(start, start + length, _PIECE):
            yield self._service.read(source, place, min(_PIECE, start + length - place))

    def complete(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """CompleteMultipartUpload; asked again after it was done, it answers the same."""
        params = call.params
        refuse_unsupported(params)
        listed = (params.get("MultipartUpload") or {}).get("Parts") or []
        if not listed:
            raise InvalidRequest("You must specify at least one part")
        wanted = [
            Part(_number(one.get("PartNumber", 0)), 0, one.get("ETag", ""), sums=claimed_sums(one)) for one in listed
        ]
        claims = Claims(claimed_sums(params), params.get("ChecksumType", ""), params.get("MpuObjectSize"))
        try:
            stored = self._uploads.complete(self._upload(call), wanted, claims, self._objects.checked(call))
        except NoSuchUpload:
            done = self._uploads.completed(params["Bucket"], params["Key"], params["UploadId"])
            if done is None:
                raise
            self._rules.check_owner(call, done, "s3:PutObject")
            stored = done
        return {
            "Location": f"{'https' if call.call.secure else 'http'}://{call.call.host}/{stored.bucket}/{stored.key}",
            "Bucket": stored.bucket,
            "Key": stored.key,
            "ETag": quoted(stored.etag),
            "VersionId": stored.version or None,
            **sums(stored.sums.values, stored.sums.type),
        }

    def abort(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """AbortMultipartUpload."""
        self._uploads.abort(self._upload(call))
        return {}

    def parts(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """ListParts."""
        params = call.params
        refuse_unsupported(params)
        upload = self._upload(call)
        limit = _limit(params.get("MaxParts"))
        after = _integer(params.get("PartNumberMarker") or 0)
        found = self._uploads.parts(upload, after, limit + 1)
        page = found[:limit]
        named = upload.algorithm or None
        return {
            "Bucket": upload.bucket,
            "Key": upload.key,
            "UploadId": upload.id,
            "PartNumberMarker": str(after),
            "NextPartNumberMarker": str(page[-1].number) if page else None,
            "MaxParts": limit,
            "IsTruncated": len(found) > limit,
            "Parts": [
                {
                    "PartNumber": part.number,
                    "LastModified": when(part.modified),
                    "ETag": quoted(part.etag),
                    "Size": part.size,
                    **sums({named: part.sums[named]} if named else {}, ""),
                }
                for part in page
            ],
            "Initiator": {"ID": upload.initiator, "DisplayName": upload.initiator.rpartition("/")[2]},
            "Owner": self._owner,
            "StorageClass": "STANDARD",
            "ChecksumAlgorithm": named.upper() if named else None,
            "ChecksumType": upload.sums_type if named else None,
        }

    def list(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """ListMultipartUploads."""
        params = call.params
        limit = _limit(params.get("MaxUploads"))
        marker = params.get("KeyMarker", "")
        # Without an id the marker's own key is past: the greatest id stands for that.
        after = (marker, params.get("UploadIdMarker") or "\U0010ffff") if marker else ("", "")
        prefix, delimiter = params.get("Prefix", ""), params.get("Delimiter", "")
        page: list[MultipartUpload] = []
        prefixes: list[str] = []
        truncated = False
        while not truncated:
            batch = self._uploads.list(params["Bucket"], prefix, after, _LONGEST_PAGE)
            for one in batch:
                if one.attributes.owner not in {"", call.call.principal.grantee_arn}:
                    continue
                at = one.key.find(delimiter, len(prefix)) if delimiter else -1
                common = one.key[: at + len(delimiter)] if at >= 0 else ""
                if common and (common in prefixes[-1:] or marker.startswith(common)):
                    continue
                if len(page) + len(prefixes) >= limit:
                    truncated = True
                    break
                after = (one.key, one.id)
                if common:
                    prefixes.append(common)
                else:
                    page.append(one)
            if len(batch) < _LONGEST_PAGE:
                break
            if not truncated:
                after = (batch[-1].key, batch[-1].id)
        return {
            "Bucket": params["Bucket"],
            "KeyMarker": encoded(params, marker),
            "UploadIdMarker": params.get("UploadIdMarker", ""),
            "NextKeyMarker": encoded(params, after[0]) if truncated else None,
            "NextUploadIdMarker": after[1] if truncated else None,
            "Prefix": encoded(params, prefix),
            "Delimiter": encoded(params, delimiter) if delimiter else None,
            "EncodingType": params.get("EncodingType"),
            "MaxUploads": limit,
            "IsTruncated": truncated,
            "Uploads": [
                {
                    "UploadId": one.id,
                    "Key": encoded(params, one.key),
                    "Initiated": when(one.created),
                    "StorageClass": "STANDARD",
                    "Owner": self._owner,
                    "Initiator": {"ID": one.initiator, "DisplayName": one.initiator.rpartition("/")[2]},
                    "ChecksumAlgorithm": one.algorithm.upper() or None,
                    "ChecksumType": one.sums_type if one.algorithm else None,
                }
                for one in page
            ],
            "CommonPrefixes": [{"Prefix": encoded(params, one)} for one in prefixes],
        }


def _number(value: Any) -> int:
    if not 1 <= value <= _MOST_PARTS:
        raise InvalidArgument(
            "Part number must be an integer between 1 and 10000, inclusive",
            {"ArgumentName": "partNumber", "ArgumentValue": value},
        )
    return int(value)


def _limit(value: int | None) -> int:
    limit = _LONGEST_PAGE if value is None else value
    if limit < 0:
        raise InvalidArgument("The limit must be an integer between 0 and 2147483647")
    return min(limit, _LONGEST_PAGE)


def _integer(value: Any) -> int:
    try:
        return max(0, int(value))
    except ValueError as error:
        raise InvalidArgument("Provided part-number-marker not an integer or within integer range") from error
