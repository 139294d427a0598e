"""The panels above the requests: what runs now, what today cost, and what to paste on the first day.

Owns their words and columns. Must never ask the store on the event loop: `Today` is handed what a thread has read. The
one surprise: output tokens of a running request are guessed as a quarter of its characters, and a tilde says so.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest

from textual.geometry import Region
from textual.strip import Strip

from ccr_tui import decimals
from ccr_tui.baseline import Baseline
from ccr_tui.records import Flight
from ccr_tui.screens import requests, show, spend_table
from ccr_tui.screens.ink import AGENT_INKS, Inked
from ccr_tui.screens.lines import wrap
from ccr_tui.screens.requests import AGENTS, KINDS
from ccr_tui.spending import Budget
from ccr_tui.store.queries import Today

Pieces = list[tuple[str, str]]

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
RATE_AFTER_S = 0.5
"""A rate over less time than this would only jump."""


class Panel(Inked):
    """A framed widget of a few short lines."""

    _said: list[Pieces] | None = None

    def lines(self) -> list[Pieces]:
        """What it shows, top to bottom."""
        raise NotImplementedError

    def look(self) -> None:
        """Draw again the lines that say something else."""
        if self._said is None:
            return
        before, self._said = self._said, self.lines()
        pairs = enumerate(zip_longest(before, self._said))
        if changed := [Region(0, y, self.size.width, 1) for y, (old, new) in pairs if old != new]:
            self.refresh(*changed)

    def on_resize(self) -> None:
        """Another width has other words."""
        self._said = None
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One of its lines."""
        if self._said is None:
            self._said = self.lines()
        return self.strip(self._said[y] if y < len(self._said) else [], self.size.width)


NOTHING = "nothing is running"


class Now(Panel):
    """The requests that are under way; to be looked at ten times a second."""

    def __init__(self, board: Mapping[str, Flight]) -> None:
        super().__init__(id="now")
        self.border_title = "Now"
        self.board = board
        self.nothing = NOTHING
        """What it says while the board is empty."""

    def look(self) -> None:
        """The frame says how many there are."""
        running = f"{len(self.board)} running" if self.board else ""
        if running != (self.border_subtitle or ""):
            self.border_subtitle = running
        super().look()

    def lines(self) -> list[Pieces]:
        """One line a flight, oldest first; what does not fit is counted."""
        now, height = time.time(), max(1, self.size.height)
        flights = sorted(self.board.values(), key=lambda flight: flight.started_at)
        if not flights:
            return [[(f" {self.nothing}", "muted")]]
        shown = flights if len(flights) <= height else flights[: height - 1]
        where = apart(flights)
        lines = [self._flight(flight, now, where) for flight in shown]
        if len(shown) < len(flights):
            lines.append([(f" … and {told_together(flights[len(shown) :])}", "muted")])
        return lines

    def _flight(self, flight: Flight, now: float, where: Where | None = None) -> Pieces:
        width = self.size.width
        agent = flight.agent if flight.agent not in ("", "default") else KINDS.get(flight.kind, flight.kind)
        beside = WHERE + 1 if where else 0
        named = max(8, min(24, width - 57 - beside + self._freed(where)))
        pieces: Pieces = [(" " + show.fit(where(flight), WHERE), "muted")] if where else []
        pieces = [
            (f" {SPINNER[int(now * 10) % len(SPINNER)]} ", "title"),
            (show.fit(show.harmless(AGENTS.get(agent, agent)), 7) + " ", AGENT_INKS.get(agent, "muted")),
            (show.fit(show.model(flight.model or flight.asked_model), named), "strong"),
            *pieces,
            *self._doing(flight, now, counts=not self._freed(where)),
            (f"{show.duration((now - flight.started_at) * 1000):>8} ", "muted"),
        ]
        room = width - sum(len(text) for text, _ in pieces)
        if room >= 16:
            pieces.append((" " + show.fit(tail(flight, room - 2), room - 2), "faint"))
        return pieces

    def _freed(self, where: Where | None) -> int:
        """Columns that the count of tokens leaves, where there is no room for it beside the project."""
        return COUNT if where and self.size.width < ROOMY else 0

    def _doing(self, flight: Flight, now: float, counts: bool = True) -> Pieces:
        """Its phase and its speed; one that waits has none."""
        if flight.phase == "retrying":
            return [(" " + show.fit(again(flight, now), 36 if counts else 36 - COUNT), "warn")]
        ink = "think" if flight.phase == "thinking" else ""
        return [(" " + show.fit(phase(flight), 15), ink), *self._speed(flight, now)[not counts :]]

    def _speed(self, flight: Flight, now: float) -> Pieces:
        guessed = flight.output_chars // 4
        told = f"~{show.tokens(guessed)} tok" if guessed else ""
        since = now - flight.started_at - (flight.ttft_ms or 0) / 1000
        rate = f"{guessed / since:.0f} tok/s" if guessed and flight.ttft_ms is not None and since > RATE_AFTER_S else ""
        return [(f"{told:>{COUNT}}", ""), (f"{rate:>11}", "muted")]


