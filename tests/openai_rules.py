"""What OpenAI's chat completions refuse, as rules over a parsed body.

Owns the judgement of what we send upstream: the documented shape, and the rules between messages that no type can say
(each tool call answered, directly, once). Must never repair anything. The one surprise: unknown top-level keys are a
fault too, because OpenAI answers 400 "Unrecognized request argument supplied".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

TOP_LEVEL = frozenset(
    {
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "modalities",
        "model",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    }
)
CONTENT = {
    "system": {"text"},
    "developer": {"text"},
    "user": {"text", "image_url", "input_audio", "file"},
    "assistant": {"text", "refusal"},
    "tool": {"text"},
}


RANGES = (
    ("temperature", 0, 2),
    ("top_p", 0, 1),
    ("max_tokens", 1, float("inf")),
    ("max_completion_tokens", 1, float("inf")),
)
EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})
"""OpenAI's, and "max", which DeepSeek, Moonshot and Zhipu have."""
PICTURES = re.compile(r"https?://|data:image/(?:png|jpe?g|gif|webp);base64,[A-Za-z0-9+/]")
"""What an image_url may be (platform.openai.com/docs/guides/images-vision)."""


def problems(body: Any) -> list[str]:
    """Every rule that the body breaks, in OpenAI's words where they are known; empty if it would be accepted."""
    if not isinstance(body, dict):
        return ["We could not parse the JSON body of your request."]
    return [*_top(body), *_messages(body.get("messages")), *_tools(body)]


def _top(body: dict[str, Any]) -> Iterator[str]:
    if not isinstance(body.get("model"), str):
        yield "you must provide a model parameter"
    for key in body.keys() - TOP_LEVEL:
        yield f"Unrecognized request argument supplied: {key}"
    if "stream_options" in body and not body.get("stream"):
        yield "The 'stream_options' parameter is only allowed when 'stream' is enabled."
    if "max_tokens" in body and "max_completion_tokens" in body:
        yield "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
    stop = body.get("stop")
    if isinstance(stop, list) and (len(stop) > 4 or not stop):
        yield f"Invalid 'stop': array too long. Expected an array with maximum length 4, but got {len(stop)}."
    for one in stop if isinstance(stop, list) else ():
        if not isinstance(one, str) or not one:
            yield f"Invalid 'stop': {one!r} is no text."
    for key, value in body.items():
        if value is None:
            yield f"'{key}' is null"
    yield from _numbers(body)
    yield from _form(body.get("response_format"))


def _numbers(body: dict[str, Any]) -> Iterator[str]:
    for key, least, most in RANGES:
        value = body.get(key)
        if value is not None and not (type(value) in (int, float) and least <= value <= most):
            yield f"Invalid '{key}': {value!r} is not from {least} to {most}."
    if body.get("reasoning_effort", "low") not in EFFORTS:
        yield f"Invalid value: '{body['reasoning_effort']}'. Supported values are: {', '.join(sorted(EFFORTS))}."
    if len(body.get("prompt_cache_key") or "") > 64:
        yield "Invalid 'prompt_cache_key': string too long. Expected a string with maximum length 64."


def _form(form: Any) -> Iterator[str]:
    named = form.get("json_schema") if isinstance(form, dict) else None
    if isinstance(form, dict) and form.get("type") == "json_schema":
        name = named.get("name") if isinstance(named, dict) else None
        if not isinstance(name, str) or not 0 < len(name) <= 64 or set(name) - _NAME:
            yield f"Invalid 'response_format.json_schema.name': {name!r}."
        elif not isinstance(named.get("schema"), dict):
            yield "Missing required parameter: 'response_format.json_schema.schema'."


def _messages(messages: Any) -> Iterator[str]:
    if not isinstance(messages, list) or not messages:
        yield "Invalid 'messages': empty array. Expected an array with minimum length 1."
        return
    owed: list[str] = []
    for n, message in enumerate(messages):
        role = message.get("role")
        if role not in CONTENT:
            yield f"Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', 'tool', 'developer'."
            continue
        if role == "tool":
            if message.get("tool_call_id") not in owed:
                yield (
                    f"messages.[{n}]: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'."
                )
            else:
                owed.remove(message["tool_call_id"])
        elif owed:
            yield _unanswered(owed)
            owed = []
        yield from _content(n, role, message)
        owed.extend(call.get("id") for call in message.get("tool_calls") or ())
    if owed:
        yield _unanswered(owed)


