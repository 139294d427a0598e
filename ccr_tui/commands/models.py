"""The commands about who answers: models, agents and mode.

Owns how an agent is given another model from the command line. Must never leave a configuration behind that does not
load: a change is checked before it is written. The one surprise: a variable such as OPENAI_MODEL still wins over the
file, so setting the agent that it names says so.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import click

from ccr_tui.commands.common import Source, as_json, load, narrate, print_json, reader, settings, table, tokens
from ccr_tui.config import Config, Model
from ccr_tui.errors import ConfigError, StoreError
from ccr_tui.records import Json, Price

ROUTING = ("router", "tool")
"""Agents that Router mode can't do without."""


@click.command()
@settings
@as_json
def models(flags: Mapping[str, str], as_json: bool) -> None:
    """List the configured models, their windows and prices.

    With --json also what the last test of each has shown (`doctor --model`, or t in the app).
    """
    config = load(flags)
    rows = [_model(config, model) for model in config.models.values()]
    if as_json:
        tested = _tested(flags)
        for row in rows:
            print_json(row | {"checks": tested.get((row["provider"], row["id"]))})
        return
    heads = ("model", "provider", "id", "agents", "window", "in $/M", "out $/M", "cached $/M", "price from")
    spare = ("price from", "agents", "cached $/M", "window", "id")
    table(heads, [_cells(row) for row in rows], right="window,in $/M,out $/M,cached $/M", spare=spare)


def _tested(flags: Mapping[str, str]) -> Mapping[tuple[str, str], list[Json]]:
    """What tests have shown (`doctor --model`, `t` in the app), by provider and id. A database that can't be read is no
    matter."""
    try:
        found = reader(flags, hush=True).badges()
    except StoreError:
        return {}
    if not found:
        return {}
    from ccr_tui.commands.abilities import checks_json

    return {key: checks_json(badges) for key, badges in found.items()}


def _cells(row: Json) -> list[str]:
    price = row["price"] or {"source": "unknown"}
    money = [price.get(part) or "?" for part in ("input_usd", "output_usd", "cache_read_usd")]
    window = tokens(row["context"]) or "?"
    return [row["name"], row["provider"], row["id"], " ".join(row["agents"]), window, *money, price["source"]]


def _model(config: Config, model: Model) -> Json:
    from ccr_tui.proxy.quirks import facts_for

    provider = config.providers[model.provider]
    facts = facts_for(provider, model)
    return {
        "name": model.name,
        "provider": provider.name,
        "id": model.id,
        "kind": provider.kind,
        "base_url": provider.base_url,
        "family": facts.family,
        "context": facts.context,
        "max_output": facts.max_output,
        "agents": [agent for agent, names in config.agents.items() if model.name in names],
        "price": _price(quote(config, model)),
    }


def quote(config: Config, model: Model) -> Price | None:
    """What the model charges now, from every table there is; None if nobody knows."""
    from ccr_tui.prices import Book

    book = Book({each.name: each.price for each in config.models.values() if each.price})
    return book.quote(model, config.providers[model.provider], time.time())


def _price(price: Price | None) -> Json:
    from ccr_tui.prices import usd

    if price is None:
        return None
    return {
        "input_usd": usd(price.input),
        "output_usd": usd(price.output),
        "cache_read_usd": usd(price.cache_read),
        "cache_write_usd": usd(price.cache_write),
        "basis": price.basis,
        "source": price.source,
        "since": price.since or None,
    }


@click.command()
@click.argument("wanted", required=False, type=click.Choice(["normal", "router"]), metavar="[normal|router]")
@settings
@as_json
def mode(flags: Mapping[str, str], wanted: str | None, as_json: bool) -> None:
    """Print the mode, or set it: normal or router.

    In normal mode one model answers; in router mode a small one chooses who works. A running ccr-tui picks
    the change up by itself.
    """
    config = load(flags)
    if wanted:
        config = _flip(config, flags, wanted)
    if as_json:
        print_json({"mode": config.mode, "origin": config.origins.get("mode", "default")})
    else:
        click.echo(config.mode)


