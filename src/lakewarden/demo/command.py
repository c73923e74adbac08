"""What ``lakewarden demo`` does, once its options are read."""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lakewarden.demo import dataset, report, walkthrough
from lakewarden.demo.errors import DemoError
from lakewarden.demo.server import initialise, serving

_MARK = ".lakewarden-demo"


def default_directory() -> Path:
    """Where the demo lives unless told otherwise: one fixed scratch directory per user."""
    return Path(tempfile.gettempdir()) / "lakewarden-demo"


def clean(directory: Path) -> None:
    """Remove a demo directory, and only a demo directory."""
    if not directory.exists():
        return
    if not (directory / _MARK).exists():
        raise DemoError(f"{directory} was not made by the demo; it is left alone")
    shutil.rmtree(directory)


def demo(directory: Path, file: Path | None, hide: tuple[str, ...], *, as_json: bool) -> None:
    """Run the walkthrough in a fresh ``directory`` and print what it shows."""
    console = Console(stderr=as_json)
    data = dataset.from_file(file, hide) if file is not None else dataset.loans()
    clean(directory)
    directory.mkdir(mode=0o700, parents=True)
    (directory / _MARK).touch()
    server_data = directory / "data"
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("start a server", total=None)
        administrator = initialise(server_data)
        with serving(server_data, administrator) as server:
            outcome = walkthrough.run(server, data, lambda step: progress.update(task, description=step))
        progress.update(task, description="done")
    if as_json:
        sys.stdout.write(json.dumps(report.as_json(outcome), indent=2, ensure_ascii=False) + "\n")
        return
    report.show(outcome, console)
    console.rule("go on")
    for text in (
        f"lakewarden serve --data {server_data}",
        "export AWS_ENDPOINT_URL=http://127.0.0.1:7070",
        f"export AWS_SHARED_CREDENTIALS_FILE={server_data / 'credentials'}   # the administrator",
        "lakewarden demo --clean   # removes it all",
    ):
        console.print(text, highlight=False, soft_wrap=True)
