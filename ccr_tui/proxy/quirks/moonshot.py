"""Moonshot's Kimi.

Sources: error texts "thinking is enabled but reasoning_content is missing in assistant tool call message" (continue
#11711) and "tool_choice 'specified' is incompatible with thinking enabled" (oh-my-pi #1077); platform.kimi.ai on
thinking.keep and on K3, which always thinks and takes reasoning_effort low, high, max.
"""

from ccr_tui.proxy.quirks import Facts, Members

HOSTS = ("api.moonshot.ai", "api.moonshot.cn", "api.kimi.com")
MODELS = (r"kimi", r"moonshot")
FACTS = Facts(
    family="moonshot",
    context=262_144,
    max_stops=5,
    max_tools=128,  # "a max of 128 tools can be supported" (Kimi-K2 #90)
    sampling=False,  # K2.5 and later take only their own fixed temperature
    forced_tool_with_thinking=False,
    thinking="thinking_type",
    thinking_on={"type": "enabled", "keep": "all"},  # keep: earlier turns' reasoning is read, not ignored
    efforts=(),
    reasoning_back="reasoning_content",
    reasoning_required=True,
    parallel_off=False,  # unchecked
    json_schema=False,  # json_object is documented
    plain_schemas=True,  # "tools.function.parameters is not a valid moonshot flavored json schema" (kimi-code #2661)
)

_PLAIN = {"thinking": "none", "reasoning_required": False, "sampling": True, "forced_tool_with_thinking": True}

MEMBERS: Members = (
    (r"k3", {"thinking": "reasoning_effort", "always_thinks": True, "efforts": ("low", "high", "max"),
             "context": 1_000_000,  # platform.kimi.ai/docs/guide/kimi-k3-quickstart
             # it alone takes "required" while thinking, and none takes a name (inspect_ai #5152)
             "forced_tool_with_thinking": True, "tool_choice_named": "required"}),
    # "invalid thinking: only type=enabled is allowed for this model" (Kimi-K2 #141, oh-my-pi #3852); it is the default
    (r"k2\.7-code|for-coding", {"thinking": "none", "always_thinks": True}),
    (r"k2-thinking", {"thinking": "none", "always_thinks": True, "images": False}),
    (r"k2-(0711|0905|turbo|instruct)|moonshot-v1", {**_PLAIN, "images": False}),
)  # fmt: skip
