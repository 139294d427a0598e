"""The configuration: what is read from where, what wins, and what is said about mistakes."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui import assembly, values
from ccr_tui.config import Config, Provider, credentials, key, keyless, secrets
from ccr_tui.editing import set_values
from ccr_tui.errors import ConfigError
from ccr_tui.settings import parse_dotenv

Read = Callable[..., tuple[Config, list[str]]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a config.toml, a .env and an environment out of a directory of their own."""

    def reading(toml: str = "", dotenv: str = "", flags: dict[str, Any] | None = None, **env: str) -> Any:
        (tmp_path / "config.toml").write_text(toml, encoding="utf-8")
        (tmp_path / ".env").write_text(dotenv, encoding="utf-8")
        files = {"CCR_TUI_CONFIG": str(tmp_path / "config.toml"), "CCR_TUI_DB": str(tmp_path / "ccr.db")}
        return assembly.read(flags or {}, files | env, tmp_path)

    return reading


ADDRESSES = [
    ("openai", "https://api.openai.com", "https://api.openai.com/v1"),
    ("openai", "https://api.openai.com/", "https://api.openai.com/v1"),
    ("openai", "https://api.openai.com/v1", "https://api.openai.com/v1"),
    ("openai", "https://api.openai.com/v1/", "https://api.openai.com/v1"),
    ("openai", "https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1"),
    ("openai", "https://api.deepseek.com/chat/completions", "https://api.deepseek.com"),
    ("openai", "https://openrouter.ai/api", "https://openrouter.ai/api/v1"),
    ("openai", "https://open.bigmodel.cn/api/paas/v4", "https://open.bigmodel.cn/api/paas/v4"),
    ("openai", "https://g.example/v1beta/openai", "https://g.example/v1beta/openai"),
    ("openai", "http://127.0.0.1:8080", "http://127.0.0.1:8080/v1"),
    ("openai", "http://[::1]:8080/v1", "http://[::1]:8080/v1"),
    ("anthropic", "https://api.anthropic.com", "https://api.anthropic.com"),
    ("anthropic", "https://api.anthropic.com/v1", "https://api.anthropic.com"),
    ("anthropic", "https://api.anthropic.com/v1/messages/", "https://api.anthropic.com"),
    ("anthropic", "https://api.deepseek.com/anthropic", "https://api.deepseek.com/anthropic"),
]


@pytest.mark.parametrize(("kind", "written", "meant"), ADDRESSES, ids=[f"{k}-{w}" for k, w, _ in ADDRESSES])
def test_a_base_url_is_taken_with_or_without_its_end(kind: str, written: str, meant: str) -> None:
    assert values.base_url(kind)(written) == meant
    assert kind != "openai" or values.base_url(kind)(f"{meant}/chat/completions") == meant


BAD_ADDRESSES = [
    "api.openai.com",
    "ftp://host/v1",
    "http://",
    "http://me:secret@host/v1",
    "http://host:99999",
    "http://host/v1?x=1",
]


@pytest.mark.parametrize("written", BAD_ADDRESSES)
def test_a_wrong_base_url_is_refused_without_its_password(written: str) -> None:
    with pytest.raises(ValueError) as refused:
        values.base_url("openai")(written)
    assert "secret" not in str(refused.value)


def test_nothing_set_means_the_demo_model(read: Read) -> None:
    config, problems = read()
    assert problems == []
    assert (config.mode, config.host, config.port, config.agents) == (
        "normal",
        "127.0.0.1",
        3456,
        {"default": ("demo",)},
    )
    assert config.providers["demo"].kind == "demo"
    assert config.notes == ("no model is configured: the built-in demo model answers",)


def test_the_theme_is_one_of_two(read: Read) -> None:
    assert read()[0].theme == "dark"
    assert read('[screen]\ntheme = "light"')[0].theme == "light"
    (problem,) = read('[screen]\ntheme = "pink"')[1]
    assert "screen.theme" in problem and "light" in problem


