"""Together: open models behind one switch for those that think when told to.

Source: docs.together.ai/docs/inference/chat/reasoning (`reasoning: {"enabled": …}` for hybrid models, an effort for
gpt-oss, others always think; reasoning comes as `reasoning`) and its chat-completions reference (top_k). How earlier
reasoning goes back is not documented for answers, so it is left out.
"""

from ccr_tui.proxy.quirks import Facts, Members

HOSTS = ("api.together.xyz", "api.together.ai")
MODELS: tuple[str, ...] = ()
FACTS = Facts(
    family="together",
    top_k=True,
    max_stops=4,
    efforts=(),
    think_tags=True,  # R1 and its kin write them into the text
)

MEMBERS: Members = (
    (r"deepseek-v(3\.[1-9]|4)|glm-(4\.[5-9]|5)|kimi-k2\.[5-9]|qwen3\.[5-9]|cogito", {"thinking": "reasoning_object"}),
    (r"gpt-oss", {"thinking": "reasoning_effort", "always_thinks": True, "efforts": ("low", "medium", "high"),
                  "context": 131_072}),
    (r"minimax-m2|r1|-thinking|qwq", {"always_thinks": True}),
    (r"gpt-oss|deepseek|coder|glm-(?!.*v)|minimax", {"images": False}),
    (r"gemma", {"alternate": True}),
)  # fmt: skip
