"""How much ccr-tui costs, side by side in one run with the least that such a proxy could cost.

Owns the load and the table. Must never be a test: shared machines are noisy, so it prints ratios of medians of rounds
that take turns, and nothing fails. The one surprise: lateness is measured from a stamp that the upstream puts into each
chunk to the moment the client reads it, all on one machine's monotonic clock.

    make bench                     # all of it, five minutes
    make bench ARGS='--rounds 1 --requests 0'   # a quick look
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STAMP = re.compile(rb"t=(\d+) ")

SMALL, LARGE, BURST = 100, 12, 3000
"""Requests of 4 KB a round, requests of 600 KB a round, chunks of the burst."""
STREAMS, PACE_MS, CHUNKS = 64, 50.0, 70
"""Streams at once, milliseconds between their chunks, chunks of each."""

FLOOR, OWN_FLOOR = "httpx", "httpx-aiohttp"
LABELS = {
    "direct": "no proxy",
    "httpx": "floor: aiohttp + httpx",
    "httpx-aiohttp": "floor: aiohttp + httpx over aiohttp",
    "headless": "ccr-tui serve",
    "app": "ccr-tui, the app on screen",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ---------------------------------------------------------------- children


class Usage(NamedTuple):
    """What a child has used."""

    cpu: float
    """Seconds, all threads."""
    loop: float
    """Seconds of the event loop's own thread; all of them where the system does not tell."""
    peak: int
    """KiB of memory at most (bytes on macOS)."""
    now: float
    """MB of memory now; 0 where the system does not tell."""


@dataclass
class Subject:
    """A child under measurement."""

    name: str
    port: int
    line: socket.socket | None
    figures: dict[str, list[float]] = field(default_factory=dict)

    def usage(self) -> Usage:
        """What it has used so far."""
        if self.line is None:
            return Usage(0.0, 0.0, 0, 0.0)
        self.line.sendall(b"?")
        cpu, loop, peak, now = self.line.recv(128).split()
        return Usage(float(cpu), float(loop), int(peak), float(now))

    def note(self, figure: str, value: float) -> None:
        self.figures.setdefault(figure, []).append(value)

    def median(self, figure: str) -> float:
        return statistics.median(self.figures[figure])

    def best(self, figure: str) -> float:
        """Of all parts of all rounds: what other programs take away from a machine only makes a figure worse."""
        return min(self.figures[figure])


@contextmanager
def child(name: str, port: int, target: str, env: dict[str, str], screen: bool = False) -> Iterator[Subject]:
    """A running child, its meter connected."""
    with socket.create_server(("127.0.0.1", 0)) as meters:
        command = [sys.executable, str(HERE / "subjects.py"), name, "--port", str(port), "--target", target]
        command += ["--meter", str(meters.getsockname()[1])]
        start = in_terminal if screen else in_background
        with start(command, {**os.environ, **env}) as process:
            meters.settimeout(30)
            line, _ = meters.accept()
            with line:
                listening(port, process)
                yield Subject(name, port, line)
                process.send_signal(signal.SIGTERM)


