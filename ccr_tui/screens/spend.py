"""Where the money goes: by hour, day, week, model, provider, agent, project or session, as a picture and as a table.

Owns what is summed, over which time, and what it is compared with. Must never read the store, ask for a price or draw
a picture on the event loop. The one surprise: a reading takes longer the more there is, so the next one waits ten times
as long as the last one took; a commit only says that there is something new.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import get_args

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container
from textual.markup import escape
from textual.message import Message
from textual.screen import Screen
from textual.worker import get_current_worker

from ccr_tui import baseline, decimals, spending
from ccr_tui.baseline import Baseline
from ccr_tui.config import Config
from ccr_tui.errors import ConfigError, StoreError
from ccr_tui.filtering import Term
from ccr_tui.screens import course, show, spend_table
from ccr_tui.screens.bars import Footer, Header
from ccr_tui.screens.course import CoursePlot, Picture
from ccr_tui.screens.figures import Figures, Tabs
from ccr_tui.screens.flip import flip
from ccr_tui.screens.house import House
from ccr_tui.screens.ink import AGENT_INKS
from ccr_tui.screens.listed import RequestsScreen
from ccr_tui.screens.pick import Choice, Pick
from ccr_tui.screens.roster import Pieces, Roster
from ccr_tui.screens.spend_about import AboutScreen
from ccr_tui.screens.spend_table import Context
from ccr_tui.slim import dataclass
from ccr_tui.spending import SPANS, Spending
from ccr_tui.store.amounts import SpendRow
from ccr_tui.store.queries import By, Filter
from ccr_tui.store.sums import TIMES

LOOK_S = 0.2
REST = 10
"""How many times as long as a reading took the next one waits."""
LEAST_S = 1.0
"""The shortest time between two readings."""
WAYS: tuple[By, ...] = get_args(By)
KINDS = ("bars", "lines", "none")
"""What the picture shows: stacked bars, what was paid against one model for all, nothing."""


BARS, FRAME = 3, 3
"""Lines of the header, the ways and the footer; of the table's frame and headings."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One reading, and what it is compared with."""

    found: Spending
    baseline: Baseline | None
    asked: str | None
    """The model that the client asks for."""
    took_s: float


