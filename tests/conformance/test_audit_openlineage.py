"""Every OpenLineage transport against a real receiver: HTTP on loopback, standard output."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from lakewarden.audit.openlineage import LineageEmitter
from lakewarden.audit.settings import OpenLineage
from lakewarden.audit.store import AuditStore
from tests.loopback import Quiet, answering
from tests.unit.audit.test_openlineage import CATALOG, QUERY, Texts, store  # noqa: F401 - a fixture


@dataclass
class Receiver:
    """What was posted; ``status`` is what it answers."""

    url: str = ""
    status: int = 201
    posted: list[tuple[str, str | None, dict[str, Any]]] = field(default_factory=list)


@contextmanager
def receiving() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if made.status < 300:
                made.posted.append((self.path, self.headers["Authorization"], body))
            self.send_response(made.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with answering(Handler) as port:
        made.url = f"http://127.0.0.1:{port}"
        yield made


def emitter(root: Path, log: AuditStore, settings: OpenLineage) -> LineageEmitter:
    return LineageEmitter(settings, root / "position", log, Texts(), CATALOG)


def test_http_gets_each_event_once_with_its_key(tmp_path: Path, store: AuditStore) -> None:  # noqa: F811
    with receiving() as receiver:
        settings = OpenLineage("http", url=receiver.url, api_key="k3y", namespace="ours")
        for _ in range(2):
            emitter(tmp_path, store, settings).emit_new()
        assert [path for path, _, _ in receiver.posted] == ["/api/v1/lineage"] * 2
        assert {key for _, key, _ in receiver.posted} == {"Bearer k3y"}
        first = receiver.posted[0][2]
        assert (first["run"]["runId"], first["job"]["namespace"]) == (QUERY.format(1), "ours")
        fields = first["outputs"][0]["facets"]["columnLineage"]["fields"]
        assert fields["who"]["inputFields"][0]["field"] == "name"
        assert "SELECT" not in json.dumps(receiver.posted)


def test_http_loses_nothing_while_the_receiver_is_away_or_fails(
    tmp_path: Path,
    store: AuditStore,  # noqa: F811
) -> None:
    with receiving() as receiver:
        sender = emitter(tmp_path, store, OpenLineage("http", url=receiver.url))
        receiver.status = 503
        with pytest.raises(Exception, match="503"):
            sender.emit_new()
        receiver.status = 201
        sender.emit_new()
        assert len(receiver.posted) == 2
    with receiving() as another:
        gone = OpenLineage("http", url=receiver.url)
        (tmp_path / "position").unlink()
        with pytest.raises(Exception, match="refused"):
            emitter(tmp_path, store, gone).emit_new()
        emitter(tmp_path, store, OpenLineage("http", url=another.url)).emit_new()
        assert len(another.posted) == 2


def test_console_is_a_line_on_standard_output(
    tmp_path: Path,
    store: AuditStore,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    emitter(tmp_path, store, OpenLineage("console")).emit_new()
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["eventType"] for one in printed] == ["COMPLETE", "FAIL"]
