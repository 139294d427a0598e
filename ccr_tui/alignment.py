"""Two requests side by side: which blocks are the same, changed, new, gone, moved or merged.

Owns how blocks of two bodies are matched: of two requests of one API by their bytes, of a request and its translation
by what a model reads of them. Pure and bounded. The one surprise: a translation puts several blocks into one message,
so a block whose text stands inside a block of the other side is told as merged and not as gone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import field
from difflib import SequenceMatcher
from typing import Any, Literal

from ccr_tui import anatomy, wording
from ccr_tui.anatomy import Block
from ccr_tui.records import Json
from ccr_tui.slim import dataclass
from ccr_tui.wording import Told

State = Literal["same", "changed", "added", "removed", "moved", "merged"]
STATES: tuple[State, ...] = ("same", "changed", "added", "removed", "moved", "merged")
MANY = 1000
"""Blocks from which on those that occur often do not guide the matching, which would be quadratic."""
RUN = 40_000
"""Pairs of blocks in a run that differs, up to which the best pairs are looked for; beyond, the next of its sort."""
NEAR = 24
"""Blocks on either side among which a merged one is looked for."""
SHORTEST = 3
"""Characters from which on a text that is found inside another one was merged into it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One block, or several that became one."""

    state: State
    before: tuple[Block, ...]
    """In the first body; several where they were merged."""
    now: Block | None
    """In the second."""
    lines: tuple[Told, ...] = ()
    """What changed inside."""

    @property
    def block(self) -> Block:
        """The one that stands for it."""
        return self.now or self.before[0]


@dataclass(frozen=True, slots=True)
class Setting:
    """A parameter that differs; None on a side where it is missing."""

    key: str
    before: Json
    now: Json
    state: Literal["changed", "added", "removed"]


@dataclass(frozen=True, slots=True)
class Alignment:
    """Both bodies, in the second one's order; what is gone stands where it stood."""

    settings: tuple[Setting, ...]
    changes: tuple[Change, ...]

    def counts(self) -> dict[State, int]:
        """Blocks by state; merged ones by how many they were before."""
        found = dict.fromkeys(STATES, 0)
        for change in self.changes:
            found[change.state] += len(change.before) if change.state == "merged" else 1
        return found

    def as_json(self) -> dict[str, Any]:
        """For scripts: everything but what is the same."""
        return {
            "counts": self.counts(),
            "settings": [{"key": s.key, "state": s.state, "before": s.before, "now": s.now} for s in self.settings],
            "changes": [_change_json(change) for change in self.changes if change.state != "same"],
        }


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "state": change.state,
        "kind": change.block.kind,
        "name": change.block.name,
        "before": [list(block.where) for block in change.before],
        "now": None if change.now is None else list(change.now.where),
        "lines": [[line.op, line.text] for line in change.lines],
    }


def align(before: Json, now: Json, translated: bool = False) -> Alignment:
    """Match the blocks of two bodies; `translated`: the second one is what became of the first."""
    old, new = anatomy.blocks(before), anatomy.blocks(now)
    key = _read if translated else anatomy.plain
    changes = list(_matched(old, new, [key(block) for block in old], [key(block) for block in new], translated))
    changes = _moved(changes, key)
    if translated:
        changes = _merged(changes)
    return Alignment(tuple(_settings(before, now)), tuple(changes))


# -- keys


_SAID = {"prompts": "said", "reminders": "said", "system": "said", "answers": "answers"}


def _read(block: Block) -> Hashable:
    """What a model reads of it, whichever API it stands in."""
    if block.kind == "images":
        return "images", _picture(block.value)
    if block.kind == "tools":
        return "tools", anatomy.reading(block)
    return _SAID.get(block.kind, block.kind), anatomy.reading(block).strip()


def _picture(value: Json) -> str:
    """The data of a picture, or its address."""
    given = value if isinstance(value, dict) else {}
    source = given.get("source") or given.get("image_url")
    source = source if isinstance(source, dict) else {"url": source}
    return str(source.get("data") or str(source.get("url")).partition("base64,")[2] or source.get("url"))


# -- matching


def _matched(
    old: Sequence[Block], new: Sequence[Block], keys: Sequence[Hashable], others: Sequence[Hashable], translated: bool
) -> Iterator[Change]:
    for op, a, b, c, d in _opcodes(keys, others):
        if op == "equal":
            yield from (Change("same", (one,), other) for one, other in zip(old[a:b], new[c:d], strict=True))
        else:
            yield from _replaced(old[a:b], new[c:d], translated)


def _opcodes(keys: Sequence[Hashable], others: Sequence[Hashable]) -> list[tuple[str, int, int, int, int]]:
    """As difflib has them; the common ends are found first, since between two turns there is little else."""
    least = min(len(keys), len(others))
    head = next((n for n in range(least) if keys[n] != others[n]), least)
    tail = next((n for n in range(least - head) if keys[-1 - n] != others[-1 - n]), least - head)
    a, b = len(keys) - tail, len(others) - tail
    found = SequenceMatcher(None, keys[head:a], others[head:b], autojunk=b - head > MANY).get_opcodes()
    middle = [(op, i + head, j + head, k + head, m + head) for op, i, j, k, m in found]
    ends = [("equal", 0, head, 0, head), *middle, ("equal", a, len(keys), b, len(others))]
    return [code for code in ends if code[1] < code[2] or code[3] < code[4]]


