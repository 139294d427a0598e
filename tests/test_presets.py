"""Presets: every one is a provider that loads, and retired names are taken with a word about them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ccr_tui import assembly, values
from ccr_tui.commands import setup
from ccr_tui.config import Model, Provider
from ccr_tui.presets import BY_NAME, PRESETS, RETIRED, Preset, at, hint
from ccr_tui.proxy.quirks import FAMILIES, facts_for


@pytest.fixture(params=PRESETS, ids=lambda preset: preset.name)
def preset(request: pytest.FixtureRequest) -> Preset:
    found: Preset = request.param
    return found


def test_a_preset_says_where_it_was_read(preset: Preset) -> None:
    assert re.search(r"docs|genai-prices|measured|unchecked", preset.source)
    assert preset.key is None or re.fullmatch(r"[A-Z_]+_API_KEY", preset.key)


def test_a_presets_address_is_as_the_loader_would_write_it(preset: Preset) -> None:
    assert values.base_url(preset.kind)(preset.base_url) == preset.base_url


def test_a_name_alone_is_a_provider(preset: Preset, tmp_path: Path) -> None:
    key = f'api_key = "${preset.key}"' if preset.key else ""
    (tmp_path / "config.toml").write_text(f"[providers.{preset.name}]\n{key}\n[models.m]\n")
    config = assembly.load({}, {"CCR_TUI_CONFIG": "config.toml"}, tmp_path)
    provider = config.providers[preset.name]
    assert (provider.kind, provider.base_url) == (preset.kind, preset.base_url)


def test_a_presets_models_have_its_familys_facts(preset: Preset) -> None:
    assert preset.family is None or preset.family in FAMILIES
    provider = Provider(preset.name, preset.kind, preset.base_url)
    for id in preset.models or ("some-model",):
        facts = facts_for(provider, Model(id, preset.name, id))
        assert preset.family in (None, facts.family)


def test_no_preset_begins_with_a_retired_name(preset: Preset) -> None:
    assert [id for id in preset.models[:1] if hint(preset.base_url, id)] == []


def test_names_are_unique_and_hosts_are_recognised() -> None:
    assert len(BY_NAME) == len(PRESETS)
    assert {p.name for p in PRESETS if p.key and at(p.base_url) != p} == set()
    assert at("http://127.0.0.1:11434/v1") is None


DEEPSEEK, QWEN = "https://api.deepseek.com/v1", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"
HINTS = [
    (DEEPSEEK, "deepseek-chat", "2026-07-24.*deepseek-flash"),
    (DEEPSEEK, "deepseek-reasoner", "2026-07-24"),
    (DEEPSEEK, "deepseek-v3", "deepseek-flash"),
    (DEEPSEEK, "deepseek-r1", "deepseek-v4-pro"),
    (DEEPSEEK, "deepseek-v4-flash", "deepseek-flash"),
    (DEEPSEEK, "deepseek-flash", None),
    (DEEPSEEK, "deepseek-v4-pro", None),
    (QWEN, "qwen-max", "qwen3.8-max"),
    (QWEN, "qwen-max-2025-01-25", "qwen3.8-max"),
    (QWEN, "qwen2.5-coder-3b-instruct", "qwen3.8-flash"),
    (QWEN, "deepseek-r1", "2026-10-11"),
    (QWEN, "qwen3.8-max", None),
    ("https://api.moonshot.ai/v1", "kimi-k2-thinking", "kimi-k2.6"),
    ("https://openrouter.ai/api/v1", "deepseek-chat", None),
    ("http://127.0.0.1:8080/v1", "qwen2.5-coder-3b-instruct", None),
]


@pytest.mark.parametrize(("url", "id", "said"), HINTS, ids=[f"{id}@{url.split('/')[2]}" for url, id, _ in HINTS])
def test_a_retired_name_has_a_hint_at_its_own_provider(url: str, id: str, said: str | None) -> None:
    found = hint(url, id)
    assert (found is None) if said is None else re.search(said, found or "")


def test_every_retired_name_says_what_follows_it() -> None:
    assert [old.pattern for old in RETIRED if not re.search(r"deepseek-|qwen3|kimi-", old.hint)] == []


def test_the_four_models_of_early_days_load_with_their_names_and_a_word_each(tmp_path: Path) -> None:
    env = {
        "ENABLE_ROUTER": "true",
        "OPENAI_API_KEY": "sk-x",
        "TOOL_AGENT_MODEL": "qwen-max-2025-01-25",
        "TOOL_AGENT_BASE_URL": "https://dashscope.aliyuncs.com/compatible-mode/v1",
        "CODER_AGENT_MODEL": "deepseek-v3",
        "CODER_AGENT_BASE_URL": "https://api.deepseek.com",
        "THINK_AGENT_MODEL": "deepseek-r1",
        "THINK_AGENT_BASE_URL": "https://api.deepseek.com",
        "ROUTER_AGENT_MODEL": "qwen2.5-coder-3b-instruct",
        "ROUTER_AGENT_BASE_URL": "https://dashscope.aliyuncs.com/compatible-mode/v1",
    }
    config = assembly.load({}, {**env, "CCR_TUI_CONFIG": str(tmp_path / "none.toml")}, tmp_path)
    names = {"qwen-max-2025-01-25", "deepseek-v3", "deepseek-r1", "qwen2.5-coder-3b-instruct"}
    assert {config.models[model].id for models in config.agents.values() for model in models} == names
    assert {note.split()[1] for note in config.notes if note.startswith("models.")} == names


def test_config_init_names_them_all() -> None:
    assert [preset.name for preset in PRESETS if not re.search(rf"\b{preset.name}\b", setup.TEMPLATE)] == []
