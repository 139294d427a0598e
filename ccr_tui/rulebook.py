"""What steers and what stops: [[rules]], [routing], [guards] and [patience] of config.toml.

Owns their keys. Must never stop at the first problem, nor judge a request: that is `proxy/rules.py`. The one surprise:
`~` in a project's glob and the folder of the user's Python file are resolved here, because the rules do no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import cast, get_args

from ccr_tui import values
from ccr_tui.config import Config, Guards, Patience, Routing, UserRule, When
from ccr_tui.records import Kind
from ccr_tui.settings import Section

_COUNT = values.integer(1, 100_000_000)
_HOPS = values.integer(1, 20)


def rules(root: Section, named: Callable[[str, str], str | None], agents: Collection[str]) -> tuple[UserRule, ...]:
    """The user's own rules that make sense. `named` finds a model or complains; `agents` are those that are set."""
    found = [_rule(section, number, named, agents) for number, section in enumerate(root.listed("rules"), start=1)]
    return tuple(rule for rule in found if rule)


def _rule(
    section: Section, number: int, named: Callable[[str, str], str | None], agents: Collection[str]
) -> UserRule | None:
    before = len(section.problems)
    wanted: tuple[str, ...] = section.get("model", values.names, tuple[str, ...]())
    models = [named(name, f"{section.path}.model") for name in wanted]
    rule = UserRule(
        section.get("name", values.text, f"#{number}"),
        _when(section.section("when")),
        tuple(name for name in models if name),
        section.get("agent", values.text, None),
    )
    section.close()
    section.problems += [f"{section.path}{wrong}" for wrong in _wrong(section, rule, agents)]
    return rule if len(section.problems) == before else None


def _wrong(section: Section, rule: UserRule, agents: Collection[str]) -> list[str]:
    found = []
    if ("model" in section) == ("agent" in section):
        found.append(" needs a model or an agent, and not both")
    if rule.agent == "router":
        found.append(".agent is the router, which only chooses and never answers")
    elif rule.agent and rule.agent not in agents:
        set_agents = ", ".join(sorted(agents))
        found.append(
            f".agent is {rule.agent!r}, but agents.{rule.agent} is not set (set: {set_agents})"
            f"{values.did_you_mean(rule.agent, [*agents])}"
        )
    if "when" not in section:
        found.append(".when is missing: it says which requests are meant")
    elif rule.when == When():
        found.append(".when has no condition, so the rule would take every request")
    return found


def _when(section: Section) -> When:
    nothing: tuple[str, ...] = ()
    found = When(
        project=tuple(_expanded(glob) for glob in section.get("project", values.words, nothing)),
        asked=section.get("asked", values.words, nothing),
        kind=cast("tuple[Kind, ...]", section.get("kind", values.some_of(*get_args(Kind)), nothing)),
        subagent=section.get("subagent", values.switch, None),
        agent_type=section.get("agent_type", values.words, nothing),
        tokens_over=section.get("tokens_over", _COUNT, None),
        tools=section.get("tools", values.words, nothing),
        text=section.get("text", values.pattern, None),
    )
    section.close()
    return found


def _expanded(glob: str) -> str:
    home = str(Path.home()) + glob[1:] if glob == "~" or glob.startswith("~/") else glob
    return home.rstrip("/") or "/"


def routing(root: Section, folder: Path) -> Routing:
    """[routing]; the user's Python file is looked for beside config.toml."""
    section, default = root.section("routing"), Routing()
    custom: str = section.get("custom", values.text, "")
    found = Routing(
        folder / Path(custom).expanduser() if custom else None,
        section.get("deadline_s", values.seconds, default.deadline_s),
        section.get("max_hops", _HOPS, default.max_hops),
        section.get("long_context_over", _COUNT, default.long_context_over),
    )
    section.close()
    return found


def guards(root: Section) -> Guards:
    """[guards]; 0 turns a counted one off."""
    section, default = root.section("guards"), Guards()
    number = values.integer(0, 1_000_000)
    found = Guards(
        section.get("requests_per_minute", number, default.requests_per_minute) or None,
        section.get("repeated_calls", number, default.repeated_calls) or None,
        section.get("budget_per_day", values.budget, None),
        section.get("budget_per_session", values.budget, None),
    )
    section.close()
    return found


def patience(root: Section) -> Patience:
    """[patience]; each further try waits twice as long as the one before it, from half a second on."""
    section, default = root.section("patience"), Patience()
    retries: int = section.get("retries", values.integer(0, 8), len(default.waits_s))
    found = Patience(
        tuple(0.5 * 2**n for n in range(retries)),
        section.get("retry_after_s", values.seconds, default.retry_after_s),
        section.get("breaker_failures", values.integer(1, 1000), default.breaker_failures),
        section.get("breaker_window_s", values.seconds, default.breaker_window_s),
        section.get("breaker_rest_s", values.seconds, default.breaker_rest_s),
    )
    section.close()
    return found


def unrouted(config: Config) -> list[str]:
    """What Router mode lacks, a sentence each."""
    if config.mode != "router":
        return []
    left = {
        "router": "agents.router is not set, so nobody is asked and the tool agent answers everything",
        "tool": "agents.tool is not set, so the default agent speaks with the client",
    }
    return [f"the mode is router, but {why}" for agent, why in left.items() if agent not in config.agents]
