"""Memory that the program has freed goes back to the system: soon after much has come, sometime after little."""

from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import replace

import generated
import pytest

from ccr_tui.feed import Feed
from ccr_tui.slack import MUCH, PATIENCE, Slack

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
CASES = [
    pytest.param([0] * 3 * PATIENCE, [], id="nothing has come"),
    pytest.param([MUCH, 0, 0, 0, 0, 0], [0], id="much"),
    pytest.param([MUCH, MUCH, 0, MUCH], [0, 1, 3], id="much again and again"),
    pytest.param([10] * 2 * PATIENCE, [PATIENCE - 1, 2 * PATIENCE - 1], id="little"),
    pytest.param([*[0] * 2 * PATIENCE, 10, 0], [2 * PATIENCE], id="little after long"),
    pytest.param([MUCH // 2, MUCH // 2, MUCH // 2, 0], [1], id="much by and by"),
]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the call is the GNU C library's")
def test_what_lies_unused_between_what_is_used_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 40


@pytest.mark.parametrize(("come", "given"), CASES)
def test_it_is_given_back_when_that_is_worth_it(come: list[int], given: list[int]) -> None:
    """`come` is how many bytes come before each look, `given` the looks after which memory is given back."""
    feed = Feed()
    slack, due = Slack(feed), list[int]()
    for look, size in enumerate(come):
        if size:
            feed.land(replace(generated.trace("a"), estimate=size // 4))
        if slack.is_due():
            due.append(look)
    assert due == given
