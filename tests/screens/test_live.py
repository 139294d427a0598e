"""The Live screen, looked at and pressed."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from generated import attempt, failed, recorded, trace
from houses import DEMO, QWEN, ROUTER, House, settled, text, until
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from ccr_tui import environment
from ccr_tui.app import CcrApp
from ccr_tui.config import Config, Guards
from ccr_tui.editing import Edit
from ccr_tui.records import Price, Trace, Usage
from ccr_tui.screens import panels
from ccr_tui.screens.help import SECTIONS
from ccr_tui.screens.live import LiveScreen
from ccr_tui.screens.models import ModelsScreen
from ccr_tui.screens.panels import Welcome
from ccr_tui.screens.replay import ReplayScreen
from ccr_tui.screens.scrolled import Scrolled
from ccr_tui.screens.sessions import SessionsScreen
from ccr_tui.screens.spend import SpendScreen
from ccr_tui.screens.trace import TraceScreen
from ccr_tui.store import archive
from ccr_tui.store.paid import Paid, keep
from ccr_tui.store.queries import Reader, Today

SIZES = [(80, 24), (120, 40), (200, 60)]


@asynccontextmanager
async def opened(
    tmp_path: Path, config: Config = QWEN, size: tuple[int, int] = (120, 40), traces: list[Trace] | None = None
) -> AsyncIterator[tuple[House, Pilot[None]]]:
    house = House(tmp_path / "ccr.db", config)
    if traces:
        house.writer.start()
        for n, one in enumerate(traces, 1):  # no faster than they are stored: the rest would wait in a file
            house.writer.put(one)
            assert n % 100 or house.writer.flush(30)
        house.writer.close()
        house = House(tmp_path / "ccr.db", config)
    app = CcrApp(house)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        yield house, pilot
    await house.stop()


def app_of(pilot: Pilot[None]) -> CcrApp:
    assert isinstance(pilot.app, CcrApp)
    return pilot.app


def shown(pilot: Pilot[None]) -> str:
    return text(app_of(pilot))


def day(count: int = 6) -> list[Trace]:
    """A few requests of today, a second apart, the newest now."""
    now = time.time()
    some = [replace(one, started_at=now - count + i, uid=f"u{i:05d}") for i, one in enumerate([trace()] * count)]
    return some


async def committed(pilot: Pilot[None], house: House, traces: list[Trace]) -> None:
    """They were recorded, and the screen had its ticks to see it."""
    before = app_of(pilot).live.table.total
    house.land(traces)
    for _ in range(40):
        await pilot.pause(0.05)
        await settled(pilot)
        if app_of(pilot).live.table.total > before:
            return


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40", "200x60"])
async def test_everything_is_said_without_a_keystroke(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(tmp_path, ROUTER, size, [*day(3), failed(started_at=time.time())]) as (house, pilot):
        house.fly("f1", started_at=time.time() - 4, model="qwen-max", agent="tool", phase="text", ttft_ms=800)
        await pilot.pause(0.3)
        await settled(pilot)
        screen = shown(pilot)
        for words in ("● http://127.0.0.1:3456", "ROUTER", "tool qwen-max", "loop 2 ms", "Requests · 4 · following"):
            assert words in screen
        assert "opus-5-5 → qwen-max" in screen
        assert "opus-5-5 → qwen-max ✗ 429 dashscope says: slow down" in screen
        assert "⟨90%⟩    200   $0.0043" in screen
        assert "first 0.80 s" in screen
        assert "1 running" in screen
        assert "$0.013" in screen, "the day's sum"
        assert all(len(line) <= size[0] for line in screen.split("\n"))


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40", "200x60"])
async def test_a_busy_provider_is_seen_to_be_asked_again(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(tmp_path, ROUTER, size) as (house, pilot):
        retry = {"status": 429, "at": time.time() + 1000, "try": 2, "of": 3}
        house.fly(
            "f1", started_at=time.time(), model="qwen-max", agent="tool", phase="retrying", extra={"retry": retry}
        )
        await pilot.pause(0.3)
        (line,) = [line for line in shown(pilot).split("\n") if "asking again" in line]
        assert "qwen-max" in line
        assert "429, asking again in 1000 s (2 of 3)" in line or "429, asking again in 999 s (2 of 3)" in line


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40", "200x60"])
async def test_columns_stand_below_their_headings(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(tmp_path, QWEN, size, day(3)) as (_, pilot):
        lines = shown(pilot).split("\n")
        head = next(line for line in lines if "asked → answered" in line)
        row = next(line for line in lines if "opus-5-5 →" in line)
        for heading, value in (("in", "10.0k"), ("cached", "⟨90%⟩"), ("out", "200"), ("cost", "$0.0043")):
            end = head.index(f" {heading} ") + len(heading) + 1
            assert row[:end].endswith(value), heading
        assert head.index("agent") == row.index("main")


async def test_the_first_run_says_what_to_paste_and_what_answers(tmp_path: Path) -> None:
    async with opened(tmp_path, DEMO, (80, 24)) as (house, pilot):
        screen = shown(pilot)
        assert 'eval "$(ccr-tui env)" && claude' in screen
        assert "empties ANTHROPIC_API_KEY" in screen
        assert "built-in demo model" in screen
        assert "OPENAI_API_KEY" in screen
        await pilot.press("y")
        given = environment.variables(DEMO, "http://127.0.0.1:3456")
        lines = pilot.app.clipboard.splitlines()
        assert lines[0] == "export ANTHROPIC_BASE_URL=http://127.0.0.1:3456" and lines[-1] == "claude"
        assert [line.split("=")[0] for line in lines[:-1]] == [f"export {each.name}" for each in given]
        await pilot.press("p")
        await settled(pilot)
        assert 'eval "$(ccr-tui env' not in shown(pilot)
        await committed(pilot, house, day(1))
        assert 'eval "$(ccr-tui env' not in shown(pilot), "hidden is hidden"


async def test_the_lines_to_paste_go_when_the_first_request_has_come(tmp_path: Path) -> None:
    async with opened(tmp_path) as (house, pilot):
        assert 'eval "$(ccr-tui env' in shown(pilot)
        assert "built-in demo model" not in shown(pilot)
        await committed(pilot, house, day(1))
        assert 'eval "$(ccr-tui env' not in shown(pilot)
        await pilot.press("p")
        await settled(pilot)
        assert 'eval "$(ccr-tui env' in shown(pilot)
        await pilot.press("escape")
        await settled(pilot)
        assert 'eval "$(ccr-tui env' not in shown(pilot)


async def test_the_key_of_the_proxy_is_copied_but_not_shown(tmp_path: Path) -> None:
    async with opened(tmp_path, replace(QWEN, api_key="s3cret-of-mine")) as (_, pilot):
        assert "s3cret" not in shown(pilot)
        await pilot.press("y")
        assert "ANTHROPIC_AUTH_TOKEN=s3cret-of-mine" in pilot.app.clipboard


@pytest.mark.parametrize("size", [(40, 12), *SIZES], ids=str)
async def test_the_first_hint_breaks_its_lines_where_the_room_ends(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(tmp_path, DEMO, size) as (_, pilot):
        panel = pilot.app.screen.query_one("#welcome", Welcome)
        lines = ["".join(text for text, _ in line) for line in panel.lines()]
        assert max(map(len, lines)) <= panel.size.width
        assert len(lines) <= 5 or size[0] < 200, "a wide screen has long lines"


async def test_following_stops_when_the_person_moves_and_what_he_looks_at_stays(tmp_path: Path) -> None:
    async with opened(tmp_path, size=(120, 40), traces=day(100)) as (house, pilot):
        table = app_of(pilot).live.table
        await committed(pilot, house, [replace(trace("new-1"), started_at=time.time())])
        assert table.cursor == 0
        assert table.row_at(0).id == "new-1"  # type: ignore[union-attr]
        await pilot.press("j", "j", "pagedown")
        await settled(pilot)
        chosen, top = table.row_at(table.cursor), table.row_at(table.scroll_offset.y)
        assert "not following" in shown(pilot)
        await committed(pilot, house, [replace(trace(f"new-{i}"), started_at=time.time()) for i in range(2, 5)])
        assert table.row_at(table.cursor) == chosen
        assert table.row_at(table.scroll_offset.y) == top
        assert "3 new above" in shown(pilot)
        await pilot.press("f")
        await settled(pilot)
        assert table.cursor == 0
        assert table.row_at(0).id == "new-4"  # type: ignore[union-attr]
        assert "· following" in shown(pilot)


async def test_a_filter_narrows_the_list_while_it_is_typed(tmp_path: Path) -> None:
    lost = [replace(failed(f"f{i}"), started_at=time.time()) for i in range(2)]
    async with opened(tmp_path, traces=[*day(40), *lost]) as (_, pilot):
        await pilot.press("slash", *"error")
        await pilot.pause(0.2)
        await settled(pilot)
        assert "Requests · 2 found · following" in shown(pilot)
        app_of(pilot).live.filter.value = "error nowhere"
        await pilot.pause(0.2)
        await settled(pilot)
        assert "nothing matches" in shown(pilot)
        await pilot.press("enter", "escape")
        await pilot.pause(0.2)
        await settled(pilot)
        assert "Requests · 42 ·" in shown(pilot)
        await pilot.press("slash", "up")
        assert app_of(pilot).live.filter.value == "error nowhere"


async def test_keys_typed_into_the_filter_are_letters(tmp_path: Path) -> None:
    async with opened(tmp_path, traces=day(3)) as (_, pilot):
        await pilot.press("slash", "q", "f", "y", "question_mark")
        await settled(pilot)
        assert app_of(pilot).live.filter.value == "qfy?"
        assert "⏎ done  esc clear" in shown(pilot)


async def test_the_oldest_page_is_read_from_its_end_and_the_middle_by_a_jump(tmp_path: Path) -> None:
    async with opened(tmp_path, size=(80, 24), traces=day(1100)) as (house, pilot):
        table, asked = app_of(pilot).live.table, list[int]()
        page = house.reader.page

        def counted(*given: object) -> list[object]:
            found = page(*given)  # type: ignore[arg-type]
            asked.append(len(found))
            return found  # type: ignore[return-value]

        house.reader.page = counted  # type: ignore[assignment,method-assign]
        await pilot.press("G")
        await settled(pilot)
        assert table.cursor == 1099
        assert table.row_at(1099).id == "u00000"  # type: ignore[union-attr]
        assert sum(asked) == 100, "it went straight to the last page"
        table.go(450)
        await settled(pilot)
        assert table.row_at(450).id == "u00649"  # type: ignore[union-attr]
        assert sum(asked) == 300, "it jumped"
        await pilot.press("g")
        await settled(pilot)
        assert table.row_at(0).id == "u01099"  # type: ignore[union-attr]


async def test_pages_are_right_where_numbers_have_gaps(tmp_path: Path) -> None:
    some = [replace(one, outcome="cancelled" if i % 3 else "ok") for i, one in enumerate(day(1000))]
    async with opened(tmp_path, size=(80, 24), traces=some) as (_, pilot):
        await pilot.press("slash", *"cancelled", "enter")
        await pilot.pause(0.3)
        await settled(pilot)
        table = app_of(pilot).live.table
        await pilot.press("G")
        await settled(pilot)
        assert table.total == 666
        assert table.row_at(665).id == "u00001"  # type: ignore[union-attr]


async def test_what_is_recorded_can_not_reach_the_terminal(tmp_path: Path) -> None:
    nasty = replace(
        failed(),
        asked_model="\x1b[2J[bold]x",
        project="/a/\x1b]0;t\x07",
        failure=replace(failed().failure, message="[/x] \x1b[31m"),  # type: ignore[type-var]
    )
    async with opened(tmp_path, traces=[nasty]) as (house, pilot):
        house.fly("f", started_at=time.time(), model="\x1b[1m[red]m", phase="text", tail="a\nb\x1b[0m[@click=quit]")
        await pilot.pause(0.2)
        screen = shown(pilot)
        assert "\x1b" not in screen
        assert "␛[2J[bold]x → qwen-max ✗ 429 [/x] ␛[31m" in screen
        assert "␛[1m[red]m" in screen


async def test_q_quits_at_once_when_nothing_runs(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, pilot):
        await pilot.press("q")
        await pilot.pause()
        assert not pilot.app.is_running or pilot.app._exit


async def test_q_asks_while_requests_run(tmp_path: Path) -> None:
    async with opened(tmp_path) as (house, pilot):
        house.fly("f", started_at=time.time())
        await pilot.press("q")
        await settled(pilot)
        assert "1 request is running" in shown(pilot)
        await pilot.press("escape")
        await settled(pilot)
        assert "1 request is running" not in shown(pilot)
        assert not pilot.app._exit
        await pilot.press("q", "q")
        await pilot.pause()
        assert pilot.app._exit
        assert app_of(pilot).grace_s == 0


async def test_a_house_that_can_not_start_ends_the_app_with_its_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house = House(tmp_path / "ccr.db", refuses="Port 3456 on [::1] is taken.")
    app = CcrApp(house)
    async with app.run_test() as pilot:
        await pilot.pause()
    assert app.return_code == 1
    assert capsys.readouterr().err == "ccr-tui: Port 3456 on [::1] is taken.\n"


async def test_what_could_not_be_written_is_said(tmp_path: Path) -> None:
    async with opened(tmp_path) as (house, pilot):
        house.rejected.append("Trace 0199-a could not be written: disk full.")
        await pilot.pause(0.3)
        assert "✗ Trace 0199-a could not be written: disk full." in shown(pilot)


async def test_help_has_every_key_that_the_app_binds(tmp_path: Path) -> None:
    async with opened(tmp_path, size=(100, 300)) as (_, pilot):
        await pilot.press("question_mark")
        await settled(pilot)
        screen = shown(pilot)
        for words in (
            "Filter the requests",
            "Copy the request",
            "Unfold all",
            "To the other side",
            "Next hit",
            "Put a bookmark on the request",
            "Write a note on the request",
            "⟨91%⟩",
        ):
            assert words in screen
        await pilot.press("escape")
        await settled(pilot)
        assert "Unfold all" not in shown(pilot)


async def test_a_reading_that_took_long_does_not_undo_a_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One waits for the large table of prices, and two requests come meanwhile."""
    go_on, asked, waits = threading.Event(), Reader.asked, [False]

    def late(reader: Reader, now: float | None = None) -> str | None:
        if waits.pop() if waits else False:
            go_on.wait(30)
        return asked(reader, now)

    async with opened(tmp_path, traces=day(3)) as (house, pilot):
        await until(pilot, "requests     3", "at opus-5-5")
        monkeypatch.setattr(Reader, "asked", late)
        waits[:] = [True]
        house.land([trace("one more", started_at=time.time())])
        while waits:
            await pilot.pause(0.05)
        house.land([trace("and another", started_at=time.time())])
        await until(pilot, "requests     5")
        go_on.set()
        await settled(pilot)
        assert "requests     5" in shown(pilot)


