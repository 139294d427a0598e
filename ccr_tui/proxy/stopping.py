"""Stop sequences that the provider does not take, watched for in what it says.

Owns the search, whatever way the network cuts the text. Must never say a piece of a stop sequence. The one surprise:
the end of a text may be the beginning of a sequence, so a few characters wait until the next ones come.
"""

from __future__ import annotations

from collections.abc import Sequence


class Stops:
    """Push text, get what may be said. `met` is the sequence that came, after which nothing more may be said."""

    def __init__(self, sequences: Sequence[str]) -> None:
        self.met: str | None = None
        self._sequences = sequences
        self._held = ""

    def feed(self, text: str) -> str:
        """What of it may be said."""
        text, self._held = self._held + text, ""
        found = [(at, sequence) for sequence in self._sequences if (at := text.find(sequence)) >= 0]
        if found:
            at, self.met = min(found)
            return text[:at]
        keep = max((_begun(text, sequence) for sequence in self._sequences), default=0)
        cut = len(text) - keep
        self._held = text[cut:]
        return text[:cut]

    def release(self) -> str:
        """What waited: something else follows, or nothing."""
        rest, self._held = self._held, ""
        return rest


def _begun(text: str, sequence: str) -> int:
    """How many of the last characters of `text` the sequence begins with."""
    for size in range(min(len(sequence) - 1, len(text)), 0, -1):
        if text.endswith(sequence[:size]):
            return size
    return 0
