"""What two prompts have in common at their beginning, and where they part.

Owns the comparison of two bodies as they were sent, since that is what a provider's cache sees. Must never look at
settings (a cache holds prompts) or at cache marks (they move every turn). The one surprise: blocks are compared as
bytes, and only inside the first block that differs is looked for the place; so a comparison costs what serialising
costs, whatever the bodies' size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ccr_tui import anatomy
from ccr_tui.anatomy import Block
from ccr_tui.records import Json
from ccr_tui.slim import dataclass
from ccr_tui.tally import PER_MESSAGE, Scale
from ccr_tui.wording import in_common

AROUND = 40
"""Characters that are told before the first difference."""
BEHIND = 160
"""Characters that are told behind it: a wide terminal has room for them."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where two prompts differ."""

    before: Block | None
    """The block of the earlier prompt; None: it had ended."""
    now: Block | None
    byte: int
    """How many bytes of the prompt, as JSON without cache marks, come before it."""
    character: int
    """The same inside the block, in characters of its text."""
    common: str
    """The last characters that both have."""
    was: str
    """How the earlier one went on."""
    became: str
    """How this one went on."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """The beginning that both prompts share."""

    blocks: int
    """Blocks that are wholly the same."""
    raw: int
    """Tokens, in the tokenizer's terms."""
    bytes: int
    whole: bool
    """Whether the earlier prompt is all of it: this one has only grown at its end."""
    difference: Difference | None
    """Where they part; None where the prompts are the same."""
    raw_before: int
    """All of the earlier prompt."""
    raw_now: int
    """All of this one."""


def compare(before: Json, now: Json, scale: Scale) -> Prefix:
    """The common prefix of two bodies of either API, counted with `scale`."""
    old, new = anatomy.blocks(before), anatomy.blocks(now)
    told = [anatomy.plain(block) for block in new]
    same = _common(_plain(old, len(told)), told)
    weights = [_weight(block, scale) for block in new]
    raw, size = sum(weights[:same]), sum(map(len, told[:same]))
    whole = same == len(old)
    difference, inside = _difference(old, new, same, size, scale)
    return Prefix(
        blocks=same,
        raw=raw + inside,
        bytes=size if difference is None else difference.byte,
        whole=whole,
        difference=difference,
        raw_before=_raw(before, old, scale),
        raw_now=_raw(now, new, scale, weights),
    )


def _plain(blocks: Sequence[Block], most: int) -> list[bytes]:
    return [anatomy.plain(block) for block in blocks[:most]]


def _common(one: Sequence[Any], other: Sequence[Any]) -> int:
    """How many elements both begin with."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _weight(block: Block, scale: Scale) -> int:
    """Its tokens, and those that surround its message if it leads it."""
    return anatomy.weigh(block, scale).total + PER_MESSAGE * block.leads


def _raw(body: Json, blocks: Sequence[Block], scale: Scale, weights: Sequence[int] | None = None) -> int:
    known = weights if weights is not None else [_weight(block, scale) for block in blocks]
    return sum(known) + anatomy.framing(body) - PER_MESSAGE * sum(block.leads for block in blocks)


def _difference(
    old: Sequence[Block], new: Sequence[Block], same: int, size: int, scale: Scale
) -> tuple[Difference | None, int]:
    """The place, and the tokens of the block in question before it."""
    before = old[same] if same < len(old) else None
    now = new[same] if same < len(new) else None
    if before is None and now is None:
        return None, 0
    last = anatomy.reading(new[same - 1])[-AROUND:] if same else ""
    if before is None or now is None:
        was, became = ("" if block is None else anatomy.reading(block)[:BEHIND] for block in (before, now))
        return Difference(before, now, size, 0, last, was, became), 0
    texts = _texts(before, now)
    at = in_common(*texts)
    common = texts[1][:at]
    found = Difference(
        before,
        now,
        size + len(common.encode("utf-8", "surrogatepass")),
        at,
        common[-AROUND:] or last,
        texts[0][at : at + BEHIND],
        texts[1][at : at + BEHIND],
    )
    alike = before.kind == now.kind and before.role == now.role
    return found, scale.weigh(common)[0] if alike and common else 0


def _texts(before: Block, now: Block) -> tuple[str, str]:
    """What to look for the difference in: what a model reads, or the JSON where that is the same."""
    texts = anatomy.reading(before), anatomy.reading(now)
    if texts[0] != texts[1]:
        return texts
    return anatomy.plain(before).decode("utf-8", "replace"), anatomy.plain(now).decode("utf-8", "replace")
