"""A Messages API request on its way to an upstream that speaks the Messages API itself.

Owns the two things that change: the model's name, and reasoning that the upstream could not accept. Must never touch
anything else, nor the body that it was given. The one surprise: a thinking block that was made from another model's
reasoning carries our mark instead of Anthropic's signature, and one such block makes Anthropic refuse the session.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ccr_tui.proxy import hop
from ccr_tui.proxy.notes import Notes
from ccr_tui.records import Json
from ccr_tui.signed import SIGNATURE

_OURS = SIGNATURE.partition(".")[0] + "."
"""What every version of our mark begins with."""


def pass_through(body: Json, model_id: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body for the upstream, and what was changed besides the model's name."""
    notes = Notes()
    kept = [said for message in body["messages"] for said in _without_ours(message, notes)]
    return {**body, "model": model_id, "messages": kept}, notes.all()


def _without_ours(message: Json, notes: Notes) -> Iterator[Json]:
    """The message without such reasoning; an agent's result in it becomes the user's word before it.

    A message that held nothing else is left out: its neighbours then stand side by side, which is allowed.
    """
    content = message["content"]
    if message["role"] != "assistant" or not isinstance(content, list):
        yield message
        return
    yield from ({"role": "user", "content": hop.context(block)} for block in content if hop.agent_of(block))
    kept = [block for block in content if not _foreign(block)]
    if any(_foreign(block) and hop.agent_of(block) is None for block in content):
        notes.add("reasoning of another model was left out: the upstream accepts only its own")
    if kept:
        yield message if len(kept) == len(content) else {**message, "content": kept}


def _foreign(block: Json) -> bool:
    """Unsigned reasoning is not Anthropic's either: other servers of the Messages API send an empty signature."""
    signature = block.get("signature")
    return block["type"] == "thinking" and (not signature or str(signature).startswith(_OURS))
