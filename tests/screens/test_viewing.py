"""A second ccr-tui: every screen works, it follows, and it writes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import generated
import pytest
from houses import QWEN, settled, until
from textual.pilot import Pilot

from ccr_tui import viewing
from ccr_tui.app import CcrApp
from ccr_tui.errors import StoreError
from ccr_tui.store import marks, schema
from ccr_tui.store.writer import Writer
from ccr_tui.viewing import Viewer

AT = "http://127.0.0.1:3456"


@pytest.fixture(autouse=True)
def anybody_may_write_again(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(viewing, "FOLLOW_S", 0.02)
    monkeypatch.setattr(viewing, "ASK_S", 0.02)
    yield
    schema.only_look("")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Writer]:
    """The program that records."""
    writer = Writer(tmp_path / "ccr.db")
    writer.start()
    for n, trace in enumerate(generated.recorded(seed=5, turns=4)):
        writer.put(replace(trace, uid=f"t{n}"))
    assert writer.flush(30)
    yield writer
    writer.close(30)


@asynccontextmanager
async def looking(host: Writer, is_there: list[bool]) -> AsyncIterator[tuple[Viewer, Pilot[None]]]:
    viewer = Viewer(replace(QWEN, db=host.path), AT, 4711, lambda: {} if is_there[0] else None)
    app = CcrApp(viewer)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        yield viewer, pilot
    await viewer.stop()


async def test_it_says_whom_it_views_and_follows(host: Writer) -> None:
    async with looking(host, [True]) as (_, pilot):
        await until(pilot, f"viewing; the proxy runs in pid 4711 at {AT}")
        await until(pilot, "what runs is seen in the ccr-tui that runs the proxy")
        await until(pilot, "Requests · 4")
        host.put(generated.trace("fresh"))
        await until(pilot, "Requests · 5")


async def test_mode_and_agents_are_those_of_the_proxy(host: Writer) -> None:
    """Who only looks on has the configuration of when it began; another may flip the mode meanwhile."""
    said: dict[str, object] = {"mode": "router", "models": {"default": "qwen-max", "tool": "unknown here"}}
    viewer = Viewer(replace(QWEN, db=host.path), AT, 4711, lambda: said)
    async with CcrApp(viewer).run_test(size=(120, 40)) as pilot:
        await until(pilot, "◌ ROUTER  viewing; the proxy runs")
        await pilot.press("m")
        await settled(pilot)
        assert any("The mode stays router" in note.message for note in pilot.app._notifications)
        said["mode"] = "normal"
        await until(pilot, "◌ NORMAL  viewing")
        assert viewer.engine.config.agents == {"default": ("qwen-max",)}
    await viewer.stop()


async def test_every_screen_opens(host: Writer) -> None:
    async with looking(host, [True]) as (_, pilot):
        for key in ("enter", "escape", "2", "3", "4", "1", "question_mark", "escape"):
            await pilot.press(key)
            await settled(pilot)
            assert pilot.app.is_running


async def test_it_writes_nothing(host: Writer) -> None:
    async with looking(host, [True]) as (viewer, pilot):
        with pytest.raises(StoreError, match=r"only looks on; do that in the one that runs the proxy \(pid 4711\)"):
            marks.mark(viewer.db, 1, True)
        before = viewer.engine.config
        await pilot.press("m")
        await settled(pilot)
        assert viewer.engine.config is before
        assert [row.marked for row in viewer.reader.rows()] == [0] * 4


async def test_it_says_when_the_proxy_has_ended(host: Writer) -> None:
    is_there = [True]
    async with looking(host, is_there) as (_, pilot):
        is_there[0] = False
        await until(pilot, "The proxy has ended (pid 4711). Quit, and start ccr-tui again to host it here.")
        is_there[0] = True
        await until(pilot, f"viewing; the proxy runs in pid 4711 at {AT}")


async def test_a_proxy_with_another_database_is_not_said_to_be_viewed(host: Writer, tmp_path: Path) -> None:
    viewer = Viewer(replace(QWEN, db=host.path), AT, 4711, dict, tmp_path / "other.db")
    async with CcrApp(viewer).run_test(size=(120, 40)) as pilot:
        screen = await until(pilot, f"ccr.db is shown; the proxy records into other.db: pid 4711 at {AT}")
        assert "viewing" not in screen
        await until(pilot, "nothing runs here: the proxy records into another database")
        with pytest.raises(StoreError, match=r"other\.db\). With a port of its own \(--port\) it hosts .*ccr\.db"):
            marks.mark(viewer.db, 1, True)
    await viewer.stop()


async def test_whoever_views_the_same_database_is_told_its_name(host: Writer, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(host.path)
    viewer = Viewer(replace(QWEN, db=host.path), AT, 4711, dict, tmp_path / "link.db")
    assert viewer.viewing == f"viewing; the proxy runs in pid 4711 at {AT}: {host.path}"


def test_names_that_are_alike_are_told_with_their_folders() -> None:
    assert viewing.apart(Path("/a/x.db"), Path("/b/y.db")) == ("x.db", "y.db")
    assert viewing.apart(Path("/a/x.db"), Path("/b/x.db")) == ("/a/x.db", "/b/x.db")
