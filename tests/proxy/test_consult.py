"""What the router is asked stays small, and whatever it answers means something."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui.proxy import refusal
from ccr_tui.proxy.consult import MAX_TOKENS, Done, question, verdict

ALL = ("tool", "coder", "think")
ANSWERS = [
    ("plain", '{"use": "coder"}', "coder", "llm_classifier"),
    ("the original's name for tool", '{"use": "use-tool"}', "tool", "llm_classifier"),
    ("the original's name for think", '{"use": "thinker"}', "think", "llm_classifier"),
    ("fenced", '```json\n{"use": "think"}\n```', "think", "llm_classifier"),
    ("in prose", 'I would say {"use": "coder"} because it is code.', "coder", "llm_classifier"),
    ("capitals and spaces", '{"use": " Use Tool "}', "tool", "llm_classifier"),
    ("the first good one of two", '{"use": "nobody"} or {"use": "think"}', "think", "llm_classifier"),
    ("a bare word", "Thinker.", "think", "llm_classifier"),
    ("more keys", '{"why": "hard", "use": "think"}', "think", "llm_classifier"),
    ("a stranger", '{"use": "nobody"}', "tool", "unknown_agent_fallback"),
    ("prose", "You should use a tool for that, or perhaps think.", "tool", "parse_failure_fallback"),
    ("broken JSON", '{"use": "coder"', "tool", "parse_failure_fallback"),
    ("another key", '{"agent": "coder"}', "tool", "parse_failure_fallback"),
    ("no text as value", '{"use": ["coder"]}', "tool", "parse_failure_fallback"),
    ("JSON nested too deeply", '{"use": ' + "[" * 5000 + "]" * 5000 + "}", "tool", "parse_failure_fallback"),
    ("nothing", "", "tool", "empty_answer_fallback"),
    ("white space", " \n ", "tool", "empty_answer_fallback"),
]


@pytest.mark.parametrize(
    ("answer", "agent", "cause"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS]
)
def test_what_an_answer_means(answer: str, agent: str, cause: str) -> None:
    found = verdict(answer, ALL)
    assert (found.agent, found.cause, found.said) == (agent, cause, answer)


def test_who_is_not_offered_is_not_chosen() -> None:
    assert verdict('{"use": "think"}', ("tool", "coder")).cause == "unknown_agent_fallback"


@given(st.text())
def test_any_answer_means_somebody(answer: str) -> None:
    assert verdict(answer, ALL).agent in ALL


def count(text: str) -> int:
    """One token a character: the worst there is."""
    return len(text)


@given(st.text(max_size=9000), st.text(max_size=4000), st.lists(st.text(min_size=1, max_size=90), max_size=60))
def test_the_question_is_bounded(said: str, before: str, tools: list[str]) -> None:
    body = {
        "messages": [
            {"role": "user", "content": before},
            {"role": "assistant", "content": before},
            {"role": "user", "content": said},
        ],
        "tools": [{"name": name, "input_schema": {}} for name in tools],
    }
    asked = question(body, ALL, [Done("think", before)], count)
    assert count(asked["messages"][0]["content"]) + count(asked["system"]) // 4 <= MAX_TOKENS
    refusal.parse(asked)


def test_the_question_holds_the_persons_words_and_not_the_clients_reminders() -> None:
    content = [
        {"type": "text", "text": "<system-reminder>never mind</system-reminder>"},
        {"type": "text", "text": "Prove that it ends."},
    ]
    body = {"messages": [{"role": "user", "content": content}], "tools": [{"name": "Bash", "input_schema": {}}]}
    text = question(body, ALL, [], count)["messages"][0]["content"]
    assert "Prove that it ends." in text
    assert "never mind" not in text
    assert "Bash" in text
