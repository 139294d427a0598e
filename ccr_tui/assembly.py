"""Puts a `Config` together: what each key of config.toml and each variable of the environment means.

Owns where config.toml and the database are, and the settings of the server itself; who serves which model is in
`catalogue.py`. Must never raise on bad input: every problem goes on one list, and what can be read is read. The one
surprise: a relative path means something different by where it stands: beside config.toml if written in it, else the
working directory.
"""

from __future__ import annotations

import errno
import os
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from ccr_tui import rulebook, values
from ccr_tui.catalogue import Catalogue
from ccr_tui.config import Config
from ccr_tui.errors import ConfigError
from ccr_tui.records import Mode
from ccr_tui.settings import Layers, Section, default_config, default_db, read_dotenv

MOST = 64 * 1024 * 1024
"""Bytes of a config.toml."""


def load(flags: Mapping[str, object], env: Mapping[str, str], cwd: Path) -> Config:
    """The configuration from flags (port, host, config, db), environment, .env in `cwd` and config.toml.

    Raises ConfigError with every problem that was found.
    """
    config, problems = read(flags, env, cwd)
    if problems:
        raise ConfigError(*problems)
    return config


def read(flags: Mapping[str, object], env: Mapping[str, str], cwd: Path) -> tuple[Config, list[str]]:
    """The same, with the problems beside what could be read: enough to find the database of a broken configuration."""
    problems: list[str] = []
    dotenv, notes = read_dotenv(cwd)
    dotenv = {name: value for name, value in dotenv.items() if not name.startswith("OTEL_")}  # of what is built there
    layers = Layers(flags, env, dotenv, problems)
    notes += _led_away(layers)
    path = _config_path(layers, cwd, notes)
    root = Section("", _toml(path, layers), problems)
    config = _scalars(root, layers, path, cwd)
    config = replace(config, routing=rulebook.routing(root, path.parent), guards=rulebook.guards(root))
    config = replace(config, patience=rulebook.patience(root))
    config = Catalogue(root, layers, config).build(notes)
    root.close()
    notes += rulebook.unrouted(config)
    _check_bind(config, problems)
    return replace(config, origins=layers.origins, env=layers.environment(), notes=tuple(notes)), problems


def _config_path(layers: Layers, cwd: Path, notes: list[str]) -> Path:
    """Never by .env, which may have come with a repository: a config.toml runs a file of its own, and says whom every
    variable is sent to as a key."""
    named = layers.flags.get("config") or layers.env.get("CCR_TUI_CONFIG", "").strip()
    if named:
        return cwd / Path(str(named)).expanduser()
    if layers.dotenv.get("CCR_TUI_CONFIG", "").strip():
        notes.append(".env names CCR_TUI_CONFIG, which only --config and the environment can set")
    return default_config()


def _led_away(layers: Layers) -> list[str]:
    """Keys of the environment that go where a .env says, which may have come with a repository."""
    given, said = layers.environment(), []
    for url in layers.dotenv:
        own = url.removesuffix("_BASE_URL") + "_API_KEY"
        key = own if given.get(own, "").strip() else "OPENAI_API_KEY"
        if url.endswith("_BASE_URL") and url not in layers.env and layers.env.get(key, "").strip():
            said.append(f"{key} of the environment goes where {url} in .env says")
    return said


def _toml(path: Path, layers: Layers) -> dict[str, object]:
    try:
        return tomllib.loads(_bytes(path).decode("utf-8-sig"))
    except FileNotFoundError:
        if layers.flags.get("config"):
            layers.problems.append(f"flag --config names {path}, which does not exist; `ccr-tui config init` writes it")
    except (OSError, UnicodeDecodeError) as error:
        why = error if isinstance(error, UnicodeDecodeError) else error.strerror or error
        layers.problems.append(f"{path} could not be read: {why}")
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits, or thousands of brackets
        layers.problems.append(f"{path} is not valid TOML: {error}")
    return {}


def _bytes(path: Path) -> bytes:
    """Of a pipe nobody may ever write into it, and a device may have no end. Raises OSError."""
    if path.is_fifo():
        raise OSError(errno.EINVAL, "it is a pipe, which can be read but once; name a file")
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size > MOST or len(data := file.read(MOST + 1)) > MOST:
            raise OSError(errno.EFBIG, f"it is over {MOST >> 20} MiB")
    return data


def _scalars(root: Section, layers: Layers, path: Path, cwd: Path) -> Config:
    server, timeouts, store = root.section("server"), root.section("timeouts"), root.section("store")
    spend, screen = root.section("spend"), root.section("screen")
    pick, default = layers.pick, Config()
    port = values.integer(0, 65535)
    mode = pick("mode", values.one_of("normal", "router"), root, "mode", "normal", ("ENABLE_ROUTER", _router_switch))
    config = Config(
        mode=cast(Mode, mode),
        host=pick("host", values.host, server, "host", default.host, ("CCR_TUI_HOST", values.host)),
        port=pick("port", port, server, "port", default.port, ("CCR_TUI_PORT", port)),
        api_key=_own_key(server, layers),
        timeout_s=pick(
            "timeout_s", values.seconds, timeouts, "upstream_s", default.timeout_s,
            ("API_TIMEOUT_MS", values.milliseconds),
        ),
        connect_timeout_s=timeouts.get("connect_s", values.seconds, default.connect_timeout_s),
        ping_s=timeouts.get("ping_s", values.seconds, default.ping_s),
        proxy=_proxy(root, layers),
        keep_streams=store.get("keep_streams", values.switch, default.keep_streams),
        keep_days=store.get("keep_days", values.days, default.keep_days),
        keep_bytes=store.get("keep_gb", values.gigabytes, default.keep_bytes),
        path=path,
        db=_db(store, layers, path, cwd),
        baseline=spend.get("baseline", values.text, "") or None,
        theme=screen.get("theme", values.one_of("dark", "light"), default.theme),
    )  # fmt: skip
    for section in (server, timeouts, store, spend, screen):
        section.close()
    return config


def _router_switch(value: object) -> str:
    return "router" if values.switch(value) else "normal"


def _own_key(server: Section, layers: Layers) -> str | None:
    written: str | None = layers.pick("api_key", values.text, server, "api_key", "", ("CCR_TUI_API_KEY", values.text))
    name = values.variable(written or "")
    if name is None:
        return written or None
    found = layers.environment().get(name, "").strip()
    if not found:
        layers.problems.append(f"server.api_key is ${name}, but {name} is not set. Export it, or put it into .env.")
    return found or None


def _proxy(root: Section, layers: Layers) -> str | None:
    missing = "\0"
    found = layers.pick("proxy", values.proxy, root, "proxy", missing, ("PROXY_URL", values.proxy))
    return None if found == missing else found


def _db(store: Section, layers: Layers, path: Path, cwd: Path) -> Path:
    named = layers.pick("db", values.text, store, "path", "", ("CCR_TUI_DB", values.text))
    if named:
        base = path.parent if layers.origins.get("db") == "config.toml" else cwd
        return base / Path(named).expanduser()
    return default_db()


def _check_bind(config: Config, problems: list[str]) -> None:
    if not values.is_loopback(config.host) and not config.api_key:
        problems.append(
            f"server.host is {config.host}, which other machines can reach, and anybody there could spend your money: "
            "set CCR_TUI_API_KEY (or server.api_key) to what clients must present, or use 127.0.0.1"
        )
