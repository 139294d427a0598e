"""Which blocks of a client's request the translation left out: tools, thinking, pictures, the billing line.

Owns the comparison of a body with what was sent of it. Pure. Must never call something left out that was sent in
another form. The one surprise: tools may have been given other names, so where as many were sent, all of them were.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Literal, NamedTuple

from ccr_tui import anatomy
from ccr_tui.anatomy import Block, Kind, Where
from ccr_tui.records import Json

BILLING = "x-anthropic-billing-header"
"""How the line begins that Claude Code puts before its system prompt."""
PICTURED = ("image", "image_url", "document")
HELD = ("images", "documents")
"""What a result may hold."""


class Sought(NamedTuple):
    """One thing of a request that what was sent may hold or not."""

    form: Literal["tool", "thought", "line", "picture"]
    text: str
    """A tool's words, a thought, a line, a picture's data."""
    own: str | bytes = ""
    """A tool's name; a thought's block."""


def left_out(body: Json, sent: Json) -> Mapping[Where, float]:
    """By place: how much of a block was left out; of a result its pictures alone. Empty where nothing is known."""
    if not isinstance(body, dict) or not isinstance(sent, dict):
        return {}
    if all(body.get(key) == sent.get(key) for key in ("tools", "system", "messages")):
        return {}
    there = There(sent)
    own = anatomy.blocks(body)
    is_all = sum(block.kind == "tools" for block in own) <= there.tools
    found = ((block.where, _share(block, there)) for block in own if not (is_all and block.kind == "tools"))
    return {where: share for where, share in found if share}


def _share(block: Block, there: There) -> float:
    wanted = sought(block)
    return sum(not there.holds(each) for each in wanted) / len(wanted) if wanted else 0.0


def sought(block: Block) -> list[Sought]:
    """What must be in what was sent for the block to be there; nothing for a block that is never left out."""
    if block.kind == "tools":
        return [Sought("tool", _described(block.value), block.name)]
    if block.kind == "thinking":
        return [Sought("thought", anatomy.reading(block).strip(), anatomy.plain(block))]
    if block.kind == "system":
        text = anatomy.reading(block)
        return [Sought("line", text.strip())] if text.startswith(BILLING) else []
    return [Sought("picture", _payload(picture)) for picture in _pictures(block.value)]


def goes_with(kind: Kind, block: Block) -> bool:
    """Whether a block's tokens of this kind are left out with it: a result's text stays where its pictures go."""
    return kind == block.kind != "results" or kind in HELD


class There:
    """What was sent, or one tool, system block or message of it."""

    def __init__(self, sent: Mapping[str, Any]) -> None:
        self._prompt = [sent.get("system"), sent.get("messages")]
        blocks = anatomy.blocks(sent)
        tools = [block for block in blocks if block.kind == "tools"]
        self.tools = len(tools)
        """How many tools."""
        self.thoughts = {anatomy.plain(block) for block in blocks if block.kind == "thinking"}
        self._names = {block.name for block in tools}
        self._words = {_described(block.value) for block in tools} - {""}

    def holds(self, sought: Sought) -> bool:
        """A tool by its name or its words; a thought as it was or as text; a picture or document by its data."""
        form, text, own = sought
        if form == "tool":
            return own in self._names or text in self._words
        if form == "thought":
            return own in self.thoughts or (bool(text) and text in self._text)
        if form == "line":
            return text in self._text
        return not text or _data(text) in self._given or text.strip() in self._text

    @cached_property
    def words(self) -> set[str]:
        """Those that white space surrounds, and others."""
        return set(self._text.split())

    @cached_property
    def _text(self) -> str:
        """All of it that is no data."""
        return "\0".join(text for text in self._all if not text.startswith("data:"))

    @cached_property
    def _given(self) -> set[str]:
        return {_data(text) for text in self._all}

    @cached_property
    def _all(self) -> list[str]:
        return list(_strings(self._prompt))


class Search:
    """Many things to be looked for in each of many parts of what was sent, most of which hold none of them."""

    def __init__(self, wanted: Iterable[Sought]) -> None:
        self._own: dict[str | bytes, list[Sought]] = {}
        self._by_word: dict[str, list[Sought]] = {}
        self._always: list[Sought] = []
        for each in dict.fromkeys(wanted):
            self._file(each)

    def _file(self, sought: Sought) -> None:
        """A text is looked for where its longest inner word is: white space surrounds it there too."""
        inner = sought.text.split()[1:-1]
        if sought.form == "tool" or not inner:
            self._always.append(sought)
            return
        self._by_word.setdefault(max(inner, key=len), []).append(sought)
        if sought.form == "thought":
            self._own.setdefault(sought.own, []).append(sought)

    def __bool__(self) -> bool:
        return bool(self._always or self._by_word)

    def find(self, there: There) -> tuple[Sought, ...]:
        """What of all this is there."""
        near = dict.fromkeys(self._always)
        for word in self._by_word.keys() & there.words:
            near.update(dict.fromkeys(self._by_word[word]))
        for own in self._own.keys() & there.thoughts:
            near.update(dict.fromkeys(self._own[own]))
        return tuple(each for each in near if there.holds(each))


def _payload(picture: Json) -> str:
    """The longest of its texts that is no label."""
    payloads = [text for text in _strings(picture) if text not in ("base64", "url", "text") and len(text) > 1]
    return max(payloads, key=len, default="")


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
