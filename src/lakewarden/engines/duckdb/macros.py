"""The macros of ``macros.sql``: Trino's functions, made in an instance when a statement uses them."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"\bt_[a-z0-9_]+", re.IGNORECASE)
_STATEMENT = re.compile(r"^CREATE TEMP MACRO (t_[a-z0-9_]+)\b(?:[^;']|'[^']*')*;", re.MULTILINE)


@cache
def macros() -> Mapping[str, str]:
    """Name -> the statement that makes it."""
    text = files("lakewarden.engines.duckdb").joinpath("macros.sql").read_text(encoding="utf-8")
    return {found.group(1): found.group() for found in _STATEMENT.finditer(text)}


def needed(sql: str, done: set[str]) -> Iterator[str]:
    """The statements that make the macros that ``sql`` uses, each after those that it uses itself.

    ``done`` names those that are there already, and grows.
    """

    def visit(text: str, own: str) -> Iterator[str]:
        for name in dict.fromkeys(one.lower() for one in _NAME.findall(text)):
            statement = macros().get(name)
            if statement is None or name in done or name == own:
                continue
            done.add(name)
            yield from visit(statement, name)
            yield statement

    yield from visit(sql, "")


@cache
def repetitions() -> Mapping[str, int]:
    """Macro -> how often it spells out the argument that it uses most, the macros within it included."""
    found: dict[str, int] = {}

    def count(name: str) -> int:
        if name not in found:
            found[name] = 1
            found[name] = max(repeated(one, name) for one in macros()[name].split("\n  ("))
        return found[name]

    def repeated(overload: str, name: str) -> int:
        head, _, body = overload.partition(" AS ")
        parameters = set(re.findall(r"[a-z]\w*", head.rpartition("(")[2]))
        inner = {one.lower() for one in _NAME.findall(body)} & macros().keys() - {name}
        most = max((len(re.findall(rf"\b{one}\b", body)) for one in parameters), default=1)
        return max(1, most) * max((count(one) for one in inner), default=1)

    for name in macros():
        count(name)
    return found
