"""CloudTrail's errors."""

from lakewarden.kernel.errors import AwsError


class InvalidLookupAttributesException(AwsError):
    """A lookup attribute that CloudTrail does not know, or more than one."""

    code = "InvalidLookupAttributesException"


class InvalidTimeRangeException(AwsError):
    """The start time is after the end time."""

    code = "InvalidTimeRangeException"


class InvalidNextTokenException(AwsError):
    """A token that was not made for this look-up."""

    code = "InvalidNextTokenException"


class InvalidMaxResultsException(AwsError):
    """Pages hold 1 to 50 events."""

    code = "InvalidMaxResultsException"


class InvalidEventCategoryException(AwsError):
    """Insights events are not collected."""

    code = "InvalidEventCategoryException"


class TrailNotFoundException(AwsError):
    """No trail has this name."""

    code = "TrailNotFoundException"


class TrailAlreadyExistsException(AwsError):
    """A trail of this name exists."""

    code = "TrailAlreadyExistsException"


class InvalidTrailNameException(AwsError):
    """Trail names have 3 to 128 letters, digits, periods, underscores and dashes, and are no IP addresses."""

    code = "InvalidTrailNameException"


class CloudTrailARNInvalidException(AwsError):
    """Not the ARN of a trail of this account."""

    code = "CloudTrailARNInvalidException"


class S3BucketDoesNotExistException(AwsError):
    """The bucket that a trail should deliver to is not there."""

    code = "S3BucketDoesNotExistException"


class InsufficientS3BucketPolicyException(AwsError):
    """The bucket's policy does not let ``cloudtrail.amazonaws.com`` deliver."""

    code = "InsufficientS3BucketPolicyException"


class InvalidS3PrefixException(AwsError):
    """The key prefix is too long or has characters that CloudTrail does not take."""

    code = "InvalidS3PrefixException"


class InvalidEventSelectorsException(AwsError):
    """Selectors that CloudTrail does not take, or for events that there are not here."""

    code = "InvalidEventSelectorsException"


class InvalidParameterCombinationException(AwsError):
    """Parameters that exclude each other."""

    code = "InvalidParameterCombinationException"


class MaximumNumberOfTrailsExceededException(AwsError):
    """A region has at most five trails."""

    code = "MaximumNumberOfTrailsExceededException"


class UnsupportedOperationException(AwsError):
    """Something of CloudTrail that is not offered; the text names it."""

    code = "UnsupportedOperationException"


class ConflictException(AwsError):
    """A trail of this name is still being deleted: its last files are on their way."""

    code = "ConflictException"


class ResourceNotFoundException(AwsError):
    """The resource to be tagged is not there."""

    code = "ResourceNotFoundException"


class TagsLimitExceededException(AwsError):
    """A trail has at most 50 tags."""

    code = "TagsLimitExceededException"


class EventDataStoreNotFoundException(AwsError):
    """No event data store has this ARN or id."""

    code = "EventDataStoreNotFoundException"


class InvalidQueryStatementException(AwsError):
    """Not a query of event data stores; the text says why."""

    code = "InvalidQueryStatementException"


class InvalidQueryStatusException(AwsError):
    """No query ever has this status."""

    code = "InvalidQueryStatusException"


class InvalidDateRangeException(AwsError):
    """The start time is after the end time."""

    code = "InvalidDateRangeException"


class InvalidParameterException(AwsError):
    """A parameter that is missing, or that excludes another."""

    code = "InvalidParameterException"


class QueryIdNotFoundException(AwsError):
    """The caller has no query of this id: absent ones and those of others are alike."""

    code = "QueryIdNotFoundException"


class InactiveQueryException(AwsError):
    """The query has ended already."""

    code = "InactiveQueryException"


class MaxConcurrentQueriesException(AwsError):
    """The caller has as many queries under way as it may."""

    code = "MaxConcurrentQueriesException"
