"""NVIDIA's hosted NIM: vLLM and its kin, which refuse parameters that a model does not have.

Sources: build.nvidia.com's examples (chat_template_kwargs: enable_thinking for GLM, thinking for Kimi; opencode #13584,
cherry-studio #13846, forums.developer.nvidia.com 371284); hermes-agent #77973 ("Unsupported parameter(s): reasoning"),
picoclaw #1019 (prompt_cache_key), free-claude-code #1515 ("`top_p` is immutable for this model"). Whether earlier
reasoning may go back is unchecked, so it is left out.
"""

from ccr_tui.proxy.quirks import Facts, Members

HOSTS = ("integrate.api.nvidia.com",)
MODELS: tuple[str, ...] = ()
FACTS = Facts(
    family="nvidia",
    max_stops=4,
    parallel_off=False,  # unchecked
    think_tags=True,
)

_TEMPLATE = {"thinking": "chat_template_kwargs", "efforts": ()}

MEMBERS: Members = (
    (r"deepseek-v(3\.[1-9]|4)|kimi-k2\.[5-9]|glm-?(4\.[5-9]|5)|nemotron-3", _TEMPLATE),
    (r"qwen3(?!.*(instruct|coder|thinking))", _TEMPLATE),
    (r"gpt-oss", {"thinking": "reasoning_effort", "always_thinks": True, "context": 131_072}),
    (r"kimi-k[23]", {"sampling": False}),
    (r"kimi-k3|minimax-m|r1|-thinking|qwq", {"always_thinks": True}),
    (r"gpt-oss|deepseek|coder|glm-?(?!.*v)|minimax|nemotron-3", {"images": False}),
    (r"gemma", {"alternate": True}),
)  # fmt: skip
