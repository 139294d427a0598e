"""What it all came to, in words: spent, compared, routed, cached, forecast and left of the budgets.

Owns the order of the figures and where each one's provenance stands. Pure but for its widgets. The one surprise: the
same figures flow into a few lines where the screen is narrow, and stand one below the other where it is wide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap

from rich.cells import cell_len
from textual.message import Message
from textual.strip import Strip

from ccr_tui import decimals
from ccr_tui.baseline import Baseline
from ccr_tui.origin import MADE_UP, origin
from ccr_tui.screens import show
from ccr_tui.screens.ink import Inked
from ccr_tui.screens.panels import Panel, Pieces
from ccr_tui.screens.spend_table import DIGITS, against, beside, cost
from ccr_tui.spending import Budget, Spending
from ccr_tui.store.amounts import Billed, Sums
from ccr_tui.store.sums import TIMES

NAME = 13
"""Columns of the names."""
FLAT = 60
"""Columns from which on figures stand beside one another: the panel is then as wide as the screen."""
BASES = {"reported": "reported", "list": "list price", "user": "your price"}


class Figures(Panel):
    """The panel beside the picture."""

    def __init__(self) -> None:
        super().__init__(id="figures")
        self.found: Spending | None = None
        self.compared: Baseline | None = None
        self.is_what_if = False
        self.digits: Mapping[str, int] = {}
        self.inks: Mapping[str | None, str] = {}

    def put(
        self,
        found: Spending,
        compared: Baseline | None,
        is_what_if: bool,
        digits: Mapping[str, int] | None = None,
        inks: Mapping[str | None, str] | None = None,
    ) -> None:
        """Show these numbers, with as many decimals as the table's columns have, and models in the picture's inks."""
        self.found, self.compared, self.is_what_if = found, compared, is_what_if
        self.digits, self.inks = digits or {}, inks or {}
        self.look()

    def lines(self) -> list[Pieces]:
        """One figure a line, or as many as fit."""
        if self.found is None:
            return [[(" …", "faint")]]
        if self.size.width > FLAT:
            return flowed(list(self._flat(self.found)), self.size.width)
        figures = list(self._tall(self.found))
        lines: list[Pieces] = [[(f" {name:{self._names}}", "muted"), *words] for name, words in figures]
        room = self.size.height - len(lines) - 2
        return lines + (
            parted(self.found, self.inks, self.size.width, room, self.digits.get("cost")) if room > 1 else []
        )

    def _tall(self, found: Spending) -> Iterator[tuple[str, Pieces]]:
        """Figure by figure, each with its provenance below it."""
        total, compared = found.total, self.compared
        yield "spent", [(cost(total, self.digits.get("cost")), "money")]
        for line in wrapped(provenance(found.billed, total), self.size.width - self._names - 1):
            yield "", line
        if compared is not None:
            yield self._at(compared), self._compared(total, compared)
            yield from (("", line) for line in self._lines_of(priced(compared)))
        yield (
            "router",
            [amount(total.router_cost, "router", self.digits.get("router")), *share_of(total.router_cost, total)],
        )
        yield (
            "agents aside",
            [amount(total.hop_cost, "think", self.digits.get("aside")), *share_of(total.hop_cost, total)],
        )
        if found.replayed.requests:
            yield "replays", [*replays(found), ("  not in the above", "faint")]
        if found.tests.requests:
            yield "tests", [*tests(found), ("  not in the above", "faint")]
        yield "cached", cached(total)
        yield "  saved", [known(total.cache_saved, total, "good", self.digits.get("saved")), *unknown(total)]
        yield (
            "  lost",
            [known(total.cache_lost, total, "warn", self.digits.get("lost")), *switching(total)],
        )
        yield "today", today(found, self.digits.get("cost"))
        yield "  forecast", forecast(found) or [("no whole day before to go by", "faint")]
        if found.forecast:
            yield "", [(found.forecast.briefly, "faint")]
        for each in found.budgets:
            if each.what != "day":
                yield f"per {each.what}", [*budget(each, self.digits.get("cost")), (f" {_short(each)}", "faint")]

    def _lines_of(self, words: str) -> Iterator[Pieces]:
        """A sentence on as many lines as it needs."""
        room = max(8, self.size.width - self._names - 1)
        return ([(line, "faint")] for line in wrap(words, room))

    def _flat(self, found: Spending) -> Iterator[Pieces]:
        """The same, each with its name, to stand beside one another."""
        total, compared = found.total, self.compared
        share = "–" if total.cached_share is None else show.percent(total.cached_share, 1)
        spent = [("spent ", "muted"), (cost(total, self.digits.get("cost")), "money"), ("  ", "")]
        first, *more = wrapped(provenance(found.billed, total), self.size.width - columns(spent) - 1) or [[]]
        yield [*spent, *first]
        yield from more
        if compared is not None:
            yield [(f"{self._at(compared)} ", "muted"), *self._compared(total, compared)]
        yield [("router ", "muted"), amount(total.router_cost, "router", self.digits.get("router")),
               ("  agents aside ", "muted"), amount(total.hop_cost, "think", self.digits.get("aside"))]  # fmt: skip
        if found.replayed.requests:
            yield [("replays ", "muted"), *replays(found), (" beside it", "faint")]
        if found.tests.requests:
            yield [("tests ", "muted"), *tests(found), (" beside it", "faint")]
        yield [("cached ", "muted"), (share, ""), ("  saved ", "muted"),
               known(total.cache_saved, total, "good", self.digits.get("saved")), ("  lost ", "muted"),
               known(total.cache_lost, total, "warn", self.digits.get("lost"))]  # fmt: skip
        yield [
            ("today ", "muted"),
            *today(found, self.digits.get("cost")),
            *([(" → ", "muted"), *forecast(found)] if found.forecast else []),
        ]
        for each in found.budgets:
            if each.what != "day":
                yield [(f"session {_short(each)} ", "muted"), *budget(each, self.digits.get("cost"))]

    @property
    def _names(self) -> int:
        """Columns of the names; that of a model may be long."""
        return max(NAME, len(self._at(self.compared)) + 1 if self.compared else 0)

    def _at(self, compared: Baseline) -> str:
        return f"{'if' if self.is_what_if else 'at'} {show.model(compared.name)}"

    def _compared(self, total: Sums, compared: Baseline) -> Pieces:
        digits = self.digits.get("at", DIGITS)
        return [
            (beside(total, compared, digits), "strong"),
            ("  ", ""),
            against(total, compared, digits, self.is_what_if),
        ]


def _short(each: Budget) -> str:
    return show.harmless((each.session or "")[:8])


def money(nanos: int, digits: int | None) -> str:
    """With so many decimals, or with those that matter."""
    return show.money(nanos) if digits is None else decimals.money(nanos, digits)


def amount(cost: int, ink: str, digits: int | None) -> tuple[str, str]:
    """Money with an ink of its own where there is some."""
    return money(cost, digits), ink if cost else "muted"


def share_of(part: int, total: Sums) -> Pieces:
    """Which part of the cost it is."""
    return [(f"  {show.percent(part, total.cost)} of what was spent", "faint")] if part * 200 >= total.cost > 0 else []


def replays(found: Spending) -> Pieces:
    """What replays and labs have cost, which is in no other figure; a plus where some of it is not known."""
    return [(f"+{show.money(found.replayed.cost)}{'+' * bool(found.replayed.unpriced)}", "money")]


def tests(found: Spending) -> Pieces:
    """What tests of models and asked routers have cost, which is in no other figure."""
    return [(f"+{show.money(found.tests.known)}{'+' * bool(found.tests.unpriced and found.tests.cost)}", "money")]


def provenance(billed: Sequence[Billed], total: Sums) -> Pieces:
    """By which prices, in shares of what is known; and how many calls have none."""
    shares = [
        f"{words}{f' {show.percent(part, total.cost)}' if part < total.cost else ''}" for words, part in told(billed)
    ]
    if len(shares) == 1 and not total.unpriced:
        shares = [f"{shares[0]}{dated(billed)}"]
    words = f"{total.unpriced:,} call{'s' * (total.unpriced != 1)} unpriced"
    return [*((share, "faint") for share in shares), *([(words, "warn")] if total.unpriced else [])]


def wrapped(words: Pieces, room: int) -> list[Pieces]:
    """The words with points between them, on as many lines as they need."""
    lines: list[Pieces] = []
    for each in words:
        if lines and columns(lines[-1]) + 3 + cell_len(each[0]) <= room:
            lines[-1] += [(" · ", "faint"), each]
        else:
            lines.append([each])
    return lines


def columns(pieces: Pieces) -> int:
    """How many they take."""
    return sum(cell_len(text) for text, _ in pieces)


def told(billed: Sequence[Billed]) -> Iterator[tuple[str, int]]:
    """Where the money is known from, and how much of it; prices that are made up say so."""
    for basis, words in BASES.items():
        of_it = Counter[str]()
        for each in billed:
            if each.basis == basis:
                of_it[show.harmless(each.source) if each.source.startswith(MADE_UP) else words] += each.cost
        yield from ((name, cost) for name, cost in of_it.items() if cost)


def dated(billed: Sequence[Billed]) -> str:
    """As of when, where all prices have the same date."""
    dates = {each.since for each in billed if each.cost}
    return f" of {dates.pop()}" if len(dates) == 1 and "" not in dates else ""


def priced(compared: Baseline) -> str:
    """Where a compared model's price is known from, and as of when."""
    price = compared.price
    return show.harmless(origin(price.basis, price.source, price.since))


