"""Two long runs of `ccr-tui serve`: whether its memory stays, and whether every request is accounted for.

Owns both loads and what they print. Must never be part of `make test`: it takes minutes. The one surprise: a client
that hangs up just as its answer ends can't know how the proxy saw that, so such a request may count as ok or as
cancelled; all else must agree, request by request.

    make soak                               # both: 20,000 requests of 300 KB, ten minutes of random faults
    make soak ARGS='--requests 2000 --minutes 1'
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import bench
from bench import ROOT

from ccr_tui.store.queries import Reader
from ccr_tui.store.verify import verify

TALKS = 8
"""Conversations that take turns in the run for memory."""
AT_ONCE = 60
"""Clients at once in the run of faults."""
TAME = ("text", "tools", "think", "parallel", "chunks:300", "long:20", "echo:hello", "big:50000", "reasoning", "finish")
WILD = (
    "http:429,1,0", "http:500,1", "http:503", "http:401", "http:400", "quota", "overflow", "errorsse", "badsse",
    "deadend", "cut0", "cut", "reset", "html", "html200", "empty200", "badjson200", "jsonforstream", "closed",
    "error200", "textfault", "badjson", "deadendtool", "slowfirst:0.3", "endless", "stall0",
)  # fmt: skip
FAST = """
[patience]
retries = 0
breaker_failures = 1000
"""
"""Nobody waits long, and nobody rests: each request is to meet its own fault."""


@contextmanager
def serving(folder: Path, target: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """`ccr-tui serve` before that upstream, and its port."""
    port = bench.free_port()
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "CCR_TUI_CONFIG": str(folder / "config.toml"),
        "CCR_TUI_DB": str(folder / "soak.db"),
        "OPENAI_API_KEY": "sk-soak",
        "OPENAI_BASE_URL": target,
        "OPENAI_MODEL": "soak-model",
    }
    with subprocess.Popen([sys.executable, "-m", "ccr_tui", "serve", "--port", str(port)], env=env) as process:
        try:
            bench.listening(port, process)
            yield port, process
        finally:
            bench.ended(process)


def resident(pid: int) -> float:
    """MB in memory now."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1024


# ---------------------------------------------------------------- memory


def conversation(n: int) -> list[dict[str, object]]:
    """One that shares no message with the others."""
    text = json.dumps(bench.conversation(300_000)).replace("Step ", f"Talk {n}, step ").replace("toolu_", f"toolu_{n}_")
    return json.loads(text)  # type: ignore[no-any-return]


