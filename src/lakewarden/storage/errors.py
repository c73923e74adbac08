"""S3's errors."""

from lakewarden.kernel.errors import AwsError


class NoSuchBucket(AwsError):
    """The bucket does not exist."""

    code = "NoSuchBucket"
    status = 404


class NoSuchKey(AwsError):
    """The object does not exist."""

    code = "NoSuchKey"
    status = 404


class BucketAlreadyOwnedByYou(AwsError):
    """The caller's account has this bucket already."""

    code = "BucketAlreadyOwnedByYou"
    status = 409


class BucketNotEmpty(AwsError):
    """The bucket still holds objects."""

    code = "BucketNotEmpty"
    status = 409


class InvalidBucketName(AwsError):
    """Not a bucket name."""

    code = "InvalidBucketName"


class InvalidArgument(AwsError):
    """An argument of the wrong form."""

    code = "InvalidArgument"


class KeyTooLong(AwsError):
    """Keys have at most 1,024 bytes."""

    code = "KeyTooLongError"


class MetadataTooLarge(AwsError):
    """User metadata has at most 2 KB."""

    code = "MetadataTooLarge"


class InvalidRange(AwsError):
    """The range lies outside the object."""

    code = "InvalidRange"
    status = 416


class PreconditionFailed(AwsError):
    """A condition of the request does not hold."""

    code = "PreconditionFailed"
    status = 412


class NotModified(AwsError):
    """The client's copy is still good."""

    code = "NotModified"
    status = 304


class NoSuchBucketPolicy(AwsError):
    """The bucket has no policy."""

    code = "NoSuchBucketPolicy"
    status = 404


class MalformedPolicy(AwsError):
    """The bucket policy is not valid."""

    code = "MalformedPolicy"


class NoSuchUpload(AwsError):
    """The multipart upload does not exist."""

    code = "NoSuchUpload"
    status = 404


class InvalidPart(AwsError):
    """A part that was not uploaded, or has another ETag."""

    code = "InvalidPart"


class InvalidPartOrder(AwsError):
    """Parts must be listed in ascending order."""

    code = "InvalidPartOrder"


class EntityTooSmall(AwsError):
    """Every part but the last has at least 5 MiB."""

    code = "EntityTooSmall"


class IllegalVersioningConfiguration(AwsError):
    """A versioning configuration without a status."""

    code = "IllegalVersioningConfigurationException"


class MarkerIsNoObject(AwsError):
    """A delete marker can be removed, and nothing else."""

    code = "MethodNotAllowed"
    status = 405


class NoSuchVersion(AwsError):
    """The object has no version of this id."""

    code = "NoSuchVersion"
    status = 404


class NoSuchTagSet(AwsError):
    """The bucket has no tags."""

    code = "NoSuchTagSet"
    status = 404


class InvalidTag(AwsError):
    """Not a tag that S3 takes."""

    code = "InvalidTag"


class BadRequest(AwsError):
    """More than ten tags."""

    code = "BadRequest"


class InvalidRequest(AwsError):
    """A request that contradicts itself."""

    code = "InvalidRequest"


class InvalidStorageClass(AwsError):
    """There is one storage class, STANDARD."""

    code = "InvalidStorageClass"


class BadDigest(AwsError):
    """The object does not have the checksum that was promised."""

    code = "BadDigest"


class InvalidPartNumber(AwsError):
    """The object has no such part."""

    code = "InvalidPartNumber"
    status = 416


class AccessControlListNotSupported(AwsError):
    """Buckets belong to their owner; rights are policies, never ACLs."""

    code = "AccessControlListNotSupported"


class UnsupportedHeader(AwsError):
    """A member that asks for something that Lakewarden does not do; always names it."""

    code = "NotImplemented"
    status = 501


class OperationAborted(AwsError):
    """A conflicting change came first."""

    code = "OperationAborted"
    status = 409


class ConditionalRequestConflict(AwsError):
    """The object changed while it was being written under a condition."""

    code = "ConditionalRequestConflict"
    status = 409


class NoSuchPublicAccessBlockConfiguration(AwsError):
    """It was deleted."""

    code = "NoSuchPublicAccessBlockConfiguration"
    status = 404


class NoSuchCORSConfiguration(AwsError):
    """Cross-origin requests are not offered."""

    code = "NoSuchCORSConfiguration"
    status = 404


class NoSuchLifecycleConfiguration(AwsError):
    """The bucket has no life cycle rules."""

    code = "NoSuchLifecycleConfiguration"
    status = 404


class NoSuchWebsiteConfiguration(AwsError):
    """Web sites are not offered."""

    code = "NoSuchWebsiteConfiguration"
    status = 404


class ServerSideEncryptionConfigurationNotFound(AwsError):
    """Objects are not encrypted by Lakewarden; encrypt the disk."""

    code = "ServerSideEncryptionConfigurationNotFoundError"
    status = 404


class ReplicationConfigurationNotFound(AwsError):
    """Replication is not offered."""

    code = "ReplicationConfigurationNotFoundError"
    status = 404


class ObjectLockConfigurationNotFound(AwsError):
    """Object locks are not offered."""

    code = "ObjectLockConfigurationNotFoundError"
    status = 404


class BlobMissing(AwsError):
    """The index names bytes that are gone: they were removed under our feet, or the backend lost them."""

    code = "InternalError"
    status = 500


class InsufficientStorage(AwsError):
    """The disk is full; nothing was stored."""

    code = "ServiceUnavailable"
    status = 503


class StoreUnavailable(AwsError):
    """The store behind the gateway failed; nothing was changed."""

    code = "ServiceUnavailable"
    status = 503
