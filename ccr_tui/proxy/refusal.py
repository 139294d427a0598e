"""When a body is no Messages API request: where, and what was expected, in Anthropic's own wording.

Owns `parse`. Must never refuse an unknown key, block type or way of thinking that a newer client may send: only what
the translation stands on is asked for. The one surprise: `role: "system"` is a good message and its content may be an
empty list (Claude Code sends both).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from ccr_tui.errors import BadRequest
from ccr_tui.records import Json

ROLES = ("user", "assistant", "system")
_DEPTH = 20
"""Content within content; the deepest that means anything is a text in a document in a tool result: 3."""


def parse(body: Json, *, counting: bool = False) -> None:
    """Raises BadRequest with the path of the first field that is wrong. `counting` asks for no max_tokens."""
    if not isinstance(body, dict):
        _refuse("", "Input should be a valid dictionary")
    _need(body, "model", "", str, nonempty=True)
    if not counting:
        _need(body, "max_tokens", "", int)
        if body["max_tokens"] < 1:
            _refuse("max_tokens", "Input should be greater than or equal to 1")
    _messages(body)
    _system(body.get("system"))
    _tools(body.get("tools"))
    _settings(body)


def _messages(body: Json) -> None:
    _need(body, "messages", "", list)
    if not body["messages"]:
        _refuse("messages", "at least one message is required")
    for n, message in enumerate(body["messages"]):
        path = f"messages.{n}"
        _is(message, path, dict)
        _need(message, "role", path, str)
        if message["role"] not in ROLES:
            _refuse(f"{path}.role", "Input should be 'user', 'assistant' or 'system'")
        if "content" not in message:
            _refuse(f"{path}.content", "Field required")
        _content(message["content"], f"{path}.content", 0)


def _content(content: Json, path: str, depth: int) -> None:
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        _refuse(path, "Input should be a valid string or a valid list")
    if depth > _DEPTH:
        _refuse(path, "the content is nested too deeply")
    for n, block in enumerate(content):
        _block(block, f"{path}.{n}", depth)


def _block(block: Json, path: str, depth: int) -> None:
    _is(block, path, dict)
    _need(block, "type", path, str)
    check = _BLOCKS.get(block["type"])
    if check is not None:
        check(block, f"{path}.{block['type']}", depth)


def _text_block(block: Json, path: str, _: int) -> None:
    _need(block, "text", path, str)


def _thinking_block(block: Json, path: str, _: int) -> None:
    _need(block, "thinking", path, str)


def _tool_use(block: Json, path: str, _: int) -> None:
    _need(block, "id", path, str, nonempty=True)
    _need(block, "name", path, str, nonempty=True)
    _need(block, "input", path, dict)


def _tool_result(block: Json, path: str, depth: int) -> None:
    _need(block, "tool_use_id", path, str, nonempty=True)
    if block.get("content") is not None:
        _content(block["content"], f"{path}.content", depth + 1)


def _sourced(block: Json, path: str, depth: int) -> None:
    _need(block, "source", path, dict)
    source = block["source"]
    _need(source, "type", f"{path}.source", str)
    wanted = {"base64": "data", "url": "url", "text": "data", "file": "file_id"}.get(source["type"])
    if wanted:
        _need(source, wanted, f"{path}.source.{source['type']}", str)
    elif source["type"] == "content":
        if "content" not in source:
            _refuse(f"{path}.source.content.content", "Field required")
        _content(source["content"], f"{path}.source.content.content", depth + 1)


_BLOCKS: dict[str, Callable[[Json, str, int], None]] = {
    "text": _text_block,
    "thinking": _thinking_block,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "image": _sourced,
    "document": _sourced,
}


def _system(system: Json) -> None:
    if system is None or isinstance(system, str):
        return
    _is(system, "system", list)
    for n, block in enumerate(system):
        path = f"system.{n}"
        _is(block, path, dict)
        if block.get("type") != "text":
            _refuse(f"{path}.type", "Input should be 'text'")
        _need(block, "text", path, str)


def _tools(tools: Json) -> None:
    if tools is None:
        return
    _is(tools, "tools", list)
    names: set[str] = set()
    for n, tool in enumerate(tools):
        path = f"tools.{n}"
        _is(tool, path, dict)
        if tool.get("type") in (None, "custom", "function"):
            _need(tool, "name", f"{path}.custom", str, nonempty=True)
            _need(tool, "input_schema", f"{path}.custom", dict)
        elif not isinstance(tool["type"], str):
            _refuse(f"{path}.type", "Input should be a valid string")
        name = tool.get("name")
        if isinstance(name, str) and name in names:
            _refuse("tools", "Tool names must be unique.")
        names.add(name if isinstance(name, str) else "")


def _settings(body: Json) -> None:
    for key in ("temperature", "top_p"):
        if body.get(key) is not None:
            _is(body[key], key, float)
    if body.get("top_k") is not None:
        _is(body["top_k"], "top_k", int)
    if body.get("stream") is not None:
        _is(body["stream"], "stream", bool)
    for n, stop in enumerate(_list(body.get("stop_sequences"), "stop_sequences")):
        _is(stop, f"stop_sequences.{n}", str)
    for key in ("metadata", "output_config"):
        if body.get(key) is not None:
            _is(body[key], key, dict)
    for key in ("tool_choice", "thinking"):
        if body.get(key) is not None:
            _is(body[key], key, dict)
            _need(body[key], "type", key, str)
    _choice(body.get("tool_choice"))


def _choice(choice: Json) -> None:
    if choice is None:
        return
    if choice["type"] not in ("auto", "any", "tool", "none"):
        _refuse("tool_choice.type", "Input should be 'auto', 'any', 'tool' or 'none'")
    if choice["type"] == "tool":
        _need(choice, "name", "tool_choice.tool", str, nonempty=True)


def _list(value: Json, path: str) -> list[Json]:
    if value is None:
        return []
    _is(value, path, list)
    found: list[Json] = value
    return found


_WORDS = {
    str: "a valid string", int: "a valid integer", float: "a valid number", bool: "a valid boolean",
    dict: "a valid dictionary", list: "a valid list",
}  # fmt: skip


def _need(holder: Json, key: str, path: str, kind: type, *, nonempty: bool = False) -> None:
    where = f"{path}.{key}" if path else key
    if key not in holder:
        _refuse(where, "Field required")
    _is(holder[key], where, kind)
    if nonempty and not holder[key]:
        _refuse(where, "String should have at least 1 character")


def _is(value: Json, path: str, kind: type) -> None:
    good = isinstance(value, (int, float)) if kind is float else isinstance(value, kind)
    if not good or (isinstance(value, bool) and kind is not bool):
        _refuse(path, f"Input should be {_WORDS[kind]}")


def _refuse(path: str, problem: str) -> NoReturn:
    raise BadRequest(f"{path}: {problem}" if path else problem, should_retry=False)
