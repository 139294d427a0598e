"""Which model answers a request, and why.

Owns the order of the rules: the first that names a model wins, and the trace keeps every rule considered with why it
passed. Must never do I/O; what a rule needs to be known before is asked for by `counts` and `settled`. The one
surprise: where rule `router` wins, the decision names the router itself, who has yet to be asked; it never answers.
"""

from __future__ import annotations

from ccr_tui.config import Config
from ccr_tui.errors import NotFound
from ccr_tui.proxy import rules as each
from ccr_tui.proxy.question import ALIAS, NOBODY, Choice, Question, Rule, Verdict, agent, find, resolve
from ccr_tui.proxy.rules import usual, window
from ccr_tui.records import RouteDecision

__all__ = [
    "ALIAS", "FIRST", "RULES", "Choice", "Question", "Rule", "Verdict", "agent", "counts", "decide", "find", "resolve",
    "settled", "usual", "window",
]  # fmt: skip

FIRST: tuple[Rule, ...] = (each.pinned, each.explicit, each.tagged)
"""Somebody has said which model: nothing else needs to be known."""
RULES: tuple[Rule, ...] = (
    *FIRST,
    each.ruled,
    each.custom,
    each.long_context,
    each.web_search,
    each.image,
    each.background,
    each.think,
    each.continued,
    each.router,
    each.unrouted,
    each.default,
)


def counts(config: Config) -> bool:
    """Whether a rule may need `Question.estimate`."""
    measured = any(rule.when.tokens_over is not None for rule in config.rules)
    return measured or config.routing.custom is not None or bool(config.agents.get("long_context"))


def settled(question: Question, rules: tuple[Rule, ...] = FIRST) -> bool:
    """Whether one of the rules names a model. Raises NotFound if a model is named that is not ours."""
    return any(isinstance(rule(question), Choice) for rule in rules)


def decide(question: Question, rules: tuple[Rule, ...] = RULES) -> RouteDecision:
    """The first rule that names a model wins. Raises NotFound if none does, or a named model is unknown."""
    considered: list[tuple[str, str]] = []
    for rule in rules:
        answer = rule(question)
        if isinstance(answer, str):
            considered.append((rule.__name__, answer))
            continue
        why = reason(rule, answer)
        considered.append((rule.__name__, why))
        return decision(question.config, answer, rule.__name__, why, considered)
    raise NotFound(NOBODY, should_retry=False)


def reason(rule: Rule, choice: Choice) -> str:
    """The rule's own words, and what it says about this request."""
    return " ".join(f"{rule.__doc__ or ''} {choice.why}".split())


def decision(
    config: Config, choice: Choice, rule: str, reason: str, considered: list[tuple[str, str]]
) -> RouteDecision:
    """The record of a choice; an agent's fallbacks go along with it."""
    fallbacks = config.agents.get(choice.agent, ())[1:] if choice.fallbacks is None else choice.fallbacks
    return RouteDecision(config.mode, choice.agent, choice.model, rule, reason, fallbacks, tuple(considered))