@pytest.mark.parametrize("where", ["1", "2", "question_mark"])
async def test_the_wheel_scrolls_what_is_under_it(tmp_path: Path, where: str) -> None:
    many = [replace(one, session=f"s{n}") for n, one in enumerate(day(100))]
    async with opened(tmp_path, size=(80, 24), traces=many) as (_, pilot):
        await pilot.press(where)
        await settled(pilot)
        shown_here = [one for one in pilot.app.screen.query(Scrolled) if one.size.height > 5]
        assert shown_here
        for event, wanted in ((events.MouseScrollDown, True), (events.MouseScrollUp, False)):
            for _ in range(3):
                await pilot._post_mouse_events([event], shown_here[0], button=0)
            await settled(pilot)
            assert (shown_here[0].scroll_offset.y > 0) is wanted


async def test_a_long_search_is_not_said_to_have_found_what_is_still_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, listed = threading.Event(), Reader.listed
    async with opened(tmp_path, traces=day(3)) as (_, pilot):
        await until(pilot, "Requests · 3 · following")
        monkeypatch.setattr(Reader, "listed", lambda *given: go_on.wait(30) and listed(*given))
        await pilot.press("slash", *"cost>1", "enter")
        screen = await until(pilot, "Requests · searching…")
        assert "found" not in screen
        go_on.set()
        await until(pilot, "Requests · 0 found", "nothing matches")


