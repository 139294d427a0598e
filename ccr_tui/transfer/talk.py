"""A conversation with a model, put together from the lines of Claude Code's transcript.

Owns which messages stood before an answer, and in which order. Must never do I/O. The one surprise: messages are shared
between the bodies of a session, so that a session of a thousand turns costs what was said, not its square.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

from ccr_tui.records import Json
from ccr_tui.seen import Part
from ccr_tui.slim import dataclass
from ccr_tui.transfer.transcript import Call, Key, Line, Story, blocks_of
from ccr_tui.wire import dumps

TOLD = 16
"""Conversations that are remembered whole: the latest, some subagents' among them."""


@dataclass(slots=True)
class Talk:
    """What was said in one file, to and by the models."""

    story: Story
    _told: dict[Key, list[Part]] = field(default_factory=dict)
    _walked: dict[Key, tuple[Call | None, list[Line]]] = field(default_factory=dict)
    _heard: dict[Key, tuple[Part, ...]] = field(default_factory=dict)
    _said: dict[Key, Part] = field(default_factory=dict)

    def messages(self, call: Call) -> list[Part]:
        """What the model was sent, oldest first. Costs what was added, where the call before it was told just now."""
        chain, known = self._chain(call)
        messages = list(known)
        for earlier, later in zip((None, *chain), chain, strict=False):
            if earlier is not None:
                messages.append(self.message(earlier))
            messages += self.news(later)
        self._told[call.key] = messages
        while len(self._told) > TOLD:
            del self._told[next(iter(self._told))]
        return messages

    def _chain(self, call: Call) -> tuple[list[Call], list[Part]]:
        """The calls of the conversation up to this one, from the first whose messages are not known; and what is known.

        What is known ends with the answer before the first of them.
        """
        chain: list[Call] = []
        seen: set[Key] = set()
        at: Call | None = call
        while at is not None and at.key not in seen:
            known = self._told.get(at.key) if chain else None
            if known is not None:
                return chain[::-1], [*known, self.message(at)]
            seen.add(at.key)
            chain.append(at)
            at, _ = self.walk(at)
        return chain[::-1], []

    def news(self, call: Call) -> tuple[Part, ...]:
        """What was said to the model since its answer before."""
        known = self._heard.get(call.key)
        if known is None:
            earlier, lines = self.walk(call)
            blocks = [*(self._results(earlier, call) if earlier else ()), *_blocks(lines, earlier)]
            known = (part_of({"role": "user", "content": _content(lines, blocks)}),) if blocks else ()
            self._heard[call.key] = known
        return known

    def walk(self, call: Call) -> tuple[Call | None, list[Line]]:
        """Up the chain of parents to the answer before; the user's lines on the way, oldest first."""
        known = self._walked.get(call.key)
        if known is None:
            known = self._walked[call.key] = _walk(self.story, call)
        return known

    def _results(self, earlier: Call, call: Call) -> list[Json]:
        """What the tools of the answer before gave back, wherever the lines hang.

        In the order of the lines, which is that in which the tools were done, and in which the client sends them (seen
        with 2.1.330 and a first tool that takes a second longer than the one beside it).
        """
        used = set(tools_of(earlier))
        lines = {line.uuid: line for one in used if (line := self.story.results.get(one)) is not None}
        return [
            block
            for line in sorted(lines.values(), key=lambda line: line.end)
            if line.at <= call.first.at
            for block in blocks_of(line.message.get("content"))
            if block.get("tool_use_id") in used
        ]

    def message(self, call: Call) -> Part:
        known = self._said.get(call.key)
        if known is None:
            known = self._said[call.key] = part_of({"role": "assistant", "content": spoken(call)})
        return known


def _walk(story: Story, call: Call) -> tuple[Call | None, list[Line]]:
    lines: list[Line] = []
    at, seen = call.first.parent, {call.first.uuid}
    while at is not None and at not in seen and (line := story.lines.get(at)) is not None:
        seen.add(at)
        earlier = story.calls.get(line.key) if line.kind == "assistant" else None
        if earlier is not None and earlier is not call:
            return earlier, lines[::-1]
        lines.append(line)
        at = line.parent
    return None, lines[::-1]


def tools_of(call: Call) -> list[str]:
    return [str(block.get("id")) for block in spoken(call) if block.get("type") == "tool_use"]


def spoken(call: Call) -> list[dict[str, Any]]:
    """All blocks of an answer. A line that was written twice says nothing twice."""
    lines = {line.uuid: line for line in call.lines}.values()
    return [block for line in lines for block in blocks_of(line.message.get("content"))]


def _blocks(lines: list[Line], earlier: Call | None) -> list[Json]:
    """What the user's lines say beside the results of tools, which are collected apart."""
    done = set(tools_of(earlier)) if earlier else set()
    return [
        block
        for line in lines
        for block in blocks_of(_words(line))
        if not (block.get("type") == "tool_result" and block.get("tool_use_id") in done)
    ]


def _words(line: Line) -> Json:
    if line.kind == "user" and not line.given.get("isVisibleInTranscriptOnly"):
        return line.message.get("content")
    note = line.given.get("attachment")
    if isinstance(note, dict) and note.get("type") == "queued_command":
        return note.get("prompt")
    return None


def _content(lines: list[Line], blocks: list[Json]) -> Json:
    """A prompt that was a plain string stays one."""
    spoken = [said for line in lines if (said := _words(line))]
    return spoken[0] if len(spoken) == len(blocks) == 1 and isinstance(spoken[0], str) else blocks


def part_of(message: dict[str, Any]) -> Part:
    return Part(message, dumps(message))
