"""Lake Formation's errors."""

from lakewarden.kernel.errors import AwsError


class InvalidInputException(AwsError):
    """A parameter that Lake Formation does not take."""

    code = "InvalidInputException"


class EntityNotFoundException(AwsError):
    """The resource, principal or registration does not exist."""

    code = "EntityNotFoundException"


class AlreadyExistsException(AwsError):
    """The location is registered already."""

    code = "AlreadyExistsException"


class InsufficientPermissions(AwsError):
    """Lake Formation's own refusal, after IAM has allowed."""

    code = "AccessDeniedException"

    def __init__(self, required: str, name: str) -> None:
        super().__init__(f"Insufficient Lake Formation permission(s): Required {required} on {name}")


class ConcurrentModificationException(AwsError):
    """The version that was to be changed is not the current one."""

    code = "ConcurrentModificationException"


class PermissionTypeMismatchException(AwsError):
    """The engine does not enforce the kind of permission that it is asked to."""

    code = "PermissionTypeMismatchException"