async def test_what_another_process_has_written_is_seen(tmp_path: Path) -> None:
    """A test of a model, and an import, without a commit of ours."""
    async with opened(tmp_path, traces=day(3)) as (_, pilot):
        await until(pilot, "qwen-max")
        await pilot.pause(0.1)
        keep(tmp_path / "ccr.db", "test", "p/m", Paid(13, 7_800_000, 0))
        await until(pilot, "+$0.0078")
        archive.take_in(tmp_path / "ccr.db", [trace("elsewhere", started_at=time.time(), asked_model="claude-other")])
        await until(pilot, "other → qwen-max")


@pytest.mark.parametrize("kind", [LiveScreen, TraceScreen, SessionsScreen, SpendScreen, ModelsScreen, ReplayScreen])
def test_help_has_every_key_of_a_screen(kind: type[Any]) -> None:
    """Those that it has from what it is made of too, where they say what they do."""
    told = {id(binding) for over, _, bindings in SECTIONS if over and issubclass(kind, over) for binding in bindings}
    own = [b for base in kind.__mro__ if base.__module__.startswith("ccr_tui") for b in vars(base).get("BINDINGS", ())]
    assert [binding.key for binding in own if id(binding) not in told] == []


@pytest.mark.parametrize("key", ["1", "2", "3", "4", "5"])
async def test_the_mode_is_changed_from_every_screen(tmp_path: Path, key: str) -> None:
    held = replace(ROUTER, origins={"mode": "environment ENABLE_ROUTER"})
    async with opened(tmp_path, held, (120, 40), day(3)) as (house, pilot):
        await pilot.press(key)
        await settled(pilot)
        before = house.engine.config.mode
        await pilot.press("m")
        await settled(pilot)
        assert house.engine.config.mode != before


