"""Makes the pictures of the README: plays the demo and saves its screens as SVG.

    python tests/screens/screenshot.py [FOLDER]

Nothing in the pictures is drawn by hand: it is the app, with the built-in demo's models, played for some seconds; in
the picture of Models it has the README's own example, whose keys are set to nothing real, in that of Spend a month that
is made up by rule (month.py), and in those of Sessions, Tokens, Cache and Context the walk that the goldens take.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from textual.pilot import Pilot

from ccr_tui import demo, player
from ccr_tui.app import CcrApp
from ccr_tui.assembly import load
from ccr_tui.config import Config, Guards
from ccr_tui.host import House
from ccr_tui.store import archive

SHOTS = Path(__file__).parent / "shots"
SIZE = (120, 34)
QWEN = "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"
EXAMPLE = {
    "ENABLE_ROUTER": "true",
    "ROUTER_AGENT_MODEL": "qwen2.5-coder-3b-instruct",
    "ROUTER_AGENT_BASE_URL": "http://127.0.0.1:8080",
    "TOOL_AGENT_MODEL": "qwen-max",
    "TOOL_AGENT_BASE_URL": QWEN,
    "CODER_AGENT_MODEL": "deepseek-flash",
    "CODER_AGENT_BASE_URL": "https://api.deepseek.com",
    "THINK_AGENT_MODEL": "deepseek-v4-pro",
    "THINK_AGENT_BASE_URL": "https://api.deepseek.com",
}
WALKED = ("sessions", "tokens", "cache", "context")
ENOUGH = 9
"""Requests after which the picture is taken, while another one runs."""


class Rounds:
    """The demo's made-up sessions, again and again: the real programme plays them once."""

    is_over = False

    def __init__(self, house: House) -> None:
        self._house = house

    def again(self) -> None:
        """It goes on by itself."""

    async def run(self) -> None:
        """Nine times: more than any picture waits for."""
        for _ in range(9):
            scenes = (player.play_scene(each, lambda: self._house.engine.context, 0.3) for each in demo.SCENES.values())
            await asyncio.gather(*scenes)
            await asyncio.sleep(0.3)


