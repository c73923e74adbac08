"""The ``lakewarden`` command."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from lakewarden.cli_audit import audit_app
from lakewarden.cli_errors import plain_errors as _plain_errors
from lakewarden.config import DEFAULT_REGION, ConfigError, DataDirectory

app = typer.Typer(add_completion=False, no_args_is_help=True, help="A governed, audited data lake behind the AWS APIs.")
app.add_typer(audit_app, name="audit")

Data = Annotated[Path, typer.Option("--data", help="The server's data directory.")]


def main() -> None:
    """Entry point of the ``lakewarden`` script."""
    app()


@app.command()
def init(
    data: Data,
    account: Annotated[str, typer.Option(help="Twelve digits; random if not given.")] = "",
    region: Annotated[str, typer.Option(help="The region that the server answers for.")] = DEFAULT_REGION,
    database_url: Annotated[
        str, typer.Option(help="postgresql://user@host/name for the state; embedded SQLite if not given.")
    ] = "",
) -> None:
    """Make an account with its administrator, and print the administrator's keys, once, as JSON."""
    from lakewarden.bootstrap import initialise

    with _plain_errors(ConfigError, OSError):
        administrator = initialise(DataDirectory.at(data), account, region, database_url)
    sys.stdout.write(json.dumps(administrator) + "\n")


@app.command()
def serve(
    data: Data,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port of every service.", min=0, max=65535)] = 7070,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM file of the certificate chain.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file of the certificate's key.")] = None,
    trusted_proxy: Annotated[
        str, typer.Option(help="The address whose X-Forwarded-For and X-Forwarded-Proto are believed.")
    ] = "",
    unsafe_notebooks: Annotated[
        bool, typer.Option("--unsafe-notebooks", help="Start notebooks without a wall: they can read all that we can.")
    ] = False,
) -> None:
    """Serve every service on one port until SIGTERM or SIGINT."""
    from lakewarden.serve import Listening
    from lakewarden.serve import serve as run

    with _plain_errors(ConfigError, OSError):
        listening = Listening(host, port, tls_cert, tls_key, trusted_proxy)
        run(DataDirectory.at(data), listening, unsafe_notebooks=unsafe_notebooks)


@app.command()
def demo(
    file: Annotated[Path | None, typer.Option(help="A CSV or Parquet file instead of the packaged loans.")] = None,
    hide: Annotated[str, typer.Option(help="Columns that the limited scientist may not see: COL,COL.")] = "",
    directory: Annotated[Path | None, typer.Option(help="Where the demo's server keeps its data.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    clean: Annotated[
        bool, typer.Option("--clean", help="Remove what an earlier demo left, and do nothing else.")
    ] = False,
) -> None:
    """Run the walkthrough: one notebook, two scientists, different columns, and the trail that names them."""
    from lakewarden.demo import command
    from lakewarden.demo.errors import DemoError

    place = directory or command.default_directory()
    hidden = tuple(name.strip() for name in hide.split(",") if name.strip())
    with _plain_errors(DemoError):
        if clean:
            command.clean(place)
        else:
            command.demo(place, file, hidden, as_json=as_json)
