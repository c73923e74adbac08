"""Classic BPF programs over ``struct seccomp_data``: which system calls a process may make (seccomp(2)). Pure.

Two walls are built of it, that of an engine's worker and that of a notebook; each names the calls that it refuses.
"""

import errno
import platform
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

_LOAD, _EQUAL, _SET, _AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_X32 = 0x40000000


@dataclass(frozen=True, slots=True)
class Machine:
    """A processor's audit architecture, and its numbers of system calls by name."""

    audit: int
    numbers: Mapping[str, int]


# From 424 on every architecture has the same numbers.
_COMMON: Final = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_open": 434, "clone3": 435,
    "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442, "process_mrelease": 448,
}  # fmt: skip
_X86_64: Final = {
    "socket": 41, "connect": 42, "accept": 43, "sendto": 44, "sendmsg": 46, "bind": 49, "listen": 50, "socketpair": 53,
    "clone": 56, "execve": 59, "kill": 62, "ptrace": 101, "rt_sigqueueinfo": 129, "setpriority": 141,
    "sched_setparam": 142, "sched_setscheduler": 144, "pivot_root": 155, "chroot": 161, "mount": 165, "umount2": 166,
    "swapon": 167, "reboot": 169, "init_module": 175, "delete_module": 176, "tkill": 200, "sched_setaffinity": 203,
    "tgkill": 234, "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250, "ioprio_set": 251,
    "migrate_pages": 256, "unshare": 272, "move_pages": 279, "accept4": 288, "rt_tgsigqueueinfo": 297,
    "perf_event_open": 298, "prlimit64": 302, "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310,
    "process_vm_writev": 311, "kcmp": 312, "finit_module": 313, "sched_setattr": 314, "seccomp": 317,
    "kexec_file_load": 320, "bpf": 321, "execveat": 322, "userfaultfd": 323,
}  # fmt: skip
_AARCH64: Final = {
    "ioprio_set": 30, "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51, "unshare": 97, "kexec_load": 104,
    "init_module": 105, "delete_module": 106, "ptrace": 117, "sched_setparam": 118, "sched_setscheduler": 119,
    "sched_setaffinity": 122, "kill": 129, "tkill": 130, "tgkill": 131, "rt_sigqueueinfo": 138, "setpriority": 140,
    "reboot": 142, "socket": 198, "socketpair": 199, "bind": 200, "listen": 201, "accept": 202, "connect": 203,
    "sendto": 206, "sendmsg": 211, "add_key": 217, "request_key": 218, "keyctl": 219, "clone": 220, "execve": 221,
    "swapon": 224, "migrate_pages": 238, "move_pages": 239, "rt_tgsigqueueinfo": 240, "perf_event_open": 241,
    "accept4": 242, "prlimit64": 261, "open_by_handle_at": 265, "setns": 268, "process_vm_readv": 270,
    "process_vm_writev": 271, "kcmp": 272, "finit_module": 273, "sched_setattr": 274, "seccomp": 277, "bpf": 280,
    "execveat": 281, "userfaultfd": 282, "kexec_file_load": 294,
}  # fmt: skip
_MACHINES: Final = {
    "x86_64": Machine(0xC000003E, _X86_64 | _COMMON),
    "aarch64": Machine(0xC00000B7, _AARCH64 | _COMMON),
}


def machine(name: str = "") -> Machine | None:
    """The machine of that name (``platform.machine()``); None for those whose numbers are not in the tables."""
    return _MACHINES.get(name or platform.machine())


def program(
    of: Machine,
    refused: Iterable[str],
    *,
    absent: Iterable[str] = (),
    flags: Mapping[str, int] | None = None,
    own_process: Iterable[str] = (),
) -> bytes:
    """A filter that lets every other call pass.

    ``refused`` answer EPERM, ``absent`` ENOSYS. ``flags``: refused where the first argument has any of these bits.
    ``own_process``: refused unless the first argument, a process id, is zero, which means the caller itself.
    Another architecture's calls are refused whole, and so are those numbered for x32: their numbers would mean others.
    """
    refuse = _ERRNO | errno.EPERM
    steps = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, of.audit, 1, 0),
        _step(_RETURN, refuse),
        _step(_LOAD, _NUMBER),
        _step(_AT_LEAST, _X32, 0, 1),
        _step(_RETURN, _ERRNO | errno.ENOSYS),
    ]
    for names, answer in ((refused, refuse), (absent, _ERRNO | errno.ENOSYS)):
        for name in names:
            steps += [_step(_EQUAL, of.numbers[name], 0, 1), _step(_RETURN, answer)]
    for name, bits in (flags or {}).items():
        steps += [_step(_EQUAL, of.numbers[name], 0, 4), _step(_LOAD, _FIRST_ARGUMENT)]
        steps += [_step(_SET, bits, 0, 1), _step(_RETURN, refuse), _step(_RETURN, _ALLOW)]
    for name in own_process:
        steps += [_step(_EQUAL, of.numbers[name], 0, 4), _step(_LOAD, _FIRST_ARGUMENT)]
        steps += [_step(_EQUAL, 0, 1, 0), _step(_RETURN, refuse), _step(_RETURN, _ALLOW)]
    return b"".join((*steps, _step(_RETURN, _ALLOW)))


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
