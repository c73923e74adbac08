"""Athena: starts, watches, stops and remembers executions."""

import asyncio
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import structlog

from lakewarden import sql
from lakewarden.guard import Access, Authorizer
from lakewarden.kernel.call import Call, Principal
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.errors import AwsError
from lakewarden.query.errors import InvalidRequestException, QueryCancelled, QueryFailed
from lakewarden.query.model import Caller, Execution, Failure, Statistics, WorkGroup
from lakewarden.query.neighbours import Neighbours
from lakewarden.query.ports import AccessAudit, ResultColumn, ResultStore
from lakewarden.query.progress import Cancellation, Progress
from lakewarden.query.results import Page, columns_of, read_csv_page
from lakewarden.query.run import Runner
from lakewarden.query.scheduler import Scheduler
from lakewarden.query.store import QueryStore
from lakewarden.query.workgroups import PRIMARY, WorkGroups, check_results

_REMEMBERED = 256
_LONGEST_SQL = 262_144
_STOP_SECONDS = 5.0
_log = structlog.get_logger("lakewarden.query")
Allowed = Callable[[Principal, datetime], bool]


@dataclass(slots=True)
class _Live:
    """A query that has not ended, or has just ended. Watchers are told of every change of state."""

    execution: Execution
    stop: Cancellation = field(default_factory=Cancellation)
    progress: Progress = field(default_factory=Progress)
    watchers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = field(default_factory=set)
    ended: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def claim_end(self) -> bool:
        """True for the first that asks: an execution ends once, by itself or by being cancelled."""
        with self.lock:
            first = not self.ended
            self.ended = True
            return first


