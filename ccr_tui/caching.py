"""What a provider's prompt cache would have served: a simulation of it on the prefixes that were really sent.

Owns the rules of each family's cache, with where they were read, and the simulator. Must never do I/O, look at a text
or know a price: a prompt is a path in a `Tree` of blocks, whose tokens somebody else has counted. The one surprise:
hardly anybody promises a hit. Only Anthropic's explicit cache and a server of one's own are exact; the others are "best
effort", so that a simulated hit is what such a cache can serve, and `Rules.sure` says which it is.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from functools import lru_cache
from heapq import heappop, heappush
from math import inf
from typing import Any, Literal

from ccr_tui.records import Json
from ccr_tui.slim import dataclass
from ccr_tui.trie import Tree

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
LOOK_BACK = 20
"""Content blocks before a mark in which Anthropic looks for what was written earlier (its page on prompt caching)."""

Match = Literal["blocks", "units", "marks", "none"]
"""blocks: any common prefix, in whole blocks of tokens. units: an earlier prompt (or a prefix that two have shown to
have in common) from its beginning to its end. marks: only where `cache_control` stands. none: no cache."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How one family's cache works."""

    family: str
    match: Match
    source: str
    """Where it was read."""
    block: int = 1
    """Tokens; what is served is a multiple of it."""
    minimum: int = 0
    """Tokens; a shorter hit (with marks: a shorter prefix) is none."""
    lives_s: float = inf
    """Seconds after its last use for which an entry is served."""
    answers: bool = False
    """Whether the model's own answer is served too, as part of the next prompt."""
    write_percent: int = 100
    """What a written token costs, in per cent of an input token; 100: a write is an input token and not told apart."""
    sure: bool = False
    """Whether a hit is promised."""
    assumed: str = ""
    """What of this is not documented, as a sentence for the report."""

    def holds(self, tokens: int) -> int:
        """How many of a beginning of so many tokens such a cache may keep: all, or none."""
        return tokens if self.match != "none" and tokens >= self.minimum else 0

    @property
    def writes(self) -> bool:
        """Whether written tokens are billed as such."""
        return self.write_percent != 100


