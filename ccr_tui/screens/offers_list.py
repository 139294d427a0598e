"""The rows of the Models screen: providers with their models, and the agents.

Owns what each says on one line, for a width. Pure. The one surprise: a number that nobody knows is a question mark, and
a price of nothing is said in words, because "0" and "unknown" must not look alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from functools import partial

from rich.cells import cell_len

from ccr_tui.catalogue import AGENTS
from ccr_tui.config import Config
from ccr_tui.offers import Offer
from ccr_tui.records import Badge
from ccr_tui.screens import show
from ccr_tui.screens.ink import AGENT_INKS
from ccr_tui.screens.roster import Row
from ccr_tui.slim import dataclass
from ccr_tui.wiretest import NEEDED

Pieces = list[tuple[str, str]]
ROUTED = ("router", "tool", "coder")
"""Agents that only Router mode has use for."""


@dataclass(frozen=True)
class Seen:
    """Everything that the screen shows, as a thread has put it together."""

    config: Config
    offers: Mapping[str, Offer] = field(default_factory=dict)
    badges: Mapping[tuple[str, str], tuple[Badge, ...]] = field(default_factory=dict)
    unset: Mapping[str, str] = field(default_factory=dict)
    """Providers whose key is not set, and the sentence about it."""
    written: frozenset[tuple[str, str]] = frozenset()
    """What stands in config.toml; the rest comes from the environment."""

    def tested(self, name: str) -> tuple[Badge, ...]:
        """What the last test of a model has shown."""
        model = self.config.models[name]
        return self.badges.get((model.provider, model.id), ())

    def used_by(self, name: str) -> list[str]:
        """Agents that speak with the model, or fall back to it."""
        return [agent for agent, names in self.config.agents.items() if name in names]


# -- providers and models

Cell = tuple[str, str]


@dataclass(frozen=True)
class Column:
    """One column of the models."""

    title: str
    width: int
    cell: Callable[[Seen, str], Cell]
    right: bool = True


def columns(width: int) -> list[Column]:
    """What fits beside the name, in order; the name gets what is left."""
    chosen = [WINDOW, PRICES, TEST] if width >= 50 else [PRICES, TEST] if width >= 30 else []
    if width >= 62:
        chosen = [WINDOW, OUTPUT, PRICES, CACHED, TEST]
    if width >= 84:
        chosen.append(Column("agents", min(30, width - 66), used, right=False))
    return chosen


def window(seen: Seen, name: str) -> Cell:
    """Tokens that fit in."""
    return _count(seen.offers[name].context)


def output(seen: Seen, name: str) -> Cell:
    """Tokens that come out at most."""
    return _count(seen.offers[name].max_output)


def _count(count: int | None) -> Cell:
    return (round_tokens(count), "") if count is not None else ("?", "warn")


def round_tokens(count: int) -> str:
    """A window as people say it: 128k, 1M, 262k."""
    for size, unit in ((1_000_000, "M"), (1024 * 1024, "M"), (1000, "k")):
        if count >= size and count % size == 0:
            return f"{count // size}{unit}"
    return show.tokens(count).replace(".0", "")


def prices(seen: Seen, name: str) -> Cell:
    """What a million tokens cost, in and out."""
    price = seen.offers[name].price
    if price is None:
        return "?", "warn"
    if not price.input and not price.output:
        return "free", "muted"
    return f"{dollars(price.input)} {dollars(price.output):>6}", "money"


def dollars(nanos: int) -> str:
    """Dollars without their sign, for a column whose heading has it: exactly, where six cells hold that."""
    exact = show.rate(nanos)
    text = (exact if len(exact) <= 7 else show.money(nanos)).removeprefix("$")
    return text if len(text) < 6 else text.rstrip("0").rstrip(".")


def cached(seen: Seen, name: str) -> Cell:
    """What a million cached tokens cost."""
    price = seen.offers[name].price
    if price is None or not (price.input or price.output):
        return "", ""
    return (dollars(price.cache_read), "money") if price.cache_read is not None else ("–", "faint")


def verdict(seen: Seen, name: str) -> Cell:
    """How the last test went: how many of its checks passed."""
    badges = seen.tested(name)
    if not badges:
        return "–", "faint"
    passed = sum(badge.ability == "ok" for badge in badges)
    lacking = any(badge.check in NEEDED and badge.ability != "ok" for badge in badges)
    return f"{'✗' if lacking else '✓'} {passed}/{len(badges)}", "bad" if lacking else "good"


def used(seen: Seen, name: str) -> Cell:
    """Agents that use it."""
    return " ".join(seen.used_by(name)), "muted"


WINDOW = Column("window", 6, window)
OUTPUT = Column("output", 6, output)
PRICES = Column("$/M in    out", 13, prices)
CACHED = Column("cached", 6, cached)
TEST = Column("test", 7, verdict)


def headings(width: int) -> Pieces:
    """The first line."""
    chosen = columns(width)
    room = width - sum(column.width + 1 for column in chosen)
    return [(show.fit("model", room), "muted"), *((_cut(column.title, column), "muted") for column in chosen)]


def _cut(text: str, column: Column) -> str:
    return " " + (show.fit_right if column.right else show.fit)(text, column.width)


def offer_rows(seen: Seen) -> list[Row]:
    """Each provider, and its models below it."""
    rows = []
    for name in seen.config.providers:
        models = [model.name for model in seen.config.models.values() if model.provider == name]
        rows.append(Row(("provider", name), partial(_provider, seen, name)))
        rows += [Row(("model", model), partial(_model, seen, model)) for model in models]
    return rows


def _provider(seen: Seen, name: str, width: int) -> Pieces:
    provider = seen.config.providers[name]
    named = show.harmless(name)
    words, ink = key_words(seen, name)
    room = max(0, width - cell_len(named) - 2)
    if len(words) + 24 < room:
        where = show.fit(show.harmless(provider.base_url), room - len(words) - 2)
        return [(named, "title"), ("  ", ""), (where, "faint"), ("  ", ""), (words, ink)]
    return [(named, "title"), ("  ", ""), (show.fit(words, room), ink)]


def key_words(seen: Seen, name: str) -> Cell:
    """How the provider's key is known, never the key."""
    provider = seen.config.providers[name]
    if name in seen.unset:
        return f"✗ {references(seen, name)} not set", "bad"
    if provider.kind == "demo":
        return "built in", "muted"
    if not provider.api_key and not provider.api_keys:
        return ("the client's own key", "muted") if provider.client_auth else ("no key", "muted")
    return references(seen, name), "muted"


