"""The rules: each looks at a request and names a model, or says why it passes.

Owns what each rule means; their order stands in `routing.py`. Must never do I/O. The one surprise: a rule's docstring
is the reason that the trace shows when it wins, so it is written for the person at the keyboard.
"""

from __future__ import annotations

from dataclasses import replace

from ccr_tui.config import Config, UserRule
from ccr_tui.errors import NotFound
from ccr_tui.proxy.asked import newest_turn
from ccr_tui.proxy.matching import mismatch
from ccr_tui.proxy.question import ALIAS, NOBODY, Choice, Question, agent, find, resolve
from ccr_tui.proxy.quirks import facts_for
from ccr_tui.proxy.tag import tag_of
from ccr_tui.proxy.turn import goes_on

ROUTED = ("main", "subagent", "other")
"""Kinds of request that may begin a user's turn."""
HARD = ("high", "xhigh", "max")
"""Efforts that count as thinking asked for: today's Claude Code asks for adaptive thinking in every request."""


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
    if "," in asked or asked.removesuffix("[1m]") in question.config.models:
        return Choice(find(question.config, asked), "explicit")
    return f"{asked!r} is not a name of ours"


def tagged(question: Question) -> Choice | str:
    """A <CCR-SUBAGENT-MODEL> tag in the prompt names this model."""
    name = tag_of(question.body) if question.body else None
    if name is None:
        return "no <CCR-SUBAGENT-MODEL> tag"
    return _named(question.config, name, "tagged") or f"the tag names {name!r}, which is no model of ours"


def ruled(question: Question) -> Choice | str:
    """A rule of your own, under [[rules]] in config.toml, takes this request."""
    passed = []
    for rule in question.config.rules:
        why = mismatch(rule.when, question)
        choice = _target(question.config, rule) if why is None else why
        if isinstance(choice, Choice):
            return replace(choice, why=f"It is {rule.name!r}.")
        passed.append(f"{rule.name!r}: {choice}")
    return "; ".join(passed) or "no [[rules]] are set"


def _target(config: Config, rule: UserRule) -> Choice | str:
    if rule.agent:
        return agent(config, rule.agent)
    return Choice(rule.models[0], "ruled", fallbacks=rule.models[1:])


def custom(question: Question) -> Choice | str:
    """Your own Python file (routing.custom) named this model."""
    verdict, config = question.custom, question.config
    if verdict is None:
        return "it was not asked" if config.routing.custom else "no routing.custom is set"
    if verdict.model is None:
        return verdict.why
    name = verdict.model
    found = _named(config, name, "custom") or (agent(config, name) if name != "router" else None)
    return found if isinstance(found, Choice) else f"it named {name!r}, which is neither a model nor an agent of ours"


def _named(config: Config, name: str, by: str) -> Choice | None:
    try:
        return Choice(find(config, name), by)
    except NotFound:
        return None


def long_context(question: Question) -> Choice | str:
    """The request is longer than routing.long_context_over, or than the usual model can take."""
    choice = agent(question.config, "long_context")
    if isinstance(choice, str):
        return choice
    if question.estimate is None:
        return "the tokens were not counted"
    tokens, limit, own = question.estimate, threshold(question), window(question.config, choice.model)
    if tokens <= limit:
        return f"about {tokens} tokens, not over {limit}"
    if own is not None and tokens > own and own < (window(question.config, usual(question.config)) or own + 1):
        return f"about {tokens} tokens, and {choice.model} has a window of {own} only"
    return replace(choice, why=f"About {tokens} tokens, over {limit}.")


def threshold(question: Question) -> int:
    """Input tokens from which a request is long: the usual model must still have room to answer."""
    limit = question.config.routing.long_context_over
    size = window(question.config, usual(question.config))
    return limit if size is None else min(limit, size - min(question.asked.max_tokens or 0, size // 4))


def usual(config: Config) -> str:
    """The model that speaks with the client where nothing special is asked. Raises NotFound if there is none."""
    speaks = ("tool", "default") if config.mode == "router" else ("default",)
    names = [config.agents[name][0] for name in speaks if config.agents.get(name)]
    if not names:
        raise NotFound(NOBODY, should_retry=False)
    return names[0]


def window(config: Config, name: str) -> int | None:
    """The model's real window in tokens, where it is known."""
    model = resolve(config, name)
    return facts_for(config.providers[model.provider], model).context


def web_search(question: Question) -> Choice | str:
    """The client wants the model's provider to search the web, and a web_search agent is set."""
    if not any(kind.startswith("web_search") for kind in question.asked.server_tools):
        return "no web_search tool"
    return agent(question.config, "web_search")


def image(question: Question) -> Choice | str:
    """The newest turn shows a picture, and an image agent is set."""
    return agent(question.config, "image") if question.asked.images else "no picture in the newest turn"


def background(question: Question) -> Choice | str:
    """A small side task (a haiku-class model asked for, a title), and a background agent is set."""
    kind = question.asked.kind
    if "haiku" not in question.asked.model.lower() and kind not in ("background", "title"):
        return f"no haiku-class model asked for, and {kind} is no side task"
    return agent(question.config, "background")


def think(question: Question) -> Choice | str:
    """Normal mode: thinking is asked for, and a think agent is set."""
    config = question.config
    if config.mode == "router":
        return "in Router mode it is the router that decides"
    if why := _no_thinking(question):
        return why
    origin = config.origins.get("agents.think", "")
    if origin.endswith("THINK_AGENT_MODEL"):
        return f"{origin} sets the think agent of Router mode"
    return agent(config, "think")


def _no_thinking(question: Question) -> str:
    thinking = question.body.get("thinking") if question.body else None
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    effort = question.asked.effort or "not said"
    if kind == "enabled" or (kind == "adaptive" and effort in HARD):
        return ""
    return f"adaptive thinking with effort {effort}" if kind == "adaptive" else "no thinking asked for"


def continued(question: Question) -> Choice | str:
    """user_turn_continuation: a tool's result came back, so the tool agent goes on and the router is not asked."""
    if question.config.mode != "router":
        return "the mode is normal"
    if not question.body or not goes_on(question.body):
        return "the newest turn brings no tool's result"
    return agent(question.config, "tool")


def router(question: Question) -> Choice | str:
    """Router mode: a user's turn begins, so the router is asked who does the work."""
    asked = question.asked
    if question.config.mode != "router":
        return "the mode is normal"
    if asked.kind not in ROUTED:
        return f"the router is not asked about a {asked.kind} request"
    if asked.max_tokens in (0, 1):
        return "a probe of one token" if asked.max_tokens else "it only warms the prompt cache"
    if not question.body or not newest_turn(question.body):
        return "no user's turn begins"
    if goes_on(question.body):
        return "a tool loop goes on"
    return agent(question.config, "router")


def unrouted(question: Question) -> Choice | str:
    """Router mode: the router is not asked about this request, so the tool agent answers."""
    if question.config.mode != "router":
        return "the mode is normal"
    return agent(question.config, "tool")


def default(question: Question) -> Choice | str:
    """No other rule took the request, so the default agent answers."""
    return agent(question.config, "default")
