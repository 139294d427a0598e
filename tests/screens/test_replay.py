"""The Replay screen: looked at and pressed. What it shows was found by the other process, as for a person."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from houses import QWEN, House, settled, text
from scripted_openai import ScriptedOpenAI
from textual.pilot import Pilot

from ccr_tui.app import CcrApp
from ccr_tui.config import Config, Model, Patience, Provider
from ccr_tui.records import Price
from ccr_tui.replay import export, kept, recordings
from ccr_tui.replay.words import RECORDED, Comparison, Settings, StepResult, VariantSums
from ccr_tui.screens import replay_form, replay_pareto, replay_table
from ccr_tui.screens.lab import LabScreen
from ccr_tui.screens.pick import Pick
from ccr_tui.screens.replay import ReplayScreen
from ccr_tui.screens.replay_steps import SideScreen, StepsScreen
from ccr_tui.screens.trace import TraceScreen
from ccr_tui.store import archive
from ccr_tui.store.filters import Filter
from ccr_tui.store.queries import Reader
from ccr_tui.store.runs import Runs

TRACES = Path(__file__).parent.parent.parent / "traces"
SIZES = [(80, 24), (120, 40), (200, 60)]
PATIENCE_S = 60.0
"""The other process takes a second or two to begin, and more where others want the processor."""


@asynccontextmanager
async def opened(
    tmp_path: Path, size: tuple[int, int] = (120, 40), config: Config = QWEN, file: str = "routed"
) -> AsyncIterator[tuple[House, Pilot[None]]]:
    with (TRACES / f"{file}.jsonl").open("rb") as lines:
        archive.take_in(tmp_path / "ccr.db", archive.read(lines))
    house = House(tmp_path / "ccr.db", config)
    app = CcrApp(house)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        yield house, pilot
    await house.stop()


def replaying(pilot: Pilot[None]) -> ReplayScreen:
    assert isinstance(pilot.app, CcrApp)
    return pilot.app.replay


async def until(pilot: Pilot[None], true: Callable[[], bool]) -> str:
    """Until it is so, and the screen shows it."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, text(pilot.app)  # type: ignore[arg-type]
        await asyncio.wait({asyncio.ensure_future(pilot.pause())})
    await settled(pilot)
    return shown(pilot)


def shown(pilot: Pilot[None]) -> str:
    assert isinstance(pilot.app, CcrApp)
    return text(pilot.app)


async def priced(pilot: Pilot[None], *names: str) -> str:
    """Until these variants are compared."""
    screen = replaying(pilot)

    def so() -> bool:
        found = screen.comparison
        return bool(found) and [line.name for line in found.variants] == [RECORDED, *names] and not screen.busy

    return await until(pilot, so)


async def type_in(pilot: Pilot[None], words: str) -> None:
    """Into the list that is open, and take it."""
    assert isinstance(pilot.app.screen, Pick)
    pilot.app.screen.filter.value = words
    await pilot.pause()
    await pilot.press("enter")
    await settled(pilot)


SUGGESTED = ("qwen-max", "deepseek-flash", "qwen3.8-flash")


async def test_the_last_session_is_priced_for_what_is_configured_and_known(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, pilot):
        await pilot.press("5")
        await priced(pilot, *SUGGESTED)
        for size in SIZES:
            await pilot.resize_terminal(*size)
            page = await until(pilot, lambda: "step 7" in shown(pilot))  # the picture has its axes
            assert "7 requests" in page
            assert "answered by smollm2-135m" in page
            assert "Variants · 3 · reprice" in page
            assert "★" not in page
            assert [line for line in page.split("\n") if "◂" in line and "the cheapest" not in line]