def test_the_environment_alone_is_enough(read: Read) -> None:
    config, problems = read(
        OPENAI_MODEL="deepseek-chat", OPENAI_BASE_URL="https://api.deepseek.com", OPENAI_API_KEY="sk-1"
    )
    assert problems == []
    model = config.models[config.agents["default"][0]]
    assert (model.id, config.providers[model.provider].base_url) == ("deepseek-chat", "https://api.deepseek.com/v1")
    assert credentials(config.providers[model.provider], config) == ("sk-1", {})
    assert config.origins["agents.default"] == "environment OPENAI_MODEL"


def test_without_a_base_url_it_is_openai(read: Read) -> None:
    config, _ = read(OPENAI_MODEL="gpt-5")
    provider = config.providers[config.models["gpt-5"].provider]
    assert (provider.base_url, credentials(provider, config)) == ("https://api.openai.com/v1", (None, {}))


def test_a_key_without_a_model_is_still_the_demo_and_says_why(read: Read) -> None:
    config, problems = read(OPENAI_API_KEY="sk-1")
    assert (config.agents, problems) == ({"default": ("demo",)}, [])
    assert config.notes == ("OPENAI_API_KEY is set, but OPENAI_MODEL is not: the built-in demo model answers",)


def test_router_agents_fall_back_to_openai_for_what_they_lack(read: Read) -> None:
    config, problems = read(
        ENABLE_ROUTER="true", OPENAI_MODEL="main", OPENAI_API_KEY="sk-main", OPENAI_BASE_URL="http://main.example",
        CODER_AGENT_MODEL="coder", CODER_AGENT_BASE_URL="http://coder.example", CODER_AGENT_API_KEY="sk-coder",
        THINK_AGENT_MODEL="thinker", TOOL_AGENT_MODEL="tools", TOOL_AGENT_API_KEY="sk-tool",
    )  # fmt: skip
    assert (problems, config.mode) == ([], "router")

    def where(agent: str) -> tuple[str, str | None]:
        provider = config.providers[config.models[config.agents[agent][0]].provider]
        return provider.base_url, credentials(provider, config)[0]

    assert {agent: where(agent) for agent in ("default", "coder", "think", "tool")} == {
        "default": ("http://main.example/v1", "sk-main"),
        "coder": ("http://coder.example/v1", "sk-coder"),
        "think": ("http://main.example/v1", "sk-main"),
        "tool": ("http://main.example/v1", "sk-tool"),
    }


LAYERS = [
    ({}, {}, "", 3456, None),
    ({}, {}, "[server]\nport = 1", 1, "config.toml"),
    ({}, {"dotenv": "CCR_TUI_PORT=2"}, "[server]\nport = 1", 2, ".env CCR_TUI_PORT"),
    ({}, {"dotenv": "CCR_TUI_PORT=2", "CCR_TUI_PORT": "3"}, "[server]\nport = 1", 3, "environment CCR_TUI_PORT"),
    ({"port": "4"}, {"dotenv": "CCR_TUI_PORT=2", "CCR_TUI_PORT": "3"}, "[server]\nport = 1", 4, "flag --port"),
    ({}, {"dotenv": "CCR_TUI_PORT=2", "CCR_TUI_PORT": ""}, "[server]\nport = 1", 1, "config.toml"),
]


@pytest.mark.parametrize(("flags", "env", "toml", "port", "origin"), LAYERS, ids=[str(layer[4]) for layer in LAYERS])
def test_the_strongest_place_wins(
    read: Read, flags: dict[str, str], env: dict[str, str], toml: str, port: int, origin: str | None
) -> None:
    config, problems = read(toml, flags=flags, **env)
    assert (config.port, config.origins.get("port"), problems) == (port, origin, [])


