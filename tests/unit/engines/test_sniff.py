"""The process that looks at strangers' files: what it finds, and that it opens nothing else."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest


def ask(paths: Sequence[Path], code: str = "") -> dict[str, Any]:
    """Run the real process; ``code`` is run in it before it looks, in the place of a hole in a reader."""
    program = "from lakewarden.engines.duckdb import sniff\n" + code + "\nsniff.main()"
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps({"paths": [str(path) for path in paths]}),
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_least_reach_of_the_process_that_looks(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    mine.write_text("id,name\n1,a\n2,b\n")
    other.write_text("secret,key\n1,2\n2,3\n")
    hole = f"""
def look(connection, path, classifiers):
    found = {{}}
    for name, attempt in dict(
        read=lambda: open({str(other)!r}).read(),
        passwd=lambda: open("/etc/passwd").read(),
        write=lambda: open({str(mine)!r}, "a").write("x"),
        duckdb=lambda: connection.execute("SELECT * FROM read_text('{other}')").fetchall(),
    ).items():
        try:
            attempt()
            found[name] = "open"
        except Exception as error:
            found[name] = type(error).__name__
    return found
sniff.look = look
"""
    answer = ask([mine], hole)
    if not answer["confined"]:
        pytest.fail("this kernel has no Landlock")
    assert "open" not in answer["files"][0].values()
    assert mine.read_text() == "id,name\n1,a\n2,b\n"


def test_files_that_lie_are_nothing(tmp_path: Path) -> None:
    bodies = [b"PAR1 not parquet", b"ORC", b"Obj\x01" + b"\xff" * 50, b"\x1f\x8bnot gzip", b"{broken", b"", b"\0" * 100]
    paths = []
    for number, body in enumerate(bodies):
        path = tmp_path / str(number)
        path.write_bytes(body)
        paths.append(path)
    found = ask(paths)["files"]
    assert [one["format"] for one in found] == [""] * len(bodies)
