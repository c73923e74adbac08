"""Every function is in one table, in the documentation, and has something behind it."""

from pathlib import Path

import pytest

from lakewarden.engines.duckdb.macros import macros
from lakewarden.sql.functions import FUNCTIONS, REFUSED
from lakewarden.sql.transforms import CALLS

_DOCS = Path(__file__).parents[3] / "docs" / "sql.md"


def _documented() -> dict[str, str]:
    rows = [line.split("|") for line in _DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    return {
        row[1].strip().strip("`"): row[2].strip() for row in rows if row[2].strip() in {"mapped", "emulated", "refused"}
    }


def test_no_function_is_both_known_and_refused() -> None:
    assert not FUNCTIONS.keys() & REFUSED.keys()


def test_the_documentation_lists_every_function_as_it_is() -> None:
    documented = _documented()
    assert {name for name, kind in documented.items() if kind == "refused"} == REFUSED.keys()
    for name, function in FUNCTIONS.items():
        emulated = name in CALLS or not function.engine or function.engine.startswith("t_")
        assert documented[name] == ("emulated" if emulated else "mapped"), name


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_has_something_behind_it(name: str) -> None:
    function = FUNCTIONS[name]
    if function.engine.startswith("t_"):
        assert function.engine in macros()
    elif not function.engine:
        assert name in CALLS or name in {"listagg", "trim", "normalize"}


def test_every_rewrite_belongs_to_a_function() -> None:
    stray = {name for name in CALLS if name not in FUNCTIONS}
    # extract's fields by other spellings
    assert stray <= {"dayofweek", "dayofyear"}
