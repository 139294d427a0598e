"""Bytes, as people read them."""

from __future__ import annotations

STEPS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def show(count: int) -> str:
    """1234 as 1.2 kB, 2_500_000_000 as 2.5 GB."""
    for step, unit in STEPS:
        if abs(count) >= step:
            number = count / step
            return f"{number:.0f} {unit}" if abs(number) >= 99.5 else f"{number:.1f} {unit}"
    return f"{count} B"