def _flip(config: Config, flags: Mapping[str, str], wanted: str) -> Config:
    """Write the mode, and read the configuration again. Raises ConfigError where Router mode has nobody to work."""
    from ccr_tui.editing import set_values

    missing = [agent for agent in ROUTING if agent not in config.agents]
    if wanted == "router" and missing:
        named = " and ".join(f"agents.{agent}" for agent in missing)
        calls = " ".join(f"{agent}=MODEL" for agent in missing)
        raise ConfigError(
            f"Router mode needs {named}: a small model that chooses, and one that speaks with the client and calls "
            f"its tools. Set them: ccr-tui agents {calls} (models: {', '.join(config.models)})."
        )
    assert config.path is not None
    set_values(config.path, "", {"mode": wanted})
    after = load(flags)
    if after.mode != wanted:
        narrate(f"{config.path} has it now, but {after.origins.get('mode', '')} wins over it")
    return after


@click.command()
@click.argument("changes", nargs=-1, metavar="[AGENT=MODEL]...")
@settings
@as_json
def agents(flags: Mapping[str, str], changes: tuple[str, ...], as_json: bool) -> None:
    """Show or set which model each agent speaks with.

    AGENT=MODEL such as default=flash; with more than one (coder=flash,local/qwen3) the others are fallbacks. AGENT=
    frees an agent, and the default one answers for it.
    """
    config = load(flags)
    if changes:
        config = _change(config, flags, dict(_parsed(change) for change in changes))
    rows = [_agent(config, agent, names) for agent, names in config.agents.items()]
    if as_json:
        for row in rows:
            print_json(row)
        return
    cells = [(r["agent"], r["model"], ", ".join(r["fallbacks"]), r["provider"], r["id"], r["origin"]) for r in rows]
    table(("agent", "model", "fallbacks", "provider", "id", "set by"), cells)


def _agent(config: Config, agent: str, names: tuple[str, ...]) -> Json:
    model = config.models[names[0]]
    return {
        "agent": agent,
        "model": model.name,
        "fallbacks": list(names[1:]),
        "provider": model.provider,
        "id": model.id,
        "origin": config.origins.get(f"agents.{agent}", "default"),
    }


def _parsed(change: str) -> tuple[str, str]:
    from ccr_tui.catalogue import AGENTS

    agent, equals, model = change.partition("=")
    if not equals:
        raise click.UsageError(f"{change!r} is not AGENT=MODEL, such as default=flash")
    if agent not in AGENTS:
        raise click.UsageError(f"{agent!r} is no agent; there are {', '.join(AGENTS)}")
    if agent == "default" and not model.strip():
        raise click.UsageError("the default agent answers whatever no other does, so it needs a model: default=MODEL")
    return agent, model.strip()


def _change(config: Config, flags: Mapping[str, str], wanted: Mapping[str, str]) -> Config:
    """Check the change, write it, and read the configuration again. Raises ConfigError."""
    from ccr_tui import editing

    assert config.path is not None
    needed = [agent for agent in ROUTING if config.mode == "router" and wanted.get(agent) == ""]
    if needed:
        raise ConfigError(f"Router mode needs {needed[0]}; `ccr-tui mode normal` does without.")
    changes = {agent: _models(config, agent, text) if text else [] for agent, text in wanted.items()}
    edits = [edit for agent, names in changes.items() for edit in editing.agent(agent, names)]
    editing.apply(config.path, edits, Source(flags).problems)
    after = load(flags)
    for agent, names in changes.items():
        _say_changed(after, agent, bool(names))
    return after


def _say_changed(after: Config, agent: str, has_model: bool) -> None:
    """Where the change is not all that counts."""
    origin = after.origins.get(f"agents.{agent}", "")
    if agent in after.agents and origin != "config.toml":
        narrate(f"{after.path} has it now, but {origin} wins over it")
    elif not has_model:
        narrate(f"{agent}: nobody's now; the default agent answers where it would have")


def _models(config: Config, agent: str, text: str) -> list[str]:
    """One name, or several with commas between; "provider,id" is one."""
    if _known(config, text):
        return [text]
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if not _known(config, name)]
    if unknown:
        known = ", ".join(config.models)
        raise click.UsageError(f"{agent}={text}: {unknown[0]!r} is neither a model (known: {known}) nor provider/id.")
    return names


def _known(config: Config, name: str) -> bool:
    provider, slash, model = name.partition("," if "," in name else "/")
    return name in config.models or bool(slash and model and provider in config.providers)
