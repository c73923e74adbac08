"""The model's constraints on parsed input: required members, lengths and ranges, reported in AWS's words.

Types are settled by the codecs, which parse by the same shapes. Enumerations and patterns are left to the services: the
pinned model may be older than a client's.
"""

from collections.abc import Iterator, Mapping, Sized
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from lakewarden.kernel.errors import ValidationError

_LONGEST_ECHO = 128
_LONGEST_PLACE = 200
_MOST_FINDINGS = 10


def check(shape: StructureShape, members: Mapping[str, Any]) -> None:
    """Raise :class:`ValidationError` naming what breaks the model's constraints (up to ten findings)."""
    findings: list[str] = []
    for finding in _structure(shape, members, ""):
        findings.append(finding)
        if len(findings) == _MOST_FINDINGS:
            break
    if findings:
        count = "1 validation error" if len(findings) == 1 else f"{len(findings)} validation errors"
        raise ValidationError(f"{count} detected: {'; '.join(findings)}")


def _findings(shape: Shape, value: Any, place: str) -> Iterator[str]:
    if getattr(shape, "is_document_type", False):
        return
    if isinstance(shape, StructureShape):
        yield from _structure(shape, value, place)
        return
    yield from _bounds(shape, value, place)
    if isinstance(shape, ListShape):
        for number, item in enumerate(value, 1):
            yield from _findings(shape.member, item, f"{place}.{number}.member")
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            yield from _bounds(shape.key, key, f"{place}.{key}.key")
            yield from _findings(shape.value, item, f"{place}.{key}.member")


def _structure(shape: StructureShape, members: Mapping[str, Any], place: str) -> Iterator[str]:
    prefix = f"{place}." if place else ""
    for name in shape.required_members:  # a streaming member is still on its way
        if name not in members and not shape.members[name].serialization.get("streaming"):
            place_of_it = f"{prefix}{_camel(name)}"[:_LONGEST_PLACE]
            yield f"Value null at '{place_of_it}' failed to satisfy constraint: Member must not be null"
    if shape.is_tagged_union and len(members) != 1:
        yield f"Value at '{place[:_LONGEST_PLACE]}' failed to satisfy constraint: exactly one member must be set"
    for name, value in members.items():
        yield from _findings(shape.members[name], value, f"{prefix}{_camel(name)}")


def _bounds(shape: Shape, value: Any, place: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is None and high is None:
        return
    if isinstance(value, Sized):
        size: Any = len(value)
        measure = "length"
    elif isinstance(value, int | float):
        size = value
        measure = "value"
    else:
        return
    if low is not None and size < low:
        yield f"{_head(shape, value, place)} Member must have {measure} greater than or equal to {low}"
    elif high is not None and size > high:
        yield f"{_head(shape, value, place)} Member must have {measure} less than or equal to {high}"


def _head(shape: Shape, value: Any, place: str) -> str:
    # The value is the caller's own, but the text also goes to the audit trail: nothing sensitive, nothing long.
    shown = isinstance(value, str | int | float) and not shape.metadata.get("sensitive")
    echo = f" '{value}'" if shown and len(str(value)) <= _LONGEST_ECHO else ""
    return f"Value{echo} at '{place[:_LONGEST_PLACE]}' failed to satisfy constraint:"


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]
