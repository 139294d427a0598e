"""What everything would cost with one model: whose price that is, and which models one compares with.

Owns how a baseline is named and priced. Must never run on the event loop: the large table of prices takes 0.3 s to
load. The one surprise: a baseline need not be configured; any name that the price tables know will do, as
"claude-opus-4-5" or "deepseek/deepseek-flash".
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import islice
from typing import Any
from urllib.parse import quote, urlsplit

from ccr_tui import prices
from ccr_tui.config import Config, Model, Provider
from ccr_tui.presets import PRESETS
from ccr_tui.pricelist import shipped
from ccr_tui.prices import Book
from ccr_tui.records import Price, Trace
from ccr_tui.slim import dataclass

FALLBACK = "claude-sonnet-4-5"
"""The baseline where none was chosen, and the client has asked for no model whose price is known."""
OFTEN = (
    *("claude-opus-5-5", "claude-opus-4-5", "claude-sonnet-5", "claude-sonnet-4-5", "claude-haiku-4-5"),
    *("openai/gpt-5", "deepseek/deepseek-flash", "deepseek/deepseek-v4-pro"),
    *("dashscope-intl/qwen3.8-max", "dashscope-intl/qwen3.8-flash"),
)
"""What people compare with, besides the models that they have."""
PRESET_OF = {"google": "gemini", "x-ai": "xai", "moonshotai": "moonshot"}
"""Our names for makers whom genai-prices calls otherwise."""
MATCHES = 12
"""Models that are found by a part of their names."""
ANYBODYS = ("anthropic", "openai")
"""Whose price is looked for where a name tells no provider."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """One model for all, and its price now."""

    name: str
    price: Price
    is_chosen: bool = True
    """False where nobody chose: it is what the client asked for."""


@dataclass(frozen=True, slots=True)
class Against:
    """One answer at the price of one model for all, whom no router would have been asked for. Nano-USD."""

    baseline: Baseline
    cost: int | None
    """What the answer would have cost; None where its price does not tell."""
    paid: int | None
    """What was paid, router and hops included; None where one of them is unknown."""
    calls: int
    """How many calls were paid."""

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "model": self.baseline.name,
            "cost_usd": prices.usd(self.cost),
            "paid_usd": prices.usd(self.paid),
            "chosen": self.baseline.is_chosen,
            "price_source": self.baseline.price.source,
        }


def against(trace: Trace, baseline: Baseline) -> Against | None:
    """What the answer of a request would have cost; None where nothing was asked or reported."""
    if trace.answer is None or trace.answer.usage is None:
        return None
    costs = [attempt.cost for attempt in trace.attempts if attempt.usage is not None]
    paid = None if None in costs else sum(each or 0 for each in costs)
    return Against(baseline, prices.cost(trace.answer.usage, baseline.price), paid, len(costs))


def find(config: Config, name: str, at: float) -> Price | None:
    """The price at `at` of a model of ours, or of anybody's that the price tables know; None is unknown. Blocks."""
    book = Book({each.name: each.price for each in config.models.values() if each.price})
    model = config.models.get(name)
    if model is not None and model.provider in config.providers:
        return book.quote(model, config.providers[model.provider], at)
    maker, slash, id = name.partition("/")
    for who in (maker,) if slash else ANYBODYS:
        provider = config.providers.get(who) or _preset(who)
        found = book.quote(Model(name, who, id if slash else name), provider, at)
        if found is not None:
            return found
    return None


def chosen(config: Config, asked: str | None, at: float) -> Baseline | None:
    """The baseline of the configuration, else the model that the client asks for, else `FALLBACK`. Blocks.

    None where the chosen one has no known price: then no other is put in its place.
    """
    if config.baseline is not None:
        price = find(config, config.baseline, at)
        return None if price is None else Baseline(config.baseline, price)
    for name in (bare(asked), FALLBACK):
        price = find(config, name, at) if name else None
        if price is not None:
            return Baseline(name, price, is_chosen=False)
    return None


def candidates(config: Config, more: Iterable[str], at: float) -> list[Baseline]:
    """Models to compare with whose price is known: ours, those named, and those that people often compare with.
    Blocks."""
    names = dict.fromkeys([*config.models, *map(bare, more), *OFTEN])
    found = ((name, find(config, name, at)) for name in names if name)
    return [Baseline(name, price) for name, price in found if price is not None]


def matching(config: Config, typed: str, at: float) -> list[Baseline]:
    """The model of exactly this name, and some of those whose name has what was typed in it. Blocks."""
    words = typed.lower().split()
    names = (name for name in named() if all(word in name for word in words))
    some = dict.fromkeys([typed, *islice(sorted(names, key=lambda name: (len(name), name)), MATCHES)])
    found = ((name, find(config, name, at)) for name in some)
    return [Baseline(name, price) for name, price in found if price is not None]


@cache
def named() -> tuple[str, ...]:
    """All models whose price the tables may know, as "deepseek/deepseek-flash". 0.3 s the first time."""
    presets = {preset.name: preset for preset in PRESETS}
    theirs = {
        f"{PRESET_OF.get(maker, maker)}/{id}" for maker, id in prices.listed() if PRESET_OF.get(maker, maker) in presets
    }
    listed = shipped()
    sellers = [(name, listed.seller(urlsplit(preset.base_url).hostname or "")) for name, preset in presets.items()]
    ours = {f"{name}/{id}" for name, seller in sellers if seller for id in listed.offers.get(seller.key, ())}
    return (*sorted(ours | theirs),)


def bare(asked: str | None) -> str:
    """A model's name without Claude Code's mark for the long window."""
    return (asked or "").removesuffix("[1m]")


def _preset(name: str) -> Provider:
    known = next((preset for preset in PRESETS if preset.name == name), None)
    if known is None:
        return Provider(name, "openai", f"https://{quote(name, safe='', errors='replace')}.invalid")
    return Provider(name, known.kind, known.base_url, family=known.family)
