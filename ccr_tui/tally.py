"""What a request is made of, as far as its size goes: the walk over a body that counts its parts.

Owns which parts of a body a model reads, and what surrounds them. Must never know a tokenizer (it is given one), and
never raise: what it does not know is counted as its JSON. The one surprise: counting the JSON text of the whole body
instead is 19 % too much (escapes, keys), so text is counted as text and only tools and arguments as JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, Protocol

from ccr_tui import media, wire
from ccr_tui.compacted import since
from ccr_tui.records import Json
from ccr_tui.seen import KEEPERS, LISTS, History, Part, Parts
from ccr_tui.slim import dataclass

PER_MESSAGE = 4
"""Role and separators. OpenAI's cookbook says 3 and the role; Qwen's template has <|im_start|>, role, newline,
<|im_end|>, newline."""
PER_REPLY = 3
"""What primes the answer (OpenAI's cookbook)."""
PER_TOOL = 10
"""{"type": "function", "function": ...} around a tool's definition, as Qwen's template writes it (counted)."""
PER_CALL = 10
"""<tool_call> {"name": ..., "arguments": ...} </tool_call>, and much the same around a result (Qwen's, counted)."""


@dataclass(frozen=True, slots=True)
class Count:
    """Raw tokens of a request, in the tokenizer's terms. `total` is the sum of the parts and what primes the answer."""

    total: int
    system: int = 0
    """System prompt, wherever it stands."""
    tools: int = 0
    messages: int = 0
    """Text, calls and results of the conversation."""
    images: int = 0
    documents: int = 0
    guessed: int = 0
    """The part of `total` that no rule was found for: pictures of unknown size, PDFs, text that was refused."""

    @property
    def teaches(self) -> bool:
        """Whether a calibration may learn from it: nearly all of it is text."""
        return (self.images + self.documents + self.guessed) * 10 <= self.total


class Scale(Protocol):
    """What weighs the parts."""

    def weigh(self, text: str) -> tuple[int, int]:
        """A text's tokens, and how many of them are guessed."""

    def pages(self, data: str) -> int | None:
        """Pages of a base64 PDF; None if they can't be counted."""


def tally(body: Json, scale: Scale, *, thinking: bool = True) -> Count:
    """Counts a Messages API body, or one of chat completions. `thinking=False` leaves out earlier reasoning.

    A body that is nested too deeply for Python is counted up to there, and all of it is a guess.
    """
    walk = _Walk(scale, thinking)
    try:
        walk.body(body if isinstance(body, dict) else {})
    except RecursionError:
        walk.guessed = sum(walk.parts.values()) + PER_REPLY
    return Count(total=sum(walk.parts.values()) + PER_REPLY, guessed=walk.guessed, **walk.parts)


def uncounted(body: Json, scale: Scale) -> float:
    """Bytes of the body that were not weighed on this scale before; endless where that can't be told."""
    if not isinstance(body, dict):
        return 0
    names = [(key, (scale, True, key)) for key in LISTS]
    values = [(value, name) for key, name in names for value in _new(body.get(key), name)]
    return sum([_bytes(value) for value, name in values if not (isinstance(value, Part) and name in value.found)])


def _new(value: Json, key: tuple[Any, ...]) -> list[Any]:
    if isinstance(value, History):
        return value.news(key[:2])
    return [] if isinstance(value, Parts) and key in value.found else _elements(value)


def _elements(value: Json) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _bytes(value: Json) -> float:
    return len(value.data) if isinstance(value, Part) else len(value) if isinstance(value, str) else inf


NOTHING: tuple[int, ...] = (0,) * 6
"""Five parts and the guess, before anything is counted."""


class _Walk:
    def __init__(self, scale: Scale, thinking: bool) -> None:
        self._scale = scale
        self._thinking = thinking
        self.parts = {"system": 0, "tools": 0, "messages": 0, "images": 0, "documents": 0}
        self.guessed = 0

    def body(self, body: dict[str, Any]) -> None:
        system = body.get("system")
        if system:
            self.parts["system"] += PER_MESSAGE
            self.once("system", system, self.systems)
        self.once("tools", _list(body.get("tools")), self.tools)
        messages = since(body.get("messages"))
        if isinstance(messages, History):
            self.add([messages.latest((self._scale, self._thinking), NOTHING, self.sum)])
        else:
            for message in _list(messages):
                self.once("messages", message, self.message)

    def sum(self, before: tuple[int, ...], message: Any) -> tuple[int, ...]:
        """What the messages so far count for: the parts and the guess."""
        walk = _Walk(self._scale, self._thinking)
        walk.add([before])
        walk.once("messages", message, walk.message)
        return (*walk.parts.values(), walk.guessed)

    def add(self, sums: list[tuple[int, ...]]) -> None:
        for *parts, guessed in sums:
            self.parts = {part: n + more for (part, n), more in zip(self.parts.items(), parts, strict=True)}
            self.guessed += guessed

    def once(self, key: str, value: Any, count: Callable[[Any], None]) -> None:
        """What a part counts for stays with it, and what a list of parts does."""
        if type(value) not in KEEPERS:
            return count(value)
        name = (self._scale, self._thinking, key)
        known = value.found.get(name)
        if known is None:
            before, guessed = dict(self.parts), self.guessed
            count(value)
            grown = [(part, n - before[part]) for part, n in self.parts.items() if n > before[part]]
            value.found[name] = grown, self.guessed - guessed
            return None
        for part, n in known[0]:
            self.parts[part] += n
        self.guessed += known[1]

    def systems(self, system: Any) -> None:
        for block in _elements(system):
            self.once("system", block, self.system)

    def system(self, block: Any) -> None:
        self.block("system", block)

    def tools(self, tools: list[Any]) -> None:
        for tool in tools:
            self.once("tools", tool, self.tool)

    def tool(self, tool: Any) -> None:
        self.parts["tools"] += PER_TOOL
        self.json("tools", _definition(tool))

    def message(self, message: Any) -> None:
        if not isinstance(message, dict):
            return self.json("messages", message)
        part = "system" if message.get("role") in ("system", "developer") else "messages"
        self.parts[part] += PER_MESSAGE
        self.content(part, message.get("content"))
        for call in _list(message.get("tool_calls")):
            self.parts[part] += PER_CALL
            self.json(part, call.get("function") if isinstance(call, dict) else call)
        if self._thinking:
            self.content(part, message.get("reasoning_content"))

    def content(self, part: str, content: Any) -> None:
        """A string, blocks, or whatever else stands there."""
        if isinstance(content, list):
            for block in content:
                self.block(part, block)
        else:
            self.block(part, content)

    def block(self, part: str, block: Any) -> None:
        match block:
            case None | {"type": "redacted_thinking"}:
                pass
            case {"type": "text", "text": str(text)} | str(text):
                self.text(part, text)
            case {"type": "thinking", "thinking": str(text)}:
                self.text(part, text if self._thinking else "")
            case {"type": "tool_use" | "server_tool_use", "name": str(name)}:
                self.parts[part] += PER_CALL
                self.text(part, name)
                self.json(part, block.get("input"))
            case {"type": "tool_result"}:
                self.parts[part] += PER_CALL
                self.content(part, block.get("content"))
            case {"type": "image", "source": source} | {"type": "image_url", "image_url": source}:
                self.image(source)
            case {"type": "document", "source": source}:
                self.content(part, [block.get("title"), block.get("context")])
                self.document(source)
            case _:
                self.json(part, _unmarked(block, 1))

    def text(self, part: str, text: str) -> None:
        tokens, guessed = self._scale.weigh(text)
        self.parts[part] += tokens
        self.guessed += guessed

    def json(self, part: str, value: Any) -> None:
        self.text(part, wire.dumps(value).decode())

    def image(self, source: Any) -> None:
        tokens = media.image_tokens(_base64(source))
        self.parts["images"] += tokens or media.IMAGE_TOKENS_MAX
        self.guessed += 0 if tokens else media.IMAGE_TOKENS_MAX

    def document(self, source: Any) -> None:
        match source:
            case {"type": "text", "data": str(text)}:
                self.text("documents", text)
            case {"type": "content", "content": content}:
                self.content("documents", content)
            case _:
                tokens = (self._scale.pages(_base64(source)) or 1) * media.PAGE_TOKENS
                self.parts["documents"] += tokens
                self.guessed += tokens


def _definition(tool: Any) -> Any:
    """What a model reads of a tool: not its cache mark, not its loading hints."""
    if isinstance(tool, dict) and "input_schema" in tool:
        return {key: tool[key] for key in ("name", "description", "input_schema") if key in tool}
    return _unmarked(tool, 2)


def _unmarked(value: Any, within: int) -> Any:
    """No model reads a cache mark. `within`: how far into contents they are looked for, which is as far as those go
    that the store lifts out (`cutting.py`): what is stored and what was sent count for the same."""
    if not isinstance(value, dict):
        return value
    bare = {key: entry for key, entry in value.items() if key != "cache_control"}
    if within and isinstance(content := bare.get("content"), list):
        bare["content"] = [_unmarked(each, within - 1) for each in content]
    return bare


def _base64(source: Any) -> str:
    """The data of a picture or document; empty where there is only a link."""
    match source:
        case {"data": str(data)}:
            return data
        case {"url": str(url)} if url.startswith("data:"):
            return url.partition(",")[2]
    return ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