def test_a_whole_file_is_read(read: Read) -> None:
    config, problems = read(WHOLE, TEAM="blue", DEEPSEEK_API_KEY="sk-ds", OWN="mine")
    assert problems == []
    assert (config.mode, config.port, config.api_key, config.timeout_s, config.ping_s) == (
        "router",
        4000,
        "mine",
        90.5,
        2,
    )
    deepseek, claude = config.providers["deepseek"], config.providers["claude"]
    assert credentials(deepseek, config) == ("sk-ds", {"x-team": "blue"})
    assert (claude.kind, claude.client_auth, claude.base_url) == ("anthropic", True, "https://api.anthropic.com")
    flash = config.models["flash"]
    assert (flash.id, flash.context, dict(flash.quirks)) == ("deepseek-v4-flash", 128_000, {"token_ratio": 1.1})
    assert flash.price is not None
    assert (flash.price.input, flash.price.output, flash.price.cache_read) == (280_000_000, 420_000_000, 28_000_000)
    assert (flash.price.basis, flash.price.source, flash.price.since) == ("user", "config.toml", "2026-11-01")
    assert config.agents["default"] == ("flash", "deepseek/deepseek-reasoner")
    assert config.agents["think"] == ("claude/claude-opus",)
    assert config.models["claude/claude-opus"].id == "claude-opus"
    assert "sk-ds" not in repr(config) and "mine" not in repr(config)


WHOLE = """\
mode = "router"
[server]
port = 4000
api_key = "$OWN"
[timeouts]
upstream_s = 90.5
ping_s = 2
[providers.deepseek]
api_key = "${DEEPSEEK_API_KEY}"
headers = { x-team = "$TEAM" }
[providers.claude]
base_url = "https://api.anthropic.com/v1"
client_auth = true
[models.flash]
provider = "deepseek"
id = "deepseek-v4-flash"
context = 128000
price = { input = 0.28, output = "0.42", cache_read = 0.028, since = 2026-11-01 }
[models.flash.quirks]
token_ratio = 1.1
[agents]
default = ["flash", "deepseek,deepseek-reasoner"]
think = "claude/claude-opus"
"""

PROBLEMS = [
    ("mode = 'routr'", "mode must be one of normal, router, not 'routr'; did you mean 'router'?"),
    ("[server]\nprot = 1", "server.prot is not a known key; did you mean 'port'?"),
    ("[server]\nport = true", "server.port must be a whole number from 0 to 65535, not True"),
    ("[server]\nport = 70000", "server.port must be a whole number"),
    ("[server]\nhost = ''", "server.host must not be empty"),
    ("[server]\nhost = 'a host'", "server.host must be an address or the name of this machine, not 'a host'"),
    ("[server]\nhost = 'http://x'", "server.host must be an address"),
    (f"[server]\nhost = '{'x' * 70}'", "server.host must be an address"),
    ("[server]\nhost = '0.0.0.0'", "server.host is 0.0.0.0"),
    ("[server]\napi_key = '$NOT_SET_ANYWHERE'", "server.api_key is $NOT_SET_ANYWHERE"),
    ("server = 3", "server must be a table"),
    ("[timeouts]\nping_s = 0", "timeouts.ping_s must be more than 0"),
    ("proxy = 'ftp://x'", "proxy must be an http://"),
    ("[providers.x]", "providers.x.base_url is missing"),
    ("[providers.x]\nbase_url = 'x'", "providers.x.base_url must be an http"),
    ("[providers.x]\nbase_url = 'http://x'\nkind = 'openia'", "did you mean 'openai'?"),
    ("[providers.x]\nbase_url = 'http://x'\nclient_auth = true", "providers.x.client_auth is for the kind anthropic"),
    ("[providers.x]\nbase_url = 'http://x'\nheaders = {'a b' = 'c'}", "providers.x.headers has 'a b'"),
    ("[models.m]\nprovider = 'deepsek'\n[providers.deepseek]", "models.m.provider names 'deepsek'"),
    ("[models.m]", "models.m.provider is missing"),
    ("[models.m]\nprovider='openai'\nprice={input=-1,output=1}\n[providers.openai]", "models.m.price.input must be US"),
    ("[models.m]\nprovider='openai'\nprice={input=1}\n[providers.openai]", "models.m.price.output is missing"),
    (
        "[models.m]\nprovider='openai'\nprice={input=1,output=600000}\n[providers.openai]",
        "models.m.price.output must be US dollars per million tokens from 0 to 281474, not 600000",
    ),
    ("[models.m]\nprovider='openai'\ncontext='lots'\n[providers.openai]", "models.m.context must be a whole number"),
    ("[models.'a/b']\ncontxt = 1\nprovider='openai'\n[providers.openai]", 'models."a/b".contxt is not a known key'),
    ("[agents]\ndefault = 'foo'", "agents.default names 'foo'"),
    ("[agents]\ndefault = []", "agents.default must name a model"),
    ("[agents]\ncodr = 'x'", "did you mean 'coder'?"),
    ("[server]\nport = = 3", "config.toml is not valid TOML: Invalid value (at line 2"),
    ("a = 1\na = 2\n", "config.toml is not valid TOML: Cannot overwrite a value (at line 2"),
]


