"""Makes the pictures of the README: plays the demo and saves its screens as SVG.

    python tests/screens/screenshot.py [FOLDER]

Nothing in the pictures is drawn by hand: it is the app, with the built-in demo's models, played for some seconds.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from ccr_tui import player
from ccr_tui.app import CcrApp
from ccr_tui.config import Config
from ccr_tui.host import House

SHOTS = Path(__file__).parent / "shots"
SIZE = (120, 34)
ENOUGH = 9
"""Requests after which the picture is taken, while another one runs."""


async def shoot(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        house = House(player.config(replace(Config(), port=0), Path(place) / "ccr.db"))
        app = CcrApp(house, demo=True, play=lambda: player.play(lambda: house.engine.context, rounds=9, pause_s=0.3))
        async with app.run_test(size=SIZE) as pilot:
            while not app.open:
                await pilot.pause(0.1)
            house.engine.address = "http://127.0.0.1:3456"
            while app.live.table.total < ENOUGH or not any(f.output_chars > 40 for f in house.feed.board.values()):
                await pilot.pause(0.02)
            await pilot.pause(0.15)
            save(app, folder / "live.svg")
            rows = [app.live.table.row_at(i) for i in range(app.live.table.total)]
            longest = max(range(len(rows)), key=lambda i: rows[i].input_tokens + rows[i].cache_read_tokens)
            await pilot.press(*["j"] * longest, "enter")
            await pilot.pause(1.0)
            save(app, folder / "trace.svg")
            await pilot.press("2")
            await pilot.pause(1.0)
            save(app, folder / "conversation.svg")
        await house.stop(0)


def save(app: CcrApp, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(app.export_screenshot(title="ccr-tui"), encoding="utf-8")
    print(path)


if __name__ == "__main__":
    asyncio.run(shoot(Path(sys.argv[1]) if len(sys.argv) > 1 else SHOTS))
