"""The system calls that a notebook has no use for and an attacker has: refused by a filter in the kernel. Pure.

A classic BPF program over ``struct seccomp_data`` (seccomp(2)), as bubblewrap's ``--seccomp`` takes it. It is the
wall's second layer: whatever hole Linux has, it is most likely in these. First of all they are what makes new user
namespaces, in which an ordinary process has every capability.
"""

import errno
import platform
import struct
from typing import Final

_LOAD, _EQUAL, _SET, _AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_CLONE_NEWUSER: Final = 0x10000000
_X32: Final = 0x40000000

# The numbers from 424 on are the same on every architecture: io_uring, the new mount calls.
_COMMON: Final = (425, 426, 427, 428, 429, 430, 431, 432, 433, 442)
_CLONE3: Final = 435
_REFUSED: Final = {
    # mount, umount2, pivot_root, unshare, setns, init_module, delete_module, finit_module, kexec_load, kexec_file_load,
    # add_key, request_key, keyctl, perf_event_open, open_by_handle_at, bpf, userfaultfd
    "x86_64": (165, 166, 155, 272, 308, 175, 176, 313, 246, 320, 248, 249, 250, 298, 304, 321, 323),
    "aarch64": (40, 39, 41, 97, 268, 105, 106, 273, 104, 294, 217, 218, 219, 241, 265, 280, 282),
}
_CLONE: Final = {"x86_64": 56, "aarch64": 220}
_AUDIT: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def program(machine: str = "") -> bytes:
    """The filter for a machine (``platform.machine()``); empty for those whose numbers are not in the tables."""
    machine = machine or platform.machine()
    if machine not in _AUDIT:
        return b""
    steps = [
        _step(_LOAD, _ARCHITECTURE),
        # Another architecture's numbers would mean other calls.
        _step(_EQUAL, _AUDIT[machine], 1, 0),
        _step(_RETURN, _ERRNO | errno.EPERM),
        _step(_LOAD, _NUMBER),
        _step(_AT_LEAST, _X32, 0, 1),
        _step(_RETURN, _ERRNO | errno.ENOSYS),
    ]
    for number in (*_REFUSED[machine], *_COMMON):
        steps += [_step(_EQUAL, number, 0, 1), _step(_RETURN, _ERRNO | errno.EPERM)]
    # The filter cannot see clone3's flags, which lie in memory; told that it does not exist, the C library uses clone.
    steps += [_step(_EQUAL, _CLONE3, 0, 1), _step(_RETURN, _ERRNO | errno.ENOSYS)]
    steps += [
        _step(_EQUAL, _CLONE[machine], 0, 3),
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_SET, _CLONE_NEWUSER, 0, 1),
        _step(_RETURN, _ERRNO | errno.EPERM),
        _step(_RETURN, _ALLOW),
    ]
    return b"".join(steps)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
