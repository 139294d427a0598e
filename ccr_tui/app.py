"""The app: a switchboard between the house, which is the proxy with its memory, and the screens.

Owns the event loop's start and end, the themes, and the actions that work everywhere. Must never know what a screen
shows. The one surprise: the house is stopped after the terminal was given back, so that streams which still run may end
while the shell is in sight, whatever ended the app.
"""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on, work
from textual.app import SystemCommand
from textual.binding import Binding
from textual.dom import DOMNode
from textual.filter import ANSIToTruecolor, LineFilter
from textual.message import Message
from textual.notifications import SeverityLevel
from textual.screen import Screen

from ccr_tui import loops, ownfiles, sweeping
from ccr_tui.config import Config
from ccr_tui.errors import CcrError, ConfigError
from ccr_tui.host import ENDINGS, House
from ccr_tui.screens import show, turns, unopened
from ccr_tui.screens.ask import Answer, Ask
from ccr_tui.screens.flip import SAYS
from ccr_tui.screens.house import House as SeenHouse
from ccr_tui.screens.ink import THEMES
from ccr_tui.screens.live import LiveScreen, Programme
from ccr_tui.screens.pages import Place
from ccr_tui.screens.quick import Quick
from ccr_tui.screens.sheets import Sheets
from ccr_tui.screens.table import Table
from ccr_tui.screens.terminal import patient, reads
from ccr_tui.screens.unbroken import Unbroken
from ccr_tui.slim import dataclass
from ccr_tui.store.standing import extent
from ccr_tui.viewing import Health, Viewer
from ccr_tui.watching import Source

if TYPE_CHECKING:
    from textual.driver import Driver

    from ccr_tui.screens.context import ContextScreen
    from ccr_tui.screens.models import ModelsScreen
    from ccr_tui.screens.replay import ReplayScreen
    from ccr_tui.screens.replay_head import ReplayOf
    from ccr_tui.screens.sessions import SessionsScreen
    from ccr_tui.screens.spend import SpendScreen

ELSEWHERE_S = 2.0
"""Between two looks at whether another process has written into the database."""
UNTOLD = ("command_palette", "move(", "app.focus", "screen.", "page_left", "page_right", "scroll_")
"""Actions that the palette leaves out: itself, single steps, and what Textual binds for all apps."""

turns.share()


@dataclass
class StoreChanged(Message):
    """The store has committed; `last` is the number of its last trace, 0 where another process has."""

    last: int


