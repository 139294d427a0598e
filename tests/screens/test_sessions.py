"""The Sessions screen, lists of requests of their own, the typing of filters, and bookmarks: looked at and pressed."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from generated import attempt, failed, trace
from houses import QWEN, House, settled, text, until
from textual.pilot import Pilot

from ccr_tui.app import CcrApp
from ccr_tui.baseline import Baseline
from ccr_tui.records import Price, Trace, Usage
from ccr_tui.screens import sessions as sessions_screen
from ccr_tui.screens import spend_table
from ccr_tui.screens.context import ContextScreen
from ccr_tui.screens.listed import RequestsScreen
from ccr_tui.screens.trace import TraceScreen
from ccr_tui.screens.treelines import Lines, Seen
from ccr_tui.store import archive, phrases
from ccr_tui.store.amounts import Sums
from ccr_tui.store.listing import Order
from ccr_tui.store.queries import Reader
from ccr_tui.store.rows import SessionRow

SIZES = [(80, 24), (120, 40), (200, 60)]


def user(*texts: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": one} for one in texts]}


def talk() -> list[Trace]:
    """Two projects, two sessions in the newer one; the newest has two turns, a subagent and a failure."""
    now = time.time()
    old = [trace("o1", user("An old matter"), session="old", project="/home/ada/web", started_at=now - 9000)]
    first = [trace("f1", user("The first of today"), session="first", started_at=now - 5000)]
    some = [
        trace("m1", user("Mend the parser"), session="new", started_at=now - 100),
        trace("m2", user("Mend the parser"), session="new", started_at=now - 90),
        replace(
            trace("s1", user("Find all callers"), session="new", started_at=now - 80, agent_id="agent-1"),
            kind="subagent",
        ),
        trace("m3", user("Mend the parser", "Now the tests"), session="new", started_at=now - 50),
        failed("m4", body=user("Mend the parser", "Now the tests"), session="new", started_at=now - 40),
    ]
    return [*old, *first, *some]


@asynccontextmanager
async def opened(
    tmp_path: Path, size: tuple[int, int] = (120, 40), traces: list[Trace] | None = None
) -> AsyncIterator[tuple[House, Pilot[None]]]:
    archive.take_in(tmp_path / "ccr.db", talk() if traces is None else traces)
    house = House(tmp_path / "ccr.db", QWEN)
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


async def press(pilot: Pilot[None], *keys: str) -> str:
    await pilot.press(*keys)
    await settled(pilot)
    return shown(pilot)


async def test_what_is_not_read_yet_is_not_told_to_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, outline = threading.Event(), Reader.outline
    monkeypatch.setattr(Reader, "outline", lambda *asked: go_on.wait(30) and outline(*asked))
    async with opened(tmp_path) as (_, pilot):
        await pilot.press("2")
        await until(pilot, "project · session")
        try:
            assert "no session yet" not in shown(pilot)
            assert "Sessions · 0" not in shown(pilot)
        finally:
            go_on.set()
        await until(pilot, "Sessions · 3")


async def test_requests_that_are_not_read_yet_are_not_told_to_be_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, listed = threading.Event(), Reader.listed
    archive.take_in(tmp_path / "ccr.db", talk())
    monkeypatch.setattr(Reader, "listed", lambda *asked: go_on.wait(30) and listed(*asked))
    house = House(tmp_path / "ccr.db", QWEN)
    app = CcrApp(house)
    async with app.run_test(size=(120, 40)) as pilot:
        try:
            assert "no request yet" not in await until(pilot, "Requests · … ·", "ended▼")
        finally:
            go_on.set()
        await until(pilot, "Requests · 7 ·")
    await house.stop()


async def typed(pilot: Pilot[None], words: str) -> str:
    """What the screen shows once the filter has acted."""
    keys = {" ": "space", ":": "colon", ">": "greater_than_sign", "*": "asterisk", "!": "exclamation_mark"}
    await pilot.press("slash", *(keys.get(letter, letter) for letter in words))
    return await acted(pilot)


async def pasted(pilot: Pilot[None], words: str) -> str:
    """The same, where it comes at once: of what is typed slowly the beginning acts for itself."""
    await pilot.press("slash")
    app_of(pilot).live.box.bar.line.insert_text_at_cursor(words)
    return await acted(pilot)


async def acted(pilot: Pilot[None]) -> str:
    await pilot.pause(0.2)
    await settled(pilot)
    return shown(pilot)


# -- the tree


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_requests_without_a_session_are_told(tmp_path: Path, size: tuple[int, int]) -> None:
    alone = [trace(uid, session=None, started_at=time.time() - 60) for uid in ("x", "y")]
    async with opened(tmp_path, size, [*talk(), *alone]) as (house, pilot):
        await pilot.press("2")
        await until(pilot, "Sessions · 3 · and 2 requests without one, $0.0086")
        house.land([trace("z", session=None, started_at=time.time())])


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40", "200x60"])
async def test_the_latest_project_is_open_and_says_what_its_sessions_cost(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with opened(tmp_path, size) as (_, pilot):
        screen = await press(pilot, "2")
        lines = screen.split("\n")
        assert "Sessions · 3" in screen
        project = next(line for line in lines if "▾ engine" in line)
        session = next(line for line in lines if "▸ Mend the parser" in line)
        assert "2 sessions" in project and "$0.022" in project
        assert "5 ✗1" in session and "$0.017" in session
        assert "The first of today" in screen
        assert "An old matter" in screen, "the other project is open too, since it fits"
        assert next(line for line in lines if "▾ web" in line)
        assert all(len(line) <= size[0] for line in lines)
        head = next(line for line in lines if " requests " in line and " cost " in line)
        for name in ("cost", "ended"):
            end = head.rindex(name) + len(name)
            assert session[end - 1 : end] != " ", f"{name} stands below its heading"


@pytest.mark.parametrize(
    ("width", "words"),
    [(80, "… ⎇1 "), (120, "…  1 subagent "), (200, "…  1 subagent ")],
)
def test_a_long_title_leaves_its_subagents_in_sight(width: int, words: str) -> None:
    row = SessionRow("s", title="A title that is as long as a session's first prompt " * 5, subagents=1)
    lines = Lines(width, Seen())
    assert words in "".join(text for text, _ in lines.drawn(lines.session(1, row), 1, False))


def many() -> list[Trace]:
    """A project with more sessions than a screen has lines, and an older one."""
    now = time.time()
    new = [trace(f"t{n}", user(f"Task {n}"), session=f"s{n}", started_at=now - n) for n in range(1, 50)]
    return [*new, trace("o1", user("An old matter"), session="old", project="/home/ada/web", started_at=now - 9000)]


async def test_what_does_not_fit_stays_closed(tmp_path: Path) -> None:
    async with opened(tmp_path, (120, 40), many()) as (_, pilot):
        assert "▾ engine" in await press(pilot, "2")
        screen = await press(pilot, "G")
        assert "▸ web" in screen and "An old matter" not in screen


CHOSEN: dict[str, tuple[list[str], list[str]]] = {
    "project": ([], ["Project", "/home/ada/engine", "sessions     2", "Mend the parser", "The first of today"]),
    "session": (
        ["j", "right"],
        ["Session", "id           new", "answered by  qwen-max", "subagents    1", "5 · ✗1 failed"],
    ),
    "turn": (["j", "right", "j"], ["Turn", "requests     3", "cost         $0.013", "⎇ Find all callers"]),
    "subagent": (["j", "right", "j", "right", "j", "j", "j"], ["Subagent", "Find all callers", "requests     1"]),
    "request": (["j", "right", "j", "right", "j"], ["Request", "opus-5-5 → qwen-max", "ends with    end_turn"]),
}


@pytest.mark.parametrize(("keys", "words"), CHOSEN.values(), ids=CHOSEN)
async def test_beside_a_wide_tree_stands_what_is_chosen(tmp_path: Path, keys: list[str], words: list[str]) -> None:
    async with opened(tmp_path, (200, 60)) as (_, pilot):
        screen = await press(pilot, "2")
        for key in keys:
            screen = await press(pilot, key)
        panel = "\n".join(line[137:] for line in screen.split("\n"))
        assert not [word for word in words if word not in panel], panel


async def test_a_narrower_screen_is_all_tree(tmp_path: Path) -> None:
    async with opened(tmp_path, (150, 40)) as (_, pilot):
        assert "Project" not in await press(pilot, "2")
        assert not app_of(pilot).sessions.glimpse.display


async def test_a_session_unfolds_into_turns_subagents_and_requests(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, pilot):
        screen = await press(pilot, "2", "j", "right")
        assert "▸ ❯ Mend the parser" in screen
        assert "▸ ❯ Now the tests" in screen
        screen = await press(pilot, "right", "right")
        assert "⎇ subagent Find all callers" in screen
        assert screen.count("opus-5-5 → qwen-max") == 2, "the subagent's request is in its branch"
        screen = await press(pilot, "j", "j", "j", "space")
        assert screen.count("opus-5-5 → qwen-max") == 3
        turn = next(line for line in screen.split("\n") if "▾ ❯ Mend" in line)
        branch = next(line for line in screen.split("\n") if "subagent Find" in line)
        assert "  3  " in turn and "$0.013" in turn
        assert "  1  " in branch and "$0.0043" in branch
        screen = await press(pilot, "left", "left", "left")
        assert "⎇ subagent" not in screen


async def test_enter_opens_the_requests_of_a_session_and_a_request_s_trace(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, pilot):
        screen = await press(pilot, "2", "j", "enter")
        assert isinstance(pilot.app.screen, RequestsScreen)
        assert "Mend the parser · 5 · following" in screen
        await press(pilot, "escape", "right", "right", "right", "j")
        screen = await press(pilot, "enter")
        assert isinstance(pilot.app.screen, TraceScreen)
        await press(pilot, "J")
        assert pilot.app.screen.row.id == "s1" or pilot.app.screen.row.id == "m2"


async def test_the_cost_at_the_baseline_stands_beside_the_cost(tmp_path: Path) -> None:
    async with opened(tmp_path, (200, 60)) as (_, pilot):
        screen = await press(pilot, "2")
        assert "at opus-5" in screen
        assert "one model for all" in screen


async def test_another_baseline_is_chosen_and_a_session_pinned(tmp_path: Path) -> None:
    async with opened(tmp_path, (200, 60)) as (house, pilot):
        await press(pilot, "2", "j", "b")
        await press(pilot, *"haiku-4", "enter")
        assert "at haiku-4-5" in shown(pilot)
        assert "⚑ Mend the parser" in await press(pilot, "p")
        assert house.reader.session("new").pinned
        assert "⚑" not in await press(pilot, "p")


async def test_c_opens_the_session_s_context(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, pilot):
        await press(pilot, "2", "j", "c")
        assert isinstance(pilot.app.screen, ContextScreen)


async def test_what_is_recorded_shows_while_it_runs(tmp_path: Path) -> None:
    async with opened(tmp_path) as (house, pilot):
        await press(pilot, "2", "j", "right")
        house.fly("x", started_at=time.time(), session="new")
        house.land(
            [
                trace(
                    "m5",
                    user("Mend the parser", "Now the tests", "And the docs"),
                    session="new",
                    started_at=time.time(),
                )
            ]
        )
        for _ in range(60):
            await pilot.pause(0.05)
            await settled(pilot)
            if "And the docs" in shown(pilot) and "● Mend" in shown(pilot):
                break
        screen = shown(pilot)
        assert "❯ And the docs" in screen
        assert "● Mend the parser" in screen
        assert "6 ✗1" in screen
        tree = app_of(pilot).sessions.tree_
        assert tree.node is not None and tree.node.key[0] == "session", "the cursor stays on its session"


async def test_a_project_s_sums_are_right_after_the_last_request_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions_screen, "SUMS_S", 1.5)
    async with opened(tmp_path) as (house, pilot):
        await press(pilot, "2")
        read, sums = house.reader.spend, list[float]()

        def counted(*given: Any) -> Any:
            sums.append(time.monotonic())
            return read(*given)

        house.reader.spend = counted  # type: ignore[method-assign,assignment]
        project = ""
        for n in range(6):
            house.land([trace(f"w{n}", session="late", project="/home/ada/late", started_at=time.time())])
            await until(pilot, "Sessions · 4")
        end = time.monotonic() + 10
        while "  6  " not in project and time.monotonic() < end:
            await pilot.pause(0.05)
            project = next(line for line in shown(pilot).split("\n") if "▾ late" in line or "▸ late" in line)
        assert "  6  " in project
        assert all(after - before > 1.0 for before, after in pairwise(sums)), "but not more often"


async def test_a_project_costs_what_the_sessions_below_it_do_while_some_are_looked_for(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, pilot):
        await press(pilot, "2")
        await until(pilot, "Sessions · 3", "▾ engine", "6 ✗1")
        await press(pilot, "slash", *"first", "enter")
        screen = await until(pilot, "Sessions · 1 found", "The first of today")
        project, session = (
            next(row for row in screen.split("\n") if name in row) for name in ("▾ engine", "The first")
        )
        assert project.split("engine")[-1].split()[:5] == session.split("today")[-1].split()[:5], "requests to cost"
        assert "6 ✗1" in await press(pilot, "escape")


async def test_sessions_are_found_by_words(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, pilot):
        await press(pilot, "2", "slash", *"old")
        await press(pilot, "enter")
        screen = await press(pilot, "right")
        assert "Sessions · 1 found" in screen
        assert "An old matter" in screen
        assert "Mend the parser" not in screen
        assert "Sessions · 3" in await press(pilot, "escape")


async def test_without_sessions_it_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path, traces=[trace("x", session=None, project=None)]) as (_, pilot):
        assert "no session yet" in await press(pilot, "2")


async def test_ten_thousand_sessions_are_a_number_each_until_they_are_seen(tmp_path: Path) -> None:
    now = time.time()
    many = [trace(f"x{i}", user(f"Task {i}"), session=f"s{i}", started_at=now - i) for i in range(300)]
    async with opened(tmp_path, (80, 24), many) as (house, pilot):
        asked: list[int] = []
        rows = house.reader.session_rows

        def counted(numbers: Any) -> Any:
            asked.extend(numbers)
            return rows(numbers)

        house.reader.session_rows = counted  # type: ignore[method-assign]
        assert "Task 0" in await press(pilot, "2")
        assert len(asked) < 60
        assert "Task 299" in await press(pilot, "G")
        assert len(asked) < 120


# -- filters and orders


async def test_keys_and_values_are_completed(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, pilot):
        screen = await typed(pilot, "mod")
        assert "model:" in screen and "who answered" in screen
        await press(pilot, "down", "tab")
        box = app_of(pilot).live.box
        assert box.bar.line.value == "model:"
        await press(pilot, "q")
        assert "qwen-max" in await press(pilot, "w")
        await press(pilot, "tab")
        assert box.bar.line.value == "model:qwen-max "
        await press(pilot, "escape")
        assert not box.bar.display


async def test_what_is_not_understood_is_said_below_and_the_list_stays(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, pilot):
        lines = (await pasted(pilot, "main modle:x")).split("\n")
        line = next(n for n, each in enumerate(lines) if "main modle:x" in each)
        assert lines[line + 1].index("▲ modle is no key; did you mean mode or model?") == lines[line].index("modle:x")
        assert "asked → answered" in lines[line + 2]
        assert any("Requests · 7, not filtered · following" in each for each in lines)


async def test_offers_leave_the_names_of_the_columns_in_sight(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, pilot):
        lines = (await typed(pilot, "c")).split("\n")
        assert sum("asked → answered" in each or "cancelled  the client" in each for each in lines) == 2


async def test_filters_are_remembered_saved_and_offered(tmp_path: Path) -> None:
    async with opened(tmp_path) as (house, pilot):
        assert "Requests · 1 found" in await typed(pilot, "error")
        await press(pilot, "ctrl+s")
        await press(pilot, *"bad", "enter")
        await press(pilot, "enter", "escape")
        assert "★ bad  error" in await press(pilot, "slash")
        await press(pilot, "down", "tab")
        await pilot.pause(0.2)
        await settled(pilot)
        assert app_of(pilot).live.box.bar.text == "error"
        await press(pilot, "escape")
        await typed(pilot, "project:web")
        await press(pilot, "enter", "escape", "slash", "up")
        assert app_of(pilot).live.box.bar.text == "project:web"
        await press(pilot, "up")
        assert app_of(pilot).live.box.bar.text == "error"
        assert [phrase.name for phrase in house.reader.phrases()] == [None, "bad"]


async def test_the_order_is_changed_and_shown(tmp_path: Path) -> None:
    cheap = [replace(one, duration_ms=10 * (i + 1)) for i, one in enumerate(talk())]
    async with opened(tmp_path, traces=cheap) as (house, pilot):
        box = app_of(pilot).live.box
        for name, words in (("cost", "by cost, highest"), ("tokens", "in + out"), ("duration", "by duration")):
            screen = await press(pilot, "s")
            assert words in screen
            assert box.order == Order(name)
        assert "s▼" in screen
        assert box.table.row_at(0).id == "m4"  # type: ignore[union-attr]
        assert "s▲" in await press(pilot, "S")
        assert box.table.row_at(0).id == "o1"  # type: ignore[union-attr]
        house.land([trace("later", started_at=time.time())])
        for _ in range(40):
            await pilot.pause(0.05)
            await settled(pilot)
            if "1 new" in shown(pilot):
                break
        assert "1 new, f shows them" in shown(pilot)
        assert "Requests · 8 · following" in await press(pilot, "f")
        assert box.table.row_at(0).id == "later"  # type: ignore[union-attr]


async def test_a_bookmark_and_a_note_are_put_on_a_request_in_the_list_and_in_the_trace(tmp_path: Path) -> None:
    async with opened(tmp_path, (200, 60)) as (house, pilot):
        assert "★ opus-5-5" in await press(pilot, "j", "b")
        await press(pilot, "B", *"odd", "enter")
        assert "★✎ opus-5-5 → qwen-max  odd" in shown(pilot)
        assert "★ ✎ odd" in await press(pilot, "enter")
        assert "★" not in await press(pilot, "b")
        screen = await press(pilot, "escape")
        assert "★" not in screen and "✎ opus" in screen
        row = house.reader.row("m3")
        assert (row.marked, row.note) == (0, "odd")
        assert "Requests · 1 found" in await typed(pilot, "note:odd")


async def test_days_before_are_dated(tmp_path: Path) -> None:
    now = time.time()
    old = [trace(f"x{i}", session="s", started_at=now - days * 86400) for i, days in enumerate((0, 2, 40, 500))]
    async with opened(tmp_path, (80, 24), old) as (_, pilot):
        ended = [one.started_at + one.duration_ms / 1000 for one in old]
        for at, form in zip(ended, ("%H:%M:%S", "%a %H:%M", "%d %b", "%b %Y"), strict=True):
            assert time.strftime(form, time.localtime(at)) in shown(pilot)


PAID, OTHER = Price(1_000_000_000, 2_000_000_000), Baseline("opus", Price(5_000_000_000, 25_000_000_000))
SUMMED = {
    "all is known": (Sums(requests=1, input_tokens=1000, cost=1_000_000), "$0.0010", "1.0k"),
    "estimated": (
        Sums(requests=1, input_tokens=1000, cost=10**6, estimated_cost=10**6, estimated_tokens=1000),
        "~$0.0010",
        "~1.0k",
    ),
    "in part at a price that nobody knows": (
        Sums(requests=2, input_tokens=1000, cost=10**6, unpriced=1),
        "$0.0010+",
        "1.0k",
    ),
    "nobody has billed anything": (Sums(requests=3, failed=3), "–", "0"),
}


@pytest.mark.parametrize(("sums", "cost", "sent"), SUMMED.values(), ids=SUMMED)
def test_sums_in_the_tree_say_what_they_rest_on(sums: Sums, cost: str, sent: str) -> None:
    cells = Lines(200, Seen(OTHER)).sums(sums)
    assert (cells["cost"][0], cells["in"][0]) == (cost, sent)


def test_a_session_is_compared_by_the_calls_whose_cost_it_tells(tmp_path: Path) -> None:
    one = attempt(usage=Usage(1000, 0), price=PAID, cost=1_000_000, cost_basis="list")
    odd = attempt(usage=Usage(9000, 0), model="odd", price=None, cost=None, cost_basis="unknown")
    archive.take_in(
        tmp_path / "ccr.db", [trace(n, attempts=(each,), session="s") for n, each in (("a", one), ("b", odd))]
    )
    reader = Reader(tmp_path / "ccr.db")
    row, spent = reader.sessions()[0], reader.spend("session")[0]
    cells = Lines(200, Seen(OTHER)).sums(row)
    assert (cells["cost"][0], cells["at"][0]) == ("$0.0010+", "$0.0050+"), "as on Spend"
    assert spend_table.beside(spent, OTHER, 3) == "$0.0050+"
    reader.close()


async def test_a_saved_filter_is_offered_while_its_name_is_typed(tmp_path: Path) -> None:
    async with opened(tmp_path) as (house, pilot):
        phrases.save(house.db, "outcome:error", "fails")
        await press(pilot, "slash", *"fai")
        assert "★ fails  outcome:error" in await until(pilot, "★ fails")
        await press(pilot, "tab")
        bar = app_of(pilot).live.box.bar
        assert bar.line.value.strip() == "outcome:error"
        await press(pilot, *"kin")
        assert "★" not in shown(pilot) and "kind:" in shown(pilot), "keys are offered as before"
