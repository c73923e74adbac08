"""Structured logs and Prometheus metrics. Neither ever holds a credential, a query text or a value of the data."""

import contextlib
import io
import logging
import sys
from typing import Final, TextIO, cast

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from structlog.typing import Processor

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The counters behind ``/_metrics``; one instance per server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._calls = Counter(
            "lakewarden_calls", "Answered calls.", ("service", "operation", "code"), registry=self._registry
        )
        self._seconds = Histogram(
            "lakewarden_call_seconds",
            "From arrival to answer.",
            ("service",),
            buckets=_SECONDS,
            registry=self._registry,
        )

    def answered(self, service: str, operation: str, code: str, seconds: float) -> None:
        """Count one answer; ``code`` is the AWS error code, or ``OK``. The labels are names that we know, never a caller's."""
        self._calls.labels(service, operation, code).inc()
        self._seconds.labels(service).observe(seconds)

    def render(self) -> bytes:
        """The metrics in Prometheus's text format."""
        return generate_latest(self._registry)


class CallLog:
    """One JSON line a call on standard error. Who called and with what stands in the audit trail, not here."""

    def __init__(self) -> None:
        self._encode = msgspec.json.Encoder().encode

    def answered(self, request_id: str, at: str, service: str, operation: str, code: str, seconds: float) -> None:
        """Log one answer."""
        line = {
            "event": "call", "level": "info", "timestamp": at, "request_id": request_id, "service": service,
            "operation": operation, "code": code, "milliseconds": round(seconds * 1000, 2),
        }  # fmt: skip
        with contextlib.suppress(OSError):  # as _Lossy
            sys.stderr.buffer.write(self._encode(line) + b"\n")
            sys.stderr.buffer.flush()


class _Lossy(io.TextIOBase):
    """Standard error, which loses lines while they cannot be written (a full disk): no answer hangs on the server's log.

    What must not be lost is in the audit trail.
    """

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


def configure_logs() -> None:
    """Log JSON lines to standard error, those of the libraries among them."""
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", _Lossy())),
    )
