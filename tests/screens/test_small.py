"""Small terminals: what matters most has the room there is."""

from __future__ import annotations

from pathlib import Path

import generated
import pytest
from houses import ROUTER, House, settled, text, until

from ccr_tui.app import CcrApp


@pytest.mark.parametrize("size", [(20, 5), (40, 12)], ids=["20x5", "40x12"])
async def test_each_screen_shows_its_list_in_a_small_terminal(tmp_path: Path, size: tuple[int, int]) -> None:
    house = House(tmp_path / "ccr.db", ROUTER)
    app = CcrApp(house)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        house.land([generated.trace("a")])
        await until(pilot, "opus")
        await pilot.press("4")
        await settled(pilot)
        assert "qwen-max" in text(app) and "dashscope" in text(app)
        await pilot.press("tab")
        await settled(pilot)
        assert "router" in text(app) and "tool" in text(app)
        await pilot.press("3")
        await settled(pilot)
        assert "‹ 30 day" in text(app)
        assert app.screen.max_scroll_y == 0
    await house.stop()
