"""Work done aside reaches the client as thinking, and the tool agent at the same place in every later turn."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ccr_tui.proxy import hop, refusal
from ccr_tui.proxy.anthropic import Grammar, events_of
from ccr_tui.proxy.passing import pass_through
from ccr_tui.proxy.quirks import Facts
from ccr_tui.proxy.request import translate
from ccr_tui.wire import dumps

texts = st.text(min_size=1, max_size=40)
USAGE = {
    "input_tokens": 1,
    "output_tokens": 1,
    "cache_read_input_tokens": 0,
    "cache_creation_input_tokens": 0,
}
blocks = st.lists(
    st.builds(lambda text: {"type": "text", "text": text}, texts)
    | st.builds(lambda text: {"type": "thinking", "thinking": text, "signature": "ccr-tui.v1"}, texts)
    | st.just({"type": "tool_use", "id": "call_1", "name": "Bash", "input": {}}),
    min_size=1,
    max_size=4,
)


def message(content: list[Any]) -> dict[str, Any]:
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content,
        "stop_reason": "end_turn", "stop_sequence": None, "usage": USAGE,
    }  # fmt: skip


def body(*messages: Any) -> dict[str, Any]:
    tool = {"name": "Bash", "input_schema": {"type": "object", "properties": {}}}
    return {"model": "m", "max_tokens": 10, "messages": list(messages), "tools": [tool]}


@given(blocks, st.integers(0, 60))
def test_an_answer_cut_anywhere_is_a_grammatical_aside(content: list[Any], cut: int) -> None:
    aside = hop.Aside("think")
    events = events_of(message(content))[:-2]
    sent = [*aside.feed(events[:cut]), *aside.close()]
    ending = {"stop_reason": "end_turn", "stop_sequence": None}
    tail = [
        {"type": "message_delta", "delta": ending, "usage": USAGE},
        {"type": "message_stop"},
    ]
    if cut:
        grammar = Grammar()
        renumbered = {n: at for at, n in enumerate(dict.fromkeys(e["index"] for e in sent if "index" in e))}
        for event in (*sent, *tail):
            grammar.feed({**event, "index": renumbered[event["index"]]} if "index" in event else event)
        grammar.close()
    assert all(block["type"] == "thinking" for block in aside.blocks)


@given(texts, texts)
def test_the_result_is_what_was_said_and_not_what_was_thought(thought: str, said: str) -> None:
    aside = hop.Aside("coder")
    thinking = {"type": "thinking", "thinking": thought, "signature": "x"}
    aside.feed(events_of(message([thinking, {"type": "text", "text": said}])))
    assert aside.text == said
    assert [hop.agent_of(block) for block in aside.blocks] == [None, "coder"]
    assert [hop.is_aside(block) for block in aside.blocks] == [True, False]


@given(
    texts, texts, texts, st.sampled_from([Facts(), Facts(reasoning_back="reasoning_content"), Facts(alternate=True)])
)
def test_a_result_stays_where_it_was(asked: str, result: str, answer: str, facts: Facts) -> None:
    user = {"role": "user", "content": f"Q {asked}"}
    aside = hop.Aside("think")
    thinking = {"type": "thinking", "thinking": "only the thinker's own", "signature": "x"}
    aside.feed(events_of(message([thinking, {"type": "text", "text": result}])))
    first = body(user, {"role": "assistant", "content": aside.blocks})
    call = {"type": "tool_use", "id": "call_1", "name": "Bash", "input": {}}
    told = {"role": "assistant", "content": [*aside.blocks, {"type": "text", "text": answer}, call]}
    given_back = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "ok"}]}
    now = translate(first, "m", facts).body["messages"]
    later = translate(body(user, told, given_back), "m", facts).body["messages"]
    assert dumps(later[: len(now)]) == dumps(now)
    assert result in now[-1]["content"]
    assert now[-1]["role"] == "user"
    assert "only the thinker's own" not in str(later)


def test_an_anthropic_tool_agent_reads_the_result_as_the_users_word() -> None:
    aside = hop.Aside("think")
    aside.feed(events_of(message([{"type": "text", "text": "Use a heap."}])))
    sent, notes = pass_through(
        body({"role": "user", "content": "q"}, {"role": "assistant", "content": aside.blocks}), "c"
    )
    assert [said["role"] for said in sent["messages"]] == ["user", "user"]
    assert "Use a heap." in sent["messages"][1]["content"]
    assert notes == ()


def test_an_agent_without_tools_reads_the_conversation_as_text() -> None:
    call = {"type": "tool_use", "id": "t1", "name": "Read", "input": {"file_path": "a.py"}}
    content = [
        {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "x = 1"}]},
        {"type": "text", "text": "Go on."},
    ]
    given_body = body(
        {"role": "user", "content": "Read it."},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, call]},
        {"role": "user", "content": content},
    )
    given_body["system"] = [
        {"type": "text", "text": "x-anthropic-billing-header: a"},
        {"type": "text", "text": "Be brief."},
    ]
    made = hop.task(given_body, "coder")
    refusal.parse(made)
    assert "tools" not in made
    assert made["system"] == "Be brief."
    assert [said["role"] for said in made["messages"]] == ["user", "assistant", "user"]
    assert '[called the tool Read with {"file_path":"a.py"}]' in made["messages"][1]["content"]
    assert "x = 1" in made["messages"][2]["content"]
    assert made["messages"][2]["content"].endswith(hop.TASKS["coder"])
    assert "hm" not in str(made)