async def test_variants_are_added_extended_and_removed_and_wrong_ones_told(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, pilot):
        await pilot.press("5")
        await priced(pilot, *SUGGESTED)
        await pilot.press("a")
        await type_in(pilot, "mine=tool:qwen3.8-flash,think:deepseek-v4-pro")
        await priced(pilot, *SUGGESTED, "mine")
        replaying(pilot).table.select(("variant", "mine"))
        await pilot.press("a")
        await type_in(pilot, "router:")
        await type_in(pilot, "qwen3.7-plus")
        page = await priced(pilot, *SUGGESTED, "mine")
        assert replaying(pilot).variants[-1] == "mine=tool:qwen3.8-flash,think:deepseek-v4-pro,router:qwen3.7-plus"
        assert "for the router" in page
        replaying(pilot).table.select(("variant", "qwen-max"))
        await pilot.press("d")
        await priced(pilot, "deepseek-flash", "qwen3.8-flash", "mine")
        await pilot.press("a")
        await type_in(pilot, "bad=qwen-mix")
        await until(pilot, lambda: "bad=qwen-mix" not in replaying(pilot).variants)
        assert any("did you mean" in note.message for note in pilot.app._notifications)
        await pilot.press("b")
        await type_in(pilot, "qwen3.8-max")
        page = await until(pilot, lambda: bool(c := replaying(pilot).comparison) and c.baseline is not None)
        assert "baseline qwen3.8-max" in page


async def test_a_request_is_replayed_from_its_trace_and_its_steps_lead_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, pilot):
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(pilot.app.screen, TraceScreen)
        await pilot.press("r")
        page = await priced(pilot, *SUGGESTED)
        assert isinstance(pilot.app.screen, ReplayScreen)  # no list that takes the next keys for its own
        assert "1 request ·" in page
        await pilot.press("j", "enter")
        steps = await until(pilot, lambda: isinstance(pilot.app.screen, StepsScreen))
        assert "1 steps" in steps and "smollm2-135m" in steps
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, TraceScreen))


async def test_a_file_is_replayed_and_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with opened(tmp_path) as (_, pilot):
        await pilot.press("5")
        await priced(pilot, *SUGGESTED)
        await pilot.press("s")
        await type_in(pilot, str(TRACES / "coding.jsonl"))
        await until(pilot, lambda: bool(o := replaying(pilot).opened) and o.session == "coding")
        await priced(pilot, *SUGGESTED)
        await pilot.press("e", "m")
        await settled(pilot)
        written = next(tmp_path.glob("ccr-tui-reprice-coding-*.md")).read_text()
        assert "| deepseek-flash |" in written
        await pilot.press("o")
        await settled(pilot)
        assert "coding.jsonl" in shown(pilot)


def scripted(upstream: ScriptedOpenAI) -> Config:
    price = Price(1_000_000_000, 4_000_000_000, source="test", basis="user")
    return Config(
        port=0,
        providers={"scripted": Provider("scripted", "openai", upstream.base_url, api_key=upstream.key)},
        models={"live": Model("live", "scripted", "live-id", price=price)},
        agents={"default": ("live",)},
        patience=Patience(waits_s=()),
    )


async def test_a_rerun_asks_with_the_bill_and_is_looked_at_side_by_side(tmp_path: Path) -> None:
    async with (
        ScriptedOpenAI() as upstream,
        opened(tmp_path, (160, 50), scripted(upstream), "coding") as (house, pilot),
    ):
        await pilot.press("5")
        await until(pilot, lambda: replaying(pilot).comparison is not None)
        replaying(pilot).variants = ["live=live"]
        replaying(pilot).price_again()
        await priced(pilot, "live")
        await pilot.press("R")
        await pilot.pause()
        assert "9 requests, about $" in shown(pilot)
        assert upstream.requests == []
        await type_in(pilot, "5")
        page = await until(pilot, lambda: bool(c := replaying(pilot).comparison) and c.kind == "rerun")
        assert len(upstream.requests) == 9
        assert "Variants · 1 · rerun" in page and "tools" in page
        await pilot.press("j", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, StepsScreen) and bool(pilot.app.screen.results))
        await pilot.press("enter")
        sides = await until(pilot, lambda: isinstance(pilot.app.screen, SideScreen) and "−" in shown(pilot))
        assert "live-id" in sides and "smollm2-135m" in sides
        assert house.reader.runs(1)[0].kind == "rerun"
        await pilot.press("escape", "escape", "s")
        await type_in(pilot, str(TRACES / "routed.jsonl"))
        await until(pilot, lambda: bool(o := replaying(pilot).opened) and o.session == "routed")
        await priced(pilot, "live")
        await pilot.press("o")
        await settled(pilot)
        await type_in(pilot, "rerun")
        await until(pilot, lambda: bool(o := replaying(pilot).opened) and o.session != "routed")
        await pilot.press("down", "up")
        assert bool(c := replaying(pilot).comparison) and c.kind == "rerun"  # and is not priced over


