"""The joined view, pure: one row per query, made of the record of its outcome and of what its execution keeps."""

import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from lakewarden.audit.records import person_of

OUTCOME = "QueryExecutionCompleted"
ALTERED = "(the text that is kept is not the one that ran)"
TextSeal = Callable[[str, str], str]
"""The seal of a query's text, by the query's id and the text."""
_STUDIO_SESSION = "SageMaker"


class Execution(msgspec.Struct, frozen=True):
    """What the query context keeps of an execution, and the trail does not: the text, and where it came from."""

    text: str = ""
    submitted: str = ""
    workgroup: str = ""
    database: str = ""
    substatement: str = ""


class QueryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One query. ``columns`` are those actually read, as ``database.table.column``; ``grants`` and ``filters`` say why
    and how far. ``sql`` is empty for those who may not read it. Instants are ISO 8601 UTC.
    """

    sequence: int
    query_id: str
    submitted: str
    completed: str
    duration_ms: int
    state: str
    error: str
    kind: str
    person: str
    profile: str
    role: str
    session: str
    principal: str
    address: str
    agent: str
    workgroup: str
    database: str
    sql: str
    tables: tuple[str, ...]
    columns: tuple[str, ...]
    filters: tuple[str, ...]
    grants: tuple[str, ...]
    rows: int
    bytes: int
    scanned_bytes: int
    objects: int
    object_uris: tuple[str, ...]
    location: str

    @property
    def read(self) -> Mapping[str, list[str]]:
        """The columns that were read of each table."""
        return {
            table: [one.removeprefix(f"{table}.") for one in self.columns if one.startswith(f"{table}.")]
            for table in self.tables
        }


def query_row(sequence: int, record: Mapping[str, Any], execution: Execution, seal: TextSeal) -> QueryRow:
    """The row of an outcome's record."""
    identity, details = record["userIdentity"], record.get("serviceEventDetails") or {}
    context = identity.get("sessionContext") or {}
    session = str(identity.get("arn", "")).rpartition("/")[2] if context else ""
    source = str(context.get("sourceIdentity") or "")
    tables = details.get("tables") or ()
    completed = str(details.get("completedAt") or record["eventTime"])
    return QueryRow(
        sequence=sequence,
        query_id=str(details.get("queryId", "")),
        submitted=execution.submitted,
        completed=completed,
        duration_ms=_duration(execution.submitted, completed),
        state=str(details.get("state", "")),
        error=str(details.get("error", "")),
        kind=execution.substatement or str(details.get("statementType", "")),
        person=person_of(identity),
        profile=source if session == _STUDIO_SESSION else "",
        role=str((context.get("sessionIssuer") or {}).get("arn", "")),
        session=session,
        principal=str(identity.get("arn", "")),
        address=str(details.get("clientAddress", "")),
        agent=str(details.get("clientAgent", "")),
        workgroup=execution.workgroup,
        database=execution.database,
        sql=_text(details, execution.text, seal),
        tables=tuple(str(one["table"]) for one in tables),
        columns=tuple(f"{one['table']}.{column}" for one in tables for column in one.get("columns") or ()),
        filters=tuple(f"{one['table']}: {text}" for one in tables for text in one.get("filters") or ()),
        grants=tuple(f"{one['table']}: {text}" for one in tables for text in one.get("because") or ()),
        rows=int(details.get("rows") or 0),
        bytes=int(details.get("bytes") or 0),
        scanned_bytes=int(details.get("scannedBytes") or 0),
        objects=sum(int(one.get("objects") or 0) for one in tables),
        object_uris=tuple(str(uri) for one in tables for uri in one.get("objectUris") or ()),
        location=str(details.get("outputLocation", "")),
    )


def _text(details: Mapping[str, Any], text: str, seal: TextSeal) -> str:
    """INVARIANT (tampering_is_found): the text is kept elsewhere, and is shown only if it is the one that ran."""
    recorded = details.get("textSeal")
    if not text or not isinstance(recorded, str):
        return text
    right = hmac.compare_digest(recorded.encode(), seal(str(details.get("queryId", "")), text).encode())
    return text if right else ALTERED


def _duration(submitted: str, completed: str) -> int:
    if not submitted:
        return 0
    started, ended = datetime.fromisoformat(submitted), datetime.fromisoformat(completed)
    return max(0, round((ended.astimezone(UTC) - started.astimezone(UTC)).total_seconds() * 1000))
