"""The header's agents: as many as fit, their models' ids as long as they can be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from houses import ROUTER, House, settled, text
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from ccr_tui.app import CcrApp
from ccr_tui.screens import bars
from ccr_tui.screens.bars import Footer, agents_of, fitted, taken

SEED = [
    ("tool", "qwen-max"), ("coder", "deepseek-chat"), ("think", "deepseek-reasoner"), ("router", "qwen2.5-coder-3b"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("room", "words"),
    [
        (90, "tool qwen-max · coder deepseek-chat · think deepseek-reasoner · router qwen2.5-coder-3b"),
        (76, "tool qwen-max · coder deepseek-chat · think …reasoner · router …coder-3b"),
        (60, "tool qwen-max · coder …chat · think …reasoner · router …3b"),
        (54, "tool …max · coder …chat · think …reasoner · router …3b"),
        (36, "tool qwen-max · coder …chat"),
        (20, "tool qwen-max"),
        (10, "tool q…"),
    ],
)
def test_what_the_header_has_room_for(room: int, words: str) -> None:
    assert " · ".join(f"{agent} {model}" for agent, model in fitted(SEED, room)) == words


def test_the_four_of_router_mode_come_before_any_other() -> None:
    told = [*SEED, ("background", "qwen-turbo"), ("image", "qwen-vl-max")]
    shown = fitted(told, 90)
    assert [agent for agent, _ in shown] == ["tool", "coder", "think", "router"]
    assert len(fitted(told, 200)) == 6


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "tool", "think"]), st.from_regex(r"[a-z.]{0,9}(-[a-z]{1,9}){0,4}", fullmatch=True)
        ),
        min_size=1,
        max_size=7,
    ),
    st.integers(12, 160),
)
def test_it_never_takes_more_than_its_room(told: list[tuple[str, str]], room: int) -> None:
    shown = fitted(told, room)
    assert shown
    assert taken(shown, len(told) - len(shown)) <= room
    assert all(cell_len(model) <= cell_len(full) for (_, model), (_, full) in zip(shown, told, strict=False))


THINKS = {"default": ("qwen-max",), "think": ("deepseek-v4-pro",), "background": ("qwen-3b",)}


@pytest.mark.parametrize(
    ("origins", "words"),
    [
        ({"agents.think": "config.toml"}, " qwen-max · think deepseek-v4-pro · background qwen-3b"),
        ({"agents.think": "environment THINK_AGENT_MODEL"}, " qwen-max · background qwen-3b"),
    ],
    ids=["configured", "of Router mode alone"],
)
def test_normal_mode_says_who_takes_some_requests(origins: dict[str, str], words: str) -> None:
    config = replace(ROUTER, mode="normal", agents=THINKS, origins=origins)
    assert " · ".join(f"{agent} {model}" for agent, model in agents_of(config)) == words


@pytest.mark.parametrize(("stall", "says"), [(2, " loop 2 ms "), (1234, "late by 1.2 s ")], ids=["2", "1234"])
async def test_the_footer_always_ends_with_how_late_the_loop_is(
    tmp_path: Path, stall: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bars, "START_S", -1.0)
    house = House(tmp_path / "ccr.db")
    app = CcrApp(house)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for width in range(48, 150, 3):
            footer = app.screen.query_one(Footer)
            await pilot.resize_terminal(width, 24)
            while footer.size.width != width:
                await pilot.pause()
            house.engine.stall_ms = stall
            footer.look()
            line = footer.render_line(0).text
            assert line.endswith(says) and cell_len(line) == width, line
            assert "? help" in line and ("! " in line) is (stall > 250)
    await house.stop()


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=str)
async def test_the_other_screens_share_a_word_where_not_all_keys_fit(tmp_path: Path, size: tuple[int, int]) -> None:
    app = CcrApp(house := House(tmp_path / "ccr.db", ROUTER))
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        end = text(app).split("\n")[-1]
        assert "2-5 screens" in end and "/ filter" in end and "? help" in end, end
        place = next(start for start, stop, key in app.screen.query_one(Footer)._places if key == "2")
        await pilot.click(Footer, offset=(place, 0))
        await settled(pilot)
        assert app.current_mode == "sessions", "a click goes to the first of them"
    await house.stop()
