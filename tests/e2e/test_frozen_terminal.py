"""The terminal stops reading, as a frozen window or a lost connection does: the proxy goes on."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import time
from pathlib import Path

import aiohttp
import pytest
from places import closed_port

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


async def test_a_terminal_that_does_not_read_stops_nothing(tmp_path: Path) -> None:
    terminal, inner = pty.openpty()
    port = closed_port()
    more = {"TERM": "xterm-256color", "HOME": str(tmp_path), "COLUMNS": "120", "LINES": "40"}
    app = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ccr_tui", "--demo", "--port", str(port),
        stdin=inner, stdout=inner, stderr=inner, cwd=tmp_path, env={**os.environ, **more},
    )  # fmt: skip
    os.close(inner)
    try:
        async with aiohttp.ClientSession() as http:
            address, end = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE_S
            while not await answers(http, address):
                taken(terminal, 1, 0.2)
                assert app.returncode is None and time.monotonic() < end
            for _ in range(20):  # the demo plays, and what it draws is more than a terminal and a queue can hold
                await asyncio.sleep(0.2)
                assert await answers(http, address)
            assert "Requests ·" in taken(terminal, ROOM), "once it is read again, the picture is there"
            await asyncio.sleep(2)
            assert await answers(http, address)
        app.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(app.wait(), PATIENCE_S) == 0
    finally:
        os.close(terminal)
        if app.returncode is None:
            app.kill()
            await app.wait()
