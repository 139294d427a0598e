"""A model that says which of two answers is better, without knowing whose they are, asked in both orders.

Owns the question, the reading of the verdict, the score, and what is told of the judging. Must never tell which answer
was recorded, nor count a verdict that changes with the order as anything but a draw. The one surprise: a judge that
cannot be understood gives no score at all, rather than half a point.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from ccr_tui.prices import show
from ccr_tui.proxy.asked import newest_turn, texts_of
from ccr_tui.proxy.consult import clip
from ccr_tui.records import Json
from ccr_tui.replay.words import StepResult
from ccr_tui.slim import dataclass
from ccr_tui.wire import dumps

TURN, ANSWER = 6000, 4000
"""Characters of the request and of each answer that the judge is shown."""
LIMIT = 512
"""max_tokens of a verdict: the JSON takes ten, a model that thinks first some more."""
SYSTEM = (
    "You compare two answers of a coding assistant to the same request. Judge which one helps the person further: is "
    "it right, does it call the right tools with the right arguments, does it do what was asked, and nothing else? "
    "Length and politeness do not count. A and B stand in an arbitrary order.\n"
    'Answer with one JSON object and nothing else: {"better": "A"}, {"better": "B"} or {"better": "same"}.'
)
SCHEMA = {
    "type": "object",
    "properties": {"better": {"type": "string", "enum": ["A", "B", "same"]}},
    "required": ["better"],
    "additionalProperties": False,
}
_OBJECT = re.compile(r"\{[^{}]*\}")


def questions(body: Json, recorded: Json, other: Json) -> tuple[Json, Json]:
    """The two requests: the recorded answer stands first in one and second in the other."""
    asked = clip("\n\n".join(told_turn(body)), TURN)
    one, two = clip(told(recorded), ANSWER), clip(told(other), ANSWER)
    return question(asked, one, two), question(asked, two, one)


def question(asked: str, a: str, b: str) -> Json:
    """One request to the judge."""
    text = f"The request:\n{asked}\n\nAnswer A:\n{a}\n\nAnswer B:\n{b}"
    return {
        "model": "judge",
        "max_tokens": LIMIT,
        "temperature": 0,
        "system": SYSTEM,
        "messages": [{"role": "user", "content": text}],
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    }


def told_turn(body: Json) -> list[str]:
    """The newest turn in words: what the person said, or what the tools brought."""
    parts: list[str] = []
    for message in newest_turn(body):
        parts += texts_of(message.get("content"))
        content = message.get("content")
        for block in content if isinstance(content, list) else ():
            if isinstance(block, dict) and block.get("type") == "tool_result":
                parts.append("A tool's result:\n" + "\n".join(texts_of(block.get("content"))))
    return parts


def told(reply: Json) -> str:
    """An answer in words: its text and its calls, without its thoughts."""
    parts = []
    for block in (reply or {}).get("content") or ():
        if block.get("type") == "text":
            parts.append(block.get("text", ""))
        elif block.get("type") == "tool_use":
            parts.append(f"calls the tool {block.get('name')} with {dumps(block.get('input')).decode()}")
    return "\n".join(parts) or "(nothing)"


def verdict(reply: Json) -> str | None:
    """ "A", "B" or "same"; None where that can't be told."""
    said = "\n".join(texts_of((reply or {}).get("content")))
    for found in _OBJECT.findall(said):
        try:
            value = json.loads(found)
        except ValueError:
            continue
        better = value.get("better") if isinstance(value, dict) else None
        if isinstance(better, str) and better.strip().upper() in ("A", "B", "SAME"):
            return better.strip().upper().replace("SAME", "same")
    return None


def score(verdicts: Sequence[str | None]) -> float | None:
    """1 where the other answer is better, 0 where the recorded one is, both orders considered; None if one is missing.

    `verdicts` are in the order of `questions`.
    """
    first, second = verdicts
    if first is None or second is None:
        return None
    worth = {"A": 0.0, "same": 0.5, "B": 1.0}
    return (worth[first] + 1 - worth[second]) / 2


@dataclass(frozen=True, slots=True)
class Counts:
    """What came of all questions to a judge."""

    asked: int
    usable: int
    cost: int
    """Nano-USD, as far as it is known."""
    unpriced: int
    """Questions whose cost is not known."""


def counts(results: Iterable[StepResult]) -> Counts:
    """Over all steps of all variants."""
    each = [(r.judge_asked, r.judge_usable, r.judge_cost, r.judge_unpriced) for r in results]
    return Counts(*map(sum, zip((0, 0, 0, 0), *each, strict=True)))


def summary(name: str, found: Counts) -> str:
    """The same in words: "judge alpha: 0 of 12 verdicts usable, $0.011"."""
    if not found.asked:
        return f"judge {name}: was asked nothing"
    paid = show(found.cost or None) if found.unpriced else show(found.cost)
    more = "+" if found.unpriced and found.cost else ""
    verdicts = "verdict" if found.asked == 1 else "verdicts"
    return f"judge {name}: {found.usable} of {found.asked} {verdicts} usable, {paid}{more}"