async def test_the_palette_has_every_action_by_name(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, pilot):
        names = {command.title for command in pilot.app.get_system_commands(pilot.app.screen)}
        assert {"Open", "Filter the requests", "Help", "Quit", "Bottom", "Light or dark", "Theme"} <= names
        assert not [name for name in names if "focus" in name.lower()]
        await pilot.press("ctrl+p")
        await settled(pilot)
        await pilot.press(*"light", "enter")
        await settled(pilot)
        assert pilot.app.theme == "ccr-light"


class Keeping(House):
    """Its configuration stands in a file."""

    async def edit(self, edits: Sequence[Edit]) -> list[str]:
        self.swap(
            replace(self.engine.config, **{keys[-1]: value for keys, value in edits}), "The configuration changed."
        )
        return []


async def test_the_light_theme_is_kept(tmp_path: Path) -> None:
    house = Keeping(tmp_path / "ccr.db")
    app = CcrApp(house)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert app.theme == "ccr-dark"
        app.action_light()
        await settled(pilot)
        assert (app.theme, house.engine.config.theme) == ("ccr-light", "light")
        house.swap(replace(house.engine.config, theme="dark"))  # somebody edits the file
        await settled(pilot)
        assert app.theme == "ccr-dark"
    await house.stop()
    assert CcrApp(House(tmp_path / "ccr.db", replace(QWEN, theme="light"))).theme == "ccr-light"