def killed(house: House) -> None:
    """A rerun of four steps that was killed when one of them was answered."""
    runs = Runs(house.db)
    with recordings.opened("last", house.reader) as recording:
        asked = {"variants": ["live=live"], "settings": kept.to_json(Settings("rerun", 5_000_000_000, sample=4))}
        kept.begin(runs, "run-1", 1.79e9, "rerun", recording, asked)
        step = recording.steps[0]
        kept.keep(runs, "run-1", [StepResult(step.uid, step.n, "live", "rerun", cost=1000, cost_from="rerun")])


async def test_a_killed_rerun_goes_on_in_the_app_and_pays_for_no_answer_twice(tmp_path: Path) -> None:
    async with (
        ScriptedOpenAI() as upstream,
        opened(tmp_path, (160, 50), scripted(upstream), "coding") as (house, pilot),
    ):
        killed(house)
        await pilot.press("5")
        await until(pilot, lambda: replaying(pilot).comparison is not None)
        await pilot.press("o")
        await settled(pilot)
        await type_in(pilot, "rerun")
        await until(pilot, lambda: replaying(pilot).cut is not None and replaying(pilot).comparison is not None)
        await pilot.press("R")
        await until(pilot, lambda: isinstance(pilot.app.screen, Pick))
        page = " ".join(shown(pilot).replace("│", " ").split())
        assert "Go on with this rerun: choose a cap" in page and "never more than $5" in page
        assert "Left: live: 3 requests, about $" in page and "spent already" in page
        assert "of it is gone" in page and "type another cap in US dollars" in page
        await pilot.press("enter")
        await until(pilot, lambda: bool(c := replaying(pilot).comparison) and c.kind == "rerun")
        row = house.reader.run("run-1")
        assert (row.finished, len(upstream.requests)) == (True, 3), "three of the four that were asked for"
        assert (row.asked["settings"]["sample"], row.asked["settings"]["max_cost"]) == (4, 5_000_000_000)
        assert replaying(pilot).cut is None


async def test_a_session_that_goes_on_says_so_and_is_read_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as (house, pilot):
        await pilot.press("5")
        page = await priced(pilot, *SUGGESTED)
        assert "7 requests as of " in page and "more" not in page and "UTC" not in page
        row = house.reader.rows(Filter(), limit=1)[0]
        later = replace(house.reader.trace(row.id), uid="0199-later", started_at=row.started_at + 60)
        archive.take_in(house.db, iter([later]))
        await until(pilot, lambda: "u reads 1 more" in shown(pilot))
        await pilot.press("u")
        await until(pilot, lambda: "8 requests" in shown(pilot))
        assert "u reads" not in shown(pilot)


async def test_the_lab_of_a_replay_is_of_the_session_that_is_replayed(tmp_path: Path) -> None:
    async with opened(tmp_path) as (house, pilot):
        await pilot.press("5")
        await priced(pilot, *SUGGESTED)
        row = house.reader.rows(Filter(), limit=1)[0]
        other = replace(house.reader.trace(row.id), uid="0199-later", session="another", started_at=row.started_at + 60)
        archive.take_in(house.db, iter([other]))
        await pilot.press("l")
        screen = pilot.app.screen
        assert isinstance(screen, LabScreen)
        await until(pilot, lambda: screen.opened is not None)
        assert replaying(pilot).opened and screen.opened.session == replaying(pilot).opened.session == row.session


async def test_the_picture_names_its_lines_and_its_steps(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, pilot):
        await pilot.press("5")
        await priced(pilot, *SUGGESTED)
        await until(pilot, lambda: replaying(pilot).plot.picture is not None)
        page = shown(pilot)
        assert all(f"━ {name}" in page for name in (RECORDED, *SUGGESTED))
        assert "step 1" in page and "step 7" in page and "in dollars, step by step" in page


async def test_beside_the_steps_stands_what_was_said_where_there_is_room(tmp_path: Path) -> None:
    async with opened(tmp_path, (200, 60)) as (_, pilot):
        await pilot.press("5")
        await priced(pilot, *SUGGESTED)
        await pilot.press("down", "enter")
        page = await until(pilot, lambda: "What was answered then" in shown(pilot))
        assert "─ Step 1 " in page and "What was asked" in page and "between $" in page
        await pilot.press("j")
        await until(pilot, lambda: "─ Step 2 " in shown(pilot) and "a tool's result" in shown(pilot))
        await pilot.resize_terminal(80, 24)
        await settled(pilot)
        assert "What was asked" not in shown(pilot)


