"""The terminal stops reading, as a frozen window or a lost connection does, or the program is stopped for a while."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from places import closed_port

termios = pytest.importorskip("termios", reason="there are no such terminals here")
pty = pytest.importorskip("pty", reason="there are no such terminals here")
PATIENCE_S = 60.0
ROOM = 20_000
"""Bytes that surely do not fit into a terminal that nobody reads."""


def taken(terminal: int, least: int, within_s: float = PATIENCE_S) -> str:
    """At least so much of what the app draws."""
    found, end = b"", time.monotonic() + within_s
    while len(found) < least and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            found += os.read(terminal, 65_536)
    return found.decode("utf-8", "replace")


async def answers(http: aiohttp.ClientSession, address: str) -> bool:
    try:
        async with http.get(f"{address}/health", timeout=aiohttp.ClientTimeout(10)) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


@asynccontextmanager
async def opened(folder: Path, terminal: int, inner: int) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The demo in this terminal, once it answers, and its address."""
    port = closed_port()
    more = {"TERM": "xterm-256color", "HOME": str(folder), "COLUMNS": "120", "LINES": "40"}
    app = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ccr_tui", "--demo", "--port", str(port),
        stdin=inner, stdout=inner, stderr=inner, cwd=folder, env={**os.environ, **more},
    )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as http:
            address, end = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE_S
            while not await answers(http, address):
                taken(terminal, 1, 0.2)
                assert app.returncode is None and time.monotonic() < end
        yield app, address
    finally:
        os.close(terminal)
        if app.returncode is None:
            app.kill()
            await app.wait()


async def test_a_terminal_that_does_not_read_stops_nothing(tmp_path: Path) -> None:
    terminal, inner = pty.openpty()
    async with opened(tmp_path, terminal, inner) as (app, address), aiohttp.ClientSession() as http:
        os.close(inner)
        for _ in range(20):  # the demo plays, and what it draws is more than a terminal and a queue can hold
            await asyncio.sleep(0.2)
            assert await answers(http, address)
        assert "Requests ·" in taken(terminal, ROOM), "once it is read again, the picture is there"
        await asyncio.sleep(2)
        assert await answers(http, address)
        app.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(app.wait(), PATIENCE_S) == 0


async def test_a_program_that_was_stopped_draws_anew_and_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    """Nobody could ask it before, as a shell's ctrl+z does."""
    terminal, inner = pty.openpty()
    before = termios.tcgetattr(inner)
    async with opened(tmp_path, terminal, inner) as (app, address), aiohttp.ClientSession() as http:
        assert "Requests ·" in taken(terminal, ROOM)
        for _ in range(5):  # also in the middle of beginning anew
            app.send_signal(signal.SIGSTOP)
            app.send_signal(signal.SIGCONT)
            await asyncio.sleep(0.05)
        assert "Requests ·" in taken(terminal, ROOM)
        assert await answers(http, address)
        app.send_signal(signal.SIGTERM)
        ended = asyncio.create_task(app.wait())
        while not ended.done():
            await asyncio.to_thread(taken, terminal, ROOM, 0.2)
        assert await ended == 0 and termios.tcgetattr(inner) == before
        os.close(inner)


class Planning:
    """A loop that only notes what it shall do."""

    def __init__(self) -> None:
        self.planned: list[str] = []

    def call_soon_threadsafe(self, what: Callable[[], None]) -> None:
        self.planned.append(what.__name__)


def test_a_signal_only_plans_what_is_to_be_done() -> None:
    """It may have come while a line was handed to the writer: who does the same then waits for ever."""
    from ccr_tui.screens.terminal_linux import Terminal

    driver: Any = object.__new__(Terminal)
    driver._loop = loop = Planning()
    driver._sigcont_application()
    driver._sigcont_application()
    driver._sigtstp_application()
    assert loop.planned == ["_begin_anew", "_sigtstp_application"]
