"""What a request is made of, block by block, in the order in which a prompt cache reads it.

Owns the cut: tools, system, then each message's blocks, for Messages API bodies and for chat completions alike. Must
never raise for odd content, and never change what it was given. The one surprise: what a block weighs is asked of
`tally` with a body that holds nothing else, so that the sum over all blocks is the count of the whole, by construction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from ccr_tui import wire
from ccr_tui.records import Json
from ccr_tui.slim import dataclass
from ccr_tui.tally import PER_MESSAGE, PER_REPLY, Scale, tally

Kind = Literal[
    "tools",
    "system",
    "prompts",
    "reminders",
    "answers",
    "thinking",
    "calls",
    "results",
    "images",
    "documents",
    "framing",
]
KINDS: tuple[Kind, ...] = (
    "tools", "system", "prompts", "reminders", "answers", "thinking", "calls", "results", "images", "documents",
    "framing",
)  # fmt: skip
"""In the order in which they are told. `framing`: roles and separators around messages, and what primes the answer."""

Where = tuple[str | int, ...]
"""A place in a body: keys and indexes from its root."""

REMINDER = "<system-reminder>"
MARK = "cache_control"


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of a request."""

    kind: Kind
    name: str
    """Of a tool, its call or its result; else empty."""
    role: str
    """Of the message that it stands in; empty for tools and the system prompt of a Messages API body."""
    where: Where
    value: Json
    form: Literal["tool", "system", "content", "call", "reasoning", "message"] = "content"
    """How it stands in its message, as far as counting needs to know."""
    leads: bool = False
    """Whether it is the first of a message, or of the system prompt."""

    @property
    def message(self) -> int | None:
        """The index of its message."""
        return self.where[1] if self.where[0] == "messages" and isinstance(self.where[1], int) else None

    @property
    def label(self) -> str:
        """What it is, in a few words. Recorded names are in it: make it harmless."""
        words = {"tools": "tool", "calls": "call of", "results": "result of"}.get(self.kind, "")
        return f"{words} {self.name or '?'}" if words else _SINGLE.get(self.kind, self.kind)


_SINGLE = {
    "prompts": "prompt",
    "reminders": "reminder",
    "answers": "answer",
    "images": "image",
    "documents": "document",
}


def blocks(body: Json) -> list[Block]:
    """The blocks of a body in the order tools, system, messages; none for what is no object."""
    if not isinstance(body, dict):
        return []
    names = _called(_list(body.get("messages")))
    found = [_tool(index, tool) for index, tool in enumerate(_list(body.get("tools")))]
    found += _system(body.get("system"))
    for index, message in enumerate(_list(body.get("messages"))):
        found += _message(index, message, names)
    return found


def settings(body: Json) -> dict[str, Json]:
    """What is no part of the prompt: the model, limits, thinking, and the rest."""
    given = body if isinstance(body, dict) else {}
    return {key: value for key, value in given.items() if key not in ("tools", "system", "messages")}


@dataclass(frozen=True, slots=True)
class Weight:
    """Raw tokens of a block, in the tokenizer's terms."""

    kinds: Mapping[Kind, int]
    """A tool's result may hold pictures."""
    guessed: int
    """The part that no rule was found for."""

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self.kinds.values())


def weigh(block: Block, scale: Scale) -> Weight:
    """What a block weighs by itself."""
    count = tally(_alone(block), scale)
    held = count.images + count.documents
    own = count.total - PER_REPLY - held - (0 if block.form in _BARE else PER_MESSAGE)
    kinds: list[tuple[Kind, int]] = [("images", count.images), ("documents", count.documents)]
    if block.kind in ("images", "documents"):
        kinds = [(block.kind, own + held)]
    else:
        kinds.insert(0, (block.kind, own))
    return Weight({kind: tokens for kind, tokens in kinds if tokens}, count.guessed)


def framing(body: Json) -> int:
    """Raw tokens that no block holds: `framing(body)` and all blocks' weights are `Counter.request(body).total`."""
    messages = [m for m in _list(body.get("messages")) if isinstance(m, dict)] if isinstance(body, dict) else []
    system = bool(body.get("system")) if isinstance(body, dict) else False
    return PER_REPLY + PER_MESSAGE * (len(messages) + system)


def reading(block: Block) -> str:
    """The block's text as a model reads it; JSON where it is no text."""
    value = block.value
    if block.form == "tool" and isinstance(value, dict):
        return _definition(value)
    if block.form == "call" and isinstance(value, dict):
        value = value.get("function")
    if isinstance(value, dict):
        match value:
            case {"type": "thinking", "thinking": str(text)} | {"type": "text", "text": str(text)}:
                return text
            case {"type": "tool_use" | "server_tool_use"}:
                return f"{value.get('name')} {_json(value.get('input'))}"
            case {"name": str(name), "arguments": str(given)}:
                return f"{name} {given}"
            case {"type": str(kind)} if kind.endswith("tool_result"):
                return _content(value.get("content"))
    return _content(value)


def plain(block: Block) -> bytes:
    """The block's JSON without cache marks: equal bytes are the same to every prompt cache."""
    try:
        return block.role.encode("utf-8", "replace") + b" " + wire.dumps(_unmarked(block.value))
    except (RecursionError, ValueError, TypeError):
        return b"nested too deep"


