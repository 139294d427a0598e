"""Gemini through Google's OpenAI-compatible endpoint.

Sources: ai.google.dev/gemini-api/docs/openai (reasoning_effort); ai.google.dev/gemini-api/docs/thought-signatures: a
function call in the history without its signature answers 400 from Gemini 3 on, and "skip_thought_signature_validator"
is the documented stand-in for calls that another model made. It stands on the first of parallel calls.
"""

from ccr_tui.proxy.quirks import Facts, Members

HOSTS = ("generativelanguage.googleapis.com", "aiplatform.googleapis.com")
MODELS = (r"gemini",)
FACTS = Facts(
    family="gemini",
    context=1_048_576,
    max_output=65_536,
    max_stops=5,
    # refused by the older schema subset (until November 2025), and of no use to the model
    schema_drop=frozenset({"$schema", "$id", "$comment", "additionalProperties", "unevaluatedProperties",
                           "propertyNames", "patternProperties", "exclusiveMinimum", "exclusiveMaximum", "examples"}),
    parallel_off=False,  # unchecked
    string_enums=True,  # "Invalid value at '... enum[0]' (TYPE_STRING), 0" (azure-devops-mcp #139)
    list_items={"type": "string"},  # "items: missing field" (AstrBot #6029)
    thinking="reasoning_effort",
    efforts=("none", "low", "medium", "high"),
    tool_call_extra={"extra_content": {"google": {"thought_signature": "skip_thought_signature_validator"}}},
)  # fmt: skip

MEMBERS: Members = (
    # "Function calling with a response mime type: 'application/json' is unsupported" (vercel/ai #16540)
    (r"gemini-[12]\.\d|gemini-[12]-", {"tool_call_extra": {}, "json_with_tools": False}),
    (r"gemini-2\.5-pro|gemini-[3-9]", {"efforts": ("low", "medium", "high"), "always_thinks": True}),
    (r"gemini-(1|2\.0)", {"thinking": "none", "max_output": 8_192}),
)
