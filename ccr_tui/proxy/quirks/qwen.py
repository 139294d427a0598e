"""Qwen at Alibaba's Model Studio (DashScope), and Qwen elsewhere as far as its own knob is known there.

Sources: help.aliyun.com/en/model-studio/deep-thinking; qwen-code #7659 and eino #994 ("The tool_choice parameter does
not support being set to required or object in thinking mode").
"""

from ccr_tui.proxy.quirks import Facts, Members

HOSTS = ("dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com", "dashscope-us.aliyuncs.com", "maas.aliyuncs.com",
         "aliyuncs.com")  # fmt: skip
MODELS = (r"qwen", r"qwq", r"qvq")
FACTS = Facts(
    family="qwen",
    least={"top_p": 0.01},  # "Required range: 0 < x <= 1" (docs.qwencloud.com)
    top_k=True,
    forced_tool_with_thinking=False,
    parallel_tool_calls=True,  # off unless asked for
    json_schema=False,  # json_object everywhere; json_schema on some members only
    json_with_thinking=False,
    thinking="enable_thinking",
    efforts=(),
    reasoning_back="reasoning_content",
)

MEMBERS: Members = (
    (r"qwq|qvq|-thinking", {"always_thinks": True}),
    # coder, instruct and the first max do not think, and refuse or ignore the knob
    (r"coder|-instruct|qwen2|qwen-max", {"thinking": "none", "reasoning_back": None, "forced_tool_with_thinking": True,
                                         "json_with_thinking": True}),
    # "parameter.enable_thinking must be set to false for non-streaming calls" (open weights; langchain4j #3974)
    (r"qwen3-\d+b", {"thinking_streamed_only": True}),
    # vision came to plus and flash with 3.5, to max with 3.8
    (r"-max|coder|qwen-(turbo|plus|flash|long)|deepseek|qwen3-(?!vl|omni)|qwq", {"images": False}),
    # pictures and enable_thinking: false asked live by llmgateway #3392; efforts: qwen-code #8488, models.dev #5732
    (r"qwen3\.[89]-(max|flash)", {"images": True, "efforts": ("low", "medium", "high", "xhigh", "max")}),
    (r"qwen3\.[89]-max", {"context": 1_000_000, "max_output": 131_072}),
    (r"coder-(plus|flash)", {"context": 1_000_000, "max_output": 65_536}),
    # vision, and an effort beside the switch (models.dev #7045)
    (r"deepseek-v4\.[1-9]", {"images": True, "efforts": ("low", "high", "max")}),
    (r"deepseek-v[4-9]", {"reasoning_required": True, "reasoning_always": True}),
)  # fmt: skip
