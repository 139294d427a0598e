"""claude-code-router's config.json: what each of its keys becomes here, and what is said about the rest."""

# ruff: noqa: F811
from __future__ import annotations

import json
import re
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_cli import Call, alone, call  # noqa: F401 - fixtures

from ccr_tui import assembly, editing
from ccr_tui.errors import ConfigError
from ccr_tui.importing import convert, parse
from ccr_tui.proxy.quirks import facts_for

DEEPSEEK = {
    "name": "deepseek",
    "api_base_url": "https://api.deepseek.com/chat/completions",
    "api_key": "$DEEPSEEK_API_KEY",
    "models": ["deepseek-chat", "deepseek-reasoner"],
}


def with_use(use: list[Any], url: str = "https://host.example/v1/chat/completions", **more: Any) -> dict[str, Any]:
    """A configuration of one provider with these transformers."""
    provider = {
        "name": "p",
        "api_base_url": url,
        "api_key": "k",
        "models": ["m", "n"],
        "transformer": {"use": use, **more},
    }
    return {"Providers": [provider], "Router": {"default": "p,m"}}


def tables(found: Any, tmp_path: Path) -> dict[str, Any]:
    """The config.toml that comes of it, parsed."""
    return tomllib.loads(editing.edited(tmp_path / "none.toml", convert(found).edits))


QUIRKS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("maxtoken", with_use([["maxtoken", {"max_tokens": 65536}]]), {"max_output": 65536}, ""),
    ("maxcompletiontokens", with_use([["maxcompletiontokens", {"max_completion_tokens": 9}]]),
     {"max_output": 9, "quirks": {"max_tokens_key": "max_completion_tokens"}}, ""),
    ("sampling", with_use([["sampling", {"temperature": 0.2, "top_p": None}]]),
     {"quirks": {"extra": {"temperature": 0.2}}}, ""),
    ("customparams", with_use([["customparams", {"a": {"b": [1]}}], ["sampling", {"top_k": 3}]]),
     {"quirks": {"extra": {"a": {"b": [1]}, "top_k": 3}}}, ""),
    ("reasoning-off", with_use([["reasoning", {"enable": False}]]), {"quirks": {"thinking": "none"}}, ""),
    ("reasoning-on", with_use(["reasoning"]), {}, ""),
    ("done-anyway", with_use(["enhancetool", "cleancache", "streamoptions", "deepseek", "OpenAI"]), {}, ""),
    ("of-one-model", with_use(["enhancetool"], m={"use": [["maxtoken", {"max_tokens": 5}]]}), {"max_output": 5}, ""),
    ("model-over-provider", with_use([["maxtoken", {"max_tokens": 9}]], m={"use": [["maxtoken", {"max_tokens": 5}]]}),
     {"max_output": 5}, ""),
    ("of-another-model", with_use([], n={"use": [["maxtoken", {"max_tokens": 5}]]}), {}, ""),
    ("tooluse", with_use([], m={"use": ["tooluse"]}), {}, r"p.transformer\[m\]: tooluse forced a tool"),
    ("forcereasoning", with_use(["forcereasoning"]), {}, "think agent"),
    ("unknown", with_use(["gemini-cli"]), {}, "gemini-cli is a transformer that is not known"),
    ("nested-name", with_use([[["maxtoken", {}]]]), {}, ""),
    ("nonsense", with_use([7, None, [], ["maxtoken", "x"], ["maxtoken", {"max_tokens": "many"}]]), {}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("found", "fields", "said"), [case[1:] for case in QUIRKS], ids=[case[0] for case in QUIRKS])
def test_transformers_become_limits_and_quirks(found: Any, fields: Any, said: str, tmp_path: Path) -> None:
    made = tables(found, tmp_path)
    assert made["models"]["m"] == {"provider": "p", "id": "m", **fields}
    left = convert(found).left
    assert len(left) == bool(said) and re.search(said, "".join(left))


