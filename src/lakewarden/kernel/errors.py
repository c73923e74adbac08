"""The root of every error that a client may see."""

from collections.abc import Mapping
from typing import Any, ClassVar


class AwsError(Exception):
    """An error with an AWS code. Subclass it in a context's ``errors.py``, one class per code.

    ``code`` is the code that the AWS API reference documents for the operation, ``status`` the HTTP status
    it travels with. ``members`` are further members of the modelled error shape (``AthenaErrorCode``, ...),
    ``headers`` further headers of the answer.
    The wire layer renders it in the form of the caller's protocol; nothing else maps errors.
    """

    code: ClassVar[str] = "InternalFailure"
    status: ClassVar[int] = 400

    def __init__(self, message: str, members: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.members: Mapping[str, Any] = members or {}
        self.headers: Mapping[str, str] = {}


class AccessDenied(AwsError):
    """The guard or a permission rule said no. ``AccessDenied`` in query and REST-XML services."""

    code = "AccessDenied"
    status = 403


class AccessDeniedException(AccessDenied):
    """The same refusal in the JSON services, which use another code and status 400."""

    code = "AccessDeniedException"
    status = 400


class NotImplementedOperation(AwsError):
    """An operation of the AWS model that Lakewarden does not offer (yet). Always names the operation."""

    code = "NotImplemented"
    status = 501


class ValidationError(AwsError):
    """A parameter breaks the model's or the service's constraints."""

    code = "ValidationException"
    status = 400


class InternalFailure(AwsError):
    """Something broke on our side. The client learns the request id and nothing else; the log has the rest."""

    code = "InternalFailure"
    status = 500

    def __init__(self) -> None:
        super().__init__("We encountered an internal error. Please try again.")


class ServiceUnavailable(AwsError):
    """The server cannot uphold an invariant right now (the audit log cannot be written): nothing is done."""

    code = "ServiceUnavailable"
    status = 503
