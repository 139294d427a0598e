"""LM Studio.

Sources: lmstudio-bug-tracker #670 ("Invalid tool_choice type: 'object'. Supported string values: none, auto, required")
and #189 ("'response_format.type' must be 'json_schema'").
"""

from ccr_tui.proxy.quirks import Facts, Members

HOSTS = (":1234",)
MODELS: tuple[str, ...] = ()
FACTS = Facts(
    family="lmstudio",
    top_k=True,
    tool_choice_named="required",
    reasoning_back="reasoning_content",
    think_tags=True,
)

MEMBERS: Members = (
    # their templates refuse neighbours of one role (sources: mistral.py; anon-kode #60)
    (r"m[ia][sxg]tral|ministral|devstral|codestral", {"alternate": True, "user_after_tool": False, "tool_ids": "nine"}),
    (r"gemma", {"alternate": True}),
    (r"gpt-oss", {"reasoning_beside_text": False}),  # its template refuses both (llama.cpp #19703)
)
