"""What imported calls cost: the same book of prices as the proxy's.

Must never take the address that a request was sent to for more than it tells: a transcript names none, so a model is
priced by who makes it, and the price's source says so.
"""

from __future__ import annotations

import urllib.parse

from ccr_tui.config import Config, Model, Provider
from ccr_tui.prices import Book
from ccr_tui.records import Price, Usage
from ccr_tui.transfer.retelling import Quote

ANTHROPIC = Provider("anthropic", "anthropic", "https://api.anthropic.com")


def quotes(config: Config) -> Quote:
    """The price of a call by provider and model; the user's own price for a model of that id comes first."""
    own = {model.id: model.price for model in config.models.values() if model.price is not None}
    book = Book(own)

    def quote(provider: str, model: str, at: float, usage: Usage) -> Price | None:
        seller = ANTHROPIC if provider == "anthropic" else Provider(provider, "anthropic", _address(config, provider))
        return book.quote(Model(model, seller.name, model), seller, at, usage)

    return quote


def _address(config: Config, provider: str) -> str:
    """A configured provider's, else that of the host itself, else one that nobody has."""
    known = config.providers.get(provider)
    if known is not None:
        return known.base_url
    return (
        f"https://{urllib.parse.quote(provider, safe=':', errors='replace')}"
        if "." in provider
        else "https://unknown.invalid"
    )
