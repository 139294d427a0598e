"""The project's own list prices: who sells a model, and at what price at a given moment and length of prompt.

Owns prices.toml, which says where each price was read and when. Must never guess: a model or seller that is not listed
has no price here. The one surprise: a price depends on more than the model. DeepSeek doubles it in Beijing's working
hours (not at weekends or on Chinese holidays, which genai-prices leaves out), and Qwen raises it by the prompt's length
and for thinking; so a `Price` is made for one request.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any

from ccr_tui.records import Price, Usage
from ccr_tui.slim import dataclass

NANO = 1_000_000_000
UNKNOWN_HOST = "what this host takes is not known"
_DATED = re.compile(r"-(latest|\d{4}-\d{2}-\d{2})$")
_BEIJING = timedelta(hours=8)


@dataclass(frozen=True, slots=True)
class Rate:
    """Nano-USD per million tokens, from a length of prompt on."""

    above: int
    """Tokens of the whole prompt, cached part included, over which it holds."""
    input: int
    output: int
    cache_read: int | None
    cache_write: int | None
    thinking: int | None
    """What `output` costs in thinking mode, where that is more."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One entry of prices.toml."""

    since: float
    """Seconds since the epoch; -inf where the beginning is not known."""
    rates: tuple[Rate, ...]
    """By rising `above`; the first is 0."""
    peak: bool
    read: str
    source: str
    retired: str | None


@dataclass(frozen=True, slots=True)
class Peak:
    """The hours in which a seller takes a multiple of the price."""

    factor: int
    hours: tuple[tuple[int, int], ...]
    """Of the day in UTC, the second one excluded."""
    since: float
    weekdays_since: float
    """From when on weekends and holidays are off-peak all day, by Beijing's calendar."""
    holidays: frozenset[date]

    def factor_at(self, at: float) -> int:
        """What a price is multiplied with at a moment (seconds since the epoch)."""
        moment = datetime.fromtimestamp(at, UTC)
        if at < self.since or not any(start <= moment.hour < end for start, end in self.hours):
            return 1
        day = (moment + _BEIJING).date()
        off = at >= self.weekdays_since and (day.weekday() >= 5 or day in self.holidays)
        return 1 if off else self.factor


@dataclass(frozen=True, slots=True)
class Seller:
    """Somebody with list prices."""

    key: str
    name: str
    hosts: tuple[str, ...]
    plan: bool
    """A subscription: no token has a price."""
    peak: Peak | None


@dataclass(frozen=True, slots=True)
class PriceList:
    """All of prices.toml."""

    sellers: tuple[Seller, ...]
    offers: Mapping[str, Mapping[str, tuple[Offer, ...]]]
    """By seller, then model id; oldest first."""
    exclusive: frozenset[str]
    """Ids that only their maker uses."""

    def seller(self, host: str) -> Seller | None:
        """Who bills at a host name."""
        return next((s for s in self.sellers if any(fnmatchcase(host, pattern) for pattern in s.hosts)), None)

    def price(self, seller: Seller, model_id: str, at: float, usage: Usage | None = None) -> Price | None:
        """What a seller takes for a request; without a usage, for a short one that does not think."""
        listed = self.offers.get(seller.key, {})
        name = _known_as(model_id, listed)
        if name is None:
            return None
        offer = next((o for o in reversed(listed[name]) if o.since <= at), listed[name][0])
        factor = seller.peak.factor_at(at) if seller.peak and offer.peak else 1
        return _price(seller, offer, factor, usage or Usage())

    def makers_price(self, model_id: str, at: float, usage: Usage | None = None) -> Price | None:
        """The maker's list price of a model that is asked for at a host nobody knows, and labelled so."""
        bare = model_id.rpartition("/")[2]
        if _known_as(bare, self.exclusive) is None:
            return None
        found = (self.price(seller, bare, at, usage) for seller in self.sellers)
        price = next((price for price in found if price), None)
        return price and replace(price, source=f"{price.source}; {UNKNOWN_HOST}")


