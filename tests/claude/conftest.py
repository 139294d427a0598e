"""Claude Code -> `ccr-tui serve` -> the scripted upstream."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import client
import pytest
import pytest_asyncio
from client import Result, Served
from downloads import Unavailable
from places import closed_port
from scripted_openai import ScriptedOpenAI

KEY = "sk-scripted-claude"


@pytest.fixture(scope="session")
def program() -> Path:
    """Skips, and says why, where Claude Code can't be had."""
    try:
        return client.install()
    except Unavailable as why:
        pytest.skip(f"Claude Code: {why}")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def upstream() -> AsyncIterator[ScriptedOpenAI]:
    async with ScriptedOpenAI(key=KEY) as scripted:
        yield scripted


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served(upstream: ScriptedOpenAI, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """Set up by three variables. Ends as SIGTERM should end it."""
    folder = tmp_path_factory.mktemp("served")
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "CCR_TUI_PORT": str(closed_port()),
        "CCR_TUI_CONFIG": str(folder / "config.toml"),
        "CCR_TUI_DB": str(folder / "ccr.db"),
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": upstream.base_url,
        "OPENAI_MODEL": "scripted-model",
    }
    child, place = await client.serve(env, folder)
    try:
        yield place
    finally:
        assert await client.end(child) == 0


@pytest.fixture
def play(program: Path, served: Served, upstream: ScriptedOpenAI, tmp_path: Path) -> Callable[..., Awaitable[Result]]:
    """Runs Claude Code on a prompt that plays a scenario."""

    async def run(scenario: str, *arguments: str, **more: str) -> Result:
        upstream.requests.clear()
        upstream.faults.clear()
        prompt: Any = f"Please play the scenario. [[ccr:{scenario}]]"
        return await client.claude(program, served.client_env(), tmp_path / "home", prompt, *arguments, **more)

    return run
