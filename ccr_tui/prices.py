"""What a request costs, where its price comes from, and how money is written.

Owns the order of the sources: the user's own price, then the project's dated list, then genai-prices, then nothing.
Must never take an unknown price for 0, use a float for money, or import genai_prices on the event loop (0.3 s). The one
surprise: at an address of this machine or network there may be a model that nobody bills for, or a gateway that bills
what it likes, and the address says neither; so only a provider that is named as a local server costs nothing, or one of
this machine that the environment alone tells of, unless it is asked for a model by a name that somebody sells.

Money is an integer of nano-dollars; a request's cost is rounded once, half to even.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address
from threading import Lock
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from ccr_tui import pricelist
from ccr_tui.config import Model, Provider
from ccr_tui.pricelist import NANO
from ccr_tui.records import Price, Usage
from ccr_tui.slim import dataclass
from ccr_tui.values import is_loopback

MILLION = 1_000_000
LOCAL_SERVERS = frozenset({"llamacpp", "ollama", "lmstudio", "vllm", "sglang", "mlx"})
"""Families and provider names (without `_`, `-`, `.` and spaces) that say: a server of one's own."""
_MAKERS = re.compile(r"(gpt-(?!oss)|chatgpt-|o[1-9](-|$)|claude-|gemini-|grok-)")
"""Names that only their makers use, so that genai-prices may be asked about them for an unknown host."""


class _Missing(Enum):
    MISSING = "missing"


MISSING = _Missing.MISSING
"""The project's list does not know; `Book.quote`, in a thread, may."""
Missing: TypeAlias = Literal[_Missing.MISSING]
DEMO = Price(0, 0, source="the demo model runs in ccr-tui itself")
LOCAL = Price(0, 0, source="a server of one's own: nobody bills tokens (power is not counted)")


class Book:
    """Prices of all models, for any thread."""

    def __init__(self, user: Mapping[str, Price] | None = None) -> None:
        """`user` is by our model names; a price in the model's own config counts as well."""
        self._user = dict(user or {})
        self._asked: dict[tuple[str, str], _Entry | None] = {}
        self._asking = Lock()

    @property
    def _list(self) -> pricelist.PriceList:
        return pricelist.shipped()

    def warm(self) -> None:
        """Read the list that comes with the program: some 30 ms, once."""
        pricelist.shipped()

    def known(self, model: Model, provider: Provider, at: float, usage: Usage | None = None) -> Price | Missing | None:
        """The price of a request made at `at` (seconds since the epoch); microseconds, never imports genai_prices.

        `usage` matters where length and thinking change the price. None: nobody knows it. MISSING: ask `quote`.
        """
        user = self._user.get(model.name) or model.price
        if user is not None:
            return replace(user, basis="user", source=user.source or "config.toml")
        if provider.kind == "demo":
            return DEMO
        host = _host(provider.base_url)
        if _is_local(host) and _names_a_local_server(model, provider):
            return None if model.id.endswith("cloud") else LOCAL  # Ollama's cloud models are not local
        return self._listed(model, provider, host, at, usage)

    def quote(self, model: Model, provider: Provider, at: float, usage: Usage | None = None) -> Price | None:
        """The same, asking genai-prices where that is needed: 0.3 s the first time, so call it in a thread."""
        price = self.known(model, provider, at, usage)
        if price is not MISSING:
            return price
        key = (provider.base_url, model.id)
        with self._asking:
            if key not in self._asked:
                self._asked[key] = _ask(provider.base_url, model.id)
        price = self.known(model, provider, at, usage)
        return None if price is MISSING else price

    def _listed(
        self, model: Model, provider: Provider, host: str, at: float, usage: Usage | None
    ) -> Price | Missing | None:
        seller = _seller(host)
        if seller and seller.plan:
            return None
        local = _is_local(host)
        found = self._list.price(seller, model.id, at, usage) if seller else None
        if local:
            found = self._list.makers_price(model.id, at, usage)
        if found is not None or (local and not _MAKERS.match(model.id)):
            own = found is None and _is_called_by_its_address(provider) and not model.id.endswith("cloud")
            return LOCAL if own else found
        key = (provider.base_url, model.id)
        if key not in self._asked:
            return MISSING
        entry = self._asked[key]
        if entry is not None:
            return entry.price(at, usage)
        return None if seller else self._list.makers_price(model.id, at, usage)


def cost(usage: Usage, price: Price) -> int:
    """Nano-dollars of a request: every class of tokens at its own price, rounded once, half to even."""
    read = price.input if price.cache_read is None else price.cache_read
    write = price.input if price.cache_write is None else price.cache_write
    longer = write if price.cache_write_1h is None else price.cache_write_1h
    total = (
        usage.input * price.input
        + usage.output * price.output
        + usage.cache_read * read
        + (usage.cache_write - usage.cache_write_1h) * write
        + usage.cache_write_1h * longer
    )
    whole, rest = divmod(total, MILLION)
    return whole + (rest * 2 > MILLION or (rest * 2 == MILLION and whole % 2))


def usd(nanos: int | None) -> str | None:
    """Nano-dollars as an exact decimal string without exponent or trailing zeros; None for an unknown cost."""
    if nanos is None:
        return None
    whole, rest = divmod(abs(nanos), NANO)
    text = f"{whole}.{rest:09d}".rstrip("0").rstrip(".")
    return f"-{text}" if nanos < 0 else text


