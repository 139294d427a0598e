"""What a person can change about providers, models and agents, step by step: pick, fill in, save.

Owns the order of the questions and the fields of the forms. Must never write a file itself (the house does, through
`editing`), nor take a key: only the name of the variable that holds it. The one surprise: each of these is a coroutine
that waits for the person, so it runs in a worker of the screen.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textual.app import App

from ccr_tui import editing, presets, values
from ccr_tui.config import Model, Provider
from ccr_tui.editing import Edit
from ccr_tui.errors import ConfigError
from ccr_tui.offers import Offer, preview
from ccr_tui.prices import parse_usd_per_million, usd
from ccr_tui.records import Price
from ccr_tui.screens import show
from ccr_tui.screens.ask import Answer, Ask
from ccr_tui.screens.form import Field, Form, Values
from ccr_tui.screens.house import House
from ccr_tui.screens.offers_list import Seen, round_tokens
from ccr_tui.screens.pick import Choice, Pick

OTHER = ""
"""The choice of a provider that is no preset."""


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


# -- adding


async def add(desk: Desk, provider: str | None) -> None:
    """Add a provider with its first model, or a model of this one."""
    kind: str | None = "p"
    if provider is not None and desk.seen.config.providers[provider].kind != "demo":
        answers = (Answer("m", f"a model at {provider}"), Answer("p", "another provider, with its first model"))
        kind = await desk.app.push_screen_wait(Ask("Add", answers))
    if kind == "p":
        await add_provider(desk)
    elif kind == "m" and provider is not None:
        await add_model(desk, desk.seen.config.providers[provider])


async def add_provider(desk: Desk) -> None:
    """From the list of those that people know, or by its address."""
    some = [Choice(p.name, p.title, p.base_url) for p in presets.PRESETS]
    picked = await desk.app.push_screen_wait(
        Pick(
            "Add a provider",
            [*some, Choice(OTHER, "another one", "any address that speaks OpenAI's or Anthropic's API")],
        )
    )
    if not picked:
        return
    preset, made = presets.BY_NAME.get(picked[0]), list[str]()

    async def save(given: Values) -> None:
        kind = given.get("kind") or (preset.kind if preset else "openai")
        url = values.base_url(kind)(given["base_url"])
        fields: dict[str, Any] = {"base_url": url, "api_key": given["api_key"] or None}
        if kind != "openai" and given["name"] != "anthropic":
            fields = {"kind": kind, **fields}
        if preset and preset.family and given["name"] != preset.name:
            fields["family"] = preset.family
        await desk.edit(editing.provider(given["name"], **fields))
        made.append(given["name"])

    if await desk.fill(f"Add {preset.title if preset else 'a provider'}", provider_fields(desk, preset), save):
        await add_model(desk, desk.house.engine.config.providers[made[0]])


def provider_fields(desk: Desk, preset: presets.Preset | None) -> list[Field]:
    """The lines for a new provider."""
    providers = desk.seen.config.providers
    free = preset.name if preset and preset.name not in providers else ""
    key = f"${preset.key}" if preset and preset.key else ""
    fields = [
        Field("name", "name", free, "What it is called here and in config.toml.", check=new_name(providers)),
        Field("base_url", "base URL", preset.base_url if preset else "", "With or without /v1 at its end.",
              "https://…", values.base_url("openai")),
        key_field(key),
    ]  # fmt: skip
    if preset is None:
        kinds = values.one_of("openai", "anthropic")
        fields.insert(2, Field("kind", "kind", "openai", "The API that it speaks: openai or anthropic.", check=kinds))
    elif preset.note:
        fields[1] = Field(
            "base_url", "base URL", preset.base_url, f"Mind: {preset.note}", check=values.base_url("openai")
        )
    return fields


def key_field(value: str) -> Field:
    """The line for a key."""
    hint = "$NAME of the variable that holds the key, in the environment or in .env; empty where none is asked for."
    return Field("api_key", "key", value, hint, "$NAME, or empty", reference, secret=True)


async def add_model(desk: Desk, provider: Provider) -> None:
    """One that the provider lists, or any other by its id."""
    preset = presets.at(provider.base_url) or presets.BY_NAME.get(provider.name)
    have = {model.id for model in desk.house.engine.config.models.values() if model.provider == provider.name}
    first = [Choice(id, id, "in use already" if id in have else "") for id in (preset.models if preset else ())]

    async def listed() -> list[Choice]:
        ids = await desk.house.models_of(provider.name)
        return [Choice(id, id, "in use already" if id in have else "") for id in ids]

    picked = await desk.app.push_screen_wait(
        Pick(f"Add a model at {provider.name}", first, free="take it as typed", later=listed)
    )
    if picked:
        await describe_model(desk, provider, picked[0])


async def describe_model(desk: Desk, provider: Provider, id: str) -> None:
    """Its name here and its numbers; the first model of all becomes the default agent's."""
    config = desk.house.engine.config
    short = id.rpartition("/")[2] or id
    offer = await asyncio.to_thread(preview, config, provider, id, time.time())

    async def save(given: Values) -> None:
        fields = model_values(given)
        edits = editing.model(given["name"], provider=provider.name, id=given["id"], **fields)
        if not config.origins.get("agents.default"):
            edits += editing.agent("default", [given["name"]])
        await desk.edit(edits)

    fields = [
        Field("name", "name", short if short not in config.models else "", "What it is called here.",
              check=new_name(config.models)),
        Field("id", "id", id, f"What {provider.name} calls it.", check=values.text),
        *number_fields(None, offer),
    ]  # fmt: skip
    await desk.fill(f"Add {show.harmless(id)}", fields, save)


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
        "price": price if price["input"] is not None else None,
    }


