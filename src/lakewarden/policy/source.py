"""A policy document as text: where its statements stand, and the condition keys that it asks about."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")
_VARIABLE = re.compile(r"\$\{\s*([^*?$}][^},]*?)\s*(,[^}]*)?\}")


@dataclass(frozen=True, slots=True)
class Span:
    """Where a statement stands: lines and columns, counted from 1; the end is behind its last letter."""

    line: int
    column: int
    end_line: int
    end_column: int


def statement_spans(document: str) -> tuple[Span, ...]:
    """The place of every statement of a valid document, in order."""
    return tuple(_span(document, start, end) for start, end in _statements(document))


def context_keys(document: str) -> tuple[tuple[str, ...], ...]:
    """Per statement, the condition keys that it needs: those of its conditions, and variables without a default."""
    body = json.loads(document)
    written = body["Statement"]
    variables = body.get("Version") == "2012-10-17"
    return tuple(_keys(one, variables) for one in ([written] if isinstance(written, Mapping) else written))


def _keys(statement: Mapping[str, Any], variables: bool) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for keys in statement.get("Condition", {}).values():
        for key in keys:
            found.setdefault(key.lower(), key)
    if variables:
        parts = [statement.get("Resource"), statement.get("NotResource"), statement.get("Condition")]
        for name, default in _VARIABLE.findall(json.dumps(parts, ensure_ascii=False)):
            if not default:
                found.setdefault(name.lower(), name)
    return tuple(found.values())


def _statements(text: str) -> Iterator[tuple[int, int]]:
    for key, start, end in _members(text, _skip(text, 0)):
        if key == "Statement":
            if text[start] == "[":
                yield from _items(text, start)
            else:
                yield start, end


def _members(text: str, at: int) -> Iterator[tuple[str, int, int]]:
    """The members of the object that begins at ``at``: name, and where the value begins and ends."""
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        start = _skip(text, _skip(text, at) + 1)
        _, end = _DECODER.raw_decode(text, start)
        yield key, start, end
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _items(text: str, at: int) -> Iterator[tuple[int, int]]:
    at = _skip(text, at + 1)
    while text[at] != "]":
        _, end = _DECODER.raw_decode(text, at)
        yield at, end
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _span(text: str, start: int, end: int) -> Span:
    return Span(*_place(text, start), *_place(text, end))


def _place(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
