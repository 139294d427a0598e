"""Why this model: what the router was asked and said, who worked, and every rule that was considered.

Owns how the steps of a decision are matched with the calls to models. Pure; runs in a thread. The one surprise: a step
of the router may have no call (it was asked the very same before) or several (one failed, and its fallback was asked),
so each step takes the calls of its kind that come next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

from ccr_tui.records import Attempt, Json, RouteDecision, Trace
from ccr_tui.screens import costs, show
from ccr_tui.screens.ink import AGENT_INKS
from ccr_tui.screens.lines import Document
from ccr_tui.slim import dataclass

CAUSES = {
    "llm_classifier": "as the router said",
    "router_cache": "it was asked the very same before, so its answer came from memory",
    "parse_failure_fallback": "no agent can be read from it, so the tool agent goes on",
    "unknown_agent_fallback": "it names no agent that may work now, so the tool agent goes on",
    "empty_answer_fallback": "it said nothing, so the tool agent goes on",
    "router_timeout_fallback": "no answer within routing.deadline_s, so the tool agent goes on",
    "router_error_fallback": "it could not be asked, so the tool agent goes on",
    "max_hops_reached": "it was asked routing.max_hops times, so the tool agent goes on",
    "only_tool_agent_left": "nobody else may work now, so it was not asked",
}
"""What the codes of a decision mean for people."""
PURPOSE = {"route": "router", "think": "think", "code": "coder"}


@dataclass(frozen=True)
class Step:
    """One turn of Router mode: the router's word, or an agent's work."""

    who: str
    told: str
    """As the decision has it: "think: llm_classifier: {...}", or "44 characters"."""
    calls: Sequence[Attempt]


ROOMY = 160
"""Columns from which on a terminal is taken to have lines for what the router was asked."""


def route_document(trace: Trace, width: int = 80) -> Document:
    """The decision, the router's steps, the answer's calls, and the rules in their order."""
    page = Document()
    if trace.decision is None:
        page.put(("No route was decided: ", "warn"), "the request was refused before.")
        if trace.failure is not None:
            page.put(("✗ ", "bad"), show.harmless(trace.failure.message), hang=2)
        _calls(page, "Calls", "each call to a model", trace.attempts)
        return page
    _decision(page, trace.decision)
    steps, rest = steps_of(trace)
    folded = _steps(page, steps)
    folded += _calls(page, "Answer", "each call that was to answer" if steps else "each call to a model", rest)
    _rules(page, trace.decision)
    page.folded = frozenset(folded[1:] if width >= ROOMY else folded)
    return page


def _decision(page: Document, decision: RouteDecision) -> None:
    page.put(("mode       ", "muted"), decision.mode)
    page.put(("agent      ", "muted"), (show.harmless(decision.agent), AGENT_INKS.get(decision.agent, "strong")))
    page.put(("model      ", "muted"), (show.harmless(decision.model), "strong"))
    page.put(("rule       ", "muted"), show.harmless(decision.rule))
    page.put(("because    ", "muted"), show.harmless(_because(decision)), hang=11)
    page.put(("fallbacks  ", "muted"), show.harmless(" → ".join(decision.fallbacks)) or "none")


def _because(decision: RouteDecision) -> str:
    """The reason; where the router decided, who worked in which order and what its last word was."""
    order, _, cause = decision.reason.removesuffix(")").partition(" (")
    if cause not in CAUSES:
        return decision.reason
    return f"{order}: {CAUSES[cause]} ({cause})"


# -- the steps


def parts_of(decision: RouteDecision) -> tuple[Sequence[tuple[str, str]], Sequence[tuple[str, str]]]:
    """The rules that were considered, and what came after the one that won: the steps of Router mode."""
    names = [name for name, _ in decision.considered]
    end = names.index(decision.rule) + 1 if decision.rule in names else len(names)
    return decision.considered[:end], decision.considered[end:]


def steps_of(trace: Trace) -> tuple[list[Step], Sequence[Attempt]]:
    """The steps with their calls, and the calls that are left: those that were to answer."""
    left, steps = list(trace.attempts), list[Step]()
    for who, told in parts_of(trace.decision)[1] if trace.decision else ():
        if who not in PURPOSE.values():
            continue
        calls = list(takewhile(lambda call, who=who: PURPOSE.get(call.purpose) == who, left))  # type: ignore[misc]
        del left[: len(calls)]
        steps.append(Step(who, told, calls))
    return steps, left


def _steps(page: Document, steps: Sequence[Step]) -> list[int]:
    """The router's part of the page; the lines that are folded at first."""
    if not steps:
        return []
    asked = [call for step in steps if step.who == "router" for call in step.calls]
    took, cost = sum(call.duration_ms for call in asked), costs.of_calls(asked)
    times = f"asked {len(asked)} time{'s' * (len(asked) != 1)}"
    page.put("")
    page.put(("Router", "title"), (f"  {times} · {show.duration(took)} · {cost}", "muted"))
    folds = [(_asked if step.who == "router" else _worked)(page, step) for step in steps]
    return [fold for fold in folds if fold >= 0]


