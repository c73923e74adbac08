"""Who read what: the joined view and Lake Formation's recent activity, newest first, straight from the log."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from lakewarden.audit.index import EventIndex, Position, Question
from lakewarden.audit.ports import Executions
from lakewarden.audit.queries import OUTCOME, Execution, QueryRow, query_row
from lakewarden.audit.store import AuditStore

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which queries: each field that is not empty must fit. ``start`` and ``end`` are epoch seconds."""

    person: str = ""
    table: str = ""
    database: str = ""
    state: str = ""
    start: int | None = None
    end: int | None = None

    def fits(self, row: QueryRow) -> bool:
        """Whether a query is wanted."""
        return (
            self.person in {"", row.person, row.principal, row.role}
            and (not self.table or self.table.lower() in row.tables)
            and (not self.database or any(one.startswith(f"{self.database.lower()}.") for one in row.tables))
            and self.state.upper() in {"", row.state}
        )


@dataclass(frozen=True, slots=True)
class Activity:
    """What one principal did with one table: how often, how often refused or failed, when last, which columns."""

    table: str
    person: str
    principal: str
    queries: int
    failed: int
    last: str
    columns: tuple[str, ...]


class QueryHistory:
    """Reads the log. Who may read it, and whose texts, is decided by whoever calls this."""

    def __init__(self, log: AuditStore, index: EventIndex, executions: Executions) -> None:
        self._log = log
        self._index = index
        self._executions = executions

    def queries(self, wanted: Wanted, limit: int, *, texts: bool) -> list[QueryRow]:
        """The newest ``limit`` queries that are wanted; their SQL only with ``texts``."""
        found: list[QueryRow] = []
        for row in self._rows(wanted, texts=texts):
            if wanted.fits(row):
                found.append(row)
                if len(found) == limit:
                    break
        return found

    def activity(self, wanted: Wanted) -> list[Activity]:
        """Per table and principal, the busiest first."""
        return activity_of(row for row in self._rows(wanted, texts=False) if wanted.fits(row))

    def _rows(self, wanted: Wanted, *, texts: bool) -> Iterator[QueryRow]:
        self._index.catch_up()
        before: Position | None = None
        while True:
            page = self._index.find(Question("EventName", OUTCOME, wanted.start, wanted.end, before, _PAGE))
            if not page:
                return
            records = self._log.by_number([sequence for _, sequence in page])
            decoded = {number: msgspec.json.decode(text) for number, text in records.items()}
            known = self._executions.find([_query_id(record) for record in decoded.values()])
            for _, sequence in page:
                if sequence in decoded:
                    execution = known.get(_query_id(decoded[sequence]), Execution())
                    if not texts:
                        execution = msgspec.structs.replace(execution, text="")
                    yield query_row(sequence, decoded[sequence], execution, self._log.text_seal)
            before = page[-1]


def activity_of(rows: Iterable[QueryRow]) -> list[Activity]:
    """Count queries by table and principal."""
    counts: Counter[tuple[str, str, str]] = Counter()
    failed: Counter[tuple[str, str, str]] = Counter()
    last: dict[tuple[str, str, str], str] = {}
    columns: dict[tuple[str, str, str], set[str]] = {}
    for row in rows:
        for table in row.tables:
            key = (table, row.person, row.role or row.principal)
            counts[key] += 1
            failed[key] += row.state != "SUCCEEDED"
            last[key] = max(last.get(key, ""), row.completed)
            columns.setdefault(key, set()).update(row.read[table])
    return [
        Activity(*key, count, failed[key], last[key], tuple(sorted(columns[key])))
        for key, count in counts.most_common()
    ]


def _query_id(record: dict[str, dict[str, str]]) -> str:
    return str((record.get("serviceEventDetails") or {}).get("queryId", ""))
