"""The same finding under the code that each family of services uses for it.

Verification and parsing raise one neutral class per finding. AWS's services grew up apart: the query services (IAM,
STS), the JSON services (Athena, Glue) and S3 each have their own codes, and clients act on them (botocore refreshes
credentials on ``ExpiredToken`` and ``ExpiredTokenException``, corrects its clock on ``RequestTimeTooSkewed``).
"""

from enum import Enum

from lakewarden.kernel.credentials import ExpiredToken, InvalidToken, UnknownAccessKey
from lakewarden.kernel.errors import AwsError, ValidationError
from lakewarden.wire import errors
from lakewarden.wire.models import protocol


class Family(Enum):
    """Services whose errors are named alike."""

    JSON = "json"
    QUERY = "query"
    S3 = "s3"


_OF_PROTOCOL = {"json": Family.JSON, "rest-json": Family.JSON, "query": Family.QUERY, "rest-xml": Family.S3}

_BAD_TOKEN = "The security token included in the request is invalid."  # noqa: S105 - a message
_EXPIRED = "The security token included in the request is expired"

# Finding -> family -> (class, AWS's text where it differs from the finding's own).
_WORDS: dict[type[AwsError], dict[Family, tuple[type[AwsError], str]]] = {
    errors.SignatureDoesNotMatch: {Family.JSON: (errors.InvalidSignatureException, "")},
    errors.SignatureExpired: {
        Family.JSON: (errors.InvalidSignatureException, ""),
        Family.S3: (
            errors.RequestTimeTooSkewed,
            "The difference between the request time and the server's time is too large.",
        ),
    },
    errors.UnsignedHeaders: {
        Family.JSON: (errors.InvalidSignatureException, ""),
        Family.QUERY: (errors.SignatureDoesNotMatch, ""),
    },
    errors.IncompleteSignature: {
        Family.JSON: (errors.IncompleteSignatureException, ""),
        Family.S3: (errors.AuthorizationHeaderMalformed, ""),
    },
    UnknownAccessKey: {
        Family.JSON: (errors.UnrecognizedClient, _BAD_TOKEN),
        Family.S3: (errors.InvalidAccessKeyId, "The AWS Access Key Id you provided does not exist in our records."),
    },
    InvalidToken: {
        Family.JSON: (errors.UnrecognizedClient, _BAD_TOKEN),
        Family.S3: (errors.InvalidTokenS3, "The provided token is malformed or otherwise invalid."),
    },
    ExpiredToken: {
        Family.JSON: (errors.ExpiredTokenException, _EXPIRED),
        Family.S3: (errors.ExpiredTokenS3, "The provided token has expired."),
    },
    ValidationError: {Family.QUERY: (errors.QueryValidationError, ""), Family.S3: (errors.InvalidRequest, "")},
}


def family(service: str) -> Family:
    """The family of ``service``; S3's where no service is known."""
    return _OF_PROTOCOL[protocol(service)] if service else Family.S3


def spoken(service: str, error: AwsError) -> AwsError:
    """``error`` as ``service`` would say it; errors that all services share come back as they are."""
    for finding, words in _WORDS.items():
        if isinstance(error, finding):
            said = words.get(family(service))
            return said[0](said[1] or error.message, error.members) if said is not None else error
    return error
