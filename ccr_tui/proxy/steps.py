"""Steps of a conversation that were translated before, found again in the next turn.

Owns `Step`, what an assistant's messages and the words that followed became for one model, and `Past`, the steps of a
conversation. Must never take one step for another: it holds only where every step before it is the very same too, and
the model and its tools are. The one surprise: steps stay with the history that they were made of and are forgotten with
it; left with its messages, they once kept whole conversations in memory (1.3 MB for each request of 300 KB).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    calls: tuple[tuple[str, str], ...]
    """Id and name of each tool call: they take up ids and names, which later ones must not have."""
    notes: tuple[tuple[str, int], ...]
    """What was noted about it, and how often."""


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
        self._steps: list[Step] = []
        self._known = self._recall()
        self._is_whole = True

    def _recall(self) -> Sequence[Step]:
        kept = None if self._history is None else self._history.recall((Past, id(self._facts)))
        if kept is None:
            return ()
        facts, start, steps = kept
        return steps if facts is self._facts and start == self._start else ()

    def beginning(self) -> tuple[Sequence[Step], int]:
        """The steps that surely hold, taken as they are, and how many messages they are of.

        The turn before had these very messages, and the one behind them, so that none of these steps can have grown.
        """
        history, count = self._history, 0
        if history is None:
            return (), 0
        for step in self._known:
            end = count + len(step.asked)
            if end >= history.known or not all(map(is_, step.asked, history[count:end])):
                break
            self._steps.append(step)
            count = end
        return self._steps[:], count

    def next(self, asked: Sequence[Json]) -> Step | None:
        """What these very messages became at this place, if that is known."""
        at = len(self._steps)
        if at < len(self._known) and self._is_whole:
            step = self._known[at]
            if len(step.asked) == len(asked) and all(map(is_, step.asked, asked)):
                self._steps.append(step)
                return step
        self._known = ()
        return None

    def may_add(self, asked: Sequence[Json]) -> bool:
        """Whether what is made of these messages may be taken over by the next turn."""
        self._is_whole &= self._history is not None and all(isinstance(message, Part) for message in asked)
        return self._is_whole

    def add(self, step: Step) -> None:
        """The next one, which was made just now."""
        self._steps.append(step)

    def keep(self) -> None:
        """Leave the steps to the next turn."""
        if self._history is not None:
            self._history.keep((Past, id(self._facts)), (self._facts, self._start, self._steps))


def calls_in(messages: Sequence[Json]) -> Iterator[tuple[str, str]]:
    """Id and name of every tool call, in order."""
    for message in messages:
        if message["role"] == "assistant" and isinstance(message["content"], list):
            yield from ((block["id"], block["name"]) for block in message["content"] if block["type"] == "tool_use")