class QueryService:
    """The executions of one account. ``may_act`` says whether a stored principal's session still holds."""

    def __init__(
        self,
        store: QueryStore,
        groups: WorkGroups,
        runner: Runner,
        results: ResultStore,
        audit: AccessAudit,
        authorizer: Authorizer,
        scheduler: Scheduler,
        may_act: Allowed,
        account: str,
        region: str,
        clock: Clock,
    ) -> None:
        self._store = store
        self._groups = groups
        self._runner = runner
        self._results = results
        self._audit = audit
        self._authorizer = authorizer
        self._scheduler = scheduler
        self._may_act = may_act
        self._account = account
        self._region = region
        self._clock = clock
        self._lock = threading.Lock()
        self._live: OrderedDict[str, _Live] = OrderedDict()
        self._neighbours = Neighbours(store, self._running, self._stop_live)

    def recover(self) -> None:
        """After a restart: what waited is taken up again, what ran has failed, visibly.

        INVARIANT (crash_safe): what has begun to change anything is never run twice; it was written as RUNNING first.
        """
        self._groups.ensure_primary()
        waiting = []
        with self._store.write() as records:
            for execution in records.unfinished():
                if not records.claim(execution.id):
                    continue
                if execution.state == "QUEUED":
                    waiting.append(execution)
                    continue
                reason = "GENERIC_INTERNAL_ERROR: The server was restarted while the query ran"
                call = execution.caller.call(self._clock(), "StartQueryExecution", {})
                details = {
                    "queryId": execution.id, "state": "FAILED", "statementType": execution.kind, "tables": [],
                    "rows": 0, "bytes": 0, "scannedBytes": 0, "outputLocation": execution.output, "error": reason,
                }  # fmt: skip
                self._audit.outcome(call, execution.id, details)
                records.put(
                    msgspec.structs.replace(
                        execution, state="FAILED", reason=reason, completed=self._now(), failure=Failure(1, 401, reason)
                    )
                )
        for execution in sorted(waiting, key=lambda one: one.submitted):
            self._enqueue(execution)

    def listen(self) -> None:
        """Obey other servers of the same database that ask for a query of this one to be stopped."""
        self._neighbours.listen()

    def close(self) -> None:
        """Before the server stops: what runs ends as FAILED; what waits is taken up after the next start."""
        self._neighbours.close()
        self._scheduler.drop()
        reason = "GENERIC_INTERNAL_ERROR: The server was stopped while the query ran"
        for live in list(self._live.values()):
            if live.execution.state == "RUNNING" and live.stop.cancel() and live.claim_end():
                now = self._clock()
                caller = live.execution.caller.call(now, "StartQueryExecution", {})
                self._finish(live, caller, "FAILED", Failure(1, 401, reason), reason, 1, now)
        self._scheduler.close()

    # Executions

    def start(self, call: Call) -> str:
        """StartQueryExecution: durable when it answers."""
        params = call.params
        if len(params["QueryString"].encode()) > _LONGEST_SQL:
            raise InvalidRequestException("The query string is longer than 262144 bytes.")
        group = self._groups.get(params.get("WorkGroup") or PRIMARY)
        if not group.enabled:
            raise InvalidRequestException(f"WorkGroup {group.name} is disabled.")
        owner, token = call.principal.grantee_arn, params.get("ClientRequestToken") or ""
        context = params.get("QueryExecutionContext") or {}
        if (context.get("Catalog") or "AwsDataCatalog").lower() != "awsdatacatalog":
            raise InvalidRequestException(f"Catalog {context['Catalog']} was not found.")
        if params.get("EngineConfiguration"):
            raise InvalidRequestException("EngineConfiguration is not supported.")
        execution_id = str(uuid.uuid4())
        execution = Execution(
            id=execution_id,
            owner=owner,
            workgroup=group.name,
            sql=params["QueryString"],
            database=(context.get("Database") or "default").strip('`"').lower(),
            output=self._output(call, group, execution_id),
            submitted=call.at.isoformat(),
            caller=Caller.of(call),
            token=token,
            parameters=tuple(params.get("ExecutionParameters") or ()),
            reuse_minutes=_reuse_minutes(params),
            cutoff_bytes=group.cutoff_bytes,
        )
        with self._store.write() as records:
            before = records.by_token(owner, token) if token else None
            if before is not None:
                if (before.sql, before.parameters) != (execution.sql, execution.parameters):
                    raise InvalidRequestException("Idempotent parameters do not match")
                return before.id
            records.put(execution)
        self._enqueue(execution)
        return execution_id

    def _enqueue(self, execution: Execution) -> None:
        live = _Live(execution)
        with self._lock:
            self._live[execution.id] = live
            self._forget()
        self._scheduler.submit(execution.owner, lambda: self._work(live))

    def _output(self, call: Call, group: WorkGroup, execution_id: str) -> str:
        """Where the result goes: the workgroup's place where it is enforced, else the caller's, else a place of its own."""
        asked = call.params.get("ResultConfiguration") or {}
        check_results(asked, self._account)
        location = asked.get("OutputLocation") or ""
        staging = group.output if group.enforced and group.output else location or group.output
        if not staging:
            person = call.principal.grantee_arn.rpartition("/")[2]
            staging = f"s3://aws-athena-query-results-{self._account}-{self._region}/{person}/"
        if not staging.startswith("s3://") or len(staging) > 900:
            raise InvalidRequestException("outputLocation is not a valid S3 path.")
        return f"{staging.rstrip('/')}/{execution_id}{self._suffix(call.params['QueryString'], group)}"

    def _suffix(self, text: str, group: WorkGroup) -> str:
        name = sql.executed_name(text)
        if name:
            with self._store.read() as records:
                found = records.prepared(group.name, name)
            return ".csv" if found is None else sql.output_of(found.text)
        return sql.output_of(text)

    def _work(self, live: _Live) -> None:
        """Run a queued execution to its end, on a scheduler's thread."""
        execution = live.execution
        began = self._clock()
        queue_ms = _ms(began, datetime.fromisoformat(execution.submitted))
        call = execution.caller.call(began, "StartQueryExecution", {})
        state, failure, reason = "SUCCEEDED", None, ""
        try:
            live.stop.check()
            if not self._may_act(call.principal, began):
                raise QueryFailed("The security token of the caller has expired or was revoked", 2, 1301)
            self._begin(live)
            self._runner.run(execution, call, live.progress, live.stop, self._earlier)
        except QueryCancelled as error:
            state, reason = "CANCELLED", error.text
        except QueryFailed as error:
            state, failure = "FAILED", Failure(error.category, error.error_type, error.text)
        except Exception:  # noqa: BLE001 - whatever broke ends this query visibly, and no other
            _log.exception("a query failed on our side", query_id=execution.id)
            text = "GENERIC_INTERNAL_ERROR: Internal error"
            state, failure = "FAILED", Failure(1, 401, text)
        if live.claim_end():
            self._finish(live, call, state, failure, reason or (failure.message if failure else ""), queue_ms, began)

    def _begin(self, live: _Live) -> None:
        """RUNNING. Written down only for what changes something: a query that only reads can be run again."""
        with live.lock:
            if live.ended:
                raise QueryCancelled
            execution = msgspec.structs.replace(live.execution, state="RUNNING")
            if not execution.output.endswith(".csv"):
                with self._store.write() as records:
                    records.put(execution)
            self._change(live, execution)

    def _earlier(self, execution: Execution, fingerprint: str) -> Execution | None:
        """The caller's own result of the same statement over the same data, if it is young enough."""
        with self._store.read() as records:
            found = records.by_fingerprint(execution.owner, fingerprint)
        if found is None or found.workgroup != execution.workgroup:
            return None
        age = self._clock() - datetime.fromisoformat(found.completed)
        return found if age.total_seconds() <= execution.reuse_minutes * 60 else None

    def _finish(
        self,
        live: _Live,
        call: Call,
        state: str,
        failure: Failure | None,
        reason: str,
        queue_ms: int,
        began: datetime,
    ) -> None:
        progress, ended = live.progress, self._clock()
        total = _ms(ended, datetime.fromisoformat(live.execution.submitted))
        engine = progress.engine_ms or _ms(ended, began)
        done = msgspec.structs.replace(
            live.execution,
            state=state,
            reason=reason,
            failure=failure,
            completed=ended.isoformat(),
            kind=progress.kind,
            substatement=progress.substatement,
            statistics=Statistics(
                queue_ms, progress.planning_ms, engine, 1, total, progress.statistic_bytes, progress.rows,
                progress.bytes_written,
            ),
            output=progress.reused_output or live.execution.output,
            reused=bool(progress.reused_output),
            update_count=progress.update_count,
            manifest=progress.manifest,
            fingerprint="" if progress.reused_output else progress.fingerprint,
        )  # fmt: skip
        details: dict[str, object] = {
            "queryId": done.id,
            "state": state,
            "statementType": progress.kind,
            "tables": progress.tables,
            "rows": progress.rows,
            "bytes": progress.bytes_written,
            "scannedBytes": progress.scanned_bytes,
            "outputLocation": done.output,
        }
        if reason:
            details["error"] = reason
        if progress.written:
            details["writtenTo"] = progress.written
        if progress.reused_output:
            details["reusedResult"] = True
        try:
            self._audit.outcome(call, done.id, details)
        except AwsError as error:
            # INVARIANT (no_answer_without_audit): a result whose outcome could not be recorded is not handed out.
            done = msgspec.structs.replace(
                done, state="FAILED", reason=error.message, failure=Failure(1, 401, error.message)
            )
        with self._store.write() as records:
            records.put(done)
        self._change(live, done)

    def _change(self, live: _Live, execution: Execution) -> None:
        with self._lock:
            live.execution = execution
            watchers = list(live.watchers)
        for loop, event in watchers:
            loop.call_soon_threadsafe(event.set)

    def _forget(self) -> None:
        """Keep the newest executions in memory; those that have not ended are always kept."""
        for execution_id in [one for one, live in self._live.items() if live.execution.final]:
            if len(self._live) <= _REMEMBERED:
                return
            del self._live[execution_id]

    async def watch(self, call: Call, execution_id: str, patience: float) -> Execution:
        """GetQueryExecution: on a query that has not ended, wait up to ``patience`` seconds for the end."""
        live = self._live.get(execution_id)
        if live is None:
            found = await asyncio.to_thread(self.execution, call, execution_id)
            return found if found.final else await asyncio.to_thread(self._neighbours.ended, found.id, patience)
        self._check_owner(call, live.execution)
        watcher = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            live.watchers.add(watcher)
        try:
            deadline = watcher[0].time() + patience
            while not live.execution.final and (left := deadline - watcher[0].time()) > 0:
                try:
                    await asyncio.wait_for(watcher[1].wait(), left)
                except TimeoutError:
                    break
                watcher[1].clear()
        finally:
            with self._lock:
                live.watchers.discard(watcher)
        return live.execution

    def execution(self, call: Call, execution_id: str) -> Execution:
        """An execution that the caller may see; raises InvalidRequestException alike for hidden and absent ones."""
        live = self._live.get(execution_id)
        if live is not None:
            found: Execution | None = live.execution
        else:
            with self._store.read() as records:
                found = records.execution(execution_id)
        if found is None:
            raise _not_found(execution_id)
        self._check_owner(call, found)
        return found

    def _check_owner(self, call: Call, execution: Execution) -> None:
        """INVARIANT (non_interference): history and results are private to who ran the query, unless a policy says else."""
        if execution.owner != call.principal.grantee_arn and not self._may_see_others(call, execution.workgroup):
            raise _not_found(execution.id)

    def _may_see_others(self, call: Call, workgroup: str) -> bool:
        return self._authorizer.check(call, Access("lakewarden:ReadOthersQueries", self._groups.arn(workgroup))).allowed

    def stop(self, call: Call, execution_id: str) -> None:
        """StopQueryExecution: CANCELLED when it answers, whatever the query was at; what has ended stays as it is."""
        execution = self.execution(call, execution_id)
        if execution.id not in self._live and not execution.final:
            self._neighbours.ask(execution.id, _STOP_SECONDS)
            return
        self._stop_live(execution.id)

    def _running(self) -> list[str]:
        with self._lock:
            return [execution_id for execution_id, live in self._live.items() if not live.execution.final]

    def _stop_live(self, execution_id: str) -> None:
        live = self._live.get(execution_id)
        if live is None or not live.stop.cancel() or not live.claim_end():
            return
        now = self._clock()
        caller = live.execution.caller.call(now, "StartQueryExecution", {})
        self._finish(live, caller, "CANCELLED", None, "Query cancelled by user", 1, now)

    def listed(self, call: Call, workgroup: str, offset: int, limit: int) -> list[str]:
        """ListQueryExecutions: the caller's own, or all with the right to see others'."""
        self._groups.get(workgroup)
        owner = None if self._may_see_others(call, workgroup) else call.principal.grantee_arn
        with self._store.read() as records:
            return records.listed(workgroup, owner, offset, limit)

    def results(
        self, call: Call, execution: Execution, offset: int, limit: int
    ) -> tuple[tuple[ResultColumn, ...], Page]:
        """A page of a result, read with the caller's own rights. Offset 0 begins with a DML result's header."""
        if execution.state != "SUCCEEDED":
            raise InvalidRequestException(f"Query has not yet finished. Current state: {execution.state}")
        if execution.manifest:
            self._results.may_read(call, execution.manifest)
            return columns_of(self._results.read(call, f"{execution.output}.metadata", 0, 1 << 16)), Page((), None)
        live = self._live.get(execution.id)
        if live is not None and live.progress.complete and offset == 0:
            # The rows are the stored object's; the right to read that is asked for all the same.
            self._results.may_read(call, execution.output)
            rows = tuple(live.progress.first_rows)
            if execution.kind == "DML":
                rows = (tuple(column.name for column in live.progress.columns), *rows)
            if len(rows) <= limit:
                return live.progress.columns, Page(rows, None)
        body = self._results.read(call, f"{execution.output}.metadata", 0, 1 << 22)
        columns = columns_of(body)
        if execution.kind != "DML":
            text = self._results.read(call, execution.output, 0, 1 << 24).decode()
            lines = [tuple(line.split("\t")) for line in text.splitlines()]
            page = lines[offset : offset + limit]
            end = offset + limit
            return columns, Page(tuple(page), end if end < len(lines) else None)
        return columns, read_csv_page(
            lambda start, length: self._results.read(call, execution.output, start, length), offset, limit
        )

    def _now(self) -> str:
        return self._clock().isoformat()


def _reuse_minutes(params: Mapping[str, Any]) -> int:
    by_age = (params.get("ResultReuseConfiguration") or {}).get("ResultReuseByAgeConfiguration") or {}
    return int(by_age.get("MaxAgeInMinutes") or 60) if by_age.get("Enabled") else 0


def _not_found(execution_id: str) -> InvalidRequestException:
    return InvalidRequestException(f"QueryExecution {execution_id} was not found")


def _ms(later: datetime, earlier: datetime) -> int:
    return max(1, round((later - earlier).total_seconds() * 1000))
