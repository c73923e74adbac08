"""The demo's outcome, for people and for machines."""

from typing import Any

from rich.columns import Columns
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from lakewarden.demo.notebook import Exploration
from lakewarden.demo.walkthrough import LIMITED, Outcome

_SAMPLE_ROWS = 3
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
    """Print both notebooks side by side, the refusals, and who read which columns."""
    console.rule("the same notebook, two scientists")
    console.print(Columns([_panel(name, seen) for name, seen in outcome.explorations.items()], equal=True))
    console.rule("what was not granted does not exist")
    for column, answer in outcome.explorations[LIMITED].answers.items():
        console.print(f"[bold]{LIMITED}[/] asks for [bold]{column}[/]:\n  {answer}", highlight=False)
    console.print(f"[bold]{LIMITED}[/] opens the object itself:\n  {outcome.raw_object}", highlight=False)
    console.rule("the audit trail: who read which columns")
    console.print(_audit_table(outcome))
    for refusal in outcome.refusals:
        console.print(f"refused to [bold]{refusal['person']}[/]: {refusal['error']}", highlight=False)


def _panel(scientist: str, seen: Exploration) -> Panel:
    table = Table(box=None, show_header=True, header_style="bold")
    table.add_column("column")
    for number in range(1, _SAMPLE_ROWS + 1):
        table.add_column(f"row {number}", overflow="ellipsis", no_wrap=True, max_width=_VALUE_WIDTH)
    for column in seen.columns:
        table.add_row(column, *(row[column].replace("\n", " ") for row in seen.sample[:_SAMPLE_ROWS]))
    title = f"{scientist}: {len(seen.columns)} columns x {seen.rows:,} rows"
    return Panel(table, title=title, subtitle=f"databases: {', '.join(seen.databases)}")


def _audit_table(outcome: Outcome) -> Table:
    total = len(outcome.dataset.columns)
    table = Table("time", "person", "role", "query", "table", "columns read")
    for access in outcome.audit:
        listed = ", ".join(access.columns[:6]) + (" ..." if len(access.columns) > 6 else "")
        columns = f"{len(access.columns)} of {total}: {listed}"
        table.add_row(access.at, access.person, access.role, access.query_id, access.table, columns)
    return table
