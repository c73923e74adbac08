"""The local spawner: JupyterLab behind bubblewrap on this machine, or beside us where the operator insists."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import site
import socket
import stat
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import structlog

from lakewarden.studio import files, sandbox, seccomp
from lakewarden.studio.errors import CannotStart
from lakewarden.studio.ports import Launch, Limits
from lakewarden.studio.processes import descendants, table
from lakewarden.studio.sandbox import COMMON, HOME, LAUNCHER, SHARED, Rooms
from lakewarden.studio.watch import Watch, Watched

PORT = 7070
_HANDSHAKE_SECONDS = 30
_KEPT_OUTPUT = 8192
_SOCKET = "jupyter.sock"
_SAMPLES = Path(__file__).parent / "samples"
_log = structlog.get_logger("lakewarden.studio")


class LocalSpawner:
    """Implements :class:`lakewarden.studio.ports.Spawner`. ``root`` is the server's ``studio`` directory.

    ``server`` is a name that no other server in the directory has. ``port`` is what the server's endpoint is called
    inside; ``unsafe`` starts notebooks without a wall.
    """

    def __init__(
        self, root: Path, data: Path, limits: Limits, *, server: str = "", port: int = PORT, unsafe: bool = False,
        watch: Watch | None = None,
    ) -> None:  # fmt: skip
        self._root = root
        self._run = root / "run" / (server or "alone")
        self._data = data
        self._limits = limits
        self._port = port
        self._unsafe = unsafe
        self._sound = False
        self._watch = watch or Watch()

    def refusal(self) -> str:
        """Why apps cannot be started here; empty when they can. Tries the wall once."""
        if find_spec("jupyterlab") is None:
            return "JupyterLab is not installed; install lakewarden[studio]"
        if self._unsafe or self._sound:
            return ""
        fault = sandbox.fault(self._data)
        if fault:
            return (
                f"{fault}. Notebooks could read the lake and the keys; lakewarden serve --unsafe-notebooks allows that."
            )
        self._sound = True
        return ""

    async def start(self, launch: Launch) -> "LocalNotebook":
        """Start; raises :class:`CannotStart`."""
        loop = asyncio.get_running_loop()
        refusal = await loop.run_in_executor(None, self.refusal)
        if refusal:
            raise CannotStart(refusal)
        root = sandbox.privileged() and not self._unsafe
        owner = sandbox.user_of(launch.user_id) if root else None
        rooms = await loop.run_in_executor(None, self._furnish, launch, owner)
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                process = await self._spawn(rooms, theirs.fileno(), root=root)
            notebook = LocalNotebook(process, rooms, self._limits_of(launch), self._watch)
            try:
                orders = json.dumps(self._orders(launch, rooms, owner)).encode() + b"\n"
                notebook.door = await loop.run_in_executor(None, _hand_over, ours, orders)
            except (OSError, ValueError) as error:
                await notebook.stop()
                raise CannotStart(f"the notebook process did not come up: {notebook.output() or error}") from error
        return notebook

    def remove(self, home: Path) -> None:
        """Delete a home directory; links in it are deleted, never followed. Raises ``OSError``."""
        files.remove(home)

    def sweep(self) -> None:
        """Delete what apps of an earlier server left behind; their processes died with it."""
        try:
            files.remove(self._root / "run")
        except OSError as error:
            _log.warning("temporary files of earlier apps could not be deleted", error=str(error))

    def _limits_of(self, launch: Launch) -> Limits:
        return replace(self._limits, disk=launch.disk or self._limits.disk)

    async def _spawn(self, rooms: Rooms, channel: int, *, root: bool) -> Process:
        launcher = str(Path(__file__).parent / "inside" / "launch.py")
        if self._unsafe:
            return await _begin([sys.executable, "-I", launcher, str(channel)], channel)
        with contextlib.ExitStack() as handles:
            calls = seccomp.program()
            kept = handles.enter_context(_in_memory(calls)) if calls else None
            wall = sandbox.wall(rooms, self._data, root=root, seccomp=kept)
            arguments = handles.enter_context(_in_memory(b"".join(f"{one}\0".encode() for one in wall)))
            command = sandbox.command(arguments, [sys.executable, "-I", LAUNCHER, str(channel)])
            return await _begin(command, channel, arguments, *(() if kept is None else (kept,)))

    def _furnish(self, launch: Launch, owner: int | None) -> Rooms:
        """Make the app's directories. Everything in ``home`` and ``shared`` is the notebook's to change afterwards."""
        place = self._run / launch.app_id
        rooms = Rooms(launch.home, place / "shared", place / "tmp", place / "etc", launch.common)
        self._root.mkdir(mode=0o700, exist_ok=True)
        place.mkdir(mode=0o755, parents=True)
        new = not rooms.home.exists()
        for room in (rooms.home, rooms.shared, rooms.scratch, rooms.etc):
            room.mkdir(mode=0o700, parents=True, exist_ok=True)
        rooms.etc.chmod(0o755)
        group = sandbox.user_of(launch.group_id) if launch.common and owner is not None else None
        if launch.common is not None:
            launch.common.mkdir(mode=0o700, exist_ok=True)
            if group is not None:  # files made in it are the group's, whoever makes them
                os.chown(launch.common, 0, group)
                launch.common.chmod(0o2770)
        # Passable for bubblewrap, which has no capabilities left when Python lies below /tmp; our root is closed to others.
        rooms.scratch.chmod(0o755)
        uid = owner if owner is not None else 1000
        for name, text in (
            ("passwd", f"sagemaker-user:x:{uid}:{uid}:{launch.profile}:{HOME}:/bin/bash\n"),
            ("group", f"sagemaker-user:x:{uid}:\n"),
            ("hosts", "127.0.0.1 localhost studio\n"),
        ):
            (rooms.etc / name).write_text(text, encoding="utf-8")
            (rooms.etc / name).chmod(0o644)
        token = rooms.shared / "token"
        token.touch(mode=0o600)
        token.write_text(launch.token, encoding="ascii")
        if new:
            shutil.copytree(_SAMPLES, rooms.home / "samples")
        if owner is not None:
            for path in (rooms.home, *rooms.home.rglob("*"), rooms.shared, token, rooms.scratch) if new else (
                rooms.shared, token, rooms.scratch
            ):  # fmt: skip
                os.chown(path, owner, owner, follow_symlinks=False)
        return rooms

    def _orders(self, launch: Launch, rooms: Rooms, owner: int | None) -> dict[str, object]:
        home, shared = (str(rooms.home), str(rooms.shared)) if self._unsafe else (HOME, SHARED)
        endpoint, own = "http://127.0.0.1:{port}", f"{home}/.python"
        return {
            "die_with_parent": self._unsafe,
            "uid": owner,
            "gid": owner,
            "groups": [sandbox.user_of(launch.group_id)] if launch.group_id and owner is not None else [],
            "common": (str(rooms.common) if self._unsafe else COMMON) if rooms.common is not None else "",
            "memory": self._limits.memory,
            "processes": self._limits.processes,
            "cores": self._limits.cores,
            "disk": self._limits_of(launch).disk,
            "port": 0 if self._unsafe else self._port,
            "home": home,
            "shared": shared,
            "profile": launch.profile,
            "proof": launch.proof,
            "python": getattr(sys, "_base_executable", sys.executable),
            "own_python": own,
            "packages": site.getsitepackages(),
            "environment": {
                **_pip(f"{endpoint}{launch.packages}" if launch.packages else ""),
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_DEFAULT_REGION": launch.region,
                "AWS_REGION": launch.region,
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{endpoint}/_studio/credentials",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": f"{shared}/token",
                "AWS_EC2_METADATA_DISABLED": "true",
                "HOME": home,
                "JUPYTER_PATH": f"{own}/share/jupyter",
                "JUPYTER_RUNTIME_DIR": f"{shared}/jupyter",
                "LANG": "C.UTF-8",
                "PATH": f"{own}/bin:{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin",
                "SHELL": "/bin/bash",
                "USER": "sagemaker-user",
            },
            "arguments": [
                f"--ServerApp.sock={{shared}}/{_SOCKET}",
                f"--ServerApp.base_url={launch.base}",
                f"--ServerApp.root_dir={home}",
                "--ServerApp.open_browser=False",
                "--ServerApp.allow_remote_access=True",
                f"--ServerApp.allow_root={self._unsafe}",
                "--IdentityProvider.token=",
                "--ServerApp.quit_button=False",
                "--ServerApp.log_level=WARN",
                "--LabApp.extension_manager=readonly",
                "--LanguageServerManager.autodetect=False",
                "--LabApp.news_url=",
                "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            ],
        }


class LocalNotebook:
    """Implements :class:`lakewarden.studio.ports.Notebook`."""

    def __init__(self, process: Process, rooms: Rooms, limits: Limits, watch: Watch) -> None:
        self.door: socket.socket | None = None
        self._process = process
        self._rooms = rooms
        self._output = bytearray()
        self._verdict = ""
        self._reading = asyncio.create_task(self._read())
        self._watch = watch
        self._watched = Watched(process.pid, rooms.writable, limits, self._judge)
        watch.add(self._watched)

    @property
    def pid(self) -> int:
        """The outermost process: bubblewrap's."""
        return self._process.pid

    @property
    def endpoint(self) -> socket.socket:
        """The listening socket inside the wall."""
        if self.door is None:
            raise CannotStart("the notebook process did not hand its endpoint over")
        return self.door

    async def connect(self) -> socket.socket:
        """A connection to JupyterLab; raises ``OSError`` while it does not listen."""
        # INVARIANT (least_reach): the socket's directory is the notebook's to write. A link that it puts there, to
        # a socket of this machine, must not be followed: the file is opened as it lies, and must be a socket.
        handle = os.open(self._rooms.shared / _SOCKET, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if not stat.S_ISSOCK(os.fstat(handle).st_mode):
                raise ConnectionRefusedError("the notebook's socket is not a socket")
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.setblocking(False)
                await asyncio.get_running_loop().sock_connect(connection, f"/proc/self/fd/{handle}")
            except BaseException:
                connection.close()
                raise
            return connection
        finally:
            os.close(handle)

    async def ended(self) -> str:
        """Wait for the end; answers why."""
        status = await self._process.wait()
        await asyncio.wait({self._reading}, timeout=1)
        return self._verdict or f"JupyterLab ended with status {status}: {self.output()}".strip(": ")

    async def stop(self) -> None:
        """Kill all of it at once: nothing in a notebook is told twice."""
        for one in descendants(self._process.pid, table()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)
        await self._process.wait()
        self._watch.remove(self._watched)
        await asyncio.wait({self._reading}, timeout=1)
        self._reading.cancel()
        if self.door is not None:
            self.door.close()
        try:
            await asyncio.get_running_loop().run_in_executor(None, files.remove, self._rooms.shared.parent)
        except OSError as error:  # the next start of the server sweeps it
            _log.warning("an app's temporary files could not be deleted", error=str(error))

    def output(self) -> str:
        """The last lines that the process wrote."""
        return self._output.decode("utf-8", "replace").strip()[-600:]

    async def _read(self) -> None:
        """Keep the last of what is written: a notebook cannot fill a disk of ours with its log."""
        stream = self._process.stdout
        while stream is not None and (chunk := await stream.read(65536)):
            self._output += chunk
            del self._output[:-_KEPT_OUTPUT]

    def _judge(self, reason: str) -> None:
        self._verdict = reason


def _pip(index: str) -> dict[str, str]:
    """pip's settings: the one index that there is, or none, so that it does not wait for one that it cannot reach."""
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    return {**quiet, "PIP_INDEX_URL": index} if index else {**quiet, "PIP_NO_INDEX": "1"}


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[int]:
    """The descriptor of a file without a name, to be read from its start."""
    handle = os.memfd_create("lakewarden")
    try:
        os.write(handle, content)
        os.lseek(handle, 0, os.SEEK_SET)
        yield handle
    finally:
        os.close(handle)


async def _begin(command: list[str], *handles: int) -> Process:
    # The event loop's thread starts it: die-with-parent is about the thread, and this one lives as long as we do.
    return await asyncio.create_subprocess_exec(
        *command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, env={}, pass_fds=handles, start_new_session=True
    )


def _hand_over(channel: socket.socket, orders: bytes) -> socket.socket:
    """Send the orders, and take the listening socket that comes back. Nothing of the notebook's runs yet."""
    channel.settimeout(_HANDSHAKE_SECONDS)
    channel.sendall(orders)
    answer, handles, _, _ = socket.recv_fds(channel, 64, 1)
    if len(handles) != 1 or not answer.isdigit():
        raise ConnectionError("it ended before it was ready")
    door = socket.socket(fileno=handles[0])
    door.setblocking(False)
    return door
