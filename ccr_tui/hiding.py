"""A sentence without the keys of the configuration: for what is kept or shown beside the recorded requests.

Owns that cover of plain text; what is recorded of a request is `store/veil.py`'s. Must never change text that holds no
key. The one surprise: a key that is part of a longer one would leave the longer one's end behind, so that goes first.
"""

from __future__ import annotations

from ccr_tui.config import Config, secrets

SHORTEST = 8
"""Characters below which a value is no secret: "none" and "local" are keys of servers that want none."""


def hidden(text: str, config: Config) -> str:
    """The same, with asterisks over every key of the configuration."""
    for secret in sorted(secrets(config), key=len, reverse=True):
        if len(secret) >= SHORTEST:
            text = text.replace(secret, "*" * len(secret))
    return text
