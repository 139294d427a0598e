"""What a start costs in CPU: `ccr-tui env`, `ccr-tui serve` until it listens, the app until its first picture.

Owns how that is measured. Must never count what happens afterwards (the tokenizer is built in a thread while requests
may come), so the program itself says what it has used when the awaited text goes out. The one surprise: Python is told
to keep what it compiles, as an installed program's is kept; where it may not, each start compiles what was edited.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench import ROOT, free_port

TIMES = 5
PROGRAM = [sys.executable, "-m", "ccr_tui"]


def starts(folder: Path) -> dict[str, float]:
    """Milliseconds of CPU, by what was started: the best of some starts."""
    python = min(whole([sys.executable, "-c", "pass"], folder) for _ in range(TIMES))
    env = min(whole([*PROGRAM, "env"], folder) for _ in range(TIMES))
    found = {"python": python, "env": env}
    if os.name == "posix":
        found["serve"] = min(listening(folder) for _ in range(TIMES))
        found["serve, first"] = min(listening(folder, f"new {n}.db") for n in range(TIMES))
        found["app"] = min(painted(folder) for _ in range(TIMES))
    return found


def settings(folder: Path, db: str = "starts.db") -> dict[str, str]:
    given = {
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "",
        "CCR_TUI_CONFIG": str(folder / "config.toml"),
        "CCR_TUI_DB": str(folder / db),
        "CCR_TUI_PORT": str(free_port()),
        "OPENAI_API_KEY": "sk-bench",
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "OPENAI_MODEL": "bench-model",
    }
    return {**os.environ, **given}


def whole(command: list[str], folder: Path) -> float:
    """Of a program that ends by itself."""
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=settings(folder), stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


SERVE = """
import gc, sys, time
gc.disable()  # as `__main__` does first
import click
from ccr_tui.__main__ import main
echo = click.echo
def told(message, **how):
    echo(f"{message} {time.process_time()}" if message.startswith("listening") else message, **how)
click.echo = told
sys.argv[1:] = ["serve"]
main()
"""
APP = """
import gc, signal, time
gc.disable()  # as `__main__` does first
signal.alarm(60)
from ccr_tui.__main__ import main
from ccr_tui.commands import run
real = run.app
def app(*given):
    from ccr_tui import lean
    with lean.imports():
        from ccr_tui.screens import terminal
    made = terminal.patient
    def patient(driver):
        kind = made(driver)
        write = kind.write
        def written(self, data):
            if "Requests" in data:
                kind.write = write
                write(self, f"used={time.process_time()};")
            write(self, data)
        kind.write = written
        return kind
    terminal.patient = patient
    return real(*given)
run.app = app
main()
"""


def listening(folder: Path, db: str = "starts.db") -> float:
    """Of `ccr-tui serve`, until it says that it listens; it makes the database where there is none."""
    command = [sys.executable, "-c", SERVE]
    with subprocess.Popen(command, env=settings(folder, db), stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        found = next((float(line.split()[-1]) for line in process.stderr if line.startswith(b"listening")), None)
        process.terminate()
        process.stderr.read()
    assert found is not None, "serve did not listen"
    return 1000 * found


def painted(folder: Path) -> float:
    """Of the app, until its first picture goes to the terminal."""
    import pty

    pid, terminal = pty.fork()
    if pid == 0:  # the child
        environment = {**settings(folder), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        os.execve(sys.executable, [sys.executable, "-c", APP], {**environment, "LINES": "40", "COLUMNS": "120"})
    seen = b""
    for data in said(terminal):
        seen += data
        if b"used=" in seen:
            break
    os.kill(pid, 15)
    seen += b"".join(said(terminal))
    os.waitpid(pid, 0)
    os.close(terminal)
    found = re.search(rb"used=([\d.]+);", seen)
    assert found, "the app showed nothing"
    return 1000 * float(found[1])


def said(terminal: int) -> Iterator[bytes]:
    """What comes from the terminal until its program is gone."""
    try:
        while data := os.read(terminal, 65536):
            yield data
    except OSError:
        return
