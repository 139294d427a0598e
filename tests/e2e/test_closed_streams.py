"""`serve` as a service starts it: some of its streams are closed, or nobody reads them any more."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
from clients import ask
from places import closed_port
from scripted_openai import ScriptedOpenAI
from test_store_faults import HOUSE, text_for, traces

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(os.name == "nt", reason="there is no such shell on Windows"),
]


async def up(http: aiohttp.ClientSession, address: str, child: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(30):
        while child.returncode is None:
            with suppress(aiohttp.ClientError):
                async with http.get(f"{address}/health") as response:
                    assert response.status == 200
                    return
            await asyncio.sleep(0.02)
    raise AssertionError(f"ended with {child.returncode}")


@pytest.mark.parametrize("streams", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full", "2>&1 | head -c 1"])
async def test_serve_needs_none_of_its_streams(
    streams: str, upstream: ScriptedOpenAI, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """Its files would get their numbers; an end may say nothing, and is a good one all the same."""
    if "/dev/full" in streams and not Path("/dev/full").exists():
        pytest.skip("there is no such device here")
    port = closed_port()
    (tmp_path / "config.toml").write_text(text_for(upstream, port))
    command = f"{shlex.quote(sys.executable)} -m ccr_tui --config config.toml serve"
    line = f"( sh -c {shlex.quote(f'echo $$ > pid; exec {command}')}; echo $? > code ) {streams}"
    child = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", line, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(HOUSE)},
    )  # fmt: skip
    try:
        await up(http, f"http://127.0.0.1:{port}", child)
        async with http.post(f"http://127.0.0.1:{port}/v1/messages", json=ask("text")) as response:
            assert response.status == 200
            id = response.headers["x-ccr-trace"]
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
        await asyncio.wait_for(child.wait(), 30)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    assert (tmp_path / "code").read_text().strip() == "0"
    assert traces(tmp_path / "ccr.db") == {id: "ok"}
