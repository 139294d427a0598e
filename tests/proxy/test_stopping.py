"""Stop sequences that the provider is not sent end the answer all the same."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from asking import asked, facts, law
from hypothesis import given
from hypothesis import strategies as st
from streams import call, calls, chunk, play, sse, usage

from ccr_tui.proxy.request import translate
from ccr_tui.proxy.stopping import Stops

LAST = chunk("stop")
CASES: dict[str, tuple[bytes, list[Any], str, str | None]] = {
    "in one piece": (sse(chunk(content="a END b"), LAST), [("text", "a ")], "stop_sequence", "END"),
    "in pieces": (
        sse(chunk(content="a E"), chunk(content="N"), chunk(content="D b"), LAST),
        [("text", "a ")],
        "stop_sequence",
        "END",
    ),
    "only its beginning": (sse(chunk(content="a EN"), LAST), [("text", "a EN")], "end_turn", None),
    "the first that comes": (sse(chunk(content="a ||END"), LAST), [("text", "a ")], "stop_sequence", "||"),
    "at once": (sse(chunk(content="END b"), LAST), [], "stop_sequence", "END"),
    "a call after its beginning": (
        sse(chunk(content="a E"), calls(call(0, "c", "Read", "{}")), chunk("tool_calls")),
        [("text", "a E"), ("Read", {})],
        "tool_use",
        None,
    ),
    "nothing is said or called after it": (
        sse(chunk(content="a END"), chunk(reasoning_content="hm"), calls(call(0, "c", "Read", "{}")), LAST),
        [("text", "a ")],
        "stop_sequence",
        "END",
    ),
    "thinking is not looked into": (
        sse(chunk(reasoning_content="END"), chunk(content="a"), LAST),
        [("thinking", "END"), ("text", "a")],
        "end_turn",
        None,
    ),
    "a whole answer": (
        json.dumps({"choices": [{"message": {"content": "a END b"}, "finish_reason": "stop"}]}).encode(),
        [("text", "a ")],
        "stop_sequence",
        "END",
    ),
}


@pytest.mark.parametrize(("data", "blocks", "reason", "sequence"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("step", [0, 1], ids=["whole", "by bytes"])
def test_an_answer_ends_at_a_sequence(
    data: bytes, blocks: list[Any], reason: str, sequence: str | None, step: int
) -> None:
    pieces = [data[at : at + 1] for at in range(len(data))] if step else [data]
    played = play(*pieces, watched=("END", "||"))
    assert played.blocks == blocks
    assert (played.message["stop_reason"], played.message["stop_sequence"]) == (reason, sequence)


def test_what_was_reported_of_a_whole_answer_is_told() -> None:
    body = {"choices": [{"message": {"content": "a END b"}, "finish_reason": "stop"}], **usage(prompt_tokens=7)}
    body |= {"choices": [{"message": {"content": "a END b"}, "finish_reason": "stop"}]}
    assert play(json.dumps(body).encode(), watched=("END",)).message["usage"]["input_tokens"] == 7


@law
@given(text=st.text("aEND|", max_size=20), cuts=st.lists(st.integers(0, 20), max_size=4))
def test_it_does_not_matter_where_the_text_is_cut(text: str, cuts: list[int]) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    stops, said = Stops(("END", "||")), ""
    for start, end in pairwise(places):
        said += stops.feed(text[start:end]) if stops.met is None else ""
    said += stops.release()
    ends = [at for sequence in ("END", "||") if (at := text.find(sequence)) >= 0]
    assert said == (text[: min(ends)] if ends else text)


def test_those_that_are_not_sent_are_watched_for() -> None:
    found = translate(asked(stop_sequences=["a", "b"]), "m", facts("generic", max_stops=1))
    assert (found.body["stop"], found.stops, found.watched) == (["a"], ("a",), ("b",))
    found = translate(asked(stop_sequences=["a", "b"]), "m", facts("gpt-5"))
    assert ("stop" in found.body, found.stops, found.watched) == (False, (), ("a", "b"))
