"""The configuration under which a recorded request goes the way that it went.

Owns what can be told from a trace of the models, agents and rules of then. Must never look at today's configuration:
a rehearsal on another machine must come out the same. The one surprise: the rule that chose is not asked again (it may
have been the user's own Python); one of ours names what was chosen, and only the router's dialogue is gone through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ccr_tui.config import Config, Model, Patience, Provider, ProviderKind, Routing, UserRule, When
from ccr_tui.proxy.consult import USES, Verdict
from ccr_tui.proxy.quirks import FAMILIES
from ccr_tui.proxy.recorded import HOST
from ccr_tui.records import Attempt, Json, Purpose, Trace

AGENTS: dict[Purpose, str] = {"route": "router", "think": "think", "code": "coder"}
"""The agent behind a call, by its purpose; whoever answers is the decision's."""
PASSED_OVER = "passed over"
"""Provider and model of an agent that was there and was not asked."""
NEVER_S = 1e6
"""Longer than anything that is rehearsed."""
SLACK_MS = 20
"""Between bytes that come and the event that they bring about; no ping falls into it but by chance."""
_TRY = re.compile(r"Try (\d+), after ([\d.e+-]+) s\.")
_KEYS = re.compile(r"Asked again with another key: key \d+ of (\d+) met")
_OFFERED = re.compile(r'^- "(\w+)": ', re.MULTILINE)


def config_of(trace: Trace) -> Config:
    """Models, agents and a rule that repeat the trace's decision."""
    models: dict[str, Model] = {}
    agents: dict[str, tuple[str, ...]] = {}
    for a in trace.attempts:
        if name := AGENTS.get(a.purpose):
            agents[name] = tuple(dict.fromkeys((*agents.get(name, ()), named(a, models, trace))))
    chain = tuple(dict.fromkeys(named(a, models, trace) for a in trace.attempts if a.purpose == "answer"))
    decision = trace.decision
    if decision is not None:
        agents |= {decision.agent: chain or (named(None, models, trace),)}
    if is_dispatched(trace):
        nobody = named(None, models, trace, PASSED_OVER)
        agents |= {name: agents.get(name, (nobody,)) for name in ("router", *offered(trace))}
    rule = UserRule("as recorded", When(), agent=first_agent(trace))
    return Config(
        mode=decision.mode if decision else "normal",
        providers={model.provider: provider_of(model.provider, trace) for model in models.values()},
        models=models,
        agents=agents,
        rules=(rule,),
        ping_s=ping_s(trace),
        timeout_s=NEVER_S,
        patience=Patience(waits_s=waits_s(trace.attempts), breaker_failures=len(trace.attempts) + 1),
        routing=Routing(deadline_s=deadline_s(trace), max_hops=hops(trace)),
    )


def named(attempt: Attempt | None, models: dict[str, Model], trace: Trace, nobody: str = "recorded") -> str:
    """The name of the model that an attempt asked, or of `nobody`; it is put among the models."""
    decision = trace.decision
    if attempt is None:
        provider, id, family, limit = nobody, nobody, None, None
    else:
        provider, id, family, limit = attempt.provider, attempt.model, attempt.family or None, limit_of(attempt, trace)
    answers = nobody != PASSED_OVER and (attempt is None or attempt.purpose == "answer")
    same = next(
        (name for name, one in models.items() if (one.provider, one.id, one.max_output) == (provider, id, limit)), None
    )
    if same is not None and not answers:
        return same
    first = decision.model if decision and answers else ""
    name = first if first and (first not in models or same == first) else f"{provider}/{id}/{limit or ''}"
    price = attempt.price if attempt else None
    models[name] = Model(name, provider, id, max_output=limit, family=family, price=price)
    return name


def limit_of(attempt: Attempt, trace: Trace) -> int | None:
    """The most tokens that were asked for, where that is less than the client asked for."""
    sent = attempt.sent if isinstance(attempt.sent, dict) else {}
    limit = sent.get("max_tokens") or sent.get("max_completion_tokens")
    asked = trace.body.get("max_tokens") if isinstance(trace.body, dict) else None
    less = isinstance(limit, int) and isinstance(asked, int) and limit < asked and attempt.purpose != "route"
    return limit if less else None


def provider_of(name: str, trace: Trace) -> Provider:
    """A provider at an address that is nobody's, with as many keys as it had then."""
    kinds = [kind_of(a) for a in trace.attempts if a.provider == name]
    kind: ProviderKind = kinds[0] if kinds else "openai"
    notes = (note for a in trace.attempts if a.provider == name for note in a.notes)
    keys = max((int(match[1]) for note in notes if (match := _KEYS.match(note))), default=1)
    address = f"http://{HOST}" + ("/v1" if kind == "openai" else "")
    return Provider(name, kind, address, api_key="1", api_keys=tuple(map(str, range(2, keys + 1))))


def kind_of(attempt: Attempt) -> ProviderKind:
    """Which of the two formats was spoken, by the answer, else by what was sent."""
    data = b"".join(piece for _, piece in attempt.stream[:8])
    if b"message_start" in data or b'"type":"message"' in data:
        return "anthropic"
    sent = attempt.sent if isinstance(attempt.sent, dict) else {}
    return "anthropic" if "system" in sent and b'"choices"' not in data else "openai"


