"""What a person may choose on the Replay screen: a recording, variants, a baseline, a budget, an earlier run, a file.

Owns those questions and what follows from their answers; what is sent for real is asked in replay_sending. Must never
read the store or write a file on the event loop. The one surprise: a variant of agents grows: while the cursor is on
one, another agent's model joins it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from textual import on, work
from textual.message import Message

from ccr_tui.errors import StoreError
from ccr_tui.replay import export, kept, recordings
from ccr_tui.replay.words import Comparison, Settings
from ccr_tui.screens import replay_form
from ccr_tui.screens.ask import Answer, Ask
from ccr_tui.screens.lab import LabScreen
from ccr_tui.screens.pick import Choice, Pick
from ccr_tui.screens.replay_sending import Sending
from ccr_tui.screens.replay_steps import StepsScreen
from ccr_tui.screens.roster import Roster
from ccr_tui.slim import dataclass
from ccr_tui.store.runs import RunRow

OR_FILE = "the path of a file of traces may be typed too"


class Choosing(Sending):
    """The questions; the screen itself says what it has, and prices."""

    @dataclass
    class Shown(Message):
        """A thread has read an earlier replay."""

        row: RunRow
        comparison: Comparison | None

    @dataclass
    class Written(Message):
        """A thread has written the export, or says why not."""

        words: str
        failed: bool = False

    # -- choosing

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not shown."""
        if action == "stop":
            return self.progress is not None
        if action == "update":
            return bool(self.newer) and not self.busy
        if action == "part":
            name = self.chosen()
            return (
                self.comparison is not None and name is not None and self.comparison.variant(name).parts_at is not None
            )
        if action in ("remove", "rerun", "export", "pareto"):
            return self.comparison is not None
        return action not in ("add", "baseline", "lab") or self.opened is not None

    def action_session(self) -> None:
        """Choose what is replayed."""

        async def later() -> list[Choice]:
            return await self._read_choices("sessions").wait()

        def chosen(names: list[str] | None) -> None:
            if names:
                self.open(names[0])

        at = self.opened.session if self.opened else ""
        title, free = "Replay which session?", "a file of traces"
        pick = Pick(
            title, (), at=at, free=free, later=later, about=OR_FILE, none=f"no session is recorded yet; {OR_FILE}"
        )
        self.app.push_screen(pick, chosen)

    def action_runs(self) -> None:
        """Choose an earlier replay."""

        async def later() -> list[Choice]:
            return await self._read_choices("runs").wait()

        def chosen(names: list[str] | None) -> None:
            if names:
                self._read_run(names[0])

        self.app.push_screen(Pick("Which replay?", (), later=later, none="nothing was replayed yet"), chosen)

    @work(thread=True, exclusive=True, group="choices")
    def _read_choices(self, of: str) -> list[Choice]:
        found = replay_form.sessions if of == "sessions" else replay_form.runs
        return found(self.house.reader, time.time())

    @work(thread=True, exclusive=True, group="run")
    def _read_run(self, id: str) -> None:
        try:
            row = self.house.reader.run(id)
            self.post_message(self.Shown(row, kept.comparison(self.house.reader, id)))
        except StoreError as error:
            self.post_message(self.Written(str(error), failed=True))

    @on(Shown)
    def _show_run(self, shown: Shown) -> None:
        row = shown.row
        self.variants = list(row.asked.get("variants", ())) if row.asked else []
        self.open(row.session if row.source == "database" else row.source, price=shown.comparison is None)
        self.cut = replay_form.cut_of(row)
        if self.cut is not None:
            self.app.notify("It was cut off: R goes on with it, and pays for nothing twice.", markup=False)
        if shown.comparison is not None:
            self.tell(shown.comparison)
        self.put()

    def action_add(self) -> None:
        """Choose a variant."""
        config, agents = self.house.engine.config, self.opened.agents if self.opened else ()

        def chosen(names: list[str] | None) -> None:
            if names and names[0].startswith(replay_form.AGENT):
                self._add_agent(names[0].removeprefix(replay_form.AGENT))
            elif names:
                self._add(names[0])

        free = "as it is written: tool:MODEL,think:MODEL or @config.toml"
        self.app.push_screen(Pick("Add a variant", replay_form.variants(config, agents), free=free), chosen)

    def _add_agent(self, agent: str) -> None:
        def chosen(names: list[str] | None) -> None:
            if not names:
                return
            at = next((n for n, each in enumerate(self.variants) if each.partition("=")[0] == self.chosen()), None)
            longer = replay_form.extended(self.variants[at], agent, names[0]) if at is not None else None
            if at is not None and longer is not None:
                self.variants[at] = longer
                self.price_again()
            else:
                self._add(f"{agent}:{names[0]}")

        title = f"Which model for the {agent} agent?"
        choices = replay_form.models(self.house.engine.config)
        self.app.push_screen(Pick(title, choices, free="any model whose price is known"), chosen)

    def _add(self, spec: str) -> None:
        self.variants.append(replay_form.written(spec, self.variants))
        self.price_again()

    def price_again(self) -> None:
        self.busy = "pricing…"
        self.price()
        self.put()

    def action_remove(self) -> None:
        """Take a variant out."""
        name = self.chosen()
        left = [each for each in self.variants if each.partition("=")[0] != name]
        if len(left) == len(self.variants):
            return
        self.variants = left
        if left:
            self.price_again()
        else:
            self.comparison = None
            self.put()

    def action_baseline(self) -> None:
        """Choose a model that all are compared with."""

        def chosen(names: list[str] | None) -> None:
            if names:
                self.settings = Settings(baseline=names[0])
                self.price_again()

        choices = replay_form.models(self.house.engine.config)
        title = "Compare with one model for all"
        self.app.push_screen(Pick(title, choices, free="any model whose price is known"), chosen)

    def action_lab(self) -> None:
        """How well routers dispatch the turns of this recording."""
        if self.opened is not None:
            last = self.what == recordings.LAST  # which may be another one by now
            self.app.push_screen(LabScreen(self.house, self.opened.session if last else self.what))

    def action_update(self) -> None:
        """Read the session anew: it has gone on."""
        if self.opened is not None:
            self.open(self.opened.session)

    def action_notes(self) -> None:
        """The sources instead of the picture, where there is no room for both."""
        self.toggle_class("-notes")

    # -- what was found

    @on(Roster.Opened, "#compared")
    def _open_steps(self) -> None:
        name = self.chosen()
        if self.comparison is not None and name is not None:
            self.app.push_screen(StepsScreen(self.house, self.comparison, name))

    def action_part(self) -> None:
        """To the first step where the variant of the cursor parts from the recording."""
        name = self.chosen()
        if self.comparison is not None and name is not None:
            self.app.push_screen(StepsScreen(self.house, self.comparison, name, part=True))

    def action_export(self) -> None:
        """Choose a form, and write it into the working directory."""
        if self.comparison is not None:
            found = self.comparison
            answers = (Answer("m", "Markdown"), Answer("c", "CSV"), Answer("h", "HTML, with the picture"))
            self.app.push_screen(Ask("Export the comparison", answers), lambda form: self._export(form, found))

    def _export(self, form: str | None, found: Comparison) -> None:
        if form:
            self._write(replay_form.FORMS[form], found)

    @work(thread=True, exclusive=True, group="export")
    def _write(self, form: str, found: Comparison) -> None:
        path = Path.cwd() / replay_form.file_name(found.kind, found.session, form)
        words, failed = replay_form.exported(path, export.FORMATS[form](found))
        self.post_message(self.Written(words, failed))

    @on(Written)
    def _wrote(self, written: Written) -> None:
        severity: Any = "error" if written.failed else "information"
        self.app.notify(written.words, severity=severity, markup=False)
