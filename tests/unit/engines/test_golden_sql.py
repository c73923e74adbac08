"""Every pair of ``tests/golden/sql``, executed: a statement, and the rows or the error that Trino's documentation gives."""

from pathlib import Path

import pytest

from lakewarden.engines.duckdb import DuckDbEngine
from tests.unit.engines.lake import run, shown

_GOLDEN = Path(__file__).parents[2] / "golden" / "sql"
_CASES = [
    (f"{path.stem}:{number}", *line.rstrip("\n").rpartition("; -- ")[::2])
    for path in sorted(_GOLDEN.glob("*.sql"))
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    if line and not line.startswith("--")
]


def test_there_are_enough_pairs() -> None:
    assert len(_CASES) >= 500
    assert all(statement for _, statement, _ in _CASES)


@pytest.mark.parametrize(("statement", "expected"), [case[1:] for case in _CASES], ids=[case[0] for case in _CASES])
def test_pair(worker: DuckDbEngine, statement: str, expected: str) -> None:
    assert shown(run(worker, statement)) == expected