async def test_both_themes_draw_with_their_own_colours(tmp_path: Path) -> None:
    async with opened(tmp_path, traces=day(3)) as (_, pilot):
        table = app_of(pilot).live.table
        dark = table.ink("money")
        app_of(pilot).action_light()
        await settled(pilot)
        assert table.ink("money") != dark
        assert table.ink("money").bgcolor == table.ink("").bgcolor
        assert "opus-5-5 → qwen-max" in shown(pilot)


async def test_every_key_of_the_footer_does_something(tmp_path: Path) -> None:
    held = replace(ROUTER, origins={"mode": "environment ENABLE_ROUTER"})
    async with opened(tmp_path, held, (80, 24), day(3)) as (_, pilot):
        footer = shown(pilot).split("\n")[-1]
        assert "⏎ open  / filter  m mode  2-5 screens" in footer
        assert "? help  ^p palette  q quit" in footer
        for key in ("slash", "m", "4", "f", "y", "question_mark", "ctrl+p", "enter"):
            before = shown(pilot)
            await pilot.press(key)
            await pilot.pause(0.15)
            await settled(pilot)
            assert shown(pilot) != before, key
            await pilot.press("1" if key == "4" else "escape")
            await settled(pilot)


async def test_the_first_keys_are_not_typed_into_the_hidden_filter(tmp_path: Path) -> None:
    async with opened(tmp_path, traces=list(recorded(1, 5))) as (_, pilot):
        app = app_of(pilot)
        for screen in ("1", "2"):
            await pilot.press(screen)
            assert not isinstance(app.focused, Input)
        assert app.screen.AUTO_FOCUS == app.live.AUTO_FOCUS == ""


