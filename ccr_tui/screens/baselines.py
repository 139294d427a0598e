"""Choosing the model that everything is compared with.

Owns the list to choose from and how the choice is kept. Must never ask for a price on the event loop. The one surprise:
there is one baseline for the whole program, in the configuration, so that Spend, Sessions and the command line agree.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from textual.app import App

from ccr_tui import baseline
from ccr_tui.baseline import Baseline
from ccr_tui.config import Config
from ccr_tui.errors import ConfigError
from ccr_tui.screens import show
from ccr_tui.screens.house import House
from ccr_tui.screens.pick import Choice, Pick


def ask(config: Config, at: Baseline | None) -> Pick:
    """The list to choose from; its result is the name of the model, alone in a list."""

    async def priced() -> list[Choice]:
        found = await asyncio.to_thread(baseline.candidates, config, [at.name] if at else [], time.time())
        return [Choice(each.name, each.name, each.price.source) for each in found]

    free = "any model whose price is known"
    return Pick("Compare with", (), at=at.name if at else "", free=free, later=priced)


async def keep(app: App[Any], house: House, name: str) -> Baseline | None:
    """Write the choice down; where that can't be, it is given back, to be held until the program ends."""
    price = await asyncio.to_thread(baseline.find, house.engine.config, name, time.time())
    if price is None:
        words = f"Nobody here knows the price of {name}; set models.NAME.price in config.toml."
        app.notify(show.harmless(words), severity="warning", markup=False)
        return None
    try:
        for sentence in await house.edit([(("spend", "baseline"), name)]):
            app.notify(sentence, markup=False)
    except ConfigError as error:
        app.notify(f"Held until ccr-tui ends: {error}", severity="warning", markup=False)
        return Baseline(name, price)
    return None
