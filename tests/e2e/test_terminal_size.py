"""The app in a terminal of its own, as large as that is."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import struct
import sys
import termios
from pathlib import Path

import pytest
from person import HOUSE

pytestmark = pytest.mark.asyncio(loop_scope="session")
WIDE = 90
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


async def test_a_width_that_a_shell_exports_is_for_tables_and_not_for_the_app(tmp_path: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(HOUSE), "TERM": "xterm-256color"}
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 30, WIDE, 0, 0))
        os.chdir(tmp_path)
        os.execve(
            sys.executable,
            [sys.executable, "-m", "ccr_tui", "--port", "0", "--db", "ccr.db"],
            env | {"COLUMNS": "200", "LINES": "70"},
        )
    try:
        drawn = await asyncio.wait_for(asyncio.to_thread(until_framed, terminal), 60)
    finally:
        os.kill(pid, 15)
        await asyncio.to_thread(drain, terminal)
        await asyncio.to_thread(os.waitpid, pid, 0)
        os.close(terminal)
    frames = [line for line in drawn if line.startswith("╭─ Requests")]
    assert frames and {len(line) for line in frames} == {WIDE}


def until_framed(terminal: int) -> list[str]:
    """What stands on the lines that are drawn until the list's frame is among them."""
    seen = b""
    while True:
        seen += os.read(terminal, 65536)
        lines = re.split(r"[\r\n]+", ESCAPES.sub("", seen.decode("utf-8", "replace")))
        if any(line.startswith("╭─ Requests") and line.endswith("╮") for line in lines):
            return lines


def drain(terminal: int) -> None:
    """What else it draws, until its end."""
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:
        pass
