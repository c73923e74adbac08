"""A system call filter: a worker opens no socket, starts no program, and touches no other process (``seccomp(2)``).

Landlock speaks of files and of TCP only; this closes every other kind of socket, and with it the network, for ever. The
server runs as the same user: without the filter a worker could send it signals, read its memory, take its descriptors, or
set its limits to nothing.
"""

import ctypes

from lakewarden.kernel import bpf

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _EVERY_THREAD = 1, 1
REFUSED = (
    "socket", "connect", "accept", "accept4", "sendto", "sendmsg", "bind", "listen", "socketpair", "execve", "execveat",
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease", "pidfd_open", "pidfd_getfd",
    "pidfd_send_signal", "kcmp", "kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "unshare", "setns",
    "mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick",
    "mount_setattr", "bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "io_uring_setup",
    "io_uring_enter", "io_uring_register", "open_by_handle_at", "kexec_load", "kexec_file_load", "init_module",
    "finit_module", "delete_module", "swapon", "reboot", "setpriority", "ioprio_set", "sched_setparam",
    "sched_setscheduler", "sched_setattr", "migrate_pages", "move_pages",
)  # fmt: skip
OWN = ("prlimit64", "sched_setaffinity")
"""Refused for any process but the caller, whom they name by zero: the C library asks for its own limits so."""


def forbid() -> bool:
    """Install the filter on every thread of this process; answers False where the machine or kernel has none."""
    found = bpf.machine()
    if found is None:
        return False
    code = bpf.program(found, REFUSED, own_process=OWN)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.syscall(found.numbers["seccomp"], _SET_MODE_FILTER, _EVERY_THREAD, ctypes.byref(program)) == 0)


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))