@pytest.mark.parametrize(("toml", "said"), PROBLEMS, ids=[said[:40] for _, said in PROBLEMS])
def test_a_mistake_is_named_with_its_key(read: Read, toml: str, said: str) -> None:
    _, problems = read(toml)
    assert any(said in problem for problem in problems), problems


def test_an_agent_can_not_have_what_a_variable_alone_knows(read: Read) -> None:
    """Started where the variable is not set, the file would be wrong."""
    _, problems = read("[agents]\nthink = 'small'", OPENAI_MODEL="small", OPENAI_BASE_URL="http://127.0.0.1:1")
    assert problems == [
        "agents.think names 'small', which OPENAI_MODEL alone knows: give it an entry in [models] first, so that "
        "config.toml holds without the variable"
    ]


def test_all_mistakes_are_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[server]\nport = 'x'\nhots = 1\n[agents]\ndefault = 'y'\n")
    env = {"CCR_TUI_CONFIG": str(tmp_path / "config.toml"), "API_TIMEOUT_MS": "soon", "ENABLE_ROUTER": "perhaps"}
    with pytest.raises(ConfigError) as failed:
        assembly.load({"host": ""}, env, tmp_path)
    begins = sorted(problem.split(" ")[0] + " " + problem.split(" ")[1] for problem in failed.value.problems)
    assert begins == ["agents.default names", "environment API_TIMEOUT_MS", "environment ENABLE_ROUTER", "flag --host",
                      "server.hots is", "server.port must"]  # fmt: skip


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"\xef\xbb\xbfmode = 'router'\r\n"], ids=["not text", "with a mark"]
)
def test_other_bytes_are_no_surprise(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    config, problems = assembly.read({}, {"CCR_TUI_CONFIG": str(tmp_path / "config.toml")}, tmp_path)
    assert (config.mode == "router") is (problems == [])


def test_a_config_flag_that_names_nothing_is_a_mistake_and_a_variable_is_not(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none.toml")
    assert assembly.read({}, {"CCR_TUI_CONFIG": nowhere}, tmp_path)[1] == []
    assert "does not exist" in assembly.read({"config": nowhere}, {}, tmp_path)[1][0]


def test_relative_paths_begin_where_they_are_written(tmp_path: Path) -> None:
    folder, here = tmp_path / "etc", tmp_path / "here"
    folder.mkdir(), here.mkdir()
    (folder / "config.toml").write_text("[store]\npath = 'own.db'\n")
    env = {"CCR_TUI_CONFIG": str(folder / "config.toml")}
    assert assembly.read({}, env, here)[0].db == folder / "own.db"
    assert assembly.read({"db": "own.db"}, env, here)[0].db == here / "own.db"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "a.localhost"])
def test_a_loopback_host_needs_no_key(read: Read, host: str) -> None:
    assert read(CCR_TUI_HOST=host)[1] == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.2", "example.com", "localhost.example.com"])
def test_any_other_host_needs_a_key(read: Read, host: str) -> None:
    assert "CCR_TUI_API_KEY" in read(CCR_TUI_HOST=host)[1][0]
    assert read(CCR_TUI_HOST=host, CCR_TUI_API_KEY="secret")[1] == []


def test_a_variable_that_is_not_set_is_named_when_the_key_is_needed() -> None:
    provider = Provider("x", "openai", "http://x", "$NOT_SET")
    assert key(Provider("x", "openai", "http://x", "sk-$literal"), {}) == "sk-$literal"
    assert key(provider, {"NOT_SET": " sk-1 "}) == "sk-1"
    with pytest.raises(ConfigError, match=r"providers\.x\.api_key is \$NOT_SET"):
        key(provider, {"NOT_SET": ""})


