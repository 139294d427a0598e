"""Adding a provider with its first model, or a model of a provider, step by step: pick, fill in, save.

Owns the order of the questions. Must never write a file itself, nor take a key. The one surprise: each of these is a
coroutine that waits for the person, so it runs in a worker of the screen.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ccr_tui import editing, presets, prices, values
from ccr_tui.config import Provider
from ccr_tui.offers import preview
from ccr_tui.screens import show
from ccr_tui.screens.ask import Answer, Ask
from ccr_tui.screens.desk import Desk, key_field, model_values, new_name, number_fields
from ccr_tui.screens.form import Field, Values
from ccr_tui.screens.pick import Choice, Pick

OTHER = ""
"""The choice of a provider that is no preset."""


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
        *number_fields(None, offer, prices.is_near(provider.base_url)),
    ]  # fmt: skip
    await desk.fill(f"Add {show.harmless(id)}", fields, save)
