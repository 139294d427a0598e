"""The recorded requests as prompts: a tree of blocks, each counted once.

Owns what a block weighs and which blocks a provider is sent. Must never put a body together: it walks the nodes. The
one surprise: chat providers are not sent the client's billing line, which changes between conversations, so there are
two trees: what an Anthropic model reads, and what all others read.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ccr_tui.caching import HOUR, MINUTE, Prompt
from ccr_tui.chunks import MARK
from ccr_tui.proxy.asked import BILLING
from ccr_tui.records import Json
from ccr_tui.replay.fitting import SIZE, Features, around, features, minus, plus, whole
from ccr_tui.slim import dataclass
from ccr_tui.store.paths import Paths, Sent
from ccr_tui.store.rows import TraceRow
from ccr_tui.tally import PER_MESSAGE, PER_REPLY
from ccr_tui.tokens import Counter
from ccr_tui.trie import Tree
from ccr_tui.wire import loads

NOTHING: Features = (0,) * SIZE
PRIMER: Features = around(PER_REPLY)
"""What begins the answer."""
ASIDE = ("think", "code")
"""Purposes of calls whose words the client is shown as reasoning."""
THREADS = 2
BATCH = 64
"""Chunks that a thread counts before it asks for more."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What a block weighs, and what it is."""

    features: Features
    parts: int = 1
    chat: Features | None = None
    """Its weight for chat providers where that differs; nothing at all: they are not sent it."""

    @property
    def tokens(self) -> int:
        """Ours."""
        return whole(self.features)


@dataclass(frozen=True, slots=True)
class Place:
    """A node of the store."""

    id: int
    parent: int
    chunk: int
    key: str
    """tools, system or messages."""


@dataclass(slots=True)
class View:
    """The requests as one kind of provider reads them."""

    tree: Tree
    node: dict[int, int]
    """The store's node to the tree's."""
    instructed: set[int]
    """Nodes of the tree at or after a system block."""
    features: list[Features]
    """Of everything up to each node of the tree."""

    def add(self, place: Place, features: Features, parts: int, block: Any) -> None:
        """A node of the store, after its parent. What surrounds the system prompt is counted with its first block."""
        before = self.node[place.parent]
        system = before in self.instructed or (place.key == "system" and any(features))
        if system and before not in self.instructed:
            features = plus(features, around(PER_MESSAGE))
        made = self.node[place.id] = self.tree.add(before, block, whole(features), parts)
        if system:
            self.instructed.add(made)
        if made == len(self.features):
            self.features.append(plus(self.features[before], features))


