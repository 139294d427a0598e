"""A field that a provider does not know: told with its cause and its cure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from generated import json_values
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui.assembly import load
from ccr_tui.config import Model, Provider
from ccr_tui.proxy import openai
from ccr_tui.proxy.quirks import facts_for, guess_of
from ccr_tui.proxy.unknown import refused_field

SENT: dict[str, Any] = {
    "model": "deepseek-flash",
    "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "reasoning_content": "hm"}],
    "thinking": {"type": "enabled"},
    "reasoning_effort": "high",
    "max_tokens": 5,
    "stream_options": {"include_usage": True},
    "tools": [{"type": "function", "function": {"name": "Read", "strict": True}}],
}


def error(message: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error"}}


LOC = {"type": "extra_forbidden", "loc": ["body", "thinking"], "msg": "Extra inputs are not permitted", "input": {}}
WORDINGS: dict[str, tuple[Any, str]] = {
    "OpenAI, old": (error("Unrecognized request argument supplied: thinking"), "thinking"),
    "OpenAI, several": (error("Unrecognized request arguments supplied: thinking, foo"), "thinking"),
    "OpenAI": (error("Unknown parameter: 'thinking'."), "thinking"),
    "OpenAI, inside": (error("Unknown parameter: 'thinking.type'."), "thinking"),
    "OpenAI, in a message": (error("Unknown parameter: 'messages[1].reasoning_content'."), "reasoning_content"),
    "OpenAI, in a tool": (error("Unknown parameter: 'tools[0].function.strict'."), "strict"),
    "OpenAI, reasoning": (
        error("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'."),
        "max_tokens",
    ),
    "FastAPI": ({"detail": [LOC]}, "thinking"),
    "Mistral": ({"object": "error", "message": {"detail": [LOC]}, "type": "invalid_request_error"}, "thinking"),
    "vLLM": (
        error("[{'type': 'extra_forbidden', 'loc': ('body', 'thinking'), 'msg': 'Extra inputs are not permitted'}]"),
        "thinking",
    ),
    "Groq": (
        error("'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : property "
              "'reasoning_content' is unsupported)]"),
        "reasoning_content",
    ),
    "Cerebras": (
        {"message": "body.thinking: property 'body.thinking' is unsupported", "type": "invalid_request_error"},
        "thinking",
    ),
    "Cerebras, in a message": (
        {"message": "messages.1.assistant.reasoning_content: property 'messages.1.assistant.reasoning_content' is "
                    "unsupported", "code": "wrong_api_format"},
        "reasoning_content",
    ),
    "Fireworks": (
        error("Extra inputs are not permitted, field: 'messages[1].reasoning_content', value: 'hm'"),
        "reasoning_content",
    ),
    "NVIDIA": ({"message": "Validation: Unsupported parameter(s): `thinking`", "code": 400}, "thinking"),
    "NVIDIA, bare": ({"message": "Validation: Unsupported parameter(s): thinking", "code": 400}, "thinking"),
    "Groq, a parameter": (error("property 'stream_options' is unsupported"), "stream_options"),
    "Google": ([error('Invalid JSON payload received. Unknown name "thinking": Cannot find field.')], "thinking"),
    "Go": (error('json: unknown field "thinking"'), "thinking"),
    "JSON schema": (error("Additional properties are not allowed ('thinking' was unexpected)"), "thinking"),
    "LiteLLM": (error("openai does not support parameters: ['reasoning_effort'], for model=x"), "reasoning_effort"),
    "xAI": (error("Model grok-4 does not support parameter reasoningEffort."), "reasoning_effort"),
}  # fmt: skip

OWN = Provider("acme", "openai", "https://llm.example.org/v1")
MODEL = Model("flash", "acme", "deepseek-flash")


def refused(body: Any, model: Model = MODEL, provider: Provider = OWN, status: int = 400) -> Any:
    raw = json.dumps(body).encode()
    return openai.error_of(status, {}, raw, "acme", SENT, guess=guess_of(provider, model))


@pytest.mark.parametrize(("body", "field"), WORDINGS.values(), ids=WORDINGS)
@pytest.mark.parametrize("status", [400, 422])
def test_the_refused_field_its_cause_and_its_cure_are_told(body: Any, field: str, status: int) -> None:
    found = refused(body, status=status)
    assert (found.status, found.type, found.should_retry) == (status, "invalid_request_error", False)
    assert f'ccr-tui sent "{field}" because the model\'s id "deepseek-flash" looks like the family deepseek' in str(
        found
    )
    assert 'models.flash.family = "generic"' in found.message


def test_what_the_provider_said_is_kept() -> None:
    assert refused(error("Unrecognized request argument supplied: thinking")).message == (
        "acme answered 400: Unrecognized request argument supplied: thinking. "
        'ccr-tui sent "thinking" because the model\'s id "deepseek-flash" looks like the family deepseek. '
        'In config.toml set models.flash.family = "generic", or thinking = "none" under [models.flash.quirks].'
    )


CAUSES: dict[str, tuple[Model, Provider, str]] = {
    "the address": (
        Model("m", "ds", "x"),
        Provider("ds", "openai", "https://api.deepseek.com/v1"),
        "the address of ds is one of the family deepseek",
    ),
    "the provider's name": (
        Model("m", "groq", "x"),
        Provider("groq", "openai", "https://llm.example.org"),
        "groq is called like the family groq",
    ),
    "the model's family": (Model("m", "acme", "x", family="qwen"), OWN, 'models.m.family is "qwen"'),
    "the provider's family": (
        Model("m", "a", "x"),
        Provider("a", "openai", "https://llm.example.org", family="qwen"),
        'providers.a.family is "qwen"',
    ),
    "nothing": (Model("m", "acme", "x"), OWN, "most models take it"),
    "a quirk": (
        Model("m", "acme", "x", quirks={"thinking": "thinking_type"}),
        OWN,
        'of models.m.quirks.thinking in config.toml: set thinking = "none" there',
    ),
    "a name to quote": (Model("a.b", "acme", "deepseek-x"), OWN, 'models."a.b".family = "generic"'),
}


@pytest.mark.parametrize(("model", "provider", "cause"), CAUSES.values(), ids=CAUSES)
def test_the_cause_is_how_the_family_was_found(model: Model, provider: Provider, cause: str) -> None:
    assert cause in refused(error("Unknown parameter: 'thinking'."), model, provider).message


ENV = {"OPENAI_MODEL": "deepseek-flash", "OPENAI_BASE_URL": OWN.base_url, "OPENAI_API_KEY": "sk-1234567890"}


def test_what_comes_from_the_environment_is_told_how_to_be_described(tmp_path: Path) -> None:
    (tmp_path / "config.toml").touch()
    made = load({"config": tmp_path / "config.toml"}, ENV, tmp_path)
    [model], [provider] = made.models.values(), made.providers.values()
    assert refused(error("Unknown parameter: 'thinking'."), model, provider).message.endswith(
        "The model comes from OPENAI_MODEL: in config.toml (`ccr-tui config path`) describe it too, "
        '[providers.llm] with base_url = "https://llm.example.org/v1" and api_key = "$OPENAI_API_KEY", '
        '[models.deepseek-flash] with provider = "llm", id = "deepseek-flash", '
        'and there set models.deepseek-flash.family = "generic", or thinking = "none" under '
        "[models.deepseek-flash.quirks]."
    )


def test_that_cure_cures(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        '[providers.llm]\nbase_url = "https://llm.example.org/v1"\napi_key = "$OPENAI_API_KEY"\n'
        '[models.deepseek-flash]\nprovider = "llm"\nid = "deepseek-flash"\nfamily = "generic"\n'
    )
    made = load({"config": tmp_path / "config.toml"}, ENV, tmp_path)
    [name] = made.agents["default"]
    assert facts_for(made.providers["llm"], made.models[name]).family == "generic"


def test_a_generic_model_is_not_advised_to_be_generic() -> None:
    assert "family =" not in refused(error("Unknown parameter: 'thinking'."), Model("m", "acme", "x")).message


@pytest.mark.parametrize(
    "words",
    ["Unknown parameter: 'seed'.", "Unknown parameter: 'model'.", "thinking is hard", "Unsupported value: 'high'"],
)
def test_of_what_was_not_sent_or_can_not_be_left_out_nothing_is_said(words: str) -> None:
    assert "ccr-tui sent" not in refused(error(words)).message


def test_without_a_guess_nothing_is_said() -> None:
    raw = json.dumps(error("Unknown parameter: 'thinking'.")).encode()
    assert "ccr-tui sent" not in openai.error_of(400, {}, raw, "acme", SENT).message


@given(st.text(max_size=80), json_values())
def test_any_words_of_anything_sent_are_read(words: str, sent: Any) -> None:
    assert refused_field(f"Unknown parameter: '{words}'", sent) is None or isinstance(sent, (dict, list))