async def test_a_click_chooses_and_a_second_one_opens(tmp_path: Path) -> None:
    async with opened(tmp_path, traces=list(recorded(1, 5))) as (_, pilot):
        await pilot.click("#table", offset=(20, 3))
        await settled(pilot)
        assert app_of(pilot).live.table.cursor == 2
        await pilot.click("#table", offset=(20, 3))
        await settled(pilot)
        assert "1 Overview" in shown(pilot)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_what_replays_cost_stands_in_today_and_their_requests_are_marked(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    """No sum holds it, `spend` tells of it beside its table, and so does Today."""
    sent = [
        trace("then", started_at=time.time() - 60),
        trace("again", origin="replay", run="run-1", started_at=time.time() - 5),
    ]
    async with opened(tmp_path, size=size, traces=sent) as (_, pilot):
        page = await until(pilot, "replays +$")
        assert "replays" in page.partition("Requests ·")[0]
        assert "↻ opus-5-5" in page or "↻ replay" in page


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_what_tests_of_models_cost_stands_in_today(tmp_path: Path, size: tuple[int, int]) -> None:
    keep(tmp_path / "ccr.db", "test", "p/m", Paid(13, 7_800_000, 0))
    async with opened(tmp_path, size=size, traces=[trace("one", started_at=time.time() - 60)]) as (_, pilot):
        page = await until(pilot, "tests +$0.0078")
        assert "tests" in page.partition("Requests ·")[0]


class Programme:
    """What a demo plays: over when it is told so."""

    def __init__(self) -> None:
        self.is_over, self.begun = False, 0

    def again(self) -> None:
        self.is_over, self.begun = False, self.begun + 1

    async def run(self) -> None:
        self.begun += 1


async def test_the_demos_end_is_told_and_a_key_begins_it_again(tmp_path: Path) -> None:
    house, play = House(tmp_path / "ccr.db", DEMO), Programme()
    app = CcrApp(house, demo=True, play=play)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, "nothing is running")
        await pilot.press("a")
        assert play.begun == 1
        play.is_over = True
        await until(pilot, "The demo is over. a plays it again, m plays it in the other mode")
        await pilot.press("a")
        await until(pilot, "nothing is running")
        assert play.begun == 2
    await house.stop()


async def test_where_there_is_no_request_keys_say_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, pilot):
        for key in ("enter", "b", "B", "e", "r"):
            await pilot.press(key)
            await settled(pilot)
            assert [note.message for note in pilot.app._notifications] == ["There is no request yet."], key
            pilot.app.clear_notifications()


@pytest.mark.parametrize("demo", [True, False], ids=["demo", "no demo"])
async def test_help_has_the_key_of_the_demo_where_one_is_played(tmp_path: Path, demo: bool) -> None:
    app = CcrApp(house := House(tmp_path / "ccr.db", QWEN), demo)
    async with app.run_test(size=(80, 60)) as pilot:
        await settled(pilot)
        await pilot.press("question_mark")
        await settled(pilot)
        assert ("Play the demo once more" in text(app)) is demo
    await house.stop()


def requests_of(count: int, **more: Any) -> list[Trace]:
    now = time.time()
    return [replace(trace(**more), uid=f"t{i:03}", started_at=now - i) for i in range(count)]


LIST = Price(1_000_000_000, 2_000_000_000)
ASIDE = attempt(1, purpose="route", model="small", usage=Usage(20_000, 10), price=LIST, cost=22_000_000)
ODD = attempt(2, model="odd", usage=Usage(500_000, 20), price=None, cost=None, cost_basis="unknown")
PAID = attempt(2, usage=Usage(50_000, 20), price=LIST, cost=52_000_000)


