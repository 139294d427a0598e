"""The project's goals of speed, and where a run stands.

Owns the goals. Must never make a test of them: on a shared machine a figure that is missed says little, and the table
shows by how much. The one surprise: goals are held against the best part of all rounds, for ccr-tui and the floor
alike, because other programs only ever add (the table above shows medians). Where eight programs share two cores all
figures double, and those of a program with several threads grow by more than the floor's.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import bench
import starts
from bench import FLOOR, ROOT, Subject

HERE = Path(__file__).parent


class Goal(NamedTuple):
    """One line of the table."""

    what: str
    found: float
    limit: float
    unit: str
    beside: str = ""


def told(goals: Iterable[Goal]) -> str:
    lines = ["| goal | at most | found | | beside it |", "|---|---|---|---|---|"]
    for goal in goals:
        met = "met" if goal.found <= goal.limit else "missed"
        lines.append(
            f"| {goal.what} | {goal.limit:g} {goal.unit} | {goal.found:.2f} {goal.unit} | {met} | {goal.beside} |"
        )
    return "\n".join(lines)


def from_load(subjects: list[Subject]) -> list[Goal]:
    """What the rounds have shown."""
    by_name = {subject.name: subject for subject in subjects}
    ours, floor, direct = by_name["headless"], by_name[FLOOR], by_name["direct"]

    def ratio(what: str, figure: str, limit: float) -> Goal:
        mine, least = ours.best(figure), floor.best(figure)
        return Goal(what, mine / least, limit, "x the floor", f"{mine:.2f} against {least:.2f} ms")

    def added(what: str, figure: str) -> str:
        return f"{what} {ours.median(figure) - direct.median(figure):.1f} ms"

    late = ours.best("paced p99") - floor.best("paced p99")
    found = [
        ratio("CPU of a 4 KB request", "small cpu", 1.5),
        ratio("CPU of a 600 KB request", "large cpu", 2.0),
        ratio("... of it on the loop", "large loop", 1.2)._replace(beside=on_the_loop(ours, floor)),
        Goal("chunk in a burst", ours.best("burst"), 15, "us", f"floor {floor.best('burst'):.1f}"),
        Goal("64 paced streams, p99 lateness over the floor's", late, 5, "ms", lateness(ours, floor)),
    ]
    if "app" in by_name:
        app = by_name["app"]
        more = app.best("paced p99") - floor.best("paced p99")
        found.append(Goal("... with the app open on Live", more, 15, "ms", lateness(app, floor)))
    first = f"{added('4 KB:', 'small first')}, {added('600 KB:', 'large first')}"
    found.append(
        Goal(
            "time to the first token, added for 4 KB",
            ours.best("small first") - direct.best("small first"),
            5,
            "ms",
            first,
        )
    )
    return found


def on_the_loop(ours: Subject, floor: Subject) -> str:
    """The floor has one thread, so that all it does is on its loop."""
    return f"{ours.best('large loop'):.2f} against {floor.best('large loop'):.2f} ms"


def lateness(one: Subject, floor: Subject) -> str:
    return f"best of the rounds: {one.best('paced p99'):.1f} against {floor.best('paced p99'):.1f} ms"


def from_inside() -> list[Goal]:
    """What one process measures of itself."""
    done = subprocess.run(
        [sys.executable, str(HERE / "inside.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        check=True,
    )
    found = json.loads(done.stdout)
    early, late = found["turns"]["50"], found["turns"]["500"]
    new = (late["count"] + late["store"]) / (early["count"] + early["store"])
    parts = ", ".join(f"{name} {early[name]:.0f} and {late[name]:.0f} us" for name in ("read", "count", "store"))
    return [
        Goal("the log call on the loop", found["land"], 5, "us", "a trace is handed over"),
        Goal("... noting before that a request begins", found["begin"], 5, "us"),
        Goal("... and that it has been answered", found["end"], 5, "us", "with tokens and a price"),
        Goal("counting and storing turn 500", new, 1.5, "x turn 50", parts),
    ]


def from_starts() -> list[Goal]:
    with tempfile.TemporaryDirectory() as folder:
        found = starts.starts(Path(folder))
    yardstick = f"an empty Python takes {found['python']:.0f} ms"
    goals = [Goal("`ccr-tui env`", found["env"], 150, "ms CPU", yardstick)]
    if "serve" in found:
        first = f"{found['serve, first']:.0f} ms where the database is made"
        goals.append(Goal("`ccr-tui serve` listens", found["serve"], 600, "ms CPU", first))
        goals.append(Goal("the app's first picture", found["app"], 1200, "ms CPU"))
    return goals


def from_soak(requests: int) -> list[Goal]:
    """Memory after so many requests of 300 KB in eight conversations, and after as many again."""
    import soak

    upstream = bench.free_port()
    with (
        tempfile.TemporaryDirectory() as name,
        bench.child("upstream", upstream, "", {}),
        soak.serving(Path(name), f"http://127.0.0.1:{upstream}/v1") as (port, process),
    ):
        first = asyncio.run(soak.many(port, process.pid, requests))
        second = asyncio.run(soak.many(port, process.pid, requests))
    what = f"memory after {requests:,} requests of 300 KB"
    return [Goal(what, first, 150, "MB"), Goal("... more after as many again", second - first, 5, "MB")]
