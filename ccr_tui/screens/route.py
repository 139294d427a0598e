"""Why this model: every rule that was considered, and every hop with its outcome. Pure; runs in a thread."""

from __future__ import annotations

import json

from ccr_tui.records import Attempt, RouteDecision, Trace
from ccr_tui.screens import show
from ccr_tui.screens.ink import AGENT_INKS
from ccr_tui.screens.lines import Document


def route_document(trace: Trace) -> Document:
    """The decision, the rules in their order, and the hops."""
    page = Document()
    if trace.decision is None:
        page.put(("No route was decided: ", "warn"), "the request was refused before.")
        if trace.failure is not None:
            page.put(("✗ ", "bad"), show.harmless(trace.failure.message), hang=2)
    else:
        _decision(page, trace.decision)
        _rules(page, trace.decision)
    _hops(page, trace)
    return page


def _decision(page: Document, decision: RouteDecision) -> None:
    page.put(("mode       ", "muted"), decision.mode)
    page.put(("agent      ", "muted"), (show.harmless(decision.agent), AGENT_INKS.get(decision.agent, "strong")))
    page.put(("model      ", "muted"), (show.harmless(decision.model), "strong"))
    page.put(("rule       ", "muted"), show.harmless(decision.rule))
    page.put(("because    ", "muted"), show.harmless(decision.reason), hang=11)
    page.put(("fallbacks  ", "muted"), show.harmless(" → ".join(decision.fallbacks)) or "none")


def _rules(page: Document, decision: RouteDecision) -> None:
    page.put("")
    page.put(("Rules considered", "title"), ("  in order", "muted"))
    wide = max((len(rule) for rule, _ in decision.considered), default=0) + 4
    for rule, why in decision.considered:
        won = rule == decision.rule
        name = show.fit(show.harmless(rule), wide - 2)
        page.put(
            ("✓ " if won else "· ", "good" if won else "faint"),
            (name, "strong" if won else "muted"),
            show.harmless(why),
            hang=wide,
        )
    if not decision.considered:
        page.put(("none was recorded", "muted"))


def _hops(page: Document, trace: Trace) -> None:
    page.put("")
    page.put(("Hops", "title"), ("  each call to a model", "muted"))
    for attempt in trace.attempts:
        _hop(page, attempt)
    if not trace.attempts:
        page.put(("none", "muted"))


def _hop(page: Document, attempt: Attempt) -> None:
    mark, ink = ("✗", "bad") if attempt.failure else ("✓", "good")
    head = page.put(
        (f"{mark} ", ink),
        (f"{attempt.n} {attempt.purpose:7} ", "muted"),
        (show.harmless(attempt.model), "strong"),
        (f" at {show.harmless(attempt.provider)} · ", "muted"),
        f"{attempt.status if attempt.status is not None else 'no response'}",
        (" · ", "muted"),
        show.duration(attempt.duration_ms),
        (" · ", "muted"),
        (show.money(attempt.cost), "money"),
        hang=4,
    )
    if attempt.failure is not None:
        page.put("    ", (show.harmless(attempt.failure.message), "bad"), hang=4)
    if attempt.purpose == "route":
        page.put(("    asked    ", "muted"), _question(attempt), hang=13)
        page.lines[head].until = len(page.lines)


def _question(attempt: Attempt) -> str:
    """The last message that the router was sent."""
    messages = attempt.sent.get("messages") if isinstance(attempt.sent, dict) else None
    if not isinstance(messages, list) or not messages or not isinstance(messages[-1], dict):
        return "?"
    content = messages[-1].get("content")
    return show.harmless((content if isinstance(content, str) else json.dumps(content, ensure_ascii=False))[:2000])
