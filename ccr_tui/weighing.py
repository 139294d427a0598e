"""What each request of a session weighs by kind, less what of it was not sent on, along the chunks that they share.

Owns these sums. Must never put a body together: each chunk is weighed once, each node of a path summed once, and each
part of what was sent looked through once. The one surprise: whether a thought or a picture was sent can only be told by
looking for it in all that was sent, so first everything is weighed, to know what there is to look for; what is found
nowhere is settled then, and only the rest is asked for request by request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ccr_tui import anatomy
from ccr_tui.anatomy import KINDS, Block, Kind
from ccr_tui.leftout import Search, Sought, There, goes_with, sought
from ccr_tui.records import Json
from ccr_tui.seen import LISTS
from ccr_tui.store.paths import Paths, keys
from ccr_tui.tally import PER_MESSAGE, PER_REPLY, Scale

Sums = tuple[int, ...]
"""Raw tokens, in the order of KINDS."""
NOTHING: Sums = (0,) * len(KINDS)
TOOLS = ("tools", True)
FRAME = ("", False)


class _Chunk(NamedTuple):
    """A chunk where it stands: under which key of its body, and whether it is one of a list."""

    id: int
    key: tuple[str, bool]


class _Suspect(NamedTuple):
    """A block that may have been left out."""

    is_tool: bool
    kinds: tuple[tuple[Kind, int], ...]
    """The tokens that would go with it."""
    sought: tuple[Sought, ...]
    """What was sent if it was; of several pictures some may have been."""


class _Weight(NamedTuple):
    sums: Sums
    suspects: tuple[_Suspect, ...]


class _Told(NamedTuple):
    """A chunk of a path that has something to tell, and the one before it; most have nothing."""

    news: tuple[Any, ...]
    before: _Told | None


class _Step(NamedTuple):
    """A request's path as far as one of its nodes."""

    sums: Sums = NOTHING
    gone: Sums = NOTHING
    """Of blocks that were never sent with any request."""
    told: _Told | None = None
    """Blocks that were sent with some."""
    tools_gone: Sums = NOTHING
    """The same of tools, which are only left out where fewer were sent."""
    tools_told: _Told | None = None


_Walk = Mapping[int, tuple[int, _Chunk]]
"""Nodes, each after its parent: the parent and the chunk."""


class Weigher:
    """Weighs requests; `paths` with what was sent on."""

    def __init__(self, paths: Paths, scale: Scale) -> None:
        self.paths = paths
        received = _walk(paths, ((sent.node, sent.manifest) for sent in paths.sent.values()))
        onward = _walk(paths, paths.translated.values())
        weights = {chunk: _weighed(alone, scale) for chunk, alone in _each(paths, received)}
        found = _found(_each(paths, onward), [each for weight in weights.values() for each in weight.suspects])
        self._steps = _along(received, weights, {each for some in found.values() for each in some})
        self._there = dict[int, _Told | None]({0: None})
        for node, (parent, chunk) in onward.items():
            before = self._there[parent]
            self._there[node] = _Told(found[chunk], before) if found[chunk] else before

    def sent(self, n: int) -> Mapping[Kind, int]:
        """Raw tokens of what was sent on, as the x-ray counts them; of all of it where nothing is known of that."""
        received = self.paths.sent[n]
        step = self._steps[received.node]
        own = keys(received.manifest)
        sums = dict(zip(KINDS, step.sums, strict=True))
        sums["framing"] += PER_REPLY + PER_MESSAGE * any(key == "system" for key, _ in own)
        if n in self.paths.translated:
            for kind, tokens in self._lost(n, step, own.count(TOOLS)).items():
                sums[kind] -= tokens
        return sums

    def _lost(self, n: int, step: _Step, tools: int) -> Counter[Kind]:
        node, manifest = self.paths.translated[n]
        lost = Counter(dict(zip(KINDS, step.gone, strict=True)))
        there = set(_all(self._there[node])) if step.told or step.tools_told else set()
        _take(lost, _all(step.told), there)
        if tools > keys(manifest).count(TOOLS):
            lost.update(dict(zip(KINDS, step.tools_gone, strict=True)))
            _take(lost, _all(step.tools_told), there)
        return lost


def _take(lost: Counter[Kind], suspects: Iterable[_Suspect], there: set[Sought]) -> None:
    for suspect in suspects:
        missing = sum(each not in there for each in suspect.sought)
        for kind, tokens in suspect.kinds if missing else ():
            lost[kind] += round(tokens * (missing / len(suspect.sought)))


# -- once for all requests


