"""How far an answer agrees with the recorded one, and what a judge is asked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui.replay.agreement import calls_of, compared, described, distance, tool_agreement
from ccr_tui.replay.judge import questions, score, verdict
from ccr_tui.replay.words import StepResult, ToolCall


def call(name: str = "Read", **given: Any) -> ToolCall:
    return ToolCall(name, given)


READ, OTHER, BASH = call(file_path="/a.py"), call(file_path="/b.py"), call("Bash", command="ls")
CASES: dict[str, tuple[list[ToolCall], list[ToolCall], float | None]] = {
    "none-on-either-side": ([], [], None),
    "the-same": ([READ], [READ], 1.0),
    "other-order": ([READ, BASH], [BASH, READ], 1.0),
    "another-tool": ([READ], [BASH], 0.0),
    "one-too-many": ([READ], [READ, BASH], 0.5),
    "none-at-all": ([READ], [], 0.0),
    "one-letter-of-twenty-one": ([READ], [OTHER], 0.5 + 0.5 * 20 / 21),
    "keys-in-another-order": ([call(a=1, b=2)], [call(b=2, a=1)], 1.0),
    "best-pairs": ([READ, OTHER], [OTHER, READ], 1.0),
}


@pytest.mark.parametrize("case", CASES)
def test_tool_calls_agree_by_name_and_arguments(case: str) -> None:
    then, now, expected = CASES[case]
    assert tool_agreement(then, now) == (None if expected is None else pytest.approx(expected))


words = st.text("ab\n", max_size=12)


@given(words, words)
def test_the_edit_distance_is_one(old: str, new: str) -> None:
    found = distance(old, new)
    assert found == distance(new, old)
    assert abs(len(old) - len(new)) <= found <= max(len(old), len(new))
    assert (found == 0) == (old == new)


@given(words, words, words)
def test_the_edit_distance_takes_no_detour(one: str, two: str, three: str) -> None:
    assert distance(one, three) <= distance(one, two) + distance(two, three)


@pytest.mark.parametrize(("old", "new", "edits"), [("kitten", "sitting", 3), ("", "abc", 3), ("flaw", "lawn", 2)])
def test_known_distances(old: str, new: str, edits: int) -> None:
    assert distance(old, new) == edits


def test_long_arguments_are_compared_by_their_lines() -> None:
    lines = [f"line {n}" for n in range(400)]
    then = call("Write", content="\n".join(lines))
    now = call("Write", content="\n".join([*lines[:399], "another"]))
    assert tool_agreement([then], [now]) == pytest.approx(1.0, abs=0.01)


def reply(*blocks: Any, stop: str = "end_turn") -> Any:
    return {"role": "assistant", "content": list(blocks), "stop_reason": stop}


def test_an_answer_is_described_and_compared() -> None:
    base = StepResult("uid", 1, "cheap", "rerun")
    use = {"type": "tool_use", "id": "1", "name": "Read", "input": {"file_path": "/a.py"}}
    then = described(base, reply({"type": "text", "text": "Look."}, use, stop="tool_use"))
    now = compared(described(base, reply({"type": "text", "text": "Done!!"})), then)
    assert (then.tools, then.chars, then.stop_reason) == ((READ,), 5, "tool_use")
    assert (now.tool_agreement, now.stop_agrees, now.chars) == (0.0, False, 6)
    assert calls_of(None) == ()


# --- the judge -------------------------------------------------------------------------------------------------------


def test_a_judge_sees_both_answers_in_both_orders_and_nothing_of_whose_they_are() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Mend the parser."}]}
    first, second = questions(body, reply({"type": "text", "text": "ONE"}), reply({"type": "text", "text": "TWO"}))
    texts = [each["messages"][0]["content"] for each in (first, second)]
    assert texts[0] == "The request:\nMend the parser.\n\nAnswer A:\nONE\n\nAnswer B:\nTWO"
    assert texts[1] == "The request:\nMend the parser.\n\nAnswer A:\nTWO\n\nAnswer B:\nONE"
    assert first["system"] == second["system"]
    assert "recorded" not in first["system"]


def test_a_judge_is_told_calls_and_results() -> None:
    result = {"type": "tool_result", "tool_use_id": "1", "content": "1 failed"}
    body = {"model": "m", "messages": [{"role": "user", "content": [result]}]}
    call = reply({"type": "tool_use", "name": "Edit", "input": {"a": 1}}, {"type": "thinking", "thinking": "hm"})
    text = questions(body, call, reply())[0]["messages"][0]["content"]
    assert "A tool's result:\n1 failed" in text
    assert 'calls the tool Edit with {"a":1}' in text
    assert "hm" not in text.split("Answer A")[1].replace("them", "")
    assert text.endswith("Answer B:\n(nothing)")


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ('{"better": "A"}', "A"),
        ('I think {"better": "b"}.', "B"),
        ('{"better": "SAME"}', "same"),
        ('{"worse": "A"} {"better": "B"}', "B"),
        ("A", None),
        ("{broken}", None),
        ("", None),
    ],
)
def test_a_verdict_is_read(said: str, found: str | None) -> None:
    assert verdict(reply({"type": "text", "text": said})) == found


@pytest.mark.parametrize(
    ("verdicts", "found"),
    [
        (("B", "A"), 1.0),  # the other answer, both times
        (("A", "B"), 0.0),
        (("A", "A"), 0.5),  # whichever stands first: no opinion
        (("same", "same"), 0.5),
        (("B", "same"), 0.75),
        (("A", None), None),
    ],
)
def test_a_score_takes_both_orders(verdicts: tuple[str | None, str | None], found: float | None) -> None:
    assert score(verdicts) == found
