"""Two texts side by side: which lines are new, which are gone, and which words changed within a line.

Owns the comparison of texts. Pure and bounded: texts of any size give an answer in well under a second, the finer the
smaller they are. The one surprise: lines that differ are paired only where as many went as came; elsewhere they are
told as gone and as new, since a guess at who became whom reads worse than none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import accumulate, islice
from typing import Literal

from ccr_tui.records import Json
from ccr_tui.slim import dataclass
from ccr_tui.wire import dumps

AROUND = 3
"""Lines that are told on either side of a change."""
MOST_LINES = 2000
"""Lines on either side of what differs that are aligned one by one."""
MOST_WORDS = 400
LONG = 400
"""Characters of one line that are told where only a part of it changed."""

Stretch = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Told:
    """One line of a comparison."""

    op: Literal["=", "-", "+", "…"]
    """The same, gone, new; or so many lines that are the same and not told."""
    text: str
    changed: tuple[Stretch, ...] = ()
    """The words of it that changed."""


def compare(old: str, new: str) -> list[Told]:
    """The lines of both, those far from any change left out."""
    return _folded(list(_lines(old.split("\n"), new.split("\n"))))


def pretty(value: Json) -> str:
    """JSON on several lines, for comparing it line by line."""
    try:
        return json.dumps(value, ensure_ascii=False, indent=1)
    except (TypeError, ValueError, RecursionError):
        return dumps(str(value)).decode()


def _lines(old: Sequence[str], new: Sequence[str]) -> Iterator[Told]:
    head = next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    tail = next(
        (at for at, (a, b) in enumerate(zip(reversed(old[head:]), reversed(new[head:]), strict=False)) if a != b),
        min(len(old), len(new)) - head,
    )
    yield from (Told("=", line) for line in old[:head])
    yield from _middle(old[head : len(old) - tail], new[head : len(new) - tail])
    yield from (Told("=", line) for line in old[len(old) - tail :])


def _middle(old: Sequence[str], new: Sequence[str]) -> Iterator[Told]:
    if len(old) > MOST_LINES or len(new) > MOST_LINES:
        yield from (Told("-", line) for line in old)
        yield from (Told("+", line) for line in new)
        return
    for op, a, b, c, d in SequenceMatcher(None, old, new, autojunk=len(old) + len(new) > MOST_LINES).get_opcodes():
        if op == "equal":
            yield from (Told("=", line) for line in old[a:b])
        elif op == "replace" and b - a == d - c:
            pairs = [_pair(*pair) for pair in zip(old[a:b], new[c:d], strict=True)]
            yield from (pair[0] for pair in pairs)
            yield from (pair[1] for pair in pairs)
        else:
            yield from (Told("-", line) for line in old[a:b])
            yield from (Told("+", line) for line in new[c:d])


_WORD = re.compile(r"\w+|\s+|.", re.DOTALL)


def _pair(old: str, new: str) -> tuple[Told, Told]:
    """Two lines of which one became the other."""
    head = in_common(old, new)
    tail = in_common(old[head:][::-1], new[head:][::-1])
    was, became = old[head : len(old) - tail], new[head : len(new) - tail]
    first, second = _words(was, became)
    cut = max(0, head - LONG // 2) if max(len(old), len(new)) > LONG else 0
    return _told("-", old, head, first, cut, tail), _told("+", new, head, second, cut, tail)


def _told(op: Literal["-", "+"], line: str, head: int, changed: list[Stretch], cut: int, tail: int) -> Told:
    end = len(line) - max(0, tail - LONG // 2) if cut or len(line) > LONG else len(line)
    lead, rest = "…" if cut else "", "…" if end < len(line) else ""
    by = head - cut + len(lead)
    return Told(op, lead + line[cut:end] + rest, tuple((a + by, b + by) for a, b in changed))


def _words(old: str, new: str) -> tuple[list[Stretch], list[Stretch]]:
    """Which stretches of each changed."""
    one, other = (list(islice(_WORD.findall(text), MOST_WORDS + 1)) for text in (old[:20_000], new[:20_000]))
    if len(one) > MOST_WORDS or len(other) > MOST_WORDS:
        return [(0, len(old))] * bool(old), [(0, len(new))] * bool(new)
    first, second = ([0, *accumulate(map(len, words))] for words in (one, other))
    changed = [code for code in SequenceMatcher(None, one, other, autojunk=False).get_opcodes() if code[0] != "equal"]
    return (
        [(first[a], first[b]) for _, a, b, _, _ in changed if b > a],
        [(second[c], second[d]) for _, _, _, c, d in changed if d > c],
    )


def in_common(one: str, other: str) -> int:
    """How many characters both begin with: by halves, since slices compare a thousand times faster than a loop."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _folded(lines: Sequence[Told]) -> list[Told]:
    """Those near a change; the others are counted."""
    near: set[int] = set()
    for at, line in enumerate(lines):
        if line.op != "=":
            near.update(range(max(0, at - AROUND), min(len(lines), at + AROUND + 1)))
    found: list[Told] = []
    skipped = 0
    for at, line in enumerate(lines):
        if at in near:
            found += [Told("…", str(skipped))] * bool(skipped)
            found.append(
                line if len(line.text) <= LONG * 4 else Told(line.op, line.text[: LONG * 4] + "…", line.changed)
            )
            skipped = 0
        else:
            skipped += 1
    return found + [Told("…", str(skipped))] * bool(skipped)
