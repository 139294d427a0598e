"""The app is left while a request is answered: nobody is left without a word, and nothing unrecorded."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest
from cast import SILENCE, Cast, config_of, turn, use

from ccr_tui.app import CcrApp
from ccr_tui.host import House
from ccr_tui.screens.ask import Ask
from ccr_tui.store.queries import Reader
from ccr_tui.tokens import Counter

LEFT = {
    "the router's question": ({"r": [SILENCE]}, "router"),
    "an agent that works aside": ({"r": [use("think")], "k": [SILENCE]}, "think"),
    "the answer": ({"r": [use("tool")], "t": [SILENCE]}, "tool"),
}


@pytest.mark.parametrize("parts", [case[0] for case in LEFT.values()], ids=LEFT)
async def test_who_waits_is_told_that_the_app_was_left(
    parts: dict[str, list[object]], counter: Counter, tmp_path: Path
) -> None:
    async with Cast() as cast, aiohttp.ClientSession() as http:
        cast.plays(**parts)
        house = House(config_of(cast, tmp_path), counter)
        app = CcrApp(house)
        async with app.run_test(size=(100, 30)) as pilot:
            while not house.engine.address or not house.engine.ready.is_set():
                await pilot.pause(0.02)
            body = json.dumps(turn("Is it true?", stream=False))
            asking = asyncio.create_task(http.post(f"{house.engine.address}/v1/messages", data=body))
            while len(cast.asked) < len(parts):
                await pilot.pause(0.02)
            await pilot.press("q")
            while not isinstance(app.screen, Ask):
                await pilot.pause(0.02)
            await pilot.press("q")
            await pilot.pause()
        assert app.grace_s == 0.0
        await house.stop(app.grace_s)
        async with await asking as response:
            told = await response.json()
    assert (response.status, told["type"]) == (503, "error")
    assert "ccr-tui was stopped" in told["error"]["message"]
    reader = Reader(tmp_path / "ccr.db")
    try:
        [row] = reader.rows()
        assert (row.outcome, row.status) == ("error", 503)
        assert len(reader.trace(row.id).attempts) == len(parts)
    finally:
        reader.close()
