"""Grok of xAI.

Sources: docs.x.ai/developers/model-capabilities/text/reasoning (grok-4.3: none to high); "Model does not support
parameter reasoningEffort" for grok-4 and 4.1 (opencode-oci-provider 0.2.3), whose reasoning models take no stop either.
"""

from ccr_tui.proxy.quirks import Facts, Members

HOSTS = ("api.x.ai",)
MODELS = (r"grok",)
FACTS = Facts(family="xai", mid_system="system", max_stops=4, max_tools=200)  # CLIProxyAPI #5214

MEMBERS: Members = (
    (r"grok-3-mini", {"thinking": "reasoning_effort", "efforts": ("low", "high"), "always_thinks": True,
                      "max_stops": 0}),
    (r"grok-4(?!.*non-reasoning)|grok-code", {"always_thinks": True, "max_stops": 0, "context": 256_000}),
    (r"grok-4\.[3-9](?!\d)|grok-[5-9]|grok-latest", {"thinking": "reasoning_effort", "always_thinks": False,
                                                    "efforts": ("none", "low", "medium", "high")}),
    # "none" is refused (docs.x.ai on reasoning; mnfst/modelparams.dev #330); grok-4.6 knows xhigh as well
    (r"grok-4\.[5-9](?!\d)|grok-[5-9]|grok-latest", {"always_thinks": True, "max_stops": 0,
                                                    "efforts": ("low", "medium", "high"), "context": 500_000}),
    (r"grok-4\.[6-9](?!\d)|grok-[5-9]|grok-latest", {"efforts": ("low", "medium", "high", "xhigh")}),
    (r"grok-4\.20", {"context": 2_000_000}),
)  # fmt: skip