PROVIDERS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("plain", with_use([]), {"base_url": "https://host.example/v1/chat/completions", "api_key": "k"}, ""),
    ("openrouter-elsewhere", with_use(["openrouter"]), {"family": "openrouter"}, ""),
    ("openrouter", with_use([["openrouter", {"referer": "https://me", "title": "t"}]], "https://openrouter.ai/api/v1/chat/completions"),
     {"headers": {"HTTP-Referer": "https://me", "X-Title": "t"}}, ""),
    ("groq", with_use(["groq"]), {"family": "groq"}, ""),
    ("anthropic", with_use(["Anthropic"], "https://api.anthropic.com/v1/messages"), {"kind": "anthropic"}, ""),
    ("gemini", with_use(["gemini"], "https://generativelanguage.googleapis.com/v1beta/models/"),
     {"base_url": "https://generativelanguage.googleapis.com/v1beta/openai"}, "OpenAI-compatible address"),
    ("responses", with_use(["openai-response"], "https://api.openai.com/v1/responses"),
     {"base_url": "https://api.openai.com/v1"}, "chat completions are used"),
]  # fmt: skip


@pytest.mark.parametrize(("found", "fields", "said"), [c[1:] for c in PROVIDERS], ids=[c[0] for c in PROVIDERS])
def test_providers_keep_their_address_in_our_terms(found: Any, fields: Any, said: str, tmp_path: Path) -> None:
    provider = tables(found, tmp_path)["providers"]["p"]
    assert fields.items() <= provider.items()
    assert said in "\n".join(convert(found).left)
    assert bool(said) == bool(convert(found).left)


def test_openrouters_choice_of_providers_goes_along(tmp_path: Path) -> None:
    found = with_use(["openrouter"], m={"use": [["openrouter", {"provider": {"only": ["moonshotai/fp8"]}}]]})
    made = tables(found, tmp_path)["models"]
    assert made["m"]["quirks"] == {"extra": {"provider": {"only": ["moonshotai/fp8"]}}}
    assert "quirks" not in made["n"]


def test_a_provider_behind_googles_sign_in_is_left_out_with_its_routes(tmp_path: Path) -> None:
    found = with_use(["vertex-gemini"])
    made = convert(found)
    assert made.edits == []
    assert "sign-in" in made.left[0] and made.left[1] == "Router.default names p,m, but there is no provider p."


ROUTES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("all", {"default": "deepseek,deepseek-chat", "background": "deepseek,deepseek-chat",
             "think": "deepseek, deepseek-reasoner", "longContext": "deepseek,deepseek-chat",
             "longContextThreshold": 50000,
             "webSearch": "deepseek,deepseek-chat", "image": "deepseek,deepseek-chat"},
     {"agents": {**dict.fromkeys(("default", "background", "long_context", "web_search", "image"), "deepseek-chat"),
                 "think": "deepseek-reasoner"}, "routing": {"long_context_over": 50000}}, ""),
    ("empty", {"default": "deepseek,deepseek-chat", "think": ""}, {"agents": {"default": "deepseek-chat"}}, ""),
    ("unlisted", {"default": "deepseek,deepseek-flash"}, {"agents": {"default": "deepseek-flash"}}, ""),
    ("bare", {"default": "deepseek-reasoner"}, {"agents": {"default": "deepseek-reasoner"}}, ""),
    ("unknown-provider", {"default": "qwen,max"}, {}, "Router.default names qwen,max, but there is no provider qwen."),
    ("unknown-model", {"default": "max"}, {}, "Router.default names max, which is no model of the Providers."),
    ("no-name", {"default": ["x"]}, {}, "Router.default is ['x'], which names no model."),
    ("unknown-route", {"coder": "deepseek,deepseek-chat"}, {}, "Router.coder is no route that is known here."),
    ("threshold", {"longContextThreshold": "lots"}, {}, "Router.longContextThreshold must be a whole number"),
]  # fmt: skip


@pytest.mark.parametrize(("router", "becomes", "said"), [c[1:] for c in ROUTES], ids=[c[0] for c in ROUTES])
def test_routes_become_agents(router: Any, becomes: Any, said: str, tmp_path: Path) -> None:
    found = {"Providers": [DEEPSEEK], "Router": router}
    made = tables(found, tmp_path)
    assert {key: made[key] for key in ("agents", "routing") if key in made} == becomes
    assert said in "\n".join(convert(found).left) and bool(said) == bool(convert(found).left)


def test_fallbacks_follow_their_route(tmp_path: Path) -> None:
    router = {"default": "deepseek,deepseek-chat"}
    fallback = {
        "default": ["deepseek,deepseek-reasoner", "deepseek,deepseek-chat"],
        "think": ["deepseek,deepseek-chat"],
    }
    made = tables({"Providers": [DEEPSEEK], "Router": router, "fallback": fallback}, tmp_path)
    assert made["agents"] == {"default": ["deepseek-chat", "deepseek-reasoner"], "think": "deepseek-chat"}


