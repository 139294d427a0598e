"""Where a person changes providers, models and agents: who is asked, how it is saved, and the lines that forms share.

Owns `Desk`, the checks of single lines, and the lines for a model's numbers. Must never write a file itself (the house
does, through `editing`), nor take a key: only the name of the variable that holds it. The one surprise: a price is
typed in dollars per million tokens and may be left empty, which means the list price and not nothing.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from textual.app import App

from ccr_tui import values
from ccr_tui.config import Model
from ccr_tui.editing import Edit
from ccr_tui.errors import ConfigError
from ccr_tui.offers import Offer
from ccr_tui.prices import parse_usd_per_million, usd
from ccr_tui.records import Price
from ccr_tui.screens.form import Field, Form, Values
from ccr_tui.screens.house import House
from ccr_tui.screens.offers_list import Seen, round_tokens
from ccr_tui.slim import dataclass


@dataclass(frozen=True)
class Desk:
    """Whom to ask, what to change, and what there is now."""

    app: App[Any]
    house: House
    seen: Seen

    async def edit(self, edits: Sequence[Edit]) -> None:
        """Save, and say what wins over it. Raises ConfigError."""
        for sentence in await self.house.edit(edits):
            self.app.notify(sentence, severity="warning", timeout=12, markup=False)

    async def try_edit(self, edits: Sequence[Edit]) -> None:
        """The same, where no form can show what is wrong."""
        try:
            await self.edit(edits)
        except ConfigError as error:
            self.app.notify(f"Not saved: {error}", severity="error", timeout=12, markup=False)

    async def fill(self, title: str, fields: Sequence[Field], save: Callable[[Values], Awaitable[None]]) -> bool:
        """Show a form; whether it was saved."""
        form: Form = Form(title, fields, save)
        saved: bool | None = await self.app.push_screen_wait(form)
        return bool(saved)


# -- what may stand in a line


def name(value: str) -> None:
    """A name of the user's own."""
    if not value:
        raise ValueError("must not be empty")
    if re.search(r"[\s,]", value):
        raise ValueError("must have no blanks or commas")


def new_name(taken: Mapping[str, object]) -> Callable[[str], None]:
    """A name that nobody has yet."""

    def check(value: str) -> None:
        name(value)
        if value in taken:
            raise ValueError(f"is taken: there is a {value} already; e changes it")

    return check


def reference(value: str) -> None:
    """The name of a variable that holds a key; nothing where none is asked for."""
    if value and not values.variable(value):
        raise ValueError("must be $NAME, the variable that holds the key: the key itself stays out of the file")


def count(value: str) -> int | None:
    """Tokens: 131072, 128k, 1M; nothing is None. Raises ValueError."""
    text = value.replace("_", "").replace(",", "").lower()
    if not text:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([km]?)", text)
    number = round(float(found[1]) * {"": 1, "k": 1000, "m": 1_000_000}[found[2]]) if found else 0
    if not 1 <= number <= 100_000_000:
        raise ValueError("must be a number of tokens, such as 131072, 128k or 1M")
    return number


def dollars(value: str) -> float | int | None:
    """US dollars per million tokens, as TOML has it; nothing is None. Raises ValueError."""
    if not value:
        return None
    try:
        number = float(usd(parse_usd_per_million(value)) or 0)
    except ValueError:
        raise ValueError("must be US dollars per million tokens, such as 0.15") from None
    return int(number) if number.is_integer() else number


# -- lines that forms share


def key_field(value: str) -> Field:
    """The line for a key."""
    hint = "$NAME of the variable that holds the key, in the environment or in .env; empty where none is asked for."
    return Field("api_key", "key", value, hint, "$NAME, or empty", reference, secret=True)


def model_values(given: Values) -> dict[str, Any]:
    """The numbers of a model's form as config.toml has them. Raises ValueError."""
    price = {part: dollars(given[part]) for part in ("input", "output", "cache_read")}
    if price["cache_read"] is not None or (price["input"] is None) != (price["output"] is None):
        missing = [word for part, word in (("input", "in"), ("output", "out")) if price[part] is None]
        if missing:
            raise ValueError(f"a price needs both in and out; {' and '.join(missing)} is missing")
    return {
        "context": count(given["context"]),
        "max_output": count(given["max_output"]),
        "price": {part: value for part, value in price.items() if value is not None} or None,
    }


OWN = "Is this your own server? Then 0 in and 0 out: nobody bills it. Empty: its price is not known, and shown as ?."


def number_fields(model: Model | None, offer: Offer | None, is_near: bool = False) -> list[Field]:
    """Window, longest answer and price; what is known anyway stands there in grey. `is_near`: at an address of this
    machine or network, where the price depends on whose server it is, which only the person knows."""
    price = model.price if model else None
    listed = offer.price if offer and price is None else None
    known = "Empty takes what is known of it."
    own = is_near and price is None and listed is None
    cost = OWN if own else "US dollars per million tokens. All empty: the list price."
    return [
        Field("context", "window", _text(model.context if model else None), f"Tokens in and out: 128k, 1M. {known}",
              _grey(offer.context if offer else None), count),
        Field("max_output", "longest answer", _text(model.max_output if model else None), f"Tokens. {known}",
              _grey(offer.max_output if offer else None), count),
        *(Field(part, f"$/M {word}", (usd(getattr(price, part)) or "") if price else "",
                cost, "0 if it is yours" if own else _listed(listed, part), dollars)
          for part, word in (("input", "in"), ("output", "out"), ("cache_read", "cached"))),
    ]  # fmt: skip


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _grey(number: int | None) -> str:
    return f"{round_tokens(number)} as known" if number else "not known"


def _listed(price: Price | None, part: str) -> str:
    nanos = getattr(price, part) if price else None
    return "not known" if nanos is None else f"{usd(nanos)} by its list"
