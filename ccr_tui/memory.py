"""Bodies read with what came before in mind: known parts are recognised, known beginnings are not even parsed.

Owns the parts and conversations of late. Must never give anything but what the bytes say: a beginning is known only
where its very bytes are, and where cutting it out leaves JSON whose messages begin at the cut. The one surprise: a turn
of a long conversation is mostly compared (0.05 ms for 600 KB) and hardly parsed (which would take 1 ms, and another one
to recognise its messages).
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import TypeAlias

from ccr_tui.records import Json
from ccr_tui.seen import DATA, KINDS, LISTS, History, Part, Parts
from ccr_tui.slim import dataclass
from ccr_tui.wire import DEEPEST, check_depth, dumps, parsed

MEMORY = 4 * 1024 * 1024
"""Bytes that are remembered, some ten long conversations: JSON, which takes as much again as objects, and PART."""
PART = 1000
"""What a message takes however short it is: half of it bare, the rest with what was worked out about it."""
LISTED = 16
"""Lists of tools, and of system blocks, that are remembered; each agent of a session has its own."""
TALKS = 16
"""Conversations whose beginning is remembered; subagents have one each."""
SHORT = 3
"""Messages below which a conversation is not remembered: side questions come and go."""
BLOCK = 16
"""Messages at the beginning of a conversation that are compared at once."""
CHANGES = 4
"""How many messages at the end of a conversation the next turn may have altered: the marks of the cache move there."""
MESSAGES = b'"messages":'
"""Their key. Within a text its quotes would be escaped."""
CUT = token_hex()
"""Stands in for what is known while the rest is parsed. By chance, so that no body can hold it."""
Span = tuple[int, int, bytes]
"""From where to where a body is known, and what stands in for that."""


class Memory:
    """The parts of late, the least recently used forgotten first, and the conversations of late. For one thread."""

    def __init__(self, limit: int = MEMORY) -> None:
        self._limit = limit
        self._size = 0
        self._parts: OrderedDict[bytes, Part] = OrderedDict()
        self._lists = {key: Lists(key) for key in ("tools", "system")}
        self._talks = Talks(limit)

    def read(self, raw: bytes) -> Json:
        """The body that the bytes hold, in parts. Raises ValueError for what is no JSON, or nested too deeply."""
        forms, start = _forms(raw)
        known, body, form = self._cut(raw, forms, start) if forms else ((), parsed(raw), None)
        if not isinstance(body, dict):
            check_depth(body)
            return body
        check_depth({key: value for key, value in body.items() if key not in LISTS or not isinstance(value, list)})
        for key in LISTS:
            if type(body.get(key)) is list:
                body[key] = [self.part(value) for value in body[key]]
        for key, lists in self._lists.items():
            if type(body.get(key)) is list:
                body[key] = lists.same(body[key])
        if known:
            body["messages"] = [*known, *body["messages"][1:]]
        if isinstance(body.get("messages"), list):
            body["messages"] = History(body["messages"])
        self._talks.remember(body.get("messages"), len(known), form)
        return body

    def _cut(self, raw: bytes, forms: Forms, start: int) -> tuple[Sequence[Part], Json, Form]:
        """Messages that the body begins with, the body, in which CUT stands for all of those, and its form.

        Known tools and system blocks are in their places. Raises ValueError for what is no JSON.
        """
        form, known, end = self._found(raw, forms, start)
        talk = start, end, dumps(CUT) + form.comma
        found = {key: at for key, lists in self._lists.items() if (at := lists.find(raw, form, talk)) is not None}
        spans = [at for _, at in found.values()] + ([talk] if known else [])
        if spans and (body := _without(raw, spans)) is not None:
            messages = body.get("messages")
            is_first = isinstance(messages, list) and messages[:1] == [CUT]
            if (is_first or not known) and all(body.get(key) == CUT for key in found):
                return known, {**body, **{key: parts for key, (parts, _) in found.items()}}, form
        return (), parsed(raw), form

    def _found(self, raw: bytes, forms: Forms, start: int) -> tuple[Form, Sequence[Part], int]:
        """The body's form, the messages that it begins with, and where they end."""
        form = forms[bool(forms[True].blank)]  # Python's own writing has blanks and escapes, JavaScript's has neither
        known, end, goes_on = self._talks.longest(raw, start, form)
        if not goes_on and form.is_ascii is not (is_ascii := raw.isascii()):  # which takes as long as comparing all
            form = forms[is_ascii]
            known, end, _ = self._talks.longest(raw, start, form)
        return form, known, end

    def part(self, value: Json) -> Json:
        """The value as a part, the one of before if there was one; what is no object as it is.

        Raises ValueError for what is nested too deeply.
        """
        if type(value) is not dict:
            check_depth(value)
            return value
        data = dumps(value)
        known = self._parts.get(data)
        if known is None:
            if data.count(b"[") + data.count(b"{") > DEEPEST:
                check_depth(value)
            return self._keep(Part(value, data))
        self._parts.move_to_end(data)
        return known

    def _keep(self, part: Part) -> Part:
        self._parts[part.data] = part
        self._size += len(part.data) + PART
        while self._size > self._limit:
            self._size -= len(self._parts.popitem(last=False)[0]) + PART
        return part


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """A way to write JSON: as JavaScript does, and so Claude Code, or with Python's blanks, or its escapes, or both."""

    blank: bytes
    """What stands behind a comma or a colon."""
    is_ascii: bool
    """Whether all other characters are escaped."""

    opening: bytes
    """What stands between the key of the messages and the first one."""
    comma: bytes
    """What stands between two messages."""

    def joined(self, parts: Parts) -> bytes:
        """A list of tools or system blocks."""
        text: bytes | None = parts.found.get(self)
        if text is None:
            text = parts.found[self] = b"[%b]" % self.comma.join(map(self.text, parts))
        return text

    def text(self, part: Part) -> bytes:
        """A message, tool or block."""
        if not self.blank and not (self.is_ascii and not part.data.isascii()):
            return part.data
        text: bytes | None = part.found.get(self)
        if text is None:
            blank = self.blank.decode()
            made = json.dumps(part, ensure_ascii=self.is_ascii, separators=(f",{blank}", f":{blank}"))
            text = part.found[self] = made.encode("utf-8", "surrogatepass")
        return text


