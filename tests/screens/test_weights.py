"""The Tokens tab: each number of its head follows from those above it."""

from __future__ import annotations

import re

from generated import attempt, trace
from hypothesis import given, settings
from hypothesis import strategies as st
from test_verdict import Letters
from test_xray import ASKED, CHAT, READ, chat

from ccr_tui import xray
from ccr_tui.records import Json, Usage
from ccr_tui.screens.weights import tokens_document

SENT = [CHAT, chat({"tools": [READ]}), chat({"tools": []}), ASKED, None]


def head(sent: Json, reported: int, estimate: int) -> dict[str, tuple[str, str]]:
    """By name: the number and the words of the lines above the parts."""
    call = attempt(sent=sent, usage=Usage(reported, 5))
    record = trace(body=ASKED, attempts=(call,), estimate=estimate)
    text = [line.text for line in tokens_document(record, xray.of_trace(record, None, Letters()), 500).lines]
    found = (re.fullmatch(r"(\w[\w ]*?) +([−+]?[\d,]+)  (.+)", line) for line in text[: text.index("")])
    return {match[1]: (match[2].replace("−", "-").replace(",", ""), match[3]) for match in found if match}


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SENT), st.integers(100, 20_000), st.integers(1, 20_000))
def test_the_head_adds_up(sent: Json, reported: int, estimate: int) -> None:
    lines = head(sent, reported, estimate)
    number = {name: int(count) for name, (count, _) in lines.items()}
    told = number["counted"] + number.get("left out", 0) + number.get("translated", 0)
    sent = re.search(r": ([\d,]+) in what", lines["translated"][1]) if "translated" in lines else None
    assert sent is None or told == int(sent[1].replace(",", ""))
    raw, ratio = re.search(r"([\d,]+) × ([\d.]+)", lines["estimated"][1]).groups()  # type: ignore[union-attr]
    assert int(raw.replace(",", "")) == number["counted"]
    assert abs(float(ratio) * number["counted"] - estimate) <= 0.0006 * number["counted"]
    if "can't be this prompt" not in lines["reported"][1]:
        ratio = re.search(r"× ([\d.]+)", lines["reported"][1])[1]  # type: ignore[index]
        assert abs(float(ratio) * told - reported) <= 0.0006 * told


def test_the_parts_say_what_they_are_scaled_from() -> None:
    longer = {**chat({"tools": []}), "messages": [*CHAT["messages"], {"role": "user", "content": "Use it."}]}
    record = trace(body=ASKED, attempts=(attempt(sent=longer, usage=Usage(150, 5)),), estimate=700)
    found = xray.of_trace(record, None, Letters())
    text = "\n".join(line.text for line in tokens_document(record, found, 200).lines)
    kept = found.counted - found.unsent
    assert f"150 shared out by {found.counted:,} − {found.unsent:,} = {kept:,}: × {150 / kept:.3f};" in text
    assert found.as_json()["translated_tokens"] == found.counted_sent - kept  # type: ignore[operator]


def test_a_part_that_nobody_bills_has_a_dash_and_one_without_a_price_a_question_mark() -> None:
    said = {"price": None, "cost": None, "cost_basis": "unknown"}
    for call, mark in ((attempt(usage=None, **said), "–"), (attempt(usage=Usage(150, 5), **said), "?")):
        record = trace(body=ASKED, attempts=(call,))
        lines = tokens_document(record, xray.of_trace(record, None, Letters()), 200).lines
        whole = next(line.text for line in lines if line.text.startswith("prompt  "))
        assert whole.split()[2] == mark, whole


def test_what_was_not_believed_is_not_what_growth_is_measured_from() -> None:
    longer = {**CHAT, "messages": [*CHAT["messages"], {"role": "user", "content": "Use it, and say what it said."}]}
    before, now = (
        trace(body=body, attempts=(attempt(sent=body, usage=Usage(told, 5)),))
        for body, told in ((CHAT, 90_853), (longer, 100))
    )
    counted, found = xray.of_trace(before, None, Letters()).tokens, xray.of_trace(now, before, Letters())
    text = "\n".join(line.text for line in tokens_document(now, found, 200).lines)
    assert f"since the request before, which was counted at {counted:,}; its report of 90,853 was not believed" in text
    sizes = [xray.of_trace(each, None, Letters()).counted for each in (before, now)]
    assert found.grown == sum(part.grown or 0 for part in found.parts), "nothing is of another scale"
    assert abs(found.grown - 100 * (1 - sizes[0] / sizes[1])) < len(found.parts), "on this one's scale"
