"""What our signature on a thinking block says: that it is ours, and which agent's words it holds.

Owns the signatures and how they are read. They must never reach a provider: each translation drops or replaces such a
block. The one surprise: the client keeps a signature and sends it back in every later turn, so it is the only place
where a block can carry its agent's name through the client.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from ccr_tui.records import Json

SIGNATURE = "ccr-tui.v1"
"""Closes every thinking block of ours. Anthropic refuses signatures that it did not make (400), so what starts with
"ccr-tui." is taken out again before a conversation is passed on to an Anthropic upstream."""
RESULT = f"{SIGNATURE}.result."
"""Begins the signature of a block that holds an agent's result; the agent's name follows."""
ASIDE = f"{SIGNATURE}.aside"
"""Begins the signature of a block that only shows an agent at work; "." and the agent's name follow (they did not in
version 0.1.0)."""


class Speaker(NamedTuple):
    """Who is heard in a block: an agent of Router mode."""

    agent: str
    """"" where it is not told."""
    part: Literal["result", "aside"]


def speaker(block: Json) -> Speaker | None:
    """The agent whose words a thinking block holds; None for any other block."""
    signature = block.get("signature") if isinstance(block, dict) and block.get("type") == "thinking" else None
    if not isinstance(signature, str):
        return None
    if signature.startswith(RESULT):
        return Speaker(signature.removeprefix(RESULT), "result")
    name = signature.removeprefix(ASIDE)
    return Speaker(name[1:], "aside") if name != signature and name[:1] in ("", ".") else None
