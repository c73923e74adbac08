"""The pipeline: bytes in, an authorised and audited answer out. Nothing leaves before its record is durable."""

import asyncio
import inspect
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Protocol

import structlog

from lakewarden.guard import AuthorizedCall, Guard, Operation, Operations
from lakewarden.kernel.call import Answer, Call, Principal
from lakewarden.kernel.errors import AwsError, InternalFailure, NotImplementedOperation, ServiceUnavailable
from lakewarden.observe import CallLog, Metrics
from lakewarden.wire import RawRequest, Received, Refused, Response, Wire

_UNKNOWN = "unknown"
_log = structlog.get_logger("lakewarden.dispatch")


class Recorder(Protocol):
    """Port to the audit log. Both return only when the record is durable, and raise ServiceUnavailable if it cannot be."""

    def ready(self) -> bool:
        """Whether records can be written, as far as is known."""
        ...

    async def record(self, call: Call, operation: Operation, answer: Mapping[str, Any], error: AwsError | None) -> None:
        """Record a call that reached the guard: allowed, denied or failed."""
        ...

    async def refused(self, attempt: Call, error: AwsError) -> None:
        """Record an attempt that never became a call: bad signature, unknown operation, malformed body."""
        ...


class Dispatcher:
    """Answers requests. ``services`` maps botocore's service names to their OPERATIONS tables.

    ``called`` learns of every call whose signature was right, whatever becomes of it.
    """

    def __init__(
        self,
        wire: Wire,
        guard: Guard,
        services: Mapping[str, Operations],
        recorder: Recorder,
        metrics: Metrics,
        calls: CallLog,
        threads: ThreadPoolExecutor,
        called: Callable[[Call], None],
    ) -> None:
        self._wire = wire
        self._guard = guard
        self._services = services
        self._recorder = recorder
        self._metrics = metrics
        self._calls = calls
        self._threads = threads
        self._called = called

    async def answer(self, raw: RawRequest) -> Response:
        """Answer one request; never raises for anything that a client can send."""
        started = time.perf_counter()
        try:
            received = await self._wire.receive(raw)
        except Refused as refused:
            if isinstance(refused.error, InternalFailure):
                _log.exception("internal failure", request_id=raw.request_id, service=refused.service)
            response, code = await self._refuse(raw, refused)
            service, operation = refused.service or _UNKNOWN, refused.operation or _UNKNOWN
        else:
            response, code = await self._serve(raw, received)
            service, operation = received.call.service, received.call.operation
        self._note(raw, service, operation, code, time.perf_counter() - started)
        return response

    async def perform(self, call: Call) -> Mapping[str, Any]:
        """A call that a page of ours makes for the person who uses it: guarded and audited like any other.

        Answers the output members; raises the call's :class:`AwsError`.
        """
        if not self._recorder.ready():
            raise _closed()
        operation = self._services[call.service][call.operation]
        result, failure = await self._handle(call, operation)
        members = result.members if isinstance(result, Answer) else result
        await self._recorder.record(call, operation, members, failure)
        if failure is not None:
            raise failure
        return members

    def _note(self, raw: RawRequest, service: str, operation: str, code: str, seconds: float) -> None:
        # Names that callers invent neither fill the metrics' memory nor write into the log.
        if operation not in self._services.get(service, {}):
            operation = _UNKNOWN
            service = service if service in self._services else _UNKNOWN
        self._metrics.answered(service, operation, code, seconds)
        self._calls.answered(raw.request_id, raw.received_at.isoformat(), service, operation, code, seconds)

    async def _refuse(self, raw: RawRequest, refused: Refused) -> tuple[Response, str]:
        error = refused.error
        try:
            await self._recorder.refused(refused.attempt, error)
        except AwsError as unavailable:
            error = unavailable
        return self._wire.respond_error(raw, refused.service, refused.operation, error), error.code

    async def _serve(self, raw: RawRequest, received: Received) -> tuple[Response, str]:
        call = received.call
        operation = self._services.get(call.service, {}).get(call.operation)
        if operation is None:
            error = NotImplementedOperation(f"Lakewarden does not implement {call.service}:{call.operation} yet.")
            refused = Refused(error, call.service, call.operation, call)
            return await self._refuse(raw, refused)
        if not self._recorder.ready():
            # INVARIANT (no_answer_without_audit): what could not be recorded is not even begun.
            closed = _closed()
            return self._wire.respond_error(raw, call.service, call.operation, closed), closed.code
        self._called(call)
        if operation.identify is not None:
            try:
                call = await self._identified(call, operation.identify)
            except AwsError as error:
                return await self._refuse(raw, Refused(error, call.service, call.operation, call))
        result, failure = await self._handle(call, operation)
        members = result.members if isinstance(result, Answer) else result
        try:
            # INVARIANT (no_answer_without_audit): the answer is made only after the record is durable.
            await self._recorder.record(call, operation, members, failure)
        except AwsError as unavailable:
            failure = unavailable
        if failure is not None:
            response = self._wire.respond_error(raw, call.service, call.operation, failure)
            if failure.headers:
                response = replace(response, headers=(*response.headers, *failure.headers.items()))
            return response, failure.code
        return self._wire.respond(raw, call.service, call.operation, result, received.posted), "OK"

    async def _identified(self, call: Call, identify: Callable[[Call], Principal]) -> Call:
        """The call under the name that it proves itself, no signature having given it one."""
        loop = asyncio.get_running_loop()
        try:
            return replace(call, principal=await loop.run_in_executor(self._threads, identify, call))
        except AwsError:
            raise
        except Exception as error:
            _log.exception("internal failure", request_id=call.request_id, operation=call.operation)
            raise InternalFailure() from error

    async def _handle(self, call: Call, operation: Operation) -> tuple[Mapping[str, Any] | Answer, AwsError | None]:
        try:
            if inspect.iscoroutinefunction(operation.handler):
                authorized = self._guard.authorize(call, operation)
                return await operation.handler(authorized), None
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._authorize_and_run, call, operation), None
        except AwsError as error:
            return {}, error
        except Exception:  # noqa: BLE001 - the edge: whatever broke is logged, audited and answered as a 500
            _log.exception(
                "internal failure", request_id=call.request_id, service=call.service, operation=call.operation
            )
            return {}, InternalFailure()

    def _authorize_and_run(self, call: Call, operation: Operation) -> Mapping[str, Any] | Answer:
        authorized: AuthorizedCall = self._guard.authorize(call, operation)
        result = operation.handler(authorized)
        if inspect.isawaitable(result):
            raise TypeError(f"{operation.name}: a plain handler returned an awaitable")
        return result


def _closed() -> ServiceUnavailable:
    return ServiceUnavailable("The audit log cannot be written.")
