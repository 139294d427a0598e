"""What the rules look at, what they answer, and what a model's name means.

Owns those words. Must never choose anything: that is `rules.py`, and their order is `routing.py`'s. The one surprise: a
name need not be configured to be meant. "provider,id" of a configured provider is enough, so that /model can try any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ccr_tui.config import Config, Model
from ccr_tui.errors import NotFound
from ccr_tui.proxy.asked import Asked
from ccr_tui.records import Json
from ccr_tui.slim import dataclass

ALIAS = "claude-ccr-"
"""Claude Code keeps only ids that begin with claude or anthropic from /v1/models (measured with 2.1.330)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the user's own Python file said."""

    model: str | None
    """As it was named: a model, "provider,id" or an agent; None: it leaves the choice to the rules below."""
    why: str = ""
    """Why there is no model, as a sentence."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the rules look at."""

    asked: Asked
    headers: Mapping[str, str]
    config: Config
    body: Json = None
    """The client's body; rules that read it pass where it is None."""
    estimate: int | None = None
    """Input tokens as the usual model is expected to count them; None: no rule needed them (see `routing.counts`)."""
    custom: Verdict | None = None
    """None: there is no such file, or it was not asked because an earlier rule decides."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A rule's answer: the model's name in our config, and the agent it speaks as."""

    model: str
    agent: str = "default"
    why: str = ""
    """A sentence about this request, after the rule's own reason."""
    fallbacks: tuple[str, ...] | None = None
    """None: the agent's own."""


NOBODY = "No model is configured for the default agent. Set OPENAI_MODEL, or agents.default in config.toml."

Rule = Callable[[Question], Choice | str]
"""Returns a choice, or the reason why the rule passed."""


def agent(config: Config, name: str) -> Choice | str:
    """The model that is assigned to the agent, or why there is none."""
    models = config.agents.get(name)
    return Choice(models[0], name) if models else f"no {name} agent is set"


def find(config: Config, name: str) -> str:
    """The model that `name` means: a configured name, or "provider,id" / "provider/id" of a configured provider.

    Raises NotFound, naming what there is, if none is meant.
    """
    wanted = name.removesuffix("[1m]")
    if wanted in config.models:
        return wanted
    for model in config.models.values():
        if wanted in (f"{model.provider},{model.id}", f"{model.provider}/{model.id}", f"{model.provider},{model.name}"):
            return model.name
    provider, comma, id = wanted.partition(",")
    if comma and provider in config.providers and id.strip():
        return wanted
    known = ", ".join(sorted(config.models))
    raise NotFound(
        f"No model {name!r} is configured. Known: {known}. Add it to config.toml under [models].", should_retry=False
    )


def resolve(config: Config, name: str) -> Model:
    """The model of that name; "provider,id" need not be listed, so that /model can try any. Raises NotFound."""
    found = find(config, name)
    if found in config.models:
        return config.models[found]
    provider, _, id = found.partition(",")
    return Model(name=found, provider=provider, id=id)
