"""What Claude Code must find in its environment to be answered by this proxy, and why.

Owns the list of variables and how each shell spells them. Must never print a variable that cannot be justified: every
one was seen to work with the real client (2.1.330), and telemetry is the user's own business. The one surprise: the
reasons stay free of quotes and brackets, because an interactive zsh reads a pasted comment as a command.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from ccr_tui import assembly, places
from ccr_tui.config import Config
from ccr_tui.errors import ConfigError
from ccr_tui.slim import dataclass

PLACEHOLDER = "ccr-tui"
"""The token where we ask for none: the client wants one, and never logs in while it has it."""
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
ROOM = 32_000
"""The most output to ask for. The client compacts 33,000 tokens before the window ends (measured), and a provider that
counts input and output together would refuse whatever asks for more than that. It is also the client's own default."""
OTHER_CLOUDS = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable, and the reason for it, in plain words."""

    name: str
    value: str
    why: str


def address(config: Config) -> str:
    """Where a client on this machine reaches the proxy. Raises ConfigError while the port is not chosen yet."""
    if config.port == 0:
        raise ConfigError("server.port is 0, so the port is only known once the proxy runs; choose one: --port 3456.")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.host, config.host)
    return f"http://[{host}]:{config.port}" if ":" in host else f"http://{host}:{config.port}"


def variables(config: Config, url: str | None = None) -> list[Variable]:
    """Everything to set, in reading order. `url` is the proxy's address where it is not the configured one."""
    return [
        Variable("ANTHROPIC_BASE_URL", url or address(config), "where Claude Code sends its requests: this proxy"),
        Variable("ANTHROPIC_AUTH_TOKEN", config.api_key or PLACEHOLDER, _token_reason(config)),
        Variable("ANTHROPIC_API_KEY", "", "emptied, or the client would send a real key here and prefer it"),
        Variable("API_TIMEOUT_MS", str(round(config.timeout_s * 1000)), "as patient as this proxy is with its models"),
        Variable("CLAUDE_CODE_GATEWAY_HINT_HEADERS", "1", "tells subagents and background requests apart"),
        Variable("CLAUDE_CODE_ATTRIBUTION_HEADER", "0", "leaves out a changing first line that spoils prompt caches"),
        Variable("CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY", "1", "shows the configured models in /model"),
        *_window(config),
        *_around(config),
    ]


def _token_reason(config: Config) -> str:
    return "the key that this proxy asks for" if config.api_key else "any text: this proxy asks for no key"


def _window(config: Config) -> Iterator[Variable]:
    context, output = limits(config)
    if context:
        why = "the real window of the model, in tokens"
        yield Variable("CLAUDE_CODE_MAX_CONTEXT_TOKENS", str(context), why + ", for names the client does not know")
        yield Variable("CLAUDE_CODE_AUTO_COMPACT_WINDOW", str(context), why + ", so that compaction comes in time")
    if output:
        yield Variable(
            "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
            str(output),
            "the longest answer to ask for, in tokens, which compaction leaves room for",
        )


def limits(config: Config) -> tuple[int | None, int | None]:
    """The smallest window and the longest answer to ask for, in tokens, of those who answer a main request."""
    from ccr_tui.proxy.quirks import facts_for

    agents = ("default", "tool", "coder", "think") if config.mode == "router" else ("default",)
    models = [config.models[name] for agent in agents for name in config.agents.get(agent, ())]
    facts = [facts_for(config.providers[model.provider], model) for model in models]
    contexts = [fact.context for fact in facts if fact.context]
    outputs = [fact.max_output for fact in facts if fact.max_output]
    return min(contexts, default=None), min([ROOM, *outputs]) if outputs else None


def _around(config: Config) -> Iterator[Variable]:
    given = {name.upper(): value for name, value in config.env.items() if value.strip()}
    if any(name in given for name in PROXIES):
        listed = [part.strip() for part in given.get("NO_PROXY", "").split(",") if part.strip()]
        ours = [host for host in ("127.0.0.1", "localhost", "::1") if host not in listed]
        yield Variable("NO_PROXY", ",".join(listed + ours), "your HTTP proxy must not stand between you and this one")
    for name in OTHER_CLOUDS:
        if name in given:
            yield Variable(name, "", "emptied, or the client would pass this proxy by")


