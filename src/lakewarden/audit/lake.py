"""CloudTrail Lake: SQL over the event data stores, governed like Athena's, answered by CloudTrail's own operations.

Two rights are needed: IAM's ``cloudtrail:StartQuery`` on each store that a statement names, and Lake Formation's grant of
what it reads, column by column. Neither gives the other.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import msgspec
import structlog

from lakewarden.audit import datastores
from lakewarden.audit.errors import (
    EventDataStoreNotFoundException,
    InactiveQueryException,
    InvalidQueryStatementException,
    MaxConcurrentQueriesException,
    QueryIdNotFoundException,
)
from lakewarden.audit.lake_model import LakeQuery
from lakewarden.audit.lake_store import LakeStore
from lakewarden.audit.ports import Found, QueryAudit, Row, RunCancelled, StatementRefused, TrailSql
from lakewarden.ids import new_uuid
from lakewarden.kernel.call import Call, Principal
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.errors import AccessDeniedException, AwsError

_KEPT = timedelta(days=7)
_MOST_UNDER_WAY = 10
_MOST_ROWS = 100_000
_MOST_BYTES = 64 << 20
_PAGE_ROWS = 1000
_PAGE_BYTES = 2 << 20
_STATES = {"FINISHED": "SUCCEEDED"}
_log = structlog.get_logger("lakewarden.audit")
Submit = Callable[[str, Callable[[], None]], None]


class LakeService:
    """The queries of one account. ``submit`` runs a job behind an owner's others; ``may_act`` says whether a principal's
    session still holds.
    """

    def __init__(
        self,
        store: LakeStore,
        sql: TrailSql,
        audit: QueryAudit,
        submit: Submit,
        may_act: Callable[[Principal, datetime], bool],
        region: str,
        clock: Clock,
    ) -> None:
        self._store = store
        self._sql = sql
        self._audit = audit
        self._submit = submit
        self._may_act = may_act
        self._region = region
        self._clock = clock
        self._live: dict[str, threading.Event] = {}

    def recover(self) -> None:
        """After a restart: what a dead server left has failed, visibly."""
        with self._store.write() as records:
            for query in records.abandoned():
                reason = "The server was restarted while the query ran."
                self._audit.outcome(self._call(query), query.id, _details(query, "FAILED", reason, ()))
                records.forget_pages(query.id)
                records.put(msgspec.structs.replace(query, status="FAILED", error=reason))

    def close(self) -> None:
        """Cancel what runs; it ends in a moment."""
        for stop in list(self._live.values()):
            stop.set()

    def start(self, call: Call, statement: str) -> str:
        """StartQuery: durable when it answers."""
        try:
            translated, stores = datastores.translated(statement)
            self._sql.check(translated)
        except datastores.UnknownStore as error:
            raise EventDataStoreNotFoundException(f"Event data store {error} was not found.") from error
        except StatementRefused as error:
            raise InvalidQueryStatementException(str(error)) from error
        if not stores:
            raise InvalidQueryStatementException("The FROM clause must name an event data store by its id.")
        owner = call.principal.grantee_arn
        query = LakeQuery(
            id=new_uuid(), owner=owner, principal=call.principal, address=call.source_ip, agent=call.user_agent,
            statement=statement, stores=stores, created=call.at.isoformat(),
        )  # fmt: skip
        with self._store.write() as records:
            records.forget_before((self._clock() - _KEPT).isoformat())
            if records.unfinished(owner) >= _MOST_UNDER_WAY:
                raise MaxConcurrentQueriesException(f"There are {_MOST_UNDER_WAY} queries under way already.")
            records.put(query)
        stop = self._live[query.id] = threading.Event()
        self._submit(owner, lambda: self._work(query, call, translated, stop))
        return query.id

    def query(self, call: Call, query_id: str) -> LakeQuery:
        """A query of the caller's own; raises QueryIdNotFound alike for others' and for absent ones."""
        with self._store.read() as records:
            found = records.query(query_id)
        if found is None or found.owner != call.principal.grantee_arn or self._is_old(found):
            raise QueryIdNotFoundException(f"Query {query_id} was not found.")
        return found

    def queries(self, call: Call) -> list[LakeQuery]:
        """The caller's own, newest first."""
        with self._store.read() as records:
            found = records.of_owner(call.principal.grantee_arn)
        return [query for query in found if not self._is_old(query)]

    def rows(self, call: Call, query: LakeQuery, page: int) -> list[Row]:
        """A page of what a query found.

        INVARIANT (revocation_is_immediate): who could read it then and cannot now does not get it.
        """
        if not self._sql.still_readable(call, query.readings):
            raise AccessDeniedException("The rights that the query was run with were revoked.")
        with self._store.read() as records:
            return records.page(query.id, page)

    def cancel(self, call: Call, query_id: str) -> LakeQuery:
        """CancelQuery."""
        self.query(call, query_id)
        with self._store.write() as records:
            found = records.query(query_id)
            if found is None or found.final:
                raise InactiveQueryException(f"Query {query_id} is not running.")
            cancelled = msgspec.structs.replace(found, status="CANCELLED")
            records.put(cancelled)
        stop = self._live.get(query_id)
        if stop is not None:
            stop.set()
        return cancelled

    def _is_old(self, query: LakeQuery) -> bool:
        return self._clock() - datetime.fromisoformat(query.created) > _KEPT

    # Running

    def _work(self, query: LakeQuery, call: Call, statement: str, stop: threading.Event) -> None:
        """Run a query to its end, on a scheduler's thread."""
        started = time.perf_counter()
        told: list[Found] = []
        try:
            done = self._run(query, call, statement, stop, told)
        except RunCancelled:
            done = msgspec.structs.replace(query, status="CANCELLED")
        except StatementRefused as error:
            done = msgspec.structs.replace(query, status="FAILED", error=str(error))
        except AwsError as error:
            done = msgspec.structs.replace(query, status="FAILED", error=error.message)
        except Exception:  # noqa: BLE001 - whatever broke ends this query visibly, and no other
            _log.exception("a query of the audit trail failed on our side", query_id=query.id)
            done = msgspec.structs.replace(query, status="FAILED", error="Internal error")
        self._finish(msgspec.structs.replace(done, run_ms=max(1, _ms(started))), call, told)
        self._live.pop(query.id, None)

    def _run(self, query: LakeQuery, call: Call, statement: str, stop: threading.Event, told: list[Found]) -> LakeQuery:
        if stop.is_set():
            raise RunCancelled
        if not self._may_act(call.principal, self._clock()):
            raise StatementRefused("The security token of the caller has expired or was revoked")
        with self._store.write() as records:
            current = records.query(query.id)
            if current is None or current.final:
                raise RunCancelled
            records.put(msgspec.structs.replace(query, status="RUNNING"))
        with self._sql.run(call, query.id, statement, query.stores, stop) as found:
            told.append(found)
            pages = rows = 0
            for page in _pages(found.blocks):
                with self._store.write() as records:
                    records.put_page(query.id, pages, page)
                pages, rows = pages + 1, rows + len(page)
        return msgspec.structs.replace(
            query, status="FINISHED", columns=found.columns, pages=pages, rows=rows, readings=found.readings,
            scanned_bytes=found.told_bytes,
        )  # fmt: skip

    def _finish(self, done: LakeQuery, call: Call, told: Sequence[Found]) -> None:
        state = _STATES.get(done.status, done.status)
        try:
            # INVARIANT (no_answer_without_audit): rows can be asked for only when the outcome is on the record.
            self._audit.outcome(call, done.id, _details(done, state, done.error, told))
        except AwsError as error:
            done = msgspec.structs.replace(done, status="FAILED", error=error.message)
        with self._store.write() as records:
            current = records.query(done.id)
            if current is not None and not current.final:
                records.put(done)
            if current is None or current.final or done.status != "FINISHED":
                records.forget_pages(done.id)

    def _call(self, query: LakeQuery) -> Call:
        """The call that a query came from, as far as its record needs it."""
        return Call(
            query.principal, "cloudtrail", "StartQuery", {}, new_uuid(), self._clock(), self._region, query.address,
            query.agent,
        )  # fmt: skip


