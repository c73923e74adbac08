"""The operating system's wall around a worker: resource limits, death with the parent, and Landlock.

Landlock (Linux 5.13 and later, ``landlock(7)``) confines the process's file access to what is listed, for ever;
even a hole in DuckDB's own lock-down then reaches neither the state, nor the keys, nor the rest of the machine.
"""

import contextlib
import ctypes
import os
import resource
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_RULE_PATH_BENEATH = 1
_VERSION_FLAG = 1

_READ_FILE = 1 << 2
_READ_DIR = 1 << 3
_FIRST_ABI_RIGHTS = (1 << 13) - 1
_WRITABLE = _FIRST_ABI_RIGHTS & ~(1 << 0)  # everything but EXECUTE
_ADDRESS_SPACE_MARGIN = 8 << 30


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled_access_fs", ctypes.c_uint64),)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """End this process when the server's thread that started it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def limit_resources(memory_bytes: int) -> None:
    """No core dumps, few files, and an address space not much above the engine's own memory limit."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    bound = memory_bytes + _ADDRESS_SPACE_MARGIN
    resource.setrlimit(resource.RLIMIT_AS, (bound, bound))


def confine(readable: list[str], writable: list[str]) -> bool:
    """Confine file access to the two lists; answers False where the kernel has no Landlock."""
    if _libc.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG) < 1:
        return False
    attributes = _Ruleset(_FIRST_ABI_RIGHTS)
    ruleset = _libc.syscall(_CREATE_RULESET, ctypes.byref(attributes), ctypes.sizeof(attributes), 0)
    if ruleset < 0:
        return False
    try:
        for rights, paths in ((_READ_FILE | _READ_DIR, readable), (_WRITABLE, writable)):
            for path in paths:
                _allow(ruleset, path, rights)
        if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            return False
        return bool(_libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            rule = _PathBeneath(rights if os.path.isdir(path) else rights & _READ_FILE, descriptor)  # noqa: PTH112
            _libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
        finally:
            os.close(descriptor)