def printed() -> bool:
    """Print the lines for sh, as `ccr-tui env` does; False, and nothing is printed, where something is in the way."""
    config, problems = checked({}, os.environ, Path.cwd())
    try:
        text = "" if problems else render(variables(config), "sh") + "\n"
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        sys.stdout.write(text)
        sys.stdout.flush()
    except (ConfigError, OSError):  # wrong, read by nobody, or on a full disk: the long way says which
        return False
    return bool(text)


def checked(flags: Mapping[str, str], env: Mapping[str, str], cwd: Path) -> tuple[Config, list[str]]:
    """The configuration as far as it can be read, and what is wrong with it, quirks and families too."""
    from ccr_tui.proxy.quirks import facts_for

    config, problems = assembly.read(flags, env, cwd)
    for model in config.models.values():
        try:
            if model.provider in config.providers:
                facts_for(config.providers[model.provider], model)
        except ConfigError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    return config, problems


def render(listed: Iterable[Variable], shell: str) -> str:
    """The lines to paste into `shell`: sh, fish or powershell; or one JSON object of names and values."""
    if shell == "json":
        return json.dumps({each.name: each.value for each in listed}, indent=2)
    return "\n".join(f"# {each.why}\n{SHELLS[shell](each.name, each.value)}" for each in listed)


def _sh(name: str, value: str) -> str:
    return f"export {name}=" + (value if _plain(value) else "'" + value.replace("'", "'\\''") + "'")


def _fish(name: str, value: str) -> str:
    return f"set -gx {name} '" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _powershell(name: str, value: str) -> str:
    """PowerShell ends a text at a typographic quote too."""
    return f"$env:{name} = '" + "".join(2 * one if one in "'\u2018\u2019\u201a\u201b" else one for one in value) + "'"


def _plain(value: str) -> bool:
    return bool(value) and all(letter.isascii() and (letter.isalnum() or letter in "-_./:,@%+") for letter in value)


SHELLS: dict[str, Callable[[str, str], str]] = {"sh": _sh, "fish": _fish, "powershell": _powershell}


def shell_of(env: Mapping[str, str], system: str = os.name) -> str:
    """Whose syntax the person types, as far as the environment tells."""
    if Path(env.get("SHELL", "")).name == "fish":
        return "fish"
    return "powershell" if system == "nt" and "SHELL" not in env else "sh"


def begin(config: Config, url: str, shell: str) -> str:
    """The one line that sets everything in another terminal and begins Claude Code there."""
    flags = "".join(f" {each}" for each in _flags(config, url))
    return {
        "sh": f'eval "$(ccr-tui env{flags})" && claude',
        "fish": f"ccr-tui env --shell fish{flags} | source; and claude",
        "powershell": f"ccr-tui env --shell powershell{flags} | Out-String | Invoke-Expression; claude",
    }[shell]


def _flags(config: Config, url: str) -> Iterator[str]:
    """What another terminal may not know: another file than usual, and a port that stands in no file."""
    if config.path is not None and not _is_usual(config.path):
        yield f"--config {shlex.quote(str(config.path))}"
    port = url.rpartition(":")[2]
    if port.isdecimal() and int(port) != Config().port and config.origins.get("port") != "config.toml":
        yield f"--port {port}"


def _is_usual(path: Path) -> bool:
    """The default one is only looked up where it may be that: it takes 20 ms."""
    return path.parts[-2:] == ("ccr-tui", "config.toml") and places.is_same(path, places.default_config())


def plain(config: Config, url: str, shell: str) -> str:
    """Every variable as it is set here and now, then Claude Code: for a terminal that knows nothing of this one."""
    lines = [SHELLS[shell](each.name, each.value) for each in variables(config, url)]
    return "\n".join([*lines, "claude"]) + "\n"
