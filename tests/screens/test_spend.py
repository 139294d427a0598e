"""The Spend screen, looked at and pressed, at three sizes and in both themes."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import generated
import pytest
from houses import QWEN, House, flat, settled, until
from houses import text as text_of
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from ccr_tui import decimals
from ccr_tui.app import CcrApp
from ccr_tui.config import Config, Guards, Model
from ccr_tui.records import Price, RouteDecision, Trace, Usage
from ccr_tui.screens import course, show, spend_table
from ccr_tui.screens.spend import SpendScreen, terms_of, ticks_of
from ccr_tui.screens.spend_table import Context
from ccr_tui.store.amounts import SpendRow
from ccr_tui.store.paid import Paid, keep
from ccr_tui.store.queries import Reader

SIZES = [(80, 24), (120, 40), (200, 60)]
LIST = Price(1_000_000_000, 2_000_000_000, 100_000_000, since="2026-11-01", source="ccr-tui table")
DEAR = Price(10_000_000_000, 50_000_000_000, 1_000_000_000, basis="user")
CONFIG = replace(
    QWEN,
    models={**QWEN.models, "dear": Model("dear", "dashscope", "dear", price=DEAR)},
    baseline="dear",
    guards=Guards(budget_per_day=20_000_000_000, budget_per_session=4_000_000_000),
)
TOOL = RouteDecision("router", "tool", "qwen", "router", "it calls tools")
NOON = datetime.now().replace(hour=12, minute=0, second=0, microsecond=0).timestamp()
DAY_S = 86_400
FULL = "▁▂▃▄▅▆▇█"

Open = Callable[..., AbstractAsyncContextManager[tuple[House, Pilot[None]]]]


def call(n: int = 1, model: str = "qwen-max", tokens: int = 1_000_000, **changes: Any) -> Any:
    own = {"usage": Usage(tokens, 0), "price": LIST, "cost": tokens * 1000, "cost_basis": "list", "stream": ()}
    return generated.attempt(n, model=model, **(own | changes))


def work() -> list[Trace]:
    """Three days: $3 today in one session, $2 yesterday with a router, an unknown price and an estimate before."""
    routed = (
        call(1, "small", 10_000, purpose="route"),
        call(2, "r1", 90_000, purpose="think"),
        call(3, tokens=1_900_000),
    )
    odd = call(model="odd", price=None, cost=None, cost_basis="unknown")
    guessed = call(model="slow", tokens=500_000, usage=Usage(500_000, 0, basis="estimated"))
    days = [
        ("a", 0, (call(tokens=2_000_000),), {"session": "morning"}),
        ("b", 0, (call(tokens=1_000_000),), {"session": "morning"}),
        ("c", 1, routed, {"decision": TOOL, "project": "/home/ada/web"}),
        ("d", 2, (odd,), {}),
        ("e", 2, (guessed,), {}),
    ]
    return [
        generated.trace(uid, started_at=NOON - ago * DAY_S, attempts=attempts, asked_model="claude-opus-4-5", **more)
        for uid, ago, attempts, more in days
    ]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Opens the app on its Spend screen, with these requests recorded."""

    @asynccontextmanager
    async def open(
        size: tuple[int, int] = (120, 40),
        traces: list[Trace] | None = None,
        config: Config = CONFIG,
        demo: bool = False,
    ) -> AsyncIterator[tuple[House, Pilot[None]]]:
        house = House(tmp_path / "ccr.db", config)
        app = CcrApp(house, demo)
        async with app.run_test(size=size, notifications=True) as pilot:
            await settled(pilot)
            house.land(work() if traces is None else traces)
            await pilot.press("3")
            await until(pilot, "by  hour", "requests" if traces is None else "nothing was spent")
            await settled(pilot)
            yield house, pilot
        await house.stop()

    return open


def shown(pilot: Pilot[None]) -> str:
    app = pilot.app
    assert isinstance(app, CcrApp)
    return text_of(app)


def screen_of(pilot: Pilot[None]) -> SpendScreen:
    assert isinstance(pilot.app.screen, SpendScreen)
    return pilot.app.screen


def line(screen: str, word: str) -> str:
    return next(line for line in screen.split("\n") if word in line)


