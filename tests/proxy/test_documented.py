"""What the documentation of the Messages API says of newer requests, as cases: each feature, and what a model gets.

The pages are those of platform.claude.com/docs/en: build-with-claude/effort-per-message and
mid-conversation-system-messages, agents-and-tools/tool-use, api/messages.
"""

from __future__ import annotations

from typing import Any

import pytest
from asking import ALL, asked, assistant, call, chat_faults, facts, result, text, tool, user

from ccr_tui.config import Model, Provider
from ccr_tui.errors import BadRequest
from ccr_tui.memory import Memory
from ccr_tui.proxy.asked import about, parse
from ccr_tui.proxy.quirks import facts_for
from ccr_tui.proxy.request import Translation, pass_through, translate
from ccr_tui.tally import tally
from ccr_tui.wire import dumps


class Letters:
    """A scale on which each letter weighs one."""

    def weigh(self, text: str) -> tuple[int, int]:
        return len(text), 0

    def pages(self, data: str) -> int | None:
        return None


def made(body: dict[str, Any], family: str = "generic", **quirks: Any) -> Translation:
    parse(body)
    return translate(body, "the-model", facts(family, **quirks))


def system(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "system", "content": content, **more}


def offered(found: Translation) -> list[str]:
    return [each["function"]["name"] for each in found.body.get("tools", ())]


# --- effort per message ------------------------------------------------------------------------------------------

LOW, MAX = ({"content": [], "role": "system", "output_config": {"effort": effort}} for effort in ("low", "max"))
EFFORTS: list[tuple[str, list[Any], str]] = [
    ("none is ordered", ["a"], "high"),
    ("behind the person's words", ["a", LOW], "low"),
    ("before them", ["a", assistant("b"), LOW, "c"], "low"),
    ("it stays", ["a", LOW, assistant("b"), "c", assistant("d"), "e"], "low"),
    ("until a later one", ["a", LOW, assistant("b"), "c", MAX], "max"),
    ("behind results alone it waits", ["a", assistant(call("t")), user(result("t", "r")), LOW], "high"),
    ("and the one before holds", ["a", MAX, assistant(call("t")), user(result("t", "r")), LOW], "max"),
    ("until the person speaks",
     ["a", assistant(call("t")), user(result("t", "r")), LOW, assistant("b"), "c"], "low"),
    ("words beside results count", ["a", assistant(call("t")), user(result("t", "r"), "and"), LOW], "low"),
    ("behind another system message", ["a", system("s"), LOW], "low"),
    ("nothing is meant by an empty one", ["a", system("s", output_config={})], "high"),
    ("alone in its message", ["a", {"role": "system", "output_config": {"effort": "low"}}], "low"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "effort"), [e[1:] for e in EFFORTS], ids=[e[0] for e in EFFORTS])
def test_the_effort_that_holds(said: list[Any], effort: str) -> None:
    body = asked(*said, output_config={"effort": "high"}, thinking={"type": "adaptive"})
    assert made(body, "deepseek").body["reasoning_effort"] == effort
    assert about(body, {}).effort == effort


# --- tools that change -------------------------------------------------------------------------------------------