def test_a_name_that_two_providers_have_says_whose_it_is(tmp_path: Path) -> None:
    other = {**DEEPSEEK, "name": "mirror", "models": ["deepseek-chat"]}
    made = tables({"Providers": [DEEPSEEK, other], "Router": {"default": "mirror,deepseek-chat"}}, tmp_path)
    assert set(made["models"]) == {"deepseek/deepseek-chat", "mirror/deepseek-chat", "deepseek-reasoner"}
    assert made["agents"]["default"] == "mirror/deepseek-chat"


def test_the_first_versions_one_model_is_the_default(tmp_path: Path) -> None:
    found = {"OPENAI_MODEL": "x", "OPENAI_BASE_URL": "https://h.example", "OPENAI_API_KEY": "$K", "Providers": []}
    made = tables(found, tmp_path)
    assert made["providers"] == {"default": {"base_url": "https://h.example", "api_key": "$K"}}
    assert made["agents"] == {"default": "x"}


SERVER: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("open", {"HOST": "0.0.0.0", "APIKEY": "$CCR_KEY", "PORT": "3457"},
     {"server": {"api_key": "$CCR_KEY", "host": "0.0.0.0", "port": 3457}}, ""),
    ("host-without-key", {"HOST": "0.0.0.0"}, {}, "HOST is 0.0.0.0, which needs an APIKEY"),
    ("loopback", {"HOST": "127.0.0.1", "APIKEY": ""}, {}, ""),
    ("port", {"PORT": "x"}, {}, "PORT must be a whole number"),
    ("timeout", {"API_TIMEOUT_MS": "600000"}, {"timeouts": {"upstream_s": 600}}, ""),
    ("timeout-odd", {"API_TIMEOUT_MS": 1500}, {"timeouts": {"upstream_s": 1.5}}, ""),
    ("proxy", {"PROXY_URL": "http://127.0.0.1:7890"}, {"proxy": "http://127.0.0.1:7890"}, ""),
    ("proxy-variable", {"httpsProxy": "$PROXY"}, {}, "httpsProxy must be an http://.*; set PROXY_URL"),
    ("silent", {"LOG": True, "LOG_LEVEL": "debug", "NON_INTERACTIVE_MODE": False, "CLAUDE_PATH": "x"}, {}, ""),
    ("custom-router", {"CUSTOM_ROUTER_PATH": "$HOME/r.js"}, {}, "CUSTOM_ROUTER_PATH is JavaScript; .* routing.custom"),
    ("statusline", {"StatusLine": {"enabled": True}}, {}, "StatusLine has no counterpart"),
    ("plugins", {"transformers": [{"path": "x.js"}], "plugins": []}, {}, "transformers are JavaScript plugins"),
    ("unknown", {"Whatever": 1, "Nothing": None}, {}, "Whatever is no key that is known here."),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "becomes", "said"), [c[1:] for c in SERVER], ids=[c[0] for c in SERVER])
def test_the_server_and_the_rest(keys: Any, becomes: Any, said: str, tmp_path: Path) -> None:
    found = {"Providers": [], **keys}
    assert tables(found, tmp_path) == becomes
    left = convert(found).left
    assert len(left) == bool(said) and re.search(said, "".join(left))


def test_json5_with_comments_is_read() -> None:
    text = "// mine\n{Providers: [{name: 'p', api_base_url: 'http://h/v1', models: ['m'],},], /* x */ Router: {}}"
    assert convert(parse(text)).edits[0] == (("providers", "p"), {})