DECIMALS = {
    "nothing": ([0, None], 2),
    "one small": ([3_400_000], 5),
    "a half of it": ([4_800_000, 2_450_000], 5),
    "eleven per cent more, and much more": ([2_370_000, 2_630_000, 36_900_000], 5),
    "dollars": ([5_500_000_000, 500_000_000], 2),
    "a thousandth of dollars": ([5_500_000_000, 3_000_000], 3),
    "hundreds": ([500_000_000_000, 3_000_000], 2),
    "almost nothing": ([12], 6),
}


@pytest.mark.parametrize("case", DECIMALS)
def test_decimals_of_a_column_are_those_that_matter(case: str) -> None:
    assert decimals.of(DECIMALS[case][0]) == DECIMALS[case][1]


@given(st.lists(st.integers(1, 10**13), min_size=1, max_size=6))
def test_amounts_of_a_column_agree_with_one_another(amounts: list[int]) -> None:
    """Each has the column's decimals, or, where it would have less than two digits so, those that two digits take."""
    digits = decimals.of([*amounts, sum(amounts)])
    tail = decimals.tail(amounts, digits)
    for amount in (*amounts, sum(amounts)):
        text = decimals.money(amount, digits)
        dollars, part = float(text.lstrip("<$").replace(",", "")), text.partition(".")[2]
        own = digits < len(part) <= tail and amount < 10 ** (10 - digits)
        assert len(part) == digits or own or text == "<$0.00001", text
        off = max(0.051 * amount, 1) if len(part) > digits else 0.51 * 10 ** (9 - digits)
        assert dollars * 1e9 > amount if "<" in text else abs(dollars * 1e9 - amount) <= off


@pytest.mark.parametrize(
    ("amount", "text"),
    {583_950_000_000: "$583.95", 66_828_000: "$0.067", 8_100_000: "$0.0081", 120_000: "$0.00012"}.items(),
)
def test_small_amounts_beside_a_large_one_keep_two_digits(amount: int, text: str) -> None:
    digits = decimals.of([583_950_000_000, 120_000])
    assert decimals.money(amount, digits) == text
    assert decimals.tail([583_950_000_000, amount], digits) == len(text.partition(".")[2])


async def test_little_money_is_the_same_in_the_sum_and_in_its_row(opened: Open) -> None:
    few = [generated.trace("a", started_at=NOON, attempts=(call(tokens=3_400),))]
    async with opened(traces=[]) as (house, pilot):
        house.land(few)
        screen = await until(pilot, "By day · 1", "$0.0034")
        assert screen.count(" $0.00340 ") == 4, screen  # the sum, today, the session's budget, the row
        assert screen.count(" $0.03400 ") == 2, "what it is compared with has as many decimals"


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_each_size_has_figures_a_picture_and_a_table(opened: Open, size: tuple[int, int]) -> None:
    async with opened(size) as (_, pilot):
        screen = await until(pilot, "~$5.50+", "$20.00", "1 call unpriced", "└", "┤")
        assert "$0.01" in screen and "$0.09" in screen, "the router's and the hops' cost"
        assert set(FULL) & set(screen), "a picture"
        assert f"{datetime.fromtimestamp(NOON):%a %d %b %Y}" in screen
        assert all(len(row) <= size[0] for row in screen.split("\n"))
        assert "at dear" in screen


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_what_replays_have_cost_stands_apart(opened: Open, size: tuple[int, int]) -> None:
    paid = call(tokens=700_000)
    sent = generated.trace("r", started_at=NOON, attempts=(paid,), session=None, origin="replay", run="run-1")
    async with opened(size) as (house, pilot):
        house.land([sent])
        screen = await until(pilot, "replays", "+$0.70")
        assert "~$5.50+" in screen, "the sum is without them"


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_what_tests_of_models_have_cost_stands_apart(opened: Open, size: tuple[int, int]) -> None:
    async with opened(size) as (house, pilot):
        keep(house.db, "test", "p/m", Paid(13, 700_000_000, 0))
        house.land([generated.trace("one more", started_at=NOON)])
        await until(pilot, "tests", "+$0.70")


