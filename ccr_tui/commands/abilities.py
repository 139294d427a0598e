"""`ccr-tui doctor --model`: what a model can do, a line at a time as it is found out.

Owns how the badges are printed, and that they are kept. Must never listen on a port: the engine is there for what
requests stand on. The one surprise: only what Claude Code needs decides about the exit code; a model without parallel
tools is a model.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager

import click

from ccr_tui.commands.common import log_beside, narrate, print_json, safe, seconds
from ccr_tui.commands.run import adopt_proxies
from ccr_tui.config import Config, Model
from ccr_tui.errors import StoreError
from ccr_tui.prices import usd
from ccr_tui.proxy.context import Context
from ccr_tui.proxy.routing import resolve
from ccr_tui.records import Badge, Json, Trace

MARKS = {"ok": "ok ", "no": "no ", "failed": "?  "}


def report(config: Config, name: str, as_json: bool) -> bool:
    """Test the model, print and keep what was found. Whether Claude Code can work with it. Raises CcrError."""
    from ccr_tui.wiretest import NEEDED

    model = resolve(config, name)
    adopt_proxies(config)
    badges = _paid_for(config, model, show=not as_json)
    lacking = [badge.check for badge in badges if badge.check in NEEDED and badge.ability != "ok"]
    if as_json:
        print_json(_json(model, badges, not lacking))
    _keep(config, model, badges)
    narrate(f"{name} lacks what Claude Code needs: {', '.join(lacking)}" if lacking else f"{name} serves Claude Code")
    return not lacking


def _paid_for(config: Config, model: Model, show: bool) -> list[Badge]:
    """The test, whose cost is written down even if it is broken off."""
    from ccr_tui.store.paid import Paid, keep

    paid = Paid()
    if config.db is not None:
        log_beside(config.db)
    try:
        return asyncio.run(_test(config, model, show, paid.take))
    finally:
        if config.db is not None:
            try:
                keep(config.db, "test", f"{model.provider}/{model.id}", paid)
            except StoreError as error:
                narrate(f"What the test has cost could not be kept: {error}")


async def _test(config: Config, model: Model, show: bool, sent: Callable[[Trace], None]) -> list[Badge]:
    from ccr_tui.wiretest import run

    badges = []
    async with _context(config) as context, aclosing(run(context, model.name, sent=sent)) as testing:
        async for badge in testing:
            badges.append(badge)
            if show:
                click.echo(_line(badge))
    return badges


@asynccontextmanager
async def _context(config: Config) -> AsyncIterator[Context]:
    """What requests stand on, with nobody listening."""
    from ccr_tui.feed import Feed
    from ccr_tui.proxy.engine import Engine
    from ccr_tui.tokens import Calibration, Counter

    counter = Counter()
    await asyncio.to_thread(counter.load)
    engine = Engine(config, Feed(), counter, Calibration(), lambda *_: None)
    try:
        yield engine.context
    finally:
        await engine.stop(0)


def _line(badge: Badge) -> str:
    from ccr_tui.prices import show

    spent = f"{seconds(badge.ms)}, {show(badge.cost)}" if badge.ms else ""
    return f"{MARKS[badge.ability]}  {badge.check:14}  {safe(badge.sentence)}{f' ({spent})' if spent else ''}"


def _json(model: Model, badges: list[Badge], healthy: bool) -> Json:
    told = {"ok": healthy, "model": model.name, "provider": model.provider, "id": model.id}
    return told | {"checks": checks_json(badges)}


def checks_json(badges: Iterable[Badge]) -> list[Json]:
    """What a test has shown, for scripts."""
    from ccr_tui.store.rows import iso
    from ccr_tui.wiretest import NEEDED

    return [
        {
            "name": badge.check,
            "ok": badge.ability == "ok",
            "ability": badge.ability,
            "needed": badge.check in NEEDED,
            "message": badge.sentence,
            "duration_ms": badge.ms,
            "cost_usd": usd(badge.cost),
            "at": iso(badge.at),
        }
        for badge in badges
    ]


def _keep(config: Config, model: Model, badges: list[Badge]) -> None:
    from ccr_tui.store.badges import save

    if config.db is None:
        return
    try:
        save(config.db, model.provider, model.id, badges)
    except StoreError as error:
        narrate(f"The result could not be kept: {error}")
