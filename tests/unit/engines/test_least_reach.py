"""test_least_reach: past the gate, a worker still opens nothing but its files, no socket, no program, no other process."""

import inspect
import subprocess
import sys
from pathlib import Path
from threading import Event

import duckdb
import pyarrow as pa
import pytest

from lakewarden.engines.duckdb import DuckDbEngine, recheck
from lakewarden.engines.duckdb import worker as worker_module
from lakewarden.query.errors import QueryFailed
from tests.unit.engines.lake import engine, parquet

_SECRET = "canary-77aa"


def _past_the_gate(worker: DuckDbEngine, sql: str) -> str:
    """The error that the worker gives for engine SQL that no gate has seen; the rows when it gives some."""
    try:
        with worker.run(sql, (), Event()) as result:
            return repr([batch.to_pylist() for batch in result.batches])
    except QueryFailed as error:
        return error.text


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{root}/canary.txt')",
        "SELECT * FROM read_csv('{root}/canary.txt')",
        "SELECT * FROM '{root}/objects/other.parquet'",
        "SELECT * FROM read_parquet('{root}/objects/other.parquet')",
        "SELECT * FROM glob('{root}/*')",
        "SELECT getenv('HOME')",
        "SELECT * FROM duckdb_settings()",
        "COPY (SELECT 1) TO '{root}/spill/x.csv'",
        "ATTACH '{root}/x.db'",
        "SET lock_configuration = false",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT 1; SELECT 2",
        "SELECT * FROM read_text('/proc/self/environ')",
        "SELECT * FROM read_text('http://127.0.0.1:1/x')",
        "PRAGMA database_list",
        "CREATE TABLE x AS SELECT 1",
    ],
)
def test_the_worker_refuses_what_slipped_through_the_gate(worker: DuckDbEngine, root: Path, sql: str) -> None:
    (root / "canary.txt").write_text(_SECRET, encoding="utf-8")
    parquet(root, "other", pa.table({"a": [_SECRET]}))
    said = _past_the_gate(worker, sql.format(root=root))
    assert _SECRET not in said
    assert said.startswith(("NOT_SUPPORTED", "SYNTAX_ERROR", "GENERIC_INTERNAL_ERROR: The statement reached")), said
    assert not (root / "x.db").exists()


_INSIDE = """
import ctypes, duckdb, os, resource, socket, subprocess, sys
from lakewarden.kernel import bpf
from lakewarden.engines.duckdb import confine, seccomp
spill, outside, allowed = sys.argv[1:4]
con = duckdb.connect(config={{"threads": "1"}})
con.execute("select 1").fetchall()
from concurrent.futures import ThreadPoolExecutor
old = ThreadPoolExecutor(1)
old.submit(int).result()
assert confine.confine([allowed, "/dev/null"], [spill]), "no Landlock"
assert seccomp.forbid(), "no seccomp"
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if libc.syscall(bpf.machine().numbers[name], *arguments) < 0:
        raise OSError(ctypes.get_errno(), name)
def tried(name, act):
    try:
        act()
    except (OSError, duckdb.Error) as error:
        print(name, "refused")
    else:
        print(name, "REACHED")
{body}
"""
_ATTEMPTS = {
    "tcp": "tried('x', lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))",
    "udp": "tried('x', lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))",
    "unix": "tried('x', lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))",
    "netlink": "tried('x', lambda: socket.socket(16, socket.SOCK_RAW))",
    "program": "tried('x', lambda: os.execv('/bin/true', ['true']))",
    "child": "tried('x', lambda: subprocess.run(['/bin/true'], check=True))",
    "read": "tried('x', lambda: open(outside).read())",
    "read through the engine": "tried('x', lambda: con.execute(f\"SELECT * FROM read_text('{outside}')\").fetchall())",
    "write": "tried('x', lambda: open(outside, 'w'))",
    "write where it reads": "tried('x', lambda: open(os.path.join(allowed, 'new'), 'w'))",
    "write through the engine": "tried('x', lambda: con.execute(f\"COPY (SELECT 1) TO '{allowed}/new.csv'\"))",
    "another process": "tried('x', lambda: open(f'/proc/{os.getppid()}/environ').read())",
    "its memory": "tried('x', lambda: open(f'/proc/{os.getppid()}/mem', 'rb'))",
    "a listing": "tried('x', lambda: os.listdir('/'))",
    "an extension": "tried('x', lambda: con.execute('INSTALL httpfs'))",
    "a signal": "tried('x', lambda: os.kill(os.getppid(), 0))",
    "a socket from an old thread": "tried('x', lambda: old.submit(socket.socket, socket.AF_INET, socket.SOCK_STREAM).result())",
    "its limits": "tried('x', lambda: resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE))",
    "its limits set": "tried('x', lambda: resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (9, 9)))",
    "its processors": "tried('x', lambda: os.sched_setaffinity(os.getppid(), {0}))",
    "its priority": "tried('x', lambda: os.setpriority(os.PRIO_PROCESS, os.getppid(), 19))",
    "its descriptors": "tried('x', lambda: os.pidfd_open(os.getppid()))",
    "its steps": "tried('x', lambda: call('ptrace', 16, os.getppid(), 0, 0))",
    "its memory read": "tried('x', lambda: call('process_vm_readv', os.getppid(), 0, 0, 0, 0, 0))",
    "its memory written": "tried('x', lambda: call('process_vm_writev', os.getppid(), 0, 0, 0, 0, 0))",
    "a new root": "tried('x', lambda: os.chroot('/'))",
}


