"""Glue's errors."""

from lakewarden.kernel.errors import AwsError


class EntityNotFoundException(AwsError):
    """The database or table does not exist."""

    code = "EntityNotFoundException"


class AlreadyExistsException(AwsError):
    """The name is taken."""

    code = "AlreadyExistsException"


class InvalidInputException(AwsError):
    """A parameter that Glue does not take."""

    code = "InvalidInputException"


class InsufficientPermissions(AwsError):
    """Lake Formation's refusal of a catalog operation; the same for what is hidden and what is not there."""

    code = "AccessDeniedException"

    def __init__(self, required: str, name: str) -> None:
        super().__init__(f"Insufficient Lake Formation permission(s): Required {required} on {name}")


class ConcurrentModificationException(AwsError):
    """The version that was to be changed is not the current one."""

    code = "ConcurrentModificationException"


class ConditionCheckFailureException(AwsError):
    """A condition that the caller set does not hold."""

    code = "ConditionCheckFailureException"


class CrawlerRunningException(AwsError):
    """The crawler runs already, and cannot be started or changed."""

    code = "CrawlerRunningException"


class CrawlerNotRunningException(AwsError):
    """The crawler does not run."""

    code = "CrawlerNotRunningException"


class CrawlerStoppingException(AwsError):
    """The crawler is being stopped."""

    code = "CrawlerStoppingException"


class NoScheduleException(AwsError):
    """The crawler has no schedule."""

    code = "NoScheduleException"


class SchedulerRunningException(AwsError):
    """The schedule is in force already."""

    code = "SchedulerRunningException"


class SchedulerNotRunningException(AwsError):
    """The schedule is stopped already."""

    code = "SchedulerNotRunningException"
