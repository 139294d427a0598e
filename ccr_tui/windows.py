"""The windows of models that neither config.toml nor their family tells: for people to read, not to clamp by.

Owns that short list. Pure, and quick to import, since the status line needs it. The one surprise: it goes by
Anthropic's own ids alone; the same model at a gateway, as "anthropic/claude-…", may have another window.
"""

from __future__ import annotations

import re

CLAUDE = "as genai-prices 0.2.3 has it"
"""Its `context_window` of Anthropic's own ids."""
WINDOWS = (
    (r"claude-(fable|mythos|(opus|sonnet|haiku)-(4-[6-9]|5)).*", 1_000_000, CLAUDE),
    (r"claude-(2|3|(opus|sonnet|haiku)-4).*", 200_000, CLAUDE),
)
"""The first pattern that an id matches as a whole."""


def window(model_id: str) -> tuple[int, str] | None:
    """Tokens in and out, and who says so; None where nobody does."""
    name = model_id.lower().removesuffix("[1m]")
    return next(((tokens, source) for pattern, tokens, source in WINDOWS if re.fullmatch(pattern, name)), None)
