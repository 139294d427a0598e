"""How long a large session takes to be priced for eight variants, and whether the app's screen stalls meanwhile.

Owns the session, the two measurements and the table. Must never be a test: it prints figures, and nothing fails. The
one surprise: each body holds 400 KB on average, but two that follow one another share all but 4 KB, as those of Claude
Code do; so 800 MB of requests are 12 MB of text that is new.

    python tests/bench/replays.py --requests 2000 --rounds 3
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
KEPT = HERE / ".data"
GOALS = "goals: under 10 s for eight variants on two cores, no stall over 60 ms"
SESSION = "5d1f0a52-8888-4000-8000-000000000001"
SMALL, LARGE, GROWS = 200_000, 600_000, 4000
"""Bytes: a body after a compaction, before one, and what a request adds."""
ONE_FOR_ALL = ("qwen-max", "deepseek-v4-pro", "deepseek-flash", "claude-sonnet-4-5", "gpt-5.4", "kimi-k2.6")
VARIANTS = (*(f"{name}={name}" for name in ONE_FOR_ALL), "routed=mode:router", "mixed=tool:qwen3.8-flash")
CONFIG = """
[providers.dashscope]
api_key = "sk-x"
[models.qwen-max]
provider = "dashscope"
[agents]
default = "qwen-max"
tool = "qwen-max"
think = "qwen-max"
router = "qwen-max"
"""


# ---------------------------------------------------------------- the session


def bodies(requests: int) -> Iterator[tuple[dict[str, Any], str]]:
    """Each with the text that answers it."""
    import generated

    frame = next(generated.session(1, 1, tools=20))
    messages: list[dict[str, Any]] = []
    size = n = 0
    while n < requests:
        if not messages or size > LARGE:
            text = generated._source(n, 100_000) + generated._source(n + 77, SMALL - 100_000 - 45_000)
            messages, size = [{"role": "user", "content": f"Summary {n}. {text}"}], SMALL
        yield {**frame, "messages": messages}, f"Step {n}. {generated._source(n * 3, 300)}"
        call = {"type": "tool_use", "id": f"call_{n}", "name": "Read", "input": {"file_path": f"part_{n}.py"}}
        said = [{"type": "text", "text": f"Step {n}. {generated._source(n * 3, 300)}"}, call]
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": generated._source(n * 7, GROWS - 600)}
        messages = [*messages, {"role": "assistant", "content": said}, {"role": "user", "content": [result]}]
        size, n = size + GROWS, n + 1


def fill(db: Path, requests: int) -> None:
    """A database with that session."""
    import generated

    from ccr_tui.prices import cost
    from ccr_tui.records import Usage
    from ccr_tui.store.writer import Writer

    writer = Writer(db)
    writer.start()
    for n, (body, text) in enumerate(bodies(requests)):
        at = generated.STARTED + 30 * n
        prompt = 50_000 + 1000 * (n % 100)
        usage = Usage(input=1500, output=90, cache_read=prompt - 1500)
        call = {"type": "tool_use", "id": f"call_{n}", "name": "Read", "input": {"file_path": f"part_{n}.py"}}
        made = generated.attempt(sent={}, started_at=at + 0.01, usage=usage, stream=())
        made = replace(made, cost=cost(usage, made.price))
        writer.put(
            generated.trace(
                f"{n:05d}-bench", body, session=SESSION, attempts=(made,), started_at=at, timeline=(),
                reply=generated.reply(body, n, [{"type": "text", "text": text}, call]),
            )
        )  # fmt: skip
        if n % 50 == 49:
            writer.flush(600)
    writer.close(None)


# ---------------------------------------------------------------- the command


def command(db: Path) -> list[str]:
    given = [word for variant in VARIANTS for word in ("--variant", variant)]
    files = ["--db", str(db), "--config", str(config(db))]
    return [sys.executable, "-m", "ccr_tui", "replay", "run", SESSION, *given, *files, "--json"]


def config(db: Path) -> Path:
    path = db.with_suffix(".toml")
    path.write_text(CONFIG)
    return path


def once(db: Path) -> dict[str, float]:
    """The whole command, its start included: seconds, and megabytes."""
    code = (
        "import json, resource, subprocess, sys, time\n"
        "began = time.monotonic()\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "lines = json.loads(done.stdout)['variants']\n"
        "print(json.dumps([time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024,\n"
        "                  len(lines), lines[0]['requests']]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *command(db)], stdout=subprocess.PIPE, check=True, env=quiet())
    wall, cpu, memory, variants, requests = json.loads(done.stdout)
    return {"wall": wall, "cpu": cpu, "memory": memory, "variants": variants - 1, "requests": requests}


def quiet() -> dict[str, str]:
    """No key and no file of the machine's own."""
    return {key: value for key, value in os.environ.items() if not key.endswith("_API_KEY")}


