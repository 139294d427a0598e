"""The same on the Replay screen: two real servers side by side, from the bill to both answers beside each other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from person import HOUSE
from textual.pilot import Pilot

from ccr_tui.app import CcrApp
from ccr_tui.config import Config, Model, Provider
from ccr_tui.host import House
from ccr_tui.records import Price
from ccr_tui.screens.pick import Pick
from ccr_tui.screens.replay_steps import SideScreen, StepsScreen
from ccr_tui.store import archive

if TYPE_CHECKING:
    from ccr_tui.tokens import Counter

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]
STEPS = 3
PATIENCE_S = 240.0
PRICE = Price(100_000_000, 400_000_000, 10_000_000, source="made up", basis="user")


def two(servers: Any, db: Path) -> Config:
    """Both servers as models `a` and `b`."""
    places = {"a": servers.tools, "b": servers.route}
    return replace(
        Config(port=0, db=db),
        providers={name: Provider(name, "openai", f"{url}/v1") for name, url in places.items()},
        models={name: Model(name, name, f"id-of-{name}", price=PRICE) for name in places},
        agents={"default": ("a",)},
    )


async def until(pilot: Pilot[None], true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "\n".join(s.text for s in pilot.app.screen._compositor.render_strips())
        await asyncio.wait({asyncio.ensure_future(pilot.pause(0.05))})


async def test_two_real_servers_are_compared_on_the_screen(servers: Any, counter: Counter, tmp_path: Path) -> None:
    with (HOUSE / "traces" / "coding.jsonl").open("rb") as lines:
        archive.take_in(tmp_path / "ccr.db", islice(archive.read(lines), STEPS))
    house = House(two(servers, tmp_path / "ccr.db"), counter)
    app = CcrApp(house)
    async with app.run_test(size=(160, 50)) as pilot:
        await until(pilot, lambda: app.open)
        app.replay.variants = ["a=a", "b=b"]
        await pilot.press("5")
        await until(pilot, lambda: app.replay.comparison is not None and not app.replay.busy)
        await pilot.press("R")
        await until(pilot, lambda: isinstance(app.screen, Pick))
        assert isinstance(app.screen, Pick) and f"{2 * STEPS} requests, about $" in app.screen.about
        app.screen.filter.value = "0.05"
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: (c := app.replay.comparison) is not None and c.kind == "rerun")
        found = app.replay.comparison
        assert found is not None and found.finished
        a, b = (found.variant(name) for name in ("a", "b"))
        assert [(line.requests, line.failed, line.models) for line in (a, b)] == [
            (STEPS, 0, ("id-of-a",)), (STEPS, 0, ("id-of-b",)),
        ]  # fmt: skip
        assert 0 < found.spent == (a.cost or 0) + (b.cost or 0) <= 50_000_000
        assert a.tool_agreement is not None and a.ttft_ms
        await pilot.press("j", "enter")
        await until(pilot, lambda: isinstance(app.screen, StepsScreen) and len(app.screen.results) == STEPS)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SideScreen) and len(app.screen.right.document.lines) > 3)
    await house.stop(0)
