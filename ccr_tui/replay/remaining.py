"""What is left of a rerun that was cut off, and what that is expected to cost.

Owns that sum. Must never count a request whose answer was kept. The one surprise: the expectation is that of a reprice,
step by step, because what was answered says little about the length of what was not.
"""

from __future__ import annotations

from dataclasses import replace

from ccr_tui.replay import kept
from ccr_tui.replay.rerun import is_settled
from ccr_tui.replay.words import RECORDED, VariantSums
from ccr_tui.replay.work import Found
from ccr_tui.store.queries import Reader

PARTS = ("cost", "low", "high")


def remaining(store: Reader, run: str, preview: Found) -> list[VariantSums]:
    """Of each variant what the rest of a run is expected to cost. Raises StoreError."""
    done = {key for key, result in kept.done(store, run).items() if is_settled(result)}
    found = []
    for line in preview.comparison.variants[1:]:
        rest = [result for result in preview.results[line.name] if (line.name, result.step) not in done]
        known = [result for result in rest if result.cost is not None]
        sums = {part: sum(getattr(result, part) or 0 for result in known) for part in PARTS}
        left = replace(line, **(sums if known else dict.fromkeys(sums)))
        found.append(replace(left, requests=len(rest), unpriced=len(rest) - len(known)))
    return found


def gone(store: Reader, run: str) -> int:
    """What a run may have been billed so far, for answers that nobody received too. Raises StoreError."""
    done = kept.done(store, run)
    told = [result for (variant, _), result in done.items() if variant != RECORDED]
    held = sum(s.held or 0 for s in store.run_steps(run) if (s.variant, s.step) not in done)
    return sum((result.cost or 0) + result.judge_cost + result.lost for result in told) + held
