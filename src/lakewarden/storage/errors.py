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


class InsufficientStorage(AwsError):
    """The disk is full; nothing was stored."""

    code = "ServiceUnavailable"
    status = 503
