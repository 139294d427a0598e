"""How the app feels over a million requests: what each look at them costs, on a real terminal.

Owns the script that is played and the table. Must never be a test: it prints figures, and nothing fails. The one
surprise: the app plays the script on itself, in a child with a pseudo-terminal of its own, because only there the
stalls and the CPU are those that a person would meet. A stall is told twice: as it was, and as the loop's own CPU,
which a busy machine does not spoil. The clock that measures them wakes 500 times a second; what that takes is measured
at rest, and taken off.

    make bench           # with 50,000 requests, after the rest
    make bench-lists     # with a million; they are generated once, and kept
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE_MS, STALL_MS, MEMORY_MB = 20, 60, 200
GOALS = f"goals: {PAGE_MS} ms CPU a page, no stall over {STALL_MS} ms, {MEMORY_MB} MB"
KEPT = HERE / ".data"
"""Generated databases, to be used again."""
TICK_S = 0.002
LATE_S = 0.025
"""From when on it is looked at what makes the loop late."""


# ---------------------------------------------------------------- the child: the app, playing on itself


async def play(db: Path, report: Path, started: float) -> None:
    """Run the app on the database, press the keys, write down what it cost."""
    from ccr_tui.app import CcrApp
    from ccr_tui.config import Config
    from ccr_tui.host import House

    house = House(Config(port=0, db=db))
    app = CcrApp(house)
    meter = Meter(app, report.with_suffix(".why") if os.environ.get("BENCH_WHY") else None)
    tasks = [asyncio.ensure_future(meter.tick()), asyncio.ensure_future(script(app, meter, started))]
    await app.run_async()
    for task in tasks:
        task.cancel()
    report.write_text(json.dumps(meter.rows))
    if meter.why:
        meter.why.write()
    await house.stop(0)


class Meter:
    """What each step costs."""

    def __init__(self, app: Any, why: Path | None = None) -> None:
        self.app, self.rows = app, list[dict[str, Any]]()
        self.worst = self.worst_cpu = 0.0
        self.name = "start"
        self.ticked = time.perf_counter()
        self.why = Why(self, why) if why else None
        self.pace = TICK_S
        self.clock = 0.0
        """CPU that the clock itself takes, of each second."""

    async def tick(self) -> None:
        """How late the loop is, and how much of that it worked itself."""
        while True:
            before, cpu = time.perf_counter(), time.thread_time()
            self.ticked = before
            pace = self.pace
            await asyncio.sleep(pace)
            self.worst = max(self.worst, time.perf_counter() - before - pace)
            self.worst_cpu = max(self.worst_cpu, time.thread_time() - cpu)

    async def step(self, name: str, run: Callable[[], Awaitable[Any]], times: int = 1) -> None:
        """Run it so many times, each until everything has come to rest."""
        self.name = name
        self.worst = self.worst_cpu = 0.0
        cpu, wall = time.process_time(), time.perf_counter()
        rested = 0.0
        for _ in range(times):
            await run()
            rested += await self.rest()
        took = time.perf_counter() - wall
        worked = time.process_time() - cpu - took * self.clock
        row = {"name": name, "cpu": worked / times * 1000, "stall": self.worst * 1000}
        row |= {"wall": (took - rested) / times * 1000, "own": self.worst_cpu * 1000}
        self.rows.append(row | {"rss": resident()})

    async def weigh(self) -> None:
        """Find out what the clock takes: a second at rest with it, and one in which it hardly wakes."""
        spent = []
        for pace in (TICK_S, 0.25):
            self.pace = pace
            await asyncio.sleep(0.3)
            cpu = time.process_time()
            await asyncio.sleep(1)
            spent.append(time.process_time() - cpu)
        self.pace, self.clock = TICK_S, max(0.0, spent[0] - spent[1])
        await asyncio.sleep(0.3)

    async def rest(self) -> float:
        """Wait until no thread works and nothing is to be drawn; gives how long it has looked for that."""
        quiet = 0
        while quiet < 5:
            await asyncio.sleep(0.01)
            busy = any(not worker.is_finished for worker in self.app.workers)
            quiet = 0 if busy else quiet + 1
        return 0.05


class Why:
    """What the loop was at when it was late: its stack, looked at by a thread, and the garbage collector's time."""

    def __init__(self, meter: Meter, file: Path) -> None:
        self.meter, self.file = meter, file
        self.loop = threading.get_ident()
        self.seen: dict[str, Counter[str]] = {}
        self.collected = 0.0
        gc.callbacks.append(self._collecting)
        threading.Thread(target=self._look, daemon=True).start()

    def _collecting(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self.collected = time.perf_counter()
        elif (took := time.perf_counter() - self.collected) > 0.005:
            self._note(f"gc of generation {info['generation']}, {took * 1000:.0f} ms")

    def _look(self) -> None:
        while True:
            time.sleep(0.004)
            if time.perf_counter() - self.meter.ticked > LATE_S:
                frame = sys._current_frames().get(self.loop)
                self._note(" < ".join(f"{code.co_qualname}:{line}" for code, line in _stack(frame)))

    def _note(self, what: str) -> None:
        self.seen.setdefault(self.meter.name, Counter())[what] += 1

    def write(self) -> None:
        """Into the file, the most frequent first."""
        lines = [f"{name}\n" + "".join(f"  {n:4} {what}\n" for what, n in seen.most_common(40))
                 for name, seen in self.seen.items()]  # fmt: skip
        self.file.write_text("\n".join(lines))


def _stack(frame: Any) -> Iterator[tuple[Any, int]]:
    for _ in range(25):
        if frame is None:
            return
        yield frame.f_code, frame.f_lineno
        frame = frame.f_back


def resident() -> float:
    """Megabytes in memory, at most so far."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


async def script(app: Any, meter: Meter, started: float) -> None:
    """Play, and end whatever comes of it."""
    try:
        await steps(app, meter, started)
    except Exception as error:  # noqa: BLE001 - what has been measured is told, and why there is no more
        meter.rows.append({"name": f"ended by {error!r}", "cpu": 0, "wall": 0, "stall": 0, "own": 0, "rss": 0})
    app.exit()


async def steps(app: Any, meter: Meter, started: float) -> None:
    """Everything that a person does with many requests."""
    from textual._context import active_app

    active_app.set(app)
    table, box = app.live.table, app.live.box

    def press(*keys: str) -> Callable[[], Awaitable[Any]]:
        async def run() -> None:
            for key in keys:
                app.simulate_key(key)
                await asyncio.sleep(0)

        return run

    def call(run: Callable[[], Any]) -> Callable[[], Awaitable[Any]]:
        async def called() -> None:
            run()

        return called

    while not app.open or not table.total:
        await asyncio.sleep(0.005)
    wall = (time.monotonic() - started) * 1000
    cpu = time.process_time() * 1000
    meter.rows.append({"name": "first rows on screen", "cpu": cpu, "wall": wall, "stall": meter.worst * 1000,
                       "own": meter.worst_cpu * 1000, "rss": resident()})  # fmt: skip
    await meter.step("getting ready, after them", lambda: settled(app.house))
    await meter.rest()
    await meter.weigh()
    await meter.step("a second at rest", lambda: asyncio.sleep(1))
    await meter.step("count all", call(box.read))
    await meter.step("page down", press("pagedown"), 20)
    await meter.step("to the last", press("G"))
    await meter.step("page up from there", press("pageup"), 20)
    await meter.step("jump to the middle", call(lambda: table.go(table.total // 2)))
    await meter.step("page down there", press("pagedown"), 20)
    for text in FILTERS:
        await meter.step(f"filter {text}", call(lambda text=text: box.bar.set(text)))
    await meter.step("no filter", call(lambda: box.bar.set("")))
    for order in ("cost", "tokens", "duration", "cached"):
        await meter.step(f"sort by {order}", press("s"))
        await meter.step("page down there", press("pagedown"), 10)
    await meter.step("sorted, to the last", press("G"))
    await meter.step("newest first again", press("s"))
    reader = app.house.reader
    for words in ("zanzibar", "the continue", app_word(reader)):
        await meter.step(f"search {words}", lambda words=words: asyncio.to_thread(reader.search, words))
    await meter.step("Sessions", press("2"))
    await meter.step("page down there", press("pagedown"), 20)
    most, project = await asyncio.to_thread(busiest, reader)
    await meter.step("unfold the largest session", call(lambda: unfold(app, most, project)))
    await meter.step("Spend", press("3"))
    await meter.step("Live again", press("1"))
    from ccr_tui.screens.trace import TraceScreen  # the app has imported it when everything was ready

    row, size = await asyncio.to_thread(largest, reader)
    trace = TraceScreen(app.house, row, lambda by: None)
    await meter.step(f"open a trace of {size / 1000:.0f} KB", call(lambda: app.push_screen(trace)))
    await meter.step("its conversation", press("2"))
    await meter.step("page down there", press("pagedown"), 20)
    await meter.step("received and sent", press("3"))


async def settled(house: Any) -> None:
    """Until the first request can be served: a thread builds the tokenizer, and holds Python's lock meanwhile."""
    await house.engine.ready.wait()
    await house._settling


FILTERS = (
    *("error", "model:qwen*", "agent:think error", "cost>0.05", "cached<50% dur>30s", "since:7d", "!model:qwen*"),
    *("project:web agent:tool cost>0.02", "text:zanzibar", 'text:"run the tests"', "tests", "nowheretobefound"),
)


def app_word(reader: Any) -> str:
    """A word that is said everywhere."""
    with reader._reading() as db:
        db.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.words USING fts5vocab(main, said, 'row')")
        return str(db.execute("SELECT term FROM temp.words WHERE length(term) > 3 LIMIT 1").fetchone()[0])


def busiest(reader: Any) -> tuple[int, int]:
    """The session with the most requests, and its project."""
    with reader._reading() as db:
        most = db.execute("SELECT session_id FROM trace GROUP BY 1 ORDER BY count(*) DESC LIMIT 1").fetchone()[0]
        return most, db.execute("SELECT project_id FROM session WHERE id = ?", (most,)).fetchone()[0]


def unfold(app: Any, session: int, project: int) -> None:
    """Go there, and open it."""
    tree = app.sessions.tree_
    tree.opened.add(("project", project, 0))
    tree.again()
    at = next(at for at, node in enumerate(tree._lines) if node.key == ("session", session, 0))
    tree.go(at)
    tree.action_unfold()


def largest(reader: Any) -> tuple[Any, int]:
    """The request nearest to 600 KB, and its size."""
    near = "SELECT t.uid, b.size FROM body b JOIN trace t ON t.request_id = b.id ORDER BY abs(b.size - 600000) LIMIT 1"
    with reader._reading() as db:
        uid, size = db.execute(near).fetchone()
    return reader.row(uid), size


# ---------------------------------------------------------------- the parent


def measure(db: Path, why: bool = False) -> list[dict[str, Any]]:
    """Play it in a terminal."""
    from bench import in_terminal

    report = db.with_suffix(".json")
    report.unlink(missing_ok=True)
    command = [sys.executable, str(HERE / "lists.py"), "--child", str(db), str(report)]
    env = {**os.environ, "BENCH_STARTED": str(time.monotonic()), "CCR_TUI_CONFIG": str(db.with_suffix(".toml"))}
    env |= {"BENCH_WHY": "1"} if why else {}
    with in_terminal(command, env) as process:
        process.wait(900)
    return json.loads(report.read_text())


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| what | CPU | until it rests | longest stall | of it the loop's own CPU | memory |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        times = f"{row['cpu']:.0f} ms | {row['wall']:.0f} ms | {row['stall']:.0f} ms | {row['own']:.0f} ms"
        lines.append(f"| {row['name']} | {times} | {row['rss']:.0f} MB |")
    return "\n".join(lines)


def verdict(rows: list[dict[str, Any]]) -> str:
    """What misses its goal; a stall is what the loop itself worked, which is what a machine of one's own would see."""
    told = [f"{row['name']}: {row['cpu']:.0f} ms" for row in rows if "page" in row["name"] and row["cpu"] > PAGE_MS]
    stalls = [f"{row['name']}: {row['own']:.0f} ms" for row in rows if row["own"] > STALL_MS]
    most = max(row["rss"] for row in rows)
    lines = {
        f"CPU of a page, {PAGE_MS} ms": told,
        f"longest stall of the loop's own making, {STALL_MS} ms": stalls,
        f"memory, {MEMORY_MB} MB": [f"{most:.0f} MB"] if most > MEMORY_MB else [],
    }
    return "\n".join(
        f"{goal}: {'missed by ' + '; '.join(missed) if missed else 'met'}" for goal, missed in lines.items()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--traces", type=int, default=1_000_000)
    parser.add_argument("--db", type=Path, help="a database that is there; else one is generated, and kept")
    parser.add_argument("--why", action="store_true", help="also tell what the loop was at when it was late")
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        from ccr_tui import app, loops  # noqa: F401 - the program too begins its loop when it has been imported

        loops.run(play(*args.child, float(os.environ["BENCH_STARTED"])))
        return
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    db = args.db or KEPT / f"{args.traces}.db"
    if not db.exists():
        from many import fill

        db.parent.mkdir(exist_ok=True)
        fresh = db.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fill(fresh, args.traces, progress=True)
        fresh.rename(db)
    with sqlite3.connect(db) as known:
        count = known.execute("SELECT count(*) FROM trace").fetchone()[0]
    rows = measure(db, args.why)
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, ")
    print(f"{count:,} requests, {db.stat().st_size / 1e6:,.0f} MB; {GOALS}\n\n{table(rows)}\n\n{verdict(rows)}")


if __name__ == "__main__":
    main()