@pytest.mark.parametrize("what", _ATTEMPTS)
def test_least_reach(tmp_path: Path, what: str) -> None:
    """The operating system's wall, alone: whoever runs code in the worker's place gets no further."""
    spill, allowed = tmp_path / "spill", tmp_path / "objects"
    spill.mkdir()
    allowed.mkdir()
    outside = tmp_path / "secret"
    outside.write_text(_SECRET, encoding="utf-8")
    code = _INSIDE.format(body=_ATTEMPTS[what])
    command = [sys.executable, "-c", code, str(spill), str(outside), str(allowed)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={"PATH": "/usr/bin:/bin"}
    )
    assert done.stdout == "x refused\n", done.stderr
    assert outside.read_text(encoding="utf-8") == _SECRET


def test_system_calls_are_refused_by_number_not_by_library() -> None:
    """Every call on the list, with arguments that do nothing where the filter would let it pass."""
    code = (
        "import ctypes; from lakewarden.engines.duckdb import seccomp; from lakewarden.kernel import bpf\n"
        "numbers = bpf.machine().numbers; libc = ctypes.CDLL(None, use_errno=True)\n"
        "def tried(n, *a): ctypes.set_errno(0); return libc.syscall(n, *a), ctypes.get_errno()\n"
        "assert seccomp.forbid()\n"
        "print({tried(numbers[name], 0, 0, 0, 0, 0, 0) for name in seccomp.REFUSED})\n"
        "print({tried(numbers[name], 1, 0, 0, 0) for name in seccomp.OWN}, tried(numbers['prlimit64'], 0, 7, 0, 0))\n"
        "print(tried(0x40000000 + 41, 0, 0, 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["{(-1, 1)}", "{(-1, 1)} (0, 0)", "(-1, 38)"]


def test_the_recheck_is_a_wall_of_its_own() -> None:
    connection = duckdb.connect()
    recheck.check(connection, "SELECT sum(a) FROM scan_0 WHERE a > 1", frozenset({"scan_0"}))
    for sql in (
        "SELECT * FROM scan_1",
        "SELECT * FROM main.scan_0",
        "SELECT read_text('x')",
        "FROM glob('x')",
        "SELECT 1; SELECT 2",
    ):
        with pytest.raises(recheck.Refused):
            recheck.check(connection, sql, frozenset({"scan_0"}))


def test_macros_cannot_multiply_without_end() -> None:
    connection = duckdb.connect()
    nested = "a"
    for _ in range(9):
        nested = f"t_substr_for({nested}, 1, 2)"
    with pytest.raises(recheck.Refused, match="too large"):
        recheck.check(connection, f"SELECT {nested} FROM scan_0", frozenset({"scan_0"}))


def test_the_worker_is_confined(worker: DuckDbEngine) -> None:
    assert worker.confined


def test_every_thread_of_the_worker_is_behind_the_walls(root: Path) -> None:
    """Landlock holds the thread that asks for it and those that it makes; libraries' own pools must not be older."""
    (root / "fresh").mkdir()
    with engine(root / "fresh") as made:
        assert made.confined
        (worker,) = [path for path in Path("/proc").glob("[0-9]*/cwd") if str(root / "fresh") in _target(path)]
        states = [(task / "status").read_text(encoding="utf-8") for task in (worker.parent / "task").iterdir()]
    assert len(states) > 1
    assert all("NoNewPrivs:\t1" in state and "Seccomp:\t2" in state for state in states)


def test_the_first_wall_stands_before_a_library_makes_threads() -> None:
    source = inspect.getsource(worker_module.main)
    first, second, warm = source.index("confine.confine("), source.rindex("confine.confine("), source.index("_warm_up(")
    assert first < warm < second < source.index("seccomp.forbid()")


def _target(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""
