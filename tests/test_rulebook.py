"""[[rules]], [routing], [guards] and keys in rotation: what the file may say, and what is said about mistakes."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui import assembly, values
from ccr_tui.config import Config, Guards, Provider, Routing, UserRule, When, key, keys
from ccr_tui.errors import ConfigError

BASE = """\
[providers.p]
base_url = "http://p.example"
[models.a]
[models.b]
[agents]
default = "a"
background = "b"
"""


def read(folder: Path, toml: str, **env: str) -> tuple[Config, list[str]]:
    (folder / "config.toml").write_text(BASE + toml, encoding="utf-8")
    places = {"CCR_TUI_CONFIG": str(folder / "config.toml"), "CCR_TUI_DB": str(folder / "ccr.db")}
    return assembly.read({}, places | env, folder)


def test_a_whole_rule_is_read(tmp_path: Path) -> None:
    config, problems = read(tmp_path, WHOLE)
    assert problems == []
    everything, short = config.rules
    assert everything == UserRule(
        "all of it",
        When(
            project=(str(Path.home() / "secret"), "/srv/*"),
            asked=("*haiku*",),
            kind=("main", "title"),
            subagent=False,
            agent_type=("Explore",),
            tokens_over=30_000,
            tools=("mcp__*",),
            text=re.compile("(?i)deploy"),
        ),
        ("b", "p/new"),
    )
    assert short == UserRule("#2", When(subagent=True), agent="background")
    assert config.models["p/new"].id == "new"


WHOLE = """\
[[rules]]
name = "all of it"
model = ["b", "p,new"]
when = { project = ["~/secret/", "/srv/*"], asked = "*haiku*", kind = ["main", "title"], subagent = false,\
 agent_type = "Explore", tokens_over = 30000, tools = "mcp__*", text = "(?i)deploy" }
