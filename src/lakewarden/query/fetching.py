"""GetQueryResults: a page of a result, from memory where it is small and just made, else from its object."""

from lakewarden.kernel.call import Call
from lakewarden.query.errors import InvalidRequestException
from lakewarden.query.live import LiveQueries
from lakewarden.query.model import Execution
from lakewarden.query.ports import ResultColumn, ResultStore
from lakewarden.query.results import Page, columns_of, read_csv_page

Fetched = tuple[tuple[ResultColumn, ...], Page]


class Fetcher:
    """Reads results with the caller's own rights."""

    def __init__(self, live: LiveQueries, results: ResultStore) -> None:
        self._live = live
        self._results = results

    def page(self, call: Call, execution: Execution, offset: int, limit: int) -> Fetched:
        """A page that begins at a byte offset; offset 0 begins with a DML result's header."""
        if execution.state != "SUCCEEDED":
            raise InvalidRequestException(f"Query has not yet finished. Current state: {execution.state}")
        if execution.manifest:
            self._results.may_read(call, execution.manifest)
            return columns_of(self._results.read(call, f"{execution.output}.metadata", 0, 1 << 16)), Page((), None)
        held = self._held(call, execution, limit) if offset == 0 else None
        if held is not None:
            return held
        columns = columns_of(self._results.read(call, f"{execution.output}.metadata", 0, 1 << 22))
        if execution.kind != "DML":
            text = self._results.read(call, execution.output, 0, 1 << 24).decode()
            lines = [tuple(line.split("\t")) for line in text.splitlines()]
            page = lines[offset : offset + limit]
            end = offset + limit
            return columns, Page(tuple(page), end if end < len(lines) else None)
        return columns, read_csv_page(
            lambda start, length: self._results.read(call, execution.output, start, length), offset, limit
        )

    def _held(self, call: Call, execution: Execution, limit: int) -> Fetched | None:
        """The whole result, where memory holds it and it fits into one page."""
        live = self._live.get(execution.id)
        if live is None or not live.progress.complete:
            return None
        # The rows are the stored object's; the right to read that is asked for all the same.
        self._results.may_read(call, execution.output)
        rows = tuple(live.progress.first_rows)
        if execution.kind == "DML":
            rows = (tuple(column.name for column in live.progress.columns), *rows)
        return (live.progress.columns, Page(rows, None)) if len(rows) <= limit else None
