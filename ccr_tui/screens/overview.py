"""One trace on one page: what happened when, what it counted, what it cost, and why it failed.

Owns the waterfall and the two tables below it. Pure; runs in a thread. The one surprise: spans of the trace and those
of its attempts are drawn on one time axis, since asking the router or trying again is time that the person waited.
"""

from __future__ import annotations

from collections.abc import Sequence

from ccr_tui import lanes
from ccr_tui.origin import origin
from ccr_tui.records import Attempt, Failure, Price, Trace, Usage
from ccr_tui.screens import costs, failing, show
from ccr_tui.screens.ink import AGENT_INKS
from ccr_tui.screens.lines import Document
from ccr_tui.screens.route import parts_of
from ccr_tui.screens.thrift import Judged, thrift

NAME = 20
"""Columns of the names at the left."""
PART = 9
"""Columns of the names of parts."""
WIDTHS = (8, 8, 8, 11, 11, 8)
"""Columns of a part's tokens, time, cost and share, each with a blank before what is widest in it."""
PAUSE_MS = 100
"""Between two attempts, longer than any translation: time that was let pass before trying again."""
FAR_OFF = 200
"""Per cent from which on an estimate is told as a multiple."""
MANY = 3
"""Attempts above which only the answer's is drawn in its parts."""


def overview_document(trace: Trace, width: int, judged: Judged | None = None) -> Document:
    """The page, for this width; `judged` comes later than the trace."""
    page = Document()
    _summary(page, trace)
    _failure(page, trace)
    _waterfall(page, trace, width)
    _tokens(page, trace)
    _cost(page, trace)
    thrift(page, trace, judged)
    _notes(page, trace)
    return page


def _heading(page: Document, title: str, note: str = "") -> None:
    page.put("")
    page.put((title, "title"), (f"  {note}" if note else "", "muted"))


OUTCOME = {"ok": ("✓ ok", "good"), "error": ("✗ error", "bad"), "cancelled": ("⊘ cancelled by the client", "warn")}


def _summary(page: Document, trace: Trace) -> None:
    answer, decision = trace.answer, trace.decision
    asked = show.harmless(trace.asked_model) or "?"
    if answer is not None:
        by = f"{show.harmless(answer.model)} at {show.harmless(answer.provider)}"
        told = answer.answered_by
        extra = f" (it says it is {show.harmless(told)})" if told and told != answer.model else ""
        page.put(("asked for  ", "muted"), (asked, "strong"))
        page.put(("sent to    " if answer.failure else "answered   ", "muted"), (by, "strong"), (extra, "muted"))
    else:
        page.put(("asked for  ", "muted"), (asked, "strong"), ("   no model was called", "warn"))
    words, ink = OUTCOME[trace.outcome]
    stop = f" · {show.harmless(answer.stop_reason)}" if answer and answer.stop_reason else ""
    how = "" if trace.ttft_ms is None else " · streamed" if trace.streamed else " · not streamed"
    page.put(("outcome    ", "muted"), (words, ink), f" · {failing.status(trace)}{stop}{how}", hang=11)
    page.put(
        ("when       ", "muted"),
        f"{show.moment(trace.started_at)} · {show.duration(trace.duration_ms)}"
        + (f" · first token after {show.duration(trace.ttft_ms)}" if trace.ttft_ms is not None else ""),
    )
    if decision is not None:
        agent = (decision.agent, AGENT_INKS.get(decision.agent, ""))
        why = f" · {show.harmless(decision.reason)}" if parts_of(decision)[1] else ""
        page.put(
            ("route      ", "muted"), f"{decision.mode} · ", agent, f" · {show.harmless(decision.rule)}{why}", hang=11
        )
    where = [trace.kind, *(f"{k} {show.harmless(v)}" for k, v in _places(trace) if v)]
    page.put(("from       ", "muted"), " · ".join(where), hang=11)


def _places(trace: Trace) -> list[tuple[str, str | None]]:
    return [("project", trace.project), ("session", trace.session), ("agent", trace.agent_id)]


