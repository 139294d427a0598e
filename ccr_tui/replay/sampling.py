"""Which steps of a recording are replayed.

Owns `--sample`. Must never choose by chance: the same recording gives the same steps. The one surprise: "turns" are the
requests that begin a person's turn, which is where a router would be asked and where answers differ most.
"""

from __future__ import annotations

from typing import Literal

from ccr_tui.replay.words import Recording
from ccr_tui.store.paths import Paths

ROUTED = ("main", "other")


def sampled(recording: Recording, paths: Paths, sample: int | Literal["turns"] | None) -> frozenset[int]:
    """The places (from 1) of the steps that are replayed."""
    steps = recording.steps
    if sample == "turns":
        return frozenset(step.n for step in steps if step.row.kind in ROUTED and begins(paths, step.row.n))
    if sample is None or sample >= len(steps):
        return frozenset(step.n for step in steps)
    return frozenset(steps[at * len(steps) // sample].n for at in range(sample))


def begins(paths: Paths, n: int) -> bool:
    """Whether a request begins a person's turn: its last message is theirs and brings no tool's result."""
    frame = paths.nodes[paths.sent[n].node]
    if not frame[0]:
        return False
    last = paths.chunks.get(paths.nodes[frame[0]][1])
    if not isinstance(last, dict) or last.get("role") != "user":
        return False
    content = last.get("content")
    blocks = content if isinstance(content, list) else []
    return not any(isinstance(block, dict) and block.get("type") == "tool_result" for block in blocks)
