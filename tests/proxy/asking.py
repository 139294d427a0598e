"""Messages API requests by chance, and what a chat request must be: the translator's tests share them.

`conversations()` gives a conversation as exchanges, so that a test can cut it where a client would have sent it; every
text in it is unlike the others and can be looked for. `chat_faults` is the judge of what would go upstream: OpenAI's
own types and the rules between messages that types can't say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from openai.types.chat import (
    ChatCompletionContentPartParam,
    ChatCompletionMessageParam,
    ChatCompletionToolChoiceOptionParam,
    ChatCompletionToolParam,
)
from openai.types.chat.completion_create_params import ResponseFormat
from openai_rules import TOP_LEVEL, problems
from pydantic import TypeAdapter, ValidationError

from ccr_tui.config import Model, Provider
from ccr_tui.proxy.quirks import Facts, facts_for

law = hypothesis_settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How often a law is tried: often enough to find what was ever found, on a machine that may be busy."""
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

FAMILIES: dict[str, tuple[str, str]] = {
    "generic": ("http://127.0.0.1:9/v1", "some-model"),
    "openai": ("https://api.openai.com/v1", "gpt-4.1"),
    "gpt-5": ("https://api.openai.com/v1", "gpt-5"),
    "gpt-5.6": ("https://api.openai.com/v1", "gpt-5.6-luna"),
    "deepseek": ("https://api.deepseek.com/v1", "deepseek-flash"),
    "deepseek-r1": ("https://api.deepseek.com/v1", "deepseek-reasoner"),
    "qwen": ("https://dashscope.aliyuncs.com/compatible-mode/v1", "qwen3.8-max"),
    "openrouter": ("https://openrouter.ai/api/v1", "qwen/qwen3.7-max"),
    "moonshot": ("https://api.moonshot.ai/v1", "kimi-k2.6"),
    "zhipu": ("https://api.z.ai/api/paas/v4", "glm-5.1"),
    "minimax": ("https://api.minimax.io/v1", "MiniMax-M2.1"),
    "gemini": ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini-3-pro"),
    "groq": ("https://api.groq.com/openai/v1", "openai/gpt-oss-120b"),
    "mistral": ("https://api.mistral.ai/v1", "mistral-large-latest"),
    "xai": ("https://api.x.ai/v1", "grok-4.3"),
    "ollama": ("http://localhost:11434/v1", "qwen3:8b"),
    "lmstudio": ("http://localhost:1234/v1", "qwen3-8b"),
    "siliconflow": ("https://api.siliconflow.cn/v1", "deepseek-ai/DeepSeek-V3.2"),
    "cerebras": ("https://api.cerebras.ai/v1", "zai-glm-4.7"),
    "fireworks": ("https://api.fireworks.ai/inference/v1", "accounts/fireworks/models/glm-5p2"),
    "together": ("https://api.together.xyz/v1", "moonshotai/Kimi-K2.6"),
    "nvidia": ("https://integrate.api.nvidia.com/v1", "deepseek-ai/deepseek-v4-flash"),
}


def facts(name: str, **quirks: Any) -> Facts:
    """The facts of one of FAMILIES, or of a family that has no host of its own (llama_cpp, vllm)."""
    url, model_id = FAMILIES.get(name, ("http://127.0.0.1:9/v1", "some-model"))
    family = name if name in ("llama_cpp", "vllm") else None
    return facts_for(Provider("p", "openai", url), Model("m", "p", model_id, family=family, quirks=quirks))


ALL = (*FAMILIES, "llama_cpp", "vllm")


