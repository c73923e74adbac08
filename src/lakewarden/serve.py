"""Runs the application under uvicorn until it is told to stop."""

import asyncio
import socket
import sys

import uvicorn
import uvloop

from lakewarden.app import App
from lakewarden.bootstrap import build
from lakewarden.config import DataDirectory
from lakewarden.observe import configure_logs

_DRAIN_SECONDS = 20


def serve(directory: DataDirectory, host: str, port: int) -> None:
    """Serve ``directory``; returns after SIGTERM or SIGINT, when all that was acknowledged is finished."""
    configure_logs()
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # Built only once the port is ours, so that a second server on it fails before it touches the data.
        server = build(directory)
        try:
            _listen(server.app, listener)
        finally:
            server.close()


def _listen(app: App, listener: socket.socket) -> None:
    """Serve ``app`` on ``listener`` with uvloop and httptools, and print one line when ready."""
    config = uvicorn.Config(
        app,
        http="httptools",
        lifespan="off",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        log_level="warning",
        timeout_graceful_shutdown=_DRAIN_SECONDS,
        timeout_keep_alive=75,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_Server(config).serve(sockets=[listener]))


class _Server(uvicorn.Server):
    """Says that it is ready once it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            sys.stdout.write(f"Lakewarden is ready on http://{host}:{port}\n")
            sys.stdout.flush()
