"""A real PostgreSQL of Debian's packages: made, started on a free socket directory, and stopped by its own process id."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

_BINARIES = Path("/usr/lib/postgresql")
_START_SECONDS = 60.0


@dataclass
class Cluster:
    """A running cluster; databases in it cost a few tens of milliseconds."""

    sockets: Path
    user: str
    prefix: list[str]
    server: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start the server, also after a kill; its clients can connect when this returns."""
        place = binaries()
        assert place is not None
        with (self.sockets / "log").open("ab") as log:
            self.server = subprocess.Popen(
                [*self.prefix, place / "postgres", "-D", self.sockets / "data", "-k", self.sockets, "-c", "listen_addresses="],
                stdout=log, stderr=log, cwd=self.sockets,
            )  # fmt: skip
        _await_ready(self, self.sockets / "log")

    def kill(self) -> None:
        """End the server at once, without a checkpoint, as a power cut would; it is gone when this returns."""
        if self.server is None:
            return
        pid = int((self.sockets / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, signal.SIGQUIT)
        self.server.wait(timeout=60)
        self.server = None

    def url(self, database: str) -> str:
        return f"postgresql://{self.user}@/{database}?host={self.sockets}"

    def create(self, database: str, options: str = "") -> str:
        """A new database; answers its URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}" {options}')
        return self.url(database)


def binaries() -> Path | None:
    """Where initdb and postgres are, the newest version first; None where PostgreSQL is not installed."""
    found = sorted(_BINARIES.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]), reverse=True)
    return found[0].parent if found else None


@contextmanager
def cluster() -> Iterator[Cluster]:
    """PostgreSQL refuses to run as root; as root it runs as its package's user."""
    place = binaries()
    assert place is not None
    root = Path(tempfile.mkdtemp(prefix="lakewarden-postgres-", dir="/tmp"))
    user, prefix = pwd.getpwuid(os.getuid()).pw_name, []
    if os.getuid() == 0:
        user, prefix = "postgres", ["runuser", "-u", "postgres", "--"]
        shutil.chown(root, "postgres")
    running = Cluster(root, user, prefix)
    try:
        subprocess.run(
            [
                *prefix, place / "initdb", "-D", root / "data", "-A", "trust", "-U", user, "--encoding=UTF8",
                "--locale=C.UTF-8",
            ],
            check=True, capture_output=True, cwd=root,
        )  # fmt: skip
        running.start()
        yield running
    finally:
        running.kill()  # nothing of it is kept
        shutil.rmtree(root, ignore_errors=True)


def _await_ready(running: Cluster, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(running.url("postgres")).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise RuntimeError(log.read_text()) from None
            time.sleep(0.05)
        else:
            return
