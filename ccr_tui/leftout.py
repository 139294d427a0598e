"""Which blocks of a client's request the translation left out: tools, thinking, pictures, the billing line.

Owns the comparison of a body with what was sent of it. Pure. Must never call something left out that was sent in
another form. The one surprise: tools may have been given other names, so where as many were sent, all of them were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from ccr_tui import anatomy
from ccr_tui.anatomy import Block, Where
from ccr_tui.records import Json

BILLING = "x-anthropic-billing-header"
"""How the line begins that Claude Code puts before its system prompt."""
PICTURED = ("image", "image_url", "document")


def left_out(body: Json, sent: Json) -> Mapping[Where, float]:
    """By place: how much of a block was left out; of a result its pictures alone. Empty where nothing is known."""
    if not isinstance(body, dict) or not isinstance(sent, dict):
        return {}
    if all(body.get(key) == sent.get(key) for key in ("tools", "system", "messages")):
        return {}
    there = _There(sent)
    own = anatomy.blocks(body)
    is_all = sum(block.kind == "tools" for block in own) <= len(there.tools)
    found = ((block.where, _share(block, there, is_all)) for block in own)
    return {where: share for where, share in found if share}


def _share(block: Block, there: _There, is_all: bool) -> float:
    if block.kind == "tools":
        return float(not is_all and not there.has_tool(block))
    if block.kind == "thinking":
        text = anatomy.reading(block).strip()
        return float(anatomy.plain(block) not in there.thoughts and (not text or text not in there.text))
    if block.kind == "system":
        text = anatomy.reading(block)
        return float(text.startswith(BILLING) and text.strip() not in there.text)
    pictures = list(_pictures(block.value))
    missing = sum(not there.has(picture) for picture in pictures)
    return missing / len(pictures) if pictures else 0.0


class _There:
    """What was sent."""

    def __init__(self, sent: Mapping[str, Any]) -> None:
        self._prompt = [sent.get("system"), sent.get("messages")]
        blocks = anatomy.blocks(sent)
        self.tools = [block for block in blocks if block.kind == "tools"]
        self.thoughts = {anatomy.plain(block) for block in blocks if block.kind == "thinking"}
        self._names = {block.name for block in self.tools}
        self._words = {_described(block.value) for block in self.tools} - {""}

    def has_tool(self, tool: Block) -> bool:
        """By its name or by its words."""
        return tool.name in self._names or _described(tool.value) in self._words

    def has(self, value: Json) -> bool:
        """A picture or document, by its data."""
        payloads = [text for text in _strings(value) if text not in ("base64", "url", "text") and len(text) > 1]
        longest = max(payloads, key=len, default="")
        return not longest or _data(longest) in self._given or longest.strip() in self.text

    @cached_property
    def text(self) -> str:
        """All of it that is no data."""
        return "\0".join(text for text in self._all if not text.startswith("data:"))

    @cached_property
    def _given(self) -> set[str]:
        return {_data(text) for text in self._all}

    @cached_property
    def _all(self) -> list[str]:
        return list(_strings(self._prompt))


def _pictures(value: Json) -> Iterator[Json]:
    """The pictures and documents of a block, those in a result too."""
    if not isinstance(value, dict):
        return
    if value.get("type") in PICTURED:
        yield value.get("source") or value.get("image_url")
    elif isinstance(inner := value.get("content"), list):
        for each in inner:
            yield from _pictures(each)


def _strings(value: Json) -> Iterator[str]:
    """All texts inside, at any depth, keys apart."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            left.extend(each.values())
        elif isinstance(each, list):
            left.extend(each)


def _data(text: str) -> str:
    return text.partition("base64,")[2] or text if text.startswith("data:") else text


def _described(tool: Json) -> str:
    given = tool if isinstance(tool, dict) else {}
    inner = given.get("function")
    return str((inner if isinstance(inner, dict) else given).get("description") or "")