class SpendScreen(Screen[None]):
    """Header, ways to sum, picture and figures, the table, footer."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (160, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-least"), (10, "-tiny"), (18, "-low"), (30, "-high"), (50, "-tall")]
    BINDINGS = [
        Binding("right,l", "way(1)", "By", key_display="←→", tooltip="Sum by the next: hour, day, week, model, …"),
        Binding("left,h", "way(-1)", "By the one before", show=False),
        Binding("greater_than_sign,full_stop", "span(1)", "Span", key_display="<>", tooltip="A longer time"),
        Binding("less_than_sign,comma", "span(-1)", "A shorter time", show=False),
        Binding("w", "what_if", "What if", tooltip="What it would have cost with another model"),
        Binding("b", "baseline", "Baseline", tooltip="The model that spending is compared with; kept"),
        Binding("p", "picture", "Plot", tooltip="Bars, what was paid against one model for all, or no picture"),
        Binding("i", "about", "Sources", tooltip="What each figure means, and where it is known from"),
        Binding("u", "unknown", "Unknown", tooltip="The requests whose price, or whose cache's part, is not known"),
        Binding("c", "lost", "Cache lost", tooltip="The requests in which a switch of models lost what was cached"),
        Binding("m", "mode", "Mode", show=False, tooltip="Normal mode or Router mode"),
        Binding("1", "app.show('live')", "Live", tooltip="What happens now"),
        Binding("2", "app.show('sessions')", "Sessions", tooltip="What each session cost"),
        Binding("4", "app.show('models')", "Models", tooltip="Providers, models and agents"),
        Binding("5", "app.show('replay')", "Replay", tooltip="What a session would have cost with other models"),
        Binding("escape", "clear", "Back to the baseline", show=False),
    ]

    @dataclass
    class Read(Message):
        """A thread has read the sums."""

        seen: Seen
        ticket: int

    @dataclass
    class Drawn(Message):
        """A thread has drawn the picture."""

        picture: Picture | None
        ticket: int

    @dataclass
    class Trouble(Message):
        """Something could not be read; why."""

        why: str

    @dataclass
    class Priced(Message):
        """A thread knows the price of another model, or that nobody does."""

        name: str
        found: Baseline | None
        is_kept: bool

    def __init__(self, house: House, demo: bool = False) -> None:
        super().__init__()
        self.house, self.demo = house, demo
        self.header, self.footer = Header(house, demo), Footer(house)
        self.tabs = Tabs(WAYS, tuple(SPANS))
        self.plot, self.figures = CoursePlot(id="course"), Figures()
        self.table = Roster(self._headings, id="rows")
        self.by: By = "day"
        self.span = "30 days"
        self.kind = "bars"
        self.seen: Seen | None = None
        self.what_if: Baseline | None = None
        self.picked: Baseline | None = None
        """A baseline that could not be kept in a file."""
        self._held: spend_table.Amounts = {}
        self._of: Config | None = None
        self._stale = True
        self._next = 0.0
        self._ticket = self._drawing = 0

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.header
        yield self.tabs
        with Container(id="money"):
            yield self.plot
            yield self.figures
        yield self.table
        yield self.footer

    def on_mount(self) -> None:
        """Read, and look whether there is more to read."""
        self.figures.border_title, self.figures.border_subtitle = "Sum", "i sources"
        self.plot.words = "  …"
        self.table.focus()
        self.set_interval(LOOK_S, self._look)
        self._look()

    def store_changed(self) -> None:
        """The store has more; it is read when the screen is seen, and not too often."""
        self._stale = True

    def _look(self) -> None:
        if not self.is_current:
            return
        self.header.look()
        self.footer.look()
        changed = self.house.engine.config is not self._of
        if changed or (self._stale and time.monotonic() >= self._next):
            self._begin()

    # -- reading

    def _begin(self) -> None:
        self._stale, self._of = False, self.house.engine.config
        self._next = time.monotonic() + 3600  # until it is read
        self._ticket += 1
        self.tabs.put(self.by, self.span)
        self._read(self._of, self.by, self.span, self._ticket)

    @work(thread=True, exclusive=True, group="spend", description="spend")
    def _read(self, config: Config, by: By, span: str, ticket: int) -> None:
        start, now, reader = time.monotonic(), time.time(), self.house.reader
        try:
            found = spending.read(reader, config.guards, by, spending.since(span, now), now)
            asked = reader.asked()
        except StoreError as error:
            self.post_message(self.Trouble(str(error)))
            return
        chosen = self.picked or baseline.chosen(config, asked, now)
        if not get_current_worker().is_cancelled:
            self.post_message(self.Read(Seen(found, chosen, asked, time.monotonic() - start), ticket))

    @on(Trouble)
    def _say(self, trouble: Trouble) -> None:
        self._next = time.monotonic() + REST
        self.app.notify(trouble.why, severity="error", markup=False)

    @on(Read)
    def _take(self, read: Read) -> None:
        if read.ticket == self._ticket:
            self._next = time.monotonic() + max(LEAST_S, REST * read.seen.took_s)
            self.seen = read.seen
            self.refresh_bindings()
            self._show()
            self._draw_anew()

    # -- showing

    @property
    def compared(self) -> Baseline | None:
        """What the shown mix is compared with."""
        return self.what_if or (self.seen.baseline if self.seen else None)

    def _drawn_with(self) -> Context:
        found = self.seen.found if self.seen else None
        inks = self.plot.picture.inks if self.plot.picture and self.kind == "bars" else {}
        if found is None:
            return Context(self.by, self.compared, inks, 0)
        most, what_if = max((row.cost for row in found.rows), default=0), self.what_if is not None
        held, empty = self._held, spend_table.empty(found.rows)
        digits, widths, tails = (told(held) for told in (spend_table.digits, spend_table.widths, spend_table.tails))
        by = found.by  # what is read now may be summed by something else already
        return Context(by, self.compared, inks, most, what_if, empty, digits, widths, tails)

    def _headings(self, width: int) -> Pieces:
        return spend_table.headings(self._drawn_with())(width)

    def _show(self) -> None:
        if self.seen is None:
            return
        found = self.seen.found
        self._held = spend_table.amounts([*found.rows, found.total], self.compared)
        drawn_with = self._drawn_with()
        self.figures.put(found, self.compared, self.what_if is not None, drawn_with.digits, drawn_with.inks)
        began = (
            f", since {datetime.fromtimestamp(found.since):%a %d %b}" if found.since and self.span != "today" else ""
        )
        self.figures.border_title = f"Sum · {self.span}{began}"
        self.table.put(spend_table.rows(found.rows, drawn_with))
        self._fit()
        count = len(found.rows)
        self.table.border_title = f"By {found.by} · {count:,}"
        self.table.border_subtitle = escape(self._hint()) if count else ""
        self.table.empty = f"  nothing was spent{' yet' if found.since is None else f': {self.span}'}"
        self.table.refresh()

    def _fit(self) -> None:
        """Picture and figures take what the table leaves, but never most of a high screen; once it is known."""
        if self.seen is None:
            return
        room = self.size.height - BARS
        left = min(room - len(self.table.rows) - FRAME, room * 2 // 3)
        self.query_one("#money").styles.height = None if self.kind == "none" else max(1, left)

    def on_resize(self) -> None:
        """Another size has other room."""
        self.call_after_refresh(self._fit)

    def _hint(self) -> str:
        if self.what_if is not None:
            return f"what if all had gone to {show.model(self.what_if.name)} · esc back to the baseline"
        return "⏎ its requests · w what if another model · b baseline"

    @on(CoursePlot.Resized)
    def _draw_anew(self) -> None:
        self.set_class(self.kind == "none", "-folded")
        self._title_of_plot()
        size = self.plot.content_size
        if self.seen is None or self.kind == "none" or size.width < 8:
            return
        self._drawing += 1
        self._draw(self.seen, self.compared, self.kind, (size.width, size.height), self._drawing)

    def _title_of_plot(self) -> None:
        unit = self.seen.found.course.unit if self.seen else ""
        if self.kind == "lines" and self.compared is not None:
            title = f"Paid, and at {show.model(self.compared.name)}, summed up"
        else:
            each = self.plot.picture.each if self.plot.picture and self.kind == "bars" else 1
            per = unit if each == 1 else f"{each} {unit}s"
            by = self.seen.found.by if self.seen else self.by
            title = f"Spent per {per}, by {_told_by(by)}" if unit else "Spent"
        other = "bars" if self.kind == "lines" else "against one model"
        self.plot.border_title, self.plot.border_subtitle = escape(title), f"p {other}"

    @work(thread=True, exclusive=True, group="draw", description="draw")
    def _draw(self, seen: Seen, compared: Baseline | None, kind: str, size: tuple[int, int], ticket: int) -> None:
        cuts = seen.found.course
        ticks = ticks_of(cuts.unit, cuts.edges)
        if kind == "lines" and compared is not None:
            try:
                rows = spending.steps(self.house.reader, seen.found)
            except StoreError as error:
                self.post_message(self.Trouble(str(error)))
                return
            paid, other = [row.cost for row in rows], [row.beside(compared.price) for row in rows]
            picture = course.lines(paid, other, ticks, *size)
        else:
            agents = AGENT_INKS if seen.found.by == "agent" else {}
            inks: Mapping[str | None, str] = {name: ink for name, ink in agents.items()}  # noqa: C416
            called = {key: show.model(key) for key in course.ranked(cuts.parts)} if seen.found.by in TIMES else {}
            picture = course.bars(cuts.parts, ticks, *size, inks, called)
        if not get_current_worker().is_cancelled:
            self.post_message(self.Drawn(picture, ticket))

    @on(Drawn)
    def _hang(self, drawn: Drawn) -> None:
        if drawn.ticket == self._drawing:
            self.plot.put(drawn.picture, "  nothing was spent in this time")
            self._title_of_plot()
            self._show()

    # -- what is summed

    def action_way(self, by: int) -> None:
        """Sum by the next thing, or the one before."""
        self._choose(WAYS[(WAYS.index(self.by) + by) % len(WAYS)], self.span)

    def action_span(self, by: int) -> None:
        """A longer or a shorter time."""
        names = list(SPANS)
        self._choose(self.by, names[max(0, min(len(names) - 1, names.index(self.span) + by))])

    @on(Tabs.Chosen)
    def _clicked(self, chosen: Tabs.Chosen) -> None:
        if chosen.name in SPANS:
            self._choose(self.by, chosen.name)
        else:
            self._choose(next(way for way in WAYS if way == chosen.name), self.span)

    def _choose(self, by: By, span: str) -> None:
        if (by, span) != (self.by, self.span):
            self.by, self.span = by, span
            self.table.cursor = 0
            self._begin()

    def action_picture(self) -> None:
        """The next kind of picture."""
        self.kind = KINDS[(KINDS.index(self.kind) + 1) % len(KINDS)]
        self.set_class(self.kind == "none", "-folded")
        self._fit()
        self.call_after_refresh(self._draw_anew)
        self._show()

    def action_about(self) -> None:
        """What the figures mean, and where each is known from."""
        if self.seen is not None:
            self.app.push_screen(AboutScreen(self.seen.found, self.span, self.compared, self.what_if is not None))

    @work
    async def action_mode(self) -> None:
        """The other mode."""
        await flip(self.app, self.house, self.demo)

    # -- the requests of a row

    @on(Roster.Opened)
    def _open(self, opened: Roster.Opened) -> None:
        key = opened.roster.chosen
        if self.seen is None or key is None or not key[0]:
            return
        row = next(row for row in self.seen.found.rows if (row.key or "") == key[1])
        found = self.seen.found
        terms = terms_of(found.by, row, found.since)
        what = show.fit(spend_table.named(found.by, row.title or row.key), 40).rstrip()
        self.app.push_screen(RequestsScreen(self.house, Filter(terms=terms), f"Requests of {what}", self.demo))

    def action_unknown(self) -> None:
        """The requests that sums with a plus leave out."""
        self._list(Term("unknown"), "Requests with something unknown in their cost")

    def action_lost(self) -> None:
        """The requests that make up what a switch of models lost."""
        self._list(Term("lost", ">", (0,)), "Requests in which a switch of models lost some cache")

    def _list(self, term: Term, what: str) -> None:
        if self.seen is not None:
            terms = (*of_span(self.seen.found.since), term)
            self.app.push_screen(RequestsScreen(self.house, Filter(terms=terms), what, self.demo))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Where all is known, or nothing is lost, there is nothing to go to."""
        total = self.seen.found.total if self.seen else None
        if action == "unknown":
            return bool(total and (total.cache_unknown or total.unpriced))
        return action != "lost" or bool(total and total.cache_lost)

    # -- other models

    def action_what_if(self) -> None:
        """Ask what another model would have cost for the mix that is shown."""
        self._pick("What if all of it had gone to…", False)

    def action_baseline(self) -> None:
        """Choose the model that spending is compared with."""
        self._pick("Compare with (kept in config.toml)", True)

    def action_clear(self) -> None:
        """Back to the baseline."""
        self.what_if = None
        self._show()
        self._draw_anew()

    def _pick(self, title: str, is_kept: bool) -> None:
        if self.seen is None:
            return
        seen, config = self.seen, self.house.engine.config
        digits = decimals.of([seen.found.total.cost])  # one number of them, whatever is found

        async def priced() -> list[Choice]:
            worker = self._candidates(config, [row.key or "" for row in seen.found.rows], seen.asked)
            found: list[Baseline] = await worker.wait()
            total = seen.found.total
            cheapest = sorted(found, key=lambda one: total.beside(one.price))
            return [choice_of(each, seen, digits, not is_kept) for each in cheapest]

        async def matching(typed: str) -> list[Choice]:
            found = await asyncio.to_thread(baseline.matching, config, typed, time.time())
            return [choice_of(each, seen, digits, not is_kept) for each in found]

        def chosen(names: list[str] | None) -> None:
            if names:
                self._price(config, names[0], is_kept)

        at = self.compared.name if self.compared else ""
        free = "nobody here knows a price of this name"
        self.app.push_screen(Pick(title, (), at=at, free=free, later=priced, search=matching), chosen)

    @work(thread=True, exclusive=True, group="candidates", description="candidates")
    def _candidates(self, config: Config, keys: list[str], asked: str | None) -> list[Baseline]:
        more = [asked or "", *(keys if self.seen and self.seen.found.by == "model" else [])]
        return baseline.candidates(config, more, time.time())

    @work(thread=True, exclusive=True, group="price", description="price")
    def _price(self, config: Config, name: str, is_kept: bool) -> None:
        price = baseline.find(config, name, time.time())
        self.post_message(self.Priced(name, None if price is None else Baseline(name, price), is_kept))

    @on(Priced)
    async def _compare(self, priced: Priced) -> None:
        if priced.found is None:
            words = f"Nobody here knows the price of {priced.name}; set models.NAME.price in config.toml."
            self.app.notify(show.harmless(words), severity="warning", markup=False)
            return
        self.what_if = None if priced.is_kept else priced.found
        if priced.is_kept and self.seen is not None:
            self.seen = replace(self.seen, baseline=priced.found)
            self.picked = await self._keep(priced.found)
        self._show()
        self._draw_anew()

    async def _keep(self, chosen: Baseline) -> Baseline | None:
        """Write it down; where that can't be, it is held until the program ends."""
        if self.demo:
            return chosen
        try:
            for sentence in await self.house.edit([(("spend", "baseline"), chosen.name)]):
                self.app.notify(sentence, markup=False)
        except ConfigError as error:
            self.app.notify(f"Held until ccr-tui ends: {error}", severity="warning", markup=False)
            return chosen
        return None


