"""What came in the same packet as a broken end is not lost: partial text is told as partial."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio
from clients import ask, folded, parse_sse
from places import Place
from raw_upstream import CHUNKED, CLOSED, STREAM, End, RawUpstream, Script, chunk, said

from ccr_tui import host
from ccr_tui.config import Config, Model, Patience, Provider
from ccr_tui.tokens import Counter

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass
class Odd(Place):
    raw: RawUpstream | None = None


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def odd(counter: Counter, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Odd]:
    async with RawUpstream() as raw:
        provider = Provider("raw", "openai", f"http://127.0.0.1:{raw.port}/v1", api_key="sk-0123456789")
        db = tmp_path_factory.mktemp("ends") / "ccr.db"
        models, agents = {"m": Model("m", "raw", "m")}, {"default": ("m",)}
        config = Config(
            port=0, providers={"raw": provider}, models=models, agents=agents, db=db, patience=Patience(waits_s=())
        )
        async with host.open(config, counter) as house:
            yield Odd(house, None, raw=raw)


HALF = said({"content": "half "}) + said({"content": "a word"})
ENDS: dict[str, Script] = {
    "chunked, and closed": (CHUNKED + chunk(HALF), End.CUT),
    "a chunk that is cut": (CHUNKED + chunk(HALF) + b"400\r\ndata: ", End.CUT),
    "a chunk that is garbled": (CHUNKED + chunk(HALF), b"", b"", b"zz\r\n"),
    "all in one packet, then closed": (CHUNKED + chunk(HALF) + b"400\r\ndata: ", End.CUT),
    "all in one packet, garbled": (CHUNKED + chunk(HALF) + b"zz\r\n",),
    "garbled behind a chunk, in its packet": (CHUNKED, b"", chunk(HALF) + b"zz\r\n"),
    "shorter than it said": (STREAM + b"content-length: 10000\r\n\r\n" + HALF, End.CUT),
    "without any length": (CLOSED + HALF, End.CUT),
    "in the middle of an event": (CHUNKED + chunk(HALF + b'data: {"choices": [{"del'), End.CUT),
}


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
@pytest.mark.parametrize("script", ENDS.values(), ids=ENDS)
async def test_partial_text_is_told_as_partial(
    odd: Odd, http: aiohttp.ClientSession, script: Script, stream: bool, request: pytest.FixtureRequest
) -> None:
    """The answer is over before it is read: its request is so long that its tokens are being counted till then."""
    assert odd.raw is not None
    odd.raw.script = script
    long = " ".join(f"{hash(request.node.name) % 999}{n}" for n in range(40_000))
    async with http.post(f"{odd.address}/v1/messages", json=ask("none", stream=stream, system=long)) as response:
        data = await response.read()
    trace = await odd.trace(response.headers["x-ccr-trace"])
    assert (trace.outcome, trace.reply["content"][0]["text"]) == ("error", "half a word")
    assert (trace.failure and "incomplete" in trace.failure.message) or "closed the connection" in str(trace.failure)
    if not stream:
        assert response.status == 502
        return
    *events, last = parse_sse(data)
    assert response.status == 200
    assert folded(events)["content"] == [{"type": "text", "text": "half a word"}]
    assert last["type"] == "error"