async def test_without_any_session_it_says_what_to_do(tmp_path: Path) -> None:
    house = House(tmp_path / "ccr.db", QWEN)
    app = CcrApp(house)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await pilot.press("5")
        page = await until(pilot, lambda: "s takes the path of a file of traces" in shown(pilot))
        assert "a adds" not in page and "p cost" not in page, "what can't be done is not offered"
        await pilot.press("o")
        await until(pilot, lambda: "nothing was replayed yet" in shown(pilot))
        await pilot.press("escape", "s")
        await until(pilot, lambda: "no session is recorded yet; the path of a file" in shown(pilot))
        await type_in(pilot, str(tmp_path / "not-there.jsonl"))
        await until(pilot, lambda: "another session or file" in shown(pilot))
        assert "No such file" in shown(pilot) and "reading the recording" not in shown(pilot)
    await house.stop()


# -- its parts


def line(name: str, **more: object) -> VariantSums:
    return replace(VariantSums(name, cost=1_200_000, low=1_000_000, high=1_400_000, requests=7), **more)  # type: ignore[arg-type]


FOUND = Comparison(
    "run", "rerun", "s", "t", "database", 1.0,
    (
        line(RECORDED, saved=0, models=("opus",)),
        line("a-rather-long-name-of-a-variant", saved=-5_000_000, tool_agreement=0.4, stop_agreement=0.95, parts_at=3),
        line("b", saved=900_000, saved_baseline=5, judged=0.5, ttft_ms=321, duration_ms=99_000, failed=2, unpriced=1),
    ),
)  # fmt: skip


@pytest.mark.parametrize("width", [40, 60, 78, 100, 118, 140, 198])
def test_lines_and_headings_are_equally_wide_and_fit(width: int) -> None:
    drawn = [replay_table.headings(FOUND)(width), *(row.draw(width) for row in replay_table.rows(FOUND))]
    widths = {sum(len(words) for words, _ in pieces) for pieces in drawn}
    assert len(widths) == 1
    assert width <= 60 or widths.pop() <= width


WRITTEN = {
    "qwen-max": "qwen-max=qwen-max",
    "tool:a,think:b": "tool:a+think:b=tool:a,think:b",
    "mine=tool:a": "mine=tool:a",
    "@my file.toml": "my+file.toml=@my file.toml",
    "recorded": "recorded-2=recorded",
    "taken": "taken-2=taken",
}


@pytest.mark.parametrize("spec", WRITTEN)
def test_a_variant_has_a_name_of_its_own(spec: str) -> None:
    assert replay_form.written(spec, ["taken=x"]) == WRITTEN[spec]


EXTENDED = {
    "a=tool:x": "a=tool:x,think:y",
    "a=think:x,tool:p,q": "a=tool:p,q,think:y",
    "a=mode:router": "a=mode:router,think:y",
    "a=qwen-max": None,
    "a=@file.toml": None,
}


@pytest.mark.parametrize("variant", EXTENDED)
def test_a_variant_of_agents_takes_one_more(variant: str) -> None:
    assert replay_form.extended(variant, "think", "y") == EXTENDED[variant]


SENDABLE = {
    "a=qwen-max": True,
    "a=deepseek-flash": False,
    "a=tool:qwen-max": True,
    "a=tool:qwen-max,think:deepseek-flash": False,
    "a=mode:router": True,
    "a=mode:router,tool:nobody": False,
    "a=dashscope/anything": True,
    "a=dashscope,anything": True,
    "a=rules:off": True,
    "a=@file.toml": True,
}


@pytest.mark.parametrize("variant", SENDABLE)
def test_only_configured_models_are_sent_anything(variant: str) -> None:
    assert (replay_form.sendable(QWEN, [variant]) == [variant]) is SENDABLE[variant]


def test_caps_are_never_below_the_bill() -> None:
    high = FOUND.variants[1].high or 0
    for choice in replay_form.caps(FOUND, ["a-rather-long-name-of-a-variant"])[:-1]:
        assert float(choice.value) * 1e9 >= high
    assert "7 requests, about $0.0012 ($0.0010 to $0.0014)" in replay_form.bill(FOUND.variants, ["b"])


