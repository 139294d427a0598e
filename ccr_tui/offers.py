"""What each configured model offers: its window, its longest answer and its price, and where each is known from.

Owns the joining of the config's own numbers, the family's facts and the price book. Must never run on the event loop:
the large table of prices takes 0.3 s to load. The one surprise: an offer is made for a moment, because some providers
charge by the hour of the day.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace

from ccr_tui import windows
from ccr_tui.config import Config, Model, Provider, keys
from ccr_tui.errors import ConfigError
from ccr_tui.presets import hint
from ccr_tui.prices import Book
from ccr_tui.proxy.quirks import facts_for
from ccr_tui.records import Price
from ccr_tui.slim import dataclass

FILE = "config.toml"


@dataclass(frozen=True, slots=True)
class Offer:
    """One model, as it can be had now."""

    model: Model
    family: str
    context: int | None
    """Window in tokens; None: nobody says."""
    context_from: str
    max_output: int | None
    max_output_from: str
    price: Price | None
    hint: str | None = None
    """The end of a sentence about a name that its provider has retired."""
    problem: str = ""
    """Why its facts can't be told."""


def offers(config: Config, at: float) -> dict[str, Offer]:
    """What every model offers at `at` (seconds since the epoch), by our names. Blocks."""
    book = Book({name: model.price for name, model in config.models.items() if model.price})
    return {name: _offer(config, book, model, at) for name, model in config.models.items()}


def preview(config: Config, provider: Provider, id: str, at: float) -> Offer:
    """What a model that is not configured yet would offer. Blocks."""
    return _offer(config, Book(), Model(id, provider.name, id), at)


def _offer(config: Config, book: Book, model: Model, at: float) -> Offer:
    provider = config.providers[model.provider]
    price, old = book.quote(model, provider, at), hint(provider.base_url, model.id)
    try:
        facts = facts_for(provider, model)
    except ConfigError as error:
        return Offer(model, "?", model.context, FILE, model.max_output, FILE, price, old, str(error))
    built_in = provider.kind == "demo"
    window = (facts.context, "") if facts.context else windows.window(model.id) or (None, "")
    told = "built in" if built_in else f"known of {facts.family}" if facts.family != "generic" else "known of its name"
    return Offer(
        model,
        facts.family,
        window[0],
        window[1] or (FILE if model.context and not built_in else told),
        facts.max_output,
        FILE if model.max_output and not built_in else told,
        price,
        old,
    )


def unbudgeted(config: Config, known: Mapping[str, Offer]) -> tuple[str, tuple[str, ...]]:
    """The budget that is set, by its key, and the models that it never sees because nobody knows their price.

    "" where no budget is set.
    """
    guards = config.guards
    budgets = {"guards.budget_per_day": guards.budget_per_day, "guards.budget_per_session": guards.budget_per_session}
    key = next((key for key, budget in budgets.items() if budget is not None), "")
    return key, tuple(name for name, offer in known.items() if key and offer.price is None and not offer.problem)


def unseen_costs(config: Config, at: float) -> list[str]:
    """A sentence about models that a budget never sees; none where no budget is set. Blocks."""
    if not unbudgeted(config, {})[0]:
        return []
    known = {name: model for name, model in config.models.items() if model.provider in config.providers}
    key, unseen = unbudgeted(config, offers(replace(config, models=known), at))
    cure = "set models.NAME.price in config.toml"
    return [f"{key} never sees what {', '.join(unseen)} costs: nobody knows the price; {cure}"] if unseen else []


def unset_keys(config: Config) -> dict[str, str]:
    """Providers whose key is a variable that is not set: name to the sentence that says so."""
    found = {}
    for name, provider in config.providers.items():
        try:
            keys(provider, config.env)
        except ConfigError as error:
            found[name] = str(error)
    return found


def written(config: Config) -> frozenset[tuple[str, str]]:
    """Which providers and models stand in config.toml, as ("models", name): the others come from the environment.

    Nothing, where the file is missing or broken. Blocks.
    """
    try:
        tables = tomllib.loads(config.path.read_bytes().decode("utf-8-sig")) if config.path else {}
    except (OSError, ValueError):
        return frozenset()
    named = {table: tables.get(table) for table in ("providers", "models")}
    return frozenset((table, name) for table, rows in named.items() if isinstance(rows, dict) for name in rows)