# --- Router mode -----------------------------------------------------------------------------------------------------


def is_dispatched(trace: Trace) -> bool:
    """Whether the router, or an agent without tools, came before the tool agent."""
    return trace.decision is not None and any(True for _ in verdicts(trace))


def verdicts(trace: Trace) -> Iterator[Verdict]:
    """What the router said, or what was done without asking it, in order."""
    considered = trace.decision.considered if trace.decision and trace.decision.mode == "router" else ()
    for name, why in considered:
        agent, _, rest = why.partition(": ")
        cause, _, said = rest.partition(": ")
        if name == "router" and agent in USES and cause:
            yield Verdict(agent, cause, said)


def first_agent(trace: Trace) -> str:
    """Who the rules named: the router, an agent that works first without being asked for, or whoever answers."""
    first = next(verdicts(trace), None)
    if first is None:
        return trace.decision.agent if trace.decision else "default"
    return first.agent if first.cause == "by_rule" else "router"


def offered(trace: Trace) -> set[str]:
    """The agents between which the router could choose."""
    routes = [a.sent for a in trace.attempts if a.purpose == "route"]
    asked = {name for sent in routes for name in _OFFERED.findall("\n".join(texts(sent)))}
    worked = {AGENTS[a.purpose] for a in trace.attempts if a.purpose in ("think", "code")}
    causes = {verdict.cause for verdict in verdicts(trace)}
    known = asked or "only_tool_agent_left" in causes or "by_rule" in causes
    return {"tool"} | worked | (asked if known else set(USES))


def texts(sent: Json) -> Iterator[str]:
    """Every string of a body, however deep."""
    if isinstance(sent, str):
        yield sent
    elif isinstance(sent, dict | list):
        for value in sent.values() if isinstance(sent, dict) else sent:
            yield from texts(value)


def hops(trace: Trace) -> int:
    """The most hops that were allowed, as far as it mattered."""
    done = sum(a.purpose in ("think", "code") and a.failure is None for a in trace.attempts)
    ended = any(verdict.cause == "max_hops_reached" for verdict in verdicts(trace))
    return done if ended else max(done + 1, Routing().max_hops)


def deadline_s(trace: Trace) -> float:
    """What the router was given to answer, where it came to that."""
    late = any(verdict.cause == "router_timeout_fallback" for verdict in verdicts(trace))
    waited = [a.duration_ms for a in trace.attempts if a.purpose == "route" and a.failure]
    return sum(waited) / 1000 if late and waited else NEVER_S


class Remembered(dict[bytes, Verdict]):
    """The router's memory: what it was not asked again, it says once more, in the recorded order."""

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self._left = [one for one in verdicts(trace) if one.cause in ("llm_classifier", "router_cache")]

    def get(self, key: bytes, default: object = None) -> Verdict | None:  # type: ignore[override]
        """The next verdict if it came from memory then; None if the router was asked."""
        if not self._left:
            return None
        found = self._left.pop(0)
        return replace(found, cause="llm_classifier") if found.cause == "router_cache" else None


# --- waiting ---------------------------------------------------------------------------------------------------------


def ping_s(trace: Trace) -> float:
    """The silence before the first ping, where a ping began the answer; else longer than anything."""
    first, *rest = trace.timeline or (None,)
    ours = isinstance(trace.reply, dict) and trace.reply.get("id") == f"msg_{trace.uid}"
    if first is None or not ours or first.type != "message_start" or not trace.streamed:
        return NEVER_S
    alone = not rest or rest[0].ms > first.ms
    return first.ms / 1000 if alone and not brought(trace, first.ms) else NEVER_S


def brought(trace: Trace, ms: int) -> bool:
    """Whether upstream bytes came just before this moment, which then brought about what happened in it."""
    for attempt in trace.attempts:
        begun = (attempt.started_at - trace.started_at) * 1000
        if any(-2 <= ms - begun - came <= SLACK_MS for came, _ in attempt.stream):
            return True
    return False


def waits_s(attempts: Sequence[Attempt]) -> tuple[float, ...]:
    """How long was waited before each further try of one model, as the attempts' notes tell."""
    found = [match for a in attempts for note in a.notes if (match := _TRY.fullmatch(note))]
    waits = {int(match[1]): float(match[2]) for match in found}
    return tuple(waits.get(n, 0.0) for n in range(2, max(waits, default=1) + 1))


def can_be_rehearsed(attempts: Sequence[Attempt]) -> str:
    """Why not; nothing where it can."""
    if not attempts:
        return ""
    strange = [a.family for a in attempts if a.family and a.family not in FAMILIES]
    if strange:
        return f"this version knows no family {strange[0]!r} of models"
    lacking = [a.n for a in attempts if a.status == 200 and not a.stream and a.failure is None]
    return f"the upstream's bytes of call {lacking[0]} were not kept (keep_streams)" if lacking else ""
