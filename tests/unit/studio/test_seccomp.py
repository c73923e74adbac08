"""The filter, run by an interpreter of its own: classic BPF is five instructions here."""

import errno
import struct

import pytest

from lakewarden.studio.seccomp import program

ALLOW = 0x7FFF0000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def run(code: bytes, number: int, architecture: int, first_argument: int = 0) -> int:
    data = struct.pack("=IIQ6Q", number, architecture, 0, first_argument, 0, 0, 0, 0, 0)
    steps = list(struct.iter_unpack("=HBBI", code))
    at, accumulator = 0, 0
    while True:
        operation, if_true, if_false, value = steps[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif operation == 0x06:
            return int(value)
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[operation]
            at += if_true if holds else if_false


@pytest.mark.parametrize(
    ("machine", "number", "name"),
    [
        ("x86_64", 165, "mount"), ("x86_64", 272, "unshare"), ("x86_64", 321, "bpf"), ("x86_64", 425, "io_uring_setup"),
        ("x86_64", 250, "keyctl"), ("aarch64", 40, "mount"), ("aarch64", 97, "unshare"), ("aarch64", 280, "bpf"),
        ("aarch64", 442, "mount_setattr"),
    ],
)  # fmt: skip
def test_what_attackers_need_is_refused(machine: str, number: int, name: str) -> None:
    assert run(program(machine), number, ARCHITECTURES[machine]) & 0xFFFF == errno.EPERM, name


@pytest.mark.parametrize(("machine", "clone"), [("x86_64", 56), ("aarch64", 220)])
def test_threads_and_processes_start_and_user_namespaces_do_not(machine: str, clone: int) -> None:
    code, architecture = program(machine), ARCHITECTURES[machine]
    assert run(code, clone, architecture, 0x3D0F00) == ALLOW
    assert run(code, clone, architecture, 17) == ALLOW
    assert run(code, clone, architecture, 0x10000000 | 17) & 0xFFFF == errno.EPERM
    assert run(code, 435, architecture) & 0xFFFF == errno.ENOSYS


def test_another_architectures_numbers_are_refused() -> None:
    assert run(program("x86_64"), 20, 0x40000003) & 0xFFFF == errno.EPERM
    assert run(program("x86_64"), 0x40000000 + 1, ARCHITECTURES["x86_64"]) & 0xFFFF == errno.ENOSYS
    assert program("riscv64") == b""


@pytest.mark.parametrize("number", [0, 1, 2, 9, 41, 59, 202, 257, 424, 434, 436, 441, 443])
def test_the_rest_is_allowed(number: int) -> None:
    assert run(program("x86_64"), number, ARCHITECTURES["x86_64"]) == ALLOW
