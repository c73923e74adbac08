"""Athena's errors: those of its API, and those that end a query."""

from lakewarden.kernel.errors import AwsError


class InvalidRequestException(AwsError):
    """A parameter that Athena does not take, or something that is not there."""

    code = "InvalidRequestException"

    def __init__(self, message: str, athena_code: str = "INVALID_INPUT") -> None:
        super().__init__(message, {"AthenaErrorCode": athena_code})


class ResourceNotFoundException(AwsError):
    """There is no such prepared statement or tagged resource."""

    code = "ResourceNotFoundException"


class MetadataException(AwsError):
    """The catalog has no such thing for this caller. ``cause`` is Glue's code, in the envelope that clients look for it."""

    code = "MetadataException"

    def __init__(self, message: str, cause: str = "EntityNotFoundException") -> None:
        super().__init__(f"{message} (Service: AmazonDataCatalog; Status Code: 400; Error Code: {cause}; Proxy: null)")


class QueryFailed(Exception):
    """Ends a query as FAILED. ``category`` 1 is the system's fault, 2 the user's, 3 another's (AthenaError)."""

    def __init__(self, text: str, category: int, error_type: int) -> None:
        super().__init__(text)
        self.text = text
        self.category = category
        self.error_type = error_type


class QueryCancelled(Exception):
    """Ends a query as CANCELLED."""

    def __init__(self, text: str = "Query cancelled by user") -> None:
        super().__init__(text)
        self.text = text
