"""Steps of a conversation that were translated before, found again in the next turn.

Owns `Step`, what an assistant's messages and the words that followed became for one model, and `Past`, the steps of a
conversation. Must never take one step for another: it holds only where every step before it is the very same too, and
the model and its tools are. The one surprise: steps stay with the history that they were made of and are forgotten with
it; left with its messages, they once kept whole conversations in memory (1.3 MB for each request of 300 KB).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import field
from itertools import groupby
from operator import is_

from ccr_tui.proxy.quirks import Facts
from ccr_tui.records import Json
from ccr_tui.seen import History, Part
from ccr_tui.slim import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One exchange in both forms."""

    asked: tuple[Part, ...]
    """The client's messages."""
    sent: tuple[Part, ...]
    """The chat messages that were made of them."""
    ids: tuple[str, ...]
    """Those that its tool calls were given: later ones must not have them."""
    names: tuple[str, ...]
    """Of the tools that it called, which have their names upstream by now."""
    notes: tuple[tuple[str, int], ...]
    """What was noted about it, and how often."""


@dataclass(slots=True, eq=False)
class Trail:
    """Steps in a row, and what they come to: a long conversation is taken over in one piece, not step by step."""

    steps: list[Step] = field(default_factory=list)
    sent: list[Part] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    notes: list[tuple[str, int]] = field(default_factory=list)
    ends: list[tuple[int, ...]] = field(default_factory=list)
    """After each step: how many of the client's messages, and of each of the lists above, there are."""

    def add(self, step: Step) -> None:
        """One more."""
        self.steps.append(step)
        self.sent += step.sent
        self.ids += step.ids
        self.names += step.names
        self.notes += step.notes
        asked = (self.ends[-1][0] if self.ends else 0) + len(step.asked)
        self.ends.append((asked, len(self.sent), len(self.ids), len(self.names), len(self.notes)))

    def before(self, message: int) -> Trail:
        """The steps that end before this message."""
        n = bisect_left(self.ends, (message,))
        if not n:
            return Trail()
        _, sent, ids, names, notes = self.ends[n - 1]
        return Trail(
            self.steps[:n], self.sent[:sent], self.ids[:ids], self.names[:names], self.notes[:notes], self.ends[:n]
        )


def steps_of(messages: Sequence[Json]) -> Iterator[tuple[list[Json], list[Json]]]:
    """The messages cut into exchanges: the assistant's, and everything up to his next; the first has none of his."""
    assistants: list[Json] = []
    for is_assistant, group in groupby(messages, key=lambda message: message["role"] == "assistant"):
        if is_assistant:
            assistants = list(group)
        else:
            yield assistants, list(group)
            assistants = []
    if assistants:
        yield assistants, []


class Past:
    """The steps of one translation: first those of the turn before, as far as they hold, and then new ones."""

    def __init__(self, messages: Sequence[Json], facts: Facts, start: object) -> None:
        """`start` is what the whole conversation begins with; None where nothing may be taken over."""
        self._history = messages if isinstance(messages, History) and start is not None else None
        self._facts, self._start = facts, start
        self._trail = Trail()
        self._known: Sequence[Step] = ()
        self._is_whole = True

    def beginning(self) -> tuple[Trail, int]:
        """The steps that surely hold, and how many messages they are of.

        The turn before had these very messages (`History.known`), and the one behind them, so that none of these steps
        can have grown.
        """
        history = self._history
        kept = None if history is None else history.recall((Past, id(self._facts)))
        if history is None or kept is None or kept[0] is not self._facts or kept[1] != self._start:
            return self._trail, 0
        self._known = kept[2].steps
        self._trail = kept[2].before(history.known)
        return self._trail, self._trail.ends[-1][0] if self._trail.ends else 0

    def next(self, asked: Sequence[Json]) -> Step | None:
        """What these very messages became at this place, if that is known."""
        at = len(self._trail.steps)
        if at < len(self._known) and self._is_whole:
            step = self._known[at]
            if len(step.asked) == len(asked) and all(map(is_, step.asked, asked)):
                self._trail.add(step)
                return step
        self._known = ()
        return None

    def may_add(self, asked: Sequence[Json]) -> bool:
        """Whether what is made of these messages may be taken over by the next turn."""
        self._is_whole &= self._history is not None and all(isinstance(message, Part) for message in asked)
        return self._is_whole

    def add(self, step: Step) -> None:
        """The next one, which was made just now."""
        self._trail.add(step)

    def keep(self) -> None:
        """Leave the steps to the next turn."""
        if self._history is not None:
            self._history.keep((Past, id(self._facts)), (self._facts, self._start, self._trail))


def names_in(messages: Sequence[Json]) -> Iterator[str]:
    """The name of every tool call, in order."""
    for message in messages:
        if message["role"] == "assistant" and isinstance(message["content"], list):
            yield from (block["name"] for block in message["content"] if block["type"] == "tool_use")