def nanos(dollars: Decimal | int) -> int:
    """Dollars as whole nano-dollars."""
    return int((Decimal(dollars) * NANO).to_integral_value())


@cache
def shipped() -> PriceList:
    """The list that comes with the program. Takes some 30 ms once: see `Book.warm`."""
    text = (files("ccr_tui") / "prices.toml").read_text("utf-8")
    return parse(tomllib.loads(text, parse_float=Decimal))


def parse(table: Mapping[str, Any]) -> PriceList:
    """prices.toml as data, its numbers read as Decimal. Raises KeyError or TypeError where it is not one."""
    offers: dict[str, dict[str, tuple[Offer, ...]]] = {key: {} for key in table["sellers"]}
    for entry in sorted(table["prices"], key=lambda entry: _epoch(entry.get("since"))):
        for model in (*entry.get("models", ()), *entry.get("open", ())):
            earlier = offers[entry["seller"]].get(model, ())
            offers[entry["seller"]][model] = (*earlier, _offer(entry))
    exclusive = frozenset(model for entry in table["prices"] for model in entry.get("models", ()))
    return PriceList(tuple(_seller(key, entry) for key, entry in table["sellers"].items()), offers, exclusive)


def _known_as(model_id: str, ids: Collection[str]) -> str | None:
    """The listed name of an id: as it is, without Claude Code's "[1m]", without a date."""
    whole = model_id.lower().removesuffix("[1m]")
    return next((name for name in (whole, _DATED.sub("", whole)) if name in ids), None)


def _price(seller: Seller, offer: Offer, factor: int, usage: Usage) -> Price:
    rate = next(rate for rate in reversed(offer.rates) if usage.prompt > rate.above or not rate.above)
    thinks = bool(rate.thinking and usage.reasoning)
    extras = (
        ", peak hours" if factor > 1 else "",
        f", over {rate.above:,} tokens" if rate.above else "",
        ", thinking" if thinks else "",
        f", last known before {offer.retired}" if offer.retired else "",
    )
    since = "" if offer.since == float("-inf") else datetime.fromtimestamp(offer.since, UTC).date().isoformat()
    return Price(
        input=rate.input * factor,
        output=(rate.thinking if thinks and rate.thinking else rate.output) * factor,
        cache_read=None if rate.cache_read is None else rate.cache_read * factor,
        cache_write=None if rate.cache_write is None else rate.cache_write * factor,
        since=since or offer.read,
        source=f"list price of {seller.name}, read {offer.read}{''.join(extras)}",
    )


def _offer(entry: Mapping[str, Any]) -> Offer:
    retired = entry.get("retired")
    return Offer(
        since=_epoch(entry.get("since")),
        rates=(_rate(entry, 0), *(_rate(step, step["tokens"]) for step in entry.get("above", ()))),
        peak=entry.get("peak", False),
        read=entry["read"].isoformat(),
        source=entry["source"],
        retired=retired and retired.date().isoformat(),
    )


def _rate(entry: Mapping[str, Any], above: int) -> Rate:
    rarer = (nanos(entry[key]) if key in entry else None for key in ("cache_read", "cache_write", "thinking"))
    return Rate(above, nanos(entry["input"]), nanos(entry["output"]), *rarer)


def _seller(key: str, entry: Mapping[str, Any]) -> Seller:
    peak = entry.get("peak")
    return Seller(key, entry["name"], tuple(entry["hosts"]), entry.get("plan", False), peak and _peak(peak))


def _peak(entry: Mapping[str, Any]) -> Peak:
    return Peak(
        factor=entry["factor"],
        hours=tuple((start, end) for start, end in entry["hours_utc"]),
        since=_epoch(entry["since"]),
        weekdays_since=_epoch(entry["weekdays_only_since"]),
        holidays=frozenset(entry["holidays"]),
    )


def _epoch(moment: datetime | None) -> float:
    return float("-inf") if moment is None else moment.timestamp()
