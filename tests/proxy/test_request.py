"""What each part of a request becomes: cases as data, one sentence each."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from asking import PNG, TOOLS, asked, assistant, call, facts, picture, result, text, tool, user

from ccr_tui.errors import BadRequest
from ccr_tui.proxy.quirks import Facts
from ccr_tui.proxy.request import Translation, pass_through, translate


def made(body: dict[str, Any], family: str = "generic", **quirks: Any) -> Translation:
    return translate(body, "the-model", facts(family, **quirks))


def messages(*said: Any, family: str = "generic", **quirks: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = made(asked(*said), family, **quirks).body["messages"]
    return found


def says(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def shown(data: str = PNG) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}


# --- messages ----------------------------------------------------------------------------------------------------

SIMPLE: list[tuple[str, Any, Any]] = [
    ("a text", "hi", says("user", "hi")),
    ("texts join", user("a", "b"), says("user", "a\n\nb")),
    ("empty texts vanish", user("a", "", "b"), says("user", "a\n\nb")),
    ("a picture keeps its place", user("see", picture(), "this"),
     says("user", [text("see"), shown(), text("this")])),
    ("a picture behind an address", user({"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}),
     says("user", [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}])),
    ("a picture in a file store", user({"type": "image", "source": {"type": "file", "file_id": "f1"}}),
     says("user", '[A picture was here that could not be passed on: {"type":"file","file_id":"f1"}]')),
    ("a text document", user({"type": "document", "title": "T", "context": "C",
                              "source": {"type": "text", "media_type": "text/plain", "data": "D"}}),
     says("user", "[Document: T]\nC\nD\n[End of document]")),
    ("a document of blocks",
     user({"type": "document", "source": {"type": "content", "content": [text("D"), picture()]}}),
     says("user", [text("[Document]\nD\n[End of document]"), shown()])),
    ("a text document in base64", user({"type": "document", "source": {
        "type": "base64", "media_type": "text/plain", "data": base64.b64encode(b"caf\xc3\xa9").decode()}}),
     says("user", "[Document]\ncafé\n[End of document]")),
    ("a PDF", user({"type": "document", "title": "P", "source": {
        "type": "base64", "media_type": "application/pdf", "data": "JVBE"}}),
     says("user", "[A document 'P' (application/pdf, 3 bytes) was here. This model can't read such files.]")),
    ("a document behind an address", user({"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}}),
     says("user", "[The document at https://x/y.pdf was not fetched.]")),
    ("a search result", user({"type": "search_result", "title": "T", "source": "S", "content": [text("found")]}),
     says("user", "[Search result: T (S)]\nfound")),
    ("an unknown block", user({"type": "novelty", "text": "x", "cache_control": {"type": "ephemeral"}}),
     says("user", '[novelty] {"type":"novelty","text":"x"}')),
    ("half a character", "x\ud83dy", says("user", "x\ufffdy")),
]  # fmt: skip


@pytest.mark.parametrize(("said", "expected"), [s[1:] for s in SIMPLE], ids=[s[0] for s in SIMPLE])
def test_user_content(said: Any, expected: Any) -> None:
    assert messages(said) == [expected]


PDF = {"type": "document", "title": "P", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}}


def test_a_pdf_is_a_file_where_files_are_taken() -> None:
    part = {"type": "file", "file": {"filename": "P", "file_data": "data:application/pdf;base64,JVBE"}}
    assert messages(user("read", PDF), family="openai") == [says("user", [text("read"), part])]


def test_a_model_without_eyes_is_told_of_the_picture() -> None:
    found = made(asked(user("see", picture())), images=False)
    assert found.body["messages"] == [
        says("user", "see\n\n[A picture (image/png) was here. This model can't see pictures.]")
    ]
    assert found.notes == ("a picture was left out: this model takes no pictures",)


def called(*ids: str, content: Any = None, **more: Any) -> dict[str, Any]:
    calls = [{"id": i, "type": "function", "function": {"name": "Read", "arguments": "{}"}} for i in ids]
    return says("assistant", content, tool_calls=calls, **more)


def answered(call_id: str, content: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


RESULTS: list[tuple[str, list[Any], list[Any]]] = [
    ("a text", [user(result("a", "out"))], [answered("a", "out")]),
    ("blocks join", [user(result("a", [text("x"), text("y")]))], [answered("a", "x\n\ny")]),
    ("nothing", [user(result("a"))], [answered("a", "(no output)")]),
    ("an empty list", [user(result("a", []))], [answered("a", "(no output)")]),
    ("an empty text", [user(result("a", ""))], [answered("a", "(no output)")]),
    ("an error says so", [user(result("a", "no such file", is_error=True))], [answered("a", "Error: no such file")]),
    ("an error that says so itself", [user(result("a", "<tool_use_error>x</tool_use_error>", is_error=True))],
     [answered("a", "<tool_use_error>x</tool_use_error>")]),
    ("an empty error", [user(result("a", [], is_error=True))], [answered("a", "Error: (no output)")]),
    ("no error", [user(result("a", "fine", is_error=False))], [answered("a", "fine")]),
    ("text beside it comes after", [user("before", result("a", "out"), "after")],
     [answered("a", "out"), says("user", "before\n\nafter")]),
    ("a picture follows with its call's name", [user(result("a", [text("x"), picture()]), "so")],
     [answered("a", "x\n\n[picture or file 1: see the next user message]"),
      says("user", [text("[picture or file 1 of the result of Read, call a]"), shown(), text("so")])]),
    ("a reference to a loaded tool", [user(result("a", [{"type": "tool_reference", "tool_name": "WebSearch"}]))],
     [answered("a", "[The tool WebSearch is loaded and can be called now.]")]),
    ("a document", [user(result("a", [{"type": "document", "source": {"type": "text", "data": "D"}}]))],
     [answered("a", "[Document]\nD\n[End of document]")]),
    ("a system message before it", [{"role": "system", "content": "s"}, user(result("a", "out"))],
     [answered("a", "out"), says("user", "<system-reminder>\ns\n</system-reminder>")]),
    ("in the second message", ["wait", user(result("a", "out"))], [answered("a", "out"), says("user", "wait")]),
    ("twice", [user(result("a", "out"), result("a", "again"))],
     [answered("a", "out"), says("user", "[Result of an earlier tool call a]\n\nagain")]),
    ("of another call", [user(result("b", "out", is_error=True))],
     [answered("a", "(no result: the call was interrupted)"),
      says("user", "[Result of an earlier tool call b (an error)]\n\nout")]),
    ("missing", ["go on"], [answered("a", "(no result: the call was interrupted)"), says("user", "go on")]),
    ("missing at the end", [], [answered("a", "(no result: the call was interrupted)")]),
]  # fmt: skip


@pytest.mark.parametrize(("back", "expected"), [r[1:] for r in RESULTS], ids=[r[0] for r in RESULTS])
def test_the_result_of_a_call(back: list[Any], expected: list[Any]) -> None:
    assert messages("hi", assistant(call("a")), *back)[1:] == [called("a"), *expected]


def test_parallel_results_come_in_the_order_of_their_calls() -> None:
    found = messages("hi", assistant("ok", call("a"), call("b")), user(result("b", "2"), result("a", "1"), "so"))
    assert found[1:] == [called("a", "b", content="ok"), answered("a", "1"), answered("b", "2"), says("user", "so")]


def test_calls_of_two_assistant_messages_in_a_row_find_their_results() -> None:
    found = messages("hi", assistant(call("a")), assistant(call("b")), user(result("a", "1"), result("b", "2")))
    assert found[1:] == [called("a"), answered("a", "1"), called("b"), answered("b", "2")]


def test_ids_that_come_twice_are_told_apart_and_results_taken_in_turn() -> None:
    found = messages("hi", assistant(call("a"), call("a")), user(result("a", "1"), result("a", "2")))
    first, second = (made["id"] for made in found[1]["tool_calls"])
    assert first == "a" != second
    assert found[2:] == [answered("a", "1"), answered(second, "2")]


@pytest.mark.parametrize("call_id", ["functions.Read:0", "x" * 41, "é", "a b"])
def test_ids_that_openai_refuses_get_a_legal_form(call_id: str) -> None:
    found = messages("hi", assistant(call(call_id)), user(result(call_id, "1")))
    assert found[1]["tool_calls"][0]["id"] == found[2]["tool_call_id"] != call_id
    assert len(found[2]["tool_call_id"]) <= 40


def test_mistral_s_ids_have_nine_letters_and_no_user_follows_a_tool() -> None:
    found = messages("hi", assistant(call("toolu_1")), user(result("toolu_1", "1"), "so"), family="mistral")
    assert len(found[2]["tool_call_id"]) == 9
    assert found[2]["tool_call_id"].isalnum()
    assert found[3:] == [says("assistant", "Understood."), says("user", "so")]


def test_mistral_is_told_that_the_last_message_is_the_beginning_of_its_answer() -> None:
    found = made(asked("hi", assistant("{")), "mistral")
    assert found.body["messages"][-1] == says("assistant", "{") | {"prefix": True}
    assert not found.notes
    assert made(asked("hi", assistant("{"), "so"), "mistral").body["messages"][1] == says("assistant", "{")
    other = made(asked("hi", assistant("{")), "generic")
    assert other.body["messages"][-1] == says("assistant", "{")
    assert len(other.notes) == 1


def test_gemini_s_first_call_carries_the_stand_in_for_its_signature() -> None:
    calls = messages("hi", assistant(call("a"), call("b")), "so", family="gemini")[1]["tool_calls"]
    assert "skip_thought_signature_validator" in str(calls[0])
    assert "signature" not in str(calls[1])


def test_arguments_are_compact_json_with_the_client_s_order() -> None:
    given = {"z": "ü\u2028", "a": [1, 2.5, None], "n": 10**30}
    found = messages("hi", assistant({"type": "tool_use", "id": "a", "name": "R", "input": given}), "so")
    expected = '{"z":"ü\u2028","a":[1,2.5,null],"n":1000000000000000000000000000000}'
    assert found[1]["tool_calls"][0]["function"]["arguments"] == expected


SERVER = [
    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
    {"type": "web_search_tool_result", "tool_use_id": "s", "content": [
        {"type": "web_search_result", "title": "T", "url": "https://t", "encrypted_content": "XX", "page_age": "1 d"}]},
    {"type": "web_search_tool_result", "tool_use_id": "s",
     "content": {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}},
    {"type": "mcp_tool_use", "id": "m", "name": "echo", "server_name": "e", "input": {}},
    {"type": "mcp_tool_result", "tool_use_id": "m", "content": [text("said")]},
]  # fmt: skip


def test_server_tools_of_the_history_stay_readable() -> None:
    said = messages("hi", assistant(*SERVER), "so")[1]["content"]
    for words in ('[Called the server\'s tool web_search: {"query":"q"}]', "- T (https://t, 1 d)", "max_uses_exceeded",
                  "[Called the server's tool echo: {}]", "said"):  # fmt: skip
        assert words in said
    assert "XX" not in said


SYSTEMS: list[tuple[str, str, Any, list[Any]]] = [
    ("a reminder", "generic", "s", [says("user", "<system-reminder>\ns\n</system-reminder>")]),
    ("already one", "generic", "<system-reminder>s</system-reminder>\n",
     [says("user", "<system-reminder>s</system-reminder>\n")]),
    ("where it is taken", "openai", [text("s")], [says("system", "s")]),
    ("empty", "generic", [], []),
    ("empty text", "openai", "", []),
]  # fmt: skip


@pytest.mark.parametrize(("family", "content", "expected"), [s[1:] for s in SYSTEMS], ids=[s[0] for s in SYSTEMS])
def test_a_system_message_in_the_middle(family: str, content: Any, expected: list[Any]) -> None:
    found = messages("hi", {"role": "system", "content": content}, assistant("so"), "on", family=family)
    assert found == [says("user", "hi"), *expected, says("assistant", "so"), says("user", "on")]


TOP: list[tuple[str, Any, list[Any]]] = [
    ("a text", "Be brief.", [says("system", "Be brief.")]),
    ("blocks join", [text("A"), text("B")], [says("system", "A\n\nB")]),
    ("the billing block goes", [text("x-anthropic-billing-header: a;"), text("B")], [says("system", "B")]),
    ("the billing line goes", "x-anthropic-billing-header: a;\nB", [says("system", "B")]),
    ("nothing", [], []),
    ("null", None, []),
]


@pytest.mark.parametrize(("system", "expected"), [t[1:] for t in TOP], ids=[t[0] for t in TOP])
def test_the_system_prompt_is_one_leading_message(system: Any, expected: list[Any]) -> None:
    assert made(asked(system=system)).body["messages"] == [*expected, says("user", "hi")]


def test_where_turns_must_alternate_neighbours_are_merged() -> None:
    found = messages("a", "b", assistant("c"), assistant("d"), user("e", picture()), "f", alternate=True)
    assert found == [
        says("user", "a\n\nb"),
        says("assistant", "c\n\nd"),
        says("user", [text("e"), shown(), text("f")]),
    ]


def test_a_request_that_says_nothing_is_refused() -> None:
    with pytest.raises(BadRequest, match="at least one message must have content"):
        made(asked(user(""), {"role": "system", "content": []}))


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "ccr-tui.v1"}
REDACTED = {"type": "redacted_thinking", "data": "AAAA"}


@pytest.mark.parametrize(
    ("family", "field"),
    [
        ("deepseek", "reasoning_content"),
        ("qwen", "reasoning_content"),
        ("openrouter", "reasoning"),
        ("vllm", "reasoning"),
    ],
)
def test_reasoning_goes_back_to_those_who_need_it(family: str, field: str) -> None:
    found = messages("hi", assistant(THOUGHT, "so", call("a")), user(result("a", "1")), family=family)
    assert found[1][field] == "hm"


@pytest.mark.parametrize("family", ["generic", "openai", "deepseek-r1", "gemini"])
def test_reasoning_is_dropped_for_those_who_refuse_it(family: str) -> None:
    found = made(asked("hi", assistant(THOUGHT, "so"), "on"), family)
    assert found.body["messages"][1] == says("assistant", "so")
    assert "the reasoning of an earlier turn was left out: this model does not take it back" in found.notes


def test_what_other_servers_answered_with_is_sent_as_a_call_that_can_be_taken() -> None:
    """Their own messages come back through the client: an empty id, a list for an input."""
    said = (assistant(call(""), {**call("b"), "input": [1]}), user(result("", "1"), result("b", "2")))
    sent = made(asked("hi", *said, tools=[tool("Read")])).body["messages"]
    ids = [each["id"] for each in sent[1]["tool_calls"]]
    assert all(ids) and [(m["tool_call_id"], m["content"]) for m in sent[2:]] == [(ids[0], "1"), (ids[1], "2")]
    assert [each["function"]["arguments"] for each in sent[1]["tool_calls"]] == ["{}", '{"__unparsedToolInput":[1]}']


def test_a_call_without_reasoning_carries_the_empty_field_while_thinking() -> None:
    said = ("hi", assistant(call("a")), user(result("a", "1")))
    thinking = made(asked(*said, thinking={"type": "adaptive"}), "deepseek").body["messages"]
    quiet = made(asked(*said), "deepseek").body["messages"]
    assert thinking[1]["reasoning_content"] == ""
    assert "reasoning_content" not in quiet[1]


@pytest.mark.parametrize(("family", "always"), [("deepseek", True), ("moonshot", False)])
def test_so_does_an_answer_behind_a_call_where_every_one_must(family: str, always: bool) -> None:
    said = ("hi", assistant(call("a")), user(result("a", "1")), assistant("so"), "on")
    sent = made(asked(*said, thinking={"type": "adaptive"}), family).body["messages"]
    assert sent[1]["reasoning_content"] == ""
    assert sent[3].get("reasoning_content") == ("" if always else None)


def test_encrypted_reasoning_is_dropped_with_a_note() -> None:
    found = made(asked("hi", assistant(REDACTED, REDACTED, "so"), "on"), "deepseek")
    assert found.body["messages"][1] == says("assistant", "so")
    assert found.notes == ("encrypted reasoning was left out: only Anthropic can read it (2 times)",)


def test_an_assistant_message_of_dropped_reasoning_alone_vanishes() -> None:
    assert messages("hi", assistant(THOUGHT), "on") == [says("user", "hi"), says("user", "on")]


# --- tools -------------------------------------------------------------------------------------------------------


def test_tools_become_functions() -> None:
    found = made(asked(tools=[tool("Read"), {"name": "N", "input_schema": {}}])).body["tools"]
    assert [t["function"]["name"] for t in found] == ["Read", "N"]
    assert found[0]["function"]["description"] == "Reads things."
    assert found[1] == {
        "type": "function",
        "function": {"name": "N", "parameters": {"type": "object", "properties": {}}},
    }


def test_server_tools_and_placeholders_are_left_out_with_a_note_and_a_sentence() -> None:
    found = made(asked(tools=TOOLS, system="S"))
    names = [t["function"]["name"] for t in found.body["tools"]]
    assert [found.names.get(n, n) for n in names] == [t["name"] for t in TOOLS[:5]]
    assert "the tool web_search_20250305 was left out: only Anthropic's servers have it" in found.notes
    assert "the tool DeferredToolPlaceholder is a placeholder and was left out" in found.notes
    assert "can't be called: web_search." in found.body["messages"][0]["content"]
    assert "Placeholder" not in found.body["messages"][0]["content"]


def test_a_deferred_tool_without_input_is_no_placeholder() -> None:
    deferred = {"name": "list_all", "description": "Lists.", "input_schema": {}, "defer_loading": True}
    assert len(made(asked(tools=[deferred])).body["tools"]) == 1


def test_with_nothing_but_server_tools_no_tools_are_sent() -> None:
    body = made(asked(tools=[TOOLS[-1]], tool_choice={"type": "any"})).body
    assert not body.keys() & {"tools", "tool_choice", "parallel_tool_calls"}
    assert "web_search" in body["messages"][0]["content"]


def test_long_and_odd_names_are_shortened_everywhere_and_come_back() -> None:
    long = "mcp__server__" + "n" * 80
    body = asked("hi", assistant(call("a", long)), user(result("a", "1")), tools=[tool(long), tool(long + "2")],
                 tool_choice={"type": "tool", "name": long})  # fmt: skip
    found = made(body)
    short = found.body["tools"][0]["function"]["name"]
    assert len(short) <= 64
    assert found.body["messages"][1]["tool_calls"][0]["function"]["name"] == short
    assert found.body["tool_choice"] == {"type": "function", "function": {"name": short}}
    assert found.names[short] == long
    assert found.names[found.body["tools"][1]["function"]["name"]] == long + "2"


def test_a_shortened_name_never_takes_a_name_that_exists() -> None:
    long = "n" * 80
    short = made(asked(tools=[tool(long)])).body["tools"][0]["function"]["name"]
    names = [t["function"]["name"] for t in made(asked(tools=[tool(long), tool(short)])).body["tools"]]
    assert names[1] == short
    assert len(set(names)) == 2


def test_a_description_is_cut_to_the_family_s_limit() -> None:
    given = {**tool(), "description": "d" * 2000}
    found = made(asked(tools=[given]), tool_description_limit=1754)
    assert found.body["tools"][0]["function"]["description"] == "d" * 1753 + "…"
    assert found.notes == ("the description of the tool Read was cut to 1754 characters",)
    assert made(asked(tools=[given])).body["tools"][0]["function"]["description"] == "d" * 2000


def test_a_schema_is_cleaned_of_refused_keywords_but_not_of_properties_that_are_called_so() -> None:
    schema = {
        "$schema": "x", "additionalProperties": False,
        "properties": {"$schema": {"type": "string", "examples": ["e"]}, "list": {"items": {"exclusiveMinimum": 0}},
                       "one": {"anyOf": [{"additionalProperties": {"type": "string"}}]}},
        "default": {"$schema": "kept"},
    }  # fmt: skip
    found = made(asked(tools=[{"name": "R", "input_schema": schema}]), "gemini").body["tools"][0]["function"]
    assert found["parameters"] == {
        "type": "object",
        "properties": {"$schema": {"type": "string"}, "list": {"items": {}}, "one": {"anyOf": [{}]}},
        "default": {"$schema": "kept"},
    }


MANY = [tool(f"mcp__s__{n}") for n in range(127)] + [tool("Read"), tool("Edit")]
MOST: list[tuple[str, str, dict[str, Any], set[str]]] = [
    ("the client's own stay", "openai", {}, {"mcp__s__126"}),
    ("and what must be called", "openai", {"tool_choice": {"type": "tool", "name": "mcp__s__126"}}, {"mcp__s__125"}),
    ("some take more", "xai", {}, set()),
    ("or any number", "generic", {}, set()),
]


@pytest.mark.parametrize(("family", "more", "missing"), [m[1:] for m in MOST], ids=[m[0] for m in MOST])
def test_no_more_tools_are_sent_than_the_provider_takes(family: str, more: dict[str, Any], missing: set[str]) -> None:
    found = made(asked(tools=MANY, **more), family)
    assert [name for name in (each["name"] for each in MANY) if name not in missing] == [
        each["function"]["name"] for each in found.body["tools"]
    ]
    assert len(found.notes) == len(missing)


CHOICES: list[tuple[str, str, Any, Any, dict[str, Any]]] = [
    ("auto", "generic", {"type": "auto"}, "auto", {}),
    ("any", "generic", {"type": "any"}, "required", {}),
    ("one tool", "generic", {"type": "tool", "name": "Read"}, {"type": "function", "function": {"name": "Read"}}, {}),
    ("one tool by sending only that", "llama_cpp", {"type": "tool", "name": "Read"}, "required", {}),
    ("none", "generic", {"type": "none"}, "none", {}),
    ("none by sending none", "llama_cpp", {"type": "none"}, None, {}),
    ("any where only auto is taken", "zhipu", {"type": "any"}, None, {}),
    ("an unknown tool", "generic", {"type": "tool", "name": "Nobody"}, None, {}),
    ("no parallel calls", "generic", {"type": "auto", "disable_parallel_tool_use": True}, "auto",
     {"parallel_tool_calls": False}),
    ("parallel calls where they must be asked for", "qwen", {"type": "auto"}, "auto", {"parallel_tool_calls": True}),
    ("no parallel calls there", "qwen", {"type": "auto", "disable_parallel_tool_use": True}, "auto",
     {"parallel_tool_calls": False}),
    ("no parallel calls where that can't be said", "deepseek", {"type": "auto", "disable_parallel_tool_use": True},
     "auto", {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("family", "choice", "expected", "parallel"), [c[1:] for c in CHOICES], ids=[c[0] for c in CHOICES]
)
def test_which_tool_must_be_called(family: str, choice: Any, expected: Any, parallel: dict[str, Any]) -> None:
    body = made(asked(tools=[tool("Read"), tool("Bash")], tool_choice=choice), family).body
    assert body.get("tool_choice") == expected
    assert {k: v for k, v in body.items() if k == "parallel_tool_calls"} == parallel
    names = [t["function"]["name"] for t in body.get("tools", ())]
    limited = {("llama_cpp", "tool"): ["Read"], ("llama_cpp", "none"): []}
    assert names == limited.get((family, choice["type"]), ["Read", "Bash"])


def test_what_can_t_be_forced_is_asked_for() -> None:
    found = made(asked(tools=[tool()], tool_choice={"type": "tool", "name": "Read"}), "zhipu")
    assert "calling the tool Read" in found.body["messages"][0]["content"]
    assert "a tool call can't be forced here, so the model was asked for it in the system message" in found.notes


def test_one_call_at_a_time_is_asked_for_where_it_can_t_be_set() -> None:
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    found = made(asked(tools=[tool()], tool_choice=choice), "deepseek")
    assert "one tool at a time" in found.body["messages"][0]["content"]
    assert any("one at a time" in note for note in found.notes)
    for family, tools in (("generic", [tool()]), ("deepseek", [])):
        assert made(asked(tools=tools, tool_choice=choice), family).body["messages"] == [says("user", "hi")]


# --- settings ----------------------------------------------------------------------------------------------------


def test_settings_pass_under_their_names() -> None:
    body = made(asked(temperature=0.5, top_p=0.9, stop_sequences=["a", "b"], stream=True)).body
    assert body == {
        "model": "the-model",
        "messages": [says("user", "hi")],
        "max_tokens": 1000,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["a", "b"],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize("stream", [None, False])
def test_a_request_that_is_not_streamed_is_not_streamed(stream: bool | None) -> None:
    assert not made(asked(**({} if stream is None else {"stream": stream}))).body.keys() & {"stream", "stream_options"}


def test_usage_is_not_asked_of_those_who_refuse_the_question() -> None:
    assert "stream_options" not in made(asked(stream=True), "mistral").body


def test_max_tokens_is_lowered_to_the_model_s_limit_with_a_note() -> None:
    found = translate(asked(max_tokens=128000), "m", Facts(max_output=32000), 8192)
    assert found.body["max_tokens"] == 8192
    assert found.notes == ("max_tokens was lowered from 128000 to 8192, this model's limit",)
    assert translate(asked(max_tokens=128000), "m", Facts(max_output=32000)).body["max_tokens"] == 32000
    assert translate(asked(max_tokens=100), "m", Facts(), 8192).body["max_tokens"] == 100


@pytest.mark.parametrize(
    ("family", "sent"),
    [
        ("minimax", {"temperature": 0.01, "top_p": 0.01}),
        ("qwen", {"temperature": 0, "top_p": 0.01}),
        ("mistral", {"temperature": 0, "top_p": 0.01}),
        ("deepseek", {"temperature": 0, "top_p": 0}),
    ],
)
def test_where_nought_is_refused_the_least_that_is_taken_is_sent(family: str, sent: dict[str, float]) -> None:
    """MiniMax: "rejects temperature=0.0 (valid range is (0.0, 1.0])" (Vibe-Trading #33); a router asks with 0."""
    found = made(asked(temperature=0, top_p=0), family)
    assert {key: found.body[key] for key in sent} == sent
    assert len([note for note in found.notes if "was raised from 0 to 0.01" in note]) == list(sent.values()).count(0.01)


def test_an_answer_in_one_piece_is_as_long_as_the_provider_allows_it() -> None:
    """ "Requests with max_tokens > 4096 must have stream=true" (Fireworks; goclaw #660)."""
    found = made(asked(max_tokens=32000), "fireworks")
    assert found.body["max_tokens"] == 4096
    assert found.notes == ("max_tokens was lowered from 32000 to 4096, the most for an answer that is not streamed",)
    assert made(asked(max_tokens=32000, stream=True), "fireworks").body["max_tokens"] == 32000


def test_reasoning_models_of_openai_get_neither_sampling_nor_stops() -> None:
    found = made(asked(temperature=1, top_p=1, top_k=1, stop_sequences=["a"], max_tokens=10), "gpt-5")
    assert found.body.keys() == {"model", "messages", "max_completion_tokens"}
    assert len(found.notes) == 4
    assert found.stops == ()


def test_stops_that_are_blank_or_too_many_are_left_out_with_notes() -> None:
    found = made(asked(stop_sequences=[" ", "a", "b", "c", "d", "e"]))
    assert found.body["stop"] == ["a", "b", "c", "d"] == list(found.stops)
    assert found.notes == (
        "a stop sequence of white space alone was left out",
        "1 of 5 stop sequences were not sent, but are watched for in the answer: the provider takes 4",
    )


THINKING: list[tuple[str, str, dict[str, Any], dict[str, Any], bool]] = [
    ("adaptive with an effort", "deepseek", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
     {"thinking": {"type": "enabled"}, "reasoning_effort": "max"}, True),
    ("adaptive without one is high", "deepseek", {"thinking": {"type": "adaptive"}},
     {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}, True),
    ("a small budget is low", "deepseek", {"thinking": {"type": "enabled", "budget_tokens": 2000}},
     {"thinking": {"type": "enabled"}, "reasoning_effort": "low"}, True),
    ("a large budget is high", "deepseek", {"thinking": {"type": "enabled", "budget_tokens": 31999}},
     {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}, True),
    ("an effort comes before a budget", "deepseek",
     {"thinking": {"type": "enabled", "budget_tokens": 31999}, "output_config": {"effort": "low"}},
     {"thinking": {"type": "enabled"}, "reasoning_effort": "low"}, True),
    ("disabled wins over an effort", "deepseek",
     {"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}},
     {"thinking": {"type": "disabled"}}, False),
    ("absent is off", "deepseek", {}, {"thinking": {"type": "disabled"}}, False),
    ("R1 has no knob", "deepseek-r1", {"thinking": {"type": "adaptive"}}, {}, True),
    ("Qwen's switch and its effort", "qwen", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
     {"enable_thinking": True, "reasoning_effort": "low"}, True),
    ("Qwen's switch, off", "qwen", {"thinking": {"type": "disabled"}}, {"enable_thinking": False}, False),
    ("GLM keeps its thoughts", "zhipu", {"thinking": {"type": "adaptive"}},
     {"thinking": {"type": "enabled", "clear_thinking": False}, "tool_stream": True}, True),
    ("Kimi keeps its thoughts", "moonshot", {"thinking": {"type": "adaptive"}},
     {"thinking": {"type": "enabled", "keep": "all"}}, True),
    ("OpenAI's effort", "gpt-5", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
     {"reasoning_effort": "high"}, True),
    ("OpenAI's least effort", "gpt-5", {"thinking": {"type": "disabled"}}, {"reasoning_effort": "minimal"}, True),
    ("OpenAI's default", "gpt-5", {}, {}, False),
    ("an effort alone", "gpt-5", {"output_config": {"effort": "low"}}, {"reasoning_effort": "low"}, True),
    ("a model that does not think", "openai", {"output_config": {"effort": "low"}}, {}, False),
    ("OpenRouter's object", "openrouter", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
     {"reasoning": {"effort": "xhigh"}}, True),
    ("OpenRouter's object, off", "openrouter", {"thinking": {"type": "disabled"}},
     {"reasoning": {"enabled": False}}, False),
    ("a template's switch", "vllm", {"thinking": {"type": "adaptive"}},
     {"chat_template_kwargs": {"enable_thinking": True, "thinking": True}}, True),
    ("Ollama's off", "ollama", {"thinking": {"type": "disabled"}}, {"reasoning_effort": "none"}, False),
    ("MiniMax always thinks", "minimax", {"thinking": {"type": "disabled"}}, {"reasoning_split": True}, True),
    ("Gemini's effort", "gemini", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}},
     {"reasoning_effort": "medium"}, True),
    ("nobody knows the knob", "generic", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
     {}, False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("family", "more", "expected", "thinking"), [t[1:] for t in THINKING], ids=[t[0] for t in THINKING]
)
def test_one_knob_for_thinking(family: str, more: dict[str, Any], expected: dict[str, Any], thinking: bool) -> None:
    found = made(asked(**more, stream=True), family)
    plain = {"model", "messages", "max_tokens", "max_completion_tokens", "stream", "stream_options"}
    assert {k: v for k, v in found.body.items() if k not in plain} == expected
    assert found.thinking == thinking


def test_effort_beside_tools_is_not_sent_to_those_who_refuse_it() -> None:
    body = asked(tools=[tool()], thinking={"type": "adaptive"})
    assert made(body, "gpt-5.6").body["reasoning_effort"] == "none"
    assert made(asked(tools=[tool()]), "gpt-5.6").body["reasoning_effort"] == "none"
    assert "reasoning_effort" not in made(body, "gpt-5", effort_with_tools="omit").body
    assert made(asked(thinking={"type": "adaptive"}), "gpt-5.6").body["reasoning_effort"] == "high"


@pytest.mark.parametrize(("family", "off"), [("deepseek", {"type": "disabled"}), ("moonshot", {"type": "disabled"})])
def test_forcing_a_tool_turns_thinking_off_where_both_can_t_be(family: str, off: Any) -> None:
    found = made(asked(tools=[tool()], tool_choice={"type": "any"}, thinking={"type": "adaptive"}), family)
    assert (found.body["tool_choice"], found.body["thinking"], found.thinking) == ("required", off, False)
    assert "thinking was turned off: this model can't think while a tool call is forced" in found.notes


def test_a_model_that_always_thinks_is_asked_instead_of_forced() -> None:
    found = made(asked(tools=[tool()], tool_choice={"type": "any"}), "qwen", always_thinks=True)
    assert "tool_choice" not in found.body
    assert "calling one of the tools" in found.body["messages"][0]["content"]


def test_open_qwen_does_not_think_in_an_answer_that_is_not_streamed() -> None:
    body = asked(thinking={"type": "adaptive"})
    assert made(body, "qwen", thinking_streamed_only=True).body["enable_thinking"] is False
    assert made({**body, "stream": True}, "qwen", thinking_streamed_only=True).body["enable_thinking"] is True


CLOSED = {
    "type": "object",
    "properties": {"title": {"type": "string"}},
    "required": ["title"],
    "additionalProperties": False,
}
OPEN = {"type": "object", "properties": {"title": {"type": "string"}}}


def wanting(schema: Any, **more: Any) -> dict[str, Any]:
    return asked(output_config={"format": {"type": "json_schema", "schema": schema}}, **more)


@pytest.mark.parametrize(("schema", "strict"), [(CLOSED, {"strict": True}), (OPEN, {})], ids=["closed", "open"])
def test_a_schema_for_the_answer(schema: Any, strict: dict[str, Any]) -> None:
    expected = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, **strict}}
    assert made(wanting(schema)).body["response_format"] == expected
    assert made(asked(output_format={"type": "json_schema", "schema": schema})).body["response_format"] == expected


