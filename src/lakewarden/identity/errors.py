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


class InvalidAuthenticationCode(AwsError):
    """The codes are not two that the device shows one after the other."""

    code = "InvalidAuthenticationCode"
    status = 403


class PasswordPolicyViolation(AwsError):
    """The password is too simple."""

    code = "PasswordPolicyViolation"


class WrongPassword(AwsError):
    """The old password is not the one that was given."""

    code = "AccessDenied"
    status = 403


class InvalidUserType(AwsError):
    """Only an IAM user has a password to change."""

    code = "InvalidUserType"


class ReportNotPresent(AwsError):
    """No credential report has been generated."""

    code = "ReportNotPresent"
    status = 410


class ReportExpired(AwsError):
    """The credential report is older than four hours."""

    code = "ReportExpired"
    status = 410


class InvalidIdentityToken(AwsError):
    """The provider's token is damaged, foreign, or signed by nobody whom the provider names."""

    code = "InvalidIdentityToken"


class ExpiredIdentityToken(AwsError):
    """The provider's token is not valid any more, or not yet."""

    code = "ExpiredTokenException"


class IdpRejectedClaim(AwsError):
    """The token's audience is not one of the provider's client ids."""

    code = "IDPRejectedClaim"
    status = 403


class IdpCommunicationError(AwsError):
    """The provider's keys cannot be fetched."""

    code = "IDPCommunicationError"


class InvalidAuthorizationMessage(AwsError):
    """STS cannot read the message."""

    code = "InvalidAuthorizationMessageException"


class PackedPolicyTooLarge(AwsError):
    """Session policies and tags together are too large."""

    code = "PackedPolicyTooLarge"