def _unanswered(ids: list[str]) -> str:
    return (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        f"The following tool_call_ids did not have response messages: {', '.join(map(str, ids))}"
    )


def _content(n: int, role: str, message: dict[str, Any]) -> Iterator[str]:
    content = message.get("content")
    if content is None and not (role == "assistant" and message.get("tool_calls")):
        yield f"Invalid value for 'messages.[{n}].content': expected a string, got null."
    if isinstance(content, list):
        if not content:
            yield f"messages.[{n}].content: empty array."
        for part in content:
            if part.get("type") not in CONTENT[role]:
                yield f"messages.[{n}].content: Invalid value: '{part.get('type')}' for role {role}."
            yield from _part(n, part)
    elif content is not None and not isinstance(content, str):
        yield f"messages.[{n}].content: expected a string or an array."
    if "tool_calls" in message:
        yield from _calls(n, message["tool_calls"])


def _part(n: int, part: dict[str, Any]) -> Iterator[str]:
    kind = part.get("type")
    held = part.get(kind) if isinstance(kind, str) else None
    if kind == "text" and not (isinstance(held, str) and held):
        yield f"messages.[{n}].content: a text part without text."
    elif kind == "image_url" and not (isinstance(held, dict) and PICTURES.match(str(held.get("url")))):
        yield f"Invalid image URL in messages.[{n}]: {str(held)[:60]}"
    elif kind == "file" and not (isinstance(held, dict) and (held.get("file_id") or held.get("file_data"))):
        yield f"messages.[{n}].content: a file without data."


def _calls(n: int, calls: Any) -> Iterator[str]:
    if not isinstance(calls, list) or not calls:
        yield f"Invalid 'messages[{n}].tool_calls': empty array. Expected an array with minimum length 1."
        return
    ids = [call.get("id") for call in calls]
    if len(set(ids)) != len(ids):
        yield f"messages.[{n}].tool_calls: duplicate ids {ids}"
    for call in calls:
        function = call.get("function") or {}
        name = function.get("name")
        if call.get("type") != "function" or not isinstance(name, str) or not name or set(name) - _NAME:
            yield f"messages.[{n}].tool_calls: {call} is no function call"
        if not isinstance(call.get("id"), str) or not 0 < len(call["id"]) <= 40:
            yield f"Invalid 'messages[{n}].tool_calls[].id': {call.get('id')!r}: a string of 1 to 40 letters."
        if not isinstance(function.get("arguments"), str):
            yield f"messages.[{n}].tool_calls: arguments must be a string"


def _tools(body: dict[str, Any]) -> Iterator[str]:
    tools = body.get("tools")
    if tools is None:
        for key in ("tool_choice", "parallel_tool_calls"):
            if key in body:
                yield f"'{key}' is only allowed when 'tools' are specified."
        return
    if not tools:
        yield "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead."
    names = [(tool.get("function") or {}).get("name") for tool in tools]
    for name in names:
        if not isinstance(name, str) or not 0 < len(name) <= 64 or set(name) - _NAME:
            yield f"Invalid 'tools[].function.name': '{name}'."
    if len(set(names)) != len(names):
        yield "tools: duplicate names"
    for tool in tools:
        yield from _parameters(tool.get("function") or {})
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and (choice.get("function") or {}).get("name") not in names:
        yield f"Invalid value for 'tool_choice': {choice} names no tool"
    elif isinstance(choice, str) and choice not in ("none", "auto", "required"):
        yield f"Invalid value: '{choice}'. Supported values are: 'none', 'auto', and 'required'."


def _parameters(function: dict[str, Any]) -> Iterator[str]:
    name, schema = function.get("name"), function.get("parameters", {})
    if not isinstance(schema, dict) or (schema and schema.get("type") != "object"):
        yield f"Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"'."
    elif schema.keys() & {"anyOf", "oneOf", "allOf", "enum", "not"}:
        yield f"Invalid schema for function '{name}': schema must not have a choice at the top level."
    elif function.get("strict") and schema.get("additionalProperties") is not False:
        yield f"Invalid schema for function '{name}': 'additionalProperties' is required to be false."


_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