def _failure(page: Document, trace: Trace) -> None:
    if (failure := trace.failure) is None:
        return
    _heading(page, "Error", f"{failure.status} {show.harmless(failure.type)}{_retry(failure.should_retry)}")
    for line in show.harmless_lines(failure.message):
        page.put(("✗ ", "bad"), line, hang=2)
    page.put(("provider   ", "muted"), *_provided(trace), hang=11)
    page.put(("client     ", "muted"), _sent(trace, failure), hang=11)


def _provided(trace: Trace) -> tuple[str, tuple[str, str]]:
    """What the provider said that was asked last."""
    if not trace.attempts:
        return "none was asked: ccr-tui refuses this itself", ("", "")
    last = trace.attempts[-1]
    said = "no response came" if last.status is None else f"answered {last.status}"
    words = " (what came then, or did not come, is the error)" if last.status == 200 else ""
    return f"{show.harmless(last.provider)}: {said}", (words, "muted")


def _sent(trace: Trace, failure: Failure) -> str:
    """What the client was sent."""
    if trace.status == failure.status:
        return f"was sent {trace.status} with this error"
    return (
        f"had been sent {trace.status}, because its stream had begun (a ping begins one too), and a status can't be "
        f"taken back; it was then sent an error event: {show.harmless(failure.type)}, and this sentence"
    )


def _retry(should: bool | None) -> str:
    return {None: "", True: " · the client may retry", False: " · retrying is useless, and the client was told so"}[
        should
    ]


# -- the waterfall

Bar = tuple[str, int, int, str]
"""Name, start, end (ms since the request arrived) and ink."""

SPAN_INKS = {
    "parse": "muted",
    "route": "router",
    "connect": "link",
    "wait": "warn",
    "stream": "good",
    "failed": "bad",
    "ended": "warn",
}
CALLED = {
    "connect": "until headers",
    "wait": "until first token",
    "failed": "until it failed",
    "ended": "until its end",
}
"""What goes on until then. Connecting is not told apart: some models send their headers with their first token."""


def bars_of(trace: Trace) -> list[Bar]:
    """The trace's own spans, and where there is more than one attempt, each attempt with its parts."""
    several = len(trace.attempts) > 1
    taken = {"connect", "wait", "stream", "translate"} if several else set()
    bars = [(name, a, b, SPAN_INKS.get(name, "")) for name, a, b in trace.spans if name not in taken]
    seen = {name for name, _, _, _ in bars}
    free = None
    for attempt in trace.attempts:
        parts = _parts(attempt, round((attempt.started_at - trace.started_at) * 1000))
        if free is not None and parts[0][1] - free >= PAUSE_MS:
            bars.append(("pause", free, parts[0][1], "muted"))
        free = parts[-1][2]
        if several:
            label = f"{attempt.n} {attempt.purpose} {show.model(attempt.model)}"
            bars.append((label, parts[0][1], parts[-1][2], "bad" if attempt.failure else "strong"))
            if len(trace.attempts) <= MANY or attempt is trace.answer:
                bars += [("  " + name, a, b, ink) for name, a, b, ink in parts]
        else:
            bars = sorted([*bars, *(part for part in parts if part[0] not in seen)], key=lambda bar: bar[1:3])
    return bars


def _parts(attempt: Attempt, start: int) -> list[Bar]:
    """Connecting, waiting for the first token, streaming: as far as it came."""
    end = start + attempt.duration_ms
    marks = [start, *(start + ms for ms in (attempt.connect_ms, attempt.ttft_ms) if ms is not None), end]
    names = ["connect", "wait", "stream"]
    if attempt.connect_ms is None and attempt.ttft_ms is not None:
        names = ["wait", "stream"]
    if attempt.ttft_ms is None:
        names[len(marks) - 2] = "failed" if attempt.failure else "ended"
    return [(n, a, max(a, b), SPAN_INKS[n]) for n, a, b in zip(names, marks, marks[1:], strict=False)]


def _waterfall(page: Document, trace: Trace, width: int) -> None:
    bars = bars_of(trace)
    if not bars:
        return
    total = max(trace.duration_ms, *(end for _, _, end, _ in bars), 1)
    room = max(10, width - NAME - 11)
    _heading(page, "Time", show.duration(total))
    for name, start, end, ink in bars:
        page.put(
            show.fit(_called(name), NAME),
            (show.fit_right(show.duration(end - start), 9), "muted"),
            " ",
            _bar(start, end, total, room, ink),
        )


