"""Where the tokens of one request are: by kind, by tool, by block, with what each part cost and by how much it grew.

Owns the sums. Must never hide what it does not know: what was counted stands beside what the provider reported, and a
cost without a price is None. The one surprise: parts are not all billed alike, since the beginning of a prompt may have
come from the provider's cache; so the tokens are laid out in the cache's order, what the request before had first, and
each part is billed for where it lies. What the translation left out was not billed: it weighs nothing, and is told as
not sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any

from ccr_tui import anatomy, prices
from ccr_tui.anatomy import KINDS, Block, Kind
from ccr_tui.leftout import goes_with, left_out
from ccr_tui.records import Json, Price, Trace, Usage
from ccr_tui.slim import dataclass
from ccr_tui.tally import PER_MESSAGE, PER_REPLY, Scale

NONSENSE = 8.0
"""A report further off than this factor is no count of the same prompt (a broken field, a made-up number)."""
LAID: tuple[Kind, ...] = (
    "tools", "system", "reminders", "framing", "prompts", "answers", "thinking", "calls", "results", "images",
    "documents",
)  # fmt: skip
"""The order in which kinds get their tokens: what a session's context takes together stands together, so that sums of
both are rounded alike."""
HEAVIEST = 10
"""Blocks that are told one by one."""


@dataclass(frozen=True, slots=True)
class Heavy:
    """One block and its part of the prompt."""

    block: Block
    tokens: int
    """As the provider would have reported it, where it reported anything; else as counted."""
    cost: int | None
    fresh: bool
    """Whether the request before it did not have it."""
    sent: bool = True
    """Whether anything of it was sent on."""


@dataclass(frozen=True, slots=True)
class Part:
    """All blocks of one kind, or those of one tool among them."""

    kind: Kind
    name: str
    blocks: int
    tokens: int
    cost: int | None
    grown: int | None
    """Tokens more than in the request before it, which is measured on this one's scale: reports of two models, or of
    one whose template has changed, would differ where no word does. None where there is none."""
    unsent: int = 0
    """How many of its blocks were not sent on: they weigh nothing."""

    @property
    def is_unsent(self) -> bool:
        """Whether nothing of it was sent on."""
        return 0 < self.blocks == self.unsent


@dataclass(frozen=True, slots=True)
class XRay:
    """A request's tokens. `tokens` of all parts add up to `tokens` of the whole, and so do their costs; `grown` of all
    parts and `rescaled` to `grown`."""

    counted: int
    """Of the client's body, in our tokenizer's terms."""
    counted_sent: int | None
    """Of the body that was sent on, in the same terms."""
    reported: int | None
    """What the provider reported of its prompt."""
    tokens: int
    """`reported` where there is one that makes sense, else what was counted of what was sent: the shares' whole."""
    guessed: int
    """The part of `counted` that no rule was found for."""
    unsent: int
    """The part of `counted` that was not sent on."""
    cost: int | None
    """Of the prompt alone."""
    grown: int | None
    reported_before: int | None = None
    """What the provider of the request before reported of its prompt."""
    counted_before: int | None = None
    """Of what was sent of the request before, in our tokenizer's terms."""
    rescaled: int = 0
    """The part of `grown` that no part has: both reports are of another scale (another model, another template)."""
    parts: tuple[Part, ...] = ()
    """Kinds in their order."""
    tools: tuple[Part, ...] = ()
    """By tool: its schema (`tools`), its calls and its results, the heaviest first."""
    heaviest: tuple[Heavy, ...] = ()

    @property
    def added(self) -> int:
        """What the translation has made more (or less) of what it did not leave out: `counted` less `unsent` and with
        this is `counted_sent`. 0 where nothing is known to have been sent."""
        return 0 if self.counted_sent is None else self.counted_sent - (self.counted - self.unsent)

    @property
    def is_disbelieved_before(self) -> bool:
        """Whether the report of the request before can't be of its prompt: `grown` is measured from what was counted,
        on this one's scale."""
        told, counted = self.reported_before, self.counted_before
        return told is not None and counted is not None and not is_sensible(told, counted)

    @property
    def scaled(self) -> bool:
        """Whether the parts are scaled to the report."""
        return self.tokens == self.reported

    def as_json(self) -> dict[str, Any]:
        """For scripts: counted and reported apart, money as decimal strings."""
        return {
            "counted_tokens": self.counted,
            "counted_sent_tokens": self.counted_sent,
            "reported_tokens": self.reported,
            "tokens": self.tokens,
            "tokens_basis": "reported" if self.scaled else "counted",
            "guessed_tokens": self.guessed,
            "not_sent_tokens": self.unsent,
            "translated_tokens": self.added,
            "cost_usd": prices.usd(self.cost),
            "grown_tokens": self.grown,
            "reported_tokens_before": self.reported_before,
            "counted_tokens_before": self.counted_before,
            "rescaled_tokens": self.rescaled,
            "parts": [_part_json(part, self.tokens) for part in self.parts],
            "tools": [_part_json(part, self.tokens) for part in self.tools],
            "heaviest": [_heavy_json(heavy, self.tokens) for heavy in self.heaviest],
        }