class CcrApp(Unbroken):
    """Starts the house on its own loop, and shows it."""

    TITLE = "ccr-tui"
    CSS_PATH = [
        f"screens/{name}.tcss"
        for name in (
            "live",
            "trace",
            "ask",
            "help",
            "models",
            "sessions",
            "context",
            "spend",
            "export",
            "importing",
            "replay",
            "storage",
        )
    ]
    """All at once: reading a sheet when its screen first opens stalls the event loop."""
    DEFAULT_MODE = HOME = "live"
    _MADE = frozenset({"sessions", "spend"})
    """Screens that want to know that the store has changed, if they were opened."""
    BINDINGS = [
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("ctrl+p", "command_palette", "Palette", key_display="^p", priority=True),
        Binding("q", "quit", "Quit"),
        Binding("ctrl+q,ctrl+c", "quit", "Quit", show=False),
    ]

    def __init__(self, house: SeenHouse, demo: bool = False, play: Programme | None = None) -> None:
        """`play` plays sessions through the house, for the demo."""
        super().__init__()
        self.stylesheet = Sheets(variables=self.get_css_variables())
        self._quick: tuple[LineFilter, LineFilter] | None = None
        self._lost: Place = None
        """The file that was told to be gone."""
        self.house, self.demo, self.play = house, demo, play
        self.live = LiveScreen(house, demo, play)
        self.grace_s = 10.0
        """How long streams may still run after the app has ended."""
        self._theme_of_file = f"ccr-{house.engine.config.theme}"
        self._written: tuple[tuple[int, int] | None, ...] | None = None
        """When the database and its log were last written into, and their sizes."""
        self.open = False
        """Whether the house has started."""
        self._wanted = self.HOME
        """The screen that was asked for before that."""
        self.add_mode("live", lambda: self.live)
        self.add_mode("sessions", lambda: self.sessions)
        self.add_mode("spend", lambda: self.spend)
        self.add_mode("replay", lambda: self.replay)
        self.add_mode("models", self._models)
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = f"ccr-{house.engine.config.theme}"

    @cached_property
    def sessions(self) -> SessionsScreen:
        """What sessions cost; made when it is first opened."""
        from ccr_tui.screens.sessions import SessionsScreen

        return SessionsScreen(self.house, self.demo)

    @cached_property
    def spend(self) -> SpendScreen:
        """Where the money goes; made when it is first opened."""
        from ccr_tui.screens.spend import SpendScreen

        return SpendScreen(self.house, self.demo)

    @cached_property
    def replay(self) -> ReplayScreen:
        """What it would have cost otherwise; made when it is first opened."""
        from ccr_tui.screens.replay import ReplayScreen

        return ReplayScreen(self.house, self.demo)

    def _models(self) -> ModelsScreen:
        from ccr_tui.screens.models import ModelsScreen

        return ModelsScreen(self.house, self.demo)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """What lines go through before they are shown."""
        return [self._quickly(each) if type(each) is ANSIToTruecolor else each for each in super().get_line_filters()]

    def _quickly(self, given: ANSIToTruecolor) -> LineFilter:
        """The same, but quick; made once for each theme."""
        if self._quick is None or self._quick[0] is not given:
            self._quick = given, Quick(given)
        return self._quick[1]

    async def on_load(self) -> None:
        """Read the styles bit by bit: together with what comes before that would hold the loop for 60 ms."""
        assert isinstance(self.stylesheet, Sheets)
        self.stylesheet.set_variables(self.get_css_variables())
        await self.stylesheet.read_ahead()

    def get_driver_class(self) -> type[Driver]:
        """What writes to the terminal: never waits for it."""
        return patient(super().get_driver_class())

    def on_mount(self) -> None:
        """Start the house."""
        self.set_interval(sweeping.LOOK_S, sweeping.Sweep().look)
        self._start()

    @work
    async def _start(self) -> None:
        try:
            await self.house.start()
        except CcrError as error:
            self.exit(return_code=1, message=Text(f"ccr-tui: {error}"))
            return
        self.open = True
        self.house.on_commit(lambda last: self.post_message(StoreChanged(last)))
        self.house.on_config(self._configured)
        self.live.open_up()
        if not self.house.viewing:  # who only looks on follows the file anyway
            self._look_elsewhere()
            self.set_interval(ELSEWHERE_S, self._look_elsewhere)
        if self._wanted != self.HOME:
            self.switch_mode(self._wanted)
        self.call_after_refresh(self._load_more)
        if self.play is not None:
            await self.play.run()

    @work(thread=True)
    def _load_more(self) -> None:
        unopened.load()

    def _configured(self, news: str) -> None:
        """The configuration has changed, by whomever, or could not be taken."""
        wrong, theme = self.house.problem is not None, f"ccr-{self.house.engine.config.theme}"
        if theme != self._theme_of_file:
            self.theme = self._theme_of_file = theme
        if re.match(r"The configuration changed: mode[.,]", news):
            news = f"{news} {SAYS[self.house.engine.config.mode]}."
        severity: SeverityLevel = "error" if wrong else "information"
        self.notify(show.harmless(news), severity=severity, timeout=12 if wrong else 5, markup=False)

    def action_show(self, name: str) -> None:
        """Go to one of the screens; before the house is open there is only Live, and it is gone to then."""
        if self.open:
            self.switch_mode(name)
        else:
            self._wanted = name

    def on_context_screen_opened(self, opened: ContextScreen.Opened) -> None:
        """A request of a session's context was chosen."""
        from ccr_tui.screens.trace import TraceScreen

        self.push_screen(TraceScreen(self.house, opened.row, opened.step))

    def on_replay_of(self, wanted: ReplayOf) -> None:
        """Somebody wants to replay a session or a request."""
        self.replay.open(wanted.what)
        self.switch_mode("replay")

    @on(Table.Replaced)
    def _say_replaced(self, replaced: Table.Replaced) -> None:
        """Each list notices by itself; it is told once."""
        if replaced.lost in (None, self._lost):
            return
        self._lost = replaced.lost
        what = "is another file now; the one before was moved, deleted or damaged"
        what = what if replaced.found else "is gone; a new one comes with the next request"
        told = f"{self.house.reader.path} {what}. The lists begin anew."
        self.notify(told, severity="warning", timeout=12, markup=False)
        self._changed()

    @work(thread=True, exclusive=True, group="elsewhere")
    def _look_elsewhere(self) -> None:
        """Other processes write too (reruns, imports, tests of models), and no commit of ours tells of that."""
        path = self.house.reader.path
        now = extent(path), extent(f"{path}-wal")
        before, self._written = self._written, now
        if before not in (None, now):
            self.post_message(StoreChanged(0))

    @on(StoreChanged)
    def _changed(self) -> None:
        self.live.store_changed()
        for name in self._MADE & vars(self).keys():
            getattr(self, name).store_changed()

    def on_import_screen_taken(self) -> None:
        """What was never proxied has been taken in."""
        self.live.box.read()
        self._changed()
        if "sessions" in vars(self):
            self.sessions.read_again()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette has every action that has a key here, by its name."""
        told = set()
        for active in screen.active_bindings.values():
            binding = active.binding
            if not binding.description or binding.action in told or binding.action.startswith(UNTOLD):
                continue
            told.add(binding.action)
            keys = self.get_key_display(binding)
            words = binding.tooltip or binding.description
            yield SystemCommand(words, f"key {keys}", self._runner(binding.action, active.node))
        if self.open:
            words = "What the database takes, and letting old requests go"
            yield SystemCommand("Storage", words, self.action_storage)
            words = "Take in Claude Code's own transcripts, an archive, a HAR, claude-trace's lines"
            if "app.import" not in told:
                yield SystemCommand("Import", words, self.action_import)
        yield SystemCommand("Light or dark", "Change between the two themes", self.action_light)
        yield SystemCommand("Theme", "Choose a theme", self.action_change_theme)
        words = "Save the screen as an SVG in the working directory"
        yield SystemCommand("Screenshot", words, lambda: self.set_timer(0.1, self.save_picture))

    def save_picture(self) -> None:
        """The screen as an SVG, for its owner's eyes: it shows what was said."""
        path = Path.cwd() / time.strftime("ccr-tui-%Y%m%d-%H%M%S.svg")
        try:
            ownfiles.write(path, [self.export_screenshot().encode("utf-8", "replace")])
        except OSError as error:
            self.notify(f"{path}: {error.strerror or error}", severity="error", markup=False)
        else:
            self.notify(f"Written to {path}", markup=False)

    def _runner(self, action: str, node: DOMNode) -> Callable[[], Awaitable[bool]]:
        return lambda: self.run_action(action, node)

    def action_light(self) -> None:
        """Change between light and dark, from now on."""
        self.theme = "ccr-light" if self.current_theme.dark else "ccr-dark"
        if not self.demo and self.open:
            self._keep_theme(self.theme.removeprefix("ccr-"))

    @work
    async def _keep_theme(self, name: str) -> None:
        with suppress(ConfigError):  # where it can't be kept it holds until the program ends
            await self.house.edit([(("screen", "theme"), name)])

    def action_storage(self) -> None:
        """What the database takes."""
        from ccr_tui.screens.storage import StorageScreen

        self.push_screen(StorageScreen(self.house))

    def action_import(self) -> None:
        """Take in what was never proxied."""
        from ccr_tui.screens.importing import ImportScreen

        if self.open:
            self.push_screen(ImportScreen(self.house))

    def action_help(self) -> None:
        """Every key."""
        from ccr_tui.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.BINDINGS, self.screen, self.demo))

    async def action_quit(self) -> None:
        """End; ask first while requests run."""
        running = len(self.house.engine.feed.board)
        if self.demo or not running:
            self.grace_s = 0.0 if self.demo else self.grace_s
            self.exit()
        elif not isinstance(self.screen, Ask):
            question = f"{running} request{'s are' if running > 1 else ' is'} running"
            answers = (
                Answer("w", "quit, but let them end first (10 s at most)"),
                Answer("q", "quit now, they break off"),
            )
            self.push_screen(Ask(question, answers), self._quit)

    def _quit(self, answer: str | None) -> None:
        if answer:
            self.grace_s = 10.0 if answer == "w" else 0.0
            self.exit()


