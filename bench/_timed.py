"""``lakewarden`` that notes what the audit trail costs: ``python -m bench._timed FILE serve ...``.

A line for each call: how long it took, how much of that the audit trail, and the processor time that the process and
the audit trail have used by then.
"""

import json
import sys
import time
from typing import Any


def main() -> None:
    from lakewarden.adapters import recording
    from lakewarden.adapters.recording import AuditRecorder
    from lakewarden.audit.log import AuditLog
    from lakewarden.cli import main as lakewarden
    from lakewarden.dispatch import Dispatcher

    notes = open(sys.argv.pop(1), "w", buffering=1)  # noqa: SIM115, PTH123 - open for as long as the process runs
    true_record, true_answer = AuditRecorder.record, Dispatcher.answer
    spent: dict[str, float] = {}
    processor = [0.0]

    def counted(function: Any) -> Any:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            started = time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                processor[0] += time.thread_time() - started

        return wrapped

    async def record(self: Any, call: Any, *more: Any) -> None:
        started = time.perf_counter()
        await true_record(self, call, *more)
        spent[call.request_id] = time.perf_counter() - started

    async def answer(self: Any, raw: Any) -> Any:
        started = time.perf_counter()
        answered = await true_answer(self, raw)
        notes.write(
            json.dumps(
                [time.perf_counter() - started, spent.pop(raw.request_id, 0.0), time.process_time(), processor[0]]
            )
            + "\n"
        )
        return answered

    for place, name in (
        (recording, "shown_input"), (recording, "shown_output"), (recording, "call_record"), (AuditLog, "append"),
        (AuditLog, "_write"),
    ):  # fmt: skip
        setattr(place, name, counted(getattr(place, name)))
    AuditRecorder.record, Dispatcher.answer = record, answer  # type: ignore[method-assign, assignment]
    lakewarden()


main()
