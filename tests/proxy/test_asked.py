"""Who asks for what, and what is refused: read from the shapes that real clients send (1.0.128 to 2.1.330)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asking import TOOLS, asked, assistant, picture, result, text, tool, user
from generated import session
from multidict import CIMultiDict

from ccr_tui.errors import BadRequest
from ccr_tui.proxy.asked import KEPT_HEADERS, about, kept_headers, parse, session_of

CLI = {"User-Agent": "claude-cli/2.1.330 (external, cli)", "x-app": "cli"}
SESSION = "5d1f0a52-1111-4000-8000-000000000001"
TITLE = {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {"title": {"type": "string"}}}}}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
COMPACT = "CRITICAL: Respond with TEXT ONLY. Do NOT call any tools.\n..."
SUBAGENT = text("x-anthropic-billing-header: cc_version=2.1.330.1; cc_is_subagent=true;")

SESSIONS = [
    ("json", json.dumps({"device_id": "d" * 64, "account_uuid": "", "session_id": SESSION}), SESSION),
    ("underscore", f"user_{'d' * 64}_account__session_{SESSION}", SESSION),
    ("neither", "somebody", None),
    ("broken json", '{"session_id":', None),
    ("json without", '{"device_id": "d"}', None),
    ("json list", "[1]", None),
    ("json deep", "{" * 4000, None),
    ("number", 7, None),
]


@pytest.mark.parametrize(("user_id", "expected"), [s[1:] for s in SESSIONS], ids=[s[0] for s in SESSIONS])
def test_the_session_is_read_from_the_metadata(user_id: Any, expected: str | None) -> None:
    assert session_of(asked(metadata={"user_id": user_id})) == expected


def test_the_session_header_comes_first() -> None:
    body = asked(metadata={"user_id": '{"session_id": "other"}'})
    assert about(body, CIMultiDict({"X-Claude-Code-Session-Id": SESSION})).session == SESSION


KINDS: list[tuple[str, dict[str, Any], dict[str, str], str]] = [
    ("main", asked(tools=[tool(n) for n in "ABCD"]), CLI, "main"),
    ("subagent by header", asked(tools=[tool()]), {**CLI, "x-claude-code-agent-id": "a57"}, "subagent"),
    ("subagent by billing block", asked(tools=[tool()], system=[SUBAGENT, text("x")]), CLI, "subagent"),
    ("title", asked(tools=[], output_config=TITLE), CLI, "title"),
    ("title by output_format", asked(output_format=TITLE["format"]), CLI, "title"),
    ("a schema of another kind", asked(output_config={"format": {"type": "json_schema", "schema": {}}}), {}, "other"),
    ("a title with tools is no title", asked(tools=[tool()], output_config=TITLE), CLI, "main"),
    ("web search", asked(tools=[SEARCH], tool_choice={"type": "auto"}), CLI, "web_search"),
    ("web search of a subagent", asked(tools=[SEARCH]), {**CLI, "x-claude-code-agent-id": "a"}, "web_search"),
    ("web search beside others", asked(tools=[SEARCH, tool()]), CLI, "main"),
    ("compaction by text", asked("a", assistant("b"), COMPACT, tools=[tool()]), CLI, "compaction"),
    ("compaction by block", asked("a", assistant("b"), user("reminder", COMPACT)), CLI, "compaction"),
    ("compaction of a subagent", asked(COMPACT), {**CLI, "x-claude-code-agent-id": "a"}, "compaction"),
    ("compaction by header", asked(tools=[tool()]), {"x-claude-code-compaction": "manual"}, "compaction"),
    ("compaction by hint", asked(tools=[tool()]), {"x-claude-code-request-class": "compaction"}, "compaction"),
    ("main by hint", asked(tools=[]), {"x-claude-code-request-class": "main"}, "main"),
    ("subagent by hint", asked(tools=[tool()]), {"x-claude-code-request-class": "subagent"}, "subagent"),
    ("auxiliary by hint", asked(tools=[]), {"x-claude-code-request-class": "auxiliary"}, "background"),
    ("an auxiliary title", asked(output_config=TITLE), {"x-claude-code-request-class": "auxiliary"}, "title"),
    ("a little question of 1.0.128", asked("Is this a new topic?"), CLI, "background"),
    ("a conversation without tools", asked("a", assistant("b"), "c", tools=[]), CLI, "main"),
    ("a thinking request without tools", asked(thinking={"type": "adaptive"}), CLI, "main"),
    ("the background client", asked("a", assistant("b"), "c"), {**CLI, "x-app": "cli-bg"}, "background"),
    ("an SDK", asked(), {"user-agent": "Anthropic/Python 2.12"}, "other"),
    ("an SDK with tools", asked(tools=[tool()]), {"user-agent": "Anthropic/Python 2.12"}, "main"),
]


@pytest.mark.parametrize(("body", "headers", "kind"), [k[1:] for k in KINDS], ids=[k[0] for k in KINDS])
def test_the_kind_is_told_by_hint_or_shape(body: dict[str, Any], headers: dict[str, str], kind: str) -> None:
    assert about(body, headers).kind == kind


PROJECTS = [
    ("old prompt", {"system": "<env>\nWorking directory: /home/ada/engine\nIs git: yes</env>"}, "/home/ada/engine"),
    ("new prompt", {"system": [text("You"), text("# Env\n - Primary working directory: /w/x y\n")]}, "/w/x y"),
    ("system message", {"messages": [user("hi"), {"role": "system", "content": "Working directory: C:\\w"}]}, "C:\\w"),
    ("first message", {"messages": [user("<system-reminder>working directory: `/a`</system-reminder>")]}, "/a`</"),
    ("an answer's words do not count", {"messages": [user("hi"), assistant("Working directory: /b"), user("?")]}, None),
    ("none", {}, None),
]


@pytest.mark.parametrize(("more", "expected"), [p[1:] for p in PROJECTS], ids=[p[0] for p in PROJECTS])
def test_the_project_is_the_working_directory_that_the_prompt_names(more: dict[str, Any], expected: str | None) -> None:
    found = about({**asked(), **more}, {}).project
    assert found == expected or (expected and found and found.startswith(expected))


def test_pictures_count_in_the_newest_turn_only() -> None:
    old = [user("look", picture()), assistant("nice")]
    assert not about(asked(*old, "go on"), {}).images
    assert about(asked(*old, user(result("a", [text("x"), picture()]))), {}).images


def test_server_tools_are_named_and_do_not_count_as_tools() -> None:
    found = about(asked(tools=TOOLS), {})
    assert (found.server_tools, found.has_tools) == (("web_search_20250305",), True)
    assert not about(asked(tools=[SEARCH]), {}).has_tools


def test_a_real_first_request_is_understood() -> None:
    found = about(next(session(1)), CIMultiDict({**CLI, "x-claude-code-prompt-id": "p1"}))
    assert (found.kind, found.thinking, found.effort, found.stream) == ("main", True, "medium", True)
    assert (found.project, found.max_tokens, found.prompt_id) == ("/home/ada/engine", 128000, "p1")
    assert found.session is not None
    assert found.agent_id is None


def test_credentials_are_never_among_the_kept_headers() -> None:
    kept = kept_headers(
        {"Authorization": "Bearer x", "X-Api-Key": "k", "Cookie": "c", "X-Custom": "abc", "User-Agent": "claude-cli"}
    )
    assert kept == {"user-agent": "claude-cli"}
    assert not [name for name in KEPT_HEADERS if "auth" in name or "key" in name or "cookie" in name]
    assert all(name == name.lower() for name in KEPT_HEADERS)


def without(key: str) -> dict[str, Any]:
    return {k: v for k, v in asked().items() if k != key}


def saying(block: Any, role: str = "user") -> dict[str, Any]:
    return asked({"role": role, "content": [block]})


REFUSED: list[tuple[str, Any, str]] = [
    ("no object", [], "Input should be a valid dictionary"),
    ("no model", without("model"), "model: Field required"),
    ("model null", asked(model=None), "model: Input should be a valid string"),
    ("no max_tokens", without("max_tokens"), "max_tokens: Field required"),
    ("max_tokens text", asked(max_tokens="9"), "max_tokens: Input should be a valid integer"),
    ("max_tokens true", asked(max_tokens=True), "max_tokens: Input should be a valid integer"),
    ("max_tokens below zero", asked(max_tokens=-1), "max_tokens: Input should be greater than or equal to 0"),
    ("no messages", without("messages"), "messages: Field required"),
    ("messages text", asked(messages="hi"), "messages: Input should be a valid list"),
    ("no message", asked(messages=[]), "messages: at least one message is required"),
    ("message text", asked(messages=["hi"]), "messages.0: Input should be a valid dictionary"),
    ("no role", asked({"content": "x"}), "messages.0.role: Field required"),
    ("odd role", asked({"role": "tool", "content": "x"}),
     "messages.0.role: Input should be 'user', 'assistant' or 'system'"),
    ("no content", asked("hi", {"role": "user"}), "messages.1.content: Field required"),
    ("content number", asked({"role": "user", "content": 1}),
     "messages.0.content: Input should be a valid string or a valid list"),
    ("block text", saying("hi"), "messages.0.content.0: Input should be a valid dictionary"),
    ("no type", saying({"text": "x"}), "messages.0.content.0.type: Field required"),
    ("no text", saying({"type": "text"}), "messages.0.content.0.text.text: Field required"),
    ("no id", saying({"type": "tool_use", "name": "R", "input": {}}),
     "messages.0.content.0.tool_use.id: Field required"),
    ("input text", saying({"type": "tool_use", "id": "a", "name": "R", "input": "{}"}),
     "messages.0.content.0.tool_use.input: Input should be a valid dictionary"),
    ("empty name", saying({"type": "tool_use", "id": "a", "name": "", "input": {}}),
     "messages.0.content.0.tool_use.name: String should have at least 1 character"),
    ("result of nothing", saying({"type": "tool_result"}),
     "messages.0.content.0.tool_result.tool_use_id: Field required"),
    ("inside a result", saying(result("a", [{"type": "text"}])),
     "messages.0.content.0.tool_result.content.0.text.text: Field required"),
    ("no source", saying({"type": "image"}), "messages.0.content.0.image.source: Field required"),
    ("no data", saying({"type": "image", "source": {"type": "base64"}}),
     "messages.0.content.0.image.source.base64.data: Field required"),
    ("no document", saying({"type": "document", "source": {"type": "content"}}),
     "messages.0.content.0.document.source.content.content: Field required"),
    ("system number", asked(system=1), "system: Input should be a valid list"),
    ("system picture", asked(system=[picture()]), "system.0.type: Input should be 'text'"),
    ("tools object", asked(tools={}), "tools: Input should be a valid list"),
    ("no schema", asked(tools=[{"name": "R"}]), "tools.0.custom.input_schema: Field required"),
    ("no tool name", asked(tools=[{"input_schema": {}}]), "tools.0.custom.name: Field required"),
    ("tool type empty", asked(tools=[{"type": "", "name": "R"}]), "tools.0.type: Input should be a valid string"),
    ("tools twice", asked(tools=[tool("R"), tool("R")]), "tools: Tool names must be unique."),
    ("odd choice", asked(tool_choice={"type": "some"}),
     "tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'"),
    ("choice of nothing", asked(tool_choice={"type": "tool"}), "tool_choice.tool.name: Field required"),
    ("choice text", asked(tool_choice="auto"), "tool_choice: Input should be a valid dictionary"),
    ("temperature text", asked(temperature="hot"), "temperature: Input should be a valid number"),
    ("stream text", asked(stream="yes"), "stream: Input should be a valid boolean"),
    ("stop number", asked(stop_sequences=["a", 1]), "stop_sequences.1: Input should be a valid string"),
    ("thinking text", asked(thinking="yes"), "thinking: Input should be a valid dictionary"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_bad_body_is_refused_with_the_place(body: Any, message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(body)
    assert str(refused.value) == message
    assert refused.value.should_retry is False


def test_content_that_is_nested_without_end_is_refused() -> None:
    block: Any = text("x")
    for _ in range(500):
        block = result("a", [block])
    with pytest.raises(BadRequest, match="nested too deeply"):
        parse(saying(block))


ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("an empty system message", asked("hi", {"role": "system", "content": []})),
    ("its own effort", asked("hi", {"role": "system", "content": "x", "output_config": {"effort": "low"}})),
    ("an unknown block", saying({"type": "novelty", "x": [1]})),
    ("an unknown key", asked(novelty={"a": 1})),
    ("an unknown kind of tool", asked(tools=[{"type": "novelty_20300101", "name": "n"}])),
    ("a tool set without a name", asked(tools=[{"type": "mcp_toolset", "mcp_server_name": "m"}])),
    ("an unknown way of thinking", asked(thinking={"type": "novel"})),
    ("nulls", asked(system=None, tools=None, temperature=None, stream=None, thinking=None, tool_choice=None)),
    ("an empty id", saying({"type": "tool_use", "id": "", "name": "R", "input": {}})),
    ("a list for an input", saying({"type": "tool_use", "id": "a", "name": "R", "input": [1]})),
    ("an empty result", saying({"type": "tool_result", "tool_use_id": "a", "content": None})),
    ("an unknown source", saying({"type": "image", "source": {"type": "novel"}})),
]


@pytest.mark.parametrize("body", [a[1] for a in ACCEPTED], ids=[a[0] for a in ACCEPTED])
def test_what_newer_clients_may_send_is_accepted(body: dict[str, Any]) -> None:
    parse(body)


def test_counting_asks_for_no_max_tokens() -> None:
    parse(without("max_tokens"), counting=True)
