"""DeepSeek: V4 and later think by default; the retired R1 and V3 names stay understood.

Sources: api-docs.deepseek.com/guides/thinking_mode (read November 2026: toggle, efforts, "for turns that do perform
tool calls, the reasoning_content must be fully passed back ... 400"), DeepSeek-V3 issue #1376 ("Thinking mode does not
support this tool_choice"), deepseek-harness #739 (a tool call without any reasoning needs the empty field).
"""

from ccr_tui.proxy.quirks import Facts, Members

HOSTS = ("api.deepseek.com",)
MODELS = (r"deepseek",)
FACTS = Facts(
    family="deepseek",
    context=1_000_000,
    max_output=384_000,
    images=False,
    max_stops=16,
    max_tools=128,  # api-docs.deepseek.com/api/create-chat-completion
    forced_tool_with_thinking=False,
    json_schema=False,  # only json_object, and the word "json" must be in the prompt
    thinking="thinking_type",
    efforts=("low", "medium", "high", "xhigh", "max"),  # medium and xhigh are taken and mapped by the server
    reasoning_back="reasoning_content",
    reasoning_required=True,
    reasoning_always=True,  # behind a call every answer must have it (claude-code-router #1378); before, it is ignored
    parallel_off=False,  # not in its reference
)

_R1 = {
    "thinking": "none",
    "always_thinks": True,
    "reasoning_back": None,  # R1 answered 400 when it was sent back
    "reasoning_required": False,
    "reasoning_always": False,
    "sampling": False,
    "context": 128_000,
    "max_output": 64_000,
}

MEMBERS: Members = (
    # api-docs.deepseek.com/quick_start/pricing: vision from V4.1-Flash on, which answers for the older flash names too
    (r"flash|v4\.[1-9]", {"images": True}),
    (r"reasoner|[-/]r1", _R1),
    (r"deepseek-chat|[-/]v3|coder", {"thinking": "none", "reasoning_required": False,
                                     "reasoning_always": False, "forced_tool_with_thinking": True,
                                     "context": 128_000, "max_output": 8_192}),
)  # fmt: skip
