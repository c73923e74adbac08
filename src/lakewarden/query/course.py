"""The course of one execution: begun, run, ended once, and written down with its result."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import msgspec
import structlog

from lakewarden.kernel.call import Call, Principal
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.errors import AwsError
from lakewarden.query.errors import QueryCancelled, QueryFailed
from lakewarden.query.live import Live, LiveQueries
from lakewarden.query.model import Execution, Failure, Statistics
from lakewarden.query.ports import AccessAudit, ResultStore
from lakewarden.query.progress import Cancellation, Progress
from lakewarden.query.run import Earlier
from lakewarden.query.store import QueryStore

_log = structlog.get_logger("lakewarden.query")
Allowed = Callable[[Principal, datetime], bool]
Run = Callable[[Execution, Call, Progress, Cancellation, Earlier], None]
"""Runs a statement to its end; raises QueryFailed or QueryCancelled (:meth:`lakewarden.query.run.Runner.run`)."""


@dataclass(frozen=True, slots=True)
class End:
    """How a query ended: SUCCEEDED, FAILED or CANCELLED, and when it was taken up."""

    state: str
    began: datetime
    failure: Failure | None = None
    reason: str = ""
    queue_ms: int = 1

    @property
    def text(self) -> str:
        """StateChangeReason."""
        return self.reason or (self.failure.message if self.failure else "")


class Course:
    """Takes executions to their ends. ``may_act`` says whether a stored principal's session still holds."""

    def __init__(
        self,
        store: QueryStore,
        live: LiveQueries,
        run: Run,
        results: ResultStore,
        audit: AccessAudit,
        may_act: Allowed,
        clock: Clock,
    ) -> None:
        self._store = store
        self._live = live
        self._run = run
        self._results = results
        self._audit = audit
        self._may_act = may_act
        self._clock = clock

    def run(self, live: Live) -> None:
        """Run a queued execution to its end, on a scheduler's thread."""
        began = self._clock()
        call = live.execution.caller.call(began, "StartQueryExecution", {})
        end = self._ended(live, call, began)
        claimed = live.claim_end()
        if not claimed or end.state != "SUCCEEDED":
            self._results.discard(live.progress.drafts)
        if claimed:
            self.finish(live, call, end)

    def cut(self, live: Live, end: End) -> None:
        """End a query from outside: cancelled by its caller, or stopped with the server. Its end is claimed already."""
        self.finish(live, live.execution.caller.call(end.began, "StartQueryExecution", {}), end)

    def finish(self, live: Live, call: Call, end: End) -> None:
        """Record the outcome, then make the result and the end durable in one transaction.

        What could not be recorded or kept has failed. Raises what kept the end itself from being written down: it is
        seen all the same, and after a restart the query is taken up again, or found to have been running.
        """
        done = self._recorded(live, call, _done(live, end, self._clock()))
        try:
            try:
                self._keep(live, call, done)
            except Exception as error:
                if done.state != "SUCCEEDED":
                    raise
                # The bytes stay where they are: whether a commit that failed took effect cannot always be known.
                done = self._recorded(live, call, _failed(done, error))
                self._keep(live, call, done)
        finally:
            self._live.change(live, done)

    def _recorded(self, live: Live, call: Call, done: Execution) -> Execution:
        try:
            self._audit.outcome(call, done.id, _told(done, live.progress))
        except AwsError as error:
            # INVARIANT (no_answer_without_audit): a result whose outcome could not be recorded is not handed out.
            return _failed(done, error)
        return done

    def _keep(self, live: Live, call: Call, done: Execution) -> None:
        """INVARIANT (crash_safe): a result's objects and the state that opens them come to be together, or not at all."""
        with self._store.write() as records:
            if done.state == "SUCCEEDED":
                self._results.keep(call, live.progress.drafts)
            records.put(done)

    def _ended(self, live: Live, call: Call, began: datetime) -> End:
        execution = live.execution
        queue_ms = _ms(began, datetime.fromisoformat(execution.submitted))
        try:
            live.stop.check()
            if not self._may_act(call.principal, began):
                raise QueryFailed("The security token of the caller has expired or was revoked", 2, 1301)
            self._begin(live)
            self._run(execution, call, live.progress, live.stop, self._earlier)
        except QueryCancelled as error:
            return End("CANCELLED", began, None, error.text, queue_ms)
        except QueryFailed as error:
            return End("FAILED", began, Failure(error.category, error.error_type, error.text), "", queue_ms)
        except Exception:  # noqa: BLE001 - whatever broke ends this query visibly, and no other
            _log.exception("a query failed on our side", query_id=execution.id)
            return End("FAILED", began, Failure(1, 401, "GENERIC_INTERNAL_ERROR: Internal error"), "", queue_ms)
        return End("SUCCEEDED", began, queue_ms=queue_ms)

    def _begin(self, live: Live) -> None:
        """RUNNING. Written down only for what changes something: a query that only reads can be run again."""
        with live.lock:
            if live.ended:
                raise QueryCancelled
            execution = msgspec.structs.replace(live.execution, state="RUNNING")
            if not execution.output.endswith(".csv"):
                with self._store.write() as records:
                    records.put(execution)
            self._live.change(live, execution)

    def _earlier(self, execution: Execution, fingerprint: str) -> Execution | None:
        """The caller's own result of the same statement over the same data, if it is young enough."""
        with self._store.read() as records:
            found = records.by_fingerprint(execution.owner, fingerprint)
        if found is None or found.workgroup != execution.workgroup:
            return None
        age = self._clock() - datetime.fromisoformat(found.completed)
        return found if age.total_seconds() <= execution.reuse_minutes * 60 else None


def _done(live: Live, end: End, now: datetime) -> Execution:
    """The execution as it ended."""
    progress, execution = live.progress, live.execution
    total = _ms(now, datetime.fromisoformat(execution.submitted))
    engine = progress.engine_ms or _ms(now, end.began)
    return msgspec.structs.replace(
        execution,
        state=end.state,
        reason=end.text,
        failure=end.failure,
        completed=now.isoformat(),
        kind=progress.kind,
        substatement=progress.substatement,
        statistics=Statistics(
            end.queue_ms, progress.planning_ms, engine, 1, total, progress.statistic_bytes, progress.rows,
            progress.bytes_written,
        ),
        output=progress.reused_output or execution.output,
        reused=bool(progress.reused_output),
        update_count=progress.update_count,
        manifest=progress.manifest,
        fingerprint="" if progress.reused_output else progress.fingerprint,
    )  # fmt: skip


def _failed(done: Execution, error: Exception) -> Execution:
    text = error.message if isinstance(error, AwsError) else "GENERIC_INTERNAL_ERROR: Internal error"
    return msgspec.structs.replace(
        done, state="FAILED", reason=text, failure=Failure(1, 401, text), fingerprint="", manifest=""
    )


def _told(done: Execution, progress: Progress) -> dict[str, object]:
    """What the outcome's record says."""
    details: dict[str, object] = {
        "queryId": done.id,
        "state": done.state,
        "statementType": progress.kind,
        "tables": progress.tables,
        "rows": progress.rows,
        "bytes": progress.bytes_written,
        "scannedBytes": progress.scanned_bytes,
        "outputLocation": done.output,
    }
    if done.reason:
        details["error"] = done.reason
    if progress.written:
        details["writtenTo"] = progress.written
    if progress.reused_output:
        details["reusedResult"] = True
    return details


def _ms(later: datetime, earlier: datetime) -> int:
    return max(1, round((later - earlier).total_seconds() * 1000))
