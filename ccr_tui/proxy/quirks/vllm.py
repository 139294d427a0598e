"""vLLM and SGLang serving open models.

Source: docs.vllm.ai features/reasoning_outputs (the field is `reasoning`, once reasoning_content; Qwen3 takes
enable_thinking and DeepSeek-V3.1 thinking, both in chat_template_kwargs).
"""

from ccr_tui.proxy.quirks import Facts, Members

HOSTS: tuple[str, ...] = ()
MODELS: tuple[str, ...] = ()
FACTS = Facts(
    family="vllm",
    top_k=True,
    tool_choice_none=False,
    thinking="chat_template_kwargs",
    efforts=(),
    reasoning_back="reasoning",
)

MEMBERS: Members = (
    # their templates refuse neighbours of one role (sources: mistral.py; anon-kode #60)
    (r"m[ia][sxg]tral|ministral|devstral|codestral", {"alternate": True, "user_after_tool": False, "tool_ids": "nine"}),
    (r"gemma", {"alternate": True}),
)
