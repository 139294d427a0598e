"""Steps of a conversation that were translated before, found again in the next turn.

Owns `Step`: what an assistant's messages and the words that followed became for one model. Must never be taken for
another: it holds only where every step before it is the very same too, and the model and its tools are. The one
surprise: a step hangs on the last message that it was made of, so it is forgotten together with that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import is_

from ccr_tui.proxy.quirks import Facts
from ccr_tui.records import Json
from ccr_tui.seen import Part


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One exchange in both forms."""

    before: object
    """The step before it, or what the whole conversation begins with."""
    facts: Facts
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


def find(messages: Sequence[Json], before: object, facts: Facts) -> Step | None:
    """The step that was made of these very messages after that very step, for a model with these facts."""
    last = messages[-1]
    step = last.found.get((Step, id(facts))) if isinstance(last, Part) else None
    if not isinstance(step, Step) or step.facts is not facts or len(step.asked) != len(messages):
        return None
    follows = step.before is before or (not isinstance(before, Step) and step.before == before)
    return step if follows and all(map(is_, step.asked, messages)) else None


def keep(step: Step) -> Step:
    """Make it findable."""
    step.asked[-1].found[Step, id(step.facts)] = step
    return step


def calls_in(messages: Sequence[Json]) -> Iterator[tuple[str, str]]:
    """Id and name of every tool call, in order."""
    for message in messages:
        if message["role"] == "assistant" and isinstance(message["content"], list):
            yield from ((block["id"], block["name"]) for block in message["content"] if block["type"] == "tool_use")
