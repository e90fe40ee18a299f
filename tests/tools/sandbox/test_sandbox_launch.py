"""The seccomp filter, run by a small interpreter of classic BPF."""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.tools.sandbox import launch

X86, ARM = 0xC000_003E, 0xC000_00B7
ALLOW, KILL = 0x7FFF_0000, 0x8000_0000
PERMITTED, ABSENT, PRETENDED = 0x5_0000 | errno.EPERM, 0x5_0000 | errno.ENOSYS, 0x5_0000
MACHINES = {"x86_64": X86, "aarch64": ARM}


def verdict(program: bytes, number: int, *arguments: int, architecture: int = X86) -> int:
    """What the kernel would do with a call."""
    padded = (*arguments, *(0 for _ in range(6 - len(arguments))))
    data = struct.pack("=IIQ6Q", number, architecture, 0, *(value & (2**64 - 1) for value in padded))
    place, loaded = 0, 0
    while True:
        code, true, false, value = struct.unpack_from("=HBBI", program, place * 8)
        place += 1
        if code == 0x20:
            (loaded,) = struct.unpack_from("=I", data, value)
        elif code == 0x06:
            return int(value)
        else:
            held = {
                0x15: loaded == value,
                0x25: loaded > value,
                0x35: loaded >= value,
                0x45: bool(loaded & value),
            }
            place += true if held[code] else false


def program(machine: str = "x86_64", **options: object) -> bytes:
    given_options = {"network": False, "processes": 1, **options}
    return launch.filter_program(machine, **given_options)  # type: ignore[arg-type]


def test_calls_of_another_architecture_kill() -> None:
    assert verdict(program(), 0, architecture=0x4000_0003) == KILL
    assert verdict(program("aarch64"), 63, architecture=X86) == KILL
    assert verdict(program(), 0x4000_0000 | 41) == PERMITTED  # x32


@pytest.mark.parametrize("machine", MACHINES)
@given(number=st.integers(457, 0x3FFF_FFFF))
def test_later_calls_do_not_exist(machine: str, number: int) -> None:
    assert verdict(program(machine), number, architecture=MACHINES[machine]) == ABSENT


def test_first_arguments_decide() -> None:
    assert verdict(program(), 41, 2) == PERMITTED
    assert verdict(program(network=True), 41, 2) == ALLOW
    assert verdict(program(network=True), 41, 10) == ALLOW
    assert verdict(program(network=True), 41, 1) == PERMITTED
    assert verdict(program(), 302, 0) == ALLOW
    assert verdict(program(), 302, 77) == PERMITTED
    assert verdict(program(), 157, 1) == PERMITTED
    assert verdict(program(), 157, 15) == ALLOW
    assert verdict(program(), 90) == PRETENDED


def test_threads_but_no_processes() -> None:
    thread, process, namespace, sibling = 0x3D0F00, 0x11, 0x1000_0011, 0x8011
    assert verdict(program(), 56, thread) == ALLOW
    assert verdict(program(), 56, process) == PERMITTED
    assert verdict(program(processes=2), 56, process) == ALLOW
    assert verdict(program(processes=2), 56, namespace) == PERMITTED
    assert verdict(program(processes=2), 56, sibling) == PERMITTED
    assert verdict(program(processes=2), 435) == ABSENT
    assert verdict(program(), 57) == PERMITTED
    assert verdict(program(processes=2), 57) == ALLOW


def test_what_an_older_landlock_leaves_open_is_closed() -> None:
    assert verdict(program(), 62, 1) == ALLOW
    assert verdict(program(own_signals=500), 62, 1) == PERMITTED
    assert verdict(program(own_signals=500), 62, -1) == PERMITTED
    for target in (500, 0, -500):
        assert verdict(program(own_signals=500), 62, target) == ALLOW
    assert verdict(program(), 76) == ALLOW
    assert verdict(program(keep_files=True), 76) == PERMITTED


def test_an_unknown_machine_is_an_error() -> None:
    with pytest.raises(KeyError):
        program("sparc")


def test_the_kernel_takes_no_longer_program() -> None:
    for machine in MACHINES:
        assert len(program(machine, processes=2, own_signals=9, keep_files=True, network=True)) // 8 <= 4096


def test_numbers_are_those_of_libseccomp() -> None:
    name = ctypes.util.find_library("seccomp")
    if name is None:
        pytest.skip("libseccomp is not installed")
    resolve = ctypes.CDLL(name).seccomp_syscall_resolve_name_arch
    resolve.argtypes = (ctypes.c_uint32, ctypes.c_char_p)
    source = Path(launch.__file__).read_text(encoding="utf-8")
    rows = re.findall(r"\b(\w+):(\d*):(\d*)(?=[ \"])", source)
    assert len(rows) > 100
    for word, *numbers in rows:
        for architecture, number in zip((X86, ARM), numbers, strict=True):
            found = resolve(architecture, word.encode())
            # -1: a later call than this libseccomp knows. Lower: not a call of this architecture.
            assert found == -1 or (str(found) if found >= 0 else "") == number, (word, architecture)
