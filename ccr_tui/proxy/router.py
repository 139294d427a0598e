"""Router mode: the router says who works, the thinking and the coding agent work aside, the tool agent speaks.

Owns the hops of one user turn: at most `max_hops`, no agent twice in a row, one question before each. Must never fail a
request: whatever goes wrong with the router or an agent, the tool agent answers, and the trace says why. The one
surprise: inside a tool loop nobody is asked (a rule sees to that), because only the tool agent has tools.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b

from ccr_tui.config import Model
from ccr_tui.errors import ProxyError, UpstreamBroken, UpstreamTimeout
from ccr_tui.proxy.anthropic import Fold
from ccr_tui.proxy.asked import texts_of
from ccr_tui.proxy.asking import Asking, Job, ask, trial_of
from ccr_tui.proxy.consult import USES, Done, Verdict, question, verdict
from ccr_tui.proxy.draft import plain
from ccr_tui.proxy.hop import Aside, task
from ccr_tui.proxy.trying import goes_on
from ccr_tui.records import Attempt, Json, Purpose, RouteDecision
from ccr_tui.wire import dumps

REMEMBERED = 256
"""Verdicts that are kept: a client that sends a request again need not wait for the router again."""
PURPOSES: dict[str, Purpose] = {"think": "think", "coder": "code"}


async def dispatch(asking: Asking) -> str:
    """Ask the router and let agents work until the tool agent's turn; the draft then holds its decision and work.

    An agent that a rule has named works first, without a question; then the tool agent speaks. Returns what the tool
    agent must do without, as a sentence; "" where nobody failed.
    """
    draft, config = asking.draft, asking.context.config
    given = draft.decision.agent if draft.decision else ""
    asking.delivery.headers |= {"x-ccr-agent": "tool", "x-ccr-model": plain(config.agents["tool"][0])}
    done: list[Done] = []
    lacking = ""
    while True:
        chosen = Verdict(given, "by_rule") if given in PURPOSES else await next_agent(asking, done)
        draft.remark("router", told(chosen))
        if (agent := chosen.agent) == "tool":
            break
        try:
            done.append(Done(agent, await work(asking, agent)))
        except ProxyError as error:
            chosen = Verdict("tool", f"{agent}_failed_fallback", error.message)
            draft.remark(agent, f"{chosen.cause}: {chosen.said}")
            lacking = f"The {agent} agent failed, so the tool agent works without it."
            break
        draft.remark(agent, f"{len(done[-1].text)} characters")
        if given in PURPOSES:
            break
    draft.is_decided(decided(asking, chosen, done))
    return lacking


def is_dispatched(decision: RouteDecision) -> bool:
    """Whether the router, or an agent without tools, comes before the tool agent."""
    return decision.mode == "router" and decision.agent in ("router", *PURPOSES)


async def next_agent(asking: Asking, done: Sequence[Done]) -> Verdict:
    """Who works next; the router is asked only where there is a choice."""
    config = asking.context.config
    if len(done) >= config.routing.max_hops:
        return Verdict("tool", "max_hops_reached")
    last = done[-1].agent if done else None
    offered = [name for name in USES if config.agents.get(name) and name != last]
    if offered == ["tool"]:
        return Verdict("tool", "only_tool_agent_left")
    return await consult(asking, offered, done)


async def consult(asking: Asking, offered: Sequence[str], done: Sequence[Done]) -> Verdict:
    """The router's verdict, within its deadline; from memory if the very same was asked before."""
    context, names = asking.context, asking.context.config.agents["router"]
    await context.ready.wait()  # what is asked is cut to a number of tokens
    asked = question(asking.draft.body, offered, done, context.tokens_of)
    key = blake2b(dumps([names, asked]), digest_size=16).digest()
    if known := context.verdicts.get(key):
        return replace(known, cause="router_cache")
    deadline, before = context.config.routing.deadline_s, len(asking.draft.attempts)
    asking.draft.flight.agent = "router"
    try:
        async with asyncio.timeout(deadline):
            found = verdict(await heard(asking, names, asked, context.ticks() + deadline), offered)
    except TimeoutError:
        is_late(asking.draft.attempts, before, deadline)
        return Verdict("tool", "router_timeout_fallback")
    except ProxyError as error:
        return Verdict("tool", "router_error_fallback", error.message)
    if found.cause == "llm_classifier":
        remember(context.verdicts, key, found)
    return found


def is_late(attempts: list[Attempt], before: int, deadline: float) -> None:
    """Say of the call that the deadline ended, if one was under way, that it did."""
    if len(attempts) > before and attempts[-1].failure is None:
        late = UpstreamTimeout(f"The router gave no answer within {deadline:g} s.")
        attempts[-1] = replace(attempts[-1], failure=late.failure)


def remember(verdicts: dict[bytes, Verdict], key: bytes, found: Verdict) -> None:
    """Keep a verdict, and forget the oldest."""
    verdicts[key] = found
    if len(verdicts) > REMEMBERED:
        del verdicts[next(iter(verdicts))]


async def heard(asking: Asking, names: Sequence[str], asked: Json, until: float) -> str:
    """What the router says, or one of its fallbacks; no wait goes beyond `until` (ticks). Raises ProxyError."""
    ticks, folds = asking.context.ticks, list[Fold]()

    async def once(model: Model, key: str | None, why: str) -> None:
        folds.append(fold := Fold())

        async def sink(events: list[Json]) -> None:
            for event in events:
                fold.feed(event)

        await ask(asking, model, Job("route", asked, False, sink), key, why)

    def fits(wait: float) -> bool:
        return ticks() + wait < until

    await trial_of(asking, once, lambda: False, fits=fits, ends=goes_on, spared=True).run(names)
    return "".join(texts_of((folds[-1].message or {}).get("content")))


async def work(asking: Asking, agent: str) -> str:
    """Let an agent without tools work; the client watches. Its result. Raises ProxyError if there is none."""
    draft, delivery = asking.draft, asking.delivery
    asides = [Aside(agent)]
    given = task(draft.work, agent)

    async def once(model: Model, key: str | None, why: str) -> None:
        asides.append(aside := Aside(agent))

        async def sink(events: list[Json]) -> None:
            await delivery.send(aside.feed(events))

        await ask(asking, model, Job(PURPOSES[agent], given, asking.asked.stream, sink), key, why)

    draft.flight.agent = agent
    try:
        trial = trial_of(asking, once, lambda: delivery.answering, ends=goes_on, spared=True)
        await trial.run(asking.context.config.agents[agent])
    except ProxyError:
        await delivery.send(asides[-1].close())
        raise
    finally:
        delivery.next_speaker()
    if not asides[-1].text:
        raise UpstreamBroken(f"The {agent} agent gave no result.")
    worked = {"role": "assistant", "content": asides[-1].blocks}
    draft.work = {**draft.work, "messages": [*draft.work["messages"], worked]}
    return asides[-1].text


def decided(asking: Asking, chosen: Verdict, done: Sequence[Done]) -> RouteDecision:
    """The decision that the trace keeps: the tool agent speaks, and how it came to that."""
    before, models = asking.draft.decision, asking.context.config.agents["tool"]
    assert before is not None
    path = " → ".join([*(one.agent for one in done), "tool"])
    return RouteDecision(
        mode="router",
        agent="tool",
        model=models[0],
        rule=before.rule,
        reason=f"{path} ({chosen.cause})",
        fallbacks=models[1:],
        considered=before.considered,
    )


def told(chosen: Verdict) -> str:
    """A verdict in one line, with the router's own words."""
    return f"{chosen.agent}: {chosen.cause}" + (f": {chosen.said}" if chosen.said else "")
