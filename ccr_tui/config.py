"""The configuration: what may be set.

Owns the frozen `Config` and how credentials come out of it; `assembly.py` puts one together from flags, environment,
.env, config.toml and defaults. Must never be changed in place: a new one is swapped in by reference, and each exchange
reads the reference once, so that flipping the mode can't tear a request in flight. The one surprise: keys are kept as
written (`$DEEPSEEK_API_KEY`) and resolved only when a client is built.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Any, Literal, TypeVar, cast
from urllib.parse import unquote, urlsplit

from ccr_tui.errors import ConfigError
from ccr_tui.records import Kind, Mode, Price
from ccr_tui.slim import dataclass
from ccr_tui.standins import is_stand_in
from ccr_tui.values import is_sendable, variable

ProviderKind = Literal["openai", "anthropic", "demo"]


@dataclass(frozen=True, slots=True)
class Provider:
    """Somebody who serves models over HTTP."""

    name: str
    kind: ProviderKind
    base_url: str
    """Normalised: no trailing slash; ends before /chat/completions (openai) or /v1/messages (anthropic)."""
    api_key: str | None = field(default=None, repr=False)
    """As written: a literal, or `$NAME` / `${NAME}`."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxy: str | None = field(default=None, repr=False)
    """An http:// or socks5:// URL for this provider alone; "" means none."""
    timeout_s: float | None = None
    """Longest silence of the upstream; None: the config's `timeout_s`."""
    client_auth: bool = False
    """Anthropic kind only: pass the client's own credential on."""
    family: str | None = None
    """Names the facts of `proxy/quirks/<family>.py`; None: found from host and model id."""
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    """More keys, as written, that are used in rotation after `api_key`."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model as we call it."""

    name: str
    provider: str
    id: str
    """The provider's name of it."""
    context: int | None = None
    """Window in tokens; None: the family's fact, else unknown."""
    max_output: int | None = None
    family: str | None = None
    price: Price | None = None
    quirks: Mapping[str, Any] = field(default_factory=dict)
    """Facts that override the family's, by the names of `quirks.Facts`."""
    variable: str = ""
    """The environment variable that names it, where config.toml has no table of it."""


@dataclass(frozen=True, slots=True)
class When:
    """The conditions of a rule of the user's own: all that are set must hold; of a list, one must."""

    project: tuple[str, ...] = ()
    """Globs of the working directory; a directory means everything below it too. `~` is expanded."""
    asked: tuple[str, ...] = ()
    """Globs of the model's name that the client asked for."""
    kind: tuple[Kind, ...] = ()
    subagent: bool | None = None
    """Whether a subagent asks."""
    agent_type: tuple[str, ...] = ()
    """Globs of the subagent's type, such as Explore; only known with the client's hint headers."""
    tokens_over: int | None = None
    """Estimated input tokens."""
    tools: tuple[str, ...] = ()
    """Globs of the names of the tools that are offered."""
    text: re.Pattern[str] | None = None
    """Searched in what the person typed last."""


@dataclass(frozen=True, slots=True)
class UserRule:
    """One entry of [[rules]]: when it holds, its model answers, or the agent's."""

    name: str
    when: When
    models: tuple[str, ...] = ()
    """The model and its fallbacks; empty where `agent` is set."""
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class Routing:
    """How a model is chosen beyond the rules."""

    custom: Path | None = None
    """A Python file of the user's own with `def route(request, facts) -> str | None`."""
    deadline_s: float = 5.0
    """What the router model is given to answer; after it the tool agent goes on."""
    max_hops: int = 3
    """The most times that the router is asked in one turn of the user's."""
    long_context_over: int = 60_000
    """Estimated input tokens from which the long_context agent answers; less where a model's window is smaller."""


