"""What a statement that wrote files answers with: a manifest of them, and the metadata beside it."""

from collections.abc import Sequence

from lakewarden.kernel.call import Call
from lakewarden.query.model import Execution
from lakewarden.query.ports import ResultColumn, ResultStore
from lakewarden.query.progress import Progress
from lakewarden.query.results import metadata

ROWS = (ResultColumn("rows", "bigint", 19),)


def answer(results: ResultStore, call: Call, execution: Execution, progress: Progress, uris: Sequence[str]) -> None:
    """The manifest and its metadata become objects with the end of the execution, by the caller's own rights."""
    progress.columns, progress.complete = ROWS, True
    progress.manifest = f"{execution.output}-manifest.csv"
    lines = "".join(f"{uri}\n" for uri in uris).encode()
    progress.drafts.append(results.draft(call, progress.manifest, iter((lines,))))
    facts = iter((metadata(ROWS),))
    progress.drafts.append(results.draft(call, f"{execution.output}.metadata", facts))