def _part_json(part: Part, whole: int) -> dict[str, Any]:
    return {
        "kind": part.kind,
        **({"name": part.name} if part.name else {}),
        "blocks": part.blocks,
        "tokens": part.tokens,
        "share": round(part.tokens / whole, 4) if whole else 0.0,
        "cost_usd": prices.usd(part.cost),
        "grown_tokens": part.grown,
        "blocks_not_sent": part.unsent,
    }


def _heavy_json(heavy: Heavy, whole: int) -> dict[str, Any]:
    block = heavy.block
    return {
        "kind": block.kind,
        "name": block.name,
        "where": list(block.where),
        "tokens": heavy.tokens,
        "share": round(heavy.tokens / whole, 4) if whole else 0.0,
        "cost_usd": prices.usd(heavy.cost),
        "new": heavy.fresh,
        "sent": heavy.sent,
    }


def of_trace(trace: Trace, before: Trace | None, scale: Scale) -> XRay:
    """The x-ray of a recorded request, `before` being the one before it in its conversation."""
    answer = trace.answer
    usage = answer.usage if answer is not None else None
    price = answer.price if answer is not None else None
    sent = answer.sent if answer is not None else None
    last = before.answer if before is not None else None
    was = None if last is None else last.sent
    found = xray(trace.body, scale, usage, price, None if before is None else before.body, sent, was)
    told = None if last is None else last.usage
    return found if told is None or told.basis != "reported" else rescaled(found, told.prompt)


def rescaled(found: XRay, before: int) -> XRay:
    """With what was reported of the request before: where both reports count, the whole has grown by their difference,
    and what the parts leave of that lies in the reports' scales."""
    found = replace(found, reported_before=before)
    if found.grown is None or not found.scaled or found.is_disbelieved_before:
        return found
    grown = found.tokens - before
    return replace(found, grown=grown, rescaled=grown - found.grown)


def xray(
    body: Json,
    scale: Scale,
    usage: Usage | None = None,
    price: Price | None = None,
    before: Json = None,
    sent: Json = None,
    before_sent: Json = None,
) -> XRay:
    """Weigh every block. An estimated usage is no report; `sent` is what the usage is of."""
    pieces = list(_pieces(body, scale, sent))
    counted = sum(piece.raw for piece in pieces)
    unsent = sum(piece.unsent for piece in pieces)
    reported = usage.prompt if usage is not None and usage.basis == "reported" and usage.prompt else None
    makes_sense = reported is not None and is_sensible(reported, counted)
    whole = reported if reported is not None and makes_sense else counted
    bill = _Bill(usage if makes_sense else None, price)
    earlier = list(_pieces(before, scale, before_sent)) if before is not None else None
    ratio = whole / counted if counted else 0.0
    was = _sums(earlier) if earlier is not None else None
    known = {anatomy.plain(piece.block) for piece in earlier if piece.block} if earlier is not None else None
    _lay_out(pieces, whole, counted)
    _charge(pieces if known is None else _known_first(pieces, known), bill)
    parts, tools = _parts(pieces, was, whole, ratio)
    return XRay(
        counted=counted + unsent,
        counted_sent=None if sent is None else _total(sent, scale),
        reported=reported,
        tokens=whole,
        guessed=sum(piece.guessed for piece in pieces),
        unsent=unsent,
        cost=bill.until(whole),
        grown=None if was is None else sum(part.grown or 0 for part in parts),
        counted_before=None if was is None else sum(was.values()),
        parts=parts,
        tools=tools,
        heaviest=_heaviest(pieces, known),
    )