Forms: TypeAlias = Mapping[bool, Form]
"""By whether a body is ASCII."""
FORMS: tuple[Forms, ...] = (
    {is_ascii: Form(b"", is_ascii, b"[", b",") for is_ascii in (True, False)},
    {is_ascii: Form(b" ", is_ascii, b" [", b", ") for is_ascii in (True, False)},
)
"""A body in another form is parsed whole."""


class Lists:
    """The lists of late that have stood under one key, the latest last."""

    def __init__(self, key: str) -> None:
        self._key = b'"%b":' % key.encode()
        self._kept: OrderedDict[tuple[int, ...], Parts] = OrderedDict()

    def same(self, values: list[Json]) -> list[Json]:
        """The values as parts, those of before if they are the very same. Whatever is no object keeps them a list."""
        if not all(isinstance(value, Part) for value in values):
            return values
        names = tuple(map(id, values))  # which hold as long as the list does: it keeps its parts
        known = self._kept.get(names)
        if known is None:
            known = self._kept[names] = Parts(values)
            if len(self._kept) > LISTED:
                self._kept.popitem(last=False)
        self._kept.move_to_end(names)
        return known

    def find(self, raw: bytes, form: Form, talk: Span) -> tuple[Parts, Span] | None:
        """A list that stands in the body, not among its known messages, and where; it may be another key's there."""
        key, (start, end, _) = self._key + form.opening, talk
        at = raw.find(key, end)
        if at < 0 and (at := raw.find(key, 0, start)) < 0:
            return None
        at += len(key) - 1
        for names in reversed(self._kept):
            text = form.joined(parts := self._kept[names])
            if raw.startswith(text, at):
                self._kept.move_to_end(names)
                return parts, (at, at + len(text), dumps(CUT))
        return None


