"""Mistral.

Sources: error texts "Tool call id was ... but must be a-z, A-Z, 0-9, with a length of 9" (opencode #1680) and
"Unexpected role 'user' after role 'tool'" (the same client puts an assistant message between them). Templates refuse
neighbours of one role, wherever they are run: "conversation roles must alternate user and assistant roles except for
tool calls and results" (opencode #5034 with llama.cpp, vllm #6862). "Expected last role User or Tool (or Assistant with
prefix True)" (new-api #2858). docs.mistral.ai/inference/conversations/reasoning: whose reasoning_effort can be set.
"""

from ccr_tui.proxy.quirks import Facts, Members

HOSTS = ("api.mistral.ai", "codestral.mistral.ai")
MODELS = (r"mistral", r"ministral", r"mixtral", r"codestral", r"devstral", r"magistral", r"pixtral")
FACTS = Facts(
    family="mistral",
    least={"top_p": 0.01},  # mnfst/modelparams.dev #231
    alternate=True,
    tool_ids="nine",
    user_after_tool=False,
    prefill={"prefix": True},
    include_usage=False,  # usage always comes with the last chunk; the option is not in its reference
)

MEMBERS: Members = (
    (r"codestral|devstral|mixtral|open-mistral", {"images": False}),
    (r"magistral", {"always_thinks": True}),
    (r"mistral-(small-(latest|26\d\d)|medium-3[-.]5)", {"thinking": "reasoning_effort", "efforts": ("none", "high")}),
    (r"mistral-large-4", {"thinking": "reasoning_effort", "context": 1_000_000}),
)