def parse_usd_per_million(value: str | float | Decimal) -> int:
    """A price as people write it ("0.15", "$3", 0.0028), in nano-dollars per million tokens.

    Raises ValueError for what is no amount of money: negative, not finite, or no number.
    """
    try:
        amount = Decimal(str(value).strip().removeprefix("$").strip())
    except InvalidOperation:
        raise ValueError(f"{value!r} is no amount of dollars") from None
    if isinstance(value, bool) or not amount.is_finite() or amount < 0 or amount > MILLION:
        raise ValueError(f"{value!r} is no amount of dollars per million tokens")
    return int((amount * NANO).to_integral_value(ROUND_HALF_EVEN))


def show(nanos: int | None) -> str:
    """Money for people: "?" for unknown, cents from a dollar on, two digits that matter below, zeros among them."""
    if nanos is None:
        return "?"
    sign, size = ("-" if nanos < 0 else ""), Decimal(abs(nanos)) / NANO
    if size >= 100:
        return f"{sign}${size:,.0f}"
    if size >= 1 or not size:
        return f"{sign}${size:.2f}"
    if size < Decimal("0.00001"):
        return f"{sign}<$0.00001"
    digits = 1 - Decimal(f"{size:.1e}").adjusted()  # of what it is rounded to: 0.0996 is 0.10
    return f"{sign}${size:.{max(2, digits)}f}"


def is_near(base_url: str) -> bool:
    """Whether an address is of this machine or its own network, where only the person knows who bills."""
    return _is_local(_host(base_url))


@lru_cache(maxsize=256)
def _seller(host: str) -> pricelist.Seller | None:
    return pricelist.shipped().seller(host)


@lru_cache(maxsize=256)
def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()


@lru_cache(maxsize=256)
def _is_local(host: str) -> bool:
    """This machine or its own network."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return host == "localhost" or "." not in host or host.endswith((".local", ".localhost", ".internal", ".lan"))


def _names_a_local_server(model: Model, provider: Provider) -> bool:
    return any(map(_is_a_local_server, (model.family or "", provider.family or "", provider.name)))


@lru_cache(maxsize=256)
def _is_a_local_server(name: str) -> bool:
    return re.sub(r"[-_. ]", "", name.lower()) in LOCAL_SERVERS


def _is_called_by_its_address(provider: Provider) -> bool:
    """Whether it is a server of this machine that nobody has named: one that the environment's base URL tells of.

    A model there that is sold nowhere by its name is one's own; a gateway is asked for models by their makers' names.
    """
    return _begins_with_address(provider.name, provider.base_url)


@lru_cache(maxsize=256)
def _begins_with_address(name: str, base_url: str) -> bool:
    parts = urlsplit(base_url)
    return name.startswith(parts.netloc) and is_loopback(parts.hostname or "")


@dataclass(frozen=True, slots=True)
class _Entry:
    """What genai-prices knows of a model."""

    model: Any
    source: str
    read: str = ""
    """The date that the table tells of itself, ISO 8601."""

    def price(self, at: float, usage: Usage | None) -> Price | None:
        moment = datetime.fromtimestamp(at, UTC)
        rates = self.model.get_prices(moment)
        prompt = usage.prompt if usage else 0
        known = {key: _tier(getattr(rates, f"{key}_mtok", None), prompt) for key in _CLASSES}
        fresh, output, read, write, longer = known.values()
        if fresh is None or output is None:
            return None
        since = _since(self.model, moment) or self.read
        return Price(fresh, output, read, write, since, self.source, cache_write_1h=longer)


_CLASSES = ("input", "output", "cache_read", "cache_write", "cache_write_1h")


def _ask(base_url: str, model_id: str) -> _Entry | None:
    """genai-prices' entry for a model: by the provider's address, else by a name that only its maker uses."""
    from genai_prices import __version__
    from genai_prices.data_snapshot import get_snapshot

    table = get_snapshot()
    read = _read_on(table)
    source = f"list price in genai-prices {__version__}{f', as of {read}' if read else ''}"
    with suppress(LookupError):
        return _Entry(table.find_provider_model(model_id, None, None, base_url)[1], source, read)
    if _MAKERS.match(model_id):
        with suppress(LookupError):
            found = table.find_provider_model(model_id, None, None, None)[1]
            return _Entry(found, f"{source}; {pricelist.UNKNOWN_HOST}", read)
    return None


def listed() -> list[tuple[str, str]]:
    """Makers and ids of genai-prices; 0.3 s the first time."""
    from genai_prices.data_snapshot import get_snapshot

    return [(maker.id, model.id) for maker in get_snapshot().providers for model in maker.models]


_CHECKED = re.compile(r"\b(?:checked|verified)(?: on)? (20\d\d-\d\d-\d\d)")
"""How genai-prices' comments say when somebody looked a price up."""


def _read_on(table: Any) -> str:
    """The newest date on which genai-prices says that one of its prices was looked up; empty where it says none.

    The package has no other date of its own: the beginnings of its prices lie in the future, too, where they are
    announced.
    """
    comments = (model.price_comments or "" for provider in table.providers for model in provider.models)
    return max((date for comment in comments for date in _CHECKED.findall(comment)), default="")


def _since(model: Any, moment: datetime) -> str:
    """From which day on a price of genai-prices holds, where it says so; it takes the last one that is active."""
    prices = model.prices if isinstance(model.prices, list) else []
    active = (each.constraint for each in reversed(prices) if not each.constraint or each.constraint.active(moment))
    start = getattr(next(active, None), "start_date", None)
    return start.isoformat() if start else ""


def _tier(value: Any, prompt: int) -> int | None:
    """genai-prices' number for a length of prompt: the whole request is billed at the step it reaches."""
    if value is None:
        return None
    if not isinstance(value, Decimal):
        value = next((tier.price for tier in reversed(value.tiers) if prompt > tier.start), value.base)
    return pricelist.nanos(value)
