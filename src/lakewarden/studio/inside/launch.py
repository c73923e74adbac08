"""The first program inside the wall: it gives up what rights are left, opens the one door, and becomes JupyterLab.

Run as ``python -I launch.py FD``, where FD is one end of a socket pair whose other end the server holds. The server
sends its orders as one line of JSON; the program answers with a listening socket. That socket belongs to the network
namespace in here, and the server accepts on it from out there: what connects to it in here talks to the server, and
there is nothing else to connect to.
"""

import ctypes
import hmac
import json
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_LONGEST_ORDERS = 65536
_LONGEST_DIRECTORY = 80


def main() -> None:
    """Carry out the orders; does not return before JupyterLab ends."""
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        channel.set_inheritable(False)
        orders = json.loads(_line(channel))
        if orders["die_with_parent"]:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        _limit(orders["memory"], orders["processes"], orders["cores"], orders["disk"])
        _become(orders["uid"], orders["gid"], orders["groups"])
        with socket.socket() as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.bind(("127.0.0.1", orders["port"]))
            door.listen(128)
            port = door.getsockname()[1]
            socket.send_fds(channel, [str(port).encode()], [door.fileno()])
    # What lies in the common directory is its group's; a home is closed to all others, whatever its files say.
    os.umask(0o007 if orders["common"] else 0o077)
    os.environ.clear()
    os.environ.update({name: value.replace("{port}", str(port)) for name, value in orders["environment"].items()})
    home = Path(orders["home"])
    os.chdir(home)
    try:
        _own_python(Path(orders["own_python"]), orders["python"], orders["packages"])
    except OSError as error:  # the home is full, or its owner has put something else there: the server's Python does
        sys.stderr.write(f"packages cannot be installed: {error}\n")
    if orders["common"] and not os.path.lexists(home / "shared"):
        (home / "shared").symlink_to(orders["common"])
    shared = _short(orders["shared"])
    _jupyter([one.replace("{shared}", shared) for one in orders["arguments"]], orders["profile"], orders["proof"])


def _short(directory: str) -> str:
    """A name of a directory by which a socket in it can be bound: an address holds 107 bytes."""
    if len(directory) < _LONGEST_DIRECTORY:
        return directory
    return f"/proc/self/fd/{os.open(directory, os.O_PATH | os.O_DIRECTORY)}"


def _line(channel: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\n"):
        more = channel.recv(_LONGEST_ORDERS)
        if not more or len(received) > _LONGEST_ORDERS:
            raise SystemExit("no orders came")
        received += more
    return received


def _become(uid: int | None, gid: int | None, groups: list[int]) -> None:
    """Change to the space's own user, where the server is root; the kernel takes the capabilities with the change."""
    if uid is None or gid is None:
        return
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _own_python(place: Path, python: str, packages: list[str]) -> None:
    """A virtual environment in the home, with a kernel: what its owner installs lies there, before what came with us.

    It is made here, behind the wall and with the owner's rights, so that nothing that lies in a home is followed.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site, kernel = place / "lib" / version / "site-packages", place / "share" / "jupyter" / "kernels" / "python3"
    for directory in (place / "bin", site, kernel):
        directory.mkdir(parents=True, exist_ok=True)
    own = place / "bin" / "python"
    _write(place / "pyvenv.cfg", f"home = {Path(python).parent}\ninclude-system-site-packages = false\n")
    _write(site / "lakewarden.pth", "".join(f"{one}\n" for one in packages))
    command = [str(own), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    told = {
        "argv": command,
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "metadata": {"debugger": True},
    }
    _write(kernel / "kernel.json", json.dumps(told))
    for name in ("python", "python3"):
        link = place / "bin" / name
        if not link.is_symlink() or str(link.readlink()) != python:
            link.unlink(missing_ok=True)
            link.symlink_to(python)
    pip = place / "bin" / "pip"
    if not pip.exists():
        _write(pip, '#!/bin/sh\nexec "$(dirname "$0")/python" -m pip "$@"\n')
        pip.chmod(0o700)


def _write(file: Path, text: str) -> None:
    if not file.is_file() or file.read_text(encoding="utf-8", errors="replace") != text:
        file.write_text(text, encoding="utf-8")


def _limit(memory: int, processes: int, cores: int, disk: int) -> None:
    """Hard limits for this process and all that come from it. The sum over processes is watched from outside."""
    for what, most in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_NPROC, processes),
        (resource.RLIMIT_NOFILE, 4096),
        (resource.RLIMIT_FSIZE, disk),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    os.nice(5)
    # Where memory runs out on the machine, notebooks go first and the server last.
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _jupyter(arguments: list[str], profile: str, proof: str) -> None:
    from jupyter_server.auth.identity import IdentityProvider, User
    from jupyterlab.labapp import LabApp  # type: ignore[import-untyped, unused-ignore]

    class Person(IdentityProvider):  # type: ignore[misc, unused-ignore]
        """Knows one person, by a header that only the server can send.

        Not a token in Jupyter's sense: requests with a token skip its origin and XSRF checks, these do not.
        """

        auth_enabled = True
        login_available = False
        logout_available = False

        def get_user(self, handler: Any) -> Any:
            shown = handler.request.headers.get("X-Lakewarden-Proof", "")
            if not hmac.compare_digest(shown.encode(), proof.encode()):
                return None
            return User(username=profile, name=profile, display_name=profile, initials=profile[:2].upper())

        def is_token_authenticated(self, handler: Any) -> bool:
            del handler
            return False

    server = LabApp.initialize_server(argv=arguments, identity_provider_class=Person)
    server.start()


if __name__ == "__main__":
    main()
