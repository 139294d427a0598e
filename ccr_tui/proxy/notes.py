"""What translation dropped, merged, clamped or repaired: a sentence each, in the order in which it came up.

Owns the list. Must never hold a secret or a piece of the conversation beyond a name. The one surprise: a sentence that
comes up again is counted, not repeated, so a note's text must not hold what differs from block to block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class Notes:
    """Sentences without a full stop, counted."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def add(self, sentence: str, times: int = 1) -> None:
        self._counts[sentence] = self._counts.get(sentence, 0) + times

    def counts(self) -> dict[str, int]:
        """How often each sentence has come up so far."""
        return dict(self._counts)

    def since(self, counts: Mapping[str, int]) -> Iterator[tuple[str, int]]:
        """What has come up since there were those counts, and how often."""
        for sentence, n in self._counts.items():
            if n > (earlier := counts.get(sentence, 0)):
                yield sentence, n - earlier

    def all(self) -> tuple[str, ...]:
        return tuple(text if n == 1 else f"{text} ({n} times)" for text, n in self._counts.items())


def named(value: object) -> str:
    """A name out of the request, short enough for a note."""
    text = str(value)
    return text if len(text) <= 80 else text[:79] + "…"