def references(seen: Seen, name: str) -> str:
    """$NAME for each key that is a reference; a key that stands in the file is only counted."""
    provider = seen.config.providers[name]
    all_keys = [key for key in (provider.api_key, *provider.api_keys) if key]
    named = [show.harmless(key) for key in all_keys if key.startswith("$")]
    inline = len(all_keys) - len(named)
    return ", ".join(
        [*named, *([f"key in config.toml ({inline})" if inline > 1 else "key in config.toml"] * bool(inline))]
    )


def _model(seen: Seen, name: str, width: int) -> Pieces:
    chosen = columns(width)
    room = width - sum(column.width + 1 for column in chosen)
    old = seen.offers[name].hint is not None
    pieces = [(show.fit("  " + show.harmless(name), room), "warn" if old else "")]
    for column in chosen:
        text, ink = column.cell(seen, name)
        pieces.append((_cut(text, column), ink))
    return pieces


# -- agents


def agent_rows(seen: Seen) -> list[Row]:
    """Every agent there can be."""
    return [Row(("agent", agent), partial(_agent, seen, agent)) for agent in AGENTS]


def _agent(seen: Seen, agent: str, width: int) -> Pieces:
    config = seen.config
    names = config.agents.get(agent, ())
    idle = config.mode == "normal" and agent in ROUTED
    head = (show.fit(agent, 13), "muted" if idle else AGENT_INKS.get(agent, "strong"))
    tag = origin_tag(config, agent)
    room = max(4, width - 13 - (len(tag) + 1 if tag else 0))
    if not names:
        return [head, (show.fit(instead(config, agent), room), "faint")]
    more = f" +{len(names) - 1}" if len(names) > 1 else ""
    named = show.fit(show.harmless(names[0]), room - len(more))
    if more:
        named, gap = named.rstrip(), len(named) - len(named.rstrip())
        return [head, (named, "muted" if idle else ""), (more + " " * gap, "muted"), (f" {tag}" if tag else "", "warn")]
    return [head, (named, "muted" if idle else ""), (f" {tag}" if tag else "", "warn")]


def origin_tag(config: Config, agent: str) -> str:
    """A word where something wins over the file."""
    origin = config.origins.get(f"agents.{agent}", "")
    return {"environment": "env", ".env": ".env", "here": "here"}.get(origin.partition(" ")[0], "")


def instead(config: Config, agent: str) -> str:
    """Who answers where the agent is not set."""
    if agent in ("router", "tool"):
        return "– not set"
    if agent in ("coder", "think") and config.mode == "router":
        return "– not asked"
    return "– as default" if config.mode == "normal" else "– as tool"
