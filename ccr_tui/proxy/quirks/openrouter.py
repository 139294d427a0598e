"""OpenRouter: everybody's models behind one `reasoning` object.

Source: openrouter.ai/docs/use-cases/reasoning-tokens (efforts xhigh to none; `reasoning` is taken back in assistant
messages). Some models answer 400 "Reasoning is mandatory for this endpoint and cannot be disabled".
"""

from ccr_tui.proxy.quirks import Facts, Members

HOSTS = ("openrouter.ai",)
MODELS: tuple[str, ...] = ()
FACTS = Facts(
    family="openrouter",
    documents="file",
    strict_tools=True,
    list_items={},
    top_k=True,
    thinking="reasoning_object",
    efforts=("minimal", "low", "medium", "high", "xhigh"),
    reasoning_back="reasoning",
    reasoning_details=True,
)

MEMBERS: Members = (
    (r"openai/(o\d|gpt-[5-9])|gemini-[\d.]+-pro|gemini-3|r1|qwq|thinking|grok-4|minimax-m2|kimi-k3|glm-5\.3|gpt-oss",
     {"always_thinks": True}),
    # "Gemini models require OpenRouter reasoning details to be preserved in each request" (claude-code-router #1057)
    (r"gemini-([3-9]|\d\d)", {"call_detail": {"type": "reasoning.encrypted", "format": "google-gemini-v1",
                                              "data": "skip_thought_signature_validator"}}),
    # the maker's own rules hold behind the router too
    (r"deepseek-(v4|flash)|kimi-k[23]", {"forced_tool_with_thinking": False, "reasoning_required": True}),
    (r"kimi", {"plain_schemas": True}),
    # "Tool call id was … but must be a-z, A-Z, 0-9, with a length of 9" (claude-code-router #1070)
    (r"mistral|mixtral|pixtral|devstral|codestral|magistral", {"tool_ids": "nine", "user_after_tool": False}),
    (r"claude", {"forced_tool_with_thinking": False}),
    (r"deepseek(?!.*(flash|v4\.[1-9]))|qwen3-coder|glm-[45](?!.*v|\.3-flash)", {"images": False}),
)  # fmt: skip
