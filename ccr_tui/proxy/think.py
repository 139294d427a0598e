"""Inline reasoning: `<think>...</think>` at the start of an answer, told apart from what is said.

Owns the search for the tags, whatever way the network cuts them. Must never take a tag in the middle of an answer for
reasoning: people ask models to write about such tags. The one surprise: some templates (R1, Qwen's thinking models) put
the opening tag into the prompt, so that an answer has only the closing one; what came before it has then been sent as
text already and stays text, unless the model is known to start inside (`inside=True`).
"""

from __future__ import annotations

from typing import Literal

Said = tuple[Literal["thinking", "text"], str]

PAIRS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",
}
"""Qwen, DeepSeek, MiniMax; prompts of old; Gemma; Seed-OSS; Magistral."""


class ThinkTags:
    """Push text, get (kind, text) pairs. With `known`, every pair of tags counts and a lone closing tag is taken out;
    without, only a leading `<think>` counts: any server may run such a model without its reasoning parser."""

    def __init__(self, known: bool = False, inside: bool = False) -> None:
        self.orphans = 0
        """Closing tags that nothing opened."""
        self.plain = False
        """True when nothing is left to look for, so that callers may skip feed()."""
        self._known = known
        self._pairs = PAIRS if known else {"<think>": "</think>"}
        self._held = ""
        self._closer = "</think>" if inside else ""
        self._state: Literal["lead", "inside", "after", "watch"] = "inside" if inside else "lead"

    def feed(self, text: str) -> list[Said]:
        """What is certain so far."""
        said: list[Said] = []
        self._held += text
        while self._held and not self.plain and getattr(self, f"_{self._state}")(said):
            pass
        if self.plain and self._held:
            said.append(("text", self._held))
            self._held = ""
        return said

    def release(self) -> list[Said]:
        """What was held back: something else follows, so it was no tag after all."""
        rest, self._held = self._held, ""
        if not rest:
            return []
        if self._state == "lead":
            self._say()
        return [("thinking" if self._state == "inside" else "text", rest)]

    def _lead(self, said: list[Said]) -> bool:
        """Nothing but white space has come yet. True when the state changed and the rest wants another look."""
        text = self._held.lstrip()
        for opener, closer in self._pairs.items():
            if text.startswith(opener):
                self._held, self._closer, self._state = text[len(opener) :], closer, "inside"
                return True
        if any(opener.startswith(text) for opener in self._pairs):
            return False
        self._say()
        return True

    def _inside(self, said: list[Said]) -> bool:
        before, closer, after = self._held.partition(self._closer)
        if closer:
            self._held, self._state = after, "after"
        else:
            keep = _overlap(before, self._closer)
            before, self._held = before[: len(before) - keep], before[len(before) - keep :]
        if before:
            said.append(("thinking", before))
        return bool(closer)

    def _after(self, said: list[Said]) -> bool:
        """White space after the closing tag belongs to the template."""
        self._held = self._held.lstrip()
        if self._held:
            self._say()
        return bool(self._held)

    def _say(self) -> None:
        self._closer = "</think>"
        self._state, self.plain = "watch", not self._known

    def _watch(self, said: list[Said]) -> bool:
        before, closer, after = self._held.partition(self._closer)
        if closer:
            self.orphans += 1
            self._held = after
        else:
            keep = _overlap(before, self._closer)
            before, self._held = before[: len(before) - keep], before[len(before) - keep :]
        if before:
            said.append(("text", before))
        return bool(closer)


def _overlap(text: str, tag: str) -> int:
    """How many of the last characters of `text` might be the start of `tag`."""
    for size in range(min(len(tag) - 1, len(text)), 0, -1):
        if text.endswith(tag[:size]):
            return size
    return 0