def _called(name: str) -> str:
    plain = name.lstrip()
    return name.replace(plain, CALLED.get(plain, plain))


def _bar(start: int, end: int, total: int, room: int, ink: str) -> tuple[str, str]:
    """A stretch of the axis, at least an eighth of a cell wide so that short spans are seen."""
    left = min(room - 1, int(start / total * room))
    eighths = max(1, round(end / total * room * 8) - left * 8)
    whole, part = divmod(eighths, 8)
    text = "█" * whole + (" ▏▎▍▌▋▊▉"[part] if part else "")
    return " " * left + text[: room - left], ink


# -- tokens and money


def _tokens(page: Document, trace: Trace) -> None:
    answer = trace.answer
    usage = answer.usage if answer else None
    if usage is None and trace.estimate is None:
        return
    if usage is not None and usage.basis == "estimated":
        return _guessed(page, trace, usage)
    reported = "partly so" if usage is not None and usage.basis == "mixed" else "reported"
    aside = any(attempt.purpose != "answer" for attempt in trace.attempts)
    _heading(page, *(OF_ANSWER if aside else ("Tokens", "")))
    page.put((_cells("", "estimate", reported), "muted"))
    prompt = usage.prompt if usage else None
    _row(page, "input", trace.estimate, prompt, _error(trace.estimate, prompt) if reported == "reported" else "")
    if usage is not None:
        _row(page, "  from cache", None, usage.cache_read, show.percent(usage.cache_read, usage.prompt))
        if usage.cache_write:
            _row(page, "  into cache", None, usage.cache_write, show.percent(usage.cache_write, usage.prompt))
        _row(page, "output", None, usage.output, _rate(trace))
        if usage.reasoning:
            _row(page, "  reasoning", None, usage.reasoning, show.percent(usage.reasoning, usage.output))
    if trace.estimate is not None:
        page.put(("the estimate is of all that the client sent; Tokens tells what was left out of it", "faint"))


def _guessed(page: Document, trace: Trace, usage: Usage) -> None:
    """Where nobody reported any there is nothing to hold an estimate against."""
    aside = any(attempt.purpose != "answer" for attempt in trace.attempts)
    _heading(page, *(OF_ANSWER if aside else ("Tokens", "")))
    page.put((_cells("", "estimated"), "muted"), ("   the provider reported nothing", "muted"))
    page.put(_cells("input", f"~{show.tokens(usage.prompt)}"))
    page.put(_cells("output", f"~{show.tokens(usage.output)}"), (f"   {_rate(trace)}".rstrip(), "muted"))


OF_ANSWER = "Tokens of the answer", "those of the others stand at Cost"


def _row(page: Document, name: str, estimate: int | None, reported: int | None, note: str) -> None:
    before = show.tokens(estimate) if estimate is not None else ""
    told = "–" if reported is None else show.tokens(reported)  # nobody reported any: ? is for prices
    page.put(_cells(name, before, told), (f"   {note}", "muted"))


def _error(estimate: int | None, reported: int | None) -> str:
    if not estimate or not reported:
        return ""
    off = 100 * (estimate - reported) / reported
    if off >= FAR_OFF:
        return f"the estimate was {estimate / reported:.0f} times as much"
    return f"the estimate was {abs(off):.1f} % too {'high' if off > 0 else 'low'}" if abs(off) >= 0.05 else "exact"


def _rate(trace: Trace) -> str:
    """As the Stream tab has it."""
    found = lanes.rate(trace)
    return "" if found is None else f"{found:.0f} tok/s"


def _cost(page: Document, trace: Trace) -> None:
    if not trace.attempts:
        return
    _heading(page, "Cost", costs.of_calls(trace.attempts))
    _by_part(page, trace)
    for attempt in trace.attempts:
        name = f"{attempt.n} {attempt.purpose} {show.harmless(attempt.model)}"
        if attempt.usage is None:
            page.put((name, "strong"), ("  ended before any token was counted", "muted"))
            continue
        if len(trace.attempts) > 1:
            page.put((name, "strong"))
        _attempt_cost(page, attempt)


