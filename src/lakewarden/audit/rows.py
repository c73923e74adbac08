"""The rows of the audit tables, pure: what their columns are, and how records become rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa

from lakewarden.audit.lineage import Lineage
from lakewarden.audit.queries import QueryRow
from lakewarden.audit.records import person_of, username_of

_TEXTS = pa.list_(pa.string())
_TIME = pa.timestamp("ms")


@dataclass(frozen=True, slots=True)
class Field:
    """A column: its name, its type in Parquet and in Glue, and what it means."""

    name: str
    kind: pa.DataType
    type: str
    comment: str


def _texts(name: str, comment: str) -> Field:
    return Field(name, _TEXTS, "array<string>", comment)


def _text(name: str, comment: str) -> Field:
    return Field(name, pa.string(), "string", comment)


def _number(name: str, comment: str) -> Field:
    return Field(name, pa.int64(), "bigint", comment)


def _moment(name: str, comment: str) -> Field:
    return Field(name, _TIME, "timestamp", comment)


FIELDS: Mapping[str, tuple[Field, ...]] = {
    "events": (
        _number("sequence", "The record's number in the log"),
        _moment("event_time", "eventTime, UTC"),
        _text("event_id", "eventID"),
        _text("event_name", "eventName"),
        _text("event_source", "eventSource"),
        _text("event_category", "Management or Data"),
        Field("read_only", pa.bool_(), "boolean", "readOnly"),
        _text("person", "The source identity, else the user's or the session's name"),
        _text("user_name", "What LookupEvents calls the user"),
        _text("principal", "userIdentity.arn"),
        _text("role", "The ARN of the session's role"),
        _text("access_key_id", "userIdentity.accessKeyId"),
        _text("source_ip_address", "sourceIPAddress"),
        _text("user_agent", "userAgent"),
        _text("error_code", "errorCode, empty for a call that went well"),
        _text("error_message", "errorMessage"),
        _text("request_id", "requestID"),
        _text("query_id", "The Athena query that the record belongs to"),
        _texts("resources", "The ARNs of the resources"),
        _text("record", "The whole record, JSON"),
    ),
    "queries": (
        _number("sequence", "The number of the outcome's record in the log"),
        _text("query_id", "QueryExecutionId"),
        _moment("submitted", "When it was submitted, UTC"),
        _moment("completed", "When it ended, UTC"),
        _number("duration_ms", "From submission to end"),
        _text("state", "SUCCEEDED, FAILED or CANCELLED"),
        _text("error", "Why it failed"),
        _text("kind", "SELECT, CREATE_TABLE_AS_SELECT, INSERT ..."),
        _text("person", "The source identity, else the user's or the session's name"),
        _text("profile", "The Studio user profile"),
        _text("role", "The ARN of the role"),
        _text("session", "The role session's name"),
        _text("principal", "The caller's ARN"),
        _text("address", "Where the call came from"),
        _text("agent", "The client"),
        _text("workgroup", "The workgroup"),
        _text("database", "The execution's database"),
        _text("sql", "The statement's text"),
        _texts("tables", "The tables that were read"),
        _texts("columns", "The columns that were read: database.table.column"),
        _texts("filters", "The row filters that were in force"),
        _texts("grants", "The grants that allowed it"),
        _number("rows", "Rows of the result"),
        _number("bytes", "Bytes of the result"),
        _number("scanned_bytes", "Bytes of the files that were read"),
        _number("objects", "How many objects were read"),
        _texts("object_uris", "The objects that were read, a hundred of each table at most"),
        _text("location", "Where the result lies"),
    ),
    "lineage": (
        _number("sequence", "The number of the outcome's record in the log"),
        _text("query_id", "QueryExecutionId"),
        _moment("completed", "When the query ended, UTC"),
        _text("person", "Who ran it"),
        _text("kind", "SELECT, CTAS, INSERT, UNLOAD or VIEW"),
        _text("target", "The table or location that was written, or where the result lies"),
        _text("target_column", "A column of the result; empty for what only decides which rows there are"),
        _text("source_table", "The table it comes from"),
        _text("source_column", "The column it comes from"),
    ),
}
SCHEMAS: Mapping[str, pa.Schema] = {
    name: pa.schema([(field.name, field.kind) for field in fields]) for name, fields in FIELDS.items()
}


def event_row(sequence: int, text: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """A row of ``events``."""
    identity = record["userIdentity"]
    return {
        "sequence": sequence,
        "event_time": _at(record["eventTime"]),
        "event_id": record["eventID"],
        "event_name": record["eventName"],
        "event_source": record["eventSource"],
        "event_category": record.get("eventCategory", ""),
        "read_only": bool(record["readOnly"]),
        "person": person_of(identity),
        "user_name": username_of(identity),
        "principal": identity.get("arn", ""),
        "role": ((identity.get("sessionContext") or {}).get("sessionIssuer") or {}).get("arn", ""),
        "access_key_id": identity.get("accessKeyId", ""),
        "source_ip_address": record.get("sourceIPAddress", ""),
        "user_agent": record.get("userAgent", ""),
        "error_code": record.get("errorCode", ""),
        "error_message": record.get("errorMessage", ""),
        "request_id": record.get("requestID", ""),
        "query_id": query_id_of(record),
        "resources": [str(one["ARN"]) for one in record.get("resources") or ()],
        "record": text,
    }


def query_columns(row: QueryRow) -> dict[str, Any]:
    """A row of ``queries``."""
    values = msgspec.structs.asdict(row)
    return values | {name: _at(values[name]) if values[name] else None for name in ("submitted", "completed")}


def lineage_rows(row: QueryRow, traced: Lineage) -> Iterator[dict[str, Any]]:
    """Rows of ``lineage``: one for each pair of an output and a source, and for each influence."""
    if row.state != "SUCCEEDED":
        return
    common = {
        "sequence": row.sequence,
        "query_id": row.query_id,
        "completed": _at(row.completed),
        "person": row.person,
        "kind": traced.kind,
        "target": traced.target or row.location,
    }
    for output in traced.outputs:
        for table, column in output.sources or (("", ""),):
            yield {**common, "target_column": output.name, "source_table": table, "source_column": column}
    for table, column in traced.influences:
        yield {**common, "target_column": "", "source_table": table, "source_column": column}


def query_id_of(record: Mapping[str, Any]) -> str:
    """The query that a record belongs to, or empty."""
    details = record.get("serviceEventDetails") or {}
    if "queryId" in details:
        return str(details["queryId"])
    parameters, answer = record.get("requestParameters") or {}, record.get("responseElements") or {}
    context = parameters.get("auditContext")
    if isinstance(context, dict):
        return str(context.get("additionalAuditContext", "")).removeprefix("{queryId: ").removesuffix("}")
    found = parameters.get("queryExecutionId") or answer.get("queryExecutionId") or ""
    return found if isinstance(found, str) else ""


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
