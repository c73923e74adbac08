"""Runs the application under uvicorn until it is told to stop."""

import asyncio
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import structlog
import uvicorn
import uvloop

from lakewarden import bootstrap, lock
from lakewarden.bootstrap_studio import NotebookSettings
from lakewarden.config import ConfigError, DataDirectory
from lakewarden.connections import Connection
from lakewarden.observe import configure_logs

_DRAIN_SECONDS = 20
_MOST_CONNECTIONS = 4000
_log = structlog.get_logger("lakewarden.serve")


@dataclass(frozen=True, slots=True)
class Listening:
    """Where and how to listen. ``tls_certificate`` and ``tls_key`` are PEM files, both or neither.

    ``trusted_proxy`` is the one address whose X-Forwarded-For and X-Forwarded-Proto are believed. Nobody's are unless
    it is named: aws:SourceIp and aws:SecureTransport decide about access.
    """

    host: str
    port: int
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    trusted_proxy: str = ""

    def __post_init__(self) -> None:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ConfigError("--tls-cert and --tls-key go together")

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.tls_certificate is not None


def serve(directory: DataDirectory, listening: Listening, *, unsafe_notebooks: bool = False) -> None:
    """Serve ``directory``; returns after SIGTERM or SIGINT, when all that was acknowledged is finished."""
    configure_logs()
    config = directory.load()
    shared = bool(config.database_url)
    with lock.held(directory, shared=shared) as hold, _bound(listening) as listener:
        port = listener.getsockname()[1]
        notebooks = NotebookSettings(port, unsafe=unsafe_notebooks)
        server = bootstrap.build(directory, config, notebooks, alone=hold.alone)
        try:
            if shared:
                hold.admit_others()
            _listen(server, listener, listening)
        finally:
            server.close()
            _log.info("stopped")


def _bound(listening: Listening) -> socket.socket:
    family = socket.AF_INET6 if ":" in listening.host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((listening.host, listening.port))
    except OSError as error:
        listener.close()
        raise ConfigError(f"cannot listen on {listening.host} port {listening.port}: {error.strerror}") from error
    return listener


def _listen(server: bootstrap.Server, listener: socket.socket, listening: Listening) -> None:
    """Serve ``server`` on ``listener`` with uvloop and httptools, and print one line when ready."""
    config = uvicorn.Config(
        server.app,
        http=Connection,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        log_level="warning",
        timeout_graceful_shutdown=_DRAIN_SECONDS,
        timeout_keep_alive=75,
        limit_concurrency=_MOST_CONNECTIONS,
        # INVARIANT (deny_by_default): without a named proxy nobody can say where a call came from.
        proxy_headers=bool(listening.trusted_proxy),
        forwarded_allow_ips=listening.trusted_proxy or None,
        ssl_certfile=listening.tls_certificate,
        ssl_keyfile=listening.tls_key,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_Server(config, server, tls=listening.tls).serve(sockets=[listener]))


class _Server(uvicorn.Server):
    """Says that it is ready once it listens, and that it is not from the moment it is told to stop.

    Notebooks end before it does, and their browsers' sockets with them.
    """

    def __init__(self, config: uvicorn.Config, built: bootstrap.Server, *, tls: bool) -> None:
        super().__init__(config)
        self._health = built.health
        self._built = built
        self._scheme = "https" if tls else "http"

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._built.apps.close()
        await super().shutdown(sockets=sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        await self._built.apps.attach(self._built.app)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            sys.stdout.write(f"Lakewarden is ready on {self._scheme}://{place}\n")
            sys.stdout.flush()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn's own would raise the signal once more at the end, and kill us before we have finished."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._health.drain()
        super().handle_exit(sig, frame)
