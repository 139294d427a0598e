"""Who asks before the tokenizer is there, half a second after the start, is passed on at once, and may leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Event

import aiohttp
import pytest
import pytest_asyncio
from clients import ask
from places import Place, config_for
from scripted_openai import ScriptedOpenAI

from ccr_tui.host import House
from ccr_tui.tokens import Counter

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Late(Counter):
    """A tokenizer that takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.may_load = Event()

    def load(self) -> None:
        assert self.may_load.wait(20)
        super().load()


@pytest_asyncio.fixture(loop_scope="session")
async def early(upstream: ScriptedOpenAI, tmp_path: Path) -> AsyncIterator[tuple[Place, Late]]:
    late = Late()
    house = House(config_for(upstream, tmp_path), late)
    await house.start()
    try:
        yield Place(house, upstream), late
    finally:
        late.may_load.set()
        await house.stop(0.0)


async def test_who_leaves_before_the_tokenizer_is_there_is_noticed(
    early: tuple[Place, Late], http: aiohttp.ClientSession
) -> None:
    place, late = early
    assert place.upstream
    before = len(place.upstream.requests)
    asking = asyncio.ensure_future(http.post(f"{place.address}/v1/messages", json=ask("stall0", stream=True)))
    await place.upstream.came(before + 1)
    asking.cancel()
    await asyncio.wait_for(place.upstream.last.left.wait(), 2)
    late.may_load.set()
    assert (await place.next_trace(set())).outcome == "cancelled"


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
async def test_who_asks_before_the_tokenizer_is_there_is_passed_on_at_once(
    stream: bool, early: tuple[Place, Late], http: aiohttp.ClientSession
) -> None:
    place, late = early
    assert place.upstream
    before = len(place.upstream.requests)
    body = json.dumps(ask("text", stream=stream))
    asking = asyncio.ensure_future(http.post(f"{place.address}/v1/messages", data=body))
    await place.upstream.came(before + 1)
    await place.upstream.last.done.wait()
    late.may_load.set()
    async with await asking as response:
        assert b"All done." in await response.read()
    trace = await place.trace(response.headers["x-ccr-trace"])
    assert trace.outcome == "ok" and trace.estimate is not None