def run(config: Config, demo: bool = False, source: Source | None = None) -> int:
    """Run the app until the person quits; gives the exit code. `source` is watched for changes."""
    if not demo:
        return loops.run(_run(config, False, source))
    from ccr_tui import player, scratch

    with scratch.folder("demo") as folder:
        return loops.run(_run(player.config(config, folder / "ccr.db"), True))


def view(
    config: Config, address: str, pid: int | None, health: Callable[[], Health | None], theirs: Path | None
) -> int:
    """Look on while another process hosts the proxy, until the person quits; gives the exit code.

    `health` is what that process says of itself, `theirs` its database, as far as it is known.
    """
    viewer = Viewer(config, address, pid, health, theirs)
    return loops.run(_show(CcrApp(viewer), viewer))


async def _run(config: Config, demo: bool, source: Source | None = None) -> int:
    house = House(config, source=source)
    return await _show(CcrApp(house, demo, _player(house) if demo else None), house)


def _player(house: House) -> Programme:
    from ccr_tui import player

    return player.Play(lambda: house.engine.context, house.counter)


async def _show(app: CcrApp, house: House | Viewer) -> int:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        with suppress(NotImplementedError):  # Windows has no signal handlers on its loop
            loop.add_signal_handler(number, app.exit)
    try:
        await app.run_async()
        if app.broken and app.open:
            await _go_on(house, app.broken)
    finally:
        if app.open:
            if house.engine.feed.board and app.grace_s:
                _say("ending: running streams get 10 s")
            await house.stop(app.grace_s)
    for sentence in house.rejected:
        _say(sentence)
    return app.return_code or 0


async def _go_on(house: House | Viewer, why: str) -> None:
    """Without a screen, until the program is told to end."""
    ended = asyncio.Event()
    for number in ENDINGS:
        with suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
    _say(f"{why}\nThe proxy goes on without it at {house.engine.address}; ctrl+c ends it.")
    if not house.viewing:
        await ended.wait()


def _say(sentence: str) -> None:
    with suppress(OSError):  # the terminal may be closed
        if reads(sys.stderr):
            sys.stderr.write(sentence + "\n")
