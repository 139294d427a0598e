"""ccusage, the program that most people count Claude Code's tokens with, to compare figures with.

Owns where it is found: CCUSAGE, the path, or the cache where `install` puts it from npm. The one surprise: of its
reports the daily one is asked, because that by session (seen with 20.0.24) counts again what a subagent's file repeats
of the main talk.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from downloads import Unavailable, cache_dir, fetch, once

VERSION = "20.0.24"
PLACE = f"ccusage-{VERSION}"
PROGRAM = Path("node_modules") / ".bin" / "ccusage"


def installed() -> Path | None:
    """The program, if it is here."""
    found = os.environ.get("CCUSAGE") or shutil.which("ccusage")
    kept = cache_dir() / PLACE / PROGRAM
    return Path(found) if found else kept if kept.exists() else None


def install() -> Path:
    """The program, from npm if need be. Raises Unavailable."""
    return installed() or once(PLACE, _unpack) / PROGRAM


def _unpack(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("there is no npm on this machine to fetch ccusage with; Node.js brings it")
    options = ["--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1"]
    fetch([npm, "install", "--prefix", str(folder), *options, f"ccusage@{VERSION}"])


def totals(program: Path, folder: Path) -> dict[str, Any]:
    """What it makes of a folder like ~/.claude, at the prices that came with it."""
    told: dict[str, Any] = report(program, folder)["totals"]
    return told


def report(program: Path, folder: Path) -> dict[str, Any]:
    """The same day by day, each with its models (`modelBreakdowns`)."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "CLAUDE_CONFIG_DIR": str(folder), "LOG_LEVEL": "0"}
    command = [str(program), "daily", "--json", "--offline", "--breakdown"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told
