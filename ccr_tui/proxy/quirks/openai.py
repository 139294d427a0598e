"""OpenAI's own models.

Sources: developers.openai.com/api/docs/guides/reasoning and the error texts that their users quote (links below).
"""

from ccr_tui.proxy.quirks import Facts, Members

HOSTS = ("api.openai.com", "openai.azure.com")
MODELS = (r"gpt-[3-9]", r"o[134](-|$)", r"chatgpt-", r"codex")
FACTS = Facts(
    family="openai",
    max_tokens_key="max_completion_tokens",  # max_tokens is deprecated, and refused by reasoning models
    mid_system="system",
    documents="file",
    max_stops=4,
    max_tools=128,  # "array too long. Expected an array with maximum length 128"
    strict_tools=True,
    list_items={},  # "array schema missing items" (apify-mcp-server #36)
    tool_description_limit=None,  # 1024 was lifted; unchecked
    prompt_cache_key=True,
)

_REASONING = {
    "thinking": "reasoning_effort",
    "sampling": False,  # "Unsupported value: 'temperature' does not support ... with this model"
    "max_stops": 0,  # "Unsupported parameter: 'stop' is not supported with this model" (o-series, gpt-5)
}

MEMBERS: Members = (
    (r"^o[134](-|$)", {**_REASONING, "parallel_off": False, "context": 200_000, "max_output": 100_000}),
    (r"^gpt-[5-9](?!.*chat)", {**_REASONING, "efforts": ("minimal", "low", "medium", "high"), "context": 400_000,
                           "max_output": 128_000}),
    # gpt-5.1 refuses minimal: "Supported values are: 'none', 'low', 'medium', and 'high'" (opencode #4451)
    (r"^gpt-(5\.\d|[6-9])", {"efforts": ("none", "low", "medium", "high", "xhigh")}),
    (r"^gpt-5\.1(?!-codex-max)", {"efforts": ("none", "low", "medium", "high")}),
    # "Function tools with reasoning_effort are not supported for gpt-5.4 in /v1/chat/completions" (openai-openapi #541)
    (r"^gpt-5\.[45]", {"effort_with_tools": "omit"}),
    # from 5.6 on even leaving it out is refused: "set reasoning_effort to 'none'" (litellm PR #34569; gpt-6-sol: onyx
    # #15008 and docs.oxen.ai)
    (r"^gpt-(5\.([6-9]|\d\d)|[6-9])", {"effort_with_tools": "none", "context": 1_050_000}),
    # always think: "Supported values are: 'low', 'medium', 'high', and 'xhigh'", so that no value lets tools through
    # there (genkit #6303 for astra; 6.1: runware.ai's page of it; what of later ones?)
    (r"^gpt-6(-astra|\.\d)", {"efforts": ("low", "medium", "high", "xhigh"), "always_thinks": True,
                              "effort_with_tools": "omit"}),
    (r"^gpt-4o", {"context": 128_000, "max_output": 16_384}),
    (r"^gpt-4\.1", {"context": 1_047_576, "max_output": 32_768}),
)  # fmt: skip
