"""Lineage as OpenLineage events (https://openlineage.io/docs/spec), at least once each, in the log's order."""

import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import structlog
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import column_lineage_dataset, error_message_run, schema_dataset
from openlineage.client.serde import Serde
from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport, TokenProvider
from openlineage.client.transport.transport import Config, Transport

from lakewarden.audit.lineage import Column, Lineage
from lakewarden.audit.ports import Executions
from lakewarden.audit.queries import QueryRow
from lakewarden.audit.settings import BadSettings, OpenLineage
from lakewarden.audit.store import AuditStore
from lakewarden.audit.tables import ran_queries

_NO_RETRIES = {"total": 0}
"""The courier comes again by itself: a receiver that is away must not hold it."""
_PRODUCER = "https://lakewarden.invalid/audit"
_CHUNK = 1000
_STATES = {"SUCCEEDED": RunState.COMPLETE, "FAILED": RunState.FAIL, "CANCELLED": RunState.ABORT}
_log = structlog.get_logger("lakewarden.audit")


class StandardOutput(Transport):
    """The transport ``console``: a line of JSON on standard output. The client's own one says it to Python's logging."""

    kind = "console"
    config_class = Config

    def emit(self, event: Any) -> None:
        """Print it."""
        sys.stdout.write(Serde.to_json(event) + "\n")
        sys.stdout.flush()


class LineageEmitter:
    """Follows the log from a durable position and emits one event per query that read or wrote a table."""

    def __init__(
        self, settings: OpenLineage, position: Path, log: AuditStore, executions: Executions, catalog: str
    ) -> None:
        self._client = OpenLineageClient(transport=_transport(settings))
        self._namespace = settings.namespace
        self._position = position
        self._log = log
        self._executions = executions
        self._catalog = catalog

    def emit_new(self) -> None:
        """Emit what has not been emitted; what fails is tried again the next time."""
        at = self._read()
        while found := self._log.records(at, _CHUNK):
            decoded = ((sequence, msgspec.json.decode(text)) for sequence, text in found)
            for row, traced in ran_queries(decoded, self._executions):
                if row.tables or traced.target:
                    self._client.emit(run_event(row, traced, self._namespace, self._catalog))
                self._write(row.sequence)
            at = found[-1][0]
            self._write(at)

    def _read(self) -> int:
        try:
            return int(self._position.read_text(encoding="ascii"))
        except FileNotFoundError:
            return 0

    def _write(self, sequence: int) -> None:
        written = self._position.with_suffix(".new")
        written.write_text(str(sequence), encoding="ascii")
        written.replace(self._position)


def run_event(row: QueryRow, traced: Lineage, namespace: str, catalog: str) -> RunEvent:
    """The event of one query. The statement's text is not in it: that has its own permission."""
    columns = row.read
    inputs = [
        InputDataset(catalog, table, facets={"schema": _schema(columns.get(table, ()))})
        for table in dict.fromkeys((*row.tables, *traced.inputs))
    ]
    outputs = [_output(row, traced, catalog)] if row.state == "SUCCEEDED" else []
    run_facets: dict[str, Any] = {}
    if row.error:
        run_facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(row.error, "SQL")
    return RunEvent(
        eventTime=datetime.fromisoformat(row.completed).isoformat(),
        run=Run(str(uuid.UUID(row.query_id)), run_facets),
        job=Job(namespace, f"athena.{traced.kind.lower() or 'statement'}.{row.query_id}"),
        producer=_PRODUCER,
        eventType=_STATES.get(row.state, RunState.OTHER),
        inputs=inputs,
        outputs=outputs,
    )


def _output(row: QueryRow, traced: Lineage, catalog: str) -> OutputDataset:
    facets: dict[str, Any] = {
        "schema": _schema([output.name for output in traced.outputs]),
        "columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(
            fields={
                output.name: column_lineage_dataset.Fields(_fields(output.sources, catalog, "DIRECT"))
                for output in traced.outputs
            },
            dataset=_fields(traced.influences, catalog, "INDIRECT"),
        ),
    }
    target = traced.target or row.location
    if target.startswith("s3://"):
        bucket, _, key = target.removeprefix("s3://").partition("/")
        return OutputDataset(f"s3://{bucket}", key or "/", facets=facets)
    return OutputDataset(catalog, target, facets=facets)


def _fields(columns: Iterable[Column], catalog: str, kind: str) -> list[column_lineage_dataset.InputField]:
    transformation = column_lineage_dataset.Transformation(kind)
    return [column_lineage_dataset.InputField(catalog, table, column, [transformation]) for table, column in columns]


def _schema(names: Sequence[str]) -> schema_dataset.SchemaDatasetFacet:
    return schema_dataset.SchemaDatasetFacet([schema_dataset.SchemaDatasetFacetFields(name) for name in names])


def _transport(settings: OpenLineage) -> Transport:
    kinds: Mapping[str, str] = {"console": "", "file": settings.path, "http": settings.url}
    if settings.transport not in kinds:
        raise BadSettings(f"openlineage.transport is console, file or http, not {settings.transport!r}")
    if settings.transport == "console":
        return StandardOutput()
    if not kinds[settings.transport]:
        raise BadSettings(f"openlineage with the transport {settings.transport} needs a path or a url")
    if settings.transport == "file":
        return FileTransport(FileConfig(log_file_path=settings.path, append=True))
    auth = ApiKeyTokenProvider({"apiKey": settings.api_key}) if settings.api_key else TokenProvider({})
    return HttpTransport(HttpConfig(url=settings.url, auth=auth, retry=_NO_RETRIES))
