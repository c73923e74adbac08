"""The wall around a notebook: a bubblewrap sandbox that shows a Python, a home directory, and nothing of the server.

User, process, network, IPC, mount and host name namespaces of its own. Where the server is root there is no user
namespace: bubblewrap mounts as root and the launcher changes to a user id of the space's own, which is a stronger
wall, because that user owns nothing on this machine but its home.
"""

import os
import shutil
import site
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HOME: Final = "/home/sagemaker-user"
COMMON: Final = "/home/shared"
SHARED: Final = "/run/lakewarden"
LAUNCHER: Final = "/run/launch.py"
_INSIDE: Final = Path(__file__).parent / "inside"
_OVERRIDES: Final = "default_setting_overrides.json"
_SHARED_MEMORY: Final = 256 * 1024**2
_SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# Chosen one by one: what programs need to run, and nothing that tells of the machine or its people.
_ETC: Final = (
    "alternatives", "bash.bashrc", "fonts", "inputrc", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime",
    "magic", "mime.types", "ssl/certs", "ssl/openssl.cnf", "terminfo",
)  # fmt: skip
_FIRST_UID: Final = 0x60000000  # above what distributions hand out to people, services and containers
_UIDS: Final = 0x0FFFFFFF


@dataclass(frozen=True, slots=True)
class Rooms:
    """The directories of one app outside the wall. ``shared`` and ``scratch`` are its own, ``etc`` is read-only.

    ``common`` is what a shared space's people share, beside each one's own ``home``; None on a private one.
    """

    home: Path
    shared: Path
    scratch: Path
    etc: Path
    common: Path | None = None

    @property
    def writable(self) -> tuple[Path, ...]:
        """Where the app may write to a disk of ours."""
        return (self.home, self.shared, self.scratch, *(() if self.common is None else (self.common,)))


def privileged() -> bool:
    """Whether the server may change to any user id: root, and not the root of a container that has only one."""
    if os.geteuid() != 0:
        return False
    for line in Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines():
        first, _, count = map(int, line.split())
        if first <= _FIRST_UID and first + count > _FIRST_UID + _UIDS:
            return True
    return False


def user_of(owner_id: str) -> int:
    """The user and group id for a home, or for what a space shares, where the server is root: derived from an id that
    is random, in hex digits.
    """
    return _FIRST_UID + int(owner_id[:7], 16) % _UIDS


def command(arguments: int, program: Sequence[str]) -> list[str]:
    """bubblewrap's command line. Its arguments come through a file descriptor: the notebook can read the line."""
    return [_bubblewrap(), "--args", str(arguments), "--", *program]


def wall(rooms: Rooms, data: Path, *, root: bool, seccomp: int | None) -> list[str]:
    """bubblewrap's arguments. ``data`` is the server's directory, which must not show; ``seccomp`` the descriptor of a
    filter of system calls.
    """
    return [
        "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
        *(() if root else ("--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000")),
        "--hostname", "studio", "--new-session", "--die-with-parent", "--clearenv",
        "--cap-drop", "ALL",
        # Enough for the launcher to become the space's user; the change takes them away for good.
        *(("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID") if root else ()),
        *_system(),
        # Before Python's own directories: somebody may have installed them below /tmp.
        "--bind", str(rooms.scratch), "/tmp",  # noqa: S108 - inside the wall
        *_python(data),
        "--ro-bind", str(rooms.etc / "passwd"), "/etc/passwd",
        "--ro-bind", str(rooms.etc / "group"), "/etc/group",
        "--ro-bind", str(rooms.etc / "hosts"), "/etc/hosts",
        "--proc", "/proc", "--dev", "/dev",
        "--perms", "1777", "--size", str(_SHARED_MEMORY), "--tmpfs", "/dev/shm",  # noqa: S108 - inside the wall
        "--remount-ro", "/dev",
        *_way_to(Path(HOME)), *_way_to(Path(SHARED)), *_way_to(Path("/etc/jupyter/labconfig/x")),
        "--bind", str(rooms.home), HOME,
        "--bind", str(rooms.shared), SHARED,
        *(() if rooms.common is None else ("--bind", str(rooms.common), COMMON)),
        "--ro-bind", str(_INSIDE / "launch.py"), LAUNCHER,
        "--ro-bind", str(_INSIDE / _OVERRIDES), f"/etc/jupyter/labconfig/{_OVERRIDES}",
        "--remount-ro", "/",
        *(() if seccomp is None else ("--seccomp", str(seccomp))),
    ]  # fmt: skip


def fault(data: Path) -> str:
    """Why no wall can be built on this machine; empty when one was, just now, for a trial."""
    if shutil.which("bwrap") is None:
        return "bubblewrap (bwrap) is not installed"
    system = [*_system(), *_python(data)]
    names = ("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts")
    user = () if privileged() else ("--unshare-user", "--disable-userns")
    trial = [_bubblewrap(), *names, *user, "--die-with-parent", *system, "--proc", "/proc", "--dev", "/dev", "--"]
    done = subprocess.run(  # noqa: S603 - our own command
        [*trial, sys.executable, "-I", "-S", "-c", ""], capture_output=True, text=True, check=False, timeout=30
    )
    return "" if done.returncode == 0 else f"bubblewrap cannot build a sandbox here: {done.stderr.strip()[:300]}"


def _bubblewrap() -> str:
    return shutil.which("bwrap") or "bwrap"


def _system() -> list[str]:
    """The operating system's programs and libraries, read-only; merged directories stay the links that they are."""
    arguments: list[str] = []
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), name]
        elif path.exists():
            arguments += ["--ro-bind", name, name]
    arguments += _way_to(Path("/etc/ssl/x"))
    for name in _ETC:
        arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return arguments


def _python(data: Path) -> list[str]:
    """This Python with its packages, read-only, under the same paths."""
    shown: list[Path] = []
    places = [Path(one) for one in (sys.base_prefix, sys.prefix, *site.getsitepackages())]
    for path in dict.fromkeys((*places, *(place.resolve() for place in places), *_linked_packages())):
        if path.is_dir() and not _within(path, (*shown, Path("/usr"))):
            shown.append(path)
    arguments = [part for path in shown for part in (*_way_to(path), "--ro-bind", str(path), str(path))]
    # INVARIANT (least_reach): a data directory that somebody keeps below Python's own is covered again.
    for place in {data, data.resolve()}:
        if _within(place, (*shown, *map(Path, _SYSTEM))):
            arguments += ["--tmpfs", str(place)]
    return arguments


def _way_to(path: Path) -> list[str]:
    """The directories above ``path``, passable for everybody; bubblewrap would close them to all but itself."""
    above = [place for place in reversed(path.parents) if place != Path("/")]
    return [part for place in above for part in ("--perms", "0755", "--dir", str(place))]


def _linked_packages() -> list[Path]:
    """Where packages, and what came with them, really lie that an installer only linked into this environment."""
    linked = [entry.resolve() for place in site.getsitepackages() for entry in _links(place)]
    packages = [one.parent if one.parent.name in {"site-packages", "dist-packages"} else one for one in linked]
    return [*packages, *(entry.resolve() for entry in _links(sys.prefix))]


def _links(place: str) -> list[Path]:
    return [entry for entry in Path(place).iterdir() if entry.is_symlink()]


def _within(path: Path, places: Sequence[Path]) -> bool:
    return any(path.is_relative_to(place) for place in places)
