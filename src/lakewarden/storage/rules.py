"""What S3's operations ask of the policies, and whose results are whose."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lakewarden.guard import Access, AuthorizedCall, Authorizer, Rule
from lakewarden.kernel.arn import s3
from lakewarden.kernel.call import Call, PrincipalType
from lakewarden.kernel.decision import Layer
from lakewarden.kernel.errors import AccessDenied
from lakewarden.policy import CompiledPolicy
from lakewarden.storage.model import StoredObject
from lakewarden.storage.service import StorageService
from lakewarden.storage.words import copy_source, tag_list, tag_query

_DENIED = "Access Denied"
# Input member -> condition key (Service Authorization Reference, Amazon S3).
_KEYS = {
    "Prefix": "s3:prefix",
    "Delimiter": "s3:delimiter",
    "MaxKeys": "s3:max-keys",
    "VersionId": "s3:VersionId",
    "ACL": "s3:x-amz-acl",
    "CopySource": "s3:x-amz-copy-source",
    "MetadataDirective": "s3:x-amz-metadata-directive",
    "StorageClass": "s3:x-amz-storage-class",
    "ServerSideEncryption": "s3:x-amz-server-side-encryption",
    "SSEKMSKeyId": "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "IfMatch": "s3:if-match",
    "IfNoneMatch": "s3:if-none-match",
}
# What a call needs besides when it names a version.
_VERSIONED = {
    "s3:GetObject": "s3:GetObjectVersion",
    "s3:GetObjectAcl": "s3:GetObjectVersionAcl",
    "s3:GetObjectAttributes": "s3:GetObjectVersionAttributes",
    "s3:GetObjectTagging": "s3:GetObjectVersionTagging",
    "s3:PutObjectAcl": "s3:PutObjectVersionAcl",
    "s3:DeleteObjectTagging": "s3:DeleteObjectVersionTagging",
}
Values = dict[str, str | Sequence[str]]


class Rules:
    """Questions about buckets and objects of one account."""

    def __init__(self, service: StorageService, authorizer: Authorizer, account: str) -> None:
        self._service = service
        self._authorizer = authorizer
        self._account = account

    # Rules of operations

    def bucket(self, *actions: str) -> Rule:
        """A rule on the bucket."""
        return lambda call: tuple(self.on_bucket(call, action) for action in actions)

    def creating(self, call: Call) -> Sequence[Access]:
        """CreateBucket: the region that is asked for is a condition key; a new bucket has no policy yet."""
        constraint = (call.params.get("CreateBucketConfiguration") or {}).get("LocationConstraint")
        access = self.on_bucket(call, "s3:CreateBucket")
        extra = {"s3:locationconstraint": str(constraint)} if constraint else {}
        return (Access(access.action, access.resource, {**access.context, **extra}, access.resource_policy),)

    def thing(self, *actions: str) -> Rule:
        """A rule on the object."""
        return lambda call: tuple(self._on_named(call, action) for action in actions)

    def reading(self, *actions: str) -> Rule:
        """A rule on the object, and on its version where one is named."""

        def rule(call: Call) -> Sequence[Access]:
            # INVARIANT (deny_by_default): naming a version is no way round a rule on the object itself.
            versioned = tuple(_VERSIONED[one] for one in actions) if call.params.get("VersionId") else ()
            return tuple(self._on_named(call, one) for one in (*actions, *versioned))

        return rule

    def writing(self, call: Call) -> Sequence[Access]:
        """PutObject, CreateMultipartUpload and the target of a copy; tags need a right of their own."""
        tags = tag_query(call.params.get("Tagging"))
        extra = _request_tags(tags)
        first = self.on_object(call, "s3:PutObject", call.params["Bucket"], call.params["Key"], extra)
        if not tags:
            return (first,)
        return first, self.on_object(call, "s3:PutObjectTagging", call.params["Bucket"], call.params["Key"], extra)

    def tagging(self, call: Call) -> Sequence[Access]:
        """PutObjectTagging."""
        extra = _request_tags(tag_list(call.params["Tagging"]["TagSet"]))
        version = call.params.get("VersionId") or ""
        return tuple(
            self.on_object(call, action, call.params["Bucket"], call.params["Key"], extra, version)
            for action in ("s3:PutObjectTagging", *(("s3:PutObjectVersionTagging",) if version else ()))
        )

    def copying(self, call: Call) -> Sequence[Access]:
        """CopyObject and UploadPartCopy read one object and write another."""
        source = copy_source(call.params["CopySource"])
        self._expected(call, "ExpectedSourceBucketOwner")
        actions = ("s3:GetObject", "s3:GetObjectVersion") if source.version else ("s3:GetObject",)
        reads = [self.on_object(call, one, source.bucket, source.key, version=source.version) for one in actions]
        return (*reads, *self.writing(call))

    def deleting(self, call: Call) -> Sequence[Access]:
        """DeleteObject, of a version where one is named."""
        actions = (
            ("s3:DeleteObject", "s3:DeleteObjectVersion") if call.params.get("VersionId") else ("s3:DeleteObject",)
        )
        return tuple(self._on_named(call, action) for action in actions)

    def signed_in(self, call: Call) -> Sequence[Access]:
        """DeleteObjects is decided key by key; nobody gets that far unsigned."""
        self._expected(call, "ExpectedBucketOwner")
        if call.principal.type is PrincipalType.ANONYMOUS:
            return (self.on_bucket(call, "s3:DeleteObject"),)
        return ()

    # Questions

    def on_bucket(self, call: Call, action: str) -> Access:
        """A question about the bucket."""
        self._expected(call, "ExpectedBucketOwner")
        bucket = call.params["Bucket"]
        return Access(action, s3(bucket), self._context(call), self._policy(call, bucket))

    def _on_named(self, call: Call, action: str) -> Access:
        return self.on_object(
            call, action, call.params["Bucket"], call.params["Key"], version=call.params.get("VersionId") or ""
        )

    def on_object(
        self, call: Call, action: str, bucket: str, key: str, extra: Values | None = None, version: str = ""
    ) -> Access:
        """A question about an object, or one version of it, its tags included."""
        self._expected(call, "ExpectedBucketOwner")
        context = self._context(call) | (extra or {}) | self._existing_tags(bucket, key, version)
        return Access(action, s3(f"{bucket}/{key}"), context, self._policy(call, bucket))

    def _expected(self, call: Call, member: str) -> None:
        if call.params.get(member, self._account) != self._account:
            raise AccessDenied(_DENIED)

    def _policy(self, call: Call, name: str) -> CompiledPolicy | None:
        bucket = self._service.find_bucket(name)
        if bucket is None:
            return None
        block = bucket.public_access
        # RestrictPublicBuckets: a public policy admits the account's own principals only.
        if bucket.public and block is not None and block.restrict and call.principal.type is PrincipalType.ANONYMOUS:
            return None
        return bucket.compiled

    def _context(self, call: Call) -> Values:
        context: Values = {"s3:ResourceAccount": self._account}
        for member, key in _KEYS.items():
            value = call.params.get(member)
            if value is not None:
                context[key] = value if isinstance(value, str) else str(value)
        if call.auth_type:
            context["s3:authType"] = call.auth_type
            context["s3:signatureversion"] = "AWS4-HMAC-SHA256"
        if call.signed_at is not None:
            age = (call.at - call.signed_at).total_seconds() * 1000
            context["s3:signatureAge"] = str(max(0, int(age)))
        return context

    def _existing_tags(self, bucket: str, key: str, version: str) -> Values:
        known = self._service.find_bucket(bucket)
        if known is None or not known.tagged:
            return {}
        # INVARIANT (deny_by_default): a version is judged by its own tags, not by those that came after it.
        found = self._service.find(bucket, key, version)
        tags = found.attributes.tags if found is not None else {}
        return {f"s3:ExistingObjectTag/{name}": value for name, value in tags.items()}

    # Owners of results

    def check_owner(self, call: AuthorizedCall, stored: StoredObject | None, action: str = "s3:GetObject") -> None:
        """Raise AccessDenied when the object is somebody else's query result.

        INVARIANT (non_interference): a right on the whole bucket does not open another principal's results; only a
        bucket policy that grants ``action`` on this very object does, which is written for that bucket.
        """
        if stored is not None and not self.is_mine(call.call, stored, action):
            raise AccessDenied(_DENIED)

    def is_mine(self, call: Call, stored: StoredObject, action: str = "s3:GetObject") -> bool:
        """Whether nobody else owns the object, or the bucket policy itself admits the caller to it."""
        if not stored.owner or stored.owner == call.principal.grantee_arn:
            return True
        access = self.on_object(call, action, stored.bucket, stored.key, version=stored.version)
        if access.resource_policy is None:
            return False
        decision = self._authorizer.check(call, access)
        return decision.allowed and any(one.layer is Layer.RESOURCE for one in decision.because)

    def visible(self, call: Call) -> Callable[[StoredObject], bool]:
        """What listings show to the caller."""
        return lambda stored: self.is_mine(call, stored)

    def may_list(self, call: Call, bucket: str, key: str) -> bool:
        """Whether the caller may list the bucket as far as ``key``."""
        access = Access("s3:ListBucket", s3(bucket), {"s3:prefix": key}, self._policy(call, bucket))
        return self._authorizer.check(call, access).allowed

    def require(self, call: Call, access: Access) -> None:
        """Raise AccessDenied unless allowed."""
        self._authorizer.require(call, access)


def _request_tags(tags: Mapping[str, Any]) -> Values:
    context: Values = {f"s3:RequestObjectTag/{name}": value for name, value in tags.items()}
    if tags:
        context["s3:RequestObjectTagKeys"] = tuple(tags)
    return context
