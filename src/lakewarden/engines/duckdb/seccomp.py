"""A system call filter: a worker opens no socket, starts no program, and looks into no other process (``seccomp(2)``).

Landlock speaks of files and of TCP only; this closes every other kind of socket, and with it the network, for ever.
"""

import ctypes
import errno
import platform
import struct

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _EVERY_THREAD = 1, 1
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_REFUSE = 0x00050000 | errno.EPERM
_X32 = 0x40000000

# The number of seccomp itself, the audit architecture, and the numbers of what is refused: socket, connect,
# accept, sendto, sendmsg, bind, listen, socketpair,
# accept4, execve, execveat, ptrace, process_vm_readv, process_vm_writev, pidfd_open, pidfd_getfd, kcmp, unshare, setns,
# mount, bpf, perf_event_open, userfaultfd, keyctl, add_key, request_key, io_uring_setup, open_by_handle_at, kexec_load,
# init_module, finit_module, pivot_root, chroot, swapon, reboot; kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo,
# pidfd_send_signal.
_MACHINES = {
    "x86_64": (
        317,
        0xC000003E,
        (41, 42, 43, 44, 46, 49, 50, 53, 288, 59, 322, 101, 310, 311, 434, 438, 312, 272, 308, 165, 321, 298, 323, 250, 248,
         249, 425, 304, 246, 175, 313, 155, 161, 167, 169, 62, 200, 234, 129, 297, 424),
    ),
    "aarch64": (
        277,
        0xC00000B7,
        (198, 203, 202, 206, 211, 200, 201, 199, 242, 221, 281, 117, 270, 271, 434, 438, 272, 97, 268, 40, 280, 241, 282, 219,
         217, 218, 425, 265, 104, 105, 273, 41, 51, 224, 142, 129, 130, 131, 138, 240, 424),
    ),
}  # fmt: skip


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def forbid() -> bool:
    """Install the filter on every thread of this process; answers False where the machine or kernel has none."""
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    seccomp, architecture, refused = machine
    code = _program(architecture, refused)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.syscall(seccomp, _SET_MODE_FILTER, _EVERY_THREAD, ctypes.byref(program)) == 0)


def _program(architecture: int, refused: tuple[int, ...]) -> bytes:
    """Classic BPF: another architecture dies, the x32 numbers and those refused answer EPERM, the rest passes."""
    count = len(refused)
    lines = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, count + 1, 0, _X32),
        *((_EQUAL, count - place, 0, number) for place, number in enumerate(refused)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
