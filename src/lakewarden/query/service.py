"""Athena: starts, watches, stops and remembers executions."""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from lakewarden import sql
from lakewarden.guard import Access, Authorizer
from lakewarden.kernel.call import Call
from lakewarden.kernel.clock import Clock
from lakewarden.query.course import Course, End
from lakewarden.query.errors import InvalidRequestException
from lakewarden.query.live import LiveQueries
from lakewarden.query.model import Caller, Execution, Failure, WorkGroup
from lakewarden.query.neighbours import Neighbours
from lakewarden.query.ports import AccessAudit
from lakewarden.query.scheduler import Scheduler
from lakewarden.query.store import QueryStore
from lakewarden.query.workgroups import PRIMARY, WorkGroups, check_results

_LONGEST_SQL = 262_144
_STOP_SECONDS = 5.0


class QueryService:
    """The executions of one account."""

    def __init__(
        self,
        store: QueryStore,
        groups: WorkGroups,
        live: LiveQueries,
        course: Course,
        audit: AccessAudit,
        authorizer: Authorizer,
        scheduler: Scheduler,
        account: str,
        region: str,
        clock: Clock,
    ) -> None:
        self._store = store
        self._groups = groups
        self._live = live
        self._course = course
        self._audit = audit
        self._authorizer = authorizer
        self._scheduler = scheduler
        self._account = account
        self._region = region
        self._clock = clock
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
        for live in self._live:
            if live.execution.state == "RUNNING" and live.stop.cancel() and live.claim_end():
                self._course.cut(live, End("FAILED", self._clock(), Failure(1, 401, reason)))
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
        live = self._live.add(execution)
        self._scheduler.submit(execution.owner, lambda: self._course.run(live))

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

    async def watch(self, call: Call, execution_id: str, patience: float) -> Execution:
        """GetQueryExecution: on a query that has not ended, wait up to ``patience`` seconds for the end."""
        live = self._live.get(execution_id)
        if live is None:
            found = await asyncio.to_thread(self.execution, call, execution_id)
            return found if found.final else await asyncio.to_thread(self._neighbours.ended, found.id, patience)
        self._check_owner(call, live.execution)
        return await self._live.watch(live, patience)

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
        if self._live.get(execution.id) is None and not execution.final:
            self._neighbours.ask(execution.id, _STOP_SECONDS)
            return
        self._stop_live(execution.id)

    def _running(self) -> list[str]:
        return [live.execution.id for live in self._live if not live.execution.final]

    def _stop_live(self, execution_id: str) -> None:
        live = self._live.get(execution_id)
        if live is not None and live.stop.cancel() and live.claim_end():
            self._course.cut(live, End("CANCELLED", self._clock(), reason="Query cancelled by user"))

    def listed(self, call: Call, workgroup: str, offset: int, limit: int) -> list[str]:
        """ListQueryExecutions: the caller's own, or all with the right to see others'."""
        self._groups.get(workgroup)
        owner = None if self._may_see_others(call, workgroup) else call.principal.grantee_arn
        with self._store.read() as records:
            return records.listed(workgroup, owner, offset, limit)

    def _now(self) -> str:
        return self._clock().isoformat()


def _reuse_minutes(params: Mapping[str, Any]) -> int:
    by_age = (params.get("ResultReuseConfiguration") or {}).get("ResultReuseByAgeConfiguration") or {}
    return int(by_age.get("MaxAgeInMinutes") or 60) if by_age.get("Enabled") else 0


def _not_found(execution_id: str) -> InvalidRequestException:
    return InvalidRequestException(f"QueryExecution {execution_id} was not found")
