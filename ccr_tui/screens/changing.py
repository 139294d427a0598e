"""Changing and removing providers and models, and giving agents their models, step by step: pick, fill in, save.

Owns the order of the questions and the fields of the forms. Must never write a file itself (the house does, through
`editing`), nor take a key: only the name of the variable that holds it. The one surprise: each of these is a coroutine
that waits for the person, so it runs in a worker of the screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ccr_tui import editing, prices, values
from ccr_tui.config import Model, Provider
from ccr_tui.editing import Edit
from ccr_tui.prices import usd
from ccr_tui.screens import show, written
from ccr_tui.screens.ask import Answer, Ask
from ccr_tui.screens.desk import Desk, dollars, key_field, model_values, number_fields, reference
from ccr_tui.screens.form import Field, Values
from ccr_tui.screens.offers_list import Seen, round_tokens
from ccr_tui.screens.pick import Choice, Pick

# -- changing


async def change_provider(desk: Desk, provider: Provider) -> None:
    """Its address, its keys, its headers and its proxy; what is not changed is not written."""
    if provider.kind == "demo":
        desk.app.notify("The demo model is built in; a adds a real provider.", markup=False)
        return
    there = ("providers", provider.name)
    own = [key for key in provider.api_keys if values.variable(key) is None]
    inline = bool(provider.api_key) and values.variable(provider.api_key or "") is None

    async def save(given: Values) -> None:
        edits = [] if there in desk.seen.written else _written_out(provider)
        url, line = values.base_url(provider.kind)(given["base_url"]), given["api_keys"]
        edits += written.changed((*there, "base_url"), provider.base_url, url)
        if given["api_key"] or not inline:
            edits += written.changed((*there, "api_key"), provider.api_key, given["api_key"] or None)
        if line != written.keys_line(provider.api_keys):
            edits += written.changed((*there, "api_keys"), [*provider.api_keys], [*written.keys(line)])
        found = written.headers(given["headers"], provider.headers)
        edits += written.table((*there, "headers"), provider.headers, found)
        proxy = written.proxy(given["proxy"], provider.proxy)
        edits += [] if proxy == provider.proxy else [((*there, "proxy"), proxy)]
        await desk.edit(edits)

    await desk.fill(f"Change {provider.name}", changing_fields(provider, inline, len(own)), save)


def changing_fields(provider: Provider, inline: bool, own: int) -> list[Field]:
    """The lines for a provider that is there; `inline` and `own` tell of keys that stand in the file itself."""
    key = key_field("" if inline else provider.api_key or "")
    if inline:
        key = Field("api_key", "key", "", "A key stands in config.toml. Empty leaves it; $NAME replaces it.",
                    f"{written.MASK} in config.toml", reference, secret=True)  # fmt: skip
    more = f"{written.MASK} {own} in config.toml; what is typed replaces them" if own else "$NAME, $NAME"
    return [
        Field("base_url", "base URL", provider.base_url, "With or without /v1 at its end.",
              check=values.base_url(provider.kind)),
        key,
        Field("api_keys", "more keys", written.keys_line(provider.api_keys),
              "Used in turn with the key; one that is bad or at its limit rests. $NAME, $NAME.", more, written.keys,
              secret=True),
        Field("headers", "headers", written.headers_line(provider.headers),
              "Sent with every request. Name: value; Name: value. A value may be $NAME.", "Name: value; Name: value",
              lambda line: written.headers(line, provider.headers)),
        Field("proxy", "proxy", written.proxy_line(provider.proxy),
              "http:// or socks5:// for this provider alone; none forbids one; empty: as the environment says.",
              "as the environment says", lambda line: written.proxy(line, provider.proxy)),
    ]  # fmt: skip


async def change_model(desk: Desk, model: Model) -> None:
    """Its id, its numbers and its quirks. One that the environment names gets a table of its own, its provider too."""
    provider = desk.seen.config.providers[model.provider]
    if provider.kind == "demo":
        desk.app.notify("The demo model is built in; a adds a real one.", markup=False)
        return
    there = ("models", model.name)
    fields = [
        Field("id", "id", model.id, f"What {provider.name} calls it.", check=values.text),
        *number_fields(model, desk.seen.offers.get(model.name), prices.is_near(provider.base_url)),
        Field("quirks", "quirks", written.quirks_line(model.quirks),
              "Facts of its family that are otherwise here, as in config.toml: think_tags = true, images = false.",
              "name = value, name = value", written.quirks),
    ]  # fmt: skip

    async def save(given: Values) -> None:
        edits = [] if ("providers", provider.name) in desk.seen.written else _written_out(provider)
        if there not in desk.seen.written:
            edits += editing.model(model.name, provider=provider.name, id=given["id"])
        edits += written.changed((*there, "id"), model.id, given["id"])
        numbers = model_values(given)
        for key in ("context", "max_output"):
            edits += written.changed((*there, key), getattr(model, key), numbers[key])
        edits += written.table((*there, "price"), _price_of(model), numbers["price"] or {})
        edits += written.table((*there, "quirks"), model.quirks, written.quirks(given["quirks"]))
        await desk.edit(edits)

    await desk.fill(f"Change {model.name}", fields, save)


def _price_of(model: Model) -> dict[str, Any]:
    """What stands in a model's form of its price, as config.toml has it."""
    price = model.price
    given = (
        {part: dollars(usd(getattr(price, part)) or "") for part in ("input", "output", "cache_read")} if price else {}
    )
    return {part: value for part, value in given.items() if value is not None}


