"""What a model's name means in a replay: one of the configuration's, or any that a price table knows.

Owns that order. Must never ask a provider. The one surprise: a model that nobody has configured can be repriced all the
same, with the address of whoever is known to sell it; it can't be asked, because nobody has given a key for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

from ccr_tui import pricelist
from ccr_tui.config import Config, Model, Provider
from ccr_tui.errors import CcrError
from ccr_tui.presets import BY_NAME, PRESETS, Preset
from ccr_tui.prices import Book
from ccr_tui.records import Price
from ccr_tui.values import did_you_mean

MAKERS = ("anthropic", "openai", "gemini", "moonshot", "zhipu", "xai", "mistral", "groq")
"""Who is asked for a bare name that no preset lists."""


def named(config: Config, book: Book, name: str, at: float, where: str) -> tuple[Config, str]:
    """The configuration with that model in it, and what it is called there. `at` is when its price must hold.

    Takes 0.3 s where genai-prices has to be asked. Raises CcrError, which begins with `where` and names what there is.
    """
    wanted = name.strip()
    if found := configured(config, wanted):
        return _with(config, *found)
    for provider, id in _sellers(wanted):
        model = Model(wanted, provider.name, id)
        price = book.quote(model, provider, at)
        if price is not None and pricelist.UNKNOWN_HOST not in price.source:
            return _with(config, provider, model)
    raise CcrError(_unknown(config, wanted, where))


def configured(config: Config, name: str) -> tuple[Provider, Model] | None:
    """One of [models] by its name or id, or "provider/id" and "provider,id" of a provider that is set up."""
    for model in config.models.values():
        if name in (model.name, model.id, f"{model.provider}/{model.id}", f"{model.provider},{model.id}"):
            return config.providers[model.provider], model
    provider, sign, id = name.partition("," if "," in name else "/")
    if sign and id.strip() and provider.strip() in config.providers:
        return config.providers[provider.strip()], Model(name, provider.strip(), id.strip())
    return None


def recorded(
    config: Config, provider: str, id: str, price: Price | None, family: str | None = None
) -> tuple[Config, str]:
    """The configuration with a model that a recording names; its recorded price and family hold where nobody sells it
    today."""
    if found := configured(config, f"{provider}/{id}"):
        return _with(config, *found)
    preset = BY_NAME.get(provider)
    if preset:
        return _with(config, _provider(preset), Model(f"{provider}/{id}", provider, id))
    made = Provider(
        provider,
        "openai",
        f"https://{quote(provider or 'unknown', safe='', errors='replace')}.invalid/v1",
        family=family,
    )
    then = price and replace(price, source=f"as recorded: {price.source}")
    return _with(config, made, Model(f"{provider}/{id}", provider, id, price=then))


def _with(config: Config, provider: Provider, model: Model) -> tuple[Config, str]:
    """The very same configuration where it has the model already."""
    if config.models.get(model.name) == model:
        return config, model.name
    providers = {provider.name: provider, **config.providers}
    return replace(config, providers=providers, models={**config.models, model.name: model}), model.name


def _sellers(name: str) -> Iterator[tuple[Provider, str]]:
    """Who might sell it, the project's own list first; "provider/id" names one."""
    maker, slash, id = name.partition("/")
    if slash and maker in BY_NAME:
        yield _provider(BY_NAME[maker]), id
        return
    for seller in ("deepseek", "dashscope-intl", "dashscope"):
        yield _provider(BY_NAME[seller]), name
    listing = [preset for preset in PRESETS if name in preset.models]
    for preset in (
        *listing,
        *(BY_NAME[each] for each in ("anthropic", "openai", "gemini", "moonshot", "zhipu", "xai")),
    ):
        yield _provider(preset), name


def _provider(preset: Preset) -> Provider:
    return Provider(preset.name, preset.kind, preset.base_url, family=preset.family)


def _unknown(config: Config, name: str, where: str) -> str:
    known = ", ".join(config.models) or "none"
    public = {id for offers in pricelist.shipped().offers.values() for id in offers}
    near = did_you_mean(name, [*config.models, *public, *(id for preset in PRESETS for id in preset.models)])
    return (
        f"{where}: {name!r} is neither a configured model (known: {known}) nor one with a price in our tables or in "
        f"genai-prices{near}"
    )
