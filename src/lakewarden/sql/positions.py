"""Where a node stands in the statement, for error texts: line and column from 1, as Trino counts."""

from sqlglot import exp


def position_of(node: exp.Expression, text: str) -> tuple[int, int]:
    """The position of the first token of ``node`` that kept one; (1, 1) when none did."""
    starts = [one.meta["start"] for one in node.walk() if "start" in one.meta]
    return at(text, min(starts)) if starts else (1, 1)


def at(text: str, offset: int) -> tuple[int, int]:
    """Line and column of a character offset."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