WHERE, COUNT, ROOMY = 10, 10, 84
"""Columns of the project, and of the count of tokens; those from which on there is room for both."""
Where = Callable[[Flight], str]


def apart(flights: Sequence[Flight]) -> Where | None:
    """What tells requests apart: their projects, or in one project their sessions."""
    if len({flight.project for flight in flights}) > 1:
        return lambda flight: show.harmless(requests.folder(flight.project)) or "–"
    if len({flight.session for flight in flights}) > 1:
        return lambda flight: show.harmless((flight.session or "–")[:8])
    return None


def told_together(flights: Sequence[Flight]) -> str:
    """How many there are, and what they do."""
    doing = Counter("answering" if flight.phase in ("text", "tool") else flight.phase for flight in flights)
    return f"{len(flights)} more: " + ", ".join(f"{count} {name}" for name, count in doing.most_common())


def phase(flight: Flight) -> str:
    """What it is doing, in a word or two."""
    if flight.phase == "tool":
        return f"tool {show.harmless(flight.tool)}"
    if flight.phase == "text":
        return f"first {show.duration(flight.ttft_ms)}" if flight.ttft_ms is not None else "answering…"
    return flight.phase + "…"


def again(flight: Flight, now: float) -> str:
    """What was met, and when it is asked again: 429, asking again in 2 s (2 of 3)."""
    retry = flight.extra.get("retry")
    if retry is None:
        return "asking again…"
    left = max(0, math.ceil(retry["at"] - now))
    return f"{retry['status']}, asking again in {left} s ({retry['try']} of {retry['of']})"


def tail(flight: Flight, room: int) -> str:
    """The end of what it says."""
    said = show.harmless(" ".join(flight.tail.split()))
    return said[-room:]