FAMILIES = (
    ("deepseek", r"deepseek"),
    ("qwen", r"dashscope|aliyuncs|qwen"),
    ("moonshot", r"moonshot|kimi"),
    ("zhipu", r"bigmodel|zhipu|\bz\.ai\b|glm"),
    ("gemini", r"googleapis|gemini"),
    ("groq", r"groq"),
    ("xai", r"\bx\.ai\b|\bxai\b|grok"),
    ("minimax", r"minimax"),
    ("llama_cpp", r"llama[._ -]?cpp|llama-server"),
    ("vllm", r"vllm"),
    ("ollama", r"ollama|:11434"),
    ("lmstudio", r"lm[._ -]?studio|:1234\b"),
    ("openai", r"openai"),
    ("anthropic", r"anthropic"),
)
"""By provider's name and address, the first that matches."""
PROVEN = "the provider reports that it has a cache; nothing more is known of it"
NONE = Rules("none", "none", "no prompt cache is known of, so none is counted on")
RULES: Mapping[str, Rules] = {
    rules.family: rules
    for rules in (
        Rules(
            "anthropic", "marks", "platform.claude.com/docs/en/build-with-claude/prompt-caching (2026)",
            minimum=1024, lives_s=5 * MINUTE, write_percent=125, sure=True,
            assumed="a mark inside a message is taken as standing at its end",
        ),
        Rules(
            "openai", "blocks", "developers.openai.com/docs/guides/prompt-caching: from 1024 tokens, in steps of 128, "
            "5 to 10 minutes after the last use, up to an hour",
            block=128, minimum=1024, lives_s=10 * MINUTE,
            assumed="an unused prefix is kept for 10 minutes (5 to 60 are documented)",
        ),
        Rules(
            "deepseek", "units", "api-docs.deepseek.com/guides/kv_cache: whole prefixes, kept at the end of each "
            "prompt, of each answer, and of what two prompts have in common; multiples of 64 tokens (its page of 2024)",
            block=64, minimum=64, lives_s=DAY, answers=True,
            assumed="entries are kept for a day (hours to days are documented); the further entries that it keeps "
            "inside long prompts are left out, because their distance is not documented",
        ),
        Rules(
            "qwen", "blocks", "alibabacloud.com/help/en/model-studio/context-cache: implicit, from 256 tokens, "
            "hits not promised",
            block=128, minimum=256, lives_s=5 * MINUTE,
            assumed="blocks of 128 tokens, kept for 5 minutes (neither is documented)",
        ),
        Rules(
            "gemini", "blocks", "ai.google.dev/gemini-api/docs/caching: implicit, from 2048 or 4096 tokens by model",
            block=1, minimum=4096, lives_s=5 * MINUTE, assumed="kept for 5 minutes (not documented)",
        ),
        Rules(
            "groq", "blocks", "console.groq.com/docs/prompt-caching: expires 2 hours after its last use",
            block=128, minimum=128, lives_s=2 * HOUR, assumed="blocks of 128 tokens (not documented)",
        ),
        Rules(
            "xai", "blocks", "docs.x.ai/developers/advanced-api-usage/prompt-caching: may be evicted at any time",
            block=64, minimum=64, lives_s=5 * MINUTE,
            assumed="blocks of 64 tokens, kept for 5 minutes (not documented)",
        ),
        Rules(
            "moonshot", "blocks", "platform.moonshot.ai: automatic, no size given", block=256, minimum=256,
            lives_s=5 * MINUTE, assumed="blocks of 256 tokens, kept for 5 minutes (not documented)",
        ),
        Rules(
            "zhipu", "blocks", "docs.z.ai/guides/capabilities/cache: automatic, no size given", block=64, minimum=64,
            lives_s=5 * MINUTE, assumed="blocks of 64 tokens, kept for 5 minutes (not documented)",
        ),
        Rules(
            "minimax", "blocks", "platform.minimax.io: passive caching from 512 tokens", block=64, minimum=512,
            lives_s=5 * MINUTE, assumed="blocks of 64 tokens, kept for 5 minutes (not documented)",
        ),
        Rules("llama_cpp", "blocks", "measured: a slot keeps its last prompt and answer, token for token",
              sure=True, answers=True, assumed="every conversation still has its slot"),
        Rules("vllm", "blocks", "docs.vllm.ai/en/latest/features/automatic_prefix_caching: blocks of 16 tokens, "
              "until the memory is needed", block=16, sure=True, answers=True, assumed="nothing was evicted"),
        Rules("ollama", "blocks", "llama.cpp underneath: the last prompt, token for token", answers=True,
              assumed="every conversation still has its slot"),
        Rules("lmstudio", "blocks", "llama.cpp underneath: the last prompt, token for token", answers=True,
              assumed="every conversation still has its slot"),
        Rules("demo", "blocks", "what the built-in demo model reports: all but the newest turn, in steps of 64 tokens",
              block=64, minimum=64, sure=True),
    )
}  # fmt: skip
"""By family, as in proxy/quirks; a family that is not here has no cache that is known of."""

_CLAUDE_LONG = r"opus-4-[5-9]|opus-[5-9]|haiku-4-5|haiku-[5-9]"
MEMBERS: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    # platform.claude.com's table as gateways copy it (docs.orq.ai, docs.aihubmix.com): 4096 for Opus 4.5 and later and
    # Haiku 4.5, 2048 for Sonnet 4.6 and older Haikus, else 1024; models after those are unchecked
    ("anthropic", _CLAUDE_LONG, {"minimum": 4096}),
    ("anthropic", r"sonnet-4-6|haiku-3|3-5-haiku|3-haiku", {"minimum": 2048}),
    ("gemini", r"gemini-2\.5", {"minimum": 2048}),
    # from 5.6 on: kept for 30 minutes at least, writes at 1.25 times the input price (its announcement of 2026-06)
    ("openai", r"gpt-5\.([6-9]|\d\d)|gpt-[6-9]", {"lives_s": 30 * MINUTE, "write_percent": 125, "assumed": ""}),
    # "extended retention, up to 24 hours" is what 5.5 has by default; what is promised is less
    ("openai", r"gpt-5\.5", {"lives_s": HOUR}),
)
"""Family, pattern of model ids, and what differs for them; later ones are laid over earlier ones."""


