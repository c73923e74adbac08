"""Hostile statements reach nothing and crash nothing: each is refused, fails in our words, or answers without the secret."""

import random
from pathlib import Path

import pyarrow as pa
import pytest

from lakewarden.engines.duckdb import DuckDbEngine
from lakewarden.kernel.lake import DataFile
from tests.unit.engines.lake import Ran, governed, parquet, run, table

_SECRET = "canary-5b1f"
_T = table("t", {"id": "bigint", "s": "string", "hidden": "string"})

_GOLDEN = Path(__file__).parents[2] / "golden" / "hostile"
_CALLS, _STATEMENTS, _SHELLS = (
    (_GOLDEN / f"{name}.txt").read_text(encoding="utf-8").splitlines() for name in ("calls", "statements", "shells")
)
"""One a line: functions that reach out, whole statements, and places to put a call (``{x}``)."""
_NOISE = (
    "--", "/*", "*/", "/**/", ";", "'", '"', "`", "$$", "\x00", "\ufeff", "\u200b", "\u202e", "\u00a0", "\uff08", "\u037e",
    "\u2019", "\\", "(", ")", "[", "{", "E'\\x41'", "U&'\\0027'", "x'00'", " UNION ALL ", " -- \n", "\r", "\t", "\v", "::",
    ":=", "=>", "||", "!", "@", "#", "\U0001f600", "%s", "{{", "NULL", "0x1F", " QUALIFY ", " USING SAMPLE 5 ",
    " EXCLUDE (s) ", " AT (VERSION => 1) ", " COLLATE NOCASE ", " WITH ORDINALITY ", " ESCAPE '", " INTO OUTFILE 'x' ",
)  # fmt: skip
_NESTS = (
    ("(", ")"), ("ARRAY[", "]"), ("abs(", ")"), ("CASE WHEN true THEN ", " END"), ("NOT ", ""), ("- ", ""), ("(SELECT ", ")"),
    ("ROW(", ")"), ("transform(ARRAY[1], q -> ", ")"), ("substr('a', ", ")"),
)  # fmt: skip


class Hostile:
    """Statements made of the above, bent at random."""

    def __init__(self, seed: int, root: Path) -> None:
        self._pick = random.Random(seed)
        data = root / "objects" / "elsewhere.parquet"
        self._names = {"file": str(root / "canary.csv"), "dir": str(root), "data": str(data)}

    def statement(self) -> str:
        made = self._pick.choice((self._whole, self._called, self._deep, self._called, self._whole))()
        for _ in range(self._pick.choice((0, 0, 0, 1, 2, 4))):
            made = self._bent(made)
        return made

    def _whole(self) -> str:
        return self._pick.choice(_STATEMENTS).format(**self._names)

    def _called(self) -> str:
        call = self._pick.choice(_CALLS).format(**self._names)
        if self._pick.random() < 0.3:
            name, _, rest = call.partition("(")
            call = self._pick.choice((call.upper(), f'"{name}"({rest}', f"main.{call}", f"system.main.{call}"))
        return self._pick.choice(_SHELLS).format(x=call)

    def _deep(self) -> str:
        depth = self._pick.choice((5, 50, 150, 3000))
        opening, closing = self._pick.choice(_NESTS)
        return "SELECT " + opening * depth + "1" + closing * depth

    def _bent(self, text: str) -> str:
        place = self._pick.randint(0, len(text))
        match self._pick.randint(0, 4):
            case 0:
                return text[:place] + self._pick.choice(_NOISE) + text[place:]
            case 1:
                return text[:place] + text[place + self._pick.randint(1, 6) :]
            case 2:
                return text[:place] + "/* x */" + text[place:]
            case 3:
                other = self._pick.choice(_STATEMENTS).format(**self._names)
                return text[:place] + self._pick.choice((" ", ";", "\n")) + other
            case _:
                return text.swapcase()


@pytest.fixture(scope="module")
def lake(root: Path) -> tuple[DataFile, ...]:
    (root / "canary.csv").write_text(f"a\n{_SECRET}\n", encoding="utf-8")
    parquet(root, "elsewhere", pa.table({"a": [_SECRET]}))
    return parquet(root, "hostile", pa.table({"id": [1, 2], "s": ["a", "b"], "hidden": [_SECRET, _SECRET]}))


def _attack(worker: DuckDbEngine, files: tuple[DataFile, ...], root: Path, first: int, count: int) -> list[Ran]:
    before = sorted(path.name for path in root.iterdir())
    ran = []
    for seed in range(first, first + count):
        statement = Hostile(seed, root).statement()
        try:
            result = run(worker, statement, {"t": (governed(_T, ("id", "s")), files)})
        except AssertionError:
            continue  # a statement of another kind than SELECT: DDL and SHOW never reach the engine
        assert _SECRET not in repr(result), statement
        assert "GENERIC_INTERNAL_ERROR" not in result.error, (statement, result.error)
        ran.append(result)
    assert sorted(path.name for path in root.iterdir()) == before
    assert run(worker, "SELECT count(*) FROM t", {"t": (governed(_T, ("id", "s")), files)}).rows == (("2",),)
    return ran


def test_hostile_statements_reach_nothing(worker: DuckDbEngine, lake: tuple[DataFile, ...], root: Path) -> None:
    ran = _attack(worker, lake, root, 0, 2_000)
    assert sum(not one.error for one in ran) > 20
    assert sum(bool(one.error) for one in ran) > 1_000


@pytest.mark.long
def test_hostile_statements_reach_nothing_at_length(
    worker: DuckDbEngine, lake: tuple[DataFile, ...], root: Path
) -> None:
    _attack(worker, lake, root, 10_000, 100_000)
