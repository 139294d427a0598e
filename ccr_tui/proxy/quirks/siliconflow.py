"""SiliconFlow: open models behind Qwen's knob.

Source: docs.siliconflow.com chat-completions reference (enable_thinking, top_k, at most 4 stops): unchecked this month.
"""

from ccr_tui.proxy.quirks import Facts, Members

HOSTS = ("api.siliconflow.cn", "api.siliconflow.com")
MODELS: tuple[str, ...] = ()
FACTS = Facts(
    family="siliconflow",
    top_k=True,
    max_stops=4,
    json_schema=False,
    reasoning_back="reasoning_content",
)

MEMBERS: Members = (
    # the knob answers 400 on models that do not know it
    (r"qwen3(?!.*(instruct|thinking|coder))|glm-4\.[56]|deepseek-v[3-9]\.[1-9]|deepseek-v[4-9]|hunyuan",
     {"thinking": "enable_thinking", "efforts": ()}),
    (r"deepseek-v[4-9]|kimi-k2", {"reasoning_required": True, "forced_tool_with_thinking": False}),
    (r"deepseek-v[4-9]", {"reasoning_always": True}),
    (r"thinking|r1|qwq", {"always_thinks": True}),
    (r"deepseek|coder|kimi-k2-", {"images": False}),
)  # fmt: skip
