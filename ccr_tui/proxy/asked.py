"""What a request is: who asks, in which session, for what kind of thing.

Owns `about` and the headers that a trace may keep; `parse`, which a body passes first, stands in `refusal`. Must never
change the body, nor depend on the values of one client version.
The one surprise: older clients send the session inside `metadata.user_id`, as JSON or behind `_session_`, newer ones in
a header; and what kind of request it is often shows only in its shape (measured with Claude Code 1.0.128 to 2.1.330).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from ccr_tui.proxy.clientside import is_clientside
from ccr_tui.proxy.directives import effort_now
from ccr_tui.proxy.refusal import parse
from ccr_tui.records import Json, Kind
from ccr_tui.seen import Parts, once
from ccr_tui.slim import dataclass

__all__ = ["BILLING", "KEPT_HEADERS", "Asked", "about", "kept_headers", "parse", "session_of"]

BILLING = "x-anthropic-billing-header:"
"""How the text block begins that Claude Code puts first in the system prompt and changes between conversations."""

KEPT_HEADERS = frozenset(
    {
        "user-agent", "accept-encoding", "content-type", "content-length", "anthropic-version", "anthropic-beta",
        "x-app", "x-client-request-id", "x-stainless-retry-count", "x-stainless-timeout", "x-stainless-lang",
        "x-stainless-package-version", "x-claude-code-session-id", "x-claude-code-agent-id",
        "x-claude-code-parent-agent-id", "x-claude-code-agent-type", "x-claude-code-request-class",
        "x-claude-1p-request-class", "x-claude-code-auxiliary-type", "x-claude-code-prompt-id",
        "x-claude-code-compaction", "x-claude-code-context-compacted", "x-claude-code-prev-tool-durations",
        "x-ccr-model", "x-ccr-agent",
    }
)  # fmt: skip
"""Request headers that a trace may keep, in lower case. Everything else, credentials above all, is never recorded."""

_CWD = re.compile(r"[Ww]orking directory: ?(\S[^\r\n]*)")
_COMPACTION = "CRITICAL: Respond with TEXT ONLY"


@dataclass(frozen=True, slots=True)
class Asked:
    """What can be told of a request without answering it."""

    model: str
    stream: bool
    kind: Kind
    session: str | None
    agent_id: str | None
    """Set for a subagent's request by the client's own header."""
    agent_type: str | None
    project: str | None
    """The working directory that the system prompt names."""
    prompt_id: str | None
    """One per thing the person typed, shared by parent and subagents; only with the client's hint headers."""
    has_tools: bool
    """Whether any tool is offered that the client runs itself."""
    server_tools: tuple[str, ...]
    """Types of the tools that only Anthropic's servers run, such as "web_search_20250305"."""
    thinking: bool
    effort: str | None
    images: bool
    """Whether the newest turn (everything after the last assistant message) shows a picture."""
    max_tokens: int | None


def about(body: Json, headers: Mapping[str, str]) -> Asked:
    """Reads a body that `parse` accepted. Header names may have any case."""
    heads = {name.lower(): value for name, value in headers.items()}
    tools = _dicts(body.get("tools"))
    typed = once(tools, _server_tools)
    agent_id = heads.get("x-claude-code-agent-id") or None
    return Asked(
        model=_text(body.get("model")),
        stream=body.get("stream") is True,
        kind=_kind(body, heads, tools, typed),
        session=heads.get("x-claude-code-session-id") or session_of(body),
        agent_id=agent_id,
        agent_type=heads.get("x-claude-code-agent-type") or None,
        project=_project(body),
        prompt_id=heads.get("x-claude-code-prompt-id") or None,
        has_tools=len(typed) < len(tools),
        server_tools=typed,
        thinking=_dict(body.get("thinking")).get("type") in ("enabled", "adaptive"),
        effort=effort_now(body),
        images=any(once(message, _shows_picture) for message in newest_turn(body)),
        max_tokens=body["max_tokens"] if isinstance(body.get("max_tokens"), int) else None,
    )


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Those of the headers that a trace may keep, names in lower case."""
    return {lower: value for name, value in headers.items() if (lower := name.lower()) in KEPT_HEADERS}


def session_of(body: Json) -> str | None:
    """The session inside `metadata.user_id`: JSON with session_id, or `user_..._session_<id>` from older clients."""
    metadata = body.get("metadata")
    return _session_in(_text(metadata.get("user_id"))) if isinstance(metadata, dict) else None


@lru_cache(maxsize=64)
def _session_in(user: str) -> str | None:
    if user.startswith("{"):
        try:
            found = json.loads(user)
        except (ValueError, RecursionError):
            return None
        return _text(_dict(found).get("session_id")) or None
    return user.partition("_session_")[2] or None


def _server_tools(tools: list[Json]) -> tuple[str, ...]:
    return tuple([kind for tool in tools if (kind := server_tool(tool))])


def server_tool(tool: Json) -> str | None:
    """The type of a tool that has no schema because only Anthropic's servers run it."""
    kind = _text(tool.get("type"))
    if kind in ("", "custom", "function") or isinstance(tool.get("input_schema"), dict) or is_clientside(kind):
        return None
    return kind