def rules_for(family: str, model_id: str, kind: str = "openai") -> Rules:
    """The rules of a model's cache. `kind` is the provider's: a Claude model at Anthropic's own protocol has marks."""
    claude = "claude" in model_id.lower()
    name = "anthropic" if claude and kind == "anthropic" else family
    found = RULES.get("demo" if kind == "demo" and name not in RULES else name)
    if found is None:
        return replace(NONE, family=family)
    for of, pattern, differs in MEMBERS:
        if of == name and re.search(pattern, model_id, re.IGNORECASE):
            found = replace(found, **differs)
    return found


def rules_met(
    provider: str, model_id: str, family: str, sent: Json, address: str = "", kind: str | None = None
) -> Rules:
    """The rules of the cache that a recorded call met: by its provider's name and address, else by the family whose
    facts were heeded."""
    by_name = _named(f"{provider} {address}".lower())
    is_messages = isinstance(sent, dict) and "system" in sent
    named = by_name or (family if family in RULES else provider)
    return rules_for(named, model_id, kind or ("anthropic" if is_messages else "openai"))


@lru_cache(maxsize=256)
def _named(words: str) -> str:
    return next((family for family, pattern in FAMILIES if re.search(pattern, words)), "")


def proven(rules: Rules, read: int | None) -> Rules:
    """A cache that was read from is one, whatever is known of it."""
    return replace(rules, match="blocks", source=PROVEN) if read and rules.match == "none" else rules


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request, as a cache sees it."""

    leaf: int
    """The node of its last block."""
    at: float
    """Seconds since the epoch when it was sent."""
    ready_s: float = 0.0
    """Seconds until others may use what it leaves in the cache: an answer must have begun."""
    marks: tuple[tuple[int, float], ...] = ()
    """Nodes at which `cache_control` stands, first to last, and for how many seconds."""
    answer: int | None = None
    """The node of its answer in a later prompt, if one has it."""


@dataclass(frozen=True, slots=True)
class Cached:
    """What a cache does for one prompt, in the model's tokens."""

    read: int = 0
    write: int = 0
    """Written for the short time, where writes are billed as such."""
    write_long: int = 0
    """Written for an hour, which costs twice an input token."""