class TodayPanel(Panel):
    """What today cost and how it went; one line of it where there is no room for five."""

    def __init__(self) -> None:
        super().__init__(id="today")
        self.border_title = "Today"
        self.today: Today | None = None
        self.compared: Baseline | None = None
        self.replayed = self.tested = 0
        self.budgets: Sequence[Budget] = ()
        self.wanted = 0
        """Lines that it would like to have."""

    def put(
        self,
        today: Today,
        compared: Baseline | None = None,
        replayed: int = 0,
        budgets: Sequence[Budget] = (),
        tested: int = 0,
    ) -> None:
        """Show these numbers, what one model for all would have cost, what replays have, which no sum holds, and the
        budgets; hovering tells by which price."""
        self.today, self.compared, self.replayed, self.budgets = today, compared, replayed, budgets
        self.tested = tested
        self.tooltip = None if compared is None else source_of(today, compared)
        self.look()

    def lines(self) -> list[Pieces]:
        """Spent, at the baseline, cached, requests, failed, tokens."""
        if (today := self.today) is None:
            return [[(" …", "faint")]]
        if self.size.height == 1:
            return [self._in_one(today)]
        at = f"at {show.model(self.compared.name)}" if self.compared else ""
        wide = max(NAME, min(show.cells(at), self.size.width - VALUES))
        room = max(4, self.size.width - wide - 12)
        full, rest = show.bar(today.cached_share or 0.0, min(10, room))
        cached = f" {show.percent(today.cached_share, 1)}" if today.cached_share is not None else " –"
        spent: Pieces = [_name("spent", wide), (cost(today, self.compared), "money"), *unpriced(today)]
        apart = list(self.budgets)
        if apart and apart[0].what == "day" and width(spent) + width(of_budget(apart[0])) < self.size.width:
            spent += [(" ", ""), *of_budget(apart.pop(0))]
        money = [spent, *([self._compared(at, against(today, self.compared), wide)] if self.compared else [])]
        of_router = self._beside(money, router(today), wide, "router")
        of_replays = self._beside(money, replays(self.replayed), wide, "replays")
        of_tests = self._beside(money, tests(self.tested), wide, "tests")
        asked: Pieces = [_name("requests", wide), (f"{today.requests}", "")]
        told = [[_name("failed", wide), failed(today)]]
        budgets = [[_name(f"per {each.what}", wide), *of_budget(each)] for each in apart]
        lines = [*budgets, *money[1:], *of_router, *of_replays, *of_tests]
        lines.append([_name("cached", wide), (full, "good"), (rest, "faint"), (cached, "")])
        tail: list[Pieces] = [[_name("tokens", wide), (tokens(today), "")]]
        self.wanted = len(lines) + 4
        if low := self.wanted > self.size.height:  # what failed is seen, however low it is
            told, asked = [], [*asked, ("  ", ""), failed(today), (" failed", "muted")]
        asked = [*asked, *by_hour(today, self.size.width - width(asked) - 1)]
        return [spent, asked, *lines, *tail] if low else [spent, *lines, asked, *told, *tail]

    def _beside(self, money: Sequence[Pieces], part: Pieces, wide: int, name: str) -> list[Pieces]:
        """Behind the first line of money that has room for it, else on a line of its own."""
        if not part:
            return []
        for line in money:
            if width(line) + width(part) <= self.size.width:
                line.extend(part)
                return []
        return [[_name(name, wide), *part[1:], *([(" not in spent", "faint")] if name in ("replays", "tests") else [])]]

    def _compared(self, at: str, told: Pieces, wide: int) -> Pieces:
        """The baseline's line; a name for which the column is too narrow takes what the amount leaves."""
        return [_name(at, max(wide, min(show.cells(at), self.size.width - width(told) - 2))), *told]

    def _in_one(self, today: Today) -> Pieces:
        """On one line, as much of it as fits."""
        line: Pieces = [(" Today ", "title"), (cost(today, self.compared), "money"), *unpriced(today)]
        room = self.size.width - sum(len(text) for text, _ in line)
        cached = show.percent(today.cached_share, 1) if today.cached_share is not None else "–"
        of_router = [[(f"router {show.money(today.router_cost)}", "")]] if today.router_cost else []
        compared = (
            [[(f"at {show.model(self.compared.name)} ", ""), *against(today, self.compared)]] if self.compared else []
        )
        for part in (
            *([*of_budget(each, 0), (" a day", "")] for each in self.budgets if each.what == "day"),
            [(f"{today.requests} request{'s' * (today.requests != 1)}", ""), *broken(today)],
            *compared,
            *([[(f"replays +{show.money(self.replayed)}", "")]] if self.replayed else []),
            *([[(f"tests +{show.money(self.tested)}", "")]] if self.tested else []),
            [(f"{cached} cached", "")],
            *([(f"per {each.what} ", ""), *of_budget(each, 0)] for each in self.budgets if each.what != "day"),
            *of_router,
            [(tokens(today), "")],
        ):
            size = sum(len(text) for text, _ in part) + 3
            if size <= room:
                room -= size
                line += [(" · ", "faint"), *part]
        return line


BY_HOUR = " by hour"


def by_hour(today: Today, room: int) -> Pieces:
    """The requests of the last hours up to this one, a step an hour."""
    graph = show.sparkline(
        list(today.per_hour[: datetime.fromtimestamp(time.time()).hour + 1]), max(1, min(24, room - 1))
    )
    words = BY_HOUR if len(graph) + 1 + len(BY_HOUR) <= room else ""
    return [(f" {graph}", "link"), (words, "muted")]


def width(pieces: Pieces) -> int:
    """Columns that they take."""
    return sum(len(text) for text, _ in pieces)


NAME = 12
"""Columns of the names, at least."""
VALUES = 22
"""Columns that all but the longest values take."""


def _name(name: str, wide: int) -> tuple[str, str]:
    return f" {show.fit(name, wide)} ", "muted"


def cost(today: Today, compared: Baseline | None = None) -> str:
    """What was spent, with as many decimals as what it is compared with; a tilde where a part of it rests on estimated
    tokens, a plus where more calls have no known price."""
    return spend_table.cost(today, digits(today, compared))


def digits(today: Today, compared: Baseline | None) -> int:
    """Decimals of what was spent, and of what stands below it."""
    return decimals.of([today.cost, *([today.beside(compared.price)] if compared else [])])


def against(today: Today, compared: Baseline) -> Pieces:
    """What one model for all would have cost for the same calls, and how much less or more was paid."""
    own = digits(today, compared)
    words, ink = spend_table.against(today, compared, own)
    line: Pieces = [(spend_table.beside(today, compared, own), "")]
    return [*line, (f" {words}", ink)] if words else line


