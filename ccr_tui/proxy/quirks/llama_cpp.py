"""llama.cpp's own server.

Measured with its server of October 2026 (SmolLM2): a named tool_choice object is ignored with a warning in its log, so
"required" with only that tool; "none" leaves the tools in the prompt and the call comes back as text.
"""

from ccr_tui.proxy.quirks import Facts, Members

HOSTS: tuple[str, ...] = ()
MODELS: tuple[str, ...] = ()
FACTS = Facts(
    family="llama_cpp",
    images=False,  # an image to a text model answers 500; turn it on for a model with a projector
    top_k=True,
    tool_choice_named="required",
    tool_choice_none=False,
    thinking="chat_template_kwargs",
    efforts=(),
    reasoning_back="reasoning_content",
)

MEMBERS: Members = (
    # their templates refuse neighbours of one role (sources: mistral.py; anon-kode #60)
    (r"m[ia][sxg]tral|ministral|devstral|codestral", {"alternate": True, "user_after_tool": False, "tool_ids": "nine"}),
    (r"gemma", {"alternate": True}),
    (r"gpt-oss", {"reasoning_beside_text": False}),  # its template refuses both (llama.cpp #19703)
)
