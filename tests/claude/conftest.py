"""Claude Code -> `ccr-tui serve` -> the scripted upstream."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import client
import pytest
import pytest_asyncio
from client import FOUR, Play, Result, Served
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
    router, _, coder, think = FOUR
    async with ScriptedOpenAI(key=KEY, roles={router: "route", coder: "coder", think: "reasoner"}) as scripted:
        yield scripted


@asynccontextmanager
async def serving(folder: Path, **variables: str) -> AsyncIterator[Served]:
    """Set up by variables alone. Ends as SIGTERM should end it."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "CCR_TUI_PORT": str(closed_port()),
        "CCR_TUI_CONFIG": str(folder / "config.toml"),
        "CCR_TUI_DB": str(folder / "ccr.db"),
        **variables,
    }
    child, place = await client.serve(env, folder)
    try:
        yield place
    finally:
        assert await client.end(child) == 0


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served(upstream: ScriptedOpenAI, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """Normal mode."""
    one = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": upstream.base_url, "OPENAI_MODEL": "scripted-model"}
    async with serving(tmp_path_factory.mktemp("served"), **one) as place:
        yield place


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def routed(upstream: ScriptedOpenAI, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """Router mode; one of the four has a key and an address of its own, the others have the common ones."""
    agents = ("ROUTER", "TOOL", "CODER", "THINK")
    four = {f"{agent}_AGENT_MODEL": name for agent, name in zip(agents, FOUR, strict=True)}
    own = {"THINK_AGENT_API_KEY": KEY, "THINK_AGENT_BASE_URL": f"{upstream.base_url}/chat/completions"}
    common = {"ENABLE_ROUTER": "true", "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": upstream.base_url.removesuffix("/v1")}
    async with serving(tmp_path_factory.mktemp("routed"), **four, **own, **common) as place:
        yield place


def player(program: Path, place: Served, upstream: ScriptedOpenAI, home: Path) -> Play:
    """Runs Claude Code on a prompt that plays a scenario."""

    async def run(scenario: str, *arguments: str, say: str = "Please play the scenario.", **more: str) -> Result:
        upstream.requests.clear()
        upstream.faults.clear()
        prompt = f"{say} [[ccr:{scenario}]]"
        return await client.claude(program, place.client_env(), home, prompt, *arguments, **more)

    return run


@pytest.fixture
def play(program: Path, served: Served, upstream: ScriptedOpenAI, tmp_path: Path) -> Play:
    """In Normal mode."""
    return player(program, served, upstream, tmp_path / "home")


@pytest.fixture
def play_routed(program: Path, routed: Served, upstream: ScriptedOpenAI, tmp_path: Path) -> Play:
    """In Router mode."""
    return player(program, routed, upstream, tmp_path / "home")
