"""Memory that the program has freed goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FREED = """
from ccr_tui.slack import give_back
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 // 2**20
pieces = [bytes(4000) for _ in range(20_000)]
full = resident()
pieces = pieces[::100]  # what stays lies between what is free
give_back()
print(full - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the call is the GNU C library's")
def test_what_lies_unused_between_what_is_used_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 40