def test_openai_model_may_name_a_model_of_the_file(read: Read) -> None:
    config, problems = read(WHOLE.replace("router", "normal"), OWN="k", OPENAI_MODEL="flash", OPENAI_API_KEY="sk-other")
    assert (problems, config.agents["default"]) == ([], ("flash",))
    assert set(config.providers) == {"deepseek", "claude"}


DOTENV = [
    ("A=1", {"A": "1"}),
    ("export A=1\r\nB=2", {"A": "1", "B": "2"}),
    ("  A = 1  ", {"A": "1"}),
    ("A=1 # why", {"A": "1"}),
    ("A=1#2", {"A": "1#2"}),
    ("A=#", {"A": ""}),
    ("A=", {"A": ""}),
    ("A='x # y' # z", {"A": "x # y"}),
    ('A="x\\ny \\"z\\" \\$"', {"A": 'x\ny "z" $'}),
    ("A='x\\n'", {"A": "x\\n"}),
    ("A='one\ntwo'\nB=3", {"A": "one\ntwo", "B": "3"}),
    ("A=$B", {"A": "$B"}),
    ("A=a b  c", {"A": "a b  c"}),
    ("A=https://x/y?z=1&w=2", {"A": "https://x/y?z=1&w=2"}),
    ("# A=1\n\n", {}),
    ("\ufeffA=1", {"A": "1"}),
    ("A=1\nA=2", {"A": "2"}),
    ("A=sk-ключ", {"A": "sk-ключ"}),
]


@pytest.mark.parametrize(("source", "found"), DOTENV, ids=[source for source, _ in DOTENV])
def test_a_dotenv_line_is_read(source: str, found: dict[str, str]) -> None:
    assert parse_dotenv(source) == (found, [])


def test_a_line_that_is_none_is_noted_and_the_rest_is_read() -> None:
    found, notes = parse_dotenv("A=1\nnonsense\n\nB='open\nC=3")
    assert (found["A"], found["C"]) == ("1", "3")
    assert [note[:13] for note in notes] == [".env line 2 i", ".env line 4 i"]


@given(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True), st.text(st.characters(codec="utf-8"))))
def test_whatever_is_quoted_comes_back(variables: dict[str, str]) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r") + '"'

    source = "\n".join(f"{name}={quoted(value)}" for name, value in variables.items())
    assert parse_dotenv(source) == (variables, [])


@given(st.text())
def test_no_dotenv_makes_it_fail(source: str) -> None:
    parse_dotenv(source)


def test_a_dotenv_without_end_is_left_out(tmp_path: Path) -> None:
    with (tmp_path / ".env").open("wb") as file:
        file.truncate(2 << 20)
    assert assembly.read({}, {}, tmp_path)[0].notes[0] == f"{tmp_path / '.env'} is over 1 MiB and was left out"


def test_a_directory_called_dotenv_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert assembly.read({}, {"CCR_TUI_CONFIG": str(tmp_path / "c")}, tmp_path)[1] == []


def test_an_edit_keeps_comments_and_closes_the_file_to_others(tmp_path: Path) -> None:
    path, link = tmp_path / "real.toml", tmp_path / "config.toml"
    path.write_text("# mine\n[agents]\ndefault = 'a' # the cheap one\n\n[server]\nport = 1\n")
    path.chmod(0o644)
    link.symlink_to(path)
    set_values(link, "agents", {"coder": ["b", "c/d"], "default": "z"})
    assert path.read_text() == (
        '# mine\n[agents]\ndefault = "z" # the cheap one\ncoder = ["b", "c/d"]\n\n[server]\nport = 1\n'
    )
    assert link.is_symlink()
    assert os.name == "nt" or stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["config.toml", "real.toml", "real.toml.bak"]


