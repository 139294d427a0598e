"""What a rerun or a lab was answered, without the keys that were in it.

Owns that look. Must come before anything of an answer is kept: a run's results hold the words of routers and what tools
were called with, beside its requests in the store. The one surprise: a variant may have a configuration of its own.
"""

from __future__ import annotations

from ccr_tui.config import Config, secrets
from ccr_tui.records import Trace
from ccr_tui.store.veil import Veil


def covered(trace: Trace, *configs: Config) -> Trace:
    """The same, with asterisks over every key of these configurations."""
    return Veil(lambda: [one for config in configs for one in secrets(config)]).over(trace)
