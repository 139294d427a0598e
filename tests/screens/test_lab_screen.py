"""The router lab in the app: labelled, asked for real, looked at, and stopped."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
from houses import House
from scripted_openai import ScriptedOpenAI
from test_replay import opened, replaying, scripted, shown, type_in, until
from textual.pilot import Pilot

from ccr_tui.replay import labwork, recordings
from ccr_tui.replay.lab import Asked, Candidate
from ccr_tui.replay.labkept import KIND, asked_for, material
from ccr_tui.replay.labsums import Money, Report, Said
from ccr_tui.replay.words import Variant
from ccr_tui.screens import lab_table, replay_form
from ccr_tui.screens.lab import LabScreen
from ccr_tui.screens.pick import Pick
from ccr_tui.screens.trace import TraceScreen
from ccr_tui.store import labels
from ccr_tui.store.runs import Runs


def screen(pilot: Pilot[None]) -> LabScreen:
    assert isinstance(pilot.app.screen, LabScreen)
    return pilot.app.screen


async def test_turns_are_labelled_and_a_router_is_asked_for_real(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        ScriptedOpenAI(rules=False, roles={"live-id": "route"}) as upstream,
        opened(tmp_path, (120, 40), scripted(upstream), "routed") as (house, pilot),
    ):
        await pilot.press("5")
        await until(pilot, lambda: replaying(pilot).opened is not None)
        await pilot.press("l")
        await until(pilot, lambda: isinstance(pilot.app.screen, LabScreen) and bool(screen(pilot).turns))
        lab = screen(pilot)
        assert [turn.recorded for turn in lab.turns] == ["think", "coder", "tool"]
        await pilot.press("t", "t")
        page = await until(pilot, lambda: len(labels.load(house.db)) == 2)
        assert "2 by hand ✎" in page and lab.turns_.cursor == 2
        await pilot.press("k", "0")
        await until(pilot, lambda: len(labels.load(house.db)) == 1)
        assert [(turn.label, turn.by) for turn in lab.turns][:2] == [("tool", "person"), ("coder", "recorded")]

        await pilot.press("a")
        await type_in(pilot, "live")
        await type_in(pilot, "our own")
        await pilot.press("R")
        await until(pilot, lambda: isinstance(pilot.app.screen, Pick))
        assert "Ask for real: 3 questions, about $" in shown(pilot) and upstream.requests == []
        await type_in(pilot, "5")
        await until(pilot, lambda: bool(screen(pilot).labs) and screen(pilot).progress is None)
        assert len(upstream.requests) == 3
        (report,) = lab.labs[0].reports
        assert (report.labelled, report.right, report.says) == (3, 2, {"tool": 3})
        page = shown(pilot)
        assert "✓ tool" in page and "✗ tool" in page and "should ↓ said →" in page and "always think" in page

        monkeypatch.chdir(tmp_path)
        await pilot.press("e", "h")
        await until(pilot, lambda: any(tmp_path.glob("ccr-tui-lab-*.html")))
        await pilot.press("e", "m")
        await until(pilot, lambda: any("| live |" in file.read_text() for file in tmp_path.glob("ccr-tui-lab-*.md")))

        await pilot.press("home", "h")  # a label measures what was asked before anew, for nothing
        await until(pilot, lambda: lab.labs[0].reports[0].right == 1)
        assert len(upstream.requests) == 3
        await pilot.press("home", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, TraceScreen))


def test_caps_are_what_it_costs_at_worst() -> None:
    assert [choice.value for choice in replay_form.lab_caps(12_000_001)] == ["0.013", "no cap"]
    assert [choice.value for choice in replay_form.lab_caps(None)] == ["no cap"]


def test_a_lab_that_goes_on_is_offered_its_old_cap_first() -> None:
    old, most, _ = replay_form.lab_caps(12_000_001, spent=8_000_000, before=15_000_000)
    assert (old.value, old.note) == ("0.015", "as before; $0.0080 of it is gone")
    assert (most.value, most.note) == ("0.021", "what it costs at worst, with what is gone")


async def test_a_lab_that_was_cut_off_goes_on_under_its_old_cap_with_what_is_left(tmp_path: Path) -> None:
    async with (
        ScriptedOpenAI(rules=False, roles={"live-id": "route"}) as upstream,
        opened(tmp_path, (120, 40), scripted(upstream), "routed") as (house, pilot),
    ):
        cut_off(house)
        await pilot.press("5")
        await until(pilot, lambda: replaying(pilot).opened is not None)
        await pilot.press("l")
        await until(pilot, lambda: isinstance(pilot.app.screen, LabScreen) and bool(screen(pilot).labs))
        await until(pilot, lambda: bool(screen(pilot).turns))
        await pilot.press("R")
        await until(pilot, lambda: isinstance(pilot.app.screen, Pick))
        page = shown(pilot)
        assert "Go on with this lab: 2 questions left, about $" in page and "never more than $0.5" in page
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, LabScreen) and screen(pilot).labs[0].finished)
        assert len(upstream.requests) == 2
        assert house.reader.run("last", labs=True).asked["max_cost"] == 500_000_000


def cut_off(house: House) -> None:
    """A lab of one router that was told one of its three answers."""
    runs = Runs(house.db)
    with recordings.opened("last", house.reader) as recording:
        _, turns = labwork.turns_of(recording, {})
    tried = [Candidate("mine", Variant("mine", "live", house.engine.config, model="live"))]
    asked = asked_for(tried, 1, 500_000_000, None)
    runs.begin("run-1", 1.79e9, KIND, recording.session, recording.title, "database", asked)
    runs.keep("run-1", [("mine", turns[0].uid, turns[0].n, 20_000, asdict(Said("think", 420, 250, 8, 20_000)))])
    found = material(turns, ("tool", "coder", "think"), tried, Money({}, None, None), Asked({}, (), False, 20_000))
    runs.end("run-1", finished=False, spent=20_000, found=found)


REPORT = Report("mine", "m", 4, 3, 2, {"think": {"tool": 1, "think": 1, "invalid": 1}}, 1, 4, None, 99, 10, 2, 5, 5, {})


@pytest.mark.parametrize("width", [38, 76, 118, 198])
def test_lines_and_headings_are_equally_wide(width: int) -> None:
    line = lab_table.Line("mine", "m", None, replace(REPORT, ms=None))
    drawn = [lab_table.router_headings(width), lab_table.router_rows([line], 0.0)[0].draw(width)]
    assert len({sum(len(words) for words, _ in pieces) for pieces in drawn}) == 1


def test_the_matrix_says_who_was_named() -> None:
    first, row, _, told = lab_table.matrix(lab_table.Line("mine", "m", None, REPORT), ("tool", "think"))
    assert "".join(words for words, _ in first).split() == ["should", "↓", "said", "→", "tool", "think", "invalid"]
    assert "".join(words for words, _ in row).split() == ["think", "1", "1", "1"]
    assert [ink for _, ink in row[1:]] == ["bad", "good-strong", "bad"]
    sentence = "think should have had 3 turns: 1 went there; 1 to tool, 1 could not be used"
    assert "".join(words for words, _ in told) == sentence
