"""The client leaves: the upstream is told at once, and the trace says so."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from clients import Beats, ask
from places import Place

pytestmark = pytest.mark.asyncio(loop_scope="session")

AT_ONCE_S = 0.1
PATIENCE_S = 10.0
"""Below any deadline of the house."""


async def test_a_client_that_leaves_a_stream_ends_the_upstream_request(
    place: Place, http: aiohttp.ClientSession
) -> None:
    async with http.post(f"{place.address}/v1/messages", json=ask("endless", stream=True)) as response:
        async for line in response.content:
            if b"text_delta" in line:
                break
        response.close()
    async with Beats() as since:
        await asyncio.wait_for(place.upstream.last.left.wait(), PATIENCE_S)
    assert since.seconds < AT_ONCE_S
    trace = await place.trace(response.headers["x-ccr-trace"])
    assert (trace.outcome, trace.failure) == ("cancelled", None)
    assert trace.reply["content"][0]["text"].startswith("word")
    assert trace.answer is not None and trace.answer.status == 200
    assert trace.answer.usage is not None and trace.answer.usage.basis == "estimated"


@pytest.mark.parametrize(
    ("scenario", "stream"),
    [("stall0", True), ("stall0", False), ("stall", True), ("stall", False), ("stallhead", True)],
)
async def test_a_client_that_leaves_a_silent_request_ends_it_upstream(
    scenario: str, stream: bool, place: Place, http: aiohttp.ClientSession
) -> None:
    known, before = set(place.landed), len(place.upstream.requests)
    asking = asyncio.ensure_future(http.post(f"{place.address}/v1/messages", json=ask(scenario, stream=stream)))
    await place.upstream.came(before + 1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    if not asking.cancelled():
        asking.result().close()
    async with Beats() as since:
        await asyncio.wait_for(place.upstream.last.left.wait(), PATIENCE_S)
    assert since.seconds < AT_ONCE_S
    trace = await place.next_trace(known)
    assert trace.outcome == "cancelled"
    assert not place.house.feed.board


async def test_other_streams_go_on_when_one_client_leaves(place: Place, http: aiohttp.ClientSession) -> None:
    staying = asyncio.ensure_future(http.post(f"{place.address}/v1/messages", json=ask("long:20", stream=True)))
    async with http.post(f"{place.address}/v1/messages", json=ask("endless", stream=True)) as leaving:
        await leaving.content.readline()
        leaving.close()
    async with await staying as response:
        assert b"message_stop" in await response.read()