def test_where_a_price_is_not_known_no_cap_is_offered() -> None:
    unpriced = replace(FOUND, variants=(*FOUND.variants, VariantSums("odd", requests=7)))
    (none,) = replay_form.caps(unpriced, ["b", "odd"])
    assert none.value == replay_form.NO_CAP
    assert "the price of odd is not known" in replay_form.bill(unpriced.variants, ["b", "odd"])


CAPS = {
    0: ["0.01"],
    1: ["0.000000001", "0.000000002", "0.000000004"],
    12_345: ["0.000013", "0.000025", "0.00005"],
    1_400_000: ["0.0014", "0.0028", "0.0056"],
    50_000_000: ["0.05", "0.10", "0.20"],
    700_000_001: ["0.71", "1.41", "2.81"],
    123_456_789_012: ["123.46", "246.92", "493.83"],
}
"""The upper bound of a bill in nano-USD, and what is offered."""


@pytest.mark.parametrize("high", CAPS, ids=str)
def test_caps_have_the_digits_that_matter_and_are_distinct(high: int) -> None:
    found = replace(FOUND, variants=(line(RECORDED), line("a", cost=high, low=high, high=high)))
    choices = replay_form.caps(found, ["a"])
    assert [choice.value for choice in choices] == [*CAPS[high], "no cap"]
    assert all(float(value) * 1e9 >= high for value in CAPS[high])
    assert all(f"${choice.value}" in choice.words for choice in choices[:-1])


@pytest.mark.parametrize("width", [80, 118, 200])
def test_no_figure_of_a_variant_is_cut(width: int) -> None:
    tiny = line("a", cost=12_345, low=11_222, high=13_888, saved=-12_345, saved_baseline=-99_999, unpriced=1)
    found = replace(FOUND, variants=(line(RECORDED, cost=123_456_789), tiny))
    drawn = ["".join(text for text, _ in row.draw(width)) for row in replay_table.rows(found)]
    assert all(len(row) <= width and "…" not in row for row in drawn), drawn
    assert "$0.000012+" in drawn[1] and "−$0.000012" in drawn[1]
    assert ("$0.000011–0.000014" in drawn[1]) is (width > 80)


def test_runs_and_sessions_are_listed(tmp_path: Path) -> None:
    with (TRACES / "coding.jsonl").open("rb") as lines:
        archive.take_in(tmp_path / "ccr.db", archive.read(lines))
    reader = Reader(tmp_path / "ccr.db")
    assert "9 requests" in replay_form.sessions(reader, time.time())[0].note
    assert replay_form.runs(reader, time.time()) == []
    reader.close()


PARETO = replace(
    FOUND,
    variants=(
        line(RECORDED, cost=3_000_000, tool_agreement=1.0, pareto=True),
        line("cheap", cost=1_000_000, tool_agreement=0.5, pareto=True),
        line("dear", cost=9_000_000, tool_agreement=0.5),
    ),
)


@pytest.mark.parametrize(("width", "height"), [(76, 9), (58, 28), (120, 40)])
def test_what_is_cheaper_lies_further_left_and_what_agrees_better_higher(width: int, height: int) -> None:
    found = replay_pareto.picture(PARETO, lambda name: "good", width, height)
    assert found is not None and len(found.lines) == height
    lines = ["".join(words for words, _ in pieces) for pieces in found.lines]
    assert {len(line) for line in lines} == {width}
    at = {
        name: (n, text.index(name))
        for n, text in enumerate(lines)
        for name in ("recorded", "cheap", "dear")
        if name in text
    }
    assert at["recorded"][0] < at["cheap"][0] == at["dear"][0]
    assert at["cheap"][1] < at["recorded"][1] < at["dear"][1]
    assert "".join(lines).count("★") == 2


def test_a_reprice_has_nothing_to_agree() -> None:
    only = replace(FOUND, variants=(line(RECORDED, tool_agreement=1.0), line("a")))
    assert replay_pareto.picture(only, lambda name: "", 80, 20) is None


def test_what_is_saved_has_the_sign_of_the_command_line() -> None:
    """A minus: it costs more."""
    drawn = [row.draw(198) for row in replay_table.rows(FOUND)]
    texts = ["".join(words for words, _ in pieces) for pieces in drawn]
    assert "−$0.0050" in texts[1] and " $0.00090 " in texts[2]
    assert "-$0.0050" in export.markdown(FOUND) and " $0.00090 " in export.markdown(FOUND)