# -- the cut


def _tool(index: int, tool: Json) -> Block:
    given = tool if isinstance(tool, dict) else {}
    inner = given.get("function")
    name = (inner if isinstance(inner, dict) else given).get("name") or given.get("type")
    return Block("tools", str(name), "", ("tools", index), tool, "tool")


def _system(system: Json) -> Iterator[Block]:
    listed = isinstance(system, list)
    for index, value in enumerate(system if listed else [system] if system else []):
        where: Where = ("system", index) if listed else ("system",)
        yield Block("system", "", "", where, value, "system", bool(system) and index == 0)


def _message(index: int, message: Json, names: dict[str, str]) -> Iterator[Block]:
    where: Where = ("messages", index)
    if not isinstance(message, dict):
        yield Block("prompts", "", "", where, message, "message")
        return
    first = True
    for block in _parts(where, message, names):
        yield Block(block.kind, block.name, block.role, block.where, block.value, block.form, first)
        first = False


def _parts(where: Where, message: dict[str, Any], names: dict[str, str]) -> Iterator[Block]:
    role, content = str(message.get("role")), message.get("content")
    if reasoning := message.get("reasoning_content"):
        yield Block("thinking", "", role, (*where, "reasoning_content"), reasoning, "reasoning")
    listed = isinstance(content, list)
    values: list[Any] = _list(content) if listed else [] if content is None else [content]
    for index, value in enumerate(values):
        place: Where = (*where, "content", index) if listed else (*where, "content")
        kind, name = _kind(role, value, names)
        if role == "tool":
            kind, name = "results", names.get(str(message.get("tool_call_id")), "")
        yield Block(kind, name, role, place, value)
    for index, call in enumerate(_list(message.get("tool_calls"))):
        yield Block("calls", _name_of(call), role, (*where, "tool_calls", index), call, "call")


def _kind(role: str, value: Json, names: dict[str, str]) -> tuple[Kind, str]:
    kind = str(value.get("type")) if isinstance(value, dict) else "text"
    if kind.endswith("tool_result"):
        return "results", names.get(str(value.get("tool_use_id")), "")
    if kind.endswith("tool_use"):
        return "calls", str(value.get("name"))
    special = _BY_TYPE.get(kind)
    if special is not None:
        return special, ""
    if role in ("system", "developer"):
        return "system", ""
    if role == "assistant":
        return "answers", ""
    text = value.get("text") if isinstance(value, dict) else value
    return ("reminders" if isinstance(text, str) and text.lstrip().startswith(REMINDER) else "prompts"), ""


_BY_TYPE: dict[str, Kind] = {
    "thinking": "thinking",
    "redacted_thinking": "thinking",
    "image": "images",
    "image_url": "images",
    "document": "documents",
}


def _called(messages: Iterable[Json]) -> dict[str, str]:
    """Names of the tools by the ids of their calls."""
    found: dict[str, str] = {}
    for message in messages:
        if not isinstance(message, dict):
            continue
        for call in (*_list(message.get("content")), *_list(message.get("tool_calls"))):
            if isinstance(call, dict) and "id" in call:
                found[str(call["id"])] = _name_of(call)
    return found


def _name_of(call: Json) -> str:
    given = call if isinstance(call, dict) else {}
    inner = given.get("function")
    return str((inner if isinstance(inner, dict) else given).get("name"))


def _list(value: Json) -> list[Any]:
    return value if isinstance(value, list) else []


# -- weight and text

_BARE = ("tool", "message")
"""Forms that no role and separators surround."""


def _alone(block: Block) -> Json:
    """A body with this block and nothing else."""
    if block.form in ("tool", "system"):
        return {"tools" if block.form == "tool" else "system": [block.value]}
    if block.form == "message":
        return {"messages": [block.value]}
    held = {"content": "content", "call": "tool_calls", "reasoning": "reasoning_content"}[block.form]
    value = block.value if block.form == "reasoning" else [block.value]
    return {"messages": [{"role": block.role, held: value}]}


def _definition(tool: dict[str, Any]) -> str:
    """A tool's name, words and schema, whichever API it stands in."""
    inner = tool.get("function")
    given = inner if isinstance(inner, dict) else tool
    schema = given.get("input_schema", given.get("parameters"))
    return f"{given.get('name', given.get('type'))}\n{given.get('description') or ''}\n{_json(schema)}"


def _content(content: Json) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(_content(part) for part in content)
    if isinstance(content, dict) and isinstance(content.get("text"), str):
        return str(content["text"])
    return "" if content is None else _json(content)


def _json(value: Json) -> str:
    try:
        return wire.dumps(value).decode()
    except (RecursionError, ValueError, TypeError):
        return "… nested too deep to show"


def _unmarked(value: Json) -> Json:
    """Without cache marks, which stand on blocks and on blocks inside a result."""
    if isinstance(value, list):
        return [_unmarked(each) for each in value]
    if not isinstance(value, dict):
        return value
    inner = value.get("content")
    bare = {key: entry for key, entry in value.items() if key != MARK}
    return bare | {"content": _unmarked(inner)} if isinstance(inner, list) else bare