[[rules]]
agent = "background"
when.subagent = true
"""

RULES = [
    ("model = 'a'\nwhen.kind = 'mian'", "rules #1.when.kind must be one of main, subagent"),
    ("model = 'a'\nwhen.kind = 'mian'", "did you mean 'main'?"),
    ("name = 'x'\nmodel = 'a'", "rules 'x'.when is missing"),
    ("name = 'x'\nmodel = 'a'\nwhen = {}", "rules 'x'.when has no condition"),
    ("name = 'x'\nmodel = 'c'\nwhen.subagent = true", "rules 'x'.model names 'c', which is neither a model"),
    ("name = 'x'\nwhen.subagent = true", "rules 'x' needs a model or an agent, and not both"),
    ("model = 'a'\nagent = 'default'\nwhen.subagent = true", "rules #1 needs a model or an agent, and not both"),
    ("agent = 'router'\nwhen.subagent = true", "rules #1.agent is the router, which only chooses and never answers"),
    ("agent = 'image'\nwhen.subagent = true", "rules #1.agent is 'image', but agents.image is not set"),
    ("agent = 'backgrund'\nwhen.subagent = true", "did you mean 'background'?"),
    ("model = 'a'\nwhen.text = '('", "rules #1.when.text is not a regular expression: missing )"),
    ("model = 'a'\nwhen.project = []", "rules #1.when.project must not be empty"),
    ("model = 'a'\nwhen.tokens_over = 'many'", "rules #1.when.tokens_over must be a whole number"),
    ("model = 'a'\nwhen.projct = 'x'", "rules #1.when.projct is not a known key; did you mean 'project'?"),
    ("model = 'a'\nwhen.subagent = true\nmodle = 'a'", "rules #1.modle is not a known key; did you mean 'model'?"),
]


@pytest.mark.parametrize(("rule", "said"), RULES, ids=[said for _, said in RULES])
def test_a_rule_that_makes_no_sense_is_said_and_left_out(tmp_path: Path, rule: str, said: str) -> None:
    config, problems = read(tmp_path, f"[[rules]]\n{rule}\n[[rules]]\nmodel = 'b'\nwhen.subagent = true")
    assert any(said in problem for problem in problems), problems
    assert [each.models for each in config.rules] == [("b",)]


OTHERS = [
    ("rules = 3\n", "rules must be a list of tables, [[rules]], not 3"),
    ("[rules]\nmodel = 'a'", "rules must be a list of tables"),
    ("[routing]\nmax_hops = 0", "routing.max_hops must be a whole number from 1 to 20"),
    ("[routing]\ndeadline_s = 0", "routing.deadline_s must be more than 0"),
    ("[routing]\ncustm = 'x'", "routing.custm is not a known key; did you mean 'custom'?"),
    ("[guards]\nbudget_per_day = 0", "guards.budget_per_day must be US dollars, more than 0, not 0"),
    ("[guards]\nbudget_per_day = 'lots'", "guards.budget_per_day must be US dollars, such as 2.50, not 'lots'"),
    ("[guards]\nbudgets = 1", "guards.budgets is not a known key"),
    ("[providers.q]\nbase_url = 'http://q'\napi_keys = []", "providers.q.api_keys must not be empty"),
]


@pytest.mark.parametrize(("toml", "said"), OTHERS, ids=[said for _, said in OTHERS])
def test_a_mistake_is_named_with_its_key(tmp_path: Path, toml: str, said: str) -> None:
    if not toml.startswith("["):
        (tmp_path / "config.toml").write_text(toml + BASE)
        problems = assembly.read({}, {"CCR_TUI_CONFIG": str(tmp_path / "config.toml")}, tmp_path)[1]
    else:
        problems = read(tmp_path, toml)[1]
    assert any(said in problem for problem in problems), problems


def test_an_agent_of_the_environment_may_be_a_rules(tmp_path: Path) -> None:
    rule = "[[rules]]\nagent = 'coder'\nwhen.subagent = true"
    assert "agents.coder is not set" in read(tmp_path, rule)[1][0]
    config, problems = read(tmp_path, rule, CODER_AGENT_MODEL="a")
    assert (problems, config.rules[0].agent, config.agents["coder"]) == ([], "coder", ("a",))


def test_routing_and_guards_are_read(tmp_path: Path) -> None:
    config, problems = read(tmp_path, STEERING)
    assert problems == []
    assert config.routing == Routing(tmp_path / "own" / "route.py", 1.5, 2, 32_000)
    assert config.guards == Guards(300, None, 5_100_000_000, 250_000_000)


STEERING = """\
[routing]
custom = "own/route.py"
deadline_s = 1.5
max_hops = 2
long_context_over = 32000
[guards]
requests_per_minute = 300
repeated_calls = 0
budget_per_day = 5.1
budget_per_session = "0.25"
"""


def test_without_them_there_are_defaults(tmp_path: Path) -> None:
    config, problems = read(tmp_path, "")
    assert (problems, config.rules, config.routing, config.guards) == ([], (), Routing(), Guards())


@given(st.integers(1, 10**17))
def test_a_budget_is_exact(nanos: int) -> None:
    assert values.budget(str(Decimal(nanos) / 10**9)) == nanos


LACKING = [
    ((), ["agents.router is not set", "agents.tool is not set"]),
    (("tool",), ["agents.router is not set"]),
    (("router",), ["agents.tool is not set"]),
    (("router", "tool"), []),
]


@pytest.mark.parametrize(("given_agents", "lacks"), LACKING, ids=[" ".join(g) or "none" for g, _ in LACKING])
def test_router_mode_without_its_agents_is_noted(
    tmp_path: Path, given_agents: tuple[str, ...], lacks: list[str]
) -> None:
    variables = {f"{agent.upper()}_AGENT_MODEL": "a" for agent in given_agents}
    config, problems = read(tmp_path, "", ENABLE_ROUTER="true", **variables)
    assert (problems, config.mode, len(config.notes)) == ([], "router", len(lacks))
    for note, lack in zip(config.notes, lacks, strict=True):
        assert lack in note


def provider(api_key: str | None = None, *api_keys: str) -> Provider:
    return Provider("p", "openai", "http://p", api_key, api_keys=api_keys)


KEYS = [
    ("none", provider(), ()),
    ("one", provider("k1"), ("k1",)),
    ("the one comes first", provider("k1", "k2", "k3"), ("k1", "k2", "k3")),
    ("a list alone", provider(None, "k2", "k3"), ("k2", "k3")),
    ("twice the same", provider("k1", "$K1"), ("k1",)),
    ("one is not set", provider("$NOT_SET", "k2", "${K1}"), ("k2", "k1")),
]


@pytest.mark.parametrize(("given_keys", "found"), [k[1:] for k in KEYS], ids=[k[0] for k in KEYS])
def test_keys_stand_in_the_order_of_their_rotation(given_keys: Provider, found: tuple[str, ...]) -> None:
    env = {"K1": "k1"}
    assert keys(given_keys, env) == found
    assert key(given_keys, env) == (found[0] if found else None)


def test_no_key_of_several_set_is_said() -> None:
    with pytest.raises(ConfigError, match=r"providers\.p\.api_keys\[0\] is \$NOT_SET"):
        keys(provider(None, "$NOT_SET", "$NEITHER"), {})


def test_keys_in_rotation_are_never_shown(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(BASE.replace("[models.a]", "api_keys = ['s3cret1', '$S']\n[models.a]"))
    config, problems = assembly.read({}, {"CCR_TUI_CONFIG": str(tmp_path / "config.toml"), "S": "s3cret2"}, tmp_path)
    assert (problems, keys(config.providers["p"], config.env)) == ([], ("s3cret1", "s3cret2"))
    assert "s3cret" not in repr(config)
