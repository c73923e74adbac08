"""What can be wrong with a database, and how its failures look to a client."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
import structlog

from lakewarden.kernel.errors import ServiceUnavailable, ValidationError

_log = structlog.get_logger("lakewarden.state")


class UnusableDatabase(Exception):
    """The database cannot be used as it is set up; the text says what to change. Raised when a server starts."""


@contextmanager
def answerable() -> Iterator[None]:
    """Turn the database's failures into answers.

    A database that is away, locked, full or read-only is ServiceUnavailable: the transaction is rolled back, nothing is
    done. A value that cannot be kept (PostgreSQL's text takes no NUL, its columns have a length) is the caller's
    ValidationException. The statement and its values stay out of the log: they may be anything.
    """
    try:
        yield
    except sa.exc.DataError as error:
        raise ValidationError("A value is too long, or holds a character that cannot be stored.") from error
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
        _log.error("the database cannot be used", cause=str(getattr(error, "orig", None) or type(error).__name__))
        raise ServiceUnavailable("The server's database cannot be used right now.") from error
