"""Groq: fast hosts of open models.

Source: console.groq.com/docs/reasoning and /docs/openai (reasoning_effort none or default for Qwen, low to high for
gpt-oss; reasoning_format must be parsed or hidden with tools; at most 4 stops, 128 tools).
"""

from ccr_tui.proxy.quirks import Facts, Members

HOSTS = ("api.groq.com",)
MODELS: tuple[str, ...] = ()
FACTS = Facts(
    family="groq",
    max_tokens_key="max_completion_tokens",
    max_stops=4,
    max_tools=128,
    images=False,
    json_schema=False,  # only some members
    json_with_tools=False,  # "json mode cannot be combined with tool/function calling" (vercel/ai #16540)
)

MEMBERS: Members = (
    (r"gpt-oss", {"thinking": "reasoning_effort", "always_thinks": True, "context": 131_072, "max_output": 65_536,
                  "json_schema": True}),
    (r"qwen3|deepseek-r1|qwq", {"extra": {"reasoning_format": "parsed"}}),
    # "`reasoning_effort` must be one of `none` or `default`" (mnfst/modelparams.dev #114)
    (r"qwen3", {"thinking": "reasoning_effort", "efforts": ("none", "default"), "context": 131_072,
                "max_output": 40_960}),
    # "must be less than or equal to `16384`" (free-claude-code #1354); text and pictures (models.dev #3761)
    (r"qwen3\.[6-9]", {"max_output": 16_384, "images": True}),
    (r"llama-4|kimi-k2", {"json_schema": True}),
    (r"llama-4", {"images": True}),
)  # fmt: skip
