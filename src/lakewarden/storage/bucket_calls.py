"""Handlers of the operations on buckets."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from lakewarden.guard import AuthorizedCall
from lakewarden.kernel.errors import AccessDenied, AwsError
from lakewarden.storage.errors import (
    IllegalVersioningConfiguration,
    InvalidArgument,
    NoSuchBucketPolicy,
    NoSuchCORSConfiguration,
    NoSuchLifecycleConfiguration,
    NoSuchPublicAccessBlockConfiguration,
    NoSuchTagSet,
    NoSuchWebsiteConfiguration,
    ObjectLockConfigurationNotFound,
    ReplicationConfigurationNotFound,
    ServerSideEncryptionConfigurationNotFound,
    UnsupportedHeader,
)
from lakewarden.storage.lifecycle import configuration_of, rules_of
from lakewarden.storage.model import Bucket, PublicAccess
from lakewarden.storage.public import is_public
from lakewarden.storage.service import StorageService, when
from lakewarden.storage.words import from_token, refuse_unsupported, tag_list, tag_set, token_of

_MOST_TAGS = 50
_MOST_BUCKETS = 10_000
_BLOCK = {
    "BlockPublicAcls": "block_acls",
    "IgnorePublicAcls": "ignore_acls",
    "BlockPublicPolicy": "block_policy",
    "RestrictPublicBuckets": "restrict",
}

# What Lakewarden does not offer is absent, as AWS says it. Operation -> (IAM action, error, AWS's text).
ABSENT: Mapping[str, tuple[str, type[AwsError], str]] = {
    "GetBucketCors": ("GetBucketCORS", NoSuchCORSConfiguration, "The CORS configuration does not exist"),
    "GetBucketEncryption": (
        "GetEncryptionConfiguration",
        ServerSideEncryptionConfigurationNotFound,
        "The server side encryption configuration was not found",
    ),
    "GetBucketReplication": (
        "GetReplicationConfiguration",
        ReplicationConfigurationNotFound,
        "The replication configuration was not found",
    ),
    "GetBucketWebsite": (
        "GetBucketWebsite",
        NoSuchWebsiteConfiguration,
        "The specified bucket does not have a website configuration",
    ),
    "GetObjectLockConfiguration": (
        "GetBucketObjectLockConfiguration",
        ObjectLockConfigurationNotFound,
        "Object Lock configuration does not exist for this bucket",
    ),
}
# The same where the answer is an empty or fixed configuration. Operation -> (IAM action, members).
FIXED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "GetBucketAccelerateConfiguration": ("GetAccelerateConfiguration", {}),
    "GetBucketLogging": ("GetBucketLogging", {}),
    "GetBucketNotificationConfiguration": ("GetBucketNotification", {}),
    "GetBucketOwnershipControls": (
        "GetBucketOwnershipControls",
        {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}},
    ),
    "GetBucketRequestPayment": ("GetBucketRequestPayment", {"Payer": "BucketOwner"}),
}


class BucketCalls:
    """Buckets and their settings."""

    def __init__(self, service: StorageService, account: str) -> None:
        self._service = service
        self._account = account

    def _bucket(self, call: AuthorizedCall) -> Bucket:
        return self._service.bucket(call.params["Bucket"])

    def create(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """CreateBucket, in any region."""
        refuse_unsupported(call.params)
        wanted = call.params.get("CreateBucketConfiguration") or {}
        for name in ("Location", "Bucket", "Tags"):
            if wanted.get(name):
                raise UnsupportedHeader(f"CreateBucketConfiguration.{name} is not implemented.")
        self._service.create_bucket(call.params["Bucket"], wanted.get("LocationConstraint") or call.call.region)
        return {"Location": f"/{call.params['Bucket']}"}

    def delete(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """DeleteBucket."""
        self._service.delete_bucket(call.params["Bucket"])
        return {}

    def head(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """HeadBucket."""
        return {"BucketRegion": self._bucket(call).region, "AccessPointAlias": False}

    def location(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """GetBucketLocation: null means us-east-1."""
        region = self._bucket(call).region
        return {"LocationConstraint": None if region == "us-east-1" else region}

    def list(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """ListBuckets, a page at a time where the client asks for pages."""
        params = call.params
        token = params.get("ContinuationToken")
        after, prefix = from_token(token) if token else "", params.get("Prefix", "")
        limit = int(params.get("MaxBuckets", _MOST_BUCKETS))
        if not 1 <= limit <= _MOST_BUCKETS:
            raise InvalidArgument("Argument max-buckets must be an integer between 1 and 10000")
        found = [
            bucket
            for bucket in self._service.buckets()
            if bucket.name > after
            and bucket.name.startswith(prefix)
            and params.get("BucketRegion", bucket.region) == bucket.region
        ]
        shown = found[:limit]
        return {
            "Buckets": [
                {"Name": bucket.name, "CreationDate": when(bucket.created), "BucketRegion": bucket.region}
                for bucket in shown
            ],
            "Owner": self._owner(),
            "Prefix": prefix or None,
            "ContinuationToken": token_of(shown[-1].name) if len(found) > limit else None,
        }

    def _owner(self) -> dict[str, str]:
        return {"ID": self._account, "DisplayName": self._account}

    # Policy and public access

    def put_policy(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """PutBucketPolicy; a public one only where BlockPublicPolicy is off."""
        document = call.params["Policy"]

        def check(bucket: Bucket) -> None:
            block = bucket.public_access
            if block is not None and block.block_policy and is_public(document):
                raise AccessDenied(
                    f"User: {call.call.principal.arn} is not authorized to perform: s3:PutBucketPolicy on resource: "
                    f'"arn:aws:s3:::{bucket.name}" because public policies are prevented by the BlockPublicPolicy '
                    "setting in S3 Block Public Access."
                )

        self._service.set_policy(call.params["Bucket"], document, check)
        return {}

    def get_policy(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """GetBucketPolicy."""
        return {"Policy": self._policy(call)}

    def delete_policy(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """DeleteBucketPolicy."""
        self._service.set_policy(call.params["Bucket"], "")
        return {}

    def policy_status(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """GetBucketPolicyStatus."""
        return {"PolicyStatus": {"IsPublic": is_public(self._policy(call))}}

    def _policy(self, call: AuthorizedCall) -> str:
        bucket = self._bucket(call)
        if not bucket.policy:
            raise NoSuchBucketPolicy("The bucket policy does not exist", {"BucketName": bucket.name})
        return bucket.policy

    def put_block(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """PutPublicAccessBlock: what is not named is off."""
        wanted = call.params["PublicAccessBlockConfiguration"]
        block = PublicAccess(**{field: bool(wanted.get(member)) for member, field in _BLOCK.items()})
        self._service.change_bucket(call.params["Bucket"], lambda bucket: replace(bucket, public_access=block))
        return {}

    def get_block(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """GetPublicAccessBlock."""
        block = self._bucket(call).public_access
        if block is None:
            raise NoSuchPublicAccessBlockConfiguration("The public access block configuration was not found")
        return {"PublicAccessBlockConfiguration": {member: getattr(block, field) for member, field in _BLOCK.items()}}

    def delete_block(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """DeletePublicAccessBlock."""
        self._service.change_bucket(call.params["Bucket"], lambda bucket: replace(bucket, public_access=None))
        return {}

    # Tags

    def put_tags(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """PutBucketTagging."""
        tags = tag_list(call.params["Tagging"]["TagSet"], _MOST_TAGS)
        self._service.change_bucket(call.params["Bucket"], lambda bucket: replace(bucket, tags=tags))
        return {}

    def get_tags(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """GetBucketTagging."""
        tags = self._bucket(call).tags
        if not tags:
            raise NoSuchTagSet("The TagSet does not exist", {"BucketName": call.params["Bucket"]})
        return {"TagSet": tag_set(tags)}

    def delete_tags(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """DeleteBucketTagging."""
        self._service.change_bucket(call.params["Bucket"], lambda bucket: replace(bucket, tags={}))
        return {}

    # Life cycles

    def put_lifecycle(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """PutBucketLifecycleConfiguration: expirations and unfinished uploads; transitions are refused by name."""
        rules = rules_of(call.params.get("LifecycleConfiguration") or {})
        self._service.change_bucket(call.params["Bucket"], lambda bucket: replace(bucket, lifecycle=rules))
        return {}

    def get_lifecycle(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """GetBucketLifecycleConfiguration."""
        rules = self._bucket(call).lifecycle
        if not rules:
            raise NoSuchLifecycleConfiguration(
                "The lifecycle configuration does not exist", {"BucketName": call.params["Bucket"]}
            )
        return {"Rules": configuration_of(rules)}

    def delete_lifecycle(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """DeleteBucketLifecycle."""
        self._service.change_bucket(call.params["Bucket"], lambda bucket: replace(bucket, lifecycle=()))
        return {}

    # Settings that have one value here

    def acl(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """GetBucketAcl: the owner has everything, and no ACL can say otherwise."""
        self._bucket(call)
        return owners_acl(self._account)

    def put_acl(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """PutBucketAcl: taken only when it changes nothing."""
        self._bucket(call)
        refuse_acl(call.params)
        return {}

    def put_versioning(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """PutBucketVersioning: Enabled or Suspended; once enabled, a bucket is never unversioned again."""
        wanted = call.params["VersioningConfiguration"]
        if wanted.get("MFADelete") == "Enabled" or call.params.get("MFA"):
            raise UnsupportedHeader("MFA delete is not implemented.")
        status = wanted.get("Status")
        if status not in {"Enabled", "Suspended"}:
            raise IllegalVersioningConfiguration(
                "The Versioning element must be specified", {"BucketName": call.params["Bucket"]}
            )
        self._service.change_bucket(call.params["Bucket"], lambda bucket: replace(bucket, versioning=status))
        return {}

    def versioning(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """GetBucketVersioning: no status where versioning was never enabled."""
        return {"Status": self._bucket(call).versioning or None}

    def put_ownership(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """PutBucketOwnershipControls: BucketOwnerEnforced is the only value."""
        self._bucket(call)
        rules = call.params["OwnershipControls"]["Rules"]
        if any(rule["ObjectOwnership"] != "BucketOwnerEnforced" for rule in rules):
            raise UnsupportedHeader("Only ObjectOwnership BucketOwnerEnforced is implemented.")
        return {}

    def absent(self, operation: str) -> Callable[[AuthorizedCall], Mapping[str, Any]]:
        """The handler of a configuration that no bucket has."""
        _, error, text = ABSENT[operation]

        def handler(call: AuthorizedCall) -> Mapping[str, Any]:
            self._bucket(call)
            raise error(text, {"BucketName": call.params["Bucket"]})

        return handler

    def fixed(self, operation: str) -> Callable[[AuthorizedCall], Mapping[str, Any]]:
        """The handler of a configuration that is the same for every bucket."""
        members = FIXED[operation][1]

        def handler(call: AuthorizedCall) -> Mapping[str, Any]:
            self._bucket(call)
            return members

        return handler


def owners_acl(account: str) -> Mapping[str, Any]:
    """The ACL of everything under BucketOwnerEnforced."""
    owner = {"ID": account, "DisplayName": account}
    return {"Owner": owner, "Grants": [{"Grantee": {**owner, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}]}


def refuse_acl(params: Mapping[str, Any]) -> None:
    """Raise AccessControlListNotSupported unless the ACL is the owner's own."""
    policy = params.get("AccessControlPolicy") or {}
    refuse_unsupported({**params, "GrantRead": "yes"} if policy.get("Grants") else params)
