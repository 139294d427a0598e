"""Ollama.

Source: docs.ollama.com/api/openai-compatibility (supported fields: no parallel_tool_calls, tool_choice only lately;
reasoning_effort takes none to turn thinking off, aictrl-cli #75).
"""

from ccr_tui.proxy.quirks import Facts, Members

HOSTS = (":11434", "ollama.com")
MODELS: tuple[str, ...] = ()
FACTS = Facts(
    family="ollama",
    tool_choice_forced=False,
    tool_choice_none=False,
    parallel_off=False,
    json_with_tools=False,  # it takes both, and then calls no tool (its #11185)
    efforts=("none", "low", "medium", "high"),
    reasoning_back="reasoning",
    think_tags=True,
)

MEMBERS: Members = (
    # asking any other model to think answers 400 "does not support thinking"
    (r"qwen3(\.\d)?(:\d+b|:latest|$)|deepseek-(r1|v3\.1|v[4-9])|gpt-oss|magistral"
     r"|glm-(4\.[6-9]|5)|gemma4|kimi-k2\.[5-9]", {"thinking": "reasoning_effort"}),
    (r"gpt-oss|deepseek-r1", {"always_thinks": True}),
)  # fmt: skip
