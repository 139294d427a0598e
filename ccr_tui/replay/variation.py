"""What a variant makes of a recorded request: its configuration, its headers, and what the router is taken to say.

Owns that, for reruns. Must never change the recorded body but for its limit of output tokens. The one surprise: one
model for all is said in a header that the street knows anyway, so that no rule of the configuration can win over it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from ccr_tui.config import Config, Guards
from ccr_tui.proxy.consult import Verdict
from ccr_tui.proxy.routing import ALIAS
from ccr_tui.records import Trace
from ccr_tui.replay.asrecorded import verdicts
from ccr_tui.replay.words import Variant

NEVER_S = 86_400.0
"""Nobody waits for a ping."""
PIN = "x-ccr-model"
UNASKED = Verdict("tool", "llm_classifier", "assumed: the router was not asked when this was recorded")


def config_for(variant: Variant, trace: Trace) -> Config:
    """The variant's configuration, in the mode of this step."""
    config, recorded = variant.config, trace.decision.mode if trace.decision else None
    mode = "normal" if variant.model else variant.mode or recorded or config.mode
    return replace(config, mode=mode, ping_s=NEVER_S, guards=Guards(repeated_calls=None), keep_streams=True)


def headers_for(variant: Variant, trace: Trace) -> Mapping[str, str]:
    """The recorded headers; with one model for all, that model's name."""
    return {**trace.headers, PIN: variant.model} if variant.model else dict(trace.headers)


def memory_for(variant: Variant, trace: Trace) -> dict[bytes, Verdict]:
    """What the router is remembered to have said: nothing where it is to be asked."""
    return {} if variant.ask_router else AsRecorded(trace, variant.config)


class AsRecorded(dict[bytes, Verdict]):
    """The router's recorded verdicts, in order, whatever it is asked; the tool agent where it never was."""

    def __init__(self, trace: Trace, config: Config) -> None:
        super().__init__()
        self._left = list(told(trace, config))

    def get(self, key: bytes, default: object = None) -> Verdict | None:  # type: ignore[override]
        """The next verdict."""
        return self._left.pop(0) if self._left else UNASKED


def told(trace: Trace, config: Config) -> Iterator[Verdict]:
    """The recorded verdicts whose agents the variant has."""
    for verdict in verdicts(trace):
        if verdict.cause != "by_rule":
            yield verdict if config.agents.get(verdict.agent) else replace(verdict, agent="tool")


def names_a_model(trace: Trace) -> bool:
    """Whether the client asked for a model by a name of ours, which a variant may not have."""
    return trace.asked_model.startswith(ALIAS) or PIN in trace.headers


def candidates(variant: Variant) -> tuple[str, ...]:
    """Every model that may be asked to answer, by its name in the variant's configuration."""
    if variant.model:
        return (variant.model,)
    config = variant.config
    named = [name for rule in config.rules for name in rule.models]
    assigned = [name for agent, names in config.agents.items() if agent != "router" for name in names]
    return tuple(dict.fromkeys((*assigned, *named)))
