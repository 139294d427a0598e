"""GLM of Zhipu (Z.ai).

Sources: docs.z.ai/api-reference/llm/chat-completion ("only auto is supported" for tool_choice; response_format text or
json_object; one to four stop words, unchecked, so one) and docs.z.ai on preserved thinking (clear_thinking false) and
tool_stream, without which a long argument comes in one piece after minutes of silence.
"""

from ccr_tui.proxy.quirks import Facts, Members

HOSTS = ("api.z.ai", "open.bigmodel.cn")
MODELS = (r"glm", r"chatglm")
FACTS = Facts(
    family="zhipu",
    least={"top_p": 0.01},  # mnfst/modelparams.dev; unchecked
    max_output=131_072,
    max_stops=1,
    images=False,
    tool_choice_forced=False,
    tool_choice_none=False,
    parallel_off=False,
    json_schema=False,
    thinking="thinking_type",
    thinking_on={"type": "enabled", "clear_thinking": False},
    efforts=(),
    reasoning_back="reasoning_content",
    extra={"tool_stream": True},
)

MEMBERS: Members = (
    # 5.3-flash, asked live: llmgateway #3853
    (r"glm-[\d.]+v|glm-5\.3-flash", {"images": True}),
    (r"glm-4(-|\.0|$)", {"thinking": "none", "reasoning_back": None, "extra": {}, "max_output": 4_095}),
    (r"glm-4\.5", {"max_output": 98_304, "context": 131_072, "extra": {}}),
    (r"glm-(4\.[67]|5)", {"context": 202_752}),
    # a window of 1M: docs.z.ai/guides/llm/glm-5.3, asked live with 1,010,121 tokens (hermes-agent #87262; 5.2: #45695)
    (r"glm-5\.[2-9]", {"efforts": ("low", "medium", "high", "xhigh", "max"), "context": 1_048_576}),
    # any other effort is error 1210, and thinking can't be switched off (mnfst/modelparams.dev #327, asked live there)
    (r"glm-5\.([3-9]|\d\d)|glm-[6-9]", {"efforts": ("low", "high", "max"), "always_thinks": True}),
)  # fmt: skip