def _asked(page: Document, step: Step) -> int:
    """One word of the router: the question, the answer as it was, and what it was taken for. Where it folds, or -1."""
    for call in step.calls:
        _call(page, call, "asked")
    fold = _question(page, step.calls[-1].sent) if step.calls else -1
    agent, _, rest = step.told.partition(": ")
    cause, _, said = rest.partition(": ")
    if said and cause != "router_error_fallback":
        _lines(page, "answered", said)
    elif step.calls:
        page.put(("    answered  ", "muted"), ("nothing", "warn"))
    ink = "good" if cause in ("llm_classifier", "router_cache") else "warn"
    page.put(
        ("    means     " if step.calls else "· not asked   ", "muted"),
        (show.harmless(agent), AGENT_INKS.get(agent, "strong")),
        (" · ", "muted"),
        (CAUSES.get(cause, show.harmless(rest)), ink),
        (f" ({cause})" if cause in CAUSES else "", "muted"),
        hang=14,
    )
    return fold


def _worked(page: Document, step: Step) -> int:
    """One agent's work aside."""
    for call in step.calls:
        _call(page, call, step.who)
    failed = "_failed_fallback" in step.told
    why = "" if step.calls else step.told.partition("_failed_fallback")[2]
    gave = f"it gave nothing, so the tool agent goes on{show.harmless(why)}"
    words = gave if failed else f"{show.harmless(step.told)} for the next"
    page.put(("    gave      ", "muted"), (words, "warn" if failed else ""), hang=14)
    return -1


def _lines(page: Document, name: str, text: str) -> None:
    """A text of its own, its first line beside the name."""
    for number, line in enumerate(show.harmless_lines(text)):
        page.put((f"    {name if not number else '':10}", "muted"), (line, "string"), hang=14)


def _question(page: Document, sent: Json) -> int:
    """What the router was sent, folded below its first line. -1 where it can't be told."""
    said = list(_messages(sent))
    if not said:
        page.put(("    asked     ", "muted"), "?")
        return -1
    newest = said[-1][1]
    first = next((line for line in show.harmless_lines(newest.partition("The request:")[2]) if line.strip()), newest)
    head = page.put(("    question  ", "muted"), show.harmless(first.strip()), ("  ▾", "faint"), hang=14)
    for role, text in said:
        page.put(("              ", ""), (show.harmless(role), "link"))
        for line in show.harmless_lines(text):
            page.put("              ", (line, ""), hang=14)
    opener = page.lines[head]
    opener.until, opener.closed, opener.closed_spans = len(page.lines), opener.text[:-1] + "▸", opener.spans
    return head


def _messages(sent: Json) -> Iterator[tuple[str, str]]:
    """Who says what, in a body of either kind."""
    if not isinstance(sent, dict):
        return
    if sent.get("system"):
        yield "system", _text(sent["system"])
    messages = sent.get("messages")
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict):
            yield str(message.get("role")), _text(message.get("content"))


def _text(content: Json) -> str:
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return "\n".join(str(block.get("text", "")) for block in blocks if isinstance(block, dict))


# -- calls and rules


def _calls(page: Document, title: str, note: str, calls: Sequence[Attempt]) -> list[int]:
    """Calls that belong to no step; a router's question is shown and folded all the same."""
    folds = []
    page.put("")
    page.put((title, "title"), (f"  {note}", "muted"))
    for call in calls:
        _call(page, call, call.purpose)
        if call.purpose == "route":
            folds.append(_question(page, call.sent))
    if not calls:
        page.put(("none", "muted"))
    return [fold for fold in folds if fold >= 0]


def _call(page: Document, call: Attempt, what: str) -> None:
    mark, ink = ("✗", "bad") if call.failure else ("✓", "good")
    usage = call.usage
    counted = f"{show.tokens(usage.prompt)} in · {show.tokens(usage.output)} out" if usage else "no tokens counted"
    page.put(
        (f"{mark} ", ink),
        (f"{call.n} {what:8} ", "muted"),
        (show.harmless(call.model), "strong"),
        (f" at {show.harmless(call.provider)} · ", "muted"),
        f"{call.status if call.status is not None else 'no response'}",
        (" · ", "muted"),
        show.duration(call.duration_ms),
        (f" · {counted} · ", "muted"),
        (costs.of_calls([call]), "money"),
        hang=4,
    )
    if call.failure is not None:
        page.put("    ", (show.harmless(call.failure.message), "bad"), hang=4)


def _rules(page: Document, decision: RouteDecision) -> None:
    rules, after = parts_of(decision)
    rules = [*rules, *(remark for remark in after if remark[0] not in PURPOSE.values())]
    page.put("")
    page.put(("Rules considered", "title"), ("  in order", "muted"))
    wide = max((len(rule) for rule, _ in rules), default=0) + 4
    for rule, why in rules:
        won = rule == decision.rule
        page.put(
            ("✓ " if won else "· ", "good" if won else "faint"),
            (show.fit(show.harmless(rule), wide - 2), "strong" if won else "muted"),
            show.harmless(why),
            hang=wide,
        )
    if not rules:
        page.put(("none was recorded", "muted"))
