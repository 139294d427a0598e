"""A Messages API request on its way to an upstream that speaks the Messages API itself.

Owns the two things that change: the model's name, and reasoning that the upstream could not accept. Must never touch
anything else, nor the body that it was given. The one surprise: a thinking block that was made from another model's
reasoning carries our mark instead of Anthropic's signature, and one such block makes Anthropic refuse the session.
"""

from __future__ import annotations

from typing import Any

from ccr_tui.proxy.anthropic import SIGNATURE
from ccr_tui.proxy.notes import Notes
from ccr_tui.records import Json

_OURS = SIGNATURE.partition(".")[0] + "."
"""What every version of our mark begins with."""


def pass_through(body: Json, model_id: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body for the upstream, and what was changed besides the model's name."""
    notes = Notes()
    kept = [said for message in body["messages"] if (said := _without_ours(message, notes)) is not None]
    return {**body, "model": model_id, "messages": kept}, notes.all()


def _without_ours(message: Json, notes: Notes) -> Json | None:
    """None if the message held nothing but such reasoning: its neighbours then stand side by side, which is allowed."""
    content = message["content"]
    if message["role"] != "assistant" or not isinstance(content, list):
        return message
    kept = [block for block in content if not _foreign(block)]
    if len(kept) == len(content):
        return message
    notes.add("reasoning of another model was left out: the upstream accepts only its own")
    return {**message, "content": kept} if kept else None


def _foreign(block: Json) -> bool:
    """Unsigned reasoning is not Anthropic's either: other servers of the Messages API send an empty signature."""
    signature = block.get("signature")
    return block["type"] == "thinking" and (not signature or str(signature).startswith(_OURS))
