"""The real Claude Code, headless, in a clean environment with a home of its own.

Owns its installation (from npm, once, some 250 MB, into the cache directory) and one run of it. Must never touch the
user's own ~/.claude. The one surprise: npm's wrapper is not used; the native program beside it runs without node.
CLAUDE_CODE_VERSION picks a version; without it the newest one is installed the first time (its tag is named, because
npm would else choose the newest whose wrapper runs on the node that is here).
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from downloads import Unavailable, fetch, once

PACKAGE = "@anthropic-ai/claude-code"
LIMIT_S = 90.0
FOUR = ("qwen2.5-coder-3b-instruct", "qwen-max-2025-01-25", "deepseek-chat", "deepseek-reasoner")
"""Router, tool agent, coder and thinker of claude-code-router's early days."""
QUIET = {
    "DISABLE_TELEMETRY": "1",
    "DISABLE_AUTOUPDATER": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "IS_SANDBOX": "1",
}
"""No traffic but ours; and root may run it without asking for permissions."""


def install() -> Path:
    """The program. Raises Unavailable."""
    version = os.environ.get("CLAUDE_CODE_VERSION", "latest")
    folder = once(f"claude-code-{version}", lambda place: unpack(place, version))
    found = sorted(folder.glob("node_modules/@anthropic-ai/claude-code-*/claude*"))
    for program in found:
        if runs(program):
            return program
    raise Unavailable(f"none of the builds in {folder} runs on this machine: {[p.parent.name for p in found]}")


def unpack(folder: Path, version: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("there is no npm on this machine to fetch it with; Node.js brings it")
    options = ["--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    fetch([npm, "install", "--prefix", str(folder), *options, f"{PACKAGE}@{version}"])


def runs(program: Path) -> bool:
    """Whether this build starts here at all."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, timeout=60, env={"HOME": os.devnull})
    except OSError:
        return False
    return done.returncode == 0


@dataclass(frozen=True)
class Result:
    """What `claude -p` printed, and where it worked."""

    code: int
    lines: list[dict[str, Any]]
    """One, or with `--output-format stream-json` one for each thing that happened."""
    folder: Path
    stderr: str

    @property
    def said(self) -> dict[str, Any]:
        return self.lines[-1]

    @property
    def text(self) -> str:
        return str(self.said.get("result"))

    @property
    def session(self) -> str:
        return str(self.said["session_id"])


Play = Callable[..., Awaitable[Result]]
"""Runs the client on a scenario, with further arguments and environment."""


async def claude(
    program: Path, env: Mapping[str, str], home: Path, prompt: str, *arguments: str, **more: str
) -> Result:
    """One headless run in the home's folder `work`; `more` is further environment."""
    folder = home / "work"
    folder.mkdir(parents=True, exist_ok=True)
    base = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    command = [str(program), "-p", prompt, "--output-format", "json", "--dangerously-skip-permissions", *arguments]
    child = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**base, **QUIET, **env, **more},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        stdout, stderr = await asyncio.wait_for(child.communicate(), LIMIT_S)
    except TimeoutError:
        child.kill()
        await child.wait()
        raise
    lines = [json.loads(line) for line in stdout.decode().splitlines() if line.startswith("{")]
    assert lines and child.returncode is not None, stderr.decode()
    return Result(child.returncode, lines, folder, stderr.decode())


@dataclass
class Served:
    """A `ccr-tui serve` child, set up by the environment alone, as a newcomer would."""

    address: str
    env: dict[str, str]
    folder: Path

    def call(self, *arguments: str, code: int = 0) -> str:
        """What a ccr-tui command prints."""
        done = subprocess.run(
            [sys.executable, "-m", "ccr_tui", *arguments], env=self.env, cwd=self.folder, capture_output=True, text=True
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """`traces ls --json`, oldest first."""
        listed = self.call("traces", "ls", "--json", *arguments)
        return [json.loads(line) for line in listed.splitlines()][::-1]

    def traces(self, session: str) -> list[dict[str, Any]]:
        """The session's traces as `traces show --json` gives them, oldest first."""
        return [json.loads(self.call("traces", "show", row["id"], "--json")) for row in self.rows("--session", session)]

    def client_env(self) -> dict[str, str]:
        """What `ccr-tui env` tells people to set."""
        told: dict[str, str] = json.loads(self.call("env", "--shell", "json"))
        return told


async def serve(env: dict[str, str], folder: Path) -> tuple[asyncio.subprocess.Process, Served]:
    """The proxy, once it listens."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ccr_tui", "serve", env=env, cwd=folder, stderr=subprocess.PIPE
    )
    assert child.stderr is not None
    seen = []
    async with asyncio.timeout(60):
        async for line in child.stderr:
            seen.append(line.decode())
            if seen[-1].startswith("listening on "):
                return child, Served(seen[-1].split()[-1], env, folder)
    raise RuntimeError("".join(seen))


async def end(child: asyncio.subprocess.Process) -> int:
    """SIGTERM, and the exit code."""
    child.send_signal(signal.SIGTERM)
    await child.communicate()
    assert child.returncode is not None
    return child.returncode
