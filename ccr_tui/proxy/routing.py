"""Which model answers a request, and why.

Owns the rules, as functions in one ordered tuple: the first that names a model wins, and the trace keeps every rule
considered with why it passed. Must never do I/O. The one surprise: a rule's docstring is the reason that the trace
shows when it wins, so it is written for the person at the keyboard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ccr_tui.config import Config, Model
from ccr_tui.errors import NotFound
from ccr_tui.proxy.asked import Asked
from ccr_tui.records import RouteDecision

ALIAS = "claude-ccr-"
"""Claude Code keeps only ids that begin with claude or anthropic from /v1/models (measured with 2.1.330)."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the rules look at."""

    asked: Asked
    headers: Mapping[str, str]
    config: Config


@dataclass(frozen=True, slots=True)
class Choice:
    """A rule's answer: the model's name in our config, and the agent it speaks as."""

    model: str
    agent: str = "default"


Rule = Callable[[Question], Choice | str]
"""Returns a choice, or the reason why the rule passed."""


def pinned(question: Question) -> Choice | str:
    """The request names its model in the x-ccr-model header."""
    name = question.headers.get("x-ccr-model")
    if not name:
        return "no x-ccr-model header"
    return Choice(find(question.config, name), "pinned")


def explicit(question: Question) -> Choice | str:
    """The client asked for one of the configured models by name (/model provider,model or claude-ccr-NAME)."""
    asked = question.asked.model
    if asked.startswith(ALIAS):
        return Choice(find(question.config, asked.removeprefix(ALIAS)), "explicit")
    if "," in asked:
        return Choice(find(question.config, asked), "explicit")
    if asked in question.config.models:
        return Choice(asked, "explicit")
    return f"{asked!r} is not a name of ours"


def background(question: Question) -> Choice | str:
    """The client asked for its small, fast model (haiku), and a background agent is set."""
    if "haiku" not in question.asked.model:
        return "not a haiku-class model"
    return agent(question.config, "background")


def default(question: Question) -> Choice | str:
    """Normal mode: one model answers everything."""
    return agent(question.config, "default")


RULES: tuple[Rule, ...] = (pinned, explicit, background, default)


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
    provider, comma, _ = wanted.partition(",")
    if comma and provider in config.providers:
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


def decide(question: Question, rules: tuple[Rule, ...] = RULES) -> RouteDecision:
    """The first rule that names a model wins. Raises NotFound if none does, or a named model is unknown."""
    considered: list[tuple[str, str]] = []
    for rule in rules:
        name, reason = rule.__name__, " ".join((rule.__doc__ or "").split())
        answer = rule(question)
        considered.append((name, reason if isinstance(answer, Choice) else answer))
        if isinstance(answer, Choice):
            return decision(question.config, answer, name, reason, considered)
    raise NotFound(
        "No model is configured for the default agent. Set OPENAI_MODEL, or agents.default in config.toml.",
        should_retry=False,
    )


def decision(
    config: Config, choice: Choice, rule: str, reason: str, considered: list[tuple[str, str]]
) -> RouteDecision:
    """The record of a choice; an agent's fallbacks go along with it."""
    fallbacks = config.agents.get(choice.agent, ())[1:]
    return RouteDecision(config.mode, choice.agent, choice.model, rule, reason, fallbacks, tuple(considered))
