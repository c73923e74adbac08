"""What both REST protocols share: members that travel in the path, the query string, headers and the status."""

import csv
import io
import re
from collections.abc import Mapping
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from lakewarden.kernel.call import Answer
from lakewarden.wire.codecs import scalars
from lakewarden.wire.codecs.message import Incoming
from lakewarden.wire.codecs.scalars import Malformed

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def parse_head(shape: StructureShape, request: Incoming) -> dict[str, Any]:
    """Members outside the body; raises :class:`Malformed`."""
    members: dict[str, Any] = {}
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        if location is None:
            continue
        try:
            found = _head_member(location, member, name, request)
        except Malformed as error:
            raise Malformed(f"at {name}: {error}") from error
        if found is not None:
            members[name] = found
    return members


def _head_member(location: str, member: Shape, name: str, request: Incoming) -> Any:
    wire_name = member.serialization.get("name", name)
    if location == "uri":
        text = request.labels.get(wire_name)
        return None if text is None else scalars.parse_text(member, text, "iso8601")
    if location == "querystring":
        return _query_member(member, wire_name, request)
    if location == "headers":
        prefix = wire_name.lower()
        names = [key for key in request.headers if key.startswith(prefix)]
        return {key[len(prefix) :]: _header_text(",".join(request.headers.all(key))) for key in names} or None
    if location == "header":
        return _header_member(member, wire_name.lower(), request)
    raise Malformed(f"unknown location {location}")


def _query_member(member: Shape, wire_name: str, request: Incoming) -> Any:
    if isinstance(member, MapShape):
        taken = dict(request.query)
        return taken or None
    values = [value for key, value in request.query if key == wire_name]
    if not values:
        return None
    if isinstance(member, ListShape):
        return [scalars.parse_text(member.member, value, "iso8601") for value in values]
    return scalars.parse_text(member, values[0], "iso8601")


def _header_member(member: Shape, wire_name: str, request: Incoming) -> Any:
    if wire_name not in request.headers:
        return None
    if isinstance(member, ListShape):
        text = ",".join(request.headers.all(wire_name))
        try:
            row = next(csv.reader(io.StringIO(text), skipinitialspace=True, escapechar="\\"), [])
        except csv.Error as error:
            raise Malformed("expected a list") from error
        return [scalars.parse_text(member.member, item, "rfc822") for item in row]
    return scalars.parse_text(member, _header_text(request.headers.get(wire_name)), "rfc822")


def _header_text(value: str) -> str:
    """Header bytes arrive as Latin-1; clients send UTF-8 (S3 user metadata)."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def head_headers(operation: OperationModel, members: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Output members that travel in headers."""
    headers: list[tuple[str, str]] = []
    shape = operation.output_shape
    for name, member in shape.members.items() if shape is not None else ():
        value = members.get(name)
        location = member.serialization.get("location")
        if value is None or location not in {"header", "headers"}:
            continue
        wire_name = member.serialization.get("name", name)
        if location == "headers":
            headers += [(f"{wire_name}{key}", safe(item)) for key, item in value.items()]
        elif isinstance(member, ListShape):
            headers.append((wire_name, safe(",".join(_list_item(member.member, item) for item in value))))
        else:
            headers.append((wire_name, safe(scalars.format_text(member, value, "rfc822"))))
    return headers


def _list_item(shape: Shape, item: Any) -> str:
    text = scalars.format_text(shape, item, "rfc822")
    return '"' + text.replace('"', '\\"') + '"' if "," in text or '"' in text else text


def safe(text: str) -> str:
    """A value as header bytes (UTF-8, read as Latin-1). What no header may hold becomes a space."""
    # INVARIANT: no line break and no control character leaves in a header, whatever a stored value or a caller holds.
    return _CONTROL.sub(" ", text).encode(errors="replace").decode("latin-1")


def status(operation: OperationModel, answer: Answer) -> int:
    """The HTTP status: the answer's own, the model's ``statusCode`` member, or the operation's default."""
    if answer.status is not None:
        return answer.status
    shape = operation.output_shape
    for name, member in shape.members.items() if shape is not None else ():
        if member.serialization.get("location") == "statusCode" and answer.members.get(name) is not None:
            return int(answer.members[name])
    return int(operation.http.get("responseCode", 200))


def payload(shape: StructureShape | None) -> tuple[str, Shape] | None:
    """The member that is the whole body, if the model names one."""
    name = shape.serialization.get("payload") if shape is not None else None
    return (name, shape.members[name]) if shape is not None and name else None