@dataclass(frozen=True, slots=True)
class Guards:
    """What stops a client that runs away. None: not guarded."""

    requests_per_minute: int | None = None
    """Of one session."""
    repeated_calls: int | None = 20
    """The same tool calls with the same arguments, one turn after the other."""
    budget_per_day: int | None = None
    """Nano-USD, from local midnight."""
    budget_per_session: int | None = None
    """Nano-USD."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How a provider's failures are met before anything of an answer has reached the client. Times are seconds."""

    waits_s: tuple[float, ...] = (0.5, 1.0)
    """The wait before each further try of the same model; empty: it is tried once. Claude Code itself tries ten times,
    so this is for what passes in a moment."""
    retry_after_s: float = 2.0
    """The longest Retry-After that is waited for; a longer one is passed on, or another model is asked."""
    breaker_failures: int = 5
    """Failures of a provider's own making, one after the other, after which it is passed over."""
    breaker_window_s: float = 60.0
    """They must all have happened in so long."""
    breaker_rest_s: float = 30.0
    """How long it is passed over until one request may try it."""


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set, complete and checked."""

    mode: Mode = "normal"
    host: str = "127.0.0.1"
    port: int = 3456
    api_key: str | None = field(default=None, repr=False)
    """What clients must present as x-api-key or bearer; None: nothing is asked."""
    providers: Mapping[str, Provider] = field(default_factory=dict)
    models: Mapping[str, Model] = field(default_factory=dict)
    agents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Agent (default, router, tool, coder, think, background, long_context, web_search, image) to its model's name,
    then its fallbacks."""
    timeout_s: float = 600.0
    """Longest silence of an upstream, before and in the stream."""
    connect_timeout_s: float = 10.0
    ping_s: float = 5.0
    """Silence after which the client is sent a ping."""
    proxy: str | None = field(default=None, repr=False)
    """PROXY_URL; None leaves it to HTTP(S)_PROXY, ALL_PROXY and NO_PROXY. Loopback never goes through one."""
    keep_streams: bool = True
    """Whether the upstream's raw bytes are recorded (rehearsals need them)."""
    path: Path | None = None
    """config.toml, whether it exists or not."""
    db: Path | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where a setting came from ("environment OPENAI_MODEL", "config.toml"), by key, for the screens."""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The environment over .env, as they were read: where `credentials` looks up `$NAME`."""
    notes: tuple[str, ...] = ()
    """What is not wrong and still worth saying, a sentence each: a model left out, a file that others can read."""
    rules: tuple[UserRule, ...] = ()
    """The user's own, in order."""
    routing: Routing = Routing()
    guards: Guards = Guards()
    patience: Patience = Patience()
    baseline: str | None = None
    """The model that spending is compared with, by our name or a public one; None: the one that the client asks for."""
    keep_days: float | None = None
    """Requests older than that are removed; None: none for their age."""
    keep_bytes: int | None = None
    """The oldest requests are removed until the database is not larger; None: none for its size."""
    theme: str = "dark"
    """Of the screens: dark or light."""


REMEMBERED = 256
"""Providers whose keys and headers are remembered; an identity holds as long as its provider is."""
Found = TypeVar("Found")
SECRET = re.compile("auth|key|token|secret|cookie", re.IGNORECASE)
"""Headers whose value is a credential, also where it is written out."""
COLLECTORS = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
"""Headers for a collector of spans: `name=value,…`, percent-encoded."""


def key(provider: Provider, env: Mapping[str, str]) -> str | None:
    """The provider's first key, `$NAME` resolved in `env` (pass `Config.env`).

    Raises ConfigError where no NAME is set.
    """
    return next(iter(keys(provider, env)), None)


def keys(provider: Provider, env: Mapping[str, str]) -> tuple[str, ...]:
    """All keys of the provider in the order of their rotation, none twice; those whose `$NAME` is not set left out.

    Raises ConfigError if keys are configured and not one of them is set.
    """
    return _once(_keys, provider, env)