def test_a_schema_goes_into_the_prompt_where_only_json_is_taken() -> None:
    found = made(wanting(CLOSED), "deepseek")
    assert found.body["response_format"] == {"type": "json_object"}
    assert '"additionalProperties":false' in found.body["messages"][0]["content"]
    assert len(found.notes) == 1


def test_json_is_only_asked_for_where_thinking_excludes_it() -> None:
    thinking = wanting(CLOSED, stream=True, thinking={"type": "adaptive"})
    assert "response_format" not in made(thinking, "qwen").body
    assert made(wanting(CLOSED), "qwen").body["response_format"] == {"type": "json_object"}


def test_the_session_becomes_a_cache_key_that_tells_nothing() -> None:
    body = asked(metadata={"user_id": '{"device_id":"d","session_id":"5d1f0a52"}'})
    key = made(body, "openai").body["prompt_cache_key"]
    assert "5d1f" not in key
    assert key == made(body, "openai").body["prompt_cache_key"]
    assert "prompt_cache_key" not in made(body).body


LEFT: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("safeguards are never quoted", {"safeguards": [{"type": "x", "classifier_context": "/secret"}]},
     ("the client asked for Anthropic's own safety checks; there are none behind this proxy",)),
    ("a container", {"container": "c"}, ("container was left out: chat completions have no such thing",)),
    ("MCP servers", {"mcp_servers": [{"url": "u"}]},
     ("mcp_servers was left out: chat completions have no such thing",)),
    ("no MCP servers", {"mcp_servers": []}, ()),
    ("cleared thinking", {"context_management": {"edits": [{"type": "clear_thinking_20251015"}]}}, ()),
    ("cleared tool uses", {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
     ("context_management was left out: chat completions have no such thing",)),
    ("silent ones", {"service_tier": "auto", "betas": ["b"], "cache_control": {"type": "ephemeral"}}, ()),
    ("an unknown one", {"novelty" + "x" * 90: 1},
     ("novelty" + "x" * 72 + "… was left out: chat completions have no such thing",)),
]  # fmt: skip


