"""What helps against a request that is longer than the model's window.

Owns the cure in that error's sentence. Pure. Must never touch the words before it, which Claude Code acts upon. The one
surprise: compacting shortens nothing but what was said, so where the system prompt and the tools alone are over the
window, or nothing was answered yet, it is no cure, and Claude Code would try it in vain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ccr_tui.records import Json
from ccr_tui.wire import dumps

COMPACT = "Compact the conversation (/compact), or "
SERVER = "start its server with a larger window (llama.cpp: -c, Ollama: num_ctx)"
FEWER = "or send fewer tools (switch MCP servers off: /mcp)"


def cure(body: Json, given: int | None, window: int | None, larger: str) -> str:
    """What to do; `given` tokens were sent to a model that takes `window`. `larger` is how to choose another model,
    as it goes on after "or"."""
    fixed = None if given is None else round(given * fixed_share(body))
    if fixed is not None and window is not None and fixed >= window:
        alone = f"Compacting can't help: the system prompt and the tools alone are some {fixed} of these tokens."
        return f"{alone} {_begin(larger)}, {SERVER}, {FEWER}."
    if not was_answered(body):
        return f"Nothing was said yet that could be compacted: send a shorter prompt, or {larger}."
    return f"{COMPACT}{larger}."


def _begin(words: str) -> str:
    return words[:1].upper() + words[1:]


def was_answered(body: Json) -> bool:
    """Whether there is an earlier answer: something to compact. True where the body can't be read."""
    messages = body.get("messages") if isinstance(body, dict) else None
    return not isinstance(messages, list) or any(_role(message) == "assistant" for message in messages)


def fixed_share(body: Json) -> float:
    """How much of a body of either protocol is its system prompt and its tools: 0 to 1, by its bytes."""
    if not isinstance(body, dict) or not isinstance(messages := body.get("messages"), list):
        return 0.0
    leading = [message for message in messages if _role(message) in ("system", "developer")]
    fixed, whole = _size(body.get("system"), body.get("tools"), *leading), _size(*_parts(body))
    return fixed / whole if whole else 0.0


def _parts(body: Mapping[str, Any]) -> list[Json]:
    return [body.get("system"), body.get("tools"), *body["messages"]]


def _size(*values: Json) -> int:
    return sum(len(dumps(value)) for value in values if value)


def _role(message: Json) -> Json:
    return message.get("role") if isinstance(message, dict) else None