def output_schema(body: Json) -> Json | None:
    """The JSON schema that the answer must fit, from output_config.format or the older output_format."""
    if not (body.get("output_config") or body.get("output_format")):
        return None
    wanted = _dict(_dict(body.get("output_config")).get("format")) or _dict(body.get("output_format"))
    schema = wanted.get("schema")
    return schema if wanted.get("type") == "json_schema" and isinstance(schema, dict) else None


def newest_turn(body: Json) -> list[Json]:
    """The messages after the last assistant message."""
    messages = body.get("messages")
    found: list[Json] = []
    for message in reversed(messages if isinstance(messages, list) else []):  # from the end: there may be thousands
        if isinstance(message, dict):
            if message.get("role") == "assistant":
                break
            found.append(message)
    return found[::-1]


def system_texts(body: Json) -> Sequence[str]:
    """Every text of the system prompt, the client's billing block included."""
    return texts_of(body.get("system"))


def texts_of(content: Json) -> Sequence[str]:
    """The text of a string or of the text blocks in a list."""
    return (content,) if isinstance(content, str) else once(content, _texts) if isinstance(content, list) else ()


def _texts(content: list[Json]) -> Sequence[str]:
    blocks = [block for block in content if isinstance(block, dict) and block.get("type") == "text"]
    return [text for block in blocks if isinstance(text := block.get("text"), str)]


def _kind(body: Json, heads: Mapping[str, str], tools: list[Json], typed: tuple[str, ...]) -> Kind:
    """The client's own word where it says one (CLAUDE_CODE_GATEWAY_HINT_HEADERS=1), else the shape."""
    said = heads.get("x-claude-code-request-class", "")
    shape = _shape(body, tools, typed)
    if said == "compaction" or heads.get("x-claude-code-compaction") or shape == "compaction":
        return "compaction"
    if said == "auxiliary":
        return shape or "background"
    if said == "subagent" or heads.get("x-claude-code-agent-id") or _billed_to_subagent(body):
        return shape or "subagent"
    if said == "main":
        return "main"
    return shape or _by_client(body, heads, tools)


def _shape(body: Json, tools: list[Json], typed: tuple[str, ...]) -> Kind | None:
    """Title, web search or compaction, by what such a request holds."""
    if tools and len(typed) == len(tools) and all(kind.startswith("web_search") for kind in typed):
        return "web_search"
    schema = output_schema(body)
    if not tools and schema is not None and "title" in _dict(schema.get("properties")):
        return "title"
    messages = body.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    return "compaction" if isinstance(last, dict) and once(last, _orders_compaction) else None


def _orders_compaction(message: Json) -> bool:
    texts = texts_of(message.get("content")) if message.get("role") == "user" else ()
    return any(text.lstrip().startswith(_COMPACTION) for text in texts)


def _by_client(body: Json, heads: Mapping[str, str], tools: list[Json]) -> Kind:
    """Claude Code without tools is either a conversation begun with none or one of its little side questions."""
    if tools:
        return "main"
    if heads.get("x-app") == "cli-bg":
        return "background"
    if not heads.get("user-agent", "").startswith("claude-cli"):
        return "other"
    return "main" if body.get("thinking") or len(_dicts(body.get("messages"))) > 2 else "background"


def _billed_to_subagent(body: Json) -> bool:
    first = next(iter(system_texts(body)), "")
    return first.startswith(BILLING) and "cc_is_subagent=" in first


def _project(body: Json) -> str | None:
    """Looked for where clients have put it: the system prompt, a system message, the first user message."""
    named = once(body.get("system"), _directory_in)
    if named is None:
        messages = body.get("messages")
        for message in messages[:3] if isinstance(messages, list) else ():
            if isinstance(message, dict) and (named := once(message, _directory_of)) is not None:
                break
    return named or None


def _directory_of(message: Json) -> str | None:
    return None if message.get("role") == "assistant" else _directory_in(message.get("content"))


def _directory_in(place: Json) -> str | None:
    """The directory that is named first; "" where it has no name, None where none is meant."""
    for text in texts_of(place):
        if "orking directory" in text and (found := _CWD.search(text)):  # 14 KB: 0.1 ms for the search alone
            return found[1].strip().strip("`\"'")
    return None


def _shows_picture(holder: Json) -> bool:
    """Whether a message or a tool's result does."""
    return any(
        block.get("type") == "image" or (block.get("type") == "tool_result" and _shows_picture(block))
        for block in _dicts(holder.get("content"))
    )


def _dict(value: Json) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Json) -> list[Json]:
    if isinstance(value, Parts):
        return value
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
