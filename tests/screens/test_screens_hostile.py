"""No screen is steered by what was recorded, and no picture of one shows a key."""

from __future__ import annotations

import stat
import time
from dataclasses import replace
from pathlib import Path

import generated
import pytest
from houses import QWEN, House, settled, text
from test_hostile import NASTY, STEERS, hostile

from ccr_tui.app import CcrApp
from ccr_tui.config import Provider

KEYS = {
    "api_key": "cnryconfig7q9w2e4z",
    "api_keys": ("cnrysecond7q9w2e4z",),
    "headers": {"x-auth": "cnryheader7q9w2e4z"},
}
PROXY = "http://user:cnryproxy7q9w2e4z@127.0.0.1:1"
WAY = [
    "1", "enter", "1", "2", "plus", "3", "4", "5", "6", "7", "8", "J", "escape",
    "2", "enter", "j", "enter", "c", "escape", "escape", "3", "right", "right", "enter", "escape", "i",
    "4", "tab", "j", "e", "escape", "5", "1", "question_mark", "escape", "ctrl+p", "escape",
]  # fmt: skip


async def test_every_screen_shows_hostile_text_harmlessly_and_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Provider("dashscope", "openai", "https://up.example/v1", proxy=PROXY, **KEYS)  # type: ignore[arg-type]
    house = House(tmp_path / "ccr.db", replace(QWEN, providers={"dashscope": provider}, api_key="cnryown7q9w2e4z"))
    app = CcrApp(house)
    now = time.time() - 300
    traces = [*generated.recorded(turns=4), generated.failed("ffff-1")]
    async with app.run_test(size=(120, 34)) as pilot:
        await settled(pilot)
        house.land(replace(hostile(each), started_at=now + n) for n, each in enumerate(traces))
        house.fly("f", project=NASTY, session=NASTY, agent=NASTY, model=NASTY, tail=NASTY, tool=NASTY, phase="tool")
        await settled(pilot)
        for key in WAY:
            await pilot.press(key)
            await settled(pilot)
            said = text(app)
            assert [line for line in said.split("\n") if STEERS.search(line)] == [], key
            assert "cnry" not in app.export_screenshot(), key
        assert app.is_running and not app._failures
        monkeypatch.chdir(tmp_path)
        app.save_picture()
        (picture,) = tmp_path.glob("*.svg")
        assert (stat.S_IMODE(picture.stat().st_mode) | 0o600, picture.read_text()[:4]) == (0o600, "<svg")


async def test_a_key_that_is_looked_for_or_noted_is_not_recorded_by_that(tmp_path: Path) -> None:
    key = KEYS["api_key"]
    provider = Provider("dashscope", "openai", "https://up.example/v1", api_key=key)
    house = House(tmp_path / "ccr.db", replace(QWEN, providers={"dashscope": provider}))
    app = CcrApp(house)
    async with app.run_test(size=(120, 34)) as pilot:
        await settled(pilot)
        house.land([generated.trace("one")])
        await settled(pilot)
        for typed in (key, f"!{key} error", "error"):
            await pilot.press("slash", *typed, "enter")
            await settled(pilot)
            await pilot.press("escape", "escape")
        await settled(pilot)
        await pilot.press("B", *f"leaked {key}", "ctrl+s")
        await settled(pilot)
        (row,) = house.reader.rows(limit=1)
        assert [phrase.text for phrase in house.reader.phrases()] == ["error"]
        assert row.note == f"leaked {'*' * len(key)}"