def _walk(paths: Paths, ends: Iterable[tuple[int, bytes]]) -> _Walk:
    depths, found = {0: 0}, dict[int, tuple[int, _Chunk]]()
    for end, manifest in ends:
        new, node, own = list[int](), end, (*keys(manifest), FRAME)
        while node not in depths:
            new.append(node)
            node = paths.nodes[node][0]
        for each in reversed(new):
            found[each] = node, _Chunk(paths.nodes[each][1], own[depths[node]])
            depths[each] = depths[node] + 1
            node = each
    return found


def _each(paths: Paths, walk: _Walk) -> Iterator[tuple[_Chunk, dict[str, Any]]]:
    """Each chunk once, with a body that holds nothing else."""
    places: dict[int, dict[_Chunk, None]] = {}
    for _, chunk in walk.values():
        places.setdefault(chunk.id, {})[chunk] = None
    for id, value in paths.chunks.each(places):
        for chunk in places[id]:
            yield chunk, _alone(value, *chunk.key)


def _alone(value: Json, key: str, is_listed: bool) -> dict[str, Any]:
    """The frame may hold odd prompts, which are neither lists nor texts."""
    if key in LISTS:
        return {key: [value] if is_listed else value}
    return {key: value[key] for key in LISTS if key in value} if isinstance(value, dict) else {}


def _found(
    chunks: Iterable[tuple[_Chunk, dict[str, Any]]], suspects: list[_Suspect]
) -> dict[_Chunk, tuple[Sought, ...]]:
    """What of all that is sought each part of what was sent holds; tools are looked for among tools."""
    search = {is_tool: Search(_sought(suspects, is_tool)) for is_tool in (False, True)}
    return {
        chunk: wanted.find(There(alone)) if (wanted := search[chunk.key == TOOLS]) else () for chunk, alone in chunks
    }


def _sought(suspects: list[_Suspect], is_tool: bool) -> Iterator[Sought]:
    return (each for suspect in suspects if suspect.is_tool == is_tool for each in suspect.sought)


def _along(walk: _Walk, weights: Mapping[_Chunk, _Weight], sent: set[Sought]) -> dict[int, _Step]:
    """`sent`: what was found anywhere."""
    steps = {0: _Step()}
    settled = {chunk: _settled(weight, sent) for chunk, weight in weights.items()}
    for node, (parent, chunk) in walk.items():
        before, (sums, gone, told, tools_gone, tools_told) = steps[parent], settled[chunk]
        steps[node] = _Step(
            _add(before.sums, sums),
            _add(before.gone, gone),
            _Told(told, before.told) if told else before.told,
            _add(before.tools_gone, tools_gone),
            _Told(tools_told, before.tools_told) if tools_told else before.tools_told,
        )
    return steps


_Suspects = tuple[_Suspect, ...]


def _settled(weight: _Weight, sent: set[Sought]) -> tuple[Sums, Sums, _Suspects, Sums, _Suspects]:
    """Blocks that were never sent are sums; the others stay suspects. Tools apart."""
    gone, told = {False: Counter[Kind](), True: Counter[Kind]()}, {False: list[_Suspect](), True: list[_Suspect]()}
    for suspect in weight.suspects:
        if sent.isdisjoint(suspect.sought):
            gone[suspect.is_tool].update(dict(suspect.kinds))
        else:
            told[suspect.is_tool].append(suspect)
    return weight.sums, _sums(gone[False]), tuple(told[False]), _sums(gone[True]), tuple(told[True])


def _sums(found: Counter[Kind]) -> Sums:
    return tuple(found[kind] for kind in KINDS) if found else NOTHING


def _add(one: Sums, other: Sums) -> Sums:
    return one if other is NOTHING else tuple(a + b for a, b in zip(one, other, strict=True))


def _all(told: _Told | None) -> Iterator[Any]:
    while told is not None:
        yield from told.news
        told = told.before


def _weighed(body: dict[str, Any], scale: Scale) -> _Weight:
    """What a chunk weighs, and which of its blocks may be left out; what surrounds a system prompt comes once."""
    sums, suspects = Counter[Kind](), list[_Suspect]()
    for block in anatomy.blocks(body):
        weight = anatomy.weigh(block, scale).kinds
        sums.update(weight)
        if suspect := _suspected(block, weight):
            suspects.append(suspect)
    if not isinstance(body.get("system"), str | list):
        sums["framing"] += anatomy.framing(body) - PER_REPLY
    return _Weight(_sums(sums), tuple(suspects))


def _suspected(block: Block, weight: Mapping[Kind, int]) -> _Suspect | None:
    wanted = sought(block)
    gone = tuple((kind, tokens) for kind, tokens in weight.items() if goes_with(kind, block))
    return _Suspect(block.kind == "tools", gone, tuple(wanted)) if wanted and gone else None
