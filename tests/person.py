"""Somebody who calls the program on a command line, in a place of his own.

Owns the configuration and the environment of a child. Must never see the machine's own settings. The one surprise: the
program is started from its sources, so that what is tested is what is there.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

HOUSE = Path(__file__).parent.parent


class Person:
    """Calls the program in a place of its own."""

    def __init__(self, folder: Path, **models: str) -> None:
        self.folder, self.config = folder, folder / "config.toml"
        lines = ['mode = "normal"', "[agents]", f'default = "{next(iter(models))}"']
        for n, (name, url) in enumerate(models.items(), 1):
            lines += [
                f"[providers.{name}]", 'kind = "openai"', f'base_url = "{url}"', f"[models.{name}]",
                f'provider = "{name}"', f'id = "id-of-{name}"', f"price = {{input = {n}, output = {4 * n}}}",
            ]  # fmt: skip
        self.config.write_text("\n".join(lines))
        self.db = folder / "ccr.db"

    async def starts(self, *args: str) -> asyncio.subprocess.Process:
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
        places = {"CCR_TUI_CONFIG": str(self.config), "CCR_TUI_DB": str(self.db), "HOME": str(self.folder)}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ccr_tui", *args, cwd=self.folder, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**kept, **places, "PYTHONPATH": str(HOUSE)},
        )  # fmt: skip

    async def calls(self, *args: str, within_s: float = 120) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        child = await self.starts(*args)
        try:
            out, err = await asyncio.wait_for(child.communicate(), within_s)
        except TimeoutError:
            child.kill()  # or the loop, that can't be closed while its child lives, would hold up all that follows
            raise
        return child.returncode or 0, out.decode(), err.decode()

    async def data(self, *args: str, within_s: float = 120) -> Any:
        """What it says as JSON."""
        code, out, err = await self.calls(*args, "--json", within_s=within_s)
        assert code == 0, err
        return json.loads(out)
