"""IAM's and STS's errors."""

from lakewarden.kernel.errors import AwsError


class NoSuchEntity(AwsError):
    """The named user, group, role, policy or key does not exist."""

    code = "NoSuchEntity"
    status = 404


class EntityAlreadyExists(AwsError):
    """The name is taken; names differ in more than case."""

    code = "EntityAlreadyExists"
    status = 409


class DeleteConflict(AwsError):
    """Something still hangs on the entity."""

    code = "DeleteConflict"
    status = 409


class LimitExceeded(AwsError):
    """An IAM quota."""

    code = "LimitExceeded"
    status = 409


class InvalidInput(AwsError):
    """A parameter that IAM does not take."""

    code = "InvalidInput"


class ValidationError(AwsError):
    """A parameter outside its constraints."""

    code = "ValidationError"


class UnmodifiableEntity(AwsError):
    """AWS's own policies cannot be changed."""

    code = "AccessDenied"
    status = 403


class PasswordPolicyViolation(AwsError):
    """The password is too simple."""

    code = "PasswordPolicyViolation"


class InvalidAuthorizationMessage(AwsError):
    """STS cannot read the message."""

    code = "InvalidAuthorizationMessageException"


class PackedPolicyTooLarge(AwsError):
    """Session policies and tags together are too large."""

    code = "PackedPolicyTooLarge"
