"""Answers that must be JSON, from models that put it into a block of Markdown, or where their reasoning belongs.

Owns the taking off of that fence, and the finding of an answer that came as reasoning alone (vLLM with a reasoning
parser that waits for a tag which a model that shall not think never writes, its #19222). Must never take anything else,
nor hold back more than may be a fence. The one surprise: Claude Code asks for a session's title anew with every prompt
as long as what it gets is no JSON (measured, 2.1.330), so either would cost a request each time.
"""

from __future__ import annotations

import re
from typing import Any

from ccr_tui.proxy.reply import ChatReply
from ccr_tui.proxy.sse import loads
from ccr_tui.records import Json

_OPENS = re.compile(r"\s*```[\w+-]*[ \t]*\r?\n")
_MAY_OPEN = re.compile(r"\s*(?:`{1,2}|```[\w+-]{0,20}[ \t]*\r?)?")
_MAY_CLOSE = re.compile(r"\s*(?:`{1,3}\s*)?\Z")
_CLOSES = re.compile(r"\s*```\s*\Z")


class Fence:
    """Text without the fence around the whole of it; push pieces of any size."""

    def __init__(self) -> None:
        self.taken = False
        """Whether there was one."""
        self._held = ""
        self._plain = False

    def feed(self, text: str) -> str:
        """What is certain so far."""
        if self._plain:
            return text
        self._held += text
        if not self.taken and not self._opened():
            return ""
        keep = _MAY_CLOSE.search(self._held) if self.taken else None
        end = keep.start() if keep else len(self._held)
        said, self._held = self._held[:end], self._held[end:]
        return said

    def _opened(self) -> bool:
        """Whether it is known if there is one."""
        if opening := _OPENS.match(self._held):
            self._held, self.taken = self._held[opening.end() :], True
        elif _MAY_OPEN.fullmatch(self._held):
            return False
        else:
            self._plain = True
        return True

    def release(self) -> str:
        """What was held back, but for the fence's end: nothing more of this text comes."""
        rest, self._held = self._held, ""
        self._plain = self._plain or self.taken or bool(rest.strip())
        return _CLOSES.sub("", rest) if self.taken else rest


class BareReply(ChatReply):
    """A chat completion whose text is JSON, without a fence."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._fence = Fence()
        self._spoke = False
        self._thought: list[str] = []

    def _speak(self, text: str, out: list[Json]) -> None:
        self._spoke = self._spoke or not text.isspace()
        super()._speak(self._fence.feed(text), out)

    def _say(self, kind: str, text: str, out: list[Json]) -> None:
        if kind == "thinking":
            self._thought.append(text)
        super()._say(kind, text, out)

    def _end(self, out: list[Json]) -> None:
        self._release_tags(out)
        if not (self._spoke or self._calls.said or self.tool_blocks_out or self._finish.cut):
            fence = Fence()
            answer = fence.feed("".join(self._thought)) + fence.release()
            if is_object(answer):
                super()._speak(answer, out)
                self.notes.append("The answer came as reasoning; being the JSON that was asked for, it is text.")
        super()._end(out)

    def _release_tags(self, out: list[Json]) -> None:
        super()._release_tags(out)
        if rest := self._fence.release():
            super()._speak(rest, out)
            super()._release_tags(out)

    def _note(self) -> None:
        super()._note()
        if self._fence.taken:
            self.notes.append("JSON was asked for: the block of Markdown around it was taken off.")


def is_object(text: str) -> bool:
    """Whether a text is a JSON object and nothing else."""
    try:
        return isinstance(loads(text), dict)
    except ValueError:
        return False