def asked(*messages: Any, **more: Any) -> dict[str, Any]:
    """A request with these messages (a plain text is the user's)."""
    told = [{"role": "user", "content": m} if isinstance(m, str) else m for m in messages or ("hi",)]
    return {"model": "claude-opus-5-5", "max_tokens": 1000, "messages": told, **more}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": [text(b) if isinstance(b, str) else b for b in blocks]}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": [text(b) if isinstance(b, str) else b for b in blocks]}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def call(call_id: str, name: str = "Read", **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": given}


def result(call_id: str, *content: Any, **more: Any) -> dict[str, Any]:
    told = {"content": content[0] if len(content) == 1 and isinstance(content[0], (str, list)) else list(content)}
    return {"type": "tool_result", "tool_use_id": call_id, **(told if content else {}), **more}


def picture(data: str = PNG) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def tool(name: str = "Read", **schema: Any) -> dict[str, Any]:
    given = {"type": "object", "properties": {"path": {"type": "string"}}, **schema}
    return {"name": name, "description": f"{name}s things.", "input_schema": given}


# --- the judge ---------------------------------------------------------------------------------------------------

_MESSAGE: TypeAdapter[Any] = TypeAdapter(ChatCompletionMessageParam)
_PART: TypeAdapter[Any] = TypeAdapter(ChatCompletionContentPartParam)
_TOOL: TypeAdapter[Any] = TypeAdapter(ChatCompletionToolParam)
_CHOICE: TypeAdapter[Any] = TypeAdapter(ChatCompletionToolChoiceOptionParam)
_FORM: TypeAdapter[Any] = TypeAdapter(ResponseFormat)
EXTENSIONS = frozenset(
    {
        "thinking", "enable_thinking", "reasoning", "chat_template_kwargs", "top_k", "tool_stream", "reasoning_split",
        "reasoning_format",
    }
)  # fmt: skip
"""Fields that the families document beyond OpenAI's."""


def chat_faults(body: dict[str, Any]) -> list[str]:
    """Everything that an OpenAI-compatible server could refuse in a body."""
    return [*problems({k: v for k, v in body.items() if k not in EXTENSIONS}), *_typed(body)]


def _typed(body: dict[str, Any]) -> Iterator[str]:
    for message in body["messages"]:
        yield from _fits(_MESSAGE, message)
        if isinstance(message.get("content"), list):
            for part in message["content"]:
                yield from _fits(_PART, part)
    for made in body.get("tools", ()):
        yield from _fits(_TOOL, made)
    if "tool_choice" in body:
        yield from _fits(_CHOICE, body["tool_choice"])
    if "response_format" in body:
        yield from _fits(_FORM, body["response_format"])


def _fits(adapter: TypeAdapter[Any], value: Any) -> Iterator[str]:
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        yield f"{value}: {error}"


def unknown_fields(body: dict[str, Any]) -> set[str]:
    return set(body) - TOP_LEVEL - EXTENSIONS


# --- chance ------------------------------------------------------------------------------------------------------


class Words:
    """Texts unlike one another, so that one that is lost is missed."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def fresh(self, kind: str, dress: str) -> str:
        word = f"{kind}{len(self.said)}q"
        self.said.append(word)
        return f"{dress}{word}{dress}"


_DRESS = st.sampled_from(["", " ", "\n", "“", "😀", "\u2028", "\ud800", "</system-reminder>", "Error"])
# Made once: a strategy that is made anew for each draw costs more than the draw.
_CHANCE = st.integers(0, 9)
_KINDS = st.lists(st.sampled_from(["text", "call", "call", "thinking", "redacted", "server"]), max_size=5)
_TURNS = st.sampled_from([1, 1, 1, 2])
_TAILS = st.sampled_from([[], ["text"], ["system"], ["text", "system"], ["blocks"]])
_CALL_IDS = st.sampled_from(["a", "b", "call_1", "toolu_x", "functions.Read:0", "x" * 50, "ü"])
_NAMES = st.sampled_from(["Read", "mcp__" + "n" * 80, "wéird name", "mcp__" + "n" * 81])
_SHAPES = st.sampled_from(["none", "string", "empty", "list", "list", "document"])
_BESIDE = st.lists(st.sampled_from(["picture", "document", "odd", "text", "empty"]), max_size=2)
_SMALL = st.integers(0, 2)
_COIN = st.booleans()
Exchange = tuple[list[Any], list[Any]]


@st.composite
def conversations(draw: st.DrawFn, exchanges: int = 4) -> tuple[list[Any], list[Exchange], list[str]]:
    """The opening messages, exchanges (what the assistant said, what came back), and every text that must arrive."""
    words = Words()
    first = [_spoken(draw, words), *(_system(draw, words) for _ in range(draw(st.integers(0, 1))))]
    rest = [_exchange(draw, words, n) for n in range(draw(st.integers(0, exchanges)))]
    return first, rest, words.said


def _exchange(draw: st.DrawFn, words: Words, n: int) -> Exchange:
    calls: list[str] = []
    said = [_said(draw, words, calls) for _ in range(draw(_TURNS))]
    answered = [call_id for call_id in draw(st.permutations(calls)) if draw(_CHANCE)]
    if draw(_CHANCE) == 0:
        answered.append(f"orphan_{n}")
    results = [_answer(draw, words, call_id) for call_id in answered]
    split = draw(st.integers(0, len(results)))
    back = [{"role": "user", "content": part} for part in (results[:split], results[split:]) if part]
    tail = draw(_TAILS)
    back += [_system(draw, words) if kind == "system" else _spoken(draw, words) for kind in tail]
    return said, back or [_spoken(draw, words)]


def _said(draw: st.DrawFn, words: Words, calls: list[str]) -> Any:
    blocks: list[Any] = []
    for kind in draw(_KINDS):
        if kind == "call":
            call_id = draw(_CALL_IDS)
            calls.append(call_id)
            name = draw(_NAMES)
            blocks.append(call(call_id, name, path=words.fresh("input", draw(_DRESS))))
        elif kind == "thinking":
            blocks.append({"type": "thinking", "thinking": "hm " * draw(_SMALL), "signature": "ccr-tui.v1"})
        elif kind == "redacted":
            blocks.append({"type": "redacted_thinking", "data": "AAAA"})
        elif kind == "server":
            query = {"query": words.fresh("query", "")}
            blocks.append({"type": "server_tool_use", "id": "s", "name": "web_search", "input": query})
        else:
            blocks.append(text(words.fresh("said", draw(_DRESS))))
    return {"role": "assistant", "content": blocks}


def _answer(draw: st.DrawFn, words: Words, call_id: str) -> Any:
    shape = draw(_SHAPES)
    if shape == "none":
        return result(call_id)
    if shape == "string":
        return result(call_id, words.fresh("result", draw(_DRESS)), is_error=draw(_COIN))
    if shape == "empty":
        return result(call_id, [])
    blocks = [text(words.fresh("result", draw(_DRESS))) for _ in range(draw(_SMALL))]
    if draw(_COIN):
        blocks.append(picture() if shape == "list" else _document(words))
    return result(call_id, blocks)


def _document(words: Words) -> Any:
    source = {"type": "text", "media_type": "text/plain", "data": words.fresh("document", "")}
    return {"type": "document", "source": source, "title": words.fresh("title", ""), "context": words.fresh("told", "")}


def _spoken(draw: st.DrawFn, words: Words) -> Any:
    if draw(_COIN):
        return {"role": "user", "content": words.fresh("prompt", draw(_DRESS))}
    beside = draw(_BESIDE)
    return user(words.fresh("prompt", draw(_DRESS)), *(_beside(kind, words) for kind in beside))


def _beside(kind: str, words: Words) -> Any:
    match kind:
        case "picture":
            return picture()
        case "document":
            return _document(words)
        case "odd":
            return {"type": "container_upload", "file_id": words.fresh("file", ""), "deep": {"a": [1, None]}}
    return text(words.fresh("prompt", "") if kind == "text" else "")


def _system(draw: st.DrawFn, words: Words) -> Any:
    shape = draw(_SMALL)
    content: Any = [] if shape == 0 else words.fresh("system", "")
    return {"role": "system", "content": [text(content)] if shape == 2 else content}


def extras() -> st.SearchStrategy[dict[str, Any]]:
    """Everything beside the conversation, in all its combinations."""
    choice = st.sampled_from([{"type": "auto"}, {"type": "any"}, {"type": "tool", "name": "Read"}, {"type": "none"}])
    closed = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    form = {"format": {"type": "json_schema", "schema": {**closed, "additionalProperties": False}}}
    return st.fixed_dictionaries(
        {},
        optional={
            "system": st.sampled_from(["Be brief.", [text("x-anthropic-billing-header: v;"), text("Be brief.")]]),
            "tools": st.lists(st.sampled_from(TOOLS), max_size=4, unique_by=lambda t: t["name"]),
            "tool_choice": st.tuples(choice, st.booleans()).map(
                lambda c: c[0] | ({"disable_parallel_tool_use": True} if c[1] else {})
            ),
            "thinking": st.sampled_from(
                [{"type": "adaptive"}, {"type": "enabled", "budget_tokens": 2000}, {"type": "disabled"}]
            ),
            "output_config": st.sampled_from([{}, {"effort": "low"}, {"effort": "max"}, form]),
            "stream": st.booleans(),
            "temperature": st.just(1),
            "top_p": st.just(0.9),
            "top_k": st.just(5),
            "stop_sequences": st.lists(st.sampled_from(["a", "b", "c", "d", "e", " "]), max_size=4, unique=True),
            "metadata": st.just({"user_id": json.dumps({"device_id": "d" * 64, "session_id": "5d1f0a52"})}),
            "safeguards": st.just([{"type": "dangerous_tool_use", "classifier_context": {"cwd": "/secret"}}]),
            "context_management": st.just({"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}),
        },
    )


TOOLS: list[dict[str, Any]] = [
    tool("Read"),
    tool("mcp__" + "n" * 80),
    tool("wéird name", additionalProperties=False, **{"$schema": "https://json-schema.org/draft/2020-12/schema"}),
    {"name": "NoInput", "input_schema": {}},
    {"name": "WebSearch", "defer_loading": True, **{k: tool()[k] for k in ("description", "input_schema")}},
    {"name": "DeferredToolPlaceholder", "defer_loading": True, "input_schema": {"type": "object", "properties": {}}},
    {"name": "web_search", "type": "web_search_20250305", "max_uses": 8},
]