def is_sensible(reported: int, counted: int) -> bool:
    """Whether a report can be of the prompt that was counted: one that can't scales nothing."""
    return counted / NONSENSE <= reported <= counted * NONSENSE


def apportioned(raw: Iterable[int], whole: int) -> list[int]:
    """The whole in parts as large as these are, in proportion: by where each begins and ends, so they add up to it."""
    ends = list(accumulate(raw, initial=0))
    counted = ends[-1]
    at = [round(end * whole / counted) if counted else 0 for end in ends]
    return [end - start for start, end in pairwise(at)]


@dataclass(slots=True)
class _Piece:
    """A stretch of the prompt: a block's tokens of one kind, or what surrounds a message."""

    kind: Kind
    name: str
    raw: int
    block: Block | None = None
    guessed: int = 0
    unsent: int = 0
    """Raw tokens that were left out."""
    tokens: int = 0
    cost: int | None = None


def _pieces(body: Json, scale: Scale, sent: Json = None) -> Iterable[_Piece]:
    """In the cache's order; their raw tokens, and those that were left out, add up to the count of the body."""
    out, blocks = left_out(body, sent), anatomy.blocks(body)
    for block in blocks:
        if block.leads:
            yield _Piece("framing", "", PER_MESSAGE)
        weight, share = anatomy.weigh(block, scale), out.get(block.where, 0.0)
        for at, (kind, tokens) in enumerate(weight.kinds.items()):
            unsent = round(tokens * share) if goes_with(kind, block) else 0
            yield _Piece(kind, block.name, tokens - unsent, block, 0 if at else weight.guessed, unsent)
    left = anatomy.framing(body) - PER_REPLY - PER_MESSAGE * sum(block.leads for block in blocks)
    yield _Piece("framing", "", left + PER_REPLY)


def _total(body: Json, scale: Scale) -> int:
    return sum(piece.raw for piece in _pieces(body, scale))


class _Bill:
    """What a prompt's beginning cost: first what was read from the cache, then what was written to it, then the rest.

    That is how providers cache, and the report says only how much.
    """

    def __init__(self, usage: Usage | None, price: Price | None) -> None:
        self._usage, self._price = usage, price

    def until(self, tokens: int) -> int | None:
        """Nano-USD of the first so many tokens."""
        usage, price = self._usage, self._price
        if usage is None or price is None:
            return None
        read = min(tokens, usage.cache_read)
        written = min(tokens - read, usage.cache_write)
        long = min(written, usage.cache_write_1h)  # marks for an hour stand before those for five minutes
        return prices.cost(Usage(tokens - read - written, 0, read, written, cache_write_1h=long), price)


def _lay_out(pieces: Sequence[_Piece], whole: int, counted: int) -> None:
    """Give each piece its tokens, by where it begins and ends: so rounding never adds up."""
    at = raw = 0
    for piece in pieces:
        raw += piece.raw
        end = round(raw * whole / counted) if counted else 0
        piece.tokens, at = end - at, end


def _known_first(pieces: Iterable[_Piece], known: set[bytes]) -> list[_Piece]:
    """What the request before had, in its order, and then what is new: a cache can't have held that, wherever it
    stands. Some templates put new tools behind what was said before."""
    return sorted(pieces, key=lambda piece: piece.block is not None and anatomy.plain(piece.block) not in known)