def choice_of(each: Baseline, seen: Seen, digits: int, is_what_if: bool) -> Choice:
    """A model with what the shown mix would have cost, how that is to what was paid (or the other way round, as the sum
    will say it), and by whose price."""
    total = seen.found.total
    share, ink = spend_table.against(total, each, digits, is_what_if)
    source = each.price.source.removeprefix("list price of ").removeprefix("list price in ")
    note = f"{spend_table.beside(total, each, digits):>10} {share:>6}  {source}"
    return Choice(each.name, each.name, note, ink)


def _told_by(by: By) -> str:
    return "model" if by in TIMES else by


def ticks_of(unit: str, edges: tuple[float, ...]) -> dict[int, str]:
    """Some stretches, by their place, and how they are called."""
    last = len(edges) - 2
    if last < 0:
        return {}
    places = range(0, last + 1, max(1, (last + 1) // 4)) if last >= 4 else range(last + 1)
    form = "%H:%M" if unit == "hour" and last < 25 else "%d %H:00" if unit == "hour" else "%d %b"
    return {place: datetime.fromtimestamp(edges[place]).strftime(form).removeprefix("0") for place in places}


def of_span(since: float | None) -> tuple[Term, ...]:
    """The requests that are in the sums since then: what replays have sent is in none."""
    sent = Term("origin", values=("replay",), inverted=True)
    return (sent,) if since is None else (Term("since", values=(since,)), sent)


def terms_of(by: By, row: SpendRow, since: float | None) -> tuple[Term, ...]:
    """The filter that finds a row's requests."""
    if by in TIMES and row.key is not None:
        start, end = spend_table.span_of(by, row.key)
        return *of_span(start), Term("until", values=(end,))
    terms = [*of_span(since)]
    if not row.requests:  # it never answered: it only worked for the router, or before another
        return (*terms, Term("tries", ">", (1,)), Term("mode", values=("router",)))
    if by in ("model", "provider") and row.key is None:
        return (*terms, Term("tries", "<", (1,)))
    terms.append(Term(by, values=("*",), inverted=True) if row.key is None else Term(by, values=(row.key,)))
    return tuple(terms)
