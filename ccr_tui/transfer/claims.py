"""Which of several copies of an answer counts.

Owns what is asked of a transcript before anything of it is stored. Must never settle it file by file: a fork, a resumed
session and a subagent's file may all hold the same answer. The one surprise: the rules are ccusage's, so that both come
to the same figures. Equal message and request ids are one answer; a subagent's file may repeat the main talk's under
new request ids; of two copies the main talk's counts, then the one with more tokens, then the one in the older file.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ccr_tui.slim import dataclass
from ccr_tui.transfer.transcript import Key, answers, is_side, key_of, moment, starts, total, usage_of


@dataclass(slots=True)
class Claim:
    """A copy of an answer in a file."""

    key: Key
    side: bool
    tokens: int
    at: float
    file: Path


def winners(claims: Iterable[Claim]) -> tuple[dict[Path, set[Key]], int]:
    """Of all copies of an answer the one that counts, as keys by file; and how many do not count."""
    kept: list[Claim] = []
    exact: dict[Key, int] = {}
    loose: dict[str, list[int]] = {}
    copies = 0
    for claim in claims:
        at = exact.get(claim.key)
        if at is None:
            at = next((n for n in loose.get(claim.key[0], ()) if claim.side or kept[n].side), None)
        if at is None:
            at = len(kept)
            kept.append(claim)
        else:
            copies += 1
            if not _is_better(claim, kept[at]):
                continue
            kept[at] = claim
        exact[claim.key] = at
        loose.setdefault(claim.key[0], []).append(at)
    found: dict[Path, set[Key]] = {}
    for claim in kept:
        found.setdefault(claim.file, set()).add(claim.key)
    return found, copies


def _is_better(one: Claim, other: Claim) -> bool:
    return other.side if one.side != other.side else one.tokens > other.tokens


def claims_of(path: Path) -> tuple[float, list[Claim]]:
    """When a file was begun, and what it has, each answer once.

    A fork's first line is younger than the talk that it repeats, so that the older file's copies count.
    """
    found: dict[Key, Claim] = {}
    with path.open("rb") as lines:
        first = next(starts(lines), 0.0)
        lines.seek(0)
        for line in answers(lines):
            key, tokens = key_of(line), total(usage_of(line["message"]["usage"]))
            known = found.get(key)
            if known is None:
                found[key] = Claim(key, is_side(line), tokens, moment(line["timestamp"]) or 0.0, path)
            elif tokens > known.tokens:
                known.tokens, known.side = tokens, is_side(line)
    return first, list(found.values())