@pytest.mark.parametrize(("more", "notes"), [x[1:] for x in LEFT], ids=[x[0] for x in LEFT])
def test_what_only_anthropic_has_is_left_out_and_said(more: dict[str, Any], notes: tuple[str, ...]) -> None:
    found = made(asked(**more))
    assert found.notes == notes
    assert found.body.keys() == {"model", "messages", "max_tokens"}


# --- to an upstream that speaks the Messages API -----------------------------------------------------------------


def test_passing_a_body_on_changes_the_model_s_name_alone() -> None:
    body = asked("hi", assistant({**THOUGHT, "signature": "EqQBCg"}, REDACTED, "so"), system="S", safeguards=[1])
    assert pass_through(body, "claude-x") == ({**body, "model": "claude-x"}, ())
    assert body["model"] == "claude-opus-5-5"


UNSIGNED = {"type": "thinking", "thinking": "hm", "signature": ""}
RETURNED: list[tuple[str, Any, list[Any]]] = [
    ("its own", UNSIGNED, [UNSIGNED]),
    ("signed by it", {**UNSIGNED, "signature": "s"}, [{**UNSIGNED, "signature": "s"}]),
    ("another model's", {**UNSIGNED, "signature": "ccr-tui.v1"}, [UNSIGNED]),
    ("what only carries", {**UNSIGNED, "thinking": "", "signature": "ccr-tui.v1.sealed.x"}, []),
    ("an agent at work", {**UNSIGNED, "signature": "ccr-tui.v1.aside.think"}, []),
]


@pytest.mark.parametrize(("block", "kept"), [r[1:] for r in RETURNED], ids=[r[0] for r in RETURNED])
@pytest.mark.parametrize("model_id", ["kimi-for-coding", "xiaomi/mimo-v2"])
def test_a_model_that_signs_nothing_gets_the_reasoning_behind_its_calls(model_id: str, block: Any, kept: Any) -> None:
    body, _ = pass_through(asked("hi", assistant(block, call("t")), user(result("t", "r"))), model_id)
    assert body["messages"][1]["content"] == [*kept, call("t")]


@pytest.mark.parametrize("signature", ["ccr-tui.v1", "ccr-tui.v9", "", None])
def test_another_model_s_reasoning_never_reaches_anthropic(signature: str | None) -> None:
    foreign = {"type": "thinking", "thinking": "hm", **({} if signature is None else {"signature": signature})}
    body, notes = pass_through(asked("hi", assistant(foreign, "so"), "on", assistant(foreign), "and"), "m")
    assert body["messages"] == [says("user", "hi"), assistant("so"), says("user", "on"), says("user", "and")]
    assert notes == ("reasoning of another model was left out: the upstream accepts only its own (2 times)",)
