"""The commands that show and prepare the configuration: env, config path, check, show and init.

Owns the commented config.toml that `init` writes. Must never print a key. The one surprise: `config check` ends with 3
where it found something, because a check that worked and found trouble is not a failure of the check.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import click

from ccr_tui import assembly
from ccr_tui.commands.common import as_json, load, narrate, print_json, read, safe, settings
from ccr_tui.config import Config, Guards, Model, Patience, Provider, Routing, UserRule, keyless
from ccr_tui.errors import ConfigError
from ccr_tui.records import Json
from ccr_tui.values import variable

TEMPLATE = """\
# The configuration of ccr-tui. Everything here is optional; the environment and .env win over it.
# Check it with `ccr-tui config check`.

# mode = "normal"               # or "router": a small model chooses who works (agents router, tool, coder, think)

[server]
# host = "127.0.0.1"            # another address needs an api_key
# port = 3456
# api_key = "$CCR_TUI_KEY"      # what clients must present; `ccr-tui env` prints it for Claude Code

# A provider serves models over HTTP. kind is "openai" (chat completions, the default) or "anthropic" (Messages API).
# base_url may end in /v1 or /chat/completions, or not; these names need none: anthropic, dashscope (Qwen, China),
# dashscope-intl (Singapore), deepseek, gemini, groq, llama_cpp, lmstudio, mistral, moonshot, moonshot-cn, ollama,
# openai, openrouter, siliconflow, siliconflow-cn, vllm, xai, zai, zhipu. "$NAME" is taken from the environment or .env.

# [providers.deepseek]
# api_key = "$DEEPSEEK_API_KEY"
# api_keys = ["$DEEPSEEK_KEY_2", "$DEEPSEEK_KEY_3"]    # more of them, used in turn

# [providers.local]
# base_url = "http://127.0.0.1:8080"
# family = "llama_cpp"          # whose oddities it has; usually found by itself
# headers = { "x-team" = "me" }
# proxy = ""                    # http:// or socks5:// for this provider alone; "" means none
# timeout_s = 900               # longest silence
# client_auth = false           # kind "anthropic": pass Claude Code's own credential on

# [models.flash]
# provider = "deepseek"
# id = "deepseek-flash"         # the provider's name of it; the table's name if left out
# context = 1000000             # tokens; known for many models
# max_output = 32000
# price = { input = 0.15, output = 0.60, cache_read = 0.003 }    # US dollars per million tokens

# Who answers: the name of a model, or "provider/id"; a list names fallbacks.
# default, router, tool, coder, think, background, long_context, web_search, image

# [agents]
# default = ["flash", "local/qwen3-coder"]

# Rules of your own, tried in order before the built-in ones. All that stands under when must hold; of a list, one.
# kind: main, subagent, title, compaction, web_search, background, other. `ccr-tui route FILE --explain` tries them.

# [[rules]]
# name = "what must stay here"
# model = "local/qwen3-coder"   # a list names fallbacks; or agent = "background"
# when.project = "~/private"    # a folder and all below it; * and ? are taken
# when.subagent = true          # also: asked = "*haiku*", kind = "main", agent_type = "Explore", tokens_over = 30000,
# when.tools = "mcp__*"         # tools that are offered,
# when.text = "(?i)confidential"    # and a regular expression, searched in what you typed last

[routing]
# custom = "route.py"           # beside this file: def route(request, facts) gives a model, an agent or None
# long_context_over = 60000     # tokens from which agents.long_context answers, if it is set
# deadline_s = 5                # what the router model is given to answer
# max_hops = 3                  # how often it is asked in one turn of yours

[guards]
# requests_per_minute = 300     # of one session; 0: not guarded
# repeated_calls = 20           # the same tool calls, one turn after the other; 0: not guarded
# budget_per_day = 5.00         # US dollars; whoever would go on is refused
# budget_per_session = 1.00

[spend]
# baseline = "claude-opus-5-5"  # what spending is compared with: a model of yours, or one whose list price is known