def number_fields(model: Model | None, offer: Offer | None) -> list[Field]:
    """Window, longest answer and price; what is known anyway stands there in grey."""
    price = model.price if model else None
    listed = offer.price if offer and price is None else None
    known = "Empty takes what is known of it."
    return [
        Field("context", "window", _text(model.context if model else None), f"Tokens in and out: 128k, 1M. {known}",
              _grey(offer.context if offer else None), count),
        Field("max_output", "longest answer", _text(model.max_output if model else None), f"Tokens. {known}",
              _grey(offer.max_output if offer else None), count),
        *(Field(part, f"$/M {word}", (usd(getattr(price, part)) or "") if price else "",
                "US dollars per million tokens. All empty: the list price.", _listed(listed, part), dollars)
          for part, word in (("input", "in"), ("output", "out"), ("cache_read", "cached"))),
    ]  # fmt: skip


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _grey(number: int | None) -> str:
    return f"{round_tokens(number)} as known" if number else "not known"


def _listed(price: Price | None, part: str) -> str:
    nanos = getattr(price, part) if price else None
    return "not known" if nanos is None else f"{usd(nanos)} by its list"


# -- changing


async def change_provider(desk: Desk, provider: Provider) -> None:
    """Its address and its key."""
    if provider.kind == "demo":
        desk.app.notify("The demo model is built in; a adds a real provider.", markup=False)
        return
    inline = bool(provider.api_key) and not (provider.api_key or "").startswith("$")
    field = key_field("" if inline else provider.api_key or "")
    if inline:
        field = Field("api_key", "key", "", "A key stands in config.toml. Empty leaves it; $NAME replaces it.",
                      "•••• in config.toml", reference, secret=True)  # fmt: skip

    async def save(given: Values) -> None:
        fields: dict[str, Any] = {"base_url": values.base_url(provider.kind)(given["base_url"])}
        if given["api_key"] or not inline:
            fields["api_key"] = given["api_key"] or None
        await desk.edit(editing.provider(provider.name, **fields))

    check = values.base_url(provider.kind)
    url = Field("base_url", "base URL", provider.base_url, "With or without /v1 at its end.", check=check)
    await desk.fill(f"Change {provider.name}", [url, field], save)


async def change_model(desk: Desk, model: Model) -> None:
    """Its id and its numbers. One that the environment names gets a table of its own, and its provider too."""
    provider = desk.seen.config.providers[model.provider]
    if provider.kind == "demo":
        desk.app.notify("The demo model is built in; a adds a real one.", markup=False)
        return
    fields = [
        Field("id", "id", model.id, f"What {provider.name} calls it.", check=values.text),
        *number_fields(model, desk.seen.offers.get(model.name)),
    ]

    async def save(given: Values) -> None:
        edits = [] if ("providers", provider.name) in desk.seen.written else _written_out(provider)
        numbers = model_values(given)
        await desk.edit([*edits, *editing.model(model.name, provider=provider.name, id=given["id"], **numbers)])

    await desk.fill(f"Change {model.name}", fields, save)


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
    cost = "price ?" if price is None else f"{show.money(price.input)} / {show.money(price.output)}"
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