class Simulator:
    """One model's cache at one provider. Prompts are given in order of time."""

    def __init__(self, tree: Tree, rules: Rules) -> None:
        self.rules = rules
        self._tree = tree
        self._pending: list[tuple[float, int, Prompt]] = []
        self._taken = 0
        self._memory = _MEMORIES[rules.match](tree, rules)

    def take(self, prompt: Prompt, measure: Callable[[int], float] | None = None, total: int | None = None) -> Cached:
        """What of this prompt is served, and what it leaves behind.

        `measure` gives the model's tokens of everything up to a node (the tree's own where it is None), `total` those
        of the whole prompt where that is more than its blocks.
        """
        while self._pending and self._pending[0][0] <= prompt.at:
            self._memory.keep(heappop(self._pending)[2])
        found = self._memory.found(prompt)
        heappush(self._pending, (prompt.at + prompt.ready_s, self._taken, prompt))
        self._taken += 1
        return self._counted(prompt, found, measure or self._tree.tokens.__getitem__, total)

    def _counted(self, prompt: Prompt, found: int, measure: Callable[[int], float], total: int | None) -> Cached:
        rules = self.rules
        whole = round(measure(prompt.leaf)) if total is None else total
        most = whole if rules.match == "marks" else max(0, whole - 1)  # to answer, a model must read something
        read = min(int(measure(found)) if found else 0, most) // rules.block * rules.block
        if read < rules.minimum:
            read = 0
        if not rules.writes:
            return Cached(read)
        if rules.match == "marks":
            return self._written(prompt, read, measure, whole)
        return Cached(read, max(0, whole // rules.block * rules.block - read) if whole >= rules.minimum else 0)

    def _written(self, prompt: Prompt, read: int, measure: Callable[[int], float], whole: int) -> Cached:
        """From what was read on to the last mark of each life; long-lived marks stand before short-lived ones."""
        short = long = 0
        reached = read
        for node, lives in prompt.marks:
            end = min(int(measure(node)), whole)
            if end < self.rules.minimum or end <= reached:
                continue
            if lives > self.rules.lives_s:
                long += end - reached
            else:
                short += end - reached
            reached = end
        return Cached(read, short, long)


@dataclass(slots=True)
class _Nothing:
    tree: Tree
    rules: Rules

    def found(self, prompt: Prompt) -> int:
        return 0

    def keep(self, prompt: Prompt) -> None:
        pass


@dataclass(slots=True)
class _Blocks:
    """Any prefix of a prompt that was sent lately.

    For each segment of the tree: how far into it somebody went, and when; a later visit that goes further makes an
    earlier one worthless, so that the list falls in place and rises in time.
    """

    tree: Tree
    rules: Rules
    visits: dict[int, deque[tuple[int, float]]] = field(default_factory=dict)

    def found(self, prompt: Prompt) -> int:
        """The last node of the longest prefix that is alive."""
        segments, node = self.tree.segments, 0
        for segment, end in segments.way(prompt.leaf):
            place = min(end, self._alive(segment, prompt.at))
            if place:
                node = segments.nodes[segment][place - 1]
            if place < end or place < len(segments.nodes[segment]):
                break
        return node

    def keep(self, prompt: Prompt) -> None:
        leaf = prompt.answer if self.rules.answers and prompt.answer is not None else prompt.leaf
        for segment, end in self.tree.segments.way(leaf):
            visits = self.visits.setdefault(segment, deque())
            while visits and visits[-1][0] <= end:
                visits.pop()
            visits.append((end, prompt.at + prompt.ready_s))

    def _alive(self, segment: int, now: float) -> int:
        visits = self.visits.get(segment)
        while visits and now - visits[0][1] > self.rules.lives_s:
            visits.popleft()
        return visits[0][0] if visits else 0


@dataclass(slots=True)
class _Units:
    """Whole earlier prompts, and prefixes that two of them have shown to have in common."""

    tree: Tree
    rules: Rules
    units: dict[int, float] = field(default_factory=dict)
    """A node at which a unit ends, and when it was last used."""
    seen: set[int] = field(default_factory=set)

    def found(self, prompt: Prompt) -> int:
        node, common = prompt.leaf, 0
        while node:
            if not common and node in self.seen:
                common = node
            used = self.units.get(node)
            if used is not None and prompt.at - used <= self.rules.lives_s:
                break
            node = self.tree.parent[node]
        if common and common != node:
            self.units[common] = prompt.at
        if node:
            self.units[node] = prompt.at
        return node

    def keep(self, prompt: Prompt) -> None:
        self.units[prompt.leaf] = prompt.at
        self._see(prompt.leaf)
        if self.rules.answers and prompt.answer is not None:
            self.units[prompt.answer] = prompt.at
            self._see(prompt.answer)

    def _see(self, node: int) -> None:
        while node and node not in self.seen:
            self.seen.add(node)
            node = self.tree.parent[node]


@dataclass(slots=True)
class _Marks:
    """What was written at a mark, found again from a mark that is not far behind it."""

    tree: Tree
    rules: Rules
    entries: dict[int, tuple[float, float]] = field(default_factory=dict)
    """A node at which a mark stood: when it was last used, and how long it lives."""

    def found(self, prompt: Prompt) -> int:
        """The deepest live entry; all that lie on the prompt's way to it are used, and live on."""
        for mark, _ in reversed(prompt.marks):
            if node := self._before(mark, prompt.at):
                return node
        return 0

    def keep(self, prompt: Prompt) -> None:
        for mark, lives in prompt.marks:
            self.entries[mark] = prompt.at, max(lives, self._life(mark, prompt.at))

    def _before(self, mark: int, now: float) -> int:
        node, passed = mark, 0
        while node and passed <= LOOK_BACK:
            if lives := self._life(node, now):
                self.entries[node] = now, lives
                return node
            passed += self.tree.parts[node]
            node = self.tree.parent[node]
        return 0

    def _life(self, node: int, now: float) -> float:
        used, lives = self.entries.get(node, (-inf, 0.0))
        return lives if now - used <= lives else 0.0


_MEMORIES: Mapping[Match, Any] = {"blocks": _Blocks, "units": _Units, "marks": _Marks, "none": _Nothing}
