"""Cerebras: fast hosts of open models that refuse every field they do not know, in the history too.

Sources: inference-docs.cerebras.ai/capabilities/reasoning and /api-reference/chat-completions (efforts of gpt-oss,
`reasoning` beside the text, Qwen's inside it); Empryo #209 (measured: `reasoning`, `enable_thinking` and messages with
`reasoning_content` are answered 400, messages with `reasoning` 200); opencode #6648 (`thinking` is refused);
harn's capability table (gpt-oss takes neither none nor minimal).
"""

from ccr_tui.proxy.quirks import Facts, Members

HOSTS = ("api.cerebras.ai",)
MODELS: tuple[str, ...] = ()
FACTS = Facts(
    family="cerebras",
    max_tokens_key="max_completion_tokens",
    max_stops=4,
    images=False,  # unchecked for gemma-4
    reasoning_back="reasoning",
    think_tags=True,
)

MEMBERS: Members = (
    # "Unsupported tool_choice: type='function' … Expected 'auto' or 'none'" (instructor #1766)
    (r"gpt-oss", {"thinking": "reasoning_effort", "always_thinks": True, "context": 131_072,
                  "tool_choice_forced": False}),
    # "none" is its only documented effort, and another may be refused, so it thinks as it does
    (r"glm", {"always_thinks": True, "context": 131_072, "max_output": 40_960}),
    (r"gemma", {"alternate": True}),
)  # fmt: skip
