"""Providers that people know by name: where they are, whose key they take, and a few of their models today.

Owns those facts, each with its source, and the names that a provider has retired. Must never be needed for an answer:
any name and any address may be configured, and a model that is not listed here works all the same. The one surprise: a
retired name is still taken and sent as it stands, because its provider may go on answering it; it only earns a hint.

Sources: "docs" is the provider's own documentation as stored copies show it, "genai-prices" the ids that its tables of
0.2.3 list for that provider, "measured" a run of ours. What nobody was found to say is "unchecked". All were read in
November 2026; none was asked live.
"""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from ccr_tui.slim import dataclass


@dataclass(frozen=True, slots=True)
class Preset:
    """A provider that need not be described by hand. `name` without base_url is enough in config.toml."""

    name: str
    title: str
    base_url: str
    key: str | None
    """The variable that its users commonly keep the key in; None: it asks for none."""
    family: str | None
    """Of `proxy/quirks`; None: it serves everybody's models, and the model's id decides."""
    models: tuple[str, ...]
    """The provider's ids, the one to begin with first. Empty: they are whatever runs there."""
    source: str
    kind: Literal["openai", "anthropic"] = "openai"
    note: str = ""
    """What should be known before choosing it, for people."""


PRESETS: tuple[Preset, ...] = (
    Preset(
        "deepseek", "DeepSeek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", "deepseek",
        ("deepseek-flash", "deepseek-v4-pro"),
        "docs: api-docs.deepseek.com/quick_start/pricing",
        note="others write that deepseek-v4-pro is answered by V4.1 Flash at its price since 2026-09-14 (unchecked)",
    ),
    Preset(
        "dashscope-intl", "Qwen, Alibaba Cloud (Singapore)",
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY", "qwen",
        ("qwen3.8-max", "qwen3.8-flash", "qwen3.7-plus", "qwen-max"),
        "docs: alibabacloud.com/help/en/model-studio; models: copies by litellm 1.109.1 and models.dev",
        note="keys of one region do not work in another",
    ),
    Preset(
        "dashscope", "Qwen, Alibaba Cloud (Beijing)",
        "https://dashscope.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY", "qwen",
        ("qwen3.8-max", "qwen3.8-flash", "qwen-plus", "qwen-max"),
        "docs: help.aliyun.com/model-studio; which models this region has is unchecked",
        note="keys of one region do not work in another",
    ),
    Preset(
        "openrouter", "OpenRouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", "openrouter",
        ("deepseek/deepseek-v4.1-flash", "qwen/qwen3.8-flash", "moonshotai/kimi-k3", "z-ai/glm-5.3"),
        "docs: openrouter.ai/docs; models: genai-prices",
    ),
    Preset(
        "moonshot", "Moonshot, Kimi (international)", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY", "moonshot",
        ("kimi-k3", "kimi-k2.7-code", "kimi-k2.6"),
        "docs: platform.kimi.ai/docs; models: genai-prices",
    ),
    Preset(
        "moonshot-cn", "Moonshot, Kimi (China)", "https://api.moonshot.cn/v1", "MOONSHOT_API_KEY", "moonshot",
        ("kimi-k3", "kimi-k2.6"),
        "docs: openclaw's list of its regions; which models it has is unchecked",
    ),
    Preset(
        "zhipu", "Zhipu, GLM (China)", "https://open.bigmodel.cn/api/paas/v4", "ZHIPUAI_API_KEY", "zhipu",
        ("glm-5.3", "glm-5.3-flash", "glm-5.2"),
        "models: genai-prices, ids in lower case as the docs write them; address and variable unchecked",
    ),
    Preset(
        "zai", "Z.ai, GLM (international)", "https://api.z.ai/api/paas/v4", "ZAI_API_KEY", "zhipu",
        ("glm-5.3", "glm-5.3-flash", "glm-5.2"),
        "docs: docs.z.ai; variable: openclaw; models: genai-prices",
        note="the GLM Coding Plan has another address: https://api.z.ai/api/coding/paas/v4",
    ),
    Preset(
        "siliconflow", "SiliconFlow (international)", "https://api.siliconflow.com/v1", "SILICONFLOW_API_KEY",
        "siliconflow", ("deepseek-ai/DeepSeek-V4-Pro",),
        "docs: docs.siliconflow.com quick start; model: another project's reading of its pages",
    ),
    Preset(
        "siliconflow-cn", "SiliconFlow (China)", "https://api.siliconflow.cn/v1", "SILICONFLOW_API_KEY",
        "siliconflow", ("deepseek-ai/DeepSeek-V4-Pro",),
        "docs: docs.siliconflow.cn quick start; whether it has this model is unchecked",
    ),
    Preset(
        "groq", "Groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", "groq",
        ("openai/gpt-oss-120b", "openai/gpt-oss-20b", "qwen/qwen3.8-27b"),
        "docs: console.groq.com/docs/models; last model: genai-prices",
    ),
    Preset(
        "openai", "OpenAI", "https://api.openai.com/v1", "OPENAI_API_KEY", "openai",
        ("gpt-5.6-terra", "gpt-5.6-luna", "gpt-5.4-mini"),
        "docs: developers.openai.com/api/docs/models; models: genai-prices",
    ),
    Preset(
        "gemini", "Gemini (OpenAI-compatible)", "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY", "gemini", ("gemini-3.8-flash", "gemini-3.1-pro-preview", "gemini-3-flash-preview"),
        "docs: ai.google.dev/gemini-api/docs/openai; models: genai-prices",
    ),
    Preset(
        "anthropic", "Anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY", None,
        ("claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5"),
        "docs: docs.claude.com; models: genai-prices",
        kind="anthropic",
    ),
    Preset(
        "mistral", "Mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY", "mistral",
        ("devstral-2512", "mistral-large-4"), "docs: docs.mistral.ai; models: genai-prices",
    ),
    Preset(
        "xai", "xAI", "https://api.x.ai/v1", "XAI_API_KEY", "xai", ("grok-4.7",), "docs: docs.x.ai; model: genai-prices"
    ),
    Preset(
        "ollama", "Ollama (this machine)", "http://127.0.0.1:11434/v1", None, "ollama", (),
        "docs: docs.ollama.com/api/openai-compatibility",
        note="its default window is a few thousand tokens, too few for Claude Code: set OLLAMA_CONTEXT_LENGTH",
    ),
    Preset(
        "lmstudio", "LM Studio (this machine)", "http://127.0.0.1:1234/v1", None, "lmstudio", (),
        "docs: lmstudio.ai/docs/developer/openai-compat; unchecked this month",
    ),
    Preset(
        "vllm", "vLLM (this machine)", "http://127.0.0.1:8000/v1", None, "vllm", (),
        "docs: docs.vllm.ai/en/latest/serving/openai_compatible_server",
        note="tools need --enable-auto-tool-choice and the model's --tool-call-parser",
    ),
    Preset(
        "llama_cpp", "llama.cpp (this machine)", "http://127.0.0.1:8080/v1", None, "llama_cpp", (),
        "measured with its server of October 2026",
        note="tools need --jinja and a template that knows them",
    ),
)  # fmt: skip

