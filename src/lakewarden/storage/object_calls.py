"""Handlers of the operations on objects."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lakewarden.guard import AuthorizedCall
from lakewarden.kernel import checksums
from lakewarden.kernel.call import Answer, PrincipalType
from lakewarden.kernel.errors import AccessDenied, AwsError
from lakewarden.storage.bucket_calls import owners_acl, refuse_acl
from lakewarden.storage.conditions import check_conditions, check_copy_conditions, check_write_conditions, range_of
from lakewarden.storage.errors import (
    InvalidArgument,
    InvalidPartNumber,
    InvalidRequest,
    MarkerIsNoObject,
    NoSuchKey,
    NoSuchVersion,
)
from lakewarden.storage.etags import kind_of
from lakewarden.storage.model import Attributes, StoredObject, Sums
from lakewarden.storage.ports import Blob, BlobWriter
from lakewarden.storage.receive import receive
from lakewarden.storage.rules import Rules
from lakewarden.storage.service import Check, StorageService, when
from lakewarden.storage.versions import Removed
from lakewarden.storage.words import (
    Source,
    algorithm,
    attributes,
    copy_source,
    facts,
    kept_sums,
    quoted,
    refuse_unsupported,
    sums,
    tag_list,
    tag_set,
)

# INVARIANT (no_escalation): objects share their origin with the console and Studio. A browser that opens one (a presigned
# link to a page that a scientist wrote) gives it an origin of its own, runs no script of it, and guesses no type.
_INERT = {"Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff"}
_MOST_DELETED = 1000
_LARGEST_COPY = 5 * 1024**3
_WHOLE = 256 * 1024
"""Objects up to this size are read at once; larger ones are streamed."""

_PIECE = 4 * 1024**2
_OVERRIDES = (
    ("ResponseContentType", "ContentType"),
    ("ResponseContentDisposition", "ContentDisposition"),
    ("ResponseCacheControl", "CacheControl"),
    ("ResponseContentEncoding", "ContentEncoding"),
    ("ResponseContentLanguage", "ContentLanguage"),
    ("ResponseExpires", "Expires"),
)


class ObjectCalls:
    """Objects, whole."""

    def __init__(self, service: StorageService, rules: Rules, account: str) -> None:
        self._service = service
        self._rules = rules
        self._account = account

    # Reading

    def present(self, call: AuthorizedCall, action: str = "s3:GetObject") -> StoredObject:
        """The object that a call names; raises NoSuchKey, NoSuchVersion or AccessDenied."""
        params = call.params
        return self._found(call, Source(params["Bucket"], params["Key"], params.get("VersionId", "")), action)

    def source(self, call: AuthorizedCall) -> StoredObject:
        """The object that a copy reads, its conditions checked."""
        stored = self._found(call, copy_source(call.params["CopySource"]), "s3:GetObject")
        check_copy_conditions(call.params, stored)
        return stored

    def _found(self, call: AuthorizedCall, named: Source, action: str) -> StoredObject:
        try:
            if named.version:
                stored = self._service.get_version(named.bucket, named.key, named.version)
            else:
                stored = self._service.get(named.bucket, named.key)
        except (NoSuchKey, NoSuchVersion, MarkerIsNoObject) as error:
            # As AWS: whether a key exists is told only to those who may list the bucket.
            if not self._rules.may_list(call.call, named.bucket, named.key):
                raise AccessDenied("Access Denied") from None
            self._tell_of_marker(call, named, error)
            raise
        self._rules.check_owner(call, stored, action)
        return stored

    def _tell_of_marker(self, call: AuthorizedCall, named: Source, error: AwsError) -> None:
        """Where an object is not because it was deleted, the answer says so, to whom the object was not hidden."""
        marker = self._service.marker(named.bucket, named.key)
        if marker is None or not self._rules.is_mine(call.call, marker.stored):
            if isinstance(error, MarkerIsNoObject):
                raise AccessDenied("Access Denied") from None
            return
        if isinstance(error, NoSuchKey):
            error.headers = {"x-amz-delete-marker": "true", "x-amz-version-id": marker.stored.version or "null"}

    def get(self, call: AuthorizedCall) -> Answer:
        """GetObject: whole, one range, or one part."""
        stored = self.present(call)
        members, start, length, status = self._view(call, stored)
        members["VersionId"] = self._version_id(stored)
        for member, target in _OVERRIDES:
            if call.params.get(member):
                if call.call.principal.type is PrincipalType.ANONYMOUS:
                    raise InvalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
                members[target] = call.params[member]
        if length <= _WHOLE:
            content = self._service.read(stored, start, length)
            if len(content) != length:
                raise OSError(f"blob {stored.blob} is shorter than its index entry")
            return Answer(members, body=content, status=status, headers=_INERT)
        return Answer(members, body=self._service.body(stored, start, length), status=status, headers=_INERT)

    def head(self, call: AuthorizedCall) -> Answer:
        """HeadObject."""
        stored = self.present(call)
        members, _, _, status = self._view(call, stored)
        return Answer(members | {"VersionId": self._version_id(stored)}, status=status)

    def _version_id(self, stored: StoredObject) -> str | None:
        """The version id of an object in a bucket that is or was versioned."""
        if stored.version:
            return stored.version
        bucket = self._service.find_bucket(stored.bucket)
        return "null" if bucket is not None and bucket.versioning else None

    def _view(self, call: AuthorizedCall, stored: StoredObject) -> tuple[dict[str, Any], int, int, int]:
        """Members, first byte, length, and the HTTP status."""
        params = call.params
        refuse_unsupported(params)
        check_conditions(params, stored)
        number = params.get("PartNumber")
        if number is not None and params.get("Range"):
            raise InvalidRequest("Cannot specify both Range header and partNumber query parameter")
        start, length, partial = range_of(params.get("Range"), stored.size)
        # A checksum of the whole says nothing about a range.
        members = facts(stored, None if partial else params.get("ChecksumMode"))
        if number is not None:
            start, length, part_sums = self._part(stored, number)
            partial = True
            members = facts(stored, None) | {"PartsCount": stored.parts or None}
            if params.get("ChecksumMode") == "ENABLED":
                members |= sums(part_sums, stored.sums.type) if stored.parts else sums(part_sums, "FULL_OBJECT")
        if partial and length:
            members["ContentRange"] = f"bytes {start}-{start + length - 1}/{stored.size}"
        return members | {"ContentLength": length}, start, length, 206 if partial else 200

    def _part(self, stored: StoredObject, number: int) -> tuple[int, int, Mapping[str, str]]:
        if not stored.parts and number == 1:
            return 0, stored.size, stored.sums.values
        start = 0
        for place, part in enumerate(self._service.parts_of(stored), 1):
            if place == number:
                return start, part.size, part.sums
            start += part.size
        raise InvalidPartNumber(
            "The requested partnumber is not satisfiable",
            {"ActualPartCount": stored.parts or 1, "PartNumberRequested": number},
        )

    def attributes(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """GetObjectAttributes."""
        stored = self.present(call, "s3:GetObjectAttributes")
        refuse_unsupported(call.params)
        wanted = frozenset(call.params["ObjectAttributes"])
        members: dict[str, Any] = {
            "LastModified": when(stored.modified),
            "VersionId": self._version_id(stored),
        }
        if "ETag" in wanted:
            members["ETag"] = stored.etag
        if "ObjectSize" in wanted:
            members["ObjectSize"] = stored.size
        if "StorageClass" in wanted:
            members["StorageClass"] = "STANDARD"
        if "Checksum" in wanted:
            members["Checksum"] = sums(stored.sums.values, stored.sums.type) or None
        if "ObjectParts" in wanted and stored.parts:
            members["ObjectParts"] = self._parts_page(call.params, stored)
        return members

    def _parts_page(self, params: Mapping[str, Any], stored: StoredObject) -> Mapping[str, Any]:
        limit = params.get("MaxParts", 1000)
        after = int(params.get("PartNumberMarker") or 0)
        parts = [part for part in self._service.parts_of(stored) if part.number > after]
        page = parts[:limit]
        return {
            "TotalPartsCount": stored.parts,
            "PartNumberMarker": str(after),
            "NextPartNumberMarker": str(page[-1].number) if page else "0",
            "MaxParts": limit,
            "IsTruncated": len(parts) > len(page),
            "Parts": [{"PartNumber": part.number, "Size": part.size, **sums(part.sums, "")} for part in page],
        }

    def acl(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """GetObjectAcl: the bucket's owner has everything."""
        self.present(call, "s3:GetObjectAcl")
        return owners_acl(self._account)

    def put_acl(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """PutObjectAcl: taken only when it changes nothing."""
        self.present(call, "s3:PutObjectAcl")
        refuse_acl(call.params)
        return {}

    # Writing

    def checked(self, call: AuthorizedCall, action: str = "s3:PutObject") -> Check:
        """The conditions of a write, and: nobody replaces or removes what is another's result."""

        def check(present: StoredObject | None) -> None:
            self._rules.check_owner(call, present, action)
            check_write_conditions(call.params, present)

        return check

    async def put(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """PutObject: streamed to the store; nothing is visible unless the whole body was good."""
        params, body = call.params, call.call.body
        refuse_unsupported(params)
        said = attributes(params)

        def keep(blob: Blob) -> StoredObject:
            found = Sums(kept_sums(body.checksums)) if body is not None else Sums()
            return self._service.commit(params["Bucket"], params["Key"], blob, said, self.checked(call), found)

        def begin() -> BlobWriter:
            return self._service.writer(params["Bucket"], params["Key"], md5=False)

        stored = await receive(body, begin, keep, kind_of(body.length if body is not None else None))
        return {
            "ETag": quoted(stored.etag),
            "VersionId": self._version_id(stored),
            **sums(stored.sums.values, stored.sums.type),
        }

    def copy(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """CopyObject within the account."""
        params = call.params
        refuse_unsupported(params)
        source = self.source(call)
        if source.size > _LARGEST_COPY:
            raise InvalidRequest(
                f"The specified copy source is larger than the maximum allowable size for a copy source: {_LARGEST_COPY}"
            )
        # A version copied onto its key brings it back, which is a change.
        version = copy_source(params["CopySource"]).version
        same = (source.bucket, source.key, version) == (params["Bucket"], params["Key"], "")
        if same and params.get("MetadataDirective", "COPY") == "COPY":
            raise InvalidRequest(
                "This copy request is illegal because it is trying to copy an object to itself without changing the "
                "object's metadata, storage class, website redirect location or encryption attributes."
            )
        stored = self._service.copy(
            source, params["Bucket"], params["Key"], self._copied(call, source), self.checked(call),
            self._copied_sums(algorithm(params), source),
        )  # fmt: skip
        return {
            "CopyObjectResult": {
                "ETag": quoted(stored.etag),
                "LastModified": when(stored.modified),
                **sums(stored.sums.values, stored.sums.type),
            },
            "VersionId": self._version_id(stored),
            "CopySourceVersionId": self._version_id(source),
        }

    def _copied(self, call: AuthorizedCall, source: StoredObject) -> Attributes:
        said = attributes(call.params)
        kept = said if call.params.get("MetadataDirective") == "REPLACE" else source.attributes
        tags = said.tags
        if call.params.get("TaggingDirective", "COPY") == "COPY":
            tags = dict(source.attributes.tags)
            if tags:
                version = copy_source(call.params["CopySource"]).version
                asked = [("s3:GetObjectTagging", source.bucket, source.key, version)]
                if version:
                    asked.append(("s3:GetObjectVersionTagging", source.bucket, source.key, version))
                asked.append(("s3:PutObjectTagging", call.params["Bucket"], call.params["Key"], ""))
                for action, bucket, key, of in asked:
                    self._rules.require(call.call, self._rules.on_object(call.call, action, bucket, key, version=of))
        # INVARIANT (non_interference): the copy of somebody's result is the private copy of whoever made it.
        owner = call.call.principal.grantee_arn if source.owner else ""
        return replace(kept, tags=tags, owner=owner)

    def _copied_sums(self, wanted: str, source: StoredObject) -> Sums:
        held = source.sums
        if held.type == "FULL_OBJECT" and held.values and (not wanted or wanted in held.values):
            return held
        kind = wanted or next(iter(held.values), checksums.DEFAULT)
        running = checksums.start(kind)
        for start in range(0, source.size, _PIECE):
            running.update(self._service.read(source, start, min(_PIECE, source.size - start)))
        return Sums({kind: checksums.text(running)})

    # Deleting

    def delete(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """DeleteObject."""
        refuse_unsupported(call.params)
        done = self._delete(call, call.params["Key"], call.params)
        return {"DeleteMarker": done.marker or None, "VersionId": done.version or None}

    def _delete(self, call: AuthorizedCall, key: str, conditions: Mapping[str, Any]) -> Removed:
        def check(present: StoredObject | None) -> None:
            self._rules.check_owner(call, present, "s3:DeleteObject")
            if conditions.get("IfMatch"):
                check_write_conditions({"IfMatch": conditions["IfMatch"]}, present)

        return self._service.delete(call.params["Bucket"], key, check, conditions.get("VersionId") or "")

    def delete_many(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """DeleteObjects: each key is allowed or refused by itself."""
        refuse_unsupported(call.params)
        bucket = call.params["Bucket"]
        self._service.bucket(bucket)
        deleted: list[dict[str, Any]] = []
        refused: list[dict[str, str]] = []
        wanted = call.params["Delete"]["Objects"]
        if not 1 <= len(wanted) <= _MOST_DELETED:
            raise InvalidArgument("Between 1 and 1000 keys can be deleted in one request.")
        for one in wanted:
            key = one["Key"]
            version = {"VersionId": one["VersionId"]} if one.get("VersionId") else {}
            try:
                actions = ("s3:DeleteObject", "s3:DeleteObjectVersion") if version else ("s3:DeleteObject",)
                for action in actions:
                    asked = self._rules.on_object(call.call, action, bucket, key, version=one.get("VersionId", ""))
                    self._rules.require(call.call, asked)
                done = self._delete(call, key, version | {"IfMatch": one.get("ETag")})
            except AwsError as error:
                refused.append({"Key": key, **version, "Code": error.code, "Message": error.message})
            else:
                marker = {"DeleteMarker": True, "DeleteMarkerVersionId": done.version} if done.marker else {}
                deleted.append({"Key": key, **version, **marker})
        return {"Deleted": [] if call.params["Delete"].get("Quiet") else deleted, "Errors": refused}

    # Tags

    def get_tags(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """GetObjectTagging."""
        stored = self.present(call, "s3:GetObjectTagging")
        return {"TagSet": tag_set(stored.attributes.tags), "VersionId": self._version_id(stored)}

    def put_tags(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """PutObjectTagging."""
        return self._set_tags(call, tag_list(call.params["Tagging"]["TagSet"]), "s3:PutObjectTagging")

    def delete_tags(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """DeleteObjectTagging."""
        return self._set_tags(call, {}, "s3:DeleteObjectTagging")

    def _set_tags(self, call: AuthorizedCall, tags: Mapping[str, str], action: str) -> Mapping[str, Any]:
        stored = self._service.set_tags(
            call.params["Bucket"],
            call.params["Key"],
            tags,
            lambda present: self._rules.check_owner(call, present, action),
            call.params.get("VersionId") or "",
        )
        return {"VersionId": self._version_id(stored)}
