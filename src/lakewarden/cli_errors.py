"""How a command ends that cannot do its work: one line on standard error, status 1."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def plain_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Turn these kinds of exceptions into a line and status 1."""
    try:
        yield
    except kinds as error:
        typer.echo(f"lakewarden: {error}", err=True)
        raise typer.Exit(1) from error
