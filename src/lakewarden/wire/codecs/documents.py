"""JSON documents to members and back, by shape: the part that json and rest-json share."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from lakewarden.wire.codecs import scalars
from lakewarden.wire.codecs.scalars import Malformed
from lakewarden.wire.errors import SerializationException

_MAX_DEPTH = 100


def load(body: bytes) -> Any:
    """Parse a JSON body; an empty one is an empty object. Raises :class:`SerializationException`."""
    if not body.strip():
        return {}
    try:
        document = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
        if b"\\u" in body:
            _refuse_odd_characters(document)
    except (ValueError, RecursionError) as error:
        raise SerializationException("The request body is not valid JSON.") from error
    return document


def _refuse_odd_characters(document: Any) -> None:
    """Escapes can spell what UTF-8 cannot (half a surrogate pair) and what no store keeps (null): neither gets in."""
    text = json.dumps(document, ensure_ascii=False)
    text.encode("utf-8")
    if "\\u0000" in text.replace("\\\\", ""):
        raise ValueError("a null character")


def parse(shape: StructureShape, value: Any) -> dict[str, Any]:
    """The members of ``shape`` in a JSON ``value``; raises :class:`SerializationException` with the place."""
    try:
        members: dict[str, Any] = _parse(shape, value, "", 0)
    except Malformed as error:
        raise SerializationException(str(error)) from error
    return members


def dump(shape: Shape | None, members: Mapping[str, Any]) -> bytes:
    """``members`` as a JSON body."""
    return json.dumps(document(shape, members) if shape is not None else {}, separators=(",", ":")).encode()


def document(shape: Shape, members: Mapping[str, Any]) -> dict[str, Any]:
    """``members`` as a JSON object; what the model does not know is left out."""
    formatted: dict[str, Any] = _format(shape, members)
    return formatted


def dump_value(shape: Shape, value: Any) -> bytes:
    """One value of ``shape`` as JSON text."""
    return json.dumps(_format(shape, value), separators=(",", ":")).encode()


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _parse(shape: Shape, value: Any, place: str, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise Malformed("the body is nested too deeply")
    if getattr(shape, "is_document_type", False):
        return value
    try:
        if isinstance(shape, StructureShape):
            return _parse_structure(shape, _expect(value, dict), place, depth)
        if isinstance(shape, ListShape):
            items = _expect(value, list)
            return [_parse(shape.member, item, f"{place}[{at}]", depth + 1) for at, item in enumerate(items)]
        if isinstance(shape, MapShape):
            entries = _expect(value, dict)
            return {key: _parse(shape.value, item, f"{place}.{key}", depth + 1) for key, item in entries.items()}
        return _parse_scalar(shape, value)
    except Malformed as error:
        if place and not str(error).startswith("at "):
            raise Malformed(f"at {place.lstrip('.')[:200]}: {error}") from error
        raise


def _parse_structure(shape: StructureShape, document: dict[str, Any], place: str, depth: int) -> dict[str, Any]:
    members = {}
    for name, member in shape.members.items():
        value = document.get(member.serialization.get("name", name))
        if value is not None:
            members[name] = _parse(member, value, f"{place}.{name}", depth + 1)
    return members


def _parse_scalar(shape: Shape, value: Any) -> Any:
    kind = shape.type_name
    if kind in {"string", "char"}:
        return _expect(value, str)
    if kind == "boolean":
        return _expect(value, bool)
    if kind in {"integer", "long"}:
        whole = isinstance(value, float) and value.is_integer()
        return scalars.in_range(kind, int(value) if whole else _expect(value, int))
    if kind in {"float", "double"}:
        return scalars.parse_float(value) if isinstance(value, str) else _to_float(_expect(value, (int, float)))
    if kind == "timestamp":
        form = scalars.timestamp_format(shape, "unixTimestamp")
        if isinstance(value, str) and form == "unixTimestamp" and not value[:1].isdigit():
            raise Malformed("expected a timestamp")
        return scalars.parse_timestamp(_expect(value, (str, int, float)), form)
    if kind == "blob":
        return scalars.parse_blob(_expect(value, str))
    raise Malformed(f"unknown type {kind}")


def _to_float(value: float) -> float:
    try:
        return scalars.finite(float(value))
    except OverflowError:
        raise Malformed("expected a number, found a larger one") from None


def _expect(value: Any, kind: type | tuple[type, ...]) -> Any:
    # bool is an int to Python, but not to AWS.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        wanted = kind.__name__ if isinstance(kind, type) else " or ".join(one.__name__ for one in kind)
        raise Malformed(f"expected {wanted}, found {type(value).__name__}")
    return value


def _format(shape: Shape, value: Any) -> Any:
    return _formatter(shape)(value)


@cache  # as many as the models have
def _formatter(shape: Shape) -> Callable[[Any], Any]:
    """How values of ``shape`` are written: made once a shape, for pages of results have thousands of values."""
    if getattr(shape, "is_document_type", False):
        return _as_it_is
    if isinstance(shape, StructureShape):
        return _structure_formatter(shape)
    if isinstance(shape, ListShape):
        item = _formatter(shape.member)
        return lambda values: [item(one) for one in values]
    if isinstance(shape, MapShape):
        entry = _formatter(shape.value)
        return lambda values: {key: entry(one) for key, one in values.items()}
    kind = shape.type_name
    if kind == "timestamp":
        form = scalars.timestamp_format(shape, "unixTimestamp")
        return lambda value: scalars.format_timestamp(value, form) if isinstance(value, datetime) else value
    if kind == "blob":
        return scalars.format_blob
    if kind in {"float", "double"}:
        return lambda value: value if math.isfinite(value) else scalars.format_float(value)
    return _as_it_is


def _structure_formatter(shape: StructureShape) -> Callable[[Any], Any]:
    # The members' are looked up at the first value, for a shape may contain itself.
    members: list[tuple[str, str, Callable[[Any], Any]]] = []

    def run(value: Mapping[str, Any]) -> dict[str, Any]:
        if not members:
            members[:] = [
                (name, member.serialization.get("name", name), _formatter(member))
                for name, member in shape.members.items()
            ]
        return {written: form(found) for name, written, form in members if (found := value.get(name)) is not None}

    return run


def _as_it_is(value: Any) -> Any:
    return value