def _charge(pieces: Iterable[_Piece], bill: _Bill) -> None:
    """Give each piece its cost, in the order in which a cache is taken to have held them."""
    at, paid = 0, bill.until(0)
    for piece in pieces:
        at += piece.tokens
        owed = bill.until(at)
        piece.cost = None if owed is None or paid is None else owed - paid
        paid = owed


def _sums(pieces: Sequence[_Piece]) -> dict[tuple[Kind, str], int]:
    """Raw tokens by kind and tool."""
    raw: dict[tuple[Kind, str], int] = {}
    for piece in pieces:
        raw[piece.kind, piece.name] = raw.get((piece.kind, piece.name), 0) + piece.raw
    return raw


def _parts(
    pieces: Sequence[_Piece], was: Mapping[tuple[Kind, str], int] | None, whole: int, ratio: float
) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    groups: dict[tuple[Kind, str], list[_Piece]] = {}
    for piece in pieces:
        groups.setdefault((piece.kind, piece.name), []).append(piece)
    earlier = was or {}
    keys = sorted([*groups, *(key for key in earlier if key not in groups)], key=lambda key: LAID.index(key[0]))
    tokens = apportioned((sum(piece.raw for piece in groups.get(key, ())) for key in keys), whole)
    each = [
        _part(key, groups.get(key, []), own, earlier.get(key, 0) if was is not None else None, ratio)
        for key, own in zip(keys, tokens, strict=True)
    ]
    kinds = tuple(_sum(kind, [part for part in each if part.kind == kind]) for kind in KINDS)
    named = [part for part in each if part.name and part.kind in ("tools", "calls", "results")]
    return (
        tuple(part for part in kinds if part.blocks or part.tokens or part.grown),
        tuple(sorted(named, key=lambda part: (-part.tokens, part.kind, part.name))),
    )


def _part(key: tuple[Kind, str], pieces: Sequence[_Piece], tokens: int, was: int | None, ratio: float) -> Part:
    """`was`: its raw tokens in the request before."""
    raw = sum(piece.raw for piece in pieces)
    costs = [piece.cost for piece in pieces]
    cost = None if None in costs else sum(cost for cost in costs if cost)
    blocks = len({piece.block.where for piece in pieces if piece.block})
    unsent = len({piece.block.where for piece in pieces if piece.block and piece.unsent and not piece.raw})
    return Part(*key, blocks, tokens, cost, None if was is None else _growth(tokens, raw, was, ratio), unsent)


def _growth(tokens: int, raw: int, was: int, ratio: float) -> int:
    """All of what is new, nothing of what is as it was; else the rest beside what was, on this request's scale."""
    return 0 if raw == was else tokens - round(was * ratio)


def _sum(kind: Kind, parts: Sequence[Part]) -> Part:
    costs, grown = [part.cost for part in parts], [part.grown for part in parts]
    return Part(
        kind,
        "",
        sum(part.blocks for part in parts),
        sum(part.tokens for part in parts),
        None if None in costs else sum(cost for cost in costs if cost),
        None if None in grown or not grown else sum(g for g in grown if g),
        sum(part.unsent for part in parts),
    )


def _heaviest(pieces: Sequence[_Piece], known: set[bytes] | None) -> tuple[Heavy, ...]:
    found: dict[int, tuple[Block, list[_Piece]]] = {}
    for piece in pieces:
        if piece.block is not None:
            found.setdefault(id(piece.block), (piece.block, []))[1].append(piece)
    heavy = sorted(found.values(), key=lambda entry: -sum(piece.tokens for piece in entry[1]))[:HEAVIEST]
    return tuple(
        Heavy(
            block,
            sum(piece.tokens for piece in own),
            None if any(piece.cost is None for piece in own) else sum(piece.cost or 0 for piece in own),
            known is not None and anatomy.plain(block) not in known,
            any(piece.raw for piece in own) or not any(piece.unsent for piece in own),
        )
        for block, own in heavy
    )