def _written_out(provider: Provider) -> list[Edit]:
    """A provider that the environment made, for the file: its key is a reference already."""
    return editing.provider(provider.name, base_url=provider.base_url, api_key=provider.api_key)


# -- removing


async def remove(desk: Desk, kind: str, which: str) -> None:
    """A model, or a provider with its models, after a question; agents lose what is gone."""
    config = desk.seen.config
    table = "models" if kind == "model" else "providers"
    gone = [which] if kind == "model" else [m.name for m in config.models.values() if m.provider == which]
    if (table, which) not in desk.seen.written:
        desk.app.notify(_not_removable(desk, which, gone), severity="warning", timeout=10, markup=False)
        return
    agents = {
        agent: [n for n in names if n not in gone] for agent, names in config.agents.items() if {*names} & {*gone}
    }
    agents = {agent: left for agent, left in agents.items() if config.origins.get(f"agents.{agent}") == "config.toml"}
    lost = f" and take it from {', '.join(agents)}" if agents else ""
    models = f" with {', '.join(gone)}" if kind == "provider" and gone else ""
    answers = (Answer("y", f"remove it{models}{lost}"), Answer("n", "leave it"))
    if await desk.app.push_screen_wait(Ask(f"Remove {which}?", answers)) == "y":
        edits = [edit for agent, left in agents.items() for edit in editing.agent(agent, left)]
        for model in gone:
            edits += editing.remove("models", model)
        await desk.try_edit([*edits, *([] if kind == "model" else editing.remove("providers", which))])


def _not_removable(desk: Desk, which: str, gone: Sequence[str]) -> str:
    origins = desk.seen.config.origins
    named = [a for a, models in desk.seen.config.agents.items() if {*models} & {*gone}]
    variables = [
        o.rpartition(" ")[2] for a in named if (o := origins.get(f"agents.{a}", "")).startswith(("env", ".env"))
    ]
    if variables:
        return f"{which} comes from {' and '.join(dict.fromkeys(variables))}: unset that, and start ccr-tui again."
    return f"{which} has no table in config.toml: it is gone when no agent names it any more."


# -- agents


async def assign(desk: Desk, agent: str) -> None:
    """Choose the model of an agent, and its fallbacks."""
    config = desk.seen.config
    now = config.agents.get(agent, ())
    picked = await desk.app.push_screen_wait(
        Pick(f"{agent} speaks with", [_choice(desk.seen, name) for name in config.models], marked=now,
             at=now[0] if now else "")
    )  # fmt: skip
    if picked is not None and tuple(picked) != now:
        await give(desk, agent, picked)


def _choice(seen: Seen, name: str) -> Choice:
    offer = seen.offers[name]
    window = round_tokens(offer.context) if offer.context else "?"
    price = offer.price
    cost = "price ?" if price is None else f"{show.rate(price.input)} / {show.rate(price.output)}"
    badges = seen.tested(name)
    passed = f" · {sum(b.ability == 'ok' for b in badges)}/{len(badges)} ok" if badges else ""
    return Choice(name, name, f"{offer.model.provider} · {window} · {cost}{passed}")


async def give(desk: Desk, agent: str, models: Sequence[str]) -> None:
    """Give it to the agent: in the file, or in memory where the environment wins over the file."""
    config = desk.house.engine.config
    origin = config.origins.get(f"agents.{agent}", "")
    if not models and agent == "default":
        desk.app.notify("The default agent needs a model: it answers what no other agent takes.", severity="warning")
    elif origin.startswith(("environment", ".env")) or origin == "here":
        desk.house.hold(agents={agent: tuple(models)})
        said = f"{origin} wins over config.toml, so this holds until ccr-tui ends." if origin != "here" else ""
        desk.app.notify(said or "This holds until ccr-tui ends.", severity="warning", timeout=8, markup=False)
    else:
        await desk.try_edit(editing.agent(agent, models))