@pytest.mark.parametrize("size", [(120, 40), (200, 60), (120, 30)], ids=str)
async def test_what_the_router_cost_stands_with_the_money(tmp_path: Path, size: tuple[int, int]) -> None:
    some = [*requests_of(2, attempts=(ASIDE, PAID)), *requests_of(1, attempts=(ASIDE, replace(ODD, n=2)))]
    some = [replace(one, uid=f"r{n}") for n, one in enumerate(some)]
    async with opened(tmp_path, ROUTER, size, [*some, failed(started_at=time.time())]) as (_, pilot):
        page = await until(pilot, "unpriced", "router")
        lines = [line for line in page.split("\n") if " router " in line and "$" in line]
        assert lines and not any("failed" in line for line in lines), page
        assert "✗ 1" in page, "a failure is seen, however low the panel is"


async def test_a_low_screen_tells_failures_before_comparisons(tmp_path: Path) -> None:
    some = [*requests_of(3, attempts=(PAID,)), failed(started_at=time.time())]
    async with opened(tmp_path, QWEN, (80, 24), some) as (_, pilot):
        page = await until(pilot, "4 requests ✗1")
        line = next(line for line in page.split("\n") if "4 requests" in line)
        assert "at opus" not in line or line.index("✗1") < line.index("at opus")


async def test_what_runs_is_told_apart_and_is_all_seen_on_a_high_screen(tmp_path: Path) -> None:
    async with opened(tmp_path, QWEN, (120, 40)) as (house, pilot):
        for n in range(9):
            house.fly(f"f{n}", project=f"/home/ada/work-{n}", session=f"s{n}", started_at=time.time() - n, model="m")
        page = await until(pilot, "9 running", *(f"work-{n}" for n in range(9)))
        assert " more" not in page
        for n in range(1, 9):
            house.feed.board.pop(f"f{n}")
        page = await until(pilot, "1 running")
        assert "work-0" not in page, "a single one needs no telling apart"
        house.feed.board.pop("f0")
        await until(pilot, "nothing is running")


def test_the_graph_of_today_ends_with_this_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    day = tuple(60 if hour == 13 else hour // 5 for hour in range(24))
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: datetime(2026, 11, 23, 14, 30).timestamp())
        told = "".join(text for text, _ in panels.by_hour(Today(per_hour=day), 12))
        assert (len(told), told[-2]) == (12, "█"), "13 o'clock is the hour before this one"
        assert "by hour" in "".join(text for text, _ in panels.by_hour(Today(per_hour=day), 40))


async def test_what_does_not_fit_is_told_together(tmp_path: Path) -> None:
    async with opened(tmp_path, QWEN, (80, 24)) as (house, pilot):
        for n in range(14):
            house.fly(
                f"f{n}", started_at=time.time() - n, model="m", agent="explicit", phase="thinking" if n else "text"
            )
        page = await until(pilot, "14 running", "… and 11 more: 10 thinking, 1 answering")
        assert page.count("explic… m ") == 3, "agent and model stand apart"


async def test_in_one_project_sessions_tell_apart(tmp_path: Path) -> None:
    async with opened(tmp_path, QWEN, (120, 40)) as (house, pilot):
        for n in range(2):
            house.fly(f"f{n}", project="/x", session=f"{n}aaabbb-ccc", started_at=time.time(), model="m")
        await until(pilot, "0aaabbb-", "1aaabbb-")


@pytest.mark.parametrize("size", [(120, 40), (120, 26)], ids=str)
async def test_today_says_how_many_failed_whatever_else_it_has_to_say(tmp_path: Path, size: tuple[int, int]) -> None:
    guards = Guards(budget_per_day=5_000_000_000, budget_per_session=500_000_000)
    again = [trace(uid="again", started_at=time.time(), attempts=(PAID,), origin="replay", run="r")]
    some = [
        *requests_of(3, attempts=(ASIDE, PAID)),
        *requests_of(1, attempts=(ASIDE, ODD)),
        failed(started_at=time.time()),
    ]
    some = [*(replace(one, uid=f"u{n}") for n, one in enumerate(some)), *again]
    async with opened(tmp_path, replace(ROUTER, guards=guards), size, some) as (_, pilot):
        await until(pilot, "per session", "✗ 1", "requests", "replays")
        if size[1] == 40:
            await until(pilot, "tokens", "cached", "failed", "router")  # there is room for all of it
