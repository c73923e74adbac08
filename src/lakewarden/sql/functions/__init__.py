"""Every function that a query may use, by Trino's name: what is not in these tables is refused.

``docs/sql.md`` lists them; a test keeps the two alike.
"""

from dataclasses import dataclass

from lakewarden.sql.functions.aggregate import AGGREGATE, WINDOW
from lakewarden.sql.functions.refused import REFUSED
from lakewarden.sql.functions.scalar import SCALAR

MARK = "$"
"""Stands before a function's name from :func:`lakewarden.sql.calls.mark` until its call is rewritten."""


@dataclass(frozen=True, slots=True)
class Function:
    """One of Trino's functions. ``engine`` is empty where a rewrite in ``transforms`` makes the engine's call."""

    name: str
    least: int
    most: int
    engine: str
    returns: str
    aggregate: bool = False
    window: bool = False


def _table(text: str, *, aggregate: bool = False, window: bool = False) -> dict[str, Function]:
    found = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        name, count, engine, returns = line.split(maxsplit=3)
        least, dash, most = count.rstrip("+").partition("-")
        upper = 1 << 30 if count.endswith("+") else int(most) if dash else int(least)
        found[name] = Function(name, int(least), upper, engine.strip("*"), returns, aggregate, window)
    return found


FUNCTIONS = {**_table(SCALAR), **_table(AGGREGATE, aggregate=True), **_table(WINDOW, window=True)}
"""Lower-case Trino name -> function."""

__all__ = ["FUNCTIONS", "MARK", "REFUSED", "Function"]