def adds(made_tool: Any) -> dict[str, Any]:
    return {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": made_tool}}


def changes(kind: str, name: str) -> dict[str, Any]:
    return {"type": f"tool_{kind}", "tool": {"type": "tool_reference", "name": name}}


CHANGES: list[tuple[str, list[Any], list[str]]] = [
    ("one is defined", [adds(tool("New"))], ["Read", "Edit", "New"]),
    ("one is defined anew", [adds(tool("Read", properties={}))], ["Read", "Edit"]),
    ("one is removed", [changes("removal", "Read")], ["Edit"]),
    ("and comes back", [changes("removal", "Read"), changes("addition", "Read")], ["Edit", "Read"]),
    ("a defined one too", [adds(tool("New")), changes("removal", "New"), changes("addition", "New")],
     ["Read", "Edit", "New"]),
    ("an unknown one changes nothing", [changes("addition", "Other")], ["Read", "Edit"]),
    ("the client's own kind", [adds({"type": "bash_20250124", "name": "bash"})], ["Read", "Edit", "bash"]),
    ("no definition at all", [{"type": "tool_addition", "tool": {"type": "tool_definition"}}], ["Read", "Edit"]),
]  # fmt: skip


@pytest.mark.parametrize(("blocks", "names"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES])
def test_tools_change_on_the_way(blocks: list[Any], names: list[str]) -> None:
    found = made(asked("a", *(system([block]) for block in blocks), tools=[tool("Read"), tool("Edit")]))
    assert offered(found) == names
    assert chat_faults(found.body) == []


def test_the_model_is_told_where_a_tool_came_and_went() -> None:
    body = asked("a", system([adds(tool("New")), changes("removal", "Read"), text("so")]), tools=[tool("Read")])
    told = made(body, mid_system="system").body["messages"][1]["content"]
    assert told == "[The tool New can be called from now on.]\n\n[The tool Read can't be called any more.]\n\nso"


# --- reminders and the system prompt -----------------------------------------------------------------------------


def test_a_reminder_for_one_turn_is_gone_in_the_next() -> None:
    once = {"clear_at": "next_user_message"}
    found = made(asked("a", system("old", **once), assistant("b"), "c", system("new", **once)), mid_system="system")
    assert [m["content"] for m in found.body["messages"]] == ["a", "b", "c", "new"]
    assert found.notes == ("a reminder for one turn was left out: that turn is over",)
    stays = made(asked("a", system("old", clear_at="never"), assistant("b"), "c"), mid_system="system")
    assert [m["content"] for m in stays.body["messages"]] == ["a", "old", "b", "c"]


@pytest.mark.parametrize("family", ALL)
def test_system_messages_before_anybody_speaks_are_the_system_prompt(family: str) -> None:
    sent = made(asked(system("one"), system([text("two")]), "a", system="zero"), family).body["messages"]
    assert [m["role"] for m in sent] == ["system", "user"]
    assert sent[0]["content"] == "zero\n\none\n\ntwo"


# --- blocks ------------------------------------------------------------------------------------------------------


def fetched(source: Any) -> Any:
    page = {"type": "document", "source": source, "title": "P"}
    return {"type": "web_fetch_tool_result", "tool_use_id": "s",
            "content": {"type": "web_fetch_result", "url": "https://p", "content": page}}  # fmt: skip


BLOCKS: list[tuple[str, Any, Any]] = [
    ("a page that was fetched", fetched({"type": "text", "media_type": "text/plain", "data": "D"}),
     "[web fetch tool result]\n\nhttps://p\n\n[Document: P]\nD\n[End of document]"),
    ("a file that was fetched", fetched({"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}),
     "[web fetch tool result]\n\nhttps://p\n\n"
     "[A document 'P' (application/pdf, 6 bytes) was here. This model can't read such files.]"),
    ("a page that was not", {"type": "web_fetch_tool_result", "content": {"error_code": "url_not_allowed"}},
     '[web fetch tool result]\n\n{"error_code":"url_not_allowed"}'),
    ("a compaction that failed", {"type": "compaction", "content": None}, ""),
    ("a fallback's boundary", {"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}}, ""),
    ("the tools of an MCP server", {"type": "mcp_tool_listing", "mcp_server_name": "m", "tools": [tool()]}, ""),
    ("an upload", {"type": "container_upload", "file_id": "f1"},
     "[The file f1 was uploaded for code execution, which is not available here.]"),
    ("a result of an unheard-of kind", {"type": "web_search_tool_result", "content": [{"type": ["x"]}]},
     '[web search tool result]\n\n[{"type":["x"]}]'),
    ("an advisor's word", {"type": "advisor_tool_result", "tool_use_id": "s",
                           "content": {"type": "advisor_result", "text": "A"}}, "[advisor tool result]\n\nA"),
]  # fmt: skip


@pytest.mark.parametrize(("block", "read"), [b[1:] for b in BLOCKS], ids=[b[0] for b in BLOCKS])
def test_newer_blocks(block: Any, read: str) -> None:
    sent = made(asked("a", assistant(block, "said"), "b")).body["messages"]
    assert sent[1]["content"] == "\n\n".join(part for part in (read, "said") if part)


def test_an_empty_picture_refuses_no_conversation() -> None:
    empty = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}}
    found = made(asked(user("a", empty)), "openai")
    assert found.notes == ("a picture was left out: it is empty",)
    assert chat_faults(found.body) == []


# --- compaction --------------------------------------------------------------------------------------------------


def summary(said: str | None) -> dict[str, Any]:
    return {"type": "compaction", "content": said, "encrypted_content": "E", "signature": "G"}


SUMMED = ("user", "[Summary of the conversation before]\nS")
COMPACTED: list[tuple[str, list[Any], list[tuple[str, str]]]] = [
    ("what stands before it is dropped", ["a", assistant("b"), "c", assistant(summary("S"), "d"), "e"],
     [SUMMED, ("assistant", "d"), ("user", "e")]),
    ("in its own message too", ["a", assistant("b", summary("S"), "d"), "e"],
     [SUMMED, ("assistant", "d"), ("user", "e")]),
    ("it may stand alone", ["a", assistant(summary("S")), "e"], [SUMMED, ("user", "e")]),
    ("the last of several holds", [assistant(summary("R"), "b"), "c", assistant(summary("S"), "d"), "e"],
     [SUMMED, ("assistant", "d"), ("user", "e")]),
    ("one that failed is none", ["a", assistant(summary("S"), "b"), "c", assistant(summary(None), "d"), "e"],
     [SUMMED, ("assistant", "b"), ("user", "c"), ("assistant", "d"), ("user", "e")]),
]  # fmt: skip


@pytest.mark.parametrize("memory", [False, True], ids=["plain", "in parts"])
@pytest.mark.parametrize(("said", "sent"), [c[1:] for c in COMPACTED], ids=[c[0] for c in COMPACTED])
def test_a_compacted_conversation_begins_with_its_summary(
    said: list[Any], sent: list[tuple[str, str]], memory: bool
) -> None:
    known = Memory()
    bodies = [asked(*said[:n]) for n in range(1, len(said) + 1)]  # as they come, turn after turn
    *_, last = [known.read(dumps(body)) if memory else body for body in bodies]
    found = made(last)
    assert [(m["role"], m["content"]) for m in found.body["messages"]] == sent
    assert "what stands before a compaction's summary was left out, as Anthropic's own API does" in found.notes


def test_a_call_that_follows_a_summary_keeps_its_result() -> None:
    before = ["a", assistant(call("t0")), user(result("t0", "r0"))]
    said = [*before, assistant(summary("S"), call("t")), user(result("t", "r"))]
    sent = made(asked(*said, tools=[tool("Read")])).body["messages"]
    assert [m["role"] for m in sent] == ["user", "assistant", "tool"]
    assert (sent[1]["tool_calls"][0]["id"], sent[2]["content"]) == (sent[2]["tool_call_id"], "r")


def test_what_was_compacted_is_not_counted() -> None:
    long = "word " * 5000
    compacted = asked(long, assistant(summary("S"), "d"), "e")
    assert tally(compacted, Letters()).total < 200 < tally(asked(long, assistant("d"), "e"), Letters()).total


@pytest.mark.parametrize("whole", [True, False], ids=["everything is sent", "the summary alone"])
def test_the_tools_of_a_compacted_range_are_those_at_its_end(whole: bool) -> None:
    """`tool_changes` of the block: what took the request's tools to those in effect when it was compacted."""
    changed = [adds(tool("New")), changes("removal", "Read")]
    before = ["a", system(changed), assistant("b")] if whole else []
    body = asked(*before, assistant({**summary("S"), "tool_changes": changed}), "c", tools=[tool("Read"), tool("Edit")])
    found = made(body)
    assert offered(found) == ["Edit", "New"]
    assert chat_faults(found.body) == []
    unchanged = asked(assistant({**summary("S"), "tool_changes": None}), "c", tools=[tool("Read")])
    assert offered(made(unchanged)) == ["Read"]
    read = Memory().read(dumps(body))
    parse(read)
    assert made(read).body == found.body


def test_an_upstream_that_compacts_itself_gets_everything() -> None:
    body = asked("a", assistant("b", summary("S"), "d"), "e")
    assert pass_through(body, "claude-x")[0]["messages"] == body["messages"]


@pytest.mark.parametrize("kind", ["document", "search_result"])
def test_citations_that_cannot_be_given_are_noted(kind: str) -> None:
    source = {"type": "text", "data": "D", "media_type": "text/plain"} if kind == "document" else "S"
    block = {"type": kind, "source": source, "title": "T", "content": [text("x")], "citations": {"enabled": True}}
    assert "citations were asked for" in made(asked(user(block))).notes[0]


FORM = {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {}}}}


@pytest.mark.parametrize(
    ("family", "model_id"),
    [("groq", "openai/gpt-oss-120b"), ("gemini", "gemini-2.5-pro"), ("ollama", "qwen3:8b")],
    ids=["groq", "gemini", "ollama"],
)
def test_json_is_asked_for_in_words_where_tools_forbid_more(family: str, model_id: str) -> None:
    """Groq: "json mode cannot be combined with tool/function calling"; Gemini: "Function calling with a response mime
    type: 'application/json' is unsupported" (vercel/ai #16540); Ollama then calls no tool (its #11185)."""
    of = facts_for(Provider("p", "openai", "http://gpu:8000/v1"), Model("m", "p", model_id, family=family))
    alone, beside = (translate(asked(output_config=FORM, **more), model_id, of) for more in ({}, {"tools": [tool()]}))
    assert "response_format" in alone.body
    assert "response_format" not in beside.body
    assert "JSON schema" in beside.body["messages"][0]["content"]
    assert beside.is_json
    assert chat_faults(beside.body) == []


@pytest.mark.parametrize(
    ("family", "model_id", "back"),
    [("llama_cpp", "gpt-oss-120b", False), ("lmstudio", "openai/gpt-oss-20b", False), ("llama_cpp", "qwen3", True)],
    ids=["llama.cpp", "lmstudio", "another model"],
)
def test_gpt_oss_gets_no_reasoning_beside_the_text_of_a_call(family: str, model_id: str, back: bool) -> None:
    """Its template: "Cannot pass both content and thinking in an assistant message with tool calls!" (llama.cpp
    #19703; what the server does about it since takes the text out)."""
    of = facts_for(Provider("p", "openai", "http://gpu:8000/v1"), Model("m", "p", model_id, family=family))
    thought = {"type": "thinking", "thinking": "hm", "signature": ""}
    said = [assistant(thought, text("so"), call("t")), user(result("t", "r")), assistant(thought, call("u"))]
    messages = translate(asked("a", *said, user(result("u", "r"))), model_id, of).body["messages"]
    assert [m.get("reasoning_content") for m in messages if m["role"] == "assistant"] == ["hm" if back else None, "hm"]
    assert messages[1]["content"] == "so"


# --- tools -------------------------------------------------------------------------------------------------------

CLIENTS = [
    ("bash_20250124", "bash", {"command", "restart"}),
    ("text_editor_20250124", "str_replace_editor", {"command", "path", "new_str", "view_range"}),
    ("text_editor_20250728", "str_replace_based_edit_tool", {"command", "path", "insert_text"}),
    ("memory_20250818", "memory", {"command", "path", "old_path", "new_path", "insert_text"}),
    ("computer_20250124", "computer", {"action", "coordinate", "scroll_amount"}),
]


@pytest.mark.parametrize(("kind", "name", "fields"), CLIENTS, ids=[c[0] for c in CLIENTS])
@pytest.mark.parametrize("family", ["generic", "openai", "gemini"])
def test_tools_that_the_client_runs_are_offered(kind: str, name: str, fields: set[str], family: str) -> None:
    body = asked("a", assistant(call("t", name, command="view")), user(result("t", "r")),
                 tools=[{"type": kind, "name": name}], tool_choice={"type": "tool", "name": name})  # fmt: skip
    found = made(body, family)
    assert offered(found) == [name]
    assert fields <= found.body["tools"][0]["function"]["parameters"]["properties"].keys()
    assert found.body["tool_choice"] == {"type": "function", "function": {"name": name}}
    assert chat_faults(found.body) == []
    assert not found.notes
    assert about(body, {}).has_tools


def test_examples_of_the_input_of_tools_that_the_client_runs_are_told() -> None:
    given = {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool", "input_examples": [{"path": "/a"}]}
    said = made(asked(tools=[given])).body["tools"][0]["function"]["description"]
    assert said.endswith('\n\nExamples of its input:\n{"path":"/a"}')


@pytest.mark.parametrize("kind", ["computer_toolset_20260801", "browser_toolset_20260801"])
def test_a_set_of_tools_that_the_client_runs_is_not_told_to_be_the_servers(kind: str) -> None:
    found = made(asked(tools=[{"type": kind}, tool()]))
    assert offered(found) == ["Read"]
    assert found.notes == (f"the tool {kind} was left out: only Anthropic's models know it",)


def test_citations_of_an_earlier_answer_are_noted() -> None:
    cited = {**text("so"), "citations": [{"type": "char_location", "cited_text": "x", "document_index": 0}]}
    found = made(asked("a", assistant(cited), "b"))
    assert found.notes == ("citations of an earlier answer were left out: chat completions have none",)
    assert not made(asked("a", assistant({**text("so"), "citations": None}), "b")).notes


CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
STRICT: list[tuple[str, str, Any, bool]] = [
    ("closed", "openai", CLOSED, True),
    ("open", "openai", {**CLOSED, "required": []}, False),
    ("unknown there", "gemini", CLOSED, False),
]


@pytest.mark.parametrize(("family", "schema", "strict"), [s[1:] for s in STRICT], ids=[s[0] for s in STRICT])
def test_strict_tools(family: str, schema: Any, strict: bool) -> None:
    found = made(asked(tools=[{"name": "T", "input_schema": schema, "strict": True}]), family)
    assert (found.body["tools"][0]["function"].get("strict") is True) == strict
    assert any("strict" in note for note in found.notes) != strict


def test_examples_of_a_tools_input_stand_in_its_description() -> None:
    given = {**tool(), "input_examples": [{"path": "/a"}, {"path": "/b"}]}
    said = made(asked(tools=[given])).body["tools"][0]["function"]["description"]
    assert said == 'Reads things.\n\nExamples of its input:\n{"path":"/a"}\n{"path":"/b"}'


NOTED: list[tuple[str, dict[str, Any], str]] = [
    ("a tool for code execution", {"tools": [{**tool(), "allowed_callers": ["code_execution_20250825"]}]},
     "for code execution only"),
    ("a forced call of nothing", {"tool_choice": {"type": "any"}}, "no tools were sent"),
    ("a budget for a task", {"output_config": {"task_budget": {"type": "tokens", "total": 1}}}, "task_budget"),
    ("an effort without a knob", {"output_config": {"effort": "low"}}, "no knob"),
    ("an unknown form", {"output_config": {"format": {"type": "novelty"}}}, "novelty"),
    ("a thread to begin", {"thread": {"type": "create"}}, "thread"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "words"), [n[1:] for n in NOTED], ids=[n[0] for n in NOTED])
def test_what_has_no_form_is_noted(more: dict[str, Any], words: str) -> None:
    assert any(words in note for note in made(asked(**more)).notes)


ROOTS: list[tuple[str, Any]] = [
    ("empty", {}),
    ("choices", {"anyOf": [{"type": "object"}]}),
    ("nullable", {"type": ["object", "null"]}),
]


@pytest.mark.parametrize("schema", [r[1] for r in ROOTS], ids=[r[0] for r in ROOTS])
def test_arguments_are_an_object(schema: Any) -> None:
    sent = made(asked(tools=[{"name": "T", "input_schema": schema}])).body["tools"][0]["function"]["parameters"]
    assert (sent["type"], sent["properties"]) == ("object", {})


def test_a_list_is_no_strict_answer() -> None:
    wanted = {"format": {"type": "json_schema", "schema": {"type": "array", "items": {"type": "string"}}}}
    assert "strict" not in made(asked(output_config=wanted)).body["response_format"]["json_schema"]


@pytest.mark.parametrize("family", ["deepseek", "openai", "openrouter", "zhipu"])
def test_between_tools_is_not_thinking(family: str) -> None:
    off, between = (made(asked(thinking={"type": kind}), family).body for kind in ("disabled", "between_tools"))
    assert between == off


def test_nothing_is_said_where_the_cache_is_warmed() -> None:
    found = made(asked(max_tokens=0))
    assert (found.body["max_tokens"], found.mute) == (1, True)
    assert any("warms the prompt cache" in note for note in found.notes)


# --- refused -----------------------------------------------------------------------------------------------------

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("warmer than is allowed", {"temperature": 1.1}, "temperature: Input should be less than or equal to 1"),
    ("colder", {"temperature": -1}, "temperature: Input should be greater than or equal to 0"),
    ("more than all", {"top_p": 2}, "top_p: Input should be less than or equal to 1"),
    ("thinking without a budget", {"thinking": {"type": "enabled"}}, "thinking.enabled.budget_tokens: Field required"),
    ("a tool that takes a text", {"tools": [{"name": "T", "input_schema": {"type": "string"}}]},
     "tools.0.custom.input_schema.type: Input should be 'object'"),
    ("a small budget", {"thinking": {"type": "enabled", "budget_tokens": 1023}},
     "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"),
    ("a description that is no text", {"tools": [{**tool(), "description": 5}]},
     "tools.0.custom.description: Input should be a valid string"),
    ("an error that is no boolean", {"messages": [user({**result("a", "r"), "is_error": "yes"})]},
     "messages.0.content.0.tool_result.is_error: Input should be a valid boolean"),
    ("parallel calls that are no boolean", {"tool_choice": {"type": "any", "disable_parallel_tool_use": "no"}},
     "tool_choice.any.disable_parallel_tool_use: Input should be a valid boolean"),
    ("a user that is no text", {"metadata": {"user_id": 7}}, "metadata.user_id: Input should be a valid string"),
    ("an effort that is no text", {"output_config": {"effort": 7}},
     "output_config.effort: Input should be a valid string"),
    ("a form without a schema", {"output_config": {"format": {"type": "json_schema"}}},
     "output_config.format.json_schema.schema: Field required"),
    ("a conversation that the server is to know", {"thread": {"type": "continue", "previous_message_id": "m"}},
     "thread: only Anthropic's servers hold conversations; send all messages with each request"),
    ("a conversation that is to be summarized", {"compaction": {"type": "summarize"}},
     "compaction: only Anthropic's servers summarize a conversation; ask for a summary in a message"),
    ("less than nothing", {"max_tokens": -1}, "max_tokens: Input should be greater than or equal to 0"),
    ("a message that says and orders nothing", {"messages": [user("a"), {"role": "system"}]},
     "messages.1.content: Field required"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "sentence"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_what_is_refused(more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadRequest) as told:
        made(asked(**more))
    assert str(told.value) == sentence


# --- passed on to Anthropic --------------------------------------------------------------------------------------

OURS, THEIRS = ({"type": "thinking", "thinking": "t", "signature": mark} for mark in ("ccr-tui.v1", "AbC="))
CLEARS = {"type": "clear_thinking_20251015", "keep": "all"}
BUDGET = {"type": "enabled", "budget_tokens": 2000}
LOOPS: list[tuple[str, list[Any], Any, bool]] = [
    ("a call of another model's", [assistant(OURS, call("t")), user(result("t", "r"))], BUDGET, False),
    ("the upstream's own", [assistant(THEIRS, call("t")), user(result("t", "r"))], BUDGET, True),
    ("over by now", [assistant(OURS, call("t")), user(result("t", "r")), assistant("so"), "on"], BUDGET, True),
    ("adaptive needs none", [assistant(OURS, call("t")), user(result("t", "r"))], {"type": "adaptive"}, True),
]


@pytest.mark.parametrize(("said", "thinking", "stays"), [c[1:] for c in LOOPS], ids=[c[0] for c in LOOPS])
def test_a_budget_is_not_asked_for_behind_another_models_calls(said: list[Any], thinking: Any, stays: bool) -> None:
    edits = {"context_management": {"edits": [CLEARS, {"type": "clear_tool_uses_20250919"}]}}
    sent, notes = pass_through(asked("hi", *said, thinking=thinking, **edits), "m")
    assert ("thinking" in sent) == stays
    assert (CLEARS in sent["context_management"]["edits"]) == stays
    assert len(sent["context_management"]["edits"]) == 1 + stays
    assert any("thinking was left out" in note for note in notes) != stays


# --- passed on to servers of other models ------------------------------------------------------------------------

REMINDED = {"type": "text", "text": "<system-reminder>\ns\n</system-reminder>"}
OTHERS: list[tuple[str, list[Any], list[Any]]] = [
    ("behind a plain text", ["a", system("s")], [user("a", REMINDED)]),
    ("behind blocks", [user("a"), system([text("s")]), assistant("b"), "c"],
     [user("a", REMINDED), assistant("b"), {"role": "user", "content": "c"}]),
    ("behind a result", ["a", assistant(call("t")), user(result("t", "r")), system("s")],
     [{"role": "user", "content": "a"}, assistant(call("t")), user(result("t", "r"), REMINDED)]),
    ("one after another", ["a", system("s"), system("s")], [user("a", REMINDED, REMINDED)]),
    ("before anybody speaks", [system("s"), "a"], [user(REMINDED), {"role": "user", "content": "a"}]),
    ("saying nothing", ["a", system([]), {"role": "system", "output_config": {"effort": "low"}}],
     [{"role": "user", "content": "a"}]),
]  # fmt: skip


@pytest.mark.parametrize(("said", "sent"), [c[1:] for c in OTHERS], ids=[c[0] for c in OTHERS])
def test_servers_of_other_models_know_no_system_messages(said: list[Any], sent: list[Any]) -> None:
    body = asked(*said)
    found, notes = pass_through(body, "deepseek-v4-pro")
    assert found["messages"] == sent
    assert len(notes) == 1
    assert pass_through(body, "claude-opus-5-5")[0]["messages"] == body["messages"]


def test_servers_of_other_models_get_no_pattern_that_they_cannot_read() -> None:
    odd = tool(properties={"a": {"type": "string", "pattern": r"^\p{L}$"}})
    tools = [odd, tool("Edit"), {"type": "web_search_20260318", "name": "web_search"}]
    found, _ = pass_through(asked(tools=tools), "kimi-k2.6")
    assert found["tools"][0]["input_schema"]["properties"] == {"a": {"type": "string"}}
    assert found["tools"][1:] == tools[1:]
    assert pass_through(asked(tools=tools), "claude-opus-5-5")[0]["tools"] == tools


@pytest.mark.parametrize(("model_id", "is_left"), [("kimi-k2.7-code", False), ("kimi-for-coding", False),
                                                    ("kimi-k2.6", True), ("claude-opus-5-5", True)])  # fmt: skip
def test_a_model_that_always_thinks_is_not_told_not_to(model_id: str, is_left: bool) -> None:
    """It answers 400: "only type=enabled is allowed for this model" (Kimi-K2 #141, subagents of Claude Code)."""
    sent, notes = pass_through(asked(thinking={"type": "disabled"}), model_id)
    assert ("thinking" in sent) is is_left
    assert bool(notes) is not is_left
    assert "thinking" in pass_through(asked(thinking={"type": "enabled", "budget_tokens": 2048}), model_id)[0]
