"""ccr-tui beside its peers: the load of the benchmark, sent through each of them in turn.

Owns how the peers are installed, configured and ended. Must never be a test, and never leave a process or touch a
person's own settings: each peer has a home of its own. The one surprise: peers have no meter in them, so the CPU and
memory of everything (ours too) are read from /proc, children included; that is why it needs Linux.

    make bench-peers                     # installs the peers into .peers first: claude-code-router needs npm
    make bench-peers ARGS='--rounds 3'
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import bench
from bench import LABELS, ROOT, Subject, Usage

PEERS = ROOT / ".peers"
TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
LITELLM = """
model_list:
  - model_name: "*"
    litellm_params: {{model: openai/bench-model, api_base: "http://127.0.0.1:{upstream}/v1", api_key: sk-bench}}
general_settings: {{dangerously_permit_weak_or_unset_master_key: true}}
litellm_settings: {{drop_params: true, use_chat_completions_url_for_anthropic_messages: true, telemetry: false}}
"""


@dataclass
class Tree(Subject):
    """A process and its children, read from /proc."""

    pid: int = 0

    def usage(self) -> Usage:
        """What it and its children have used; which of their threads has a loop is not known."""
        about = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in family(self.pid)]
        cpu = sum(int(each[11]) + int(each[12]) for each in about) / TICK
        return Usage(cpu, cpu, sum(map(peak, family(self.pid))), 0.0)


def peak(pid: int) -> int:
    """The most memory that a process has had, in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def family(pid: int) -> list[int]:
    """The process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]


@contextmanager
def running(name: str, port: int, command: list[str], env: dict[str, str]) -> Iterator[Tree]:
    with subprocess.Popen(
        command, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until = time.monotonic() + 90  # LiteLLM takes its time
            while True:
                try:
                    bench.listening(port, process)
                    break
                except SystemExit:
                    if process.poll() is not None or time.monotonic() > until:
                        raise
            yield Tree(name, port, None, pid=process.pid)
        finally:
            bench.ended(process)


def ours(port: int, upstream: int, home: Path) -> tuple[list[str], dict[str, str]]:
    env = {"PYTHONPATH": str(ROOT), "CCR_TUI_CONFIG": str(home / "c.toml"), "CCR_TUI_DB": str(home / "c.db")}
    env |= {"OPENAI_API_KEY": "sk-bench", "OPENAI_BASE_URL": f"http://127.0.0.1:{upstream}/v1"}
    return [sys.executable, "-m", "ccr_tui", "serve", "--port", str(port)], {**env, "OPENAI_MODEL": "bench-model"}


def original(port: int, upstream: int, home: Path) -> tuple[list[str], dict[str, str]]:
    """claude-code-router, one model for all, its log off."""
    provider = {
        "name": "bench",
        "api_base_url": f"http://127.0.0.1:{upstream}/v1/chat/completions",
        "api_key": "sk-bench",
        "models": ["bench-model"],
    }
    config = {"LOG": False, "HOST": "127.0.0.1", "PORT": port, "Providers": [provider]}
    folder = home / ".claude-code-router"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({**config, "Router": {"default": "bench,bench-model"}}))
    tool = PEERS / "node_modules" / ".bin" / "ccr"
    return [str(tool), "start"], {"HOME": str(home), "SERVICE_PORT": str(port)}


def litellm(port: int, upstream: int, home: Path) -> tuple[list[str], dict[str, str]]:
    """LiteLLM, tuned so that Claude Code works through it."""
    config = home / "litellm.yaml"
    config.write_text(LITELLM.format(upstream=upstream))
    tool = PEERS / "litellm" / "bin" / "litellm"
    env = {"HOME": str(home), "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    return [str(tool), "--config", str(config), "--port", str(port), "--host", "127.0.0.1"], env


def install_original() -> str:
    """Why claude-code-router is not there; "" where it is."""
    tool, said = PEERS / "node_modules" / ".bin" / "ccr", ""
    if not tool.exists():
        if not shutil.which("npm"):
            return "there is no npm in PATH"
        said = ended("npm", "install", "--prefix", str(PEERS), "@musistudio/claude-code-router@2")
    return "" if tool.exists() else said or "npm installed no program `ccr`"


def install_litellm() -> str:
    """Why LiteLLM is not there; "" where it is."""
    place, said = PEERS / "litellm", ""
    if not (place / "bin" / "litellm").exists():
        said = ended(sys.executable, "-m", "venv", str(place))
        said = said or ended(str(place / "bin" / "pip"), "install", "-q", "litellm[proxy]")
    return "" if (place / "bin" / "litellm").exists() else said or "pip installed no program `litellm`"


def ended(*command: str) -> str:
    """The last that a command says where it fails; "" where it does not."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return f"{Path(command[0]).name}: {lines[-1][:200] if lines else done.returncode}" if done.returncode else ""


Setting = Callable[[int, int, Path], tuple[list[str], dict[str, str]]]
THEM: list[tuple[str, str, Callable[[], str], Setting]] = [
    ("headless", "ccr-tui serve", lambda: "", ours),
    ("original", "claude-code-router 2", install_original, original),
    ("litellm", "LiteLLM", install_litellm, litellm),
]


def version(name: str) -> str:
    """What was measured."""
    if name == "original":
        about = PEERS / "node_modules" / "@musistudio" / "claude-code-router" / "package.json"
        return str(json.loads(about.read_text())["version"])
    if name == "litellm":
        found = next((PEERS / "litellm" / "lib").glob("python*/site-packages/litellm-*.dist-info"))
        return found.name.removeprefix("litellm-").removesuffix(".dist-info")
    return ""


async def answers(subject: Subject) -> bool:
    """Whether it lets a request of Claude Code's kind through."""
    try:
        line = await bench.Line.to(subject.port)
        found = await asyncio.wait_for(line.ask(bench.body([], 3, 0, "hello")), 60)
        line.close()
    except (AssertionError, OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
        print(f"{LABELS[subject.name]} does not answer: {error!r:.300}", file=sys.stderr)
        return False
    return bool(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    if not Path("/proc/self/stat").exists():
        raise SystemExit("make bench-peers reads /proc, so it needs Linux.")
    PEERS.mkdir(exist_ok=True)
    LABELS.update({name: label for name, label, _, _ in THEM})
    with ExitStack() as stack:
        upstream = bench.free_port()
        stack.enter_context(bench.child("upstream", upstream, "", {}))
        subjects: list[Subject] = [Subject("direct", upstream, None), *started(stack, upstream)]
        subjects = [each for each in subjects if asyncio.run(answers(each))]
        asyncio.run(bench.measure(subjects, args.rounds))
        print(bench.table(subjects, against=[each.name for each in subjects[2:]]))


def started(stack: ExitStack, upstream: int) -> Iterator[Subject]:
    for name, label, install, setting in THEM:
        if why := install():
            print(f"{label} could not be installed here, so it is left out: {why}", file=sys.stderr)
            continue
        LABELS[name] = f"{label} {version(name)}".strip()
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = bench.free_port()
        yield stack.enter_context(running(name, port, *setting(port, upstream, home)))


if __name__ == "__main__":
    main()