def source_of(today: Today, compared: Baseline) -> str:
    """Where the baseline comes from, in a sentence or two."""
    price = compared.price
    who = "chosen in config.toml" if compared.is_chosen else "what the client asks for"
    calls = "call is" if today.unpriced == 1 else "calls are"
    left_out = f" {today.unpriced} unpriced {calls} in neither figure." if today.unpriced else ""
    name, source = show.harmless(compared.name), show.harmless(price.source)
    since = f", {price.since}" if price.since and price.since not in source else ""
    return f"{name} ({who}): today's answers, all by this one model, at {source}{since}.{left_out} 3 shows the sources."


def tokens(today: Today) -> str:
    """Tokens in and out; a tilde where a good part of them is estimated."""
    about = "~" if today.has_guesses else ""
    return f"{about}{show.tokens(today.prompt_tokens)} in · {about}{show.tokens(today.output_tokens)} out"


def of_budget(each: Budget, wide: int = 4) -> Pieces:
    """What was spent of a limit, with a bar that warns from four fifths on."""
    full, rest = show.bar(each.share, wide)
    ink = "bad" if each.share >= 1 else "warn" if each.share >= 0.8 else "good"
    share = show.percent(each.spent, each.limit) if each.share < 10 else ">999%"
    bar: Pieces = [(full, ink), (rest, "faint"), (" ", "")] if wide else []
    return [*bar, (f"{share} of {show.money(each.limit)}", ink)]


def unpriced(today: Today) -> Pieces:
    """How many calls to models have no known price: the sum leaves them out, and must say so."""
    return [(f" ({today.unpriced} unpriced)", "warn")] if today.unpriced else []


def router(today: Today) -> Pieces:
    """What asking the router cost of it, if anything."""
    return [(" · router ", "muted"), (show.money(today.router_cost), "money")] if today.router_cost else []


def replays(cost: int) -> Pieces:
    """What replays and labs have cost beside it, if anything."""
    return [(" · replays ", "muted"), (f"+{show.money(cost)}", "money")] if cost else []


def tests(cost: int) -> Pieces:
    """What tests of models and routers that a command asked have cost beside it, if anything."""
    return [(" · tests ", "muted"), (f"+{show.money(cost)}", "money")] if cost else []


def broken(today: Today) -> Pieces:
    """How many of the requests failed, if any did."""
    return [(f" ✗{today.failed}", "bad")] if today.failed else []


def failed(today: Today) -> tuple[str, str]:
    """How many failed, with their mark."""
    return (f"✗ {today.failed}", "bad") if today.failed else ("0", "muted")


class Welcome(Panel):
    """The line to paste, and what answers while nothing is configured."""

    def __init__(self) -> None:
        super().__init__(id="welcome")
        self.border_title = "Paste this where you run Claude Code"
        self.border_subtitle = "y copies all variables · p hides it"
        self.begin, self.demo = "", False

    def put(self, begin: str, demo: bool) -> None:
        """Show this line; `demo` is whether nothing is configured."""
        self.begin, self.demo = begin, demo
        self._fit()

    def _fit(self) -> None:
        self.styles.height = len(self.lines()) + 2
        self.look()

    def on_resize(self) -> None:
        """Another width wraps otherwise."""
        super().on_resize()
        self._fit()

    def lines(self) -> list[Pieces]:
        """The line, what else there is, and what the demo model is."""
        width = max(16, self.size.width or 76)
        lines = [[("  " + self.begin[a:b], "strong")] for a, b in wrap(self.begin, width - 3)]
        lines += flowed(SETS, width)
        return lines + (flowed(UNSET, width) if self.demo else [])


SETS: Pieces = [
    (
        "It sets the address and the rest, and empties ANTHROPIC_API_KEY: a real key would be sent here. The same is",
        "muted",
    ),
    ("ccr-tui code;", "link"),
    ("y", "title"),
    ("copies each variable as a plain line.", "muted"),
    ("i", "title"),
    ("imports what Claude Code has done before, from its own transcripts.", "muted"),
]
UNSET: Pieces = [
    ("No model is configured: the built-in demo model answers. Press", "warn"),
    ("4", "title"),
    ("to add a real one;", "warn"),
    ("or set OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL.", "muted"),
]


def flowed(pieces: Pieces, width: int) -> list[Pieces]:
    """Words in their inks, on as many lines as they need."""
    lines: list[Pieces] = [[]]
    used = 0
    for word, ink in ((word, ink) for text, ink in pieces for word in text.split()):
        if used + len(word) + 1 > width - 1 and lines[-1]:
            lines.append([])
            used = 0
        lines[-1].append((f" {word}", ink))
        used += len(word) + 1
    return lines