class Talk:
    """The messages of one conversation, and its beginning as text in the forms in which it has come."""

    def __init__(self, messages: Sequence[Part], before: Talk | None, known: int) -> None:
        """`known` of the messages are those of the conversation before."""
        self.messages = messages
        self.size: int = _size(messages[known:]) + (before.size - _size(before.messages[known:]) if before else 0)
        kept = before._blocks if before else {}
        self._blocks: dict[Form, list[bytes]] = {form: blocks[: known // BLOCK] for form, blocks in kept.items()}

    def common(self, raw: bytes, start: int, form: Form) -> tuple[int, int]:
        """How many of the messages stand at `start`, each with a comma behind it, and where they end."""
        n, at, comma = 0, start, form.comma
        for block in self._blocks.get(form, ()):
            if not raw.startswith(block, at):
                break
            n, at = n + BLOCK, at + len(block)
        for part in self.messages[n:]:
            text = form.text(part)
            if not raw.startswith(text, at) or not raw.startswith(comma, end := at + len(text)):
                return n, at
            n, at = n + 1, end + len(comma)
        return n, at

    def has_come(self, form: Form) -> None:
        """In this form: what surely stays of it is joined, so that it is compared at once in the next turn."""
        blocks = self._blocks.setdefault(form, [])
        for at in range(len(blocks) * BLOCK, len(self.messages) - CHANGES - BLOCK, BLOCK):
            texts = map(form.text, self.messages[at : at + BLOCK])
            blocks.append(b"".join([piece for text in texts for piece in (text, form.comma)]))


class Talks:
    """The conversations of late, the latest first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: list[Talk] = []

    def longest(self, raw: bytes, start: int, form: Form) -> tuple[Sequence[Part], int, bool]:
        """The most messages of one conversation that stand at `start`, where they end, and whether it goes on there."""
        found = [(*talk.common(raw, start, form), n) for n, talk in enumerate(self._kept)]
        count, end, n = max(found, key=lambda each: each[0], default=(0, start, 0))
        if not count:
            return (), start, False
        self._kept.insert(0, self._kept.pop(n))
        messages = self._kept[0].messages
        return messages[:count], end, count >= len(messages) - CHANGES

    def remember(self, messages: Json, known: int, form: Form | None) -> None:
        """A conversation whose first messages were known: it takes the place of the one that it goes on from."""
        if not isinstance(messages, list) or len(messages) < SHORT or not KINDS.issuperset(map(type, messages)):
            return
        before = self._kept[0] if known else None
        if before and known >= len(before.messages) - CHANGES:
            del self._kept[0]
        self._kept.insert(0, talk := Talk(messages, before, known))
        if form is not None:
            talk.has_come(form)
        while len(self._kept) > TALKS or sum(talk.size for talk in self._kept) > self._limit:
            self._kept.pop()


def _size(messages: Sequence[Part]) -> int:
    return sum(map(len, map(DATA, messages))) + PART * len(messages)


def _forms(raw: bytes) -> tuple[Forms | None, int]:
    """The forms that the body may be in, and where its messages begin; None where no list of them is found."""
    at = raw.find(MESSAGES)
    while at >= 0:
        start = at + len(MESSAGES)
        for forms in FORMS:
            if raw.startswith(opening := forms[True].opening, start):
                return forms, start + len(opening)
        at = raw.find(MESSAGES, start)
    return None, 0


def _without(raw: bytes, spans: list[Span]) -> Json:
    """The body with what stands in for its known places; None if that is no object."""
    pieces, at = [], 0
    for start, end, stand_in in sorted(spans):
        pieces += [raw[at:start], stand_in]
        at = end
    try:
        body = parsed(b"".join([*pieces, raw[at:]]))
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
