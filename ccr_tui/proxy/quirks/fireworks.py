"""Fireworks: hosts of open models that refuse fields they do not know, under ids of their own making (glm-5p2).

Sources: docs.fireworks.ai/guides/reasoning (`reasoning_content` both ways, `reasoning_effort`, none turns it off) and
/api-reference/post-chatcompletions (top_k, tool_choice); vercel/ai #18306 and pi #4514 ("Extra inputs are not
permitted, field: 'messages[8].reasoning'"); deepagents-code's tables of efforts (none to xhigh for DeepSeek V4, low to
high for Kimi K2).
"""

from ccr_tui.proxy.quirks import Facts, Members

HOSTS = ("api.fireworks.ai",)
MODELS: tuple[str, ...] = ()
FACTS = Facts(
    family="fireworks",
    top_k=True,
    max_stops=4,
    max_unstreamed=4_096,  # "Requests with max_tokens > 4096 must have stream=true" (goclaw #660)
    reasoning_back="reasoning_content",
)

MEMBERS: Members = (
    (r"gpt-oss|kimi-k2p[5-9]|kimi-k3|minimax-m", {"thinking": "reasoning_effort", "always_thinks": True}),
    (r"glm-(4p[5-9]|5)|qwen3(?!.*(instruct|coder|thinking))|deepseek-v(3p[1-9]|4)",
     {"thinking": "reasoning_effort", "efforts": ("none", "low", "medium", "high")}),
    (r"deepseek-v4", {"efforts": ("none", "low", "medium", "high", "xhigh")}),
    (r"r1|-thinking", {"always_thinks": True}),
    (r"gpt-oss|deepseek|coder|glm-(?!.*v)|minimax", {"images": False}),
    # pictures, and xhigh and max apart (models.dev #6741)
    (r"deepseek-v4p[1-9]", {"images": True, "efforts": ("none", "low", "medium", "high", "xhigh", "max")}),
    (r"gemma", {"alternate": True}),
)  # fmt: skip
