"""What `ccr-tui env` prints: the right variables, spelled so that each shell reads them back."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ccr_tui import environment
from ccr_tui.config import Config, Model, Provider
from ccr_tui.environment import Variable, address, limits, render, variables
from ccr_tui.errors import ConfigError

LOCAL = Provider("local", "openai", "http://127.0.0.1:8080/v1", family="generic")
CONFIG = Config(
    providers={"local": LOCAL},
    models={
        "big": Model("big", "local", "big", context=200_000, max_output=64_000),
        "small": Model("small", "local", "small", context=32_000, max_output=4_000),
        "unknown": Model("unknown", "local", "unknown"),
    },
    agents={"default": ("big",), "coder": ("small",)},
)
NASTY = [
    "",
    "plain",
    "two words",
    "it's",
    '"',
    "$HOME `id` $(id)",
    "back\\slash",
    "a\nb",
    "ключ-鍵",
    "!history",
    "%PATH%",
]


def named(config: Config) -> dict[str, str]:
    return {each.name: each.value for each in variables(config)}


def test_claude_code_is_pointed_here() -> None:
    given = named(CONFIG)
    assert given == {
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:3456",
        "ANTHROPIC_AUTH_TOKEN": "ccr-tui",
        "ANTHROPIC_API_KEY": "",
        "API_TIMEOUT_MS": "600000",
        "CLAUDE_CODE_GATEWAY_HINT_HEADERS": "1",
        "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",
        "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1",
        "CLAUDE_CODE_MAX_CONTEXT_TOKENS": "200000",
        "CLAUDE_CODE_AUTO_COMPACT_WINDOW": "200000",
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": "32000",
    }


def test_our_key_is_the_token() -> None:
    assert named(replace(CONFIG, api_key="s3cret"))["ANTHROPIC_AUTH_TOKEN"] == "s3cret"


@pytest.mark.parametrize(
    ("agents", "mode", "expected"),
    [
        ({"default": ("big",), "coder": ("small",)}, "normal", (200_000, 32_000)),
        ({"default": ("big",), "coder": ("small",)}, "router", (32_000, 4_000)),
        ({"default": ("big", "small")}, "normal", (32_000, 4_000)),
        ({"default": ("unknown",)}, "normal", (None, None)),
        ({"default": ("unknown", "small")}, "normal", (32_000, 4_000)),
    ],
    ids=["default alone", "router: the smallest", "a fallback counts", "unknown", "what is known"],
)
def test_the_smallest_window_of_those_who_answer_counts(
    agents: dict[str, tuple[str, ...]], mode: str, expected: tuple[int | None, int | None]
) -> None:
    assert limits(replace(CONFIG, agents=agents, mode=mode)) == expected  # type: ignore[arg-type]


def test_an_unknown_window_is_not_printed() -> None:
    assert not {
        name
        for name in named(replace(CONFIG, agents={"default": ("unknown",)}))
        if "TOKENS" in name or "WINDOW" in name
    }


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("box.lan", "box.lan")],
)
def test_the_address_can_be_called_from_here(host: str, shown: str) -> None:
    assert address(replace(CONFIG, host=host)) == f"http://{shown}:3456"


def test_a_port_that_is_not_chosen_cannot_be_printed() -> None:
    with pytest.raises(ConfigError, match=r"server\.port is 0"):
        variables(replace(CONFIG, port=0))


def test_an_http_proxy_of_yours_is_told_to_stay_out() -> None:
    env = {"https_proxy": "http://proxy:3128", "no_proxy": "intranet, localhost"}
    assert named(replace(CONFIG, env=env))["NO_PROXY"] == "intranet,localhost,127.0.0.1,::1"
    assert "NO_PROXY" not in named(CONFIG)


def test_another_cloud_is_switched_off() -> None:
    assert named(replace(CONFIG, env={"CLAUDE_CODE_USE_BEDROCK": "1"}))["CLAUDE_CODE_USE_BEDROCK"] == ""
    assert "CLAUDE_CODE_USE_VERTEX" not in named(CONFIG)


def test_telemetry_is_nobodys_business_here() -> None:
    assert not {name for name in named(CONFIG) if "TELEMETRY" in name or "NONESSENTIAL" in name}


def test_every_line_says_why_in_words_that_no_shell_minds() -> None:
    env = {"HTTP_PROXY": "x", "CLAUDE_CODE_USE_VERTEX": "1"}
    lines = render(variables(replace(CONFIG, env=env)), "sh").split("\n")
    assert all(re.fullmatch(r"# [\w ,.:/-]+", why) for why in lines[::2])
    assert all(re.match(r"export [A-Z_]+=", line) for line in lines[1::2])


def read_back(shell: list[str], script: str) -> str:
    done = subprocess.run([*shell, script], capture_output=True, check=True, env={"PATH": "/usr/bin:/bin"}, timeout=20)
    return done.stdout.decode()


@pytest.mark.parametrize("value", NASTY)
@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "fish"])
def test_a_shell_reads_back_what_was_meant(shell: str, value: str) -> None:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed here")
    script = render([Variable("X", value, "because")], "fish" if shell == "fish" else "sh")
    assert read_back([path, "-c"], f'{script}\nprintf %s "$X"') == value


POWERSHELL = [
    ("it's", "$env:X = 'it''s'"),
    ("$HOME", "$env:X = '$HOME'"),
    ("", "$env:X = ''"),
    ("a’;x‘", "$env:X = 'a’’;x‘‘'"),
]


@pytest.mark.parametrize(("value", "line"), POWERSHELL)
def test_powershell_quotes_by_doubling(value: str, line: str) -> None:
    assert render([Variable("X", value, "because")], "powershell") == f"# because\n{line}"


def test_json_is_one_object_of_names_and_values() -> None:
    assert json.loads(render(variables(CONFIG), "json")) == named(CONFIG)


BEGINS = [
    ("sh", {}, 'eval "$(ccr-tui env)" && claude'),
    (
        "sh",
        {"path": Path("/x/a b.toml"), "port": 4713},
        "eval \"$(ccr-tui env --config '/x/a b.toml' --port 4713)\" && claude",
    ),
    ("sh", {"port": 4713, "origins": {"port": "config.toml"}}, 'eval "$(ccr-tui env)" && claude'),
    ("fish", {"port": 4713}, "ccr-tui env --shell fish --port 4713 | source; and claude"),
    ("powershell", {}, "ccr-tui env --shell powershell | Out-String | Invoke-Expression; claude"),
]


@pytest.mark.parametrize(("shell", "given", "line"), BEGINS, ids=[case[2] for case in BEGINS])
def test_one_line_begins_in_each_shell(shell: str, given: dict[str, Any], line: str) -> None:
    config = Config(**given)
    assert environment.begin(config, environment.address(config), shell) == line


SHELLS = [
    ({"SHELL": "/usr/bin/fish"}, "posix", "fish"),
    ({"SHELL": "/bin/zsh"}, "posix", "sh"),
    ({}, "posix", "sh"),
    ({}, "nt", "powershell"),
    ({"SHELL": "/usr/bin/bash"}, "nt", "sh"),
]


@pytest.mark.parametrize(("env", "system", "shell"), SHELLS, ids=str)
def test_the_shell_is_the_persons(env: dict[str, str], system: str, shell: str) -> None:
    assert environment.shell_of(env, system) == shell