async def shoot(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        house = House(player.config(replace(Config(), port=0), Path(place) / "ccr.db"))
        app = CcrApp(house, demo=True, play=Rounds(house))
        async with app.run_test(size=SIZE) as pilot:
            while not app.open:
                await pilot.pause(0.1)
            house.engine.address = "http://127.0.0.1:3456"
            flights = house.feed.board
            while (
                app.live.table.total < ENOUGH or not any(f.output_chars > 40 for f in flights.values()) or late(house)
            ):
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
            await pilot.press("escape")
            await shoot_router(app, house, pilot, folder)
        await house.stop(0)


async def shoot_router(app: CcrApp, house: House, pilot: Pilot[None], folder: Path) -> None:
    """The same session goes on in Router mode, until an agent has worked aside and another one does."""
    house.hold(mode="router")
    while not (routed_rows(app) and any(f.phase == "thinking" for f in house.feed.board.values())):
        await pilot.pause(0.02)
    await pilot.press("g")
    await pilot.pause(0.5)
    save(app, folder / "router.svg")


def late(house: House) -> bool:
    """Whether something else keeps this machine busy."""
    return house.engine.stall_ms > 30


def routed_rows(app: CcrApp) -> bool:
    table = app.live.table
    return any("code" in table.row_at(i).hops for i in range(min(12, table.total)))


async def shoot_models(folder: Path) -> None:
    """The four models of the README's example."""
    names = ("OPENAI", "ROUTER_AGENT", "TOOL_AGENT", "CODER_AGENT", "THINK_AGENT")
    keys = {f"{name}_API_KEY": "not-a-real-key" for name in names}
    with tempfile.TemporaryDirectory() as place:
        (file := Path(place) / "config.toml").touch()
        flags = {"port": "0", "db": f"{place}/ccr.db", "config": str(file)}
        config = load(flags, EXAMPLE | keys, Path(place))
        house = House(config)
        app = CcrApp(house)
        async with app.run_test(size=SIZE) as pilot:
            while not app.open:
                await pilot.pause(0.1)
            house.engine.address = "http://127.0.0.1:3456"
            await pilot.press("4")
            await pilot.pause(2.0)
            save(app, folder / "models.svg")
        await house.stop(0)


async def shoot_spend(folder: Path) -> None:
    """A month, at half past four in the afternoon of its last day."""
    sys.path.append(str(Path(__file__).parent.parent))  # where generated.py is
    from month import month

    with tempfile.TemporaryDirectory() as place:
        db = Path(place) / "ccr.db"
        archive.take_in(db, month(datetime.now().replace(hour=16, minute=30)))
        guards = Guards(budget_per_day=8_000_000_000)
        house = House(replace(load({"port": "0", "db": str(db)}, EXAMPLE, Path(place)), guards=guards))
        app = CcrApp(house)
        async with app.run_test(size=SIZE) as pilot:
            while not app.open:
                await pilot.pause(0.1)
            house.engine.address = "http://127.0.0.1:3456"
            await pilot.press("3")
            while app.spend.plot.picture is None or house.engine.stall_ms > 30:
                await pilot.pause(0.1)
            save(app, folder / "spend.svg")
        await house.stop(0)


async def shoot_walk(folder: Path) -> None:
    """What else there is to see of a session in which everything happens."""
    from walk import built, still, walked

    folder = folder.absolute()
    with tempfile.TemporaryDirectory() as place, still():
        os.chdir(built(Path(place)))
        async for name, pilot in walked(SIZE, WALKED):
            if isinstance(pilot.app, CcrApp):
                save(pilot.app, folder / f"{name}.svg")
        os.chdir(folder)


async def shoot_replay(folder: Path) -> None:
    """One of the recorded sessions of traces/, at the prices of the README's example."""
    recorded = Path(__file__).parent.parent.parent / "traces" / "routed.jsonl"
    with tempfile.TemporaryDirectory() as place:
        db = Path(place) / "ccr.db"
        with recorded.open("rb") as lines:
            archive.take_in(db, archive.read(lines))
        house = House(load({"port": "0", "db": str(db)}, EXAMPLE, Path(place)))
        app = CcrApp(house)
        async with app.run_test(size=SIZE) as pilot:
            while not app.open:
                await pilot.pause(0.1)
            house.engine.address = "http://127.0.0.1:3456"
            app.replay.variants = [
                "cheap=qwen3.8-flash", "mix=tool:deepseek-flash,think:deepseek-v4-pro", "pro=deepseek-v4-pro",
            ]  # fmt: skip
            await pilot.press("5")
            while app.replay.comparison is None or app.replay.plot.picture is None or app.replay.busy:
                await pilot.pause(0.1)
            await pilot.press("j", "j")
            await pilot.pause(1.0)
            while house.engine.stall_ms > 30:
                await pilot.pause(0.1)
            save(app, folder / "replay.svg")
        await house.stop(0)


def save(app: CcrApp, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(smaller(app.export_screenshot(title="ccr-tui")), encoding="utf-8")
    print(path)


def smaller(svg: str) -> str:
    """The same picture in fewer bytes: short names, nothing clipped that fits, no fonts from elsewhere, wide boxes."""
    svg = re.sub(r"terminal-\d+-", "", svg)
    svg = re.sub(r"<clipPath id=\"line-\d+\">.*?</clipPath>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r' clip-path="url\(#line-\d+\)"| shape-rendering="crispEdges"', "", svg)
    svg = re.sub(r",\s*url\(\"https.*?;", ";", svg, flags=re.DOTALL)
    svg = svg.replace("</style>", "rect { shape-rendering: crispEdges }\n    </style>")
    return RECT.sub(merged, svg)


ONE = r'<rect fill="(#\w+)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"\s*/>'
RECT = re.compile(rf"(?:{ONE}\s*)+")


def merged(found: re.Match[str]) -> str:
    """Neighbours of one colour in one row as one."""
    rows: list[list[str]] = []
    for each in re.findall(ONE, found[0]):
        fill, x, y, width, height = each
        last = rows[-1] if rows else None
        if last and (last[0], last[2]) == (fill, y) and abs(float(last[1]) + float(last[3]) - float(x)) < 0.1:
            last[3] = f"{float(last[3]) + float(width):.1f}"
        else:
            rows.append([fill, x, y, width, height])
    return "".join(f'<rect fill="{f}" x="{x}" y="{y}" width="{w}" height="{h}"/>\n' for f, x, y, w, h in rows)


if __name__ == "__main__":
    given = Path(sys.argv[1]) if len(sys.argv) > 1 else SHOTS
    asyncio.run(shoot(given))
    asyncio.run(shoot_models(given))
    asyncio.run(shoot_spend(given))
    asyncio.run(shoot_replay(given))
    asyncio.run(shoot_walk(given))