BY_NAME = {preset.name: preset for preset in PRESETS}


@dataclass(frozen=True, slots=True)
class Retired:
    """Names that a provider no longer serves, or is about to."""

    hosts: tuple[str, ...]
    """Host name suffixes: elsewhere the same name may be alive (anybody can serve open weights)."""
    pattern: str
    hint: str
    source: str


RETIRED: tuple[Retired, ...] = (
    Retired(
        ("api.deepseek.com",), r"deepseek-chat|deepseek-coder", "was retired on 2026-07-24; deepseek-flash follows it",
        "docs: api-docs.deepseek.com/news/news260424",
    ),
    Retired(
        ("api.deepseek.com",), r"deepseek-reasoner",
        "was retired on 2026-07-24; deepseek-flash with thinking follows it",
        "docs: api-docs.deepseek.com/news/news260424",
    ),
    Retired(
        ("api.deepseek.com",), r"deepseek-v3(\.\d)?", "is no name at DeepSeek's own address; use deepseek-flash",
        "docs: api-docs.deepseek.com/quick_start/pricing lists other names",
    ),
    Retired(
        ("api.deepseek.com",), r"deepseek-r1.*",
        "is no name at DeepSeek's own address; use deepseek-flash or deepseek-v4-pro, which think",
        "docs: api-docs.deepseek.com/quick_start/pricing lists other names",
    ),
    Retired(
        ("api.deepseek.com",), r"deepseek-v4-flash(-vision-exp)?",
        "is an old name, answered by deepseek-flash at its price",
        "docs: api-docs.deepseek.com/quick_start/pricing",
    ),
    Retired(
        ("aliyuncs.com",), r"qwen-max(-\d{4}-\d\d-\d\d|-latest)?",
        "is of an old generation (dated names are retired first); qwen3.8-max is today's",
        "docs: alibabacloud.com/help/en/model-studio/model-depreciation; its own date is unchecked",
    ),
    Retired(
        ("aliyuncs.com",), r"qwen2(\.5)?-.*",
        "is of an old generation and may be gone; qwen3.8-flash is today's small one", "unchecked",
    ),
    Retired(
        ("aliyuncs.com",),
        r"qwen-turbo.*|qwen3-max(-preview|-2025-09-23)?|qwen3-coder-(plus|480b).*|qwen3-(32b|30b|235b|next).*"
        r"|deepseek-(r1|v3).*|glm-4\.[57]",
        "was taken off on 2026-10-11 as a reseller writes (unchecked); qwen3.8-max or qwen3.8-flash follow it",
        "docs.apiyi.com/en/live/2026-10/bailian-models-offline",
    ),
    Retired(
        ("moonshot.ai", "moonshot.cn"), r"kimi-k2-.*|kimi-latest|kimi-k2",
        "was discontinued in 2026; use kimi-k2.6 or later",
        "promptfoo.dev/docs/providers/moonshot",
    ),
)  # fmt: skip


def hint(base_url: str, model_id: str) -> str | None:
    """What should be known about a model's name at that address: the end of a sentence that begins with the name."""
    host = urlsplit(base_url).hostname or ""
    for old in RETIRED:
        if any(host == mark or host.endswith("." + mark) for mark in old.hosts) and re.fullmatch(old.pattern, model_id):
            return old.hint
    return None


def at(base_url: str) -> Preset | None:
    """The preset whose host this is; None for anybody else's, and for the ports of this machine."""
    host = urlsplit(base_url).hostname
    return next((p for p in PRESETS if p.key and urlsplit(p.base_url).hostname == host), None)
