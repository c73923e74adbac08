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
