"""When a body is no Messages API request: where, and what was expected, in Anthropic's own wording.

Owns `parse`. Must never refuse a key, block type or way of thinking that a newer client may send: only what the
translation stands on is asked for. The one surprise: a path is put together only on the way out of a failure, because
most bodies have none and hold thousands of places; and a part that was once found good is not looked at again.
"""

from __future__ import annotations

from collections.abc import Callable

from ccr_tui.errors import BadRequest
from ccr_tui.records import Json
from ccr_tui.seen import History, Part, Parts, once

ROLES = frozenset({"user", "assistant", "system"})
"""`role: "system"` is a good message and its content may be an empty list: Claude Code sends both."""
LEAST_BUDGET = 1024
_DEPTH = 20
"""Content within content; the deepest that means anything is a text in a document in a tool result: 3."""
_WORDS = {
    str: "a valid string", int: "a valid integer", float: "a valid number", bool: "a valid boolean",
    dict: "a valid dictionary", list: "a valid list",
}  # fmt: skip


class _Wrong(Exception):
    def __init__(self, problem: str, *path: object) -> None:
        self.problem = problem
        self.path: tuple[object, ...] = path


class _At:
    """Where the checks inside look. (A generator would take five calls for it.)"""

    __slots__ = ("_path",)

    def __init__(self, *path: object) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Here."""

    def __exit__(self, _: object, wrong: BaseException | None, __: object) -> None:
        if isinstance(wrong, _Wrong):
            wrong.path = (*self._path, *wrong.path)


def parse(body: Json, *, counting: bool = False) -> None:
    """Raises BadRequest with the path of the first field that is wrong. `counting` asks for no max_tokens."""
    try:
        _request(body, counting)
    except _Wrong as wrong:
        path = ".".join(map(str, wrong.path))
        raise BadRequest(f"{path}: {wrong.problem}" if path else wrong.problem, should_retry=False) from None


def _request(body: Json, counting: bool) -> None:
    _is(body, dict)
    _need(body, "model", str, nonempty=True)
    if not counting:
        _need(body, "max_tokens", int)
        if body["max_tokens"] < 0:
            raise _Wrong("Input should be greater than or equal to 0", "max_tokens")
    _need(body, "messages", list)
    if not body["messages"]:
        raise _Wrong("at least one message is required", "messages")
    with _At("messages"):
        _messages(body["messages"])
    _system(body.get("system"))
    _tools(body.get("tools"))
    _settings(body)


def _messages(messages: list[Json]) -> None:
    """Of a conversation that goes on, only what is new is looked at: there may be thousands."""
    if not isinstance(messages, History):
        return _each(messages, _message)
    _each(messages, _message, messages.known if messages.recall(_messages) else 0)
    return messages.keep(_messages, True)


def _each(items: list[Json], check: Callable[[Json], None], start: int = 0) -> None:
    for n, item in enumerate(items[start:] if start else items, start):
        try:
            once(item, check)
        except _Wrong as wrong:
            wrong.path = (n, *wrong.path)
            raise


def _message(message: Json) -> None:
    _is(message, dict)
    _need(message, "role", str)
    if message["role"] not in ROLES:
        raise _Wrong("Input should be 'user', 'assistant' or 'system'", "role")
    if "content" not in message:
        if message["role"] == "system" and message.get("output_config"):
            return  # it orders an effort, and says nothing
        raise _Wrong("Field required", "content")
    if not isinstance(message["content"], str):
        _content(message["content"], 0, "content")


def _content(content: Json, depth: int, *path: str) -> None:
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise _Wrong("Input should be a valid string or a valid list", *path)
    if depth > _DEPTH:
        raise _Wrong("the content is nested too deeply", *path)
    for n, block in enumerate(content):
        try:
            _block(block, depth)
        except _Wrong as wrong:
            wrong.path = (*path, n, *wrong.path)
            raise


def _block(block: Json, depth: int) -> None:
    _is(block, dict)
    _need(block, "type", str)
    check = _BLOCKS.get(block["type"])
    if check is None:
        return
    try:
        check(block, depth)
    except _Wrong as wrong:
        wrong.path = (block["type"], *wrong.path)
        raise


def _text_block(block: Json, _: int) -> None:
    _need(block, "text", str)


def _thinking_block(block: Json, _: int) -> None:
    _need(block, "thinking", str)


def _tool_use(block: Json, _: int) -> None:
    """An empty id and a list for its input are what some servers of the Messages API answer with: a client sends them
    back in every later turn, and could never go on."""
    _need(block, "id", str)
    _need(block, "name", str, nonempty=True)
    if type(block.get("input")) is not list:
        _need(block, "input", dict)


def _tool_result(block: Json, depth: int) -> None:
    _need(block, "tool_use_id", str)
    _may(block, "is_error", bool)
    if block.get("content") is not None:
        _content(block["content"], depth + 1, "content")


def _sourced(block: Json, depth: int) -> None:
    _need(block, "source", dict)
    source = block["source"]
    with _At("source"):
        _need(source, "type", str)
        wanted = {"base64": "data", "url": "url", "text": "data", "file": "file_id", "content": "content"}
        key = wanted.get(source["type"])
        if key is None:
            return
        with _At(source["type"]):
            if key == "content" and key in source:
                _content(source[key], depth + 1, key)
            else:
                _need(source, key, str)


_BLOCKS: dict[str, Callable[[Json, int], None]] = {
    "text": _text_block,
    "thinking": _thinking_block,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "image": _sourced,
    "document": _sourced,
}


def _system(system: Json) -> None:
    if system is not None and not isinstance(system, str):
        with _At("system"):
            _is(system, list)
            once(system, _system_blocks)


def _system_blocks(system: list[Json]) -> None:
    _each(system, _system_block)


def _system_block(block: Json) -> None:
    _is(block, dict)
    if block.get("type") != "text":
        raise _Wrong("Input should be 'text'", "type")
    _need(block, "text", str)


def _tools(tools: Json) -> None:
    if tools is None:
        return
    with _At("tools"):
        _is(tools, list)
        once(tools, _all_tools)


def _all_tools(tools: list[Json]) -> None:
    _each(tools, _tool)
    names = [tool["name"] for tool in tools if isinstance(tool.get("name"), str)]
    if len(set(names)) < len(names):
        raise _Wrong("Tool names must be unique.")


def _tool(tool: Json) -> None:
    _is(tool, dict)
    kind = tool.get("type")
    if kind in (None, "custom", "function"):
        with _At("custom"):
            _need(tool, "name", str, nonempty=True)
            _need(tool, "input_schema", dict)
            _may(tool, "description", str)
            if isinstance(kind := tool["input_schema"].get("type"), str) and kind != "object":
                raise _Wrong("Input should be 'object'", "input_schema", "type")
    elif not isinstance(kind, str) or not kind:
        raise _Wrong("Input should be a valid string", "type")


def _settings(body: Json) -> None:
    for key, kind in _SETTINGS.items():
        value = body.get(key)
        if value is not None and type(value) is not kind:
            with _At(key):
                _is(value, kind)
    _inside(body)
    _ranges(body)
    if body.get("stop_sequences"):
        with _At("stop_sequences"):
            _each(body["stop_sequences"], _stop)
    for key in ("tool_choice", "thinking"):
        if body.get(key) is not None:
            with _At(key):
                _need(body[key], "type", str)
    _choice(body.get("tool_choice"))


def _stop(sequence: Json) -> None:
    _is(sequence, str)


def _inside(body: Json) -> None:
    """What stands in the settings that are objects."""
    if body.get("metadata"):
        with _At("metadata"):
            _may(body["metadata"], "user_id", str)
    config = body.get("output_config")
    if not config:
        return
    with _At("output_config"):
        _may(config, "effort", str)
        _may(config, "format", dict)
        if (config.get("format") or {}).get("type") == "json_schema":
            with _At("format", "json_schema"):
                _need(config["format"], "schema", dict)


def _ranges(body: Json) -> None:
    for key in ("temperature", "top_p"):
        value = body.get(key)
        if value is not None and not value <= 1:
            raise _Wrong("Input should be less than or equal to 1", key)
        if value is not None and value < 0:
            raise _Wrong("Input should be greater than or equal to 0", key)
    thinking = body.get("thinking")
    if thinking is not None and thinking.get("type") == "enabled":
        with _At("thinking", "enabled"):
            _need(thinking, "budget_tokens", int)
            if thinking["budget_tokens"] < LEAST_BUDGET:
                raise _Wrong(f"Input should be greater than or equal to {LEAST_BUDGET}", "budget_tokens")


_SETTINGS: dict[str, type] = {
    "temperature": float, "top_p": float, "top_k": int, "stream": bool, "stop_sequences": list, "metadata": dict,
    "output_config": dict, "tool_choice": dict, "thinking": dict,
}  # fmt: skip


def _choice(choice: Json) -> None:
    if choice is None:
        return
    if choice["type"] not in ("auto", "any", "tool", "none"):
        raise _Wrong("Input should be 'auto', 'any', 'tool' or 'none'", "tool_choice", "type")
    if choice["type"] == "tool":
        with _At("tool_choice", "tool"):
            _need(choice, "name", str, nonempty=True)
    with _At("tool_choice", choice["type"]):
        _may(choice, "disable_parallel_tool_use", bool)


def _need(holder: Json, key: str, kind: type, *, nonempty: bool = False) -> None:
    value = holder.get(key, _MISSING)
    if type(value) is kind:
        if nonempty and not value:
            raise _Wrong("String should have at least 1 character", key)
        return
    if value is _MISSING:
        raise _Wrong("Field required", key)
    with _At(key):
        _is(value, kind)


def _may(holder: Json, key: str, kind: type) -> None:
    """It need not be there, and may be null."""
    if holder.get(key) is not None:
        with _At(key):
            _is(holder[key], kind)


KNOWN: dict[type, tuple[type, ...]] = {dict: (Part,), list: (History, Parts)}
"""What a value is that came before."""


def _is(value: Json, kind: type) -> None:
    if type(value) is kind or (kind is float and type(value) is int) or type(value) in KNOWN.get(kind, ()):
        return
    raise _Wrong(f"Input should be {_WORDS[kind]}")


_MISSING = object()
