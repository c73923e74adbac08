"""What can be wrong with a request before anybody knows what it is for."""

from lakewarden.kernel.errors import AwsError


class SerializationException(AwsError):
    """The body is not what the protocol and the model say."""

    code = "SerializationException"


class MalformedQueryString(AwsError):
    """A query-protocol form that does not parse."""

    code = "MalformedQueryString"


class MalformedXML(AwsError):
    """An XML body that does not parse or does not fit the model (S3)."""

    code = "MalformedXML"


class InvalidRequest(AwsError):
    """An S3 request that misses something or says it wrongly."""

    code = "InvalidRequest"


class InvalidArgument(AwsError):
    """An S3 argument of the wrong form."""

    code = "InvalidArgument"


class InvalidURI(AwsError):
    """A path that is not percent-encoded UTF-8."""

    code = "InvalidURI"


class QueryValidationError(AwsError):
    """ValidationError, as the query services call it."""

    code = "ValidationError"


class UnknownOperationException(AwsError):
    """A JSON target that names no operation of a service here."""

    code = "UnknownOperationException"


class InvalidAction(AwsError):
    """A query action that its service does not have."""

    code = "InvalidAction"


class InvalidBucketName(AwsError):
    """S3: a name that no bucket can have, so that it cannot be taken for an object's path either."""

    code = "InvalidBucketName"


class MethodNotAllowed(AwsError):
    """S3: this resource has no such method."""

    code = "MethodNotAllowed"
    status = 405


class MalformedPOSTRequest(AwsError):
    """S3: a POST upload that is not well-formed multipart/form-data."""

    code = "MalformedPOSTRequest"


class MaxPostPreDataLengthExceeded(AwsError):
    """S3: a form whose fields before the file are too large."""

    code = "MaxPostPreDataLengthExceededError"


class InvalidPolicyDocument(AwsError):
    """S3: a POST upload's policy that is not one."""

    code = "InvalidPolicyDocument"


class AccessDeniedByPolicy(AwsError):
    """S3: a POST upload that its own policy does not allow."""

    code = "AccessDenied"
    status = 403


class EntityTooLarge(AwsError):
    """S3: a POST upload of more bytes than its policy allows."""

    code = "EntityTooLarge"


class EntityTooSmall(AwsError):
    """S3: a POST upload of fewer bytes than its policy asks for."""

    code = "EntityTooSmall"


class RequestEntityTooLarge(AwsError):
    """The body is larger than any operation takes."""

    code = "RequestEntityTooLarge"
    status = 413


class IncompleteSignature(AwsError):
    """The signature's parts are missing or malformed."""

    code = "IncompleteSignature"


class IncompleteSignatureException(AwsError):
    """The same at the JSON services."""

    code = "IncompleteSignatureException"


class AuthorizationHeaderMalformed(AwsError):
    """The same at S3."""

    code = "AuthorizationHeaderMalformed"


class AuthorizationQueryParametersError(AwsError):
    """A presigned URL whose parameters are malformed."""

    code = "AuthorizationQueryParametersError"


class SignatureDoesNotMatch(AwsError):
    """The signature is not the one that this key makes over this request."""

    code = "SignatureDoesNotMatch"
    status = 403


class InvalidSignatureException(AwsError):
    """The same at the JSON services."""

    code = "InvalidSignatureException"


class UnsignedHeaders(AwsError):
    """A header that matters was not covered by the signature; S3 says AccessDenied."""

    code = "AccessDenied"
    status = 403


class SignatureExpired(AwsError):
    """The signing time is more than 15 minutes off; the query services say SignatureDoesNotMatch."""

    code = "SignatureDoesNotMatch"
    status = 403


class RequestTimeTooSkewed(AwsError):
    """S3: the signing time is more than 15 minutes off."""

    code = "RequestTimeTooSkewed"
    status = 403


class RequestExpired(AwsError):
    """A presigned URL past its time; S3 says AccessDenied."""

    code = "AccessDenied"
    status = 403


class InvalidAccessKeyId(AwsError):
    """S3's word for an unknown key."""

    code = "InvalidAccessKeyId"
    status = 403


class InvalidTokenS3(AwsError):
    """S3's word for a session token that is no good."""

    code = "InvalidToken"
    status = 400


class UnrecognizedClient(AwsError):
    """The JSON services' word for an unknown key or token."""

    code = "UnrecognizedClientException"
    status = 400


class ExpiredTokenException(AwsError):
    """The JSON services' word for an expired token."""

    code = "ExpiredTokenException"
    status = 400


class ExpiredTokenS3(AwsError):
    """S3's status for an expired token is 400."""

    code = "ExpiredToken"
    status = 400


class ContentSha256Mismatch(AwsError):
    """S3: the body's hash is not the one that was signed."""

    code = "XAmzContentSHA256Mismatch"


class InvalidDigest(AwsError):
    """S3: a Content-MD5 that is not the base64 of 16 bytes."""

    code = "InvalidDigest"


class BadDigest(AwsError):
    """S3: the body does not have the checksum that was sent with it."""

    code = "BadDigest"


class IncompleteBody(AwsError):
    """S3: fewer bytes than were announced, or a chunk that breaks off."""

    code = "IncompleteBody"
