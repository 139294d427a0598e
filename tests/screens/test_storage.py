"""The Storage page: what the database takes, a preview, a question, and the removal."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import generated
import pytest
from houses import QWEN, House, settled, until
from textual.pilot import Pilot

from ccr_tui.app import CcrApp
from ccr_tui.config import Config
from ccr_tui.screens.storage import StorageScreen
from ccr_tui.store.verify import verify

DAY_S = 86_400.0


@asynccontextmanager
async def opened(
    tmp_path: Path, config: Config = QWEN, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[House, Pilot[None]]]:
    """Sessions of 100, 70, 40 and 10 days ago, of six requests each."""
    house = House(tmp_path / "ccr.db", config)
    app = CcrApp(house)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        now = time.time()
        house.land(
            replace(one, uid=f"s{n}-{m}", session=f"s{n}", started_at=now - (100 - 30 * n) * DAY_S + m)
            for n in range(4)
            for m, one in enumerate(generated.recorded(seed=n, turns=6))
        )
        app.push_screen(StorageScreen(house))
        await until(pilot, "18 requests")
        yield house, pilot
    await house.stop()


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=["80x24", "120x40", "200x60"])
async def test_the_size_and_what_may_go_is_said(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(tmp_path, size=size) as (_, pilot):
        screen = await until(pilot, " on the disk", "keeps    everything", "older than 90 days", "24 requests")
        assert "6 requests" in screen and "18 requests" in screen, "of 90 days and of 30"


async def test_a_limit_of_the_configuration_is_said(tmp_path: Path) -> None:
    async with opened(tmp_path, replace(QWEN, keep_days=30.0, keep_bytes=2 * 10**9)) as (_, pilot):
        await until(pilot, "keeps    30 days and 2.0 GB at most")


async def test_what_is_confirmed_is_removed_and_nothing_else(tmp_path: Path) -> None:
    async with opened(tmp_path) as (house, pilot):
        await pilot.press("down", "enter")
        await until(pilot, "Remove 18 requests for good? y removes them")
        await pilot.press("escape")
        await until(pilot, "⏎ chooses")
        assert house.reader.count() == 24
        await pilot.press("enter", "y")
        await until(pilot, "18 requests removed;", " given back")
        assert house.reader.count() == 6
        assert {row.session for row in house.reader.rows()} == {"s3"}
    assert verify(tmp_path / "ccr.db") == []


async def test_y_alone_removes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as (house, pilot):
        await pilot.press("y")
        await settled(pilot)
        assert house.reader.count() == 24


async def test_who_only_looks_on_removes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as (house, pilot):
        house.viewing = "viewing; the proxy runs elsewhere"
        await pilot.press("down", "enter", "y")
        await until(pilot, "Pruned in the ccr-tui that runs the proxy.")
        assert house.reader.count() == 24


async def test_the_palette_leads_there(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, pilot):
        await pilot.press("escape")
        names = {command.title for command in pilot.app.get_system_commands(pilot.app.screen)}
        assert "Storage" in names
