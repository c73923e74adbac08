"""SageMaker's errors, and those of the pages under ``/_studio``."""

from lakewarden.kernel.errors import AwsError


class ResourceNotFound(AwsError):
    """The domain, profile, space or app does not exist."""

    code = "ResourceNotFound"


class ResourceInUse(AwsError):
    """The name is taken, or something still hangs on the resource."""

    code = "ResourceInUse"


class ResourceLimitExceeded(AwsError):
    """A quota of the server: so many domains, profiles, spaces or running apps."""

    code = "ResourceLimitExceeded"


class TrustRefused(Exception):
    """The execution role does not let SageMaker assume it as it must; the text says what its trust policy lacks."""


class CannotStart(Exception):
    """A notebook process did not come up; the text says why."""


class PageRefused(Exception):
    """A request to a page or a notebook that is not answered. ``status`` is HTTP's, the text is shown to the person.

    ``start`` is the space whose JupyterLab she may start from that page; empty for none.
    """

    def __init__(self, status: int, text: str, start: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.start = start
