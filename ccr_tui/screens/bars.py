"""The first and the last line of every screen.

Owns the header (where the proxy listens, its mode, who answers) and the footer (keys that do something here, and a
sentence where the machine is so busy that streams are late). Must never show a key that does nothing. The one surprise:
what does not fit is left out whole, never cut in the middle.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from rich.cells import cell_len
from textual import events
from textual.binding import Binding
from textual.screen import Screen
from textual.strip import Strip
from textual.widgets import Input

from ccr_tui.config import Config
from ccr_tui.screens import show
from ccr_tui.screens.house import House
from ccr_tui.screens.ink import AGENT_INKS, Inked

Pieces = list[tuple[str, str]]

SLOW_MS = 250
"""A stall of the loop that people see in a stream; less is told as a number, for those who want it."""
START_S = 10.0
"""How long the start itself may hold the loop and nobody is told."""
STARTED = time.monotonic()
TIGHT, ROOMY = 60, 110
"""Columns from which on there is room for a word more, and for a whole sentence."""


class Header(Inked):
    """Address, mode and models; on other screens a title instead of the models."""

    def __init__(self, house: House, demo: bool) -> None:
        super().__init__(id="header")
        self.house, self.demo = house, demo
        self.trouble = ""
        """A sentence that must be seen: the store can't write, the proxy does not listen."""

    def look(self) -> None:
        """Draw again if something has changed that it shows."""
        rejected = self.house.rejected
        self.trouble = rejected[-1] if rejected else ""
        seen = (self.house.engine.address, id(self.house.engine.config), self.trouble, self.house.problem)
        if seen != getattr(self, "_seen", None):
            self._seen = seen
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The one line."""
        width = self.size.width
        engine = self.house.engine
        pieces: Pieces = [(" ccr-tui ", "chip"), (" ", "")]
        if self.trouble:
            pieces += [(show.fit(show.harmless(f"✗ {self.trouble}"), max(0, width - 11)), "bad")]
            return self.strip(pieces, width)
        if self.house.viewing:
            mode = f"{engine.config.mode.upper()}  "
            pieces += [("◌ ", "warn"), (mode, "title")]
            pieces += [(show.fit(self.house.viewing, max(0, width - 13 - len(mode))), "warn")]
            return self.strip(pieces, width)
        if engine.address:
            pieces += [("● ", "good"), (engine.address, "strong"), ("  ", "")]
        else:
            pieces += [("○ ", "warn"), ("starting…", "muted"), ("  ", "")]
        pieces += [((" DEMO " if self.demo else "") + engine.config.mode.upper(), "title"), ("  ", "")]
        used = sum(cell_len(text) for text, _ in pieces)
        if self.house.problem:
            words = show.fit(show.harmless(f"✗ {self.house.problem}"), max(0, width - used - 1))
            return self.strip([*pieces, (words, "bad")], width)
        return self.strip(pieces + self._agents(engine.config, width - used - 1), width)

    def _agents(self, config: Config, room: int) -> Pieces:
        told = list(agents_of(config))
        shown = fitted(told, room)
        pieces: Pieces = []
        for number, (agent, model) in enumerate(shown):
            pieces += [(" · ", "faint")] if number else []
            pieces += [(f"{agent} ", AGENT_INKS.get(agent, "muted"))] if agent else []
            pieces += [(model, "" if number or agent else "strong")]
        return pieces + ([(f" +{len(told) - len(shown)}", "muted")] if len(shown) < len(told) else [])


Told = Sequence[tuple[str, str]]
"""Agents and the models that they are told with."""
FOUR = 4
"""Agents of Router mode that are named before any other: their models are shortened until they fit."""


def fitted(told: Told, room: int) -> Told:
    """As many of the agents as fit, with room to say how many more there are; the longest ids are shortened first."""
    if taken(told, 0) <= room:
        return told
    for count in range(min(len(told), FOUR), 0, -1):
        some, left = list(told[:count]), len(told) - count
        while taken(some, left) > room:
            at = max(range(count), key=lambda n: cell_len(some[n][1]) * bool(shorter(some[n][1])))
            if not (less := shorter(some[at][1])):
                break
            some[at] = (some[at][0], less)
        else:
            return some
    return [(agent, show.fit(model, max(0, room - cell_len(agent) - 4)).rstrip()) for agent, model in told[:1]]


def taken(some: Told, left: int) -> int:
    """The cells of these agents in a row, and of how many are left."""
    words = sum(cell_len(f"{agent} " * bool(agent) + model) for agent, model in some)
    return words + 3 * (len(some) - 1) + (len(f" +{left}") if left else 0)


def shorter(model: str) -> str:
    """An id without its first part, which says who made it: …reasoner; "" where one part is left."""
    rest = model.removeprefix("…").partition("-")[2]
    return f"…{rest}" if rest else ""


def agents_of(config: Config) -> Iterable[tuple[str, str]]:
    """Agent and model as the header says them; in Normal mode the model, its fallbacks, and who else takes some."""
    if config.mode == "normal":
        names = config.agents.get("default", ())
        if names:
            yield "", label(config, names[0])
        for name in names[1:]:
            yield "then", label(config, name)
        for agent in NORMAL:
            if (models := config.agents.get(agent)) and not is_routers(config, agent):
                yield agent, label(config, models[0])
        return
    for agent in dict.fromkeys(("tool", "coder", "think", "router", *config.agents)):
        if agent in config.agents and config.agents[agent] and agent != "default":
            yield agent, label(config, config.agents[agent][0])


NORMAL = ("think", "background", "long_context", "web_search", "image")
"""Agents that take requests in Normal mode too: the heaviest share first."""


def is_routers(config: Config, agent: str) -> bool:
    """Whether it works in Router mode alone: a think agent that the environment sets."""
    return agent == "think" and config.origins.get("agents.think", "").endswith("THINK_AGENT_MODEL")


def label(config: Config, name: str) -> str:
    """A model's name; the demo's says what it is."""
    model = config.models.get(name)
    provider = config.providers.get(model.provider) if model else None
    return "built-in demo model" if provider is not None and name == "demo" else show.model(name)


def is_demo(config: Config) -> bool:
    """Whether nothing is configured, so that the built-in demo model answers."""
    names = config.agents.get("default", ())
    model = config.models.get(names[0]) if names else None
    provider = config.providers.get(model.provider) if model else None
    return provider is not None and provider.kind == "demo"


class Footer(Inked):
    """Keys, by what has the focus, and the loop's stall."""

    LAST = ("help", "command_palette", "quit")
    LATER = ("replay", "follow", "sort", "turn", "mark", "note", "copy", "export")
    """What is done with a list, where there is room behind what leads elsewhere."""

    def __init__(self, house: House) -> None:
        super().__init__(id="footer")
        self.house = house
        self._places: list[tuple[int, int, str]] = []
        self._stall = -1

    def on_mount(self) -> None:
        """Follow the bindings, and what covers the screen."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.refresh())
        self.app.screen_change_signal.subscribe(self, self._covered)

    def _covered(self, top: Screen[object]) -> None:
        """A dialog stands over the screen, or does so no longer: its keys are those that do something."""
        if top.is_modal:
            top.bindings_updated_signal.subscribe(self, lambda _: self.refresh())
        self.refresh()

    def look(self) -> None:
        """Draw again if the stall has changed."""
        stall = round(self.house.engine.stall_ms)
        if stall != self._stall:
            self._stall = stall
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The one line."""
        width = self.size.width
        slow = self._stall >= SLOW_MS and time.monotonic() - STARTED > START_S
        stall = late(self._stall, width) if slow else f"loop {max(0, self._stall)} ms " if self._stall < SLOW_MS else ""
        pieces, self._places = [(" ", "")], []
        used = 1
        for binding in self._shown(width - len(stall) - 1):
            key, words = self._words(binding)
            pieces += [(key, "title"), (f" {words}", "muted"), ("  ", "")]
            self._places.append((used, used + len(key) + len(words) + 1, binding.key))
            used += cell_len(key) + len(words) + 3
        if self._places:  # "! " takes the place of the two spaces behind the last key, if it must
            pieces.pop()
            used -= 2
        pieces.append((" " * max(0, width - used - len(stall) - 2), ""))
        pieces.append((("! " if slow else "  ") + stall, "warn" if slow else "faint"))
        return self.strip(pieces, width)

    def _shown(self, room: int) -> list[Binding]:
        """What fits: the screen's own keys from the left, help, palette and quit always."""
        top = self.app.screen if self.app.screen.is_modal else self.screen
        if top is self.screen and isinstance(self.screen.focused, Input):
            keys = [Binding("enter", "", "Done", key_display="⏎"), Binding("escape", "", "Clear", key_display="esc")]
            active = [a.binding for a in self.screen.active_bindings.values() if isinstance(a.node, Input)]
            return keys + [binding for binding in active if binding.show]
        active = [a.binding for a in top.active_bindings.values() if a.enabled and a.binding.show]
        once = list({binding.action: binding for binding in reversed(active)}.values())[::-1]
        own = [b for b in once if b.action not in self.LAST]
        own.sort(key=lambda binding: binding.action.partition("(")[0] in self.LATER)
        last = [b for action in self.LAST for b in once if b.action == action]
        room -= sum(self._room(binding) for binding in last)
        if sum(map(self._room, own)) > room:
            own = together(own)
        fitting: list[Binding] = []
        for binding in own:
            room -= self._room(binding)
            if room >= 0:
                fitting.append(binding)
        return fitting + last

    def _room(self, binding: Binding) -> int:
        key, words = self._words(binding)
        return cell_len(key) + len(words) + 3

    def _words(self, binding: Binding) -> tuple[str, str]:
        return self.app.get_key_display(binding), binding.description.lower()

    def on_click(self, event: events.Click) -> None:
        """A click on a key presses it."""
        for start, end, key in self._places:
            if start <= event.x < end:
                self.app.simulate_key(key)


def together(own: Sequence[Binding]) -> list[Binding]:
    """The keys of the other screens as one: "2-5 screens", where not all keys fit."""
    screens = [binding for binding in own if binding.action.startswith("app.show(")]
    if len(screens) < 2:
        return list(own)
    keys = f"{screens[0].key}-{screens[-1].key}"
    one = replace(screens[0], description="Screens", key_display=keys)
    return [one if binding is screens[0] else binding for binding in own if binding not in screens[1:]]


def late(stall_ms: int, width: int) -> str:
    """Why things stutter, in as many words as there is room for."""
    who = "the machine is busy: this screen and streams were " if width >= ROOMY else "busy: " * (width >= TIGHT)
    return f"{who}late by {show.duration(stall_ms)} "
