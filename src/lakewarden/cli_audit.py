"""``lakewarden audit``: what a terminal on the server's machine asks of the audit trail."""

import csv
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakewarden.cli_errors import plain_errors
from lakewarden.config import ConfigError, DataDirectory

if TYPE_CHECKING:
    from lakewarden.audit.history import Wanted

audit_app = typer.Typer(no_args_is_help=True, help="Work with the audit trail.")
Data = Annotated[Path, typer.Option("--data", help="The server's data directory.")]


class Form(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


Person = Annotated[str, typer.Option(help="Only this person (or ARN of a principal or role).")]
Table = Annotated[str, typer.Option(help="Only queries that read this table: DATABASE.TABLE.")]
Database = Annotated[str, typer.Option(help="Only queries that read a table of this database.")]
Since = Annotated[datetime | None, typer.Option(help="Only what ended at or after this time (UTC).")]
Until = Annotated[datetime | None, typer.Option(help="Only what ended at or before this time (UTC).")]
Format = Annotated[Form, typer.Option("--format", help="How rows are printed.")]


@audit_app.command()
def verify(data: Data) -> None:
    """Prove that the audit log is complete, in order and unchanged; name the first broken record if it is not."""
    from lakewarden.bootstrap import verify_audit

    with plain_errors(ConfigError):
        report = verify_audit(DataDirectory.at(data))
    typer.echo(str(report))
    raise typer.Exit(0 if report.ok else 1)


@audit_app.command()
def queries(
    data: Data,
    person: Person = "",
    table: Table = "",
    database: Database = "",
    state: Annotated[str, typer.Option(help="Only SUCCEEDED, FAILED or CANCELLED.")] = "",
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 100,
    texts: Annotated[bool, typer.Option("--sql", help="With the statements' texts.")] = False,
    form: Format = Form.TABLE,
) -> None:
    """Print who read which columns: one row per query, the newest first."""
    import msgspec

    from lakewarden.bootstrap_audit import query_history

    wanted = _wanted(person, table, database, state, since, until)
    with plain_errors(ConfigError), query_history(DataDirectory.at(data)) as history:
        found = [msgspec.structs.asdict(row) for row in history.queries(wanted, limit, texts=texts)]
    shown = ("completed", "person", "state", "columns", "filters", "error", "rows", "duration_ms", "query_id")
    _print(found, (*shown, "sql") if texts else shown, form)


@audit_app.command()
def activity(
    data: Data,
    person: Person = "",
    table: Table = "",
    database: Database = "",
    since: Since = None,
    until: Until = None,
    form: Format = Form.TABLE,
) -> None:
    """Print the access activity of each table and principal, the busiest first."""
    from dataclasses import asdict

    from lakewarden.bootstrap_audit import query_history

    wanted = _wanted(person, table, database, "", since, until)
    with plain_errors(ConfigError), query_history(DataDirectory.at(data)) as history:
        found = [asdict(one) for one in history.activity(wanted)]
    _print(found, ("table", "person", "principal", "queries", "failed", "last", "columns"), form)


@audit_app.command()
def digest(data: Data, trail: Annotated[str, typer.Argument(help="The trail's name.")]) -> None:
    """Ask for a digest of a trail now; the running server writes it within seconds."""
    from lakewarden.bootstrap_audit import want_digest

    with plain_errors(ConfigError):
        want_digest(DataDirectory.at(data), trail)


@audit_app.command("rotate-key")
def rotate_key(data: Data) -> None:
    """End the time of the key that signs digests: the next digest is signed by a new one."""
    from lakewarden.bootstrap_audit import rotate_digest_key

    with plain_errors(ConfigError):
        rotate_digest_key(DataDirectory.at(data))


def _wanted(
    person: str, table: str, database: str, state: str, since: datetime | None, until: datetime | None
) -> "Wanted":
    from datetime import UTC

    from lakewarden.audit.history import Wanted

    start, end = (None if at is None else int(at.replace(tzinfo=UTC).timestamp()) for at in (since, until))
    return Wanted(person, table, database, state, start, end)


def _print(rows: Sequence[dict[str, Any]], shown: Sequence[str], form: Form) -> None:
    if form is Form.JSON:
        sys.stdout.write(json.dumps(rows, indent=2, default=list) + "\n")
    elif form is Form.CSV:
        writer = csv.writer(sys.stdout)
        names = list(rows[0]) if rows else list(shown)
        writer.writerow(names)
        writer.writerows([_cell(row[name], ";") for name in names] for row in rows)
    else:
        _print_table(rows, shown)


def _print_table(rows: Sequence[dict[str, Any]], shown: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table as Grid

    grid = Grid()
    for name in shown:
        grid.add_column(name.replace("_", " "), no_wrap=name in {"completed", "last", "query_id"})
    for row in rows:
        grid.add_row(*(_plain(_cell(_grouped(name, row[name]), "\n")) for name in shown))
    Console(soft_wrap=False, width=None if sys.stdout.isatty() else 200).print(grid)


def _grouped(name: str, value: Any) -> Any:
    """Columns by their table, so that a row stays a few lines high; instants to the second."""
    if name in {"completed", "last"}:
        return str(value)[:19]
    if name != "columns":
        return value
    tables: dict[str, list[str]] = {}
    for column in value:
        table, _, short = str(column).rpartition(".")
        tables.setdefault(table, []).append(short)
    return [f"{table}: {', '.join(names)}" if table else ", ".join(names) for table, names in tables.items()]


def _plain(text: str) -> str:
    """What a client wrote is text: never a style, nor a control sequence of the terminal."""
    return "".join(one if one.isprintable() or one == "\n" else "?" for one in text).replace("[", "\\[")


def _cell(value: Any, separator: str) -> str:
    """A value as text. One that a spreadsheet would take for a formula gets an apostrophe."""
    text = separator.join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f"'{text}" if separator == ";" and text[:1] in "=+-@\t\r" and not isinstance(value, int) and text else text
