"""Answers that must be JSON, from models that put it into a block of Markdown.

Owns the taking off of that fence. Must never take anything else, nor hold back more than may be a fence. The one
surprise: Claude Code asks for a session's title anew with every prompt as long as what it gets is no JSON (measured,
2.1.330), so a model that can't be held to a schema would cost a request each time.
"""

from __future__ import annotations

import re
from typing import Any

from ccr_tui.proxy.reply import ChatReply
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

    def _speak(self, text: str, out: list[Json]) -> None:
        super()._speak(self._fence.feed(text), out)

    def _release_tags(self, out: list[Json]) -> None:
        super()._release_tags(out)
        if rest := self._fence.release():
            super()._speak(rest, out)
            super()._release_tags(out)

    def _note(self) -> None:
        super()._note()
        if self._fence.taken:
            self.notes.append("JSON was asked for: the block of Markdown around it was taken off.")
