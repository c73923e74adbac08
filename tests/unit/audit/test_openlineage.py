"""OpenLineage events: what they hold, that the transport gets each, and that none is lost while it is away."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from lakewarden.audit.log import AuditLog
from lakewarden.audit.openlineage import LineageEmitter
from lakewarden.audit.queries import Execution
from lakewarden.audit.records import outcome_record
from lakewarden.audit.settings import BadSettings, OpenLineage
from lakewarden.audit.store import AuditStore
from lakewarden.state import Database
from tests.unit.audit.calls import ACCOUNT, AT, call

SEAL = b"s" * 32
CATALOG = f"arn:aws:glue:us-east-1:{ACCOUNT}"
QUERY = "00000000-0000-4000-8000-00000000000{}"
TEXTS = {
    QUERY.format(1): "CREATE TABLE copy AS SELECT name AS who FROM visits WHERE dose > 1",
    QUERY.format(2): "SELECT name FROM visits",
    QUERY.format(3): "SHOW TABLES",
}


class Texts:
    """What the query context would keep."""

    def find(self, query_ids: Sequence[str]) -> Mapping[str, Execution]:
        return {one: Execution(TEXTS[one], AT.isoformat(), "primary", "clinic") for one in query_ids}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AuditStore]:
    database = Database(f"sqlite:///{tmp_path / 'audit.db'}")
    database.create_schema()
    store = AuditStore(database, SEAL)
    log = AuditLog(store)
    for query_id, state in zip(TEXTS, ("SUCCEEDED", "FAILED", "SUCCEEDED"), strict=True):
        tables = [] if "SHOW" in TEXTS[query_id] else [{"table": "clinic.visits", "columns": ["name", "dose"]}]
        details = {"queryId": query_id, "state": state, "tables": tables, "outputLocation": f"s3://out/{query_id}.csv"}
        if state == "FAILED":
            details["error"] = "COLUMN_NOT_FOUND"
        log.append(outcome_record(call("athena", "x", caller="session"), ACCOUNT, query_id, details, AT)).result()
    log.close()
    yield store
    database.close()


def emitter(tmp_path: Path, store: AuditStore, path: Path) -> LineageEmitter:
    settings = OpenLineage("file", path=str(path))
    return LineageEmitter(settings, tmp_path / "position", store, Texts(), CATALOG)


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def test_an_event_has_the_columns_lineage_and_no_text(tmp_path: Path, store: AuditStore) -> None:
    path = tmp_path / "events.json"
    emitter(tmp_path, store, path).emit_new()
    first, second = events(path)
    assert first["eventType"] == "COMPLETE"
    assert first["run"]["runId"] == QUERY.format(1)
    assert [one["name"] for one in first["inputs"]] == ["clinic.visits"]
    output = first["outputs"][0]
    assert (output["namespace"], output["name"]) == (CATALOG, "clinic.copy")
    lineage = output["facets"]["columnLineage"]
    assert [(one["name"], one["field"]) for one in lineage["fields"]["who"]["inputFields"]] == [
        ("clinic.visits", "name")
    ]
    assert [(one["field"], one["transformations"][0]["type"]) for one in lineage["dataset"]] == [("dose", "INDIRECT")]
    assert second["eventType"] == "FAIL"
    assert second["outputs"] == []
    assert "SELECT" not in path.read_text()


def test_each_event_is_emitted_once_over_restarts(tmp_path: Path, store: AuditStore) -> None:
    path = tmp_path / "events.json"
    for _ in range(3):
        emitter(tmp_path, store, path).emit_new()
    assert len(events(path)) == 2


def test_nothing_is_lost_while_the_transport_is_away(tmp_path: Path, store: AuditStore) -> None:
    path = tmp_path / "mount" / "events.json"
    away = emitter(tmp_path, store, path)
    with pytest.raises(Exception, match=r"mount|No such file|FileNotFound|fail"):
        away.emit_new()
    path.parent.mkdir()
    away.emit_new()
    assert len(events(path)) == 2


@pytest.mark.parametrize("settings", [OpenLineage("kafka"), OpenLineage("file"), OpenLineage("http")])
def test_settings_that_cannot_work_are_refused(tmp_path: Path, store: AuditStore, settings: OpenLineage) -> None:
    with pytest.raises(BadSettings):
        LineageEmitter(settings, tmp_path / "position", store, Texts(), CATALOG)
