"""The demo's outcome, for people and for machines."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lakewarden.demo.notebook import Exploration
from lakewarden.demo.walkthrough import LIMITED, Outcome

_VALUE_WIDTH = 28


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Everything that the demo shows, as one JSON object."""
    return {
        "dataset": {
            "database": outcome.dataset.database,
            "table": outcome.dataset.table,
            "location": outcome.dataset.location,
            "rows": outcome.dataset.row_count,
            "columns": [name for name, _ in outcome.dataset.columns],
            "hidden": list(outcome.dataset.hidden),
        },
        "scientists": {
            scientist: {
                "databases": list(seen.databases),
                "tables": list(seen.tables),
                "columns": list(seen.columns),
                "rows": seen.rows,
                "sample": [dict(row) for row in seen.sample],
                "answers": dict(seen.answers),
            }
            for scientist, seen in outcome.explorations.items()
        },
        "rawObject": outcome.raw_object,
        "audit": {
            "accesses": [
                {
                    "person": access.person,
                    "role": access.role,
                    "queryId": access.query_id,
                    "table": access.table,
                    "columns": list(access.columns),
                    "eventTime": access.at,
                }
                for access in outcome.audit
            ],
            "refusals": [dict(refusal) for refusal in outcome.refusals],
        },
    }


def show(outcome: Outcome, console: Console) -> None:
    """Print both notebooks side by side, the refusals, and who read which columns. Readable at 80 characters."""
    data = outcome.dataset
    console.rule("the same notebook, two scientists")
    console.print(f"The first row of {data.database}.{data.table}, as each of them got it:\n", highlight=False)
    console.print(_side_by_side(outcome))
    for scientist, seen in outcome.explorations.items():
        console.print(
            f"[bold]{scientist}[/] sees the databases {', '.join(seen.databases)}; {len(seen.columns)} columns x"
            f" {seen.rows:,} rows",
            highlight=False,
        )
    console.rule("what was not granted does not exist")
    for column, answer in outcome.explorations[LIMITED].answers.items():
        _said(console, f"{LIMITED} asks for {column}", answer)
    _said(console, f"{LIMITED} opens the object itself", outcome.raw_object)
    console.rule("the audit trail: who read which columns")
    console.print(_audit_table(outcome))
    for refusal in outcome.refusals:
        _said(console, f"{refusal['person']} was refused", refusal["error"])


def _said(console: Console, title: str, answer: str) -> None:
    console.print(f"[bold]{escape(title)}[/]:", highlight=False)
    console.print(f"  {escape(answer)}", highlight=False, soft_wrap=True)


def _side_by_side(outcome: Outcome) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("column", no_wrap=True)
    for scientist in outcome.explorations:
        table.add_column(scientist, overflow="ellipsis", no_wrap=True, max_width=_VALUE_WIDTH)
    for column, _ in outcome.dataset.columns:
        cells = [_first_value(seen, column) for seen in outcome.explorations.values()]
        table.add_row(escape(column), *cells)
    return table


def _first_value(seen: Exploration, column: str) -> str:
    if column not in seen.columns:
        return "[dim]-[/]"
    return escape(" ".join(seen.sample[0][column].split())) if seen.sample else ""


def _audit_table(outcome: Outcome) -> Table:
    total = len(outcome.dataset.columns)
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for title in ("time (UTC)", "person", "query"):
        table.add_column(title, no_wrap=True)
    table.add_column(f"columns of {outcome.dataset.table} that were read")
    for access in outcome.audit:
        columns = f"{len(access.columns)} of {total}: {', '.join(access.columns)}"
        table.add_row(access.at[11:19], access.person, access.query_id[:8], columns)
    return table