def test_an_edit_of_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[agents\n")
    with pytest.raises(ConfigError, match="nothing was changed"):
        set_values(path, "agents", {"default": "z"})
    assert path.read_text() == "[agents\n"


UNSENDABLE = ["sk-ключ-12345678", "sk-12345678\nx-evil: 1", "sk-12345678\x7f", "sk-12345678\u201d", "sk-1234\t5678"]


@pytest.mark.parametrize("written", UNSENDABLE, ids=ascii)
@pytest.mark.parametrize("where", ["api_key", "headers.x-team", "$NAME"])
def test_what_no_header_takes_is_told_and_not_shown(written: str, where: str) -> None:
    given = "$NAME" if where == "$NAME" else written
    headers = {"x-team": given} if where == "headers.x-team" else {}
    provider = Provider("up", "openai", "http://h/v1", None if headers else given, headers)
    config = Config(providers={"up": provider}, env={"NAME": written})
    with pytest.raises(ConfigError, match="can't be sent") as told:
        credentials(provider, config)
    assert written not in str(told.value) and "1234" not in str(told.value)
    assert ("$NAME" in str(told.value)) == (where == "$NAME")
    assert keyless(config) == [str(told.value)]
    assert headers or written in secrets(config), "it is covered all the same"


SECRET_VARIABLES = {
    "a proxy's password, as it is meant and as it is written": (
        {"PROXY_URL": "http://me:p%40ss%2Fword@127.0.0.1:1"},
        {"p@ss/word", "p%40ss%2Fword"},
    ),
    "what a collector is sent": (
        {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20cHVibGljOnNlY3JldA==, x-team=blue%2Dteam-key"},
        {"cHVibGljOnNlY3JldA==", "blue-team-key"},
    ),
}


def test_a_configuration_that_is_printed_shows_no_credential() -> None:
    login = "http://me:hidden-one@127.0.0.1:1"
    given = Provider(
        "up", "openai", "http://h/v1", "hidden-two", {"x-auth": "hidden-three"}, login, api_keys=("hidden-4",)
    )
    assert "hidden" not in repr(Config(providers={"up": given}, api_key="hidden-5", env={"A": "hidden-6"}, proxy=login))


@pytest.mark.parametrize(("env", "known"), SECRET_VARIABLES.values(), ids=SECRET_VARIABLES)
def test_credentials_of_the_environment_are_known(env: dict[str, str], known: set[str], read: Read) -> None:
    config, problems = read(**env)
    assert not problems
    assert known <= set(secrets(config))


def test_a_dotenv_that_came_with_a_repository_names_no_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could run a file of the repository, and send any variable to anybody as a key."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    (tmp_path / "evil.toml").write_text('[routing]\ncustom = "evil.py"\n')
    (tmp_path / ".env").write_text("CCR_TUI_CONFIG=evil.toml\nOPENAI_MODEL=m\nOPENAI_API_KEY=k\n")
    config, problems = assembly.read({}, {}, tmp_path)
    assert not problems and config.routing.custom is None
    assert [note for note in config.notes if "CCR_TUI_CONFIG" in note]
    assert assembly.read({}, {"CCR_TUI_CONFIG": "evil.toml"}, tmp_path)[0].routing.custom is not None


def test_where_a_project_sends_its_own_spans_is_not_where_conversations_go(read: Read) -> None:
    assert not [name for name in read(dotenv="OTEL_EXPORTER_OTLP_ENDPOINT=http://h:4318")[0].env if "OTEL" in name]
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in read(OTEL_EXPORTER_OTLP_ENDPOINT="http://h:4318")[0].env


def test_a_key_that_a_dotenv_leads_elsewhere_is_said(read: Read) -> None:
    where = "OPENAI_BASE_URL=http://127.0.0.1:1\nOPENAI_MODEL=m\n"
    said = "OPENAI_API_KEY of the environment goes where OPENAI_BASE_URL in .env says"
    assert said in read(dotenv=where, OPENAI_API_KEY="k")[0].notes
    assert said not in read(dotenv=where + "OPENAI_API_KEY=k\n")[0].notes
    tool = read(dotenv="TOOL_AGENT_BASE_URL=http://127.0.0.1:1\n", OPENAI_API_KEY="k")[0].notes
    assert said.replace("OPENAI_BASE", "TOOL_AGENT_BASE") in tool
    assert said not in read(OPENAI_API_KEY="k", OPENAI_BASE_URL="http://127.0.0.1:1", OPENAI_MODEL="m")[0].notes
