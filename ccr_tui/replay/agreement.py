"""How far an answer agrees with the recorded one: its tool calls, how it stopped, how long it is.

Owns those measures. Must never judge what a text says; that is a judge's work. The one surprise: calls are compared
without regard to their order, because answers that call two tools at once may name them either way round.

The measure of two calls is 0 where the tools differ; of one tool, a half for having chosen it and a half for how alike
the arguments are: the share of characters that need not be edited to make one's JSON the other's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ccr_tui.records import Json
from ccr_tui.replay.words import StepResult, ToolCall
from ccr_tui.wire import dumps

LONG = 600
"""Characters of arguments beyond which they are compared by their lines."""


def described(result: StepResult, reply: Json) -> StepResult:
    """The result with what its answer called and how long its text is."""
    return replace(
        result, tools=calls_of(reply), chars=chars_of(reply), stop_reason=stop_of(reply) or result.stop_reason
    )


def compared(result: StepResult, recorded: StepResult) -> StepResult:
    """The result with how far it agrees with the recorded one; both described before."""
    if result.outcome != "ok":
        return result
    both = result.stop_reason is not None and recorded.stop_reason is not None
    return replace(
        result,
        tool_agreement=tool_agreement(recorded.tools, result.tools),
        stop_agrees=result.stop_reason == recorded.stop_reason if both else None,
    )


def calls_of(reply: Json) -> tuple[ToolCall, ...]:
    """The tools that a message calls."""
    return tuple(ToolCall(str(block.get("name")), block.get("input")) for block in blocks(reply, "tool_use"))


def chars_of(reply: Json) -> int | None:
    """Characters of a message's text; None where there is no message."""
    return sum(len(block.get("text", "")) for block in blocks(reply, "text")) if isinstance(reply, dict) else None


def stop_of(reply: Json) -> str | None:
    """Why a message ended."""
    return reply.get("stop_reason") if isinstance(reply, dict) else None


def blocks(reply: Json, kind: str) -> list[Json]:
    """A message's blocks of one kind."""
    content = reply.get("content") if isinstance(reply, dict) else None
    return [block for block in content or () if isinstance(block, dict) and block.get("type") == kind]


def tool_agreement(then: Sequence[ToolCall], now: Sequence[ToolCall]) -> float | None:
    """0 to 1: the mean over the calls of both sides, each beside the one that it is most like; None without any."""
    if not then and not now:
        return None
    scores = sorted(
        ((call_agreement(old, new), i, j) for i, old in enumerate(then) for j, new in enumerate(now)),
        key=lambda each: (-each[0], abs(each[1] - each[2]), each[1]),
    )
    total, taken, given = 0.0, set[int](), set[int]()
    for score, i, j in scores:
        if i not in taken and j not in given:
            total += score
            taken.add(i)
            given.add(j)
    return total / max(len(then), len(now))


def call_agreement(old: ToolCall, new: ToolCall) -> float:
    """0 for another tool; else at least a half, and 1 for the same arguments, whatever the order of their keys."""
    if old.name != new.name:
        return 0.0
    if old.input == new.input:
        return 1.0
    return 0.5 + 0.5 * likeness(plain(old.input), plain(new.input))


def plain(value: Json) -> str:
    """Arguments as text whose keys are in order."""
    return dumps(_ordered(value)).decode()


def _ordered(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(each) for each in value] if isinstance(value, list) else value


def likeness(old: str, new: str) -> float:
    """1 less the edit distance's share of the longer text; of long texts, by lines."""
    if max(len(old), len(new)) > LONG:
        return share(old.split("\\n"), new.split("\\n"))
    return share(old, new)


def share(old: Sequence[str], new: Sequence[str]) -> float:
    """What need not be edited, as a share of the longer."""
    longer = max(len(old), len(new))
    return 1.0 if not longer else 1 - distance(old[:LONG], new[:LONG]) / min(longer, LONG)


def distance(old: Sequence[str], new: Sequence[str]) -> int:
    """Insertions, deletions and replacements that make one the other (Levenshtein's)."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    old, new = old[start : len(old) - end], new[start : len(new) - end]
    row = list(range(len(new) + 1))
    for i, one in enumerate(old, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(new, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (one != other))
    return row[-1]
