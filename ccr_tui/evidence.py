"""What a test of a model says to it, and how the traces of its answers are read.

Owns the prompts that several checks share, and the reading of messages and failures. Must never do I/O: it looks at
finished traces. The one surprise: a refusal with a status such as 400 says something about the model ("no"), while a
wrong key, an empty account or a rush says nothing of it ("failed").
"""

from __future__ import annotations

from typing import Any

from ccr_tui.records import Ability, Attempt, Json, Trace
from ccr_tui.wire import loads

LONG = "\n".join(
    f"{n}. The heron at pond {n} has caught {n * 7 % 100} fish and {n * 3 % 10} frogs." for n in range(140)
)
"""Some 2,300 tokens: caches begin at 64 (DeepSeek) to 2,048 (others)."""

WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "The weather in a city, now.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CAPITAL: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
    "required": ["city", "country"],
    "additionalProperties": False,
}

Finding = tuple[Ability, str]
"""What a check has found, with its sentence."""


def user(text: str) -> Json:
    """A message of the user's."""
    return {"role": "user", "content": text}


def answer(trace: Trace) -> Attempt:
    """The attempt that answered."""
    assert trace.answer is not None
    return trace.answer


def blocks(trace: Trace) -> list[Json]:
    """The content of the message."""
    return list((trace.reply or {}).get("content") or ())


def text(trace: Trace) -> str:
    """All text of the message."""
    return "".join(block["text"] for block in blocks(trace) if block["type"] == "text").strip()


def called(trace: Trace) -> list[Json]:
    """The calls of our tool."""
    return [b for b in blocks(trace) if b["type"] == "tool_use" and b["name"] == WEATHER["name"]]


def turn(trace: Trace) -> tuple[Json, Json]:
    """The message as the client sends it back, and what follows it."""
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": "18 degrees, light rain"}
        for block in blocks(trace)
        if block["type"] == "tool_use"
    ]
    next = {"role": "user", "content": results or [{"type": "text", "text": "And than 10 degrees?"}]}
    return {"role": "assistant", "content": blocks(trace)}, next


def uncalled(trace: Trace) -> str:
    """Why there is no call, as far as it can be told."""
    if WEATHER["name"] in text(trace):
        return f"It wrote the call as text; the server's parser or template does not know tools: {short(text(trace))}"
    return f"It was to call a tool, and answered instead: {short(text(trace)) or 'nothing'}"


def fits(said: str) -> bool:
    """Whether the text is JSON that fits our schema."""
    try:
        value = loads(said)
    except ValueError:
        return False
    wanted = CAPITAL["required"]
    return isinstance(value, dict) and sorted(value) == wanted and all(isinstance(v, str) for v in value.values())


def refused(trace: Trace) -> bool:
    """Whether the provider refuses the request for what it is; a wrong key or a rush says nothing of the model."""
    status = trace.answer.status if trace.answer else None
    return status is not None and 400 <= status < 500 and status not in (401, 402, 403, 408, 429)


def trouble(trace: Trace) -> Finding:
    """The failure as a finding."""
    return "no" if refused(trace) else "failed", said(trace)


def said(trace: Trace) -> str:
    """What the client was told went wrong."""
    return trace.failure.message if trace.failure else "The answer was broken off."


def rate(attempt: Attempt) -> str:
    """The speed of writing, where it can be told."""
    writing = attempt.duration_ms - (attempt.ttft_ms or 0)
    tokens = attempt.usage.output if attempt.usage else 0
    return f", {tokens * 1000 / writing:.0f} tokens a second" if writing >= 100 and tokens > 1 else ""


def total(traces: list[Trace]) -> int | None:
    """The money of all requests in nano-USD; None where a price is unknown."""
    costs = [attempt.cost for trace in traces for attempt in trace.attempts if attempt.usage]
    return None if None in costs else sum(cost for cost in costs if cost is not None)


def short(text: str) -> str:
    """A line of it."""
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:79] + "…"