def cached(total: Sums) -> Pieces:
    """How much of the input was cached."""
    share = total.cached_share
    if share is None:
        return [("–", "muted")]
    full, rest = show.bar(share, 10)
    return [(full, "good"), (rest, "faint"), (f" {show.percent(share, 1)} of the input", "")]


def known(amount: int, total: Sums, ink: str, digits: int | None) -> tuple[str, str]:
    """What the cache saved or lost; a plus where some of it is not known."""
    return money(amount, digits) + "+" * bool(total.cache_unknown), ink if amount else "muted"


def unknown(total: Sums) -> Pieces:
    """Of how many calls that is not known."""
    some = total.cache_unknown
    return [(f"  u {some:,} call{'s' * (some != 1)} not known", "faint")] if some else []


def switching(total: Sums) -> Pieces:
    """What lost it, and the key that goes to those requests."""
    return [(f"{'  c' * bool(total.cache_lost)} by switching models", "faint")]


def today(found: Spending, digits: int | None = None) -> Pieces:
    """Today's cost, against its budget."""
    line: Pieces = [(cost(found.today, digits), "money")]
    limit = next((each for each in found.budgets if each.what == "day"), None)
    return (
        line if limit is None else [*line, (" of ", "muted"), (show.money(limit.limit), ""), (" ", ""), *gauge(limit)]
    )


