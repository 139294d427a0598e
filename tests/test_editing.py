"""Changes to config.toml: what is asked changes, every comment stays, and what would not load is not written."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccr_tui import assembly, editing
from ccr_tui.editing import Edit, agent, apply, mode, model, provider, remove
from ccr_tui.errors import ConfigError

BEFORE = """\
# mine
[server]
port = 4000  # my port

[providers.deepseek]  # the cheap one
api_key = "$DEEPSEEK_API_KEY"

[models.flash]
provider = "deepseek"
id = "deepseek-flash"  # new name
price = { input = 0.15, output = 0.60 }

[providers.local]
base_url = "http://127.0.0.1:8080"  # out of order

# who
[agents]
default = ["flash", "local/qwen"]  # both
"""

PRICE = {"input": 1, "output": 2}
CASES: list[tuple[str, list[Edit], dict[str, Any]]] = [
    ("mode", mode("router"), {"mode": "router"}),
    ("provider-new", provider("qwen", base_url="https://q/v1", api_key="$Q"),
     {"providers.qwen": {"base_url": "https://q/v1", "api_key": "$Q"}}),
    ("provider-bare", provider("groq"), {"providers.groq": {}}),
    ("provider-changed", provider("local", family="llama_cpp"), {"providers.local.family": "llama_cpp"}),
    ("key-away", provider("deepseek", api_key=None), {"providers.deepseek": {}}),
    ("model-new", model("pro", provider="deepseek", id="v4-pro", context=1000, price=PRICE),
     {"models.pro": {"provider": "deepseek", "id": "v4-pro", "context": 1000, "price": PRICE}}),
    ("model-changed", model("flash", max_output=9), {"models.flash.max_output": 9}),
    ("model-dotted", model("qwen3.8/max", provider="local"), {"models": None}),
    ("price-changed", model("flash", price={"input": 1, "output": 2, "cache_read": None}),
     {"models.flash.price": {"input": 1, "output": 2}}),
    ("quirks", model("flash", quirks={"think_tags": True}), {"models.flash.quirks": {"think_tags": True}}),
    ("agent", agent("think", ["flash"]), {"agents.think": "flash"}),
    ("agent-fallbacks", agent("default", ["local/qwen", "flash"]), {"agents.default": ["local/qwen", "flash"]}),
    ("agent-away", agent("default", []), {"agents": {}}),
    ("removed", [*agent("default", []), *remove("models", "flash"), *remove("providers", "deepseek")],
     {"providers": {"local": {"base_url": "http://127.0.0.1:8080"}}, "models": {}}),
    ("not-there", remove("providers", "nobody"), {}),
]  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(BEFORE)
    return file


def at(values: Any, keys: str) -> Any:
    for key in keys.split("."):
        values = values.get(key, {})
    return values


@pytest.mark.parametrize(("edits", "becomes"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_asked_changes_and_every_comment_that_can_stays(
    path: Path, edits: list[Edit], becomes: dict[str, Any]
) -> None:
    apply(path, edits)
    after = tomllib.loads(path.read_text())
    for keys, value in becomes.items():
        assert value is None or at(after, keys) == value
    kept = {"# mine", "# my port", "# out of order", "# who"}
    assert {comment for comment in kept if comment not in path.read_text()} == set()
    assert after["server"] == {"port": 4000}
    assert "[models]\n" not in path.read_text()


@pytest.mark.parametrize("edits", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_the_same_into_no_file_at_all(tmp_path: Path, edits: list[Edit]) -> None:
    path = tmp_path / "new" / "config.toml"
    apply(path, edits)
    tomllib.loads(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["config.toml"], "there was nothing to keep a copy of"


def test_a_name_with_dots_and_slashes_is_one_name(path: Path) -> None:
    apply(path, [*model("qwen3.8/max", provider="local"), *agent("think", ["qwen3.8/max"])])
    config = assembly.load({"config": str(path)}, {}, path.parent)
    assert config.models["qwen3.8/max"].provider == "local"


def test_one_step_back_is_kept_for_its_owner_alone(path: Path) -> None:
    apply(path, mode("router"))
    between = path.read_text()
    apply(path, mode("normal"))
    apply(path, mode("normal"))
    backup = path.with_name("config.toml.bak")
    assert backup.read_text() == between
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert sorted(file.name for file in path.parent.iterdir()) == ["config.toml", "config.toml.bak"]


def problems(file: Path) -> list[str]:
    return assembly.read({"config": str(file)}, {}, file.parent)[1]


REFUSED = [
    (remove("providers", "deepseek"), "models.flash.provider names 'deepseek', which is no provider"),
    (model("pro", provider="nobody"), "models.pro.provider names 'nobody'"),
    (provider("x"), "providers.x.base_url is missing"),
    (agent("think", ["nobody"]), "agents.think names 'nobody'"),
    (mode("both"), "mode must be one of normal, router"),
    (model("flash", context="many"), "models.flash.context must be a whole number"),
]


@pytest.mark.parametrize(("edits", "said"), REFUSED, ids=[said.split()[0] for _, said in REFUSED])
def test_what_would_not_load_is_not_written(path: Path, edits: list[Edit], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        apply(path, edits, problems)
    assert any(said in problem for problem in refused.value.problems)
    assert path.read_text() == BEFORE
    assert [file.name for file in path.parent.iterdir()] == ["config.toml"]


def test_a_file_that_is_wrong_already_may_be_mended_step_by_step(path: Path) -> None:
    path.write_text(BEFORE + 'coder = "nobody"\nthink = "noone"\n')
    apply(path, agent("coder", ["flash"]), problems)
    assert [problem.split()[0] for problem in problems(path)] == ["agents.think"]


def test_a_file_from_which_all_was_taken_is_not_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    apply(path, [*provider("deepseek", base_url="http://h/v1"), *model("flash", provider="deepseek", id="x")])
    apply(path, [*remove("models", "flash"), *remove("providers", "deepseek")])
    assert path.read_text().startswith("# Nothing is set") and tomllib.loads(path.read_text()) == {}
    apply(path, mode("router"))
    assert tomllib.loads(path.read_text()) == {"mode": "router"}


def test_what_is_no_toml_is_left_alone(path: Path) -> None:
    path.write_text("[agents\n")
    with pytest.raises(ConfigError, match="not valid TOML, so nothing was changed"):
        apply(path, mode("router"))
    assert path.read_text() == "[agents\n"


NAMES = st.text("abz.-/: é\"'", min_size=1, max_size=6).filter(lambda name: name.strip() == name)
EDITS = st.lists(
    st.one_of(
        st.builds(lambda name: provider(name, base_url="http://h/v1"), NAMES),
        st.builds(lambda name, id: model(name, id=id, price={"input": 1, "output": 2}), NAMES, NAMES),
        st.builds(lambda names: agent("coder", names), st.lists(NAMES, max_size=3)),
        st.builds(remove, st.sampled_from(["providers", "models"]), NAMES),
    ),
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(EDITS)
def test_edits_do_what_they_would_to_a_plain_dictionary(tmp_path_factory: pytest.TempPathFactory, steps: Any) -> None:
    path = tmp_path_factory.mktemp("law") / "config.toml"
    path.write_text(BEFORE)
    wanted = tomllib.loads(BEFORE)
    for edits in steps:
        for keys, value in edits:
            table = wanted
            for key in keys[:-1]:
                table = table.setdefault(key, {})
            if value is None:
                table.pop(keys[-1], None)
            elif value != {}:
                table[keys[-1]] = value
            else:
                table.setdefault(keys[-1], {})
        path.write_text(editing.edited(path, edits))
    assert tomllib.loads(path.read_text()) == wanted