class Prompts:
    """All requests of a recording, in trees that share their beginnings.

    Counts every block once: 400 KB take 60 ms, the rest is some microseconds a node. Raises StoreError for a damaged
    database.
    """

    def __init__(self, paths: Paths, counter: Counter) -> None:
        self._paths = paths
        self._counter = counter
        self._depth = {0: 0}
        self._tools = {0: 0}
        """For each node of the store: tokens of tools up to it."""
        self._marked: dict[int, tuple[tuple[int, float], ...]] = {}
        self._whole: dict[int, Features] = {}
        self._said: dict[tuple[int, bool], Features] = {}
        self._read: dict[bytes, tuple[list[Any], list[Any]]] = {}
        self.whole, self.chat = (View(Tree(), {0: 0}, set(), [NOTHING]) for _ in range(2))
        places = [place for sent in paths.sent.values() for place in self._new(sent)]
        weights = self._weigh(places)
        for place in places:
            self._add(place, weights[place.chunk, place.key])

    def raw(self, n: int) -> int:
        """Tokens of a whole request as `tally` counts them."""
        last = self._last(self._paths.sent[n])
        return self.whole.tree.tokens[self.whole.node[last]] + PER_REPLY

    def features(self, n: int) -> Features:
        """What `raw` counts, as a tokenizer is fitted to it."""
        if n not in self._whole:
            last = self._last(self._paths.sent[n])
            self._whole[n] = plus(self.whole.features[self.whole.node[last]], PRIMER)
        return self._whole[n]

    def tools(self, n: int) -> int:
        """The part of `raw` that describes tools."""
        return self._tools[self._last(self._paths.sent[n])]

    def limit(self, n: int) -> int | None:
        """The most tokens that the client let an answer have."""
        frame = self._paths.chunks.get(self._paths.nodes[self._paths.sent[n].node][1])
        limit = frame.get("max_tokens") if isinstance(frame, dict) else None
        return limit if isinstance(limit, int) else None

    def said(self, n: int, *, reasoning: bool) -> Features | None:
        """The answer to a request; None without one. Its reasoning is left out where that was reported apart, and where
        agents worked aside, whose words stand there as reasoning."""
        reply = self._paths.sent[n].reply
        if reply is None:
            return None
        reasoning = reasoning or any(call.purpose in ASIDE for call in self._paths.calls.get(n, ()))
        key = (reply, reasoning)
        if key not in self._said:
            self._said[key] = self._features("messages", self._paths.chunks.get(reply), thinking=not reasoning)
        return self._said[key]

    def prompt(self, row: TraceRow, *, whole: bool) -> Prompt:
        """A request as a cache sees it; `whole` for an Anthropic model."""
        sent = self._paths.sent[row.n]
        view = self.whole if whole else self.chat
        leaf = view.node[self._last(sent)]
        answer = view.tree.child(leaf, sent.reply)  # where the client sends it back as it came
        ready = (row.duration_ms if row.ttft_ms is None else row.ttft_ms) / 1000
        if whole and row.n not in self._marked:
            self._marked[row.n] = self._marks(sent, leaf)
        return Prompt(leaf, row.started_at, ready, self._marked[row.n] if whole else (), answer)

    def _last(self, sent: Sent) -> int:
        """The store's node before the frame."""
        return self._paths.nodes[sent.node][0]

    def _marks(self, sent: Sent, leaf: int) -> tuple[tuple[int, float], ...]:
        """Nodes with `cache_control`, first to last, and how long each asks to be kept."""
        depth = self._depth[self._last(sent)]
        marked = [(at, mark) for at, _, _, mark in self._manifest(sent)[1] if at < depth]
        frame = self._paths.chunks.get(self._paths.nodes[sent.node][1])
        if isinstance(frame, dict) and MARK in frame:  # for all: its last block
            marked.append((depth - 1, frame[MARK]))
        found = {self.whole.tree.above(leaf, depth - 1 - at): _lives(mark) for at, mark in sorted(marked, key=_first)}
        return tuple(found.items())

    def _manifest(self, sent: Sent) -> tuple[list[Any], list[Any]]:
        """Keys with how many chunks they take, and the marks."""
        known = self._read.get(sent.manifest)
        if known is None:
            parts, marks = (*loads(sent.manifest), [], [])[:2]
            known = self._read[sent.manifest] = parts, marks
        return known

    def _new(self, sent: Sent) -> list[Place]:
        """The nodes of a request that none before it had, first to last."""
        nodes, node, fresh = self._paths.nodes, self._last(sent), []
        while node not in self._depth:
            parent, chunk = nodes[node]
            fresh.append((node, parent, chunk))
            node = parent
        keys = [key for key, n in self._manifest(sent)[0] for _ in range(1 if n is None else n)]
        found = []
        for id, parent, chunk in reversed(fresh):
            depth = self._depth[id] = self._depth[parent] + 1
            found.append(Place(id, parent, chunk, keys[depth - 1]))
        return found

    def _weigh(self, places: list[Place]) -> dict[tuple[int, str], Weight]:
        """Each chunk once, under each key that it stands under."""
        keys: dict[int, set[str]] = {}
        for place in places:
            keys.setdefault(place.chunk, set()).add(place.key)
        wanted = [(chunk, key, value) for chunk, value in self._paths.chunks.each(keys) for key in keys[chunk]]
        batches = [wanted[start : start + BATCH] for start in range(0, len(wanted), BATCH)]
        with ThreadPoolExecutor(THREADS, "ccr-tui counting") as threads:  # the tokenizer runs beside Python
            return {name: weight for batch in threads.map(self._batch, batches) for name, weight in batch}

    def _batch(self, wanted: list[tuple[int, str, Json]]) -> list[tuple[tuple[int, str], Weight]]:
        return [((chunk, key), self._weight(key, value)) for chunk, key, value in wanted]

    def _weight(self, key: str, value: Json) -> Weight:
        found = self._features(key, value)
        if key == "messages" and isinstance(value, dict):
            content = value.get("content")
            return Weight(found, max(1, len(content)) if isinstance(content, list) else 1)
        text = value.get("text") if isinstance(value, dict) else value
        if key == "system" and isinstance(text, str) and text.startswith(BILLING):
            return Weight(found, chat=self._features(key, text.partition("\n")[2].lstrip("\n")))
        return Weight(found)

    def _features(self, key: str, value: Json, *, thinking: bool = True) -> Features:
        if not value:
            return NOTHING
        found = features({key: [value]}, self._counter, thinking=thinking)
        return minus(found, around(PER_REPLY + (PER_MESSAGE if key == "system" else 0)))

    def _add(self, place: Place, weight: Weight) -> None:
        self._tools[place.id] = self._tools[place.parent] + (weight.tokens if place.key == "tools" else 0)
        self.whole.add(place, weight.features, weight.parts, place.chunk)
        if weight.chat is None:
            self.chat.add(place, weight.features, weight.parts, place.chunk)
        elif any(weight.chat):
            self.chat.add(place, weight.chat, weight.parts, (place.chunk, "rest"))
        else:
            self.chat.node[place.id] = self.chat.node[place.parent]


def _lives(mark: Json) -> float:
    return HOUR if isinstance(mark, dict) and mark.get("ttl") == "1h" else 5 * MINUTE


def _first(marked: tuple[int, Json]) -> int:
    return marked[0]
