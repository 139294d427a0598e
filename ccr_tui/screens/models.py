"""Who serves which model, what it charges and can do, and which agent speaks with it; all of it changed here, live.

Owns the three parts (providers with their models, agents, and a page about what is chosen) and when they are read anew.
Must never read the file, the store or the prices on the event loop. The one surprise: what is shown belongs to one
configuration, so the screen looks five times a second whether the engine has another one, whoever changed it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container
from textual.markup import escape
from textual.message import Message
from textual.screen import Screen

from ccr_tui import offers
from ccr_tui.config import Config
from ccr_tui.errors import StoreError
from ccr_tui.screens import adding, changing, show
from ccr_tui.screens.bars import Footer, Header
from ccr_tui.screens.checklist import TestScreen
from ccr_tui.screens.desk import Desk
from ccr_tui.screens.flip import flip
from ccr_tui.screens.form import Note
from ccr_tui.screens.house import House
from ccr_tui.screens.offers_list import Seen, agent_rows, headings, offer_rows
from ccr_tui.screens.offers_page import page_of
from ccr_tui.screens.roster import Roster
from ccr_tui.screens.viewer import Viewer
from ccr_tui.slim import dataclass

LOOK_S = 0.2


class ModelsScreen(Screen[None]):
    """Header, providers and models, agents, a page, footer."""

    HORIZONTAL_BREAKPOINTS = [(0, "-slim"), (64, "-narrow"), (100, "-normal"), (160, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (10, "-low"), (30, "-high")]
    BINDINGS = [
        Binding("t", "test", "Test", tooltip="Test the connection: what can this model do?"),
        Binding("m", "mode", "Mode", tooltip="Normal mode or Router mode"),
        Binding("a", "add", "Add", tooltip="Add a provider or a model"),
        Binding("e", "change", "Edit", tooltip="Edit the provider or the model: address, key, window, price"),
        Binding(
            "x,delete", "remove", "Remove", key_display="x", tooltip="Remove the provider or model, free the agent"
        ),
        Binding("1", "app.show('live')", "Live", tooltip="What happens now"),
        Binding("2", "app.show('sessions')", "Sessions", tooltip="What sessions, turns and subagents cost"),
        Binding("3", "app.show('spend')", "Spend", tooltip="Where the money goes"),
        Binding("5", "app.show('replay')", "Replay", tooltip="What a session would have cost with other models"),
        Binding("tab", "app.focus_next", "Side", show=False, tooltip="To the models, the agents, the page"),
        Binding("shift+tab", "app.focus_previous", "Side before", show=False),
        Binding("space", "read_on", "Read on", show=False, tooltip="Scroll the page below; from its end to its top"),
        Binding("r", "again", "Read again", show=False, tooltip="Read prices, keys and tests again"),
    ]

    @dataclass
    class Read(Message):
        """A thread has put together what is to be shown."""

        seen: Seen

    @dataclass
    class Trouble(Message):
        """Something could not be read; why."""

        why: str

    def __init__(self, house: House, demo: bool = False) -> None:
        super().__init__()
        self.house, self.demo = house, demo
        self.header, self.footer = Header(house, demo), Footer(house)
        self.offers, self.agents = Roster(headings, id="offers"), Roster(id="agents")
        self.page = Viewer(id="about", fluid=True, still=True, empty="")
        self.problem = Note(id="problem")
        self.seen: Seen | None = None
        self._of: Config | None = None
        self._side = self.offers
        self._adding = False

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.header
        with Container(id="sides"):
            yield self.offers
            yield self.agents
        yield self.page
        yield self.problem
        yield self.footer

    def on_mount(self) -> None:
        """Look for what there is, and whether it changes."""
        self.problem.display = False
        self.problem.border_title = "The configuration has a problem"
        self.offers.border_subtitle = "a adds · e edits · x removes · t tests"
        self.agents.border_subtitle = "tab · ⏎ chooses · x frees"
        self.offers.focus()
        self.set_interval(LOOK_S, self._look)
        self._look()

    def _look(self) -> None:
        self.header.look()
        self.footer.look()
        problem = self.house.problem or ""
        if problem != self.problem.words:
            self.problem.display = bool(problem)
            self.problem.say(problem, "bad")
        if self.house.engine.config is not self._of:
            self.action_again()

    def action_again(self) -> None:
        """Read everything that the screen shows again."""
        self._of = self.house.engine.config
        self._read(self._of)

    @work(thread=True, exclusive=True, group="offers")
    def _read(self, config: Config) -> None:
        try:
            badges = self.house.reader.badges()
        except StoreError as error:
            badges = {}
            self.post_message(self.Trouble(str(error)))
        some = offers.offers(config, time.time())
        self.post_message(self.Read(Seen(config, some, badges, offers.unset_keys(config), offers.written(config))))

    @on(Trouble)
    def _say(self, trouble: Trouble) -> None:
        self.app.notify(trouble.why, severity="error", markup=False)

    @on(Read)
    def _show(self, read: Read) -> None:
        seen = self.seen = read.seen
        before = {row.key for row in self.offers.rows}
        first = not before
        self.offers.put(offer_rows(seen))
        if self._adding and (new := [row.key for row in self.offers.rows if row.key not in before]):
            self.offers.select(new[-1])
        self.agents.put(agent_rows(seen))
        count, at = len(seen.config.models), len(seen.config.providers)
        self.offers.border_title = f"Models · {count} at {at} provider{'s' * (at != 1)}"
        origin = seen.config.origins.get("mode", "")
        short = {"environment": "env", ".env": ".env", "flag": "flag", "here": "held here"}
        by = f" ({short[word]})" if (word := origin.partition(" ")[0]) in short else ""
        self.agents.border_title = escape(f"Agents · {seen.config.mode.upper()}{by}")
        if first and seen.config.models:
            names = seen.config.agents.get("default", ())
            self.offers.select(("model", names[0] if names else next(iter(seen.config.models))))
        self._fit()
        self._about()

    def on_resize(self) -> None:
        """Another height has room for other lists."""
        self._fit()

    def _fit(self) -> None:
        """The lists are as high as their rows, as long as half of the screen is left for the page."""
        rows = max(len(self.offers.rows) + 1, len(self.agents.rows)) + 2
        self.query_one("#sides").styles.height = max(11, min(rows, (self.size.height - 2) // 2))

    # -- what is chosen

    @on(Roster.Moved)
    def _moved(self, moved: Roster.Moved) -> None:
        if moved.roster.has_focus or moved.roster is self._side:
            self._side = moved.roster
            self._about()

    @property
    def chosen(self) -> tuple[str, str] | None:
        """What keys act on: kind and name."""
        return self._side.chosen

    def _about(self) -> None:
        if self.seen is not None:
            self.page.load(partial(page_of, self.seen, self.chosen, time.time()))
            self.page.border_title = escape(show.harmless(" ".join(self.chosen or ())))
        self.refresh_bindings()

    @on(Viewer.Moved)
    def _scrolled(self) -> None:
        self.page.border_subtitle = "space reads on" if self.page.total > self.page.height else ""

    def action_read_on(self) -> None:
        """Scroll the page, whatever has the focus."""
        if self.page.scroll_offset.y >= self.page.max_scroll_y:
            self.page.show_at(0)
        else:
            self.page.action_page(1)

    def _model(self) -> str | None:
        """The model that is meant: the chosen one, or that of the chosen agent."""
        kind, name = self.chosen or ("", "")
        if self.seen is None or kind == "provider":
            return None
        return name if kind == "model" else next(iter(self.seen.config.agents.get(name, ())), None)

    def _provider(self) -> str | None:
        """The provider that is meant."""
        kind, name = self.chosen or ("", "")
        if self.seen is None or kind == "provider":
            return name or None
        model = self._model()
        return self.seen.config.models[model].provider if model else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing here are not shown."""
        kind = (self.chosen or ("",))[0]
        if action in ("test", "change"):
            return (kind == "provider" and action == "change") or self._model() is not None
        return True

    # -- keys

    @on(Roster.Opened)
    def _opened(self, opened: Roster.Opened) -> None:
        kind, name = opened.roster.chosen or ("", "")
        if kind == "agent":
            self._change(lambda desk: changing.assign(desk, name))
        else:
            self.action_change()

    def action_test(self) -> None:
        """Test the model; afterwards its badges are shown."""
        if name := self._model():
            self.app.push_screen(TestScreen(self.house, name), lambda _: self.action_again())

    @work
    async def action_mode(self) -> None:
        """The other mode."""
        await flip(self.app, self.house, self.demo)

    def action_add(self) -> None:
        """A provider or a model."""
        provider, self._adding = self._provider(), True
        self._change(lambda desk: adding.add(desk, provider))

    def action_change(self) -> None:
        """The chosen provider or model; of an agent, its model."""
        kind, name = self.chosen or ("", "")
        model = self._model()
        if kind == "provider":
            self._change(lambda desk: changing.change_provider(desk, desk.seen.config.providers[name]))
        elif model is not None:
            self._change(lambda desk: changing.change_model(desk, desk.seen.config.models[model]))

    def action_remove(self) -> None:
        """The chosen provider or model, or the agent's model."""
        kind, name = self.chosen or ("", "")
        if kind == "agent":
            self._change(lambda desk: changing.give(desk, name, ()))
        elif name:
            self._change(lambda desk: changing.remove(desk, kind, name))

    @work(group="change")
    async def _change(self, steps: Callable[[Desk], Coroutine[Any, Any, None]]) -> None:
        if self.demo:
            said = "This is the demo, and nothing is saved. Start ccr-tui without --demo to change models."
            self.app.notify(said, severity="warning", markup=False)
        elif self.seen is not None:
            await steps(Desk(self.app, self.house, self.seen))
            self.set_timer(2 * LOOK_S, self._added)

    def _added(self) -> None:
        self._adding = False
