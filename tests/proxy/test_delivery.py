"""What goes out in one write says the same in fewer events."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from streams import Answer, answers, merged, play, sse

from ccr_tui.proxy.anthropic import Fold, Grammar
from ccr_tui.proxy.collector import Collector
from ccr_tui.proxy.delivery import Delivery, joined
from ccr_tui.records import Flight


def delta(text: str, index: int = 0, kind: str = "text_delta", **more: Any) -> dict[str, Any]:
    field = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}.get(kind, "other")
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, field: text}, **more}


STOP = {"type": "content_block_stop", "index": 0}
PING = {"type": "ping"}
CASES = [
    pytest.param([delta("a"), delta("b"), delta("c")], [delta("abc")], id="one text"),
    pytest.param([delta('{"a', kind="input_json_delta"), delta('":1}', kind="input_json_delta")],
                 [delta('{"a":1}', kind="input_json_delta")], id="one tool's input"),
    pytest.param([delta("a"), delta("b", 1)], None, id="two blocks"),
    pytest.param([delta("a", kind="thinking_delta"), delta("b")], None, id="two kinds"),
    pytest.param([delta("a"), STOP, delta("b")], None, id="something between"),
    pytest.param([delta("a"), PING, PING, delta("b")], None, id="pings"),
    pytest.param([delta("a"), delta("b", extra=1)], None, id="more than a text"),
    pytest.param([delta("a", kind="citations_delta"), delta("b", kind="citations_delta")], None, id="citations"),
    pytest.param([delta("a", kind="signature_delta"), delta("b", kind="signature_delta")], None, id="signatures"),
    pytest.param([], None, id="nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("events", "out"), CASES)
def test_neighbouring_pieces_of_one_text_are_joined(events: list[Any], out: list[Any] | None) -> None:
    assert joined(events) == (events if out is None else out)


@given(answers())
@settings(max_examples=50)
def test_joining_changes_nothing_but_the_number_of_pieces(answer: Answer) -> None:
    events = play(sse(*answer.chunks)).events
    out, fold, grammar = joined(events), Fold(), Grammar()
    for event in out:
        grammar.feed(event)
        fold.feed(event)
    assert out == merged(events)
    assert fold.message == play(sse(*answer.chunks)).message


async def test_others_run_while_an_answer_that_is_not_streamed_comes_in_a_flood() -> None:
    """Else a client that left would not be noticed before the flood's end."""
    delivery = Delivery(Collector(), Flight("uid", 0.0, "m"), lambda: 0)
    start = {"type": "message_start", "message": {"id": "msg_1", "content": [], "usage": {}}}
    block = {"type": "text", "text": ""}
    await delivery.send([start, {"type": "content_block_start", "index": 0, "content_block": block}])
    sent = 0

    async def flood() -> None:
        nonlocal sent
        while sent < 1000:
            await delivery.send([delta("a")])
            sent += 1

    flooding = asyncio.ensure_future(flood())
    await asyncio.sleep(0)
    flooding.cancel()
    with suppress(asyncio.CancelledError):
        await flooding
    assert sent < 10


WORDS = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
OVER = {"type": "message_stop"}


class Listener(Collector):
    """Notes each write by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[tuple[str, list[str]]] = []

    async def write(self, data: bytes) -> None:
        self._took("write", data)

    async def end(self, data: bytes) -> None:
        self._took("end", data)

    def _took(self, how: str, data: bytes) -> None:
        kinds = [line[7:].decode() for line in data.split(b"\n") if line.startswith(b"event: ")]
        self.writes.append((how, kinds))


HELD = [
    pytest.param([[WORDS, delta("a"), STOP], ["message_delta", OVER]], id="as most providers send it"),
    pytest.param([[WORDS, delta("a"), STOP, "message_delta", OVER]], id="all in one packet"),
    pytest.param([[WORDS, delta("a")], [STOP], ["message_delta"], [OVER]], id="event by event"),
    pytest.param([["message_delta", OVER]], id="nothing was said"),
]


@pytest.mark.parametrize("batches", HELD)
async def test_the_end_of_a_stream_goes_out_when_it_is_finished(batches: list[list[Any]]) -> None:
    client = Listener()
    delivery = Delivery(client, Flight("uid", 0.0, "m"), lambda: 0)
    delivery.streams = True
    await delivery.send([begun(), *(ended() if one == "message_delta" else one for one in batches[0])])
    for batch in batches[1:]:
        await delivery.send([ended() if one == "message_delta" else one for one in batch])
    assert not any("message_stop" in kinds for _, kinds in client.writes)
    assert delivery.message["stop_reason"] == "end_turn", "what is recorded is whole"
    await delivery.finish()
    assert [how for how, _ in client.writes] == [*["write"] * (len(client.writes) - 1), "end"]
    assert client.writes[-1][1][-1] == "message_stop"
    assert sum(len(kinds) for _, kinds in client.writes) == 1 + sum(map(len, batches))


def begun(**usage: int | None) -> dict[str, Any]:
    return {"type": "message_start", "message": {"id": "msg_1", "content": [], "usage": usage}}


def ended(**usage: int | None) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}


SECOND = [
    pytest.param(ended(output_tokens=7), {"input_tokens": 10, "output_tokens": 7}, id="output alone"),
    pytest.param(
        ended(input_tokens=None, output_tokens=7), {"input_tokens": 10, "output_tokens": 7}, id="nothing of the rest"
    ),
    pytest.param(
        ended(input_tokens=12, output_tokens=7), {"input_tokens": 12, "output_tokens": 7}, id="it says more itself"
    ),
]


@pytest.mark.parametrize(("end", "usage"), SECOND)
async def test_the_tokens_of_a_message_that_a_ping_has_begun_before_are_told_at_its_end(
    end: dict[str, Any], usage: dict[str, int]
) -> None:
    delivery = Delivery(Collector(), Flight("uid", 0.0, "m"), lambda: 0)
    await delivery.send([begun(input_tokens=0, output_tokens=0)])
    await delivery.send([begun(input_tokens=10, output_tokens=1), STOP])
    await delivery.send([end])
    assert delivery.message["usage"] == usage
