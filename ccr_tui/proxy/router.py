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

from ccr_tui.errors import ProxyError, UpstreamTimeout
from ccr_tui.proxy.anthropic import Fold
from ccr_tui.proxy.asked import texts_of
from ccr_tui.proxy.asking import Asking, Job, ask
from ccr_tui.proxy.consult import USES, Done, Verdict, question, verdict
from ccr_tui.proxy.hop import Aside, task
from ccr_tui.proxy.routing import resolve
from ccr_tui.records import Json, Purpose, RouteDecision
from ccr_tui.wire import dumps

REMEMBERED = 256
"""Verdicts that are kept: a client that sends a request again need not wait for the router again."""
PURPOSES: dict[str, Purpose] = {"think": "think", "coder": "code"}


async def dispatch(asking: Asking) -> None:
    """Ask the router and let agents work until the tool agent's turn; the draft then holds its decision and work.

    An agent that a rule has named works first, without a question; then the tool agent speaks.
    """
    given = asking.draft.decision.agent if asking.draft.decision else ""
    done: list[Done] = []
    steps: list[tuple[str, str]] = []
    while True:
        chosen = Verdict(given, "by_rule") if given in PURPOSES else await next_agent(asking, done)
        steps.append(("router", told(chosen)))
        if chosen.agent == "tool":
            break
        result = await work(asking, chosen.agent)
        steps.append((chosen.agent, f"{len(result)} characters" if result else f"{chosen.agent}_failed_fallback"))
        if not result:
            chosen = Verdict("tool", f"{chosen.agent}_failed_fallback")
            break
        done.append(Done(chosen.agent, result))
        if given in PURPOSES:
            break
    asking.draft.is_decided(decided(asking, chosen, done, steps))


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
    asked = question(asking.draft.body, offered, done, context.tokens_of)
    key = blake2b(dumps([names, asked]), digest_size=16).digest()
    if known := context.verdicts.get(key):
        return replace(known, cause="router_cache")
    try:
        async with asyncio.timeout(context.config.routing.deadline_s):
            found = verdict(await heard(asking, names, asked), offered)
    except TimeoutError:
        late = UpstreamTimeout(f"The router gave no answer within {context.config.routing.deadline_s:g} s.")
        asking.draft.attempts[-1] = replace(asking.draft.attempts[-1], failure=late.failure)
        return Verdict("tool", "router_timeout_fallback")
    except ProxyError as error:
        return Verdict("tool", "router_error_fallback", error.message)
    if found.cause == "llm_classifier":
        remember(context.verdicts, key, found)
    return found


def remember(verdicts: dict[bytes, Verdict], key: bytes, found: Verdict) -> None:
    """Keep a verdict, and forget the oldest."""
    verdicts[key] = found
    if len(verdicts) > REMEMBERED:
        del verdicts[next(iter(verdicts))]


async def heard(asking: Asking, names: Sequence[str], asked: Json) -> str:
    """What the router says, or its fallbacks if it fails. Raises the last one's ProxyError."""
    for name in names:
        fold = Fold()

        async def sink(events: list[Json], fold: Fold = fold) -> None:
            for event in events:
                fold.feed(event)

        try:
            await ask(asking, resolve(asking.context.config, name), Job("route", asked, False, sink))
        except ProxyError:
            if name == names[-1]:
                raise
        else:
            return "".join(texts_of((fold.message or {}).get("content")))
    return ""


async def work(asking: Asking, agent: str) -> str:
    """Let an agent without tools work; the client watches. Its result, or nothing if it failed."""
    draft, delivery = asking.draft, asking.delivery
    aside = Aside(agent)

    async def sink(events: list[Json]) -> None:
        await delivery.send(aside.feed(events))

    draft.flight.agent = agent
    name = asking.context.config.agents[agent][0]
    job = Job(PURPOSES[agent], task(draft.work, agent), asking.asked.stream, sink)
    try:
        await ask(asking, resolve(asking.context.config, name), job)
        result = aside.text
    except ProxyError:
        result = ""
        await delivery.send(aside.close())
    delivery.next_speaker()
    if result:
        work = {"role": "assistant", "content": aside.blocks}
        draft.work = {**draft.work, "messages": [*draft.work["messages"], work]}
    return result


def decided(asking: Asking, chosen: Verdict, done: Sequence[Done], steps: Sequence[tuple[str, str]]) -> RouteDecision:
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
        considered=(*before.considered, *steps),
    )


def told(chosen: Verdict) -> str:
    """A verdict in one line, with the router's own words."""
    return f"{chosen.agent}: {chosen.cause}" + (f": {chosen.said}" if chosen.said else "")
