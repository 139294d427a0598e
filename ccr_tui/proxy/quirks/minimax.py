"""MiniMax.

Sources: platform.minimax.io/docs/api-reference/text-openai-api (reasoning_split, <think> otherwise in the content;
tool_choice and response_format are not documented); java.agentscope.io's notes on the same API.
"""

from ccr_tui.proxy.quirks import Facts, Members

HOSTS = ("api.minimax.io", "api.minimaxi.com", "api.minimax.chat")
MODELS = (r"minimax", r"abab")
FACTS = Facts(
    family="minimax",
    least={"temperature": 0.01, "top_p": 0.01},  # both in (0.0, 1.0] (Vibe-Trading #33)
    max_tokens_key="max_completion_tokens",  # max_tokens is deprecated there
    images=False,
    tool_choice_forced=False,
    tool_choice_none=False,
    parallel_off=False,
    json_schema=False,
    thinking="none",
    always_thinks=True,  # M2.x thinks even when told not to
    # "the complete model response must be appended": with reasoning_split that is reasoning_details, of this form
    reasoning_detail={"type": "reasoning.text", "id": "reasoning-text-1", "format": "MiniMax-response-v1", "index": 0},
    cumulative=True,  # the reference's example for streams takes off what it has printed
    think_tags=True,
    extra={"reasoning_split": True},
)

MEMBERS: Members = (
    (r"m[3-9]", {"images": True, "thinking": "thinking_type", "thinking_on": {"type": "adaptive"}, "efforts": (),
                 "always_thinks": False, "context": 1_000_000}),
)  # fmt: skip
