"""Runs the committed notebook as one scientist, in a real Jupyter kernel."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets.config import Config

from lakewarden.demo.errors import DemoError

_CELL_SECONDS = 300
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE")


@dataclass(frozen=True, slots=True)
class Exploration:
    """What one scientist's notebook showed: names, the columns and rows of ``SELECT *``, and the refused questions."""

    databases: tuple[str, ...]
    tables: tuple[str, ...]
    columns: tuple[str, ...]
    rows: int
    sample: tuple[Mapping[str, str], ...]
    answers: Mapping[str, str]


def explore(environment: Mapping[str, str]) -> Exploration:
    """Run ``exploration.ipynb`` with nothing but ``environment``; raises :class:`DemoError` when a cell fails."""
    source = files("lakewarden.demo").joinpath("exploration.ipynb").read_text(encoding="utf-8")
    notebook = nbformat.reads(source, as_version=4)
    # The kernel gets the scientist's credentials and nothing of the administrator's environment.
    kernel_environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | dict(environment)
    # The kernel is spoken to over sockets in the file system, which no other user can open.
    config = Config(KernelManager={"transport": "ipc"})
    client = NotebookClient(notebook, timeout=_CELL_SECONDS, kernel_name="python3", config=config)
    try:
        client.execute(env=kernel_environment)
    except CellExecutionError as error:
        raise DemoError(f"the notebook failed:\n{error}") from error
    return exploration_of(notebook.cells[-1].outputs)


def exploration_of(outputs: Iterable[Mapping[str, Any]]) -> Exploration:
    """What the outputs of the notebook's last cell report; raises :class:`DemoError` when they report nothing."""
    report = _report(outputs)
    return Exploration(
        databases=tuple(report["databases"]),
        tables=tuple(report["tables"]),
        columns=tuple(report["columns"]),
        rows=int(report["rows"]),
        sample=tuple(report["sample"]),
        answers=dict(report["answers"]),
    )


def _report(outputs: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    for output in outputs:
        found: Mapping[str, Any] | None = output.get("data", {}).get("application/json")
        if found is not None:
            return found
    raise DemoError("the notebook's last cell showed no report")