def forecast(found: Spending) -> Pieces:
    """What the day will have cost; alarming where that is over the budget."""
    guess = found.forecast
    if guess is None:
        return []
    over = any(each.what == "day" and guess.cost > each.limit for each in found.budgets)
    return [(f"about {decimals.roughly(guess.cost)}", "bad" if over else ""), (" by midnight", "muted")]


def budget(each: Budget, digits: int | None = None) -> Pieces:
    """What was spent of a limit."""
    return [
        (money(each.spent, digits), "money"),
        (" of ", "muted"),
        (show.money(each.limit), ""),
        (" ", ""),
        *gauge(each),
    ]


def gauge(each: Budget) -> Pieces:
    """A bar that warns from four fifths on."""
    full, rest = show.bar(each.share, 8)
    ink = "bad" if each.share >= 1 else "warn" if each.share >= 0.8 else "good"
    return [(full, ink), (rest, "faint"), (f" {show.percent(min(each.share, 9.99), 1)}", ink)]


def parted(
    found: Spending, inks: Mapping[str | None, str], width: int, room: int, digits: int | None = None
) -> list[Pieces]:
    """Who was paid how much, the dearest first, where the table tells of times."""
    totals = Counter[str | None]()
    for part in found.course.parts:
        totals.update(part)
    paid = [(key, amount) for key, amount in totals.most_common() if amount]
    if found.by not in TIMES or len(paid) < 2:
        return []
    wide = min(24, max(8, width - 32))
    if digits is None:
        digits = decimals.of([amount for _, amount in paid])
    tail = decimals.tail([amount for _, amount in paid[: room - 1]], digits)
    lines: list[Pieces] = [[], [(" by model", "muted")]]
    for key, amount in paid[: room - 1]:
        ink, told = inks.get(key, "muted"), show.lined(decimals.money(amount, digits), tail)
        full, _ = show.bar(amount / paid[0][1], max(4, width - wide - 22))
        line = [(" ■ ", ink), (show.fit(show.model(key), wide), ""), (f"{told:>11}", "money")]
        lines.append([*line, (f"{show.percent(amount, found.total.cost):>5} ", "muted"), (full, ink)])
    return lines


def flowed(parts: Sequence[Pieces], width: int) -> list[Pieces]:
    """Parts beside one another, a line as long as there is room."""
    lines: list[Pieces] = [[(" ", "")]]
    used = 1
    for part in parts:
        size = columns(part)
        if used > 1 and used + size + 4 > width:
            lines.append([(" ", "")])
            used = 1
        if used > 1:
            lines[-1].append(("  │ ", "faint"))
            used += 4
        lines[-1] += part
        used += size
    return lines


SPAN = 2
"""Columns that the chosen span must have left to be known by; with less, only the chosen way is told."""


class Tabs(Inked):
    """The ways to sum and the spans, on one line; a click chooses."""

    class Chosen(Message):
        """A click on one of them."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, ways: Sequence[str], spans: Sequence[str]) -> None:
        super().__init__(id="ways")
        self.ways, self.spans = ways, spans
        self.way, self.span = ways[0], spans[0]
        self._places: list[tuple[int, int, str]] = []

    def put(self, way: str, span: str) -> None:
        """These are chosen."""
        self.way, self.span = way, span
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """The one line; where there is no room for all spans, the chosen one alone."""
        width = self.size.width
        pieces: Pieces = [(" by ", "muted")]
        self._places = []
        whole = sum(len(way) + 2 for way in self.ways) + 4
        self._add(pieces, self.ways if whole + SPAN <= width else [self.way], self.way)
        spans = self.spans if width >= 110 else [self.span]
        room = width - columns(pieces) - sum(len(span) + 2 for span in spans) - 4
        pieces += [(" " * max(1, room), ""), ("‹", "faint")]
        self._add(pieces, spans, self.span)
        return self.strip([*pieces, ("›", "faint")], width)

    def _add(self, pieces: Pieces, names: Sequence[str], chosen: str) -> None:
        for name in names:
            at = columns(pieces)
            self._places.append((at, at + len(name) + 2, name))
            pieces.append((f" {name} ", "chip" if name == chosen else "muted"))

    def on_click(self, event: object) -> None:
        """Choose what was clicked."""
        x = getattr(event, "x", -1)
        for start, end, name in self._places:
            if start <= x < end:
                self.post_message(self.Chosen(name))