@contextmanager
def in_background(command: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            ended(process)


@contextmanager
def in_terminal(command: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A terminal of 120 x 40 whose output somebody reads, as a terminal emulator would."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    env = {**env, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with subprocess.Popen(
        command, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        threading.Thread(target=drain, args=(ours,), daemon=True).start()
        try:
            yield process
        finally:
            ended(process)


def drain(terminal: int) -> None:
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:
        pass


def ended(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()


def listening(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the child accepts connections."""
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"a child did not start: {' '.join(map(str, process.args))}")  # type: ignore[union-attr]


# ---------------------------------------------------------------- load


def conversation(size: int) -> list[dict[str, object]]:
    """Messages as Claude Code sends them, some `size` bytes of tool turns over this project's own text."""
    source = "".join(path.read_text() for path in sorted((ROOT / "ccr_tui").rglob("*.py")))
    messages: list[dict[str, object]] = [{"role": "user", "content": [{"type": "text", "text": "Mend the parser."}]}]
    step = 12_000
    for n in range(size // step):
        at = n * step % max(1, len(source) - step)
        call = {"type": "tool_use", "id": f"toolu_{n:04}", "name": f"Tool{n % 20}", "input": {"path": f"/src/{n}.py"}}
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": source[at : at + step - 700]}
        messages += [
            {"role": "assistant", "content": [{"type": "text", "text": f"Step {n}: I'll read that file."}, call]},
            {"role": "user", "content": [result]},
        ]
    return messages


def body(messages: list[dict[str, object]], chunks: int, pause_ms: float, salt: str) -> bytes:
    """A Messages request that asks the upstream for so many chunks."""
    newest = {"role": "user", "content": [{"type": "text", "text": f"Go on ({salt}). [[bench:{chunks}:{pause_ms}]]"}]}
    tools = [
        {
            "name": f"Tool{n}",
            "description": "Reads a file of the project. " * 4,
            "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
        }
        for n in range(20 if len(messages) > 1 else 6)
    ]
    whole = {
        "model": "claude-bench",
        "max_tokens": 32000,
        "stream": True,
        "system": [{"type": "text", "text": "You are a careful engineer. " * (500 if len(messages) > 1 else 60)}],
        "tools": tools,
        "messages": [*messages, newest],
    }
    return json.dumps(whole).encode()


class Line:
    """One keep-alive connection of a client that does as little as it can."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.first_at = 0.0
        """When the first stamped chunk of the last answer was read, by `time.perf_counter`."""

    @classmethod
    async def to(cls, port: int) -> Line:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 22))

    async def ask(self, data: bytes) -> list[float]:
        """How late each stamped chunk came, in milliseconds."""
        head = b"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        self._writer.write(head + b"content-length: %d\r\n\r\n" % len(data) + data)
        late, text, self.first_at = [], b"", 0.0
        status = await self._reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in status[:20], status
        while size := int((await self._reader.readuntil(b"\r\n"))[:-2], 16):
            text += (await self._reader.readexactly(size + 2))[:-2]
            now = time.monotonic_ns()
            end = 0
            for stamp in STAMP.finditer(text):
                self.first_at = self.first_at or time.perf_counter()
                late.append((now - int(stamp[1])) / 1e6)
                end = stamp.end()
            text = text[max(end, len(text) - 40) :]
        await self._reader.readexactly(2)
        return late

    def close(self) -> None:
        self._writer.close()


async def requests(subject: Subject, figure: str, bodies: list[bytes], parts: int = 1) -> None:
    """One after the other on one connection: median wall time, CPU a request, by parts of them."""
    size = -(-len(bodies) // parts)
    for start in range(0, len(bodies), size):
        await some_requests(subject, figure, bodies[start : start + size])


async def some_requests(subject: Subject, figure: str, bodies: list[bytes]) -> None:
    line = await Line.to(subject.port)
    walls, firsts = [], []
    before = subject.usage()
    for data in bodies:
        started = time.perf_counter()
        late = await line.ask(data)
        walls.append((time.perf_counter() - started) * 1000)
        firsts.append((line.first_at - started) * 1000)
        assert late, f"{subject.name} gave no answer"
    await asyncio.sleep(0.3)  # what the writer and other threads still do belongs to these requests
    after = subject.usage()
    line.close()
    subject.note(f"{figure} wall", statistics.median(walls))
    subject.note(f"{figure} first", statistics.median(firsts))
    subject.note(f"{figure} cpu", (after.cpu - before.cpu) / len(bodies) * 1000)
    subject.note(f"{figure} loop", (after.loop - before.loop) / len(bodies) * 1000)


async def burst(subject: Subject, salt: str) -> None:
    """CPU a chunk, when the upstream writes as fast as it can; the cost of the request itself taken off."""
    spent = []
    for chunks in (3, BURST):
        line = await Line.to(subject.port)
        before = subject.usage().cpu
        late = await line.ask(body([], chunks, 0, f"{salt} {chunks}"))
        assert len(late) == chunks, f"{subject.name} lost chunks: {len(late)} of {chunks}"
        await asyncio.sleep(0.2)
        spent.append(subject.usage().cpu - before)
        line.close()
    subject.note("burst", (spent[1] - spent[0]) / (BURST - 3) * 1e6)


async def paced(subject: Subject, salt: str) -> None:
    """Lateness of every chunk of many streams at once, and CPU a chunk."""
    lines = [await Line.to(subject.port) for _ in range(STREAMS)]
    before = subject.usage().cpu

    async def one(n: int, line: Line) -> list[float]:
        await asyncio.sleep(n * PACE_MS / STREAMS / 1000)
        return await line.ask(body([], CHUNKS, PACE_MS, f"{salt} {n}"))

    late = sorted(each for many in await asyncio.gather(*map(one, range(STREAMS), lines)) for each in many)
    spent = subject.usage().cpu - before
    for line in lines:
        line.close()
    assert len(late) == STREAMS * CHUNKS, f"{subject.name} lost chunks: {len(late)} of {STREAMS * CHUNKS}"
    subject.note("paced p50", late[len(late) // 2])
    subject.note("paced p99", late[int(len(late) * 0.99)])
    subject.note("paced max", late[-1])
    subject.note("paced cpu", spent / len(late) * 1e6)


async def measure(subjects: list[Subject], rounds: int) -> None:
    """Rounds in which the subjects take turns."""
    large = conversation(600_000)
    for subject in subjects:
        await requests(Subject(subject.name, subject.port, subject.line), "warm", [body([], 3, 0, "w")] * 20)
        await requests(Subject(subject.name, subject.port, subject.line), "warm", [body(large, 3, 0, "w")] * 2)
    for n in range(rounds):
        order = subjects[n % len(subjects) :] + subjects[: n % len(subjects)]
        for subject in order:
            print(f"  round {n + 1} of {rounds}: {LABELS[subject.name]}", file=sys.stderr, flush=True)
            gc.collect()
            await requests(subject, "small", [body([], 3, 0, f"{n} {k}") for k in range(SMALL)], 4)
            await requests(subject, "large", [body(large, 3, 0, f"{n} {k}") for k in range(LARGE)], 2)
            await burst(subject, f"{n}")
            await burst(subject, f"{n} again")
            await paced(subject, f"{n}")


# ---------------------------------------------------------------- table

ROWS = [
    ("4 KB request, added latency", "small wall", "ms"),
    ("... to the first token", "small first", "ms"),
    ("4 KB request, CPU", "small cpu", "ms"),
    ("... on the loop", "small loop", "ms"),
    ("600 KB request, added latency", "large wall", "ms"),
    ("... to the first token", "large first", "ms"),
    ("600 KB request, CPU", "large cpu", "ms"),
    ("... on the loop", "large loop", "ms"),
    ("chunk in a burst, CPU", "burst", "us"),
    ("chunk of 64 paced streams, CPU", "paced cpu", "us"),
    ("... lateness p50", "paced p50", "ms"),
    ("... lateness p99", "paced p99", "ms"),
    ("... lateness max", "paced max", "ms"),
]


def table(subjects: list[Subject], against: Sequence[str] = (FLOOR, OWN_FLOOR)) -> str:
    """Markdown: a row a figure, a column a subject, and what ccr-tui is of some of them."""
    by_name = {subject.name: subject for subject in subjects}
    direct = by_name.pop("direct")
    names = list(by_name)
    what = "floors" if FLOOR in against else "peers"
    lines = [
        "| median of rounds | no proxy | " + " | ".join(LABELS[name] for name in names) + f" | serve / {what} |",
        "|---|---|" + "---|" * (len(names) + 1),
    ]
    for label, figure, unit in ROWS:
        off = direct.median(figure) if figure.endswith(("wall", "first")) else 0.0
        values = {name: by_name[name].median(figure) - off for name in names}
        base = "" if figure.endswith(("cpu", "loop")) or figure == "burst" else f"{direct.median(figure):.2f} {unit}"
        cells = [f"{values[name]:.2f} {unit}" if unit == "ms" else f"{values[name]:.1f} {unit}" for name in names]
        ratio = " / ".join(f"{values['headless'] / values[name]:.2f}" for name in against if values[name] > 0)
        lines.append(f"| {label} | {base} | " + " | ".join(cells) + f" | {ratio} |")
    peaks = [subject.usage().peak / (1 << 20 if sys.platform == "darwin" else 1024) for subject in by_name.values()]
    lines.append("| peak memory | | " + " | ".join(f"{peak:.0f} MB" for peak in peaks) + " | |")
    return "\n".join(lines)


def main() -> None:
    from goals import from_inside, from_load, from_soak, from_starts, told

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=2000, help="of 300 KB, twice, for the memory; 0 leaves it out")
    parser.add_argument("--no-app", action="store_true", help="leave the app out (it needs a pseudo-terminal)")
    args = parser.parse_args()
    started = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        subjects = started_subjects(stack, folder, with_app=not args.no_app and os.name == "posix")
        asyncio.run(measure(subjects, args.rounds))
        print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, ")
        print(f"{args.rounds} rounds, {time.monotonic() - started:.0f} s, load of the machine {load()}\n")
        print(table(subjects), flush=True)
        found = from_load(subjects)
    found += [*from_inside(), *from_starts()]
    found += from_soak(args.requests) if args.requests else []
    print(f"\n{told(found)}\n\nload of the machine {load()}, {time.monotonic() - started:.0f} s")


def load() -> str:
    return " ".join(f"{each:.1f}" for each in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"


def started_subjects(stack: ExitStack, folder: Path, with_app: bool) -> list[Subject]:
    """The upstream, and everything in front of it."""
    upstream = free_port()
    stack.enter_context(child("upstream", upstream, "", {}))
    target = f"http://127.0.0.1:{upstream}/v1/messages"
    subjects = [Subject("direct", upstream, None)]
    subjects += [stack.enter_context(child(name, free_port(), target, {})) for name in (FLOOR, OWN_FLOOR)]
    for name in ("headless", "app") if with_app else ("headless",):
        port = free_port()
        env = {
            "PYTHONPATH": str(ROOT),
            "CCR_TUI_CONFIG": str(folder / "config.toml"),
            "CCR_TUI_DB": str(folder / f"{name}.db"),
            "CCR_TUI_PORT": str(port),
            "OPENAI_API_KEY": "sk-bench",
            "OPENAI_BASE_URL": f"http://127.0.0.1:{upstream}/v1",
            "OPENAI_MODEL": "bench-model",
        }
        subjects.append(stack.enter_context(child(name, port, "", env, screen=name == "app")))
    return subjects


if __name__ == "__main__":
    main()