def _replaced(old: Sequence[Block], new: Sequence[Block], translated: bool) -> Iterator[Change]:
    """Blocks of the same sort are taken for the same one, changed; the others went or came."""
    start = begin = 0
    for one, other in (*_pairs(old, new), (len(old), len(new))):
        yield from (Change("removed", (block,), None) for block in old[start:one])
        yield from (Change("added", (), block) for block in new[begin:other])
        if one < len(old):
            yield Change("changed", (old[one],), new[other], _inside(old[one], new[other], translated))
        start, begin = one + 1, other + 1


def _pairs(old: Sequence[Block], new: Sequence[Block]) -> list[tuple[int, int]]:
    """Indexes of blocks of the same sort, rising on both sides."""
    sorts, others = ([f"{block.kind} {block.name}" for block in blocks] for blocks in (old, new))
    if len(old) * len(new) <= RUN:
        matches = SequenceMatcher(None, sorts, others, autojunk=False).get_matching_blocks()
        return [(match.a + n, match.b + n) for match in matches for n in range(match.size)]
    found, start = list[tuple[int, int]](), 0
    for at, sort in enumerate(sorts):
        near = range(start, min(len(others), start + NEAR))
        place = next((place for place in near if others[place] == sort), None)
        if place is not None:
            found.append((at, place))
            start = place + 1
    return found


def _inside(old: Block, new: Block, translated: bool) -> tuple[Told, ...]:
    if old.kind == "tools":
        return tuple(wording.compare(_tool(old.value), _tool(new.value)))
    texts = anatomy.reading(old), anatomy.reading(new)
    if texts[0] == texts[1] and not translated:
        texts = wording.pretty(old.value), wording.pretty(new.value)
    return tuple(wording.compare(*texts))


def _tool(value: Json) -> str:
    """A tool's words, then its schema on lines of its own."""
    given = value if isinstance(value, dict) else {}
    inner = given.get("function")
    given = inner if isinstance(inner, dict) else given
    schema = given.get("input_schema", given.get("parameters"))
    return f"{given.get('name')}\n{given.get('description') or ''}\n{wording.pretty(schema)}"


def _moved(changes: Sequence[Change], key: Any) -> list[Change]:
    """Blocks that went from one place and came to another."""
    gone: dict[Hashable, list[int]] = defaultdict(list)
    for at, change in enumerate(changes):
        if change.state == "removed":
            gone[key(change.before[0])].append(at)
    left, found = set[int](), list[tuple[int, Change]]()
    for at, change in enumerate(changes):
        if change.state == "added" and change.now is not None and (places := gone.get(key(change.now))):
            place = places.pop(0)
            left.add(place)
            found.append((at, Change("moved", changes[place].before, change.now)))
        else:
            found.append((at, change))
    return [change for at, change in found if at not in left]


@dataclass(slots=True)
class _Whole:
    """A block of the second body, and what was put into it."""

    change: Change
    text: str
    parts: list[Block] = field(default_factory=list)


def _merged(changes: Sequence[Change]) -> list[Change]:
    """Blocks that stand inside a block of the other side."""
    wholes = {
        at: _Whole(change, anatomy.reading(change.now))
        for at, change in enumerate(changes)
        if change.now is not None and change.state in ("added", "changed") and change.now.kind != "tools"
    }
    places, swallowed = list(wholes), set[int]()
    for at, change in enumerate(changes):
        if change.state not in ("removed", "changed") or change.before[0].kind == "tools":
            continue
        text = anatomy.reading(change.before[0]).strip()
        into = _nearest(at, text, wholes, places)
        if into is not None:
            wholes[into].parts.append(change.before[0])
            swallowed.add(at)
    return list(_told(changes, wholes, swallowed))


def _nearest(at: int, text: str, wholes: dict[int, _Whole], places: Sequence[int]) -> int | None:
    """The nearest block that has this text in it, among those near it."""
    if len(text) < SHORTEST:
        return None
    here = bisect_left(places, at)
    near = sorted(places[max(0, here - NEAR) : here + NEAR], key=lambda place: abs(place - at))
    return next((place for place in near if text in wholes[place].text), None)


def _told(changes: Sequence[Change], wholes: dict[int, _Whole], swallowed: set[int]) -> Iterator[Change]:
    for at, change in enumerate(changes):
        whole = wholes.get(at)
        if whole is not None and whole.parts:
            left = () if at in swallowed or change.state == "added" else change.before
            yield Change("merged", tuple(whole.parts), change.now)
            yield from (Change("removed", (block,), None) for block in left)
        elif at not in swallowed:
            yield change
        elif change.now is not None:
            yield Change("added", (), change.now)


# -- settings


def _settings(before: Json, now: Json) -> Iterator[Setting]:
    old, new = anatomy.settings(before), anatomy.settings(now)
    for key in (*old, *(key for key in new if key not in old)):
        if key not in new:
            yield Setting(key, old[key], None, "removed")
        elif key not in old:
            yield Setting(key, None, new[key], "added")
        elif old[key] != new[key]:
            yield Setting(key, old[key], new[key], "changed")
