"""S3's OPERATIONS table."""

from collections.abc import Iterator

from lakewarden.guard import Access, Authorizer, Operation, Operations, table_of
from lakewarden.storage.bucket_calls import ABSENT, FIXED, BucketCalls
from lakewarden.storage.listing_calls import ListingCalls
from lakewarden.storage.object_calls import ObjectCalls
from lakewarden.storage.rules import Rules
from lakewarden.storage.service import StorageService
from lakewarden.storage.upload_calls import UploadCalls
from lakewarden.storage.uploads import Uploads


def operations(service: StorageService, uploads: Uploads, authorizer: Authorizer, account: str) -> Operations:
    """S3's operations."""
    rules = Rules(service, authorizer, account)
    objects = ObjectCalls(service, rules, account)
    return table_of(
        *_buckets(BucketCalls(service, account), rules),
        *_listings(ListingCalls(service, rules, account), rules),
        *_objects(objects, rules),
        *_uploads(UploadCalls(service, uploads, objects, rules, account), rules),
    )


def _buckets(calls: BucketCalls, rules: Rules) -> Iterator[Operation]:
    on = rules.bucket
    yield Operation("ListBuckets", calls.list, lambda _: (Access("s3:ListAllMyBuckets"),), read_only=True)
    yield Operation("CreateBucket", calls.create, rules.creating, read_only=False)
    yield Operation("DeleteBucket", calls.delete, on("s3:DeleteBucket"), read_only=False)
    yield Operation("HeadBucket", calls.head, on("s3:ListBucket"), read_only=True)
    yield Operation("GetBucketLocation", calls.location, on("s3:GetBucketLocation"), read_only=True)
    yield Operation("PutBucketPolicy", calls.put_policy, on("s3:PutBucketPolicy"), read_only=False)
    yield Operation("GetBucketPolicy", calls.get_policy, on("s3:GetBucketPolicy"), read_only=True)
    yield Operation("DeleteBucketPolicy", calls.delete_policy, on("s3:DeleteBucketPolicy"), read_only=False)
    yield Operation("GetBucketPolicyStatus", calls.policy_status, on("s3:GetBucketPolicyStatus"), read_only=True)
    block = "s3:PutBucketPublicAccessBlock"
    yield Operation("PutPublicAccessBlock", calls.put_block, on(block), read_only=False)
    yield Operation("GetPublicAccessBlock", calls.get_block, on("s3:GetBucketPublicAccessBlock"), read_only=True)
    yield Operation("DeletePublicAccessBlock", calls.delete_block, on(block), read_only=False)
    yield Operation("PutBucketTagging", calls.put_tags, on("s3:PutBucketTagging"), read_only=False)
    yield Operation("GetBucketTagging", calls.get_tags, on("s3:GetBucketTagging"), read_only=True)
    yield Operation("DeleteBucketTagging", calls.delete_tags, on("s3:PutBucketTagging"), read_only=False)
    yield Operation("GetBucketAcl", calls.acl, on("s3:GetBucketAcl"), read_only=True)
    yield Operation("PutBucketAcl", calls.put_acl, on("s3:PutBucketAcl"), read_only=False)
    yield Operation("PutBucketVersioning", calls.put_versioning, on("s3:PutBucketVersioning"), read_only=False)
    cycle = "s3:PutLifecycleConfiguration"
    yield Operation("PutBucketLifecycleConfiguration", calls.put_lifecycle, on(cycle), read_only=False)
    yield Operation("DeleteBucketLifecycle", calls.delete_lifecycle, on(cycle), read_only=False)
    shown = on("s3:GetLifecycleConfiguration")
    yield Operation("GetBucketLifecycleConfiguration", calls.get_lifecycle, shown, read_only=True)
    yield Operation("GetBucketVersioning", calls.versioning, on("s3:GetBucketVersioning"), read_only=True)
    ownership = "s3:PutBucketOwnershipControls"
    yield Operation("PutBucketOwnershipControls", calls.put_ownership, on(ownership), read_only=False)
    for name, (action, _, _) in ABSENT.items():
        yield Operation(name, calls.absent(name), on(f"s3:{action}"), read_only=True)
    for name, (action, _) in FIXED.items():
        yield Operation(name, calls.fixed(name), on(f"s3:{action}"), read_only=True)


def _listings(calls: ListingCalls, rules: Rules) -> Iterator[Operation]:
    on = rules.bucket
    yield Operation("ListObjects", calls.v1, on("s3:ListBucket"), read_only=True, data_event=True)
    yield Operation("ListObjectsV2", calls.v2, on("s3:ListBucket"), read_only=True, data_event=True)
    yield Operation("ListObjectVersions", calls.versions, on("s3:ListBucketVersions"), read_only=True, data_event=True)


def _objects(calls: ObjectCalls, rules: Rules) -> Iterator[Operation]:
    reading = rules.reading
    both = reading("s3:GetObject", "s3:GetObjectAttributes")
    yield Operation("GetObject", calls.get, reading("s3:GetObject"), read_only=True, data_event=True)
    yield Operation("HeadObject", calls.head, reading("s3:GetObject"), read_only=True, data_event=True)
    yield Operation("GetObjectAttributes", calls.attributes, both, read_only=True, data_event=True)
    yield Operation("GetObjectAcl", calls.acl, reading("s3:GetObjectAcl"), read_only=True, data_event=True)
    yield Operation("PutObjectAcl", calls.put_acl, reading("s3:PutObjectAcl"), read_only=False, data_event=True)
    yield Operation("PutObject", calls.put, rules.writing, read_only=False, data_event=True)
    yield Operation("CopyObject", calls.copy, rules.copying, read_only=False, data_event=True)
    yield Operation("DeleteObject", calls.delete, rules.deleting, read_only=False, data_event=True)
    yield Operation("DeleteObjects", calls.delete_many, rules.signed_in, read_only=False, data_event=True)
    tags = reading("s3:GetObjectTagging")
    yield Operation("GetObjectTagging", calls.get_tags, tags, read_only=True, data_event=True)
    yield Operation("PutObjectTagging", calls.put_tags, rules.tagging, read_only=False, data_event=True)
    untag = reading("s3:DeleteObjectTagging")
    yield Operation("DeleteObjectTagging", calls.delete_tags, untag, read_only=False, data_event=True)


def _uploads(calls: UploadCalls, rules: Rules) -> Iterator[Operation]:
    put = rules.thing("s3:PutObject")
    abort, parts = rules.thing("s3:AbortMultipartUpload"), rules.thing("s3:ListMultipartUploadParts")
    listing = rules.bucket("s3:ListBucketMultipartUploads")
    yield Operation("CreateMultipartUpload", calls.create, rules.writing, read_only=False, data_event=True)
    yield Operation("UploadPart", calls.put_part, put, read_only=False, data_event=True)
    yield Operation("UploadPartCopy", calls.copy_part, rules.copying, read_only=False, data_event=True)
    yield Operation("CompleteMultipartUpload", calls.complete, put, read_only=False, data_event=True)
    yield Operation("AbortMultipartUpload", calls.abort, abort, read_only=False, data_event=True)
    yield Operation("ListParts", calls.parts, parts, read_only=True, data_event=True)
    yield Operation("ListMultipartUploads", calls.list, listing, read_only=True, data_event=True)
