"""The configuration: what may be set.

Owns the frozen `Config` and how credentials come out of it; `assembly.py` puts one together from flags, environment,
.env, config.toml and defaults. Must never be changed in place: a new one is swapped in by reference, and each exchange
reads the reference once, so that flipping the mode can't tear a request in flight. The one surprise: keys are kept as
written (`$DEEPSEEK_API_KEY`) and resolved only when a client is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ccr_tui.errors import ConfigError
from ccr_tui.records import Mode, Price
from ccr_tui.values import variable

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
    proxy: str | None = None
    """An http:// or socks5:// URL for this provider alone; "" means none."""
    timeout_s: float | None = None
    """Longest silence of the upstream; None: the config's `timeout_s`."""
    client_auth: bool = False
    """Anthropic kind only: pass the client's own credential on."""
    family: str | None = None
    """Names the facts of `proxy/quirks/<family>.py`; None: found from host and model id."""


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
    proxy: str | None = None
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


def key(provider: Provider, env: Mapping[str, str]) -> str | None:
    """The provider's key, `$NAME` resolved in `env` (pass `Config.env`). Raises ConfigError where NAME is not set."""
    return None if provider.api_key is None else _resolved(provider.api_key, f"providers.{provider.name}.api_key", env)


def credentials(provider: Provider, config: Config) -> tuple[str | None, dict[str, str]]:
    """The provider's key and its extra headers, ready to send. Raises ConfigError as `key` does."""
    path = f"providers.{provider.name}.headers"
    extra = {name: _resolved(value, f"{path}.{name}", config.env) for name, value in provider.headers.items()}
    return key(provider, config.env), extra


def _resolved(written: str, path: str, env: Mapping[str, str]) -> str:
    name = variable(written)
    if name is None:
        return written
    if not env.get(name, "").strip():
        raise ConfigError(f"{path} is ${name}, but {name} is not set. Export it, or put it into .env.")
    return env[name].strip()