def _by_part(page: Document, trace: Trace) -> None:
    """What each part of the work used and cost, the router's own first: where more than the answer was paid for."""
    parts = {purpose: [a for a in trace.attempts if a.purpose == purpose] for purpose in PARTS}
    parts = {purpose: attempts for purpose, attempts in parts.items() if attempts}
    if len(parts) < 2:
        return
    total = sum(attempt.cost or 0 for attempt in trace.attempts)
    page.put((_columns("part", "calls", "in", "cached", "out", "time", "cost", "share"), "muted"))
    for purpose, attempts in parts.items():
        name, ink = PARTS[purpose]
        cost = costs.of_calls(attempts)
        share = show.percent(sum(attempt.cost or 0 for attempt in attempts), total) if "$" in cost else cost
        page.put((f"{name:{PART}}", ink), _columns("", *_part_cells(attempts), cost, share)[PART:])
    page.put((_columns("all", *_part_cells(trace.attempts), costs.of_calls(trace.attempts), ""), "muted"))
    page.put("")


def _part_cells(attempts: Sequence[Attempt]) -> list[str]:
    """Calls, tokens and time of a part."""
    took = show.duration(sum(attempt.duration_ms for attempt in attempts))
    if (usage := costs.tokens_of(attempts)) is None:
        return [str(len(attempts)), "–", "–", "–", took]
    about = "" if usage.basis == "reported" else "~"
    counts = (usage.prompt, usage.cache_read, usage.output)
    return [str(len(attempts)), *(about + show.tokens(count) for count in counts), took]


def _columns(name: str, *values: str) -> str:
    """The table of the parts: 80 columns hold it."""
    return f"{name:{PART}}{values[0]:>6}" + "".join(
        f"{value:>{width}}" for value, width in zip(values[1:], WIDTHS, strict=True)
    )


PARTS: dict[str, tuple[str, str]] = {
    "route": ("router", "router"),
    "think": ("think", "think"),
    "code": ("coder", "coder"),
    "answer": ("answer", "strong"),
}
"""Purposes of attempts, as they are named, and their inks."""
NO_PRICE = "no price is known; set one under [models.NAME] price in config.toml"


def _origin(basis: str, price: Price | None) -> str:
    return origin(basis, price.source, price.since) if price else origin(basis)


def _attempt_cost(page: Document, attempt: Attempt) -> None:
    usage, price = attempt.usage, attempt.price
    about = "~" if costs.is_about(attempt) else ""
    if usage is not None and price is not None:
        page.put((_cells("", "tokens", "per million", "cost"), "muted"))
        for name, count, rate, own in _cost_parts(usage, price):
            if count:
                part = about + show.money(round(count * rate / 1_000_000))
                page.put(_cells(name, about + show.tokens(count), show.rate(rate), part), (own, "warn"), hang=NAME)
    note = NO_PRICE if attempt.cost_basis == "unknown" else show.harmless(_origin(attempt.cost_basis, price))
    total = f"{about + show.money(attempt.cost):>13}"
    page.put(_cells("total", "", "", "")[:-13], (total, "money"), (f"   {note}", "muted"), hang=NAME)


def _cells(name: str, *values: str) -> str:
    """A name, then values at the right of their columns."""
    return f"{name:{NAME}}{values[0]:>10}" + "".join(f"{value:>13}" for value in values[1:])


AS_INPUT = "   no price of its own is known: reckoned as input"


def _cost_parts(usage: Usage, price: Price) -> list[tuple[str, int, int, str]]:
    """Tokens, their price, and where that was assumed the words for it."""
    read = price.input if price.cache_read is None else price.cache_read
    write = price.input if price.cache_write is None else price.cache_write
    return [
        ("input", usage.input, price.input, ""),
        ("cache read", usage.cache_read, read, AS_INPUT if read and price.cache_read is None else ""),
        ("cache write", usage.cache_write, write, AS_INPUT if write and price.cache_write is None else ""),
        ("output", usage.output, price.output, ""),
    ]


def _notes(page: Document, trace: Trace) -> None:
    notes = [(attempt, note) for attempt in trace.attempts for note in attempt.notes]
    if not notes:
        return
    _heading(page, "What translation changed")
    for attempt, note in notes:
        page.put(
            ("· ", "muted"), (f"{attempt.n} " if len(trace.attempts) > 1 else "", "muted"), show.harmless(note), hang=2
        )
