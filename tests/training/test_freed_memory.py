"""What is freed leaves the process, also from below of what is still in use."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc's malloc")

PROGRAM = """
import psutil
from asbuilt.training.freed_memory import return_freed_memory

if {called}:
    return_freed_memory()
first = bytearray(31 << 20)
del first  # after this, glibc takes blocks of up to 31 MiB from its heap
blocks, between = [], []
for _ in range(50):
    blocks.append(bytearray(b"x") * (3 << 20))
    between.append(bytearray(100_000))
held = psutil.Process().memory_info().rss
del blocks
print(held - psutil.Process().memory_info().rss)
"""


def freed(*, called: bool) -> int:
    program = PROGRAM.format(called=called)
    return int(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)


def test_freed_blocks_leave_the_process() -> None:
    assert freed(called=True) > 140 << 20  # of 150 MiB
    assert freed(called=False) < 75 << 20  # else this test would show nothing