async def test_a_share_stands_beside_its_baseline_and_leaves_out_what_has_no_price(opened: Open) -> None:
    async with opened() as (_, pilot):
        screen = await until(pilot, "at dear", "config.toml")
        spent = line(screen, "at dear")
        # 5.4M answered and priced at $10; $5.50 of it paid
        assert "~$54.00+" in spent and "−90%" in spent


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_all_sources_of_prices_and_what_has_none_are_told(opened: Open, size: tuple[int, int]) -> None:
    billed = [call(tokens=70_000_000), call(tokens=500_000, cost_basis="reported"), call(tokens=4000, price=DEAR)]
    billed[2] = replace(billed[2], cost_basis="user")
    odd = [call(model="odd", price=None, cost=None, cost_basis="unknown") for _ in range(97)]
    traces = [generated.trace(f"t{n}", started_at=NOON, attempts=(each,)) for n, each in enumerate([*billed, *odd])]
    async with opened(size, []) as (house, pilot):
        house.land(traces)
        screen = await until(pilot, "list price 99%", "97 calls unpriced")
        assert "reported 1%" in screen and "your price <1%" in screen


async def test_a_long_name_of_a_baseline_keeps_a_gap(opened: Open) -> None:
    model = Model("sonnet-4-5", "dashscope", "sonnet-4-5", price=DEAR)
    config = replace(CONFIG, models={**CONFIG.models, "sonnet-4-5": model}, baseline="sonnet-4-5")
    async with opened(config=config) as (_, pilot):
        assert "at sonnet-4-5 ~$54.00+" in line(await until(pilot, "at sonnet-4-5"), "at sonnet-4-5")


