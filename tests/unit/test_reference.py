"""docs/reference.md is made from the code, and a change of the code that it does not show fails here."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_what_the_code_says(maker: ModuleType) -> None:
    written = (DOCS / "reference.md").read_text(encoding="utf-8")
    assert written == maker.reference(), "run: make docs"


def test_everything_that_is_secret_by_nature_is_listed_as_hidden() -> None:
    lines = (DOCS / "reference.md").read_text(encoding="utf-8").splitlines()
    for operation, secret in (
        ("CreateAccessKey", "AccessKey.SecretAccessKey"),
        ("CreateLoginProfile", "Password"),
        ("AssumeRole", "Credentials.SessionToken"),
    ):
        assert any(line.startswith(f"| `{operation}` |") and f"`{secret}`" in line for line in lines), operation
