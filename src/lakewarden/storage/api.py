"""S3's OPERATIONS table."""

import asyncio
import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from lakewarden.guard import Access, AuthorizedCall, Authorizer, Operation, Operations, Rule, table_of
from lakewarden.kernel.arn import s3
from lakewarden.kernel.call import Answer, Call, PrincipalType
from lakewarden.kernel.decision import Layer
from lakewarden.kernel.errors import AccessDenied, AwsError
from lakewarden.storage.conditions import check_conditions, check_write_conditions, range_of
from lakewarden.storage.errors import InvalidArgument, NoSuchBucketPolicy, NoSuchKey
from lakewarden.storage.model import FileBody, StoredObject
from lakewarden.storage.service import Attributes, StorageService, when

_KEPT_HEADERS = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage")
_LONGEST_PAGE = 1000


class Gateway:
    """S3's handlers over a :class:`StorageService`."""

    def __init__(self, service: StorageService, authorizer: Authorizer, region: str, account: str) -> None:
        self._service = service
        self._authorizer = authorizer
        self._region = region
        self._account = account

    # Rules

    def on_bucket(self, action: str) -> Rule:
        """A rule on the bucket, its policy included."""
        return lambda call: (self._bucket_access(call, action),)

    def _bucket_access(self, call: Call, action: str) -> Access:
        bucket = call.params["Bucket"]
        context = {
            key: str(call.params[member])
            for member, key in (("Prefix", "s3:prefix"), ("Delimiter", "s3:delimiter"), ("MaxKeys", "s3:max-keys"))
            if call.params.get(member) is not None
        }
        return Access(action, s3(bucket), context, self._service.policy(bucket))

    def on_object(self, action: str) -> Rule:
        """A rule on the object."""
        return lambda call: (self._object_access(action, call.params["Bucket"], call.params["Key"]),)

    def _object_access(self, action: str, bucket: str, key: str) -> Access:
        return Access(action, s3(f"{bucket}/{key}"), {}, self._service.policy(bucket))

    def copy_rule(self, call: Call) -> Sequence[Access]:
        """CopyObject reads one object and writes another."""
        source_bucket, source_key = _copy_source(call.params["CopySource"])
        return (
            self._object_access("s3:GetObject", source_bucket, source_key),
            self._object_access("s3:PutObject", call.params["Bucket"], call.params["Key"]),
        )

    def signed_in(self, call: Call) -> Sequence[Access]:
        """DeleteObjects is decided key by key; nobody gets that far unsigned."""
        if call.principal.type is PrincipalType.ANONYMOUS:
            return (self._bucket_access(call, "s3:DeleteObject"),)
        return ()

    def check_owner(self, call: AuthorizedCall, stored: StoredObject) -> None:
        """Query results belong to whoever ran the query.

        INVARIANT (non_interference): a right on the whole bucket does not open another principal's results; only a
        bucket policy does, which is written for that bucket and seen by its owner.
        """
        if not stored.owner or stored.owner == call.call.principal.grantee_arn:
            return
        if any(one.layer is Layer.RESOURCE for decision in call.decisions for one in decision.because):
            return
        raise AccessDenied("Access Denied")

    # Buckets

    def create_bucket(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """CreateBucket, in any region."""
        constraint = (call.params.get("CreateBucketConfiguration") or {}).get("LocationConstraint")
        region = constraint or call.call.region
        self._service.create_bucket(call.params["Bucket"], region)
        return {"Location": f"/{call.params['Bucket']}"}

    def delete_bucket(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """DeleteBucket."""
        self._service.delete_bucket(call.params["Bucket"])
        return {}

    def head_bucket(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """HeadBucket."""
        return {"BucketRegion": self._service.bucket(call.params["Bucket"]).region}

    def bucket_location(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """GetBucketLocation: null means us-east-1."""
        region = self._service.bucket(call.params["Bucket"]).region
        return {"LocationConstraint": None if region == "us-east-1" else region}

    def list_buckets(self, call: AuthorizedCall) -> Mapping[str, Any]:  # noqa: ARG002 - a handler's signature
        """ListBuckets."""
        return {
            "Buckets": [
                {"Name": bucket.name, "CreationDate": when(bucket.created), "BucketRegion": bucket.region}
                for bucket in self._service.buckets()
            ],
            "Owner": {"ID": self._account, "DisplayName": self._account},
        }

    def put_policy(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """PutBucketPolicy."""
        self._service.set_policy(call.params["Bucket"], call.params["Policy"])
        return {}

    def get_policy(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """GetBucketPolicy."""
        policy = self._service.bucket(call.params["Bucket"]).policy
        if not policy:
            raise NoSuchBucketPolicy("The bucket policy does not exist")
        return {"Policy": policy}

    def delete_policy(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """DeleteBucketPolicy."""
        self._service.set_policy(call.params["Bucket"], "")
        return {}

    def versioning(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """GetBucketVersioning: never enabled here."""
        self._service.bucket(call.params["Bucket"])
        return {}

    # Objects

    async def put_object(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """PutObject: streamed to the disk; nothing is visible unless the whole body was good."""
        params = call.params
        writer = await asyncio.to_thread(self._service.writer, params["Bucket"], params["Key"])
        try:
            if call.call.body is not None:
                async for piece in call.call.body:
                    await asyncio.to_thread(writer.write, piece)
            blob = await asyncio.to_thread(writer.finish)
        except BaseException:
            writer.discard()
            raise
        stored = await asyncio.to_thread(self._commit, params, blob)
        return {"ETag": _quoted(stored), "Size": None}

    def _commit(self, params: Mapping[str, Any], blob: Any) -> StoredObject:
        return self._service.commit(
            params["Bucket"], params["Key"], blob, _attributes(params),
            lambda present: check_write_conditions(params, present),
        )  # fmt: skip

    def get_object(self, call: AuthorizedCall) -> Answer:
        """GetObject, whole or one range."""
        stored = self._present(call)
        check_conditions(call.params, stored)
        start, length, partial = range_of(call.params.get("Range"), stored.size)
        members = _facts(stored) | {"ContentLength": length}
        if partial:
            members["ContentRange"] = f"bytes {start}-{start + length - 1}/{stored.size}"
        for member, target in (
            ("ResponseContentType", "ContentType"),
            ("ResponseContentDisposition", "ContentDisposition"),
            ("ResponseCacheControl", "CacheControl"),
            ("ResponseContentEncoding", "ContentEncoding"),
            ("ResponseContentLanguage", "ContentLanguage"),
        ):
            if call.params.get(member):
                members[target] = call.params[member]
        body = FileBody(self._service.path(stored), start, length)
        return Answer(members, body=body, status=206 if partial else 200)

    def head_object(self, call: AuthorizedCall) -> Answer:
        """HeadObject."""
        stored = self._present(call)
        check_conditions(call.params, stored)
        return Answer(_facts(stored) | {"ContentLength": stored.size})

    def _present(self, call: AuthorizedCall) -> StoredObject:
        bucket = call.params["Bucket"]
        try:
            stored = self._service.get(bucket, call.params["Key"])
        except NoSuchKey:
            # As AWS: whether a key exists is told only to those who may list the bucket.
            access = Access("s3:ListBucket", s3(bucket), {}, self._service.policy(bucket))
            if not self._authorizer.check(call.call, access).allowed:
                raise AccessDenied("Access Denied") from None
            raise
        self.check_owner(call, stored)
        return stored

    def copy_object(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """CopyObject within the account."""
        bucket, key = _copy_source(call.params["CopySource"])
        source = self._service.get(bucket, key)
        self.check_owner(call, source)
        replacing = call.params.get("MetadataDirective") == "REPLACE"
        stored = self._service.copy(
            source, call.params["Bucket"], call.params["Key"], _attributes(call.params) if replacing else None
        )
        return {"CopyObjectResult": {"ETag": _quoted(stored), "LastModified": when(stored.modified)}}

    def delete_object(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """DeleteObject."""
        self._service.delete(call.params["Bucket"], call.params["Key"])
        return {}

    def delete_objects(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """DeleteObjects: each key is allowed or refused by itself."""
        bucket = call.params["Bucket"]
        deleted: list[dict[str, str]] = []
        refused: list[dict[str, str]] = []
        wanted = call.params["Delete"]["Objects"]
        if len(wanted) > _LONGEST_PAGE:
            raise InvalidArgument("At most 1000 keys can be deleted in one request.")
        for one in wanted:
            try:
                self._authorizer.require(call.call, self._object_access("s3:DeleteObject", bucket, one["Key"]))
                self._service.delete(bucket, one["Key"])
            except AwsError as error:
                refused.append({"Key": one["Key"], "Code": error.code, "Message": error.message})
            else:
                deleted.append({"Key": one["Key"]})
        return {"Deleted": [] if call.params["Delete"].get("Quiet") else deleted, "Errors": refused}

    def list_v2(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """ListObjectsV2."""
        params = call.params
        token = params.get("ContinuationToken")
        after = _from_token(token) if token else params.get("StartAfter", "")
        found, members = self._list(params, after)
        members["KeyCount"] = len(found.objects) + len(found.prefixes)
        if token:
            members["ContinuationToken"] = token
        if params.get("StartAfter"):
            members["StartAfter"] = _encoded(params, params["StartAfter"])
        if found.truncated:
            members["NextContinuationToken"] = base64.urlsafe_b64encode(found.next_after.encode()).decode()
        return members

    def list_v1(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """ListObjects."""
        found, members = self._list(call.params, call.params.get("Marker", ""))
        members["Marker"] = call.params.get("Marker", "")
        if found.truncated and call.params.get("Delimiter"):
            members["NextMarker"] = _encoded(call.params, found.next_after)
        return members

    def _list(self, params: Mapping[str, Any], after: str) -> tuple[Any, dict[str, Any]]:
        limit = params.get("MaxKeys", _LONGEST_PAGE)
        if limit < 0:
            raise InvalidArgument("max-keys must not be negative")
        prefix, delimiter = params.get("Prefix", ""), params.get("Delimiter", "")
        found = self._service.list(params["Bucket"], prefix, delimiter, after, min(limit, _LONGEST_PAGE))
        return found, {
            "Name": params["Bucket"],
            "Prefix": _encoded(params, prefix),
            "Delimiter": _encoded(params, delimiter) if delimiter else None,
            "MaxKeys": limit,
            "IsTruncated": found.truncated,
            "EncodingType": params.get("EncodingType"),
            "Contents": [
                {
                    "Key": _encoded(params, one.key),
                    "LastModified": when(one.modified),
                    "ETag": _quoted(one),
                    "Size": one.size,
                    "StorageClass": "STANDARD",
                }
                for one in found.objects
            ],
            "CommonPrefixes": [{"Prefix": _encoded(params, one)} for one in found.prefixes],
        }


def operations(gateway: Gateway) -> Operations:
    """S3's operations."""
    bucket, thing = gateway.on_bucket, gateway.on_object
    return table_of(
        Operation("ListBuckets", gateway.list_buckets, lambda _: (Access("s3:ListAllMyBuckets"),), read_only=True),
        Operation("CreateBucket", gateway.create_bucket, bucket("s3:CreateBucket"), read_only=False),
        Operation("DeleteBucket", gateway.delete_bucket, bucket("s3:DeleteBucket"), read_only=False),
        Operation("HeadBucket", gateway.head_bucket, bucket("s3:ListBucket"), read_only=True),
        Operation("GetBucketLocation", gateway.bucket_location, bucket("s3:GetBucketLocation"), read_only=True),
        Operation("GetBucketVersioning", gateway.versioning, bucket("s3:GetBucketVersioning"), read_only=True),
        Operation("PutBucketPolicy", gateway.put_policy, bucket("s3:PutBucketPolicy"), read_only=False),
        Operation("GetBucketPolicy", gateway.get_policy, bucket("s3:GetBucketPolicy"), read_only=True),
        Operation("DeleteBucketPolicy", gateway.delete_policy, bucket("s3:DeleteBucketPolicy"), read_only=False),
        Operation("ListObjects", gateway.list_v1, bucket("s3:ListBucket"), read_only=True, data_event=True),
        Operation("ListObjectsV2", gateway.list_v2, bucket("s3:ListBucket"), read_only=True, data_event=True),
        Operation("PutObject", gateway.put_object, thing("s3:PutObject"), read_only=False, data_event=True),
        Operation("GetObject", gateway.get_object, thing("s3:GetObject"), read_only=True, data_event=True),
        Operation("HeadObject", gateway.head_object, thing("s3:GetObject"), read_only=True, data_event=True),
        Operation("DeleteObject", gateway.delete_object, thing("s3:DeleteObject"), read_only=False, data_event=True),
        Operation("DeleteObjects", gateway.delete_objects, gateway.signed_in, read_only=False, data_event=True),
        Operation("CopyObject", gateway.copy_object, gateway.copy_rule, read_only=False, data_event=True),
    )


def _attributes(params: Mapping[str, Any]) -> Attributes:
    return Attributes(
        content_type=params.get("ContentType") or "binary/octet-stream",
        metadata=dict(params.get("Metadata") or {}),
        headers={name: params[name] for name in _KEPT_HEADERS if params.get(name)},
    )


def _facts(stored: StoredObject) -> dict[str, Any]:
    return {
        "ETag": _quoted(stored),
        "LastModified": when(stored.modified),
        "ContentType": stored.content_type,
        "AcceptRanges": "bytes",
        "Metadata": stored.metadata,
        **stored.headers,
    }


def _quoted(stored: StoredObject) -> str:
    return f'"{stored.etag}"'


def _encoded(params: Mapping[str, Any], text: str) -> str:
    return quote(text, safe="/-_.~*!'()") if params.get("EncodingType") == "url" else text


def _from_token(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise InvalidArgument("The continuation token provided is incorrect") from error


def _copy_source(source: str | Mapping[str, str]) -> tuple[str, str]:
    text = source if isinstance(source, str) else f"{source['Bucket']}/{source['Key']}"
    bucket, _, key = unquote(text.lstrip("/").partition("?")[0]).partition("/")
    if not bucket or not key:
        raise InvalidArgument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
    return bucket, key
