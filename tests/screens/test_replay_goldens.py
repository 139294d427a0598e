"""The Replay screen, its steps, its pictures and the router lab as they looked when somebody last looked at them.

    GOLDENS=write pytest tests/screens/test_replay_goldens.py

writes what is seen now, as in `test_goldens.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from difflib import unified_diff
from pathlib import Path
from typing import Any

from goldens import Cells, cells, faint, picture, text
from houses import QWEN, House, settled
from test_goldens import HERE, LEAST, SIZES, pytestmark  # noqa: F401
from test_replay import opened, priced, replaying, until
from textual.pilot import Pilot
from walk import still

from ccr_tui.config import Model, Provider
from ccr_tui.records import Price
from ccr_tui.replay import labwork, recordings
from ccr_tui.replay.lab import Asked, Candidate
from ccr_tui.replay.labkept import KIND, asked_for, material
from ccr_tui.replay.labsums import Money, Said
from ccr_tui.replay.words import RECORDED, Variant
from ccr_tui.screens.bars import Footer
from ccr_tui.screens.lab import LabScreen
from ccr_tui.screens.replay import ReplayScreen
from ccr_tui.screens.replay_steps import StepsScreen
from ccr_tui.store import labels
from ccr_tui.store.runs import Runs

PRICES = {"large": Price(3_000_000_000, 12_000_000_000, 300_000_000), "small": Price(100_000_000, 400_000_000)}
CONFIG = replace(
    QWEN,
    providers={"cloud": Provider("cloud", "openai", "https://cloud.invalid/v1")},
    models={name: Model(name, "cloud", f"{name}-1", price=replace(p, source="a list", basis="user"))
            for name, p in PRICES.items()},
    agents={"default": ("large",), "router": ("small",)},
)  # fmt: skip
VARIANTS = ("large", "small", "mixed")
WRITTEN = ["large=large", "small=small", "mixed=tool:small,think:large"]
SAYS = {"careful": ("think", "think", "tool", None), "quick": ("think", "coder", "tool", "tool")}


def tried(house: House) -> None:
    """A lab of two routers in the database, and a label of a person's."""
    runs = Runs(house.db)
    with recordings.opened("last", house.reader) as recording:
        _, turns = labwork.turns_of(recording, {})
    candidates = [Candidate(name, Variant(name, "small", CONFIG, model="small")) for name in SAYS]
    runs.begin(
        "run-1", 1.79e9, KIND, recording.session, recording.title, "database", asked_for(candidates, 1, None, "large")
    )
    for name, answers in SAYS.items():
        for turn, agent in zip(turns, answers, strict=False):
            runs.keep("run-1", [(name, turn.uid, turn.n, 20_000, asdict(Said(agent, 420, 250, 8, 20_000)))])
    hops = {turn.uid: {"tool": 0, "think": 900_000, "coder": 300_000} for turn in turns}
    found = material(
        turns, ("tool", "coder", "think"), candidates, Money(hops, 700_000, 9_000_000), Asked({}, (), True, 0)
    )
    runs.end("run-1", finished=True, spent=160_000, found=found)
    labels.save(house.db, turns[-1].uid, "coder")


async def stops(tmp_path: Path, size: tuple[int, int]) -> AsyncIterator[tuple[str, Pilot[None]]]:
    """Each picture, when it stands still."""
    async with opened(tmp_path, size, CONFIG) as (house, pilot):
        tried(house)
        replaying(pilot).variants = list(WRITTEN)
        await pilot.press("5")
        await priced(pilot, *VARIANTS)
        await pilot.press("j", "j")
        await until(pilot, lambda: replaying(pilot).plot.picture is not None)
        read_then(replaying(pilot))
        yield "reprice", pilot
        screen = replaying(pilot)
        assert screen.comparison is not None
        agrees = {RECORDED: 1.0, "large": 0.9, "small": 0.4, "mixed": 0.9}
        lines = tuple(replace(line, tool_agreement=agrees[line.name]) for line in screen.comparison.variants)
        screen.tell(replace(screen.comparison, kind="rerun", variants=lines))
        await pilot.press("p")
        await until(pilot, lambda: screen.plot.picture is not None and "100%" in str(screen.plot.picture.lines[0]))
        yield "pareto", pilot
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, StepsScreen) and bool(pilot.app.screen.results))
        yield "steps", pilot
        await pilot.press("escape", "l")
        await until(pilot, lambda: isinstance(lab := pilot.app.screen, LabScreen) and bool(lab.turns and lab.labs))
        await pilot.press("tab", "j")
        read_then(pilot.app.screen)
        await settled(pilot)
        yield "lab", pilot


def read_then(screen: Any) -> None:
    """As if the session had been read at a time that is always the same."""
    assert isinstance(screen, ReplayScreen | LabScreen) and screen.opened
    screen.opened = replace(screen.opened, at=1.79e9)
    screen.put()


def golden(path: Path) -> dict[str, str]:
    """The pictures that are kept, by stop."""
    parts = re.split(r"^=== (\w+)\n", path.read_text("utf-8"), flags=re.MULTILINE) if path.exists() else [""]
    return dict(zip(parts[1::2], parts[2::2], strict=True))


async def looks(pilot: Pilot[None], size: tuple[int, int]) -> tuple[Cells, Cells]:
    """What is seen in the dark theme and in the light one."""
    await pilot.resize_terminal(*size)
    both = []
    for theme in ("ccr-light", "ccr-dark"):
        pilot.app.theme = theme
        await settled(pilot)
        for footer in pilot.app.screen.query(Footer):
            footer.look()
        await settled(pilot)
        both.append(cells(pilot.app))  # type: ignore[arg-type]
    light, dark = both
    return dark, light


async def test_replays_look_as_they_did(tmp_path: Path) -> None:
    seen: dict[tuple[int, int], dict[str, str]] = {size: {} for size in SIZES}
    unread = dict[str, object]()
    with still():
        async for name, pilot in stops(tmp_path, SIZES[0]):
            for size in SIZES:
                dark, light = await looks(pilot, size)
                assert [text(line) for line in light] == [text(line) for line in dark], (name, size)
                unread |= {f"{name} {size}": styles for each in (dark, light) if (styles := faint(each, LEAST))}
                seen[size][name] = picture(dark, light)
    for size, pictures in seen.items():
        path = HERE / f"replay-{size[0]}x{size[1]}.txt"
        if os.environ.get("GOLDENS") == "write":
            path.write_text("".join(f"=== {name}\n{shown}" for name, shown in pictures.items()), "utf-8")
        kept = golden(path)
        assert list(pictures) == list(kept) == ["reprice", "pareto", "steps", "lab"]
        changed = [
            "\n".join(unified_diff(kept[name].split("\n"), shown.split("\n"), f"{name} as kept", f"{name} now", n=1))
            for name, shown in pictures.items()
            if shown != kept[name]
        ]
        assert not changed, "\n".join([*changed, "if that is how it should look: see this module's docstring"])
    assert unread == {}
