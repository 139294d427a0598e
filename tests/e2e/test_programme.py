"""The demo's programme: everything once, an end, and a way to begin again."""

from __future__ import annotations

import asyncio
from collections import Counter as Bag
from dataclasses import replace
from pathlib import Path

from ccr_tui import demo, host, player, stage
from ccr_tui.config import Config
from ccr_tui.records import Trace
from ccr_tui.replay import instant
from ccr_tui.tokens import Counter

MADE_UP = len(demo.SCENES)
LONGEST_S = 360
"""README says that it plays for some minutes."""


async def over(play: player.Play) -> None:
    while not play.is_over:
        await asyncio.sleep(0.1)


def sessions(landed: list[Trace]) -> int:
    return len({trace.session for trace in landed})


def test_the_demo_plays_each_session_once_and_begins_again_when_asked(counter: Counter, tmp_path: Path) -> None:
    landed, took, counts = list[Trace](), list[float](), list[int]()
    config = player.config(replace(Config(), port=0), tmp_path / "ccr.db")

    async def go() -> None:
        house = host.House(config, counter)
        house.engine.feed.subscribe(landed.append)
        play = player.Play(lambda: house.engine.context, counter)
        playing = asyncio.create_task(play.run())
        loop = asyncio.get_running_loop()
        await over(play)
        took.append(loop.time())
        counts.append(sessions(landed))
        await asyncio.sleep(60)
        counts.append(sessions(landed))  # nothing more by itself
        house.engine.swap(replace(config, mode="router"))
        await asyncio.sleep(1)
        await over(play)
        counts.append(sessions(landed))
        play.again()
        await asyncio.sleep(1)
        await over(play)
        counts.append(sessions(landed))
        playing.cancel()
        await house.engine.stop(0)

    instant.run(go())
    once = MADE_UP + len(stage.recorded())
    assert counts == [once, once, once + MADE_UP, 2 * once + MADE_UP]
    assert 60 < took[0] < LONGEST_S
    assert {trace.outcome for trace in landed} == {"ok"}
    modes = Bag(trace.decision.mode for trace in landed if trace.decision)
    assert modes["router"] > modes["normal"] / 4