# ---------------------------------------------------------------- the app


async def play(db: Path, report: Path) -> None:
    """Run the app on the database, open Replay, have the session priced."""
    from lists import Meter

    from ccr_tui import assembly
    from ccr_tui.app import CcrApp
    from ccr_tui.host import House

    loaded = assembly.load({"port": "0", "db": str(db), "config": str(config(db))}, quiet(), Path.cwd())
    house = House(replace(loaded, port=0))
    app = CcrApp(house)
    meter = Meter(app)
    tasks = [asyncio.ensure_future(meter.tick()), asyncio.ensure_future(script(app, meter))]
    await app.run_async()
    for task in tasks:
        task.cancel()
    report.write_text(json.dumps(meter.rows))
    await house.stop(0)


async def script(app: Any, meter: Any) -> None:
    """Play, and end whatever comes of it."""
    from textual._context import active_app

    active_app.set(app)
    try:
        while not app.open or not app.live.table.total:
            await asyncio.sleep(0.01)
        await meter.rest()
        app.replay.variants = list(VARIANTS)
        await meter.step("Replay: eight variants", lambda: priced(app))
        await meter.step("its steps", lambda: pressed(app, "down", "enter"))
        await meter.step("page down there", lambda: pressed(app, *["pagedown"] * 10))
    except Exception as error:  # noqa: BLE001 - what has been measured is told, and why there is no more
        meter.rows.append({"name": f"ended by {error!r}", "cpu": 0, "wall": 0, "stall": 0, "own": 0, "rss": 0})
    app.exit()


async def priced(app: Any) -> None:
    """Until the comparison is there."""
    app.simulate_key("5")
    while app.replay.comparison is None or app.replay.busy:
        await asyncio.sleep(0.01)


async def pressed(app: Any, *keys: str) -> None:
    for key in keys:
        app.simulate_key(key)
        await asyncio.sleep(0.05)


def on_screen(db: Path) -> list[dict[str, Any]]:
    """In a terminal of its own."""
    from bench import in_terminal

    report = db.with_suffix(".json")
    report.unlink(missing_ok=True)
    with in_terminal([sys.executable, str(HERE / "replays.py"), "--child", str(db), str(report)], quiet()) as process:
        process.wait(300)
    return json.loads(report.read_text())  # type: ignore[no-any-return]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    if args.child:
        asyncio.run(play(*args.child))
        return
    db = KEPT / f"replay-{args.requests}.db"
    if not db.exists():
        db.parent.mkdir(exist_ok=True)
        fill(db, args.requests)
    rounds = [once(db) for _ in range(args.rounds)]
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load "
          f"{os.getloadavg()[0]:.1f}; {GOALS}\n")  # fmt: skip
    first = rounds[0]
    walls, cpus = (sorted(each[what] for each in rounds) for what in ("wall", "cpu"))
    print(f"{first['requests']} requests against {first['variants']} variants, `ccr-tui replay`, {len(rounds)} rounds:")
    print(f"{median(walls):.1f} s ({walls[0]:.1f} to {walls[-1]:.1f}), CPU {median(cpus):.1f} s ({cpus[0]:.1f} to "
          f"{cpus[-1]:.1f}), {first['memory']:.0f} MB\n")  # fmt: skip
    print("| in the app | until it rests | CPU of the app | longest stall | of it the loop's own CPU |")
    print("|---|---|---|---|---|")
    for row in on_screen(db):
        print(f"| {row['name']} | {row['wall'] / 1000:.1f} s | {row['cpu']:.0f} ms | {row['stall']:.0f} ms | "
              f"{row['own']:.0f} ms |")  # fmt: skip


if __name__ == "__main__":
    main()