async def test_what_was_read_is_drawn_as_what_it_is_while_something_else_is_read(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large database takes its time, and somebody goes on from days to weeks and models meanwhile."""
    go_on, spend = threading.Event(), Reader.spend
    async with opened() as (_, pilot):
        await until(pilot, "By day · ")
        monkeypatch.setattr(Reader, "spend", lambda *given, **named: go_on.wait(30) and spend(*given, **named))
        for _ in range(2):
            await pilot.press("right")
            await pilot.resize_terminal(118, 40)  # the picture is drawn anew, and the table with it
            await pilot.resize_terminal(120, 40)
            await until(pilot, "By day · ", f"{datetime.fromtimestamp(NOON):%a %d %b %Y}")
        go_on.set()
        assert "mistake of ours" not in await until(pilot, "By model · ")


async def test_ways_and_spans(opened: Open) -> None:
    hour = time.strftime(":%M", time.localtime(time.time() // 3600 * 3600))  # sums go by UTC's hours, India is at :30
    async with opened() as (_, pilot):
        wanted = {
            "week": "W", "model": "qwen-max", "agent": "tool", "kind": "main", "session": "morning",
            "project": "/home/ada/web", "provider": "dashscope", "hour": hour, "day": "",
        }  # fmt: skip
        for way, word in wanted.items():
            await pilot.press("right")
            screen = await until(pilot, f"By {way}", word)
        await pilot.press("left")
        await until(pilot, "By hour")
        for _ in range(5):
            await pilot.press("less_than_sign")
        screen = await until(pilot, "Sum · today", "By hour · 1")
        assert "$3.00" in line(screen, "spent")
        await pilot.press("greater_than_sign")
        await until(pilot, "Sum · 7 days", "By hour · 3")


async def test_enter_goes_to_the_requests_of_the_row_and_escape_comes_back(opened: Open) -> None:
    async with opened() as (_, pilot):
        await pilot.press("j", "enter")
        screen = await until(pilot, "Requests of", "· 1 ·")
        assert f"{datetime.fromtimestamp(NOON - DAY_S):%a %d %b %Y}" in screen and "opus-4-5 → qwen-max" in screen
        await pilot.press("escape")
        await until(pilot, "By day")
        await pilot.press("right", "right")
        await until(pilot, "By model", "■ qwen-max")
        await pilot.press("enter")
        await until(pilot, "Requests of qwen-max", "· 3 ·")


async def test_what_if_all_had_gone_to_another_model(opened: Open) -> None:
    async with opened() as (_, pilot):
        await pilot.press("w")
        screen = await until(pilot, "What if all", "dear", "claude-sonnet-4-5")
        assert "genai-prices" in line(screen, "claude-sonnet-4-5") and "%" in line(screen, "claude-sonnet-4-5")
        await pilot.press(*"sonnet-4-5", "enter")
        screen = await until(pilot, "if sonnet-4-5 ", "esc back", "+195%")
        assert "~$16.20+" in line(screen, "if sonnet-4-5"), "5.4M tokens at $3: those that were paid for"
        await pilot.press("escape")
        await until(pilot, "at dear")


async def test_what_is_typed_is_looked_for_in_all_lists_of_prices(opened: Open) -> None:
    async with opened() as (_, pilot):
        await pilot.press("w")
        await until(pilot, "What if all", "claude-sonnet-4-5")
        await pilot.press(*"gpt-5.")
        screen = await until(pilot, "openai/gpt-5.2 ", "nobody here knows a price of this name")
        assert "$" in line(screen, "openai/gpt-5.2 ") and "%" in line(screen, "openai/gpt-5.2 ")
        await pilot.press("backspace")
        screen = await until(pilot, "openai/gpt-5-mini ")
        assert screen.count("openai/gpt-5") > 3
        assert "$" in [row for row in screen.split("\n") if " gpt-5 " in row][-1], "a name as it is typed has its price"


async def test_shares_are_told_as_the_sum_will_tell_them(opened: Open) -> None:
    async with opened(config=replace(CONFIG, baseline=None)) as (_, pilot):
        await until(pilot, "u 1 call not known")
        await pilot.press("b")
        await until(pilot, "Compare with", "dear ")
        assert "−90%" in line(shown(pilot), " dear "), "what was paid against the model, as in the sum"
        await pilot.press("escape", "w")
        await until(pilot, "What if all", "dear ")
        assert "+" in line(shown(pilot), " dear ").partition("%")[0], "the model against what was paid"


async def test_what_is_not_known_can_be_gone_to(opened: Open) -> None:
    async with opened() as (_, pilot):
        await until(pilot, "u 1 call not known")
        await pilot.press("u")
        screen = await until(pilot, "something unknown in their cost", "odd")
        assert "slow" in screen, "what rests on estimated tokens is not known of the cache either"


def switching() -> list[Trace]:
    """One model, then another one in the same conversation; and a replay of it."""
    said = {"model": "m", "messages": [{"role": "user", "content": "x" * 9_000}]}
    more = {**said, "messages": [*said["messages"], *({"role": r, "content": "y"} for r in ("assistant", "user"))]}
    own: dict[str, Any] = {"session": "switching"}
    return [
        generated.trace("first", said, started_at=NOON, attempts=(call(model="first-model"),), **own),
        generated.trace("next", more, started_at=NOON + 9, attempts=(call(model="next-model"),), **own),
        generated.trace("aside", more, started_at=NOON + 20, attempts=(call(model="aside"),), origin="replay", run="r"),
    ]


async def test_what_switching_lost_can_be_gone_to(opened: Open) -> None:
    async with opened(traces=[]) as (house, pilot):
        assert "c by switching" not in shown(pilot), "nothing is lost, so there is nothing to go to"
        house.land(switching())
        await until(pilot, "c by switching models")
        await pilot.press("c")
        screen = await until(pilot, "a switch of models lost some cache", "→ next-model")
        assert "first-model" not in screen and "aside" not in screen


async def test_a_row_leads_to_the_requests_that_it_counts(opened: Open) -> None:
    async with opened(traces=[]) as (house, pilot):
        house.land(switching())
        await until(pilot, "By day · 1")
        await pilot.press("enter")
        screen = await until(pilot, "Requests of", "→ next-model", "→ first-model")
        assert "aside" not in screen, "what a replay has sent is in no sum"


async def test_a_model_of_unknown_price_changes_nothing(opened: Open) -> None:
    async with opened() as (_, pilot):
        await pilot.press("w")
        await until(pilot, "What if all", "sonnet")
        await pilot.press(*"nobody-knows", "enter")
        await until(pilot, "Nobody here knows the price of nobody-knows")
        assert "at dear" in shown(pilot)


async def test_a_baseline_is_kept_or_held(opened: Open) -> None:
    async with opened() as (_, pilot):
        await pilot.press("b")
        await until(pilot, "Compare with", "claude-haiku-4-5")
        await pilot.press(*"haiku", "enter")
        await until(pilot, "at haiku-4-5", "Held until ccr-tui ends")
        screen_of(pilot).store_changed()
        await pilot.press("right")
        await until(pilot, "By week", "at haiku-4-5")


async def test_the_picture_is_bars_or_lines_or_none(opened: Open) -> None:
    async with opened() as (_, pilot):
        await until(pilot, "Spent per day, by model", "■ qwen-max")
        await pilot.press("p")
        screen = await until(pilot, "Paid, and at dear, summed up")
        await until(pilot, "$54.00┤")
        await pilot.press("p")
        await settled(pilot)
        folded = await until(pilot, "By day")
        assert "┤" not in folded
        await pilot.press("p")
        await until(pilot, "Spent per day")
        assert screen != folded


async def test_sources_tell_what_each_figure_is(opened: Open) -> None:
    async with opened() as (_, pilot):
        await pilot.press("i")
        screen = await until(pilot, "Where the figures come from", "What they mean")
        assert "list price, ccr-tui table, 2026-11-01" in screen and "nobody knows a price" in screen
        assert "input $10.00" in screen and "your own price, config.toml" in screen


async def test_what_comes_is_seen(opened: Open) -> None:
    async with opened() as (house, pilot):
        await until(pilot, "~$5.50+")
        house.land([generated.trace("new", started_at=NOON + 1, attempts=(call(tokens=4_000_000),))])
        await until(pilot, "~$9.50+")


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_nothing_was_spent_yet(opened: Open, size: tuple[int, int]) -> None:
    async with opened(size, traces=[], config=QWEN) as (_, pilot):
        screen = await until(pilot, "nothing was spent: 30 days")
        assert re.search("cached +– ", screen), "nothing was sent, so no share of it is known"
        assert "$0.00" in screen
        await pilot.press("enter", "w")
        await until(pilot, "What if all")


async def test_both_themes_and_the_demo(opened: Open) -> None:
    async with opened(demo=True) as (_, pilot):
        assert isinstance(pilot.app, CcrApp)
        before = shown(pilot)
        pilot.app.action_light()
        await settled(pilot)
        assert line(shown(pilot), "spent") == line(before, "spent")
        await pilot.press("b")
        await until(pilot, "Compare with", "claude-haiku-4-5")
        await pilot.press(*"haiku", "enter")
        await until(pilot, "at haiku-4-5")


# -- parts


TICKS = [
    ("day", 30, ["1 Nov", "8 Nov", "15 Nov", "22 Nov", "29 Nov"]),
    ("hour", 24, ["0:00", "6:00", "12:00", "18:00"]),
    ("hour", 3, ["0:00", "1:00", "2:00"]),
    ("day", 0, []),
]


@pytest.mark.parametrize(("unit", "count", "words"), TICKS, ids=[f"{c[1]} {c[0]}s" for c in TICKS])
def test_ticks(unit: str, count: int, words: list[str]) -> None:
    step = DAY_S if unit == "day" else 3600
    edges = tuple(datetime(2026, 11, 1).timestamp() + n * step for n in range(count + 1))
    assert list(ticks_of(unit, edges).values()) == words


PARTS: list[dict[str | None, int]] = [{"a": 4_000, "b": 4_000}, {}, {"a": 2_000}, {None: 1}]


@pytest.mark.parametrize("width", [24, 40, 66, 150])
@pytest.mark.parametrize("height", [4, 6, 9, 18])
def test_bars_are_as_high_as_their_amounts(width: int, height: int) -> None:
    picture = course.bars(PARTS, {0: "x", 3: "y"}, width, height)
    assert picture is not None and len(picture.lines) <= height
    rows = ["".join(text for text, _ in row) for row in picture.lines]
    assert all(len(row) == width for row in rows)
    assert all(set(FULL) & set(row) for row in rows[: height - 2]), "the dearest bar fills the height"
    assert picture.inks == {"a": "link", "b": "good", None: "think"}
    assert rows[-1].split() == ["x", "y"]


@pytest.mark.parametrize(("width", "each"), [(40, 3), (60, 2), (150, 1)])
def test_a_course_that_has_no_room_for_a_bar_each_leaves_nothing_out(width: int, each: int) -> None:
    """The first of 90 days was as dear as the last."""
    parts: list[dict[str | None, int]] = [{"a": 4_000_000_000}, *({} for _ in range(88)), {"a": 4_000_000_000}]
    picture = course.bars(parts, {0: "24 Aug", 45: "8 Oct", 89: "21 Nov"}, width, 9)
    assert picture is not None and picture.each == each
    rows = ["".join(text for text, _ in row) for row in picture.lines]
    bars = [at for at, char in enumerate(rows[3]) if char in FULL]
    assert bars[0] == len("$4.00") + 1 and bars[-1] >= width - 14 and "24 Aug" in rows[-1]


@pytest.mark.parametrize(
    ("parts", "size"), [([], (80, 10)), ([{}], (80, 10)), (PARTS, (10, 10)), (PARTS, (80, 3))], ids=str
)
def test_no_picture_where_there_is_nothing_or_no_room(parts: Any, size: tuple[int, int]) -> None:
    assert course.bars(parts, {}, *size) is None
    assert course.lines([part.get("a", 0) for part in parts], [0] * len(parts), {}, *size) is None or parts is PARTS


def test_a_small_part_of_a_bar_is_on_top_and_what_has_no_ink_is_muted() -> None:
    many: dict[str | None, int] = {str(n): 100 - n for n in range(9)}
    picture = course.bars([many], {}, 30, 20)
    assert picture is not None and len(picture.inks) == len(course.SERIES)
    assert any(ink == course.REST or f"/{course.REST}" in ink for row in picture.lines for _, ink in row)


LINED = [("$0.0043", "$0.0043"), ("~$1.20", "~$1.20  "), ("?", "?     "), ("", ""), ("$123", "$123     "),
         ("$0.00043", "$0.0004"), ("<$0.00001", "<$0.0001"), ("$12.40+", "$12.40+ ")]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), LINED, ids=[repr(case[0]) for case in LINED])
def test_points_are_in_line(text: str, expected: str) -> None:
    assert show.lined(text) == expected.ljust(len(expected))[: len(show.lined(text))]
    if "." in show.lined(text):
        assert len(show.lined(text)) - show.lined(text).index(".") == 5


NAMED = [
    ("week", "2026-W47", "W47 16–22 Nov"),
    ("week", "2026-W44", "W44 26 Oct–01 Nov"),
    ("day", "2026-11-22", "Sun 22 Nov 2026"),
    ("model", "x\x1b[2J", "x␛[2J"),
    ("session", None, "(none)"),
    ("project", f"{Path.home()}/web", "~/web"),
]


@pytest.mark.parametrize(("by", "key", "words"), NAMED, ids=[str(case[1]) for case in NAMED])
def test_keys_are_called(by: str, key: str | None, words: str) -> None:
    assert spend_table.named(by, key) == words


TERMS = [
    ("model", SpendRow(requests=1, key="qwen"), ["since", "!origin", "model"]),
    ("model", SpendRow(requests=0, key="small"), ["since", "!origin", "tries", "mode"]),
    ("session", SpendRow(requests=1, key=None), ["since", "!origin", "!session"]),
    ("day", SpendRow(requests=1, key="2026-11-22"), ["since", "!origin", "until"]),
    ("week", SpendRow(requests=1, key="2026-W47"), ["since", "!origin", "until"]),
]


@pytest.mark.parametrize(("by", "row", "keys"), TERMS, ids=[f"{c[0]} {c[1].key}" for c in TERMS])
def test_the_filter_of_a_row(by: Any, row: SpendRow, keys: list[str]) -> None:
    found = terms_of(by, row, 5.0)
    assert [("!" if term.inverted else "") + term.key for term in found] == keys


def test_a_long_table_tells_how_much_is_left() -> None:
    many = [SpendRow(by="model", key=str(n), cost=n) for n in range(spend_table.MOST + 5)]
    rows = spend_table.rows(many, Context("model", None, {}, 1))
    assert len(rows) == spend_table.MOST + 1
    assert "and 5 more" in "".join(text for text, _ in rows[-1].draw(80))


# -- Live's panel


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_live_tells_what_today_would_have_cost_at_the_baseline(opened: Open, size: tuple[int, int]) -> None:
    async with opened(size) as (_, pilot):
        await pilot.press("1")
        screen = await until(pilot, "at dear", "−90%")
        assert "$3.00" in line(screen, "$3.00") and "$30.00" in line(screen, "at dear")
        assert isinstance(pilot.app, CcrApp)
        told = str(pilot.app.live.today.tooltip)
        assert "dear (chosen in config.toml)" in told and "at config.toml" in told


@pytest.mark.parametrize("size", [(100, 30), (120, 40), (200, 60)], ids=str)
async def test_live_tells_the_whole_name_of_the_baseline(opened: Open, size: tuple[int, int]) -> None:
    model = Model("deepseek-v4-pro", "dashscope", "deepseek-v4-pro", price=DEAR)
    config = replace(CONFIG, models={**CONFIG.models, model.name: model}, baseline=model.name)
    async with opened(size, config=config) as (_, pilot):
        await pilot.press("1")
        assert "at deepseek-v4-pro $30.00 −90%" in flat(await until(pilot, "at deepseek-v4-pro", "−90%"))


@pytest.mark.parametrize(
    ("size", "keys"), [((200, 60), []), ((200, 60), ["p", "p", "p"]), ((120, 40), []), ((80, 40), [])]
)
async def test_the_picture_takes_what_a_short_table_leaves(
    opened: Open, size: tuple[int, int], keys: list[str]
) -> None:
    async with opened(size) as (_, pilot):
        await until(pilot, "By day · 3")
        await pilot.press(*keys)
        await settled(pilot)
        screen = screen_of(pilot)
        assert screen.query_one("#money").size.height == (size[1] - 3) * 2 // 3, "but not all of it"
        assert screen.plot.picture is not None
        assert len(screen.plot.picture.lines) == screen.plot.content_size.height


async def test_a_long_table_leaves_the_picture_what_it_always_has(opened: Open) -> None:
    days = [generated.trace(f"d{n}", started_at=NOON - n * 86_400, attempts=(call(tokens=100),)) for n in range(28)]
    async with opened((120, 40), traces=[]) as (house, pilot):
        house.land(days)
        await until(pilot, "By day · 28")
        await settled(pilot)
        assert screen_of(pilot).query_one("#money").size.height == 15


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_live_tells_what_is_spent_of_a_budget(opened: Open, size: tuple[int, int]) -> None:
    config = replace(CONFIG, guards=replace(CONFIG.guards, budget_per_day=500_000_000, budget_per_session=4 * 10**9))
    async with opened(size, config=config) as (_, pilot):
        await pilot.press("1")
        screen = await until(pilot, "600% of $0.50", "at dear")
        assert ("a day" if size[1] < 30 else "spent") in line(screen, "600% of $0.50")
        assert size[1] < 30 or "75% of $4.00" in line(screen, "per session")


async def test_the_share_follows_from_the_two_amounts_beside_it(opened: Open) -> None:
    """A call without a price is in neither; $3.00 of $30.00 are 90 % less, on Spend and on Live."""
    odd = call(model="odd", tokens=7_000_000, price=None, cost=None, cost_basis="unknown")
    async with opened() as (house, pilot):
        house.land([generated.trace("odd", started_at=NOON, attempts=(odd,))])
        await pilot.press("less_than_sign")
        await pilot.press("less_than_sign")
        screen = await until(pilot, "Sum · today", "1 call unpriced", "$30.00+")
        assert "$3.00+" in line(screen, "spent ") and "−90%" in line(screen, "at dear ")
        await pilot.press("1")
        screen = await until(pilot, "$3.00+ (1 unpriced)", "$30.00+ −90%")


SUMS = st.integers(0, 10**13)


@given(SUMS, st.integers(1, 10**13))
def test_a_share_is_that_of_the_amounts_as_they_are_shown(paid: int, other: int) -> None:
    digits = decimals.of([paid, other])
    told = [Decimal(decimals.money(each, digits).strip("<$").replace(",", "")) for each in (paid, other)]
    share = decimals.against(paid, other, digits)
    assert share is not None
    if all(not each or each.scaleb(digits) >= 100 for each in told):
        assert share == round(100 * (told[0] - told[1]) / told[1])
    else:
        assert share == round(100 * Decimal(paid - other) / other)
    assert not (share > 0 and paid < other) and not (share < 0 and paid > other), "and never of the other sign"