async def many(port: int, pid: int, requests: int) -> float:
    """Print the memory in ten steps; gives it in MB as it is at the end."""
    talks = [conversation(n) for n in range(TALKS)]
    line = await bench.Line.to(port)
    for n in range(requests):
        body = json.loads(bench.body(talks[n % TALKS], 3, 0, str(n)))
        await line.ask(json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode())  # as JavaScript writes it
        if (n + 1) % max(1, requests // 10) == 0:
            print(f"  {n + 1:7,} requests of 300 KB: {resident(pid):.0f} MB", file=sys.stderr, flush=True)
    line.close()
    return resident(pid)


def memory(requests: int) -> None:
    upstream = bench.free_port()
    with (
        tempfile.TemporaryDirectory() as name,
        bench.child("upstream", upstream, "", {}),
        serving(Path(name), f"http://127.0.0.1:{upstream}/v1") as (port, process),
    ):
        print(f"memory after the start: {resident(process.pid):.0f} MB")
        asyncio.run(many(port, process.pid, requests))


# ---------------------------------------------------------------- faults


@dataclass
class Seen:
    """One request, as its client saw it."""

    outcome: str
    """ok, error, left (hung up on purpose) or late (hung up when the answer may have been over)."""
    trace: str | None


async def one(session: aiohttp.ClientSession, port: int, chance: random.Random) -> Seen:
    """Ask for something, and perhaps hang up."""
    marker = chance.choice(TAME if chance.random() < 0.5 else WILD)
    leaves = marker in ("endless", "stall0") or chance.random() < 0.2
    body = {
        "model": "claude-soak",
        "max_tokens": 1000,
        "stream": chance.random() < 0.8,
        "messages": [{"role": "user", "content": f"Please play. [[ccr:{marker}]] {chance.random()}"}],
    }
    known: list[str] = []
    try:
        async with asyncio.timeout(chance.expovariate(3) if leaves else 120):
            return await asked(session, port, body, known)
    except TimeoutError:
        if not leaves:
            return Seen(f"silent: {marker}", known[0] if known else None)
        return Seen("left", known[0] if known else None)
    except aiohttp.ClientError as error:
        return Seen(f"broken: {marker}: {error!r}", known[0] if known else None)


async def asked(session: aiohttp.ClientSession, port: int, body: object, known: list[str]) -> Seen:
    async with session.post(f"http://127.0.0.1:{port}/v1/messages", json=body) as response:
        known.append(response.headers["x-ccr-trace"])
        data = await response.read()
    is_bad = response.status != 200 or b"event: error\n" in data
    return Seen("error" if is_bad else "ok", known[0])


async def storm(port: int, minutes: float, seed: int) -> list[Seen]:
    """Clients that ask and ask until the time is over."""
    end = time.monotonic() + 60 * minutes
    seen: list[Seen] = []

    async def client(n: int) -> None:
        chance = random.Random(seed * 1000 + n)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            while time.monotonic() < end:
                seen.append(await one(session, port, chance))

    await asyncio.gather(*map(client, range(AT_ONCE)))
    return seen


def faults(minutes: float, seed: int) -> int:
    """How many requests are not accounted for."""
    with tempfile.TemporaryDirectory() as name:
        folder, upstream = Path(name), bench.free_port()
        command = [sys.executable, str(ROOT / "tests" / "scripted_openai.py"), "--port", str(upstream)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as scripted:
            try:
                bench.listening(upstream, scripted)
                (folder / "config.toml").write_text(FAST)
                with serving(folder, f"http://127.0.0.1:{upstream}") as (port, process):
                    seen = asyncio.run(storm(port, minutes, seed))
                    process.send_signal(signal.SIGTERM)
                    code = process.wait(30)
            finally:
                bench.ended(scripted)
        return told(seen, folder / "soak.db", code)


def told(seen: list[Seen], db: Path, code: int) -> int:
    reader = Reader(db)
    kept = {row.id: row.outcome for row in reader.rows(limit=10_000_000)}
    named = {each.trace: each.outcome for each in seen if each.trace}
    unlike = [(id, outcome, kept.get(id)) for id, outcome in named.items() if not agree(outcome, kept.get(id))]
    unnamed = len(seen) - len(named)
    print(f"exit code {code}; sent {len(seen):,}: {dict(Counter(each.outcome for each in seen))}")
    print(f"in the store {len(kept):,}: {dict(Counter(kept.values()))}")
    unknown = len(kept.keys() - named.keys())
    print(f"hung up before the headers: {unnamed}; traces that no client has an id of: {unknown}")
    problems = list(verify(db))
    print(json.dumps({"unlike": unlike[:20], "verify": problems[:20]}, indent=1))
    reader.close()
    never_began = max(0, unnamed - unknown)
    print(f"hung up before the request was whole: {never_began}")
    return len(unlike) + len(problems) + (code != 0) + max(0, len(kept) - len(seen))


def agree(client: str, store: str | None) -> bool:
    """Whether both say the same; who hangs up may be late."""
    return client == store or (client == "left" and store in ("ok", "error", "cancelled"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=20_000, help="of 300 KB; 0 leaves the run for memory out")
    parser.add_argument("--minutes", type=float, default=10.0, help="of random faults; 0 leaves them out")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.requests:
        memory(args.requests)
    if args.minutes and (missing := faults(args.minutes, args.seed)):
        raise SystemExit(f"{missing} things are not accounted for")


if __name__ == "__main__":
    main()
