"""The system calls that a notebook has no use for and an attacker has: refused by a filter in the kernel. Pure.

The program is what bubblewrap's ``--seccomp`` takes. It is the wall's second layer: whatever hole Linux has, it is most
likely in these. First of all they are what makes new user namespaces, in which an ordinary process has every capability.
"""

from typing import Final

from lakewarden.kernel import bpf

_CLONE_NEWUSER: Final = 0x10000000
_REFUSED: Final = (
    "mount", "umount2", "pivot_root", "unshare", "setns", "init_module", "delete_module", "finit_module", "kexec_load",
    "kexec_file_load", "add_key", "request_key", "keyctl", "perf_event_open", "open_by_handle_at", "bpf", "userfaultfd",
    "io_uring_setup", "io_uring_enter", "io_uring_register", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount",
    "fspick", "mount_setattr",
)  # fmt: skip


def program(machine: str = "") -> bytes:
    """The filter for a machine (``platform.machine()``); empty for those whose numbers are not in the tables."""
    found = bpf.machine(machine)
    if found is None:
        return b""
    # The filter cannot see clone3's flags, which lie in memory; told that it does not exist, the C library uses clone.
    return bpf.program(found, _REFUSED, absent=("clone3",), flags={"clone": _CLONE_NEWUSER})