def _keys(provider: Provider, env: Mapping[str, str]) -> tuple[str, ...]:
    written = [("api_key", provider.api_key), *((f"api_keys[{n}]", key) for n, key in enumerate(provider.api_keys))]
    found: list[str] = []
    missing: list[ConfigError] = []
    for name, key in written:
        try:
            if key is not None:
                found.append(_resolved(key, f"providers.{provider.name}.{name}", env))
        except ConfigError as error:
            missing.append(error)
    if missing and not found:
        raise missing[0]
    return tuple(dict.fromkeys(found))


def credentials(provider: Provider, config: Config) -> tuple[str | None, dict[str, str]]:
    """The provider's key and its extra headers, ready to send. Raises ConfigError as `key` does, and for one that can't
    be sent."""
    return _once(_credentials, provider, config.env)


def _credentials(provider: Provider, env: Mapping[str, str]) -> tuple[str | None, dict[str, str]]:
    path = f"providers.{provider.name}.headers"
    extra = {name: _resolved(value, f"{path}.{name}", env) for name, value in provider.headers.items()}
    for name, value in extra.items():
        _check_sendable(value, f"{path}.{name}", provider.headers[name])
    found = keys(provider, env)
    for one in found:
        _check_sendable(one, f"providers.{provider.name}.api_key", provider.api_key or "")
    return next(iter(found), None), extra


def _once(work: Callable[[Provider, Mapping[str, str]], Found], provider: Provider, env: Mapping[str, str]) -> Found:
    """What `work` finds: looked for once while a configuration stands, which nobody changes."""
    of, among, found = _found.get((work, id(provider)), (None, None, None))
    if of is provider and among is env:
        return cast(Found, found)
    made = work(provider, env)
    _found[work, id(provider)] = (provider, env, made)
    while len(_found) > REMEMBERED:
        del _found[next(iter(_found))]
    return made


_found: dict[tuple[object, int], tuple[Provider, Mapping[str, str], Any]] = {}


def _check_sendable(value: str, path: str, written: str) -> None:
    """Raises ConfigError for what no HTTP header takes. Never shows it: it may be most of a key."""
    if not is_sendable(value):
        where = f"{path} ({written})" if variable(written) else path
        raise ConfigError(
            f"{where} can't be sent: it holds a line break or another character that no HTTP header takes. "
            "Perhaps something was copied along; write it anew."
        )


def keyless(config: Config) -> list[str]:
    """What keeps a provider without its key or a header: a variable that is named and not set, a sentence each."""
    found = []
    for provider in config.providers.values():
        try:
            credentials(provider, config)
        except ConfigError as error:
            found.append(str(error))
    return found


def secrets(config: Config) -> list[str]:
    """Every credential of this configuration, resolved: what must never be kept or shown."""
    found = [config.api_key] if config.api_key else []
    for provider in config.providers.values():
        with suppress(ConfigError):
            found += [one for one in keys(provider, config.env) if not is_stand_in(one)]
        for header, value in provider.headers.items():
            name = variable(value)
            if name is not None or SECRET.search(header):
                found.append((value if name is None else config.env.get(name, "")).strip().rpartition(" ")[2])
    ways = [config.proxy, *(provider.proxy for provider in config.providers.values())]
    ways += [value for name, value in config.env.items() if name.lower().endswith("_proxy")]
    found += [password for way in ways if way for password in _passwords(way)]
    for name in COLLECTORS:
        pairs = config.env.get(name, "").split(",")
        found += [unquote(pair.partition("=")[2]).strip().rpartition(" ")[2] for pair in pairs]
    return [one for one in found if one]


def _passwords(url: str) -> tuple[str, str]:
    """The password in a URL, as it is typed and as it is written there."""
    with suppress(ValueError):
        written = urlsplit(url).password or ""
        return unquote(written), written
    return "", ""


def _resolved(written: str, path: str, env: Mapping[str, str]) -> str:
    name = variable(written)
    if name is None:
        return written
    if not env.get(name, "").strip():
        cure = "Put it into .env where ccr-tui was started, or export it and start anew."
        raise ConfigError(f"{path} is ${name}, but {name} is not set. {cure}")
    return env[name].strip()