WRONG = [
    ("{Providers: [", r"neither JSON nor JSON5: unexpected end of input in line 1, column 14\.$"),
    ("root:x:0:0", r'neither JSON nor JSON5: unexpected "r" in line 1, column 1\.$'),
    ("{a: 1,\n b: }", r'JSON5: unexpected "}" in line 2, column 5\.$'),
    ("", r"JSON5: it is empty\.$"),
    ("[" * 9000, r"JSON5: it is nested too deeply\.$"),
    ("[]", "holds no JSON object"),
    ('{"a": 1}', "neither Providers nor Router"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_is_no_such_file_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse(text)


WHOLE = {
    "APIKEY": "secret-of-mine",
    "Providers": [
        {**DEEPSEEK, "transformer": {"use": ["deepseek"], "deepseek-chat": {"use": ["tooluse"]}}},
        {"name": "ollama", "api_base_url": "http://localhost:11434/v1/chat/completions", "api_key": "ollama",
         "models": ["qwen2.5-coder:latest"]},
        {"name": "modelscope", "api_base_url": "https://api-inference.modelscope.cn/v1/chat/completions", "api_key": "",
         "models": ["Qwen/Qwen3-Coder-480B-A35B-Instruct"],
         "transformer": {"use": [["maxtoken", {"max_tokens": 65536}], "enhancetool"]}},
    ],
    "Router": {"default": "deepseek,deepseek-chat", "background": "ollama,qwen2.5-coder:latest"},
    "fallback": {"default": ["modelscope,Qwen/Qwen3-Coder-480B-A35B-Instruct"]},
    "StatusLine": {"enabled": True},
}  # fmt: skip


@pytest.fixture
def old(alone: Path) -> Callable[[Any], str]:
    def write(found: Any) -> str:
        (alone / "old.json").write_text(found if isinstance(found, str) else json.dumps(found))
        return "old.json"

    return write


def test_a_whole_file_is_carried_over_and_loads(call: Call, alone: Path, old: Callable[[Any], str]) -> None:
    done = call("config", "import", old(WHOLE))
    assert (done.code, done.out.strip()) == (0, str(alone / "config.toml"))
    assert "tooluse" in done.err and "StatusLine" in done.err
    assert "3 providers, 4 models, 2 agents carried over, 2 left behind" in done.err
    assert "secret-of-mine" not in done.out + done.err
    assert stat.S_IMODE((alone / "config.toml").stat().st_mode) == 0o600
    config = assembly.load({}, {"CCR_TUI_CONFIG": "config.toml"}, alone)
    assert config.agents == {
        "default": ("deepseek-chat", "Qwen/Qwen3-Coder-480B-A35B-Instruct"), "background": ("qwen2.5-coder:latest",)
    }  # fmt: skip
    assert config.providers["deepseek"].api_key == "$DEEPSEEK_API_KEY"
    assert config.providers["deepseek"].base_url == "https://api.deepseek.com"
    for model in config.models.values():
        facts_for(config.providers[model.provider], model)


def test_the_same_file_may_come_twice(call: Call, alone: Path, old: Callable[[Any], str]) -> None:
    assert call("config", "import", old(WHOLE)).code == 0
    before = (alone / "config.toml").read_text()
    assert call("config", "import", old(WHOLE)).code == 0
    assert (alone / "config.toml").read_text() == before


def test_what_is_set_already_is_not_replaced_unasked(call: Call, alone: Path, old: Callable[[Any], str]) -> None:
    mine = (
        '# mine\n[providers.deepseek]\napi_key = "$MINE"\ntimeout_s = 5\n'
        '[models.x]\nprovider = "deepseek"\n[agents]\ndefault = "x"\n'
    )
    (alone / "config.toml").write_text(mine)
    refused = call("config", "import", old(WHOLE))
    assert refused.code == 1
    assert "has providers.deepseek, agents.default already, so nothing was changed; --force" in refused.err
    assert (alone / "config.toml").read_text() == mine
    forced = call("config", "import", "--force", "--json", old(WHOLE))
    assert forced.code == 0
    told = json.loads(forced.out)
    assert told["providers"] == ["deepseek", "modelscope", "ollama"] and len(told["left"]) == 2
    after = (alone / "config.toml").read_text()
    assert "# mine" in after and "timeout_s" not in after
    assert (alone / "config.toml.bak").read_text() == mine


def test_what_would_not_load_is_not_written(call: Call, alone: Path, old: Callable[[Any], str]) -> None:
    bad = {"Providers": [{**DEEPSEEK, "api_base_url": "ftp://nowhere"}]}
    refused = call("config", "import", old(bad))
    assert refused.code == 1
    assert "providers.deepseek.base_url must be an http://" in refused.err
    assert not (alone / "config.toml").exists()


def test_a_file_that_is_not_there(call: Call) -> None:
    refused = call("config", "import", "nowhere.json")
    assert refused.code == 1 and "nowhere.json could not be read" in refused.err
