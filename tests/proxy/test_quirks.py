"""Which facts hold for which model, and what a user may say against them."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from typing import Any, get_args

import pytest
from asking import ALL, FAMILIES, facts

from ccr_tui.config import Model, Provider
from ccr_tui.errors import ConfigError
from ccr_tui.proxy import quirks
from ccr_tui.proxy.effort import LADDER, nearest
from ccr_tui.proxy.quirks import FAMILIES as NAMES
from ccr_tui.proxy.quirks import Facts, facts_for

FOUND = [
    ("https://api.deepseek.com", "deepseek-v4-pro", "deepseek"),
    ("https://API.DeepSeek.com:443/v1", "anything", "deepseek"),
    ("https://user:pw@api.openai.com/v1", "gpt-5", "openai"),
    ("https://mine.openai.azure.com/openai/v1", "deployment", "openai"),
    ("https://notapi.openai.com.evil.example/v1", "x", "generic"),
    ("https://myapi.openai.com/v1", "x", "generic"),
    ("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "deepseek-v4", "qwen"),
    ("https://ws1.eu.maas.aliyuncs.com/v1", "qwen3.8-max", "qwen"),
    ("https://openrouter.ai/api/v1", "deepseek/deepseek-v4-pro", "openrouter"),
    ("https://api.cerebras.ai/v1", "qwen-3.8-27b", "cerebras"),
    ("https://api.fireworks.ai/inference/v1", "accounts/fireworks/models/kimi-k3", "fireworks"),
    ("https://api.together.xyz/v1", "deepseek-ai/DeepSeek-V4-Pro", "together"),
    ("https://integrate.api.nvidia.com/v1", "z-ai/glm5", "nvidia"),
    ("http://localhost:11434/v1", "qwen3:8b", "ollama"),
    ("http://192.168.1.5:1234/v1", "whatever", "lmstudio"),
    ("http://gpu:8000/v1", "Qwen/Qwen3.8-27B", "qwen"),
    ("http://gpu:8000/v1", "deepseek-ai/DeepSeek-V4", "deepseek"),
    ("http://gpu:8000/v1", "zai-org/GLM-5.1", "zhipu"),
    ("http://gpu:8000/v1", "MiniMaxAI/MiniMax-M2", "minimax"),
    ("http://gpu:8000/v1", "moonshotai/Kimi-K2.6", "moonshot"),
    ("http://gpu:8000/v1", "openai/gpt-oss-120b", "generic"),
    ("http://gpu:8000/v1", "llama-4", "generic"),
    ("http://demo.invalid/v1", "demo", "generic"),
]


def found(url: str, model_id: str, name: str = "p", **more: Any) -> Facts:
    provider = Provider(name, "openai", url, family=more.pop("provider_family", None))
    return facts_for(provider, Model("m", name, model_id, **more))


@pytest.mark.parametrize(("url", "model_id", "family"), FOUND, ids=[f"{u} {m}" for u, m, _ in FOUND])
def test_the_family_is_found_by_host_then_by_model(url: str, model_id: str, family: str) -> None:
    assert found(url, model_id).family == family


def test_a_named_family_comes_first_and_the_model_s_before_the_provider_s() -> None:
    url = "https://api.deepseek.com/v1"
    assert found(url, "deepseek-flash", provider_family="vllm").family == "vllm"
    assert found(url, "deepseek-flash", provider_family="vllm", family="llama_cpp").family == "llama_cpp"


def test_a_provider_that_is_called_like_a_family_is_of_it_unless_that_is_openai() -> None:
    assert found("http://gpu:8000/v1", "m", name="vllm").family == "vllm"
    assert found("http://gpu:8000/v1", "m", name="openai").family == "generic"


MEMBERS: list[tuple[str, str, dict[str, Any]]] = [
    ("deepseek", "deepseek-flash", {"images": True, "reasoning_required": True, "thinking": "thinking_type"}),
    ("deepseek", "deepseek-v4-pro", {"images": False, "context": 1_000_000}),
    ("deepseek", "deepseek-reasoner", {"reasoning_back": None, "thinking": "none", "always_thinks": True}),
    ("deepseek", "deepseek-chat", {"thinking": "none", "max_output": 8_192, "reasoning_required": False}),
    ("openai", "gpt-4o-mini", {"thinking": "none", "sampling": True, "context": 128_000}),
    ("openai", "o3", {"thinking": "reasoning_effort", "sampling": False, "parallel_off": False}),
    ("openai", "gpt-5", {"efforts": ("minimal", "low", "medium", "high"), "effort_with_tools": "ok"}),
    ("openai", "gpt-5.1", {"efforts": ("none", "low", "medium", "high")}),
    ("openai", "gpt-5.4-mini", {"effort_with_tools": "omit"}),
    ("openai", "gpt-5.10", {"effort_with_tools": "none"}),
    ("openai", "gpt-6-sol", {"effort_with_tools": "none", "sampling": False, "max_stops": 0, "context": 1_050_000}),
    ("openai", "gpt-6-astra", {"effort_with_tools": "omit", "efforts": ("low", "medium", "high", "xhigh")}),
    ("openai", "gpt-6.1-sol", {"effort_with_tools": "omit", "always_thinks": True}),
    ("openrouter", "openai/gpt-6-astra", {"always_thinks": True}),
    ("groq", "qwen/qwen3-32b", {"efforts": ("none", "default"), "max_output": 40_960, "images": False}),
    ("groq", "qwen/qwen3.8-27b", {"thinking": "reasoning_effort", "max_output": 16_384, "images": True}),
    ("qwen", "qwen3.8-max", {"images": True, "context": 1_000_000, "max_output": 131_072}),
    ("qwen", "qwen3.7-max", {"images": False, "efforts": ()}),
    ("openai", "gpt-5-chat-latest", {"thinking": "none", "sampling": True}),
    ("qwen", "qwen3-coder-plus", {"thinking": "none", "images": False, "context": 1_000_000}),
    ("qwen", "qwen3.6-flash", {"thinking": "enable_thinking", "images": True}),
    ("qwen", "qwen3-32b", {"thinking_streamed_only": True}),
    ("qwen", "qwq-plus", {"always_thinks": True}),
    ("openrouter", "openai/gpt-5.1", {"always_thinks": True}),
    ("openrouter", "qwen/qwen3.7-max", {"always_thinks": False}),
    ("openrouter", "deepseek/deepseek-v4-pro", {"reasoning_required": True, "images": False}),
    ("moonshot", "kimi-k3", {"tool_choice_named": "required", "thinking": "reasoning_effort", "always_thinks": True}),
    ("moonshot", "moonshot-v1-32k", {"thinking": "none", "sampling": True}),
    ("zhipu", "glm-4.6v", {"images": True}),
    ("zhipu", "glm-4-plus", {"thinking": "none"}),
    ("zhipu", "glm-5.2", {"efforts": ("low", "medium", "high", "xhigh", "max")}),
    ("minimax", "MiniMax-M3", {"thinking_on": {"type": "adaptive"}, "images": True}),
    ("gemini", "gemini-2.5-flash", {"tool_call_extra": {}, "always_thinks": False}),
    ("gemini", "gemini-3.6-flash", {"always_thinks": True}),
    ("groq", "openai/gpt-oss-120b", {"thinking": "reasoning_effort", "json_schema": True}),
    ("zhipu", "glm-5.1", {"context": 202_752}),
    ("zhipu", "glm-5.3", {"context": 1_048_576, "efforts": ("low", "high", "max"), "always_thinks": True}),
    ("zhipu", "glm-5.3-flash", {"images": True, "always_thinks": True}),
    ("openrouter", "z-ai/glm-5.3-flash", {"images": True}),
    ("openrouter", "z-ai/glm-5.3", {"images": False, "always_thinks": True}),
    ("minimax", "MiniMax-M3", {"context": 1_000_000}),
    ("qwen", "deepseek-v4.1-flash", {"images": True, "efforts": ("low", "high", "max")}),
    ("fireworks", "accounts/fireworks/models/deepseek-v4p1-flash", {"images": True, "max_unstreamed": 4_096}),
    ("xai", "grok-4.5", {"always_thinks": True, "efforts": ("low", "medium", "high"), "context": 500_000}),
    ("xai", "grok-4.7", {"always_thinks": True, "efforts": ("low", "medium", "high", "xhigh"), "max_stops": 0}),
    ("openrouter", "mistralai/devstral-medium", {"tool_ids": "nine", "user_after_tool": False}),
    ("xai", "grok-4", {"thinking": "none", "always_thinks": True}),
    ("xai", "grok-4.3", {"thinking": "reasoning_effort", "always_thinks": False}),
    ("ollama", "llama3.2", {"thinking": "none"}),
    ("ollama", "qwen3:8b", {"thinking": "reasoning_effort"}),
    ("ollama", "qwen3-coder:30b", {"thinking": "none"}),
    ("siliconflow", "Qwen/Qwen3-235B-A22B", {"thinking": "enable_thinking"}),
    ("siliconflow", "Qwen/Qwen2.5-72B-Instruct", {"thinking": "none"}),
    ("mistral", "mistral-small-latest", {"thinking": "reasoning_effort", "efforts": ("none", "high")}),
    ("mistral", "mistral-medium-3-5", {"thinking": "reasoning_effort"}),
    ("mistral", "mistral-large-4-0", {"efforts": ("low", "medium", "high"), "context": 1_000_000}),
    ("mistral", "mistral-small-2506", {"thinking": "none"}),
    ("mistral", "mistral-large-2512", {"thinking": "none"}),
    ("lmstudio", "mistralai/devstral-small-2", {"alternate": True, "user_after_tool": False}),
    ("llama_cpp", "Ministral-3-14B-Instruct", {"alternate": True, "tool_ids": "nine"}),
    ("vllm", "google/gemma-4-31b-it", {"alternate": True, "user_after_tool": True}),
    ("generic", "gemma-4-31b", {"alternate": True}),
    ("vllm", "Qwen/Qwen3.8-27B", {"alternate": False}),
    ("openrouter", "google/gemini-2.5-pro", {"call_detail": {}, "reasoning_details": True}),
    ("deepseek", "deepseek-chat", {"reasoning_always": False}),
    ("moonshot", "kimi-k2.7-code-highspeed", {"thinking": "none", "always_thinks": True, "reasoning_required": True}),
    ("moonshot", "kimi-k2.6", {"thinking": "thinking_type", "always_thinks": False}),
    ("cerebras", "gpt-oss-120b",
     {"thinking": "reasoning_effort", "efforts": ("low", "medium", "high"), "tool_choice_forced": False}),
    ("cerebras", "zai-glm-4.7", {"thinking": "none", "reasoning_back": "reasoning", "max_output": 40_960}),
    ("fireworks", "accounts/fireworks/models/glm-5p2", {"thinking": "reasoning_effort", "images": False}),
    ("fireworks", "accounts/fireworks/models/kimi-k2p6", {"always_thinks": True, "images": True}),
    ("fireworks", "accounts/fireworks/models/deepseek-v4-pro",
     {"efforts": ("none", "low", "medium", "high", "xhigh"), "reasoning_back": "reasoning_content"}),
    ("fireworks", "accounts/fireworks/models/llama-v3p3-70b-instruct", {"thinking": "none"}),
    ("together", "zai-org/GLM-5.1", {"thinking": "reasoning_object", "efforts": ()}),
    ("together", "openai/gpt-oss-20b", {"thinking": "reasoning_effort"}),
    ("together", "meta-llama/Llama-4-Maverick", {"thinking": "none"}),
    ("nvidia", "z-ai/glm5", {"thinking": "chat_template_kwargs", "sampling": True}),
    ("nvidia", "moonshotai/kimi-k3", {"thinking": "none", "always_thinks": True, "sampling": False}),
    ("nvidia", "qwen/qwen3-coder-480b-a35b-instruct", {"thinking": "none", "images": False}),
]  # fmt: skip


@pytest.mark.parametrize(("family", "model_id", "expected"), MEMBERS, ids=[f"{f} {m}" for f, m, _ in MEMBERS])
def test_members_differ_from_their_family(family: str, model_id: str, expected: dict[str, Any]) -> None:
    facts_of = found("http://gpu:8000/v1", model_id, family=family)
    assert {name: getattr(facts_of, name) for name in expected} == expected


@pytest.mark.parametrize("name", NAMES)
def test_every_family_is_complete_and_small(name: str) -> None:
    module = import_module(f"ccr_tui.proxy.quirks.{name}")
    assert module.FACTS.family == name
    assert module.__doc__
    assert isinstance(module.HOSTS, tuple)
    assert isinstance(module.MODELS, tuple)
    known = {f.name for f in fields(Facts)}
    assert all(set(differs) <= known for _, differs in getattr(module, "MEMBERS", ()))


@pytest.mark.parametrize("name", ALL)
def test_facts_agree_with_one_another(name: str) -> None:
    of = facts(name)
    assert set(of.efforts) <= set(LADDER)
    assert of.efforts or of.thinking not in ("reasoning_effort",)
    assert not of.reasoning_required or of.reasoning_back
    assert of.context is None or of.max_output is None or of.max_output <= of.context


def test_each_name_in_the_tests_stands_for_another_shape() -> None:
    assert {facts(name).family for name in FAMILIES} == set(NAMES) - {"llama_cpp", "vllm"}


GOOD: list[tuple[str, Any, Any]] = [
    ("images", False, False),
    ("context", 4096, 4096),
    ("reasoning_back", "", None),
    ("reasoning_back", "reasoning", "reasoning"),
    ("efforts", ["low", "max"], ("low", "max")),
    ("schema_drop", ["format"], frozenset({"format"})),
    ("token_ratio", 1, 1.0),
    ("thinking", "enable_thinking", "enable_thinking"),
    ("tool_description_limit", 1754, 1754),
    ("extra", {"seed": 1}, {"seed": 1}),
    ("parallel_tool_calls", True, True),
]


@pytest.mark.parametrize(("name", "value", "expected"), GOOD, ids=[f"{n}={v}" for n, v, _ in GOOD])
def test_a_user_may_override_any_fact(name: str, value: Any, expected: Any) -> None:
    assert getattr(facts("deepseek", **{name: value}), name) == expected


BAD: list[tuple[str, Any, str]] = [
    ("imagse", True, "models.m.quirks.imagse: no such quirk; there are "),
    ("images", "no", "models.m.quirks.images: 'no' does not fit; it takes true or false"),
    ("images", 1, "models.m.quirks.images: 1 does not fit; it takes true or false"),
    ("context", True, "models.m.quirks.context: True does not fit; it takes a whole number"),
    ("thinking", "hard", "models.m.quirks.thinking: 'hard' does not fit; it takes 'none' or 'reasoning_effort'"),
    ("thinking", [], "models.m.quirks.thinking: [] does not fit; it takes 'none' or"),
    ("efforts", "low", "models.m.quirks.efforts: 'low' does not fit; it takes a list of texts"),
    ("efforts", [1], "models.m.quirks.efforts: [1] does not fit; it takes a list of texts"),
    ("token_ratio", "1", "models.m.quirks.token_ratio: '1' does not fit; it takes a number"),
    ("extra", 1, "models.m.quirks.extra: 1 does not fit; it takes a table"),
]


@pytest.mark.parametrize(("name", "value", "message"), BAD, ids=[f"{n}={v}" for n, v, _ in BAD])
def test_a_wrong_override_is_refused_by_its_key(name: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        facts("deepseek", **{name: value})
    assert str(refused.value).startswith(message)


def test_all_wrong_overrides_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        facts("deepseek", imagse=True, context="large")
    assert len(refused.value.problems) == 2


def test_an_unknown_family_is_refused_by_its_key() -> None:
    with pytest.raises(ConfigError, match=r"models\.m\.family: no family is called 'gtp'"):
        found("http://x/v1", "m", family="gtp")
    with pytest.raises(ConfigError, match=r"providers\.p\.family: no family is called 'gtp'"):
        found("http://x/v1", "m", provider_family="gtp")


def test_the_model_s_own_numbers_come_before_the_family_s() -> None:
    own = found("https://api.deepseek.com/v1", "deepseek-flash", context=64_000, max_output=4_000)
    assert (own.context, own.max_output) == (64_000, 4_000)


NEAREST = [
    ("medium", ("low", "medium", "high"), "medium"),
    ("max", ("low", "medium", "high"), "high"),
    ("medium", ("low", "high", "max"), "high"),
    ("low", ("none", "high"), "high"),
    ("minimal", ("none", "low"), "low"),
    ("none", ("none", "low"), "none"),
    ("none", ("low", "high"), "low"),
    ("novel", ("low", "medium", "high"), "high"),
    ("high", ("default",), "default"),
    ("minimal", ("none", "default"), "default"),
    ("none", ("none", "default"), "none"),
]


@pytest.mark.parametrize(("asked", "efforts", "expected"), NEAREST, ids=[f"{a} of {e}" for a, e, _ in NEAREST])
def test_the_nearest_effort(asked: str, efforts: tuple[str, ...], expected: str) -> None:
    assert nearest(asked, efforts) == expected


def test_every_knob_has_its_hand() -> None:
    from ccr_tui.proxy.effort import _KNOBS

    assert set(_KNOBS) == set(get_args(quirks._HINTS["thinking"]))