[screen]
# theme = "light"               # or "dark"; in the app: ctrl+p, "Light or dark"

[patience]
# retries = 2                   # further tries of a busy or broken model, after 0.5 and 1 s; then its fallbacks
# retry_after_s = 2             # the longest Retry-After that is waited for
# breaker_failures = 5          # a provider that fails so often in a row, within
# breaker_window_s = 60         # so many seconds, is passed over where there is another, for
# breaker_rest_s = 30

[timeouts]
# upstream_s = 600              # longest silence of a model, before and in the stream
# connect_s = 10
# ping_s = 5                    # silence after which Claude Code is told that we still wait

[store]
# path = "ccr.db"               # beside this file if relative
# keep_streams = true           # record the upstream's raw bytes
# keep_days = 90                # remove older requests; what they cost stays in the spending. Not set: keep all
# keep_gb = 2                   # remove the oldest until the database is not larger. Not set: keep all
"""


@click.command()
@click.option(
    "--shell", type=click.Choice(["sh", "fish", "powershell", "json"]), default="sh", help="Whose syntax (sh)."
)
@settings
def env(flags: Mapping[str, str], shell: str) -> None:
    """Print the environment to paste for Claude Code.

    Or in one go: eval "$(ccr-tui env)". The JSON fits under "env" in Claude Code's settings.json.
    """
    from ccr_tui.environment import render, variables

    click.echo(render(variables(load(flags)), shell))


@click.group("config")
def config_group() -> None:
    """Show, check and begin the configuration."""


@config_group.command()
@settings
def path(flags: Mapping[str, str]) -> None:
    """Print where config.toml is, or would be."""
    click.echo(str(assembly.read(flags, os.environ, Path.cwd())[0].path))


@config_group.command()
@settings
@as_json
def check(flags: Mapping[str, str], as_json: bool) -> None:
    """Print everything that is wrong; exit code 3 if anything is."""
    from ccr_tui.offers import unseen_costs

    config, problems = read(flags)
    notes = [*config.notes, *keyless(config), *unseen_costs(config, time.time())]
    if as_json:
        print_json({"path": str(config.path), "problems": problems, "notes": notes})
    else:
        for problem in problems:
            click.echo(safe(problem))
        for note in notes:
            narrate(f"note: {safe(note)}")
        found = f"{len(problems) or 'no'} problem{'' if len(problems) == 1 else 's'}"
        narrate(f"{found} in flags, environment, .env and {config.path}")
    if problems:
        raise SystemExit(3)


@config_group.command()
@settings
@as_json
def show(flags: Mapping[str, str], as_json: bool) -> None:
    """Print the configuration as it counts, keys left out, and where each setting came from."""
    shown = redacted(load(flags))
    if as_json:
        print_json(shown)
        return
    import tomlkit

    origins = shown.pop("origins")
    click.echo(f"# {shown.pop('path')}")
    click.echo(tomlkit.dumps(_without_nulls(shown)).rstrip())
    for setting, origin in origins.items():
        narrate(f"{setting} is set by {origin}")


@config_group.command()
@settings
def init(flags: Mapping[str, str]) -> None:
    """Write a commented config.toml to begin with. One that exists is never touched."""
    from ccr_tui.editing import write

    path = assembly.read(flags, os.environ, Path.cwd())[0].path
    assert path is not None
    if path.exists():
        raise ConfigError(f"{path} exists already, and was left as it is.")
    write(path, TEMPLATE)
    narrate("Wrote a commented configuration; `ccr-tui config check` says whether it is right. It is at:")
    click.echo(str(path))


@config_group.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace what config.toml has already.")
@settings
@as_json
def import_(flags: Mapping[str, str], file: Path, force: bool, as_json: bool) -> None:
    """Carry claude-code-router's config.json (v1, v2) over.

    Providers, models, routes and what its transformers mean go into config.toml; what could not be carried over
    is printed, a sentence each.
    """
    from ccr_tui.commands.importer import bring_over

    bring_over(flags, file, force, as_json)


def redacted(config: Config) -> Json:
    """The configuration with every secret hidden; `$NAME` is no secret."""
    return {
        "path": str(config.path),
        "mode": config.mode,
        "proxy": _without_login(config.proxy),
        "server": {"host": config.host, "port": config.port, "api_key": _hidden(config.api_key)},
        "timeouts": {"upstream_s": config.timeout_s, "connect_s": config.connect_timeout_s, "ping_s": config.ping_s},
        "store": {"path": str(config.db), "keep_streams": config.keep_streams} | _kept(config),
        "providers": {name: _provider(each) for name, each in config.providers.items()},
        "models": {name: _model(each) for name, each in config.models.items()},
        "agents": {agent: list(models) for agent, models in config.agents.items()},
        "rules": [_rule(rule) for rule in config.rules] or None,
        "routing": _routing(config.routing),
        "guards": _guards(config.guards),
        "patience": _patience(config.patience),
        "spend": {"baseline": config.baseline},
        "screen": {"theme": config.theme},
        "origins": dict(config.origins),
    }


def _kept(config: Config) -> dict[str, Json]:
    return {"keep_days": config.keep_days, "keep_gb": config.keep_bytes and config.keep_bytes / 1e9}


def _provider(provider: Provider) -> Json:
    return {
        "kind": provider.kind,
        "base_url": provider.base_url,
        "api_key": _hidden(provider.api_key),
        "api_keys": [_hidden(key) for key in provider.api_keys] or None,
        "headers": {name: _hidden(value) for name, value in provider.headers.items()} or None,
        "proxy": _without_login(provider.proxy),
        "timeout_s": provider.timeout_s,
        "client_auth": provider.client_auth or None,
        "family": provider.family,
    }


def _model(model: Model) -> Json:
    price = model.price
    per_million = ("input", "output", "cache_read", "cache_write")
    dollars = {part: getattr(price, part) / 1e9 for part in per_million if price and getattr(price, part) is not None}
    return {
        "provider": model.provider,
        "id": model.id,
        "context": model.context,
        "max_output": model.max_output,
        "family": model.family,
        "price": dollars or None,
        "quirks": dict(model.quirks) or None,
    }


def _rule(rule: UserRule) -> Json:
    conditions = {each.name: getattr(rule.when, each.name) for each in fields(rule.when)}
    plain = {name: value.pattern if isinstance(value, re.Pattern) else value for name, value in conditions.items()}
    when = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in plain.items()
        if value not in (None, ())
    }
    return {"name": rule.name, "model": list(rule.models) or None, "agent": rule.agent, "when": when}


def _routing(routing: Routing) -> Json:
    return {
        "custom": routing.custom and str(routing.custom),
        "long_context_over": routing.long_context_over,
        "deadline_s": routing.deadline_s,
        "max_hops": routing.max_hops,
    }


def _patience(patience: Patience) -> Json:
    return {
        "retries": len(patience.waits_s),
        "retry_after_s": patience.retry_after_s,
        "breaker_failures": patience.breaker_failures,
        "breaker_window_s": patience.breaker_window_s,
        "breaker_rest_s": patience.breaker_rest_s,
    }


def _guards(guards: Guards) -> Json:
    from ccr_tui.prices import usd

    return {
        "requests_per_minute": guards.requests_per_minute,
        "repeated_calls": guards.repeated_calls,
        "budget_per_day": usd(guards.budget_per_day),
        "budget_per_session": usd(guards.budget_per_session),
    }


def _hidden(value: str | None) -> str | None:
    return value if value is None or variable(value) else "(hidden)"


def _without_login(url: str | None) -> str | None:
    parts = urlsplit(url or "")
    return (
        urlunsplit(parts._replace(netloc=f"(hidden)@{parts.netloc.rsplit('@', 1)[1]}")) if "@" in parts.netloc else url
    )


def _without_nulls(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value