def _pages(blocks: Iterator[Sequence[Row]]) -> Iterator[list[Row]]:
    """Rows in pages that are bounded in rows and in bytes; raises :class:`StatementRefused` where there are too many."""
    page: list[Row] = []
    size = rows = total = 0
    for block in blocks:
        for row in block:
            length = sum(len(value) for value in row if value is not None)
            if page and (len(page) == _PAGE_ROWS or size + length > _PAGE_BYTES):
                yield page
                page, size = [], 0
            page.append(row)
            size, rows, total = size + length, rows + 1, total + length
            if rows > _MOST_ROWS or total > _MOST_BYTES:
                raise StatementRefused(
                    f"The result has more than {_MOST_ROWS} rows or {_MOST_BYTES >> 20} MiB. Ask for less, or use Athena,"
                    f" which writes to a bucket: the tables are {datastores.DATABASE}.*"
                )
    if page:
        yield page


def _details(query: LakeQuery, state: str, error: str, told: Sequence[Found]) -> dict[str, object]:
    details: dict[str, object] = {
        "queryId": query.id,
        "state": state,
        "statementType": "DML",
        "tables": list(told[0].tables) if told else [],
        "rows": query.rows,
        "bytes": 0,
        "scannedBytes": told[0].scanned_bytes if told else 0,
        "outputLocation": "",
    }
    return details | ({"error": error} if error else {})


def _ms(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)
