"""The commands that run something: the app, the proxy without a screen, Claude Code.

Owns the life of the proxy that `ccr-tui code` starts beside Claude Code. Must never end a proxy that it did not start.
The one surprise: Ctrl+C in Claude Code's terminal reaches the whole process group, so that proxy gets a session of its
own and this program looks away while the client runs.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ccr_tui import itself, lean
from ccr_tui.commands.common import Source, load, narrate, read, settings
from ccr_tui.commands.probe import ask, stranger, url
from ccr_tui.config import Config
from ccr_tui.errors import CcrError
from ccr_tui.holder import free_port

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
INSTALL = "Install Claude Code: npm install -g @anthropic-ai/claude-code"


def app(flags: Mapping[str, str], demo: bool) -> int:
    """Open the app; its exit code. Raises click's UsageError where there is no terminal."""
    config = read(flags)[0] if demo else load(flags)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("The app needs a terminal. Without one, run the proxy alone: ccr-tui serve")
    adopt_proxies(config)
    forget_exported_size()
    with lean.imports():
        from ccr_tui.app import run, view

    if demo:
        return run(config, demo=True)
    there = ask(config)
    if there.ours:
        return view(config, url(config), there.pid, lambda: ask(config).told, there.file("database"))
    if there.taken:
        config, flags = _beside(config, flags, stranger(there, config))
    return run(config, source=Source(flags))


def forget_exported_size() -> None:
    """COLUMNS is for tables: a screen is as large as its terminal, and Textual would believe the variable."""
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)


def _beside(config: Config, flags: Mapping[str, str], who: str) -> tuple[Config, Mapping[str, str]]:
    """The same at the next free port, if the person likes. Raises CcrError."""
    port = free_port(config.host, config.port)
    taken = f"Port {config.port} is taken by {who}."
    if port is None or not click.confirm(f"{taken} Use port {port} this time?", default=True, err=True):
        raise CcrError(f"{taken} {_elsewhere(port or config.port + 1)}")
    flags = {**flags, "port": str(port)}
    return load(flags), flags


def _elsewhere(port: int, command: str = "") -> str:
    return f"Choose another: ccr-tui --port {port}{command and f' {command}'}"


@click.command()
@settings
def serve(flags: Mapping[str, str]) -> None:
    """Run the proxy with no screen, until SIGTERM or Ctrl+C."""
    config = load(flags)
    for note in config.notes:
        narrate(note)
    there = ask(config)
    if there.taken:
        port = free_port(config.host, config.port) or config.port + 1
        watch = " Watch it with `ccr-tui`." if there.ours else ""
        who = stranger(there, config)
        raise CcrError(f"Port {config.port} is taken by {who}.{watch} {_elsewhere(port, 'serve')}")
    adopt_proxies(config)
    with lean.imports():
        from ccr_tui import host

    host.serve(config, narrate, Source(flags))


def adopt_proxies(config: Config) -> None:
    """Let HTTP_PROXY and its kin count that stand in .env: the HTTP client looks for them in the process alone."""
    given = {name.lower() for name in os.environ}
    for name, value in config.env.items():
        if name.lower() in PROXIES and name.lower() not in given:
            os.environ[name] = value


class PassOn(click.Command):
    """A command whose arguments are another program's, all but a --help that stands alone."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments as they are; a leading -- is ours."""
        if args == ["--help"]:
            return super().parse_args(ctx, args)
        ctx.args = args[1:] if args[:1] == ["--"] else args
        return []


@click.command(cls=PassOn, options_metavar="[ARGS]...")
@click.pass_context
def code(ctx: click.Context) -> int:
    """Run Claude Code with ARGS, answered by this proxy.

    A proxy is started beside it if none listens, and ended with it. Flags of ccr-tui go before `code`.
    """
    config = load(ctx.obj)
    program = claude()
    there = ask(config)
    if there.ours and os.name != "nt":
        os.execve(program, [program, *ctx.args], environment(config))
    if there.ours:
        return run_client(program, ctx.args, environment(config))
    if there.taken:
        port = free_port(config.host, config.port) or config.port + 1
        raise CcrError(f"Port {config.port} is taken by {stranger(there, config)}. {_elsewhere(port, 'code')}")
    with beside(ctx.obj) as url:
        return run_client(program, ctx.args, environment(config, url))


def claude() -> str:
    """The path of the `claude` program: in PATH, or where its own installer puts it. Raises CcrError."""
    local = Path.home() / ".claude" / "local" / "claude"
    found = shutil.which("claude") or (str(local) if os.access(local, os.X_OK) else None)
    if found is None:
        raise CcrError(f"There is no `claude` in PATH. {INSTALL}")
    return found


def environment(config: Config, url: str | None = None) -> dict[str, str]:
    """Ours, with what Claude Code needs to find the proxy."""
    from ccr_tui.environment import variables

    return {**os.environ, **{each.name: each.value for each in variables(config, url)}}


def run_client(program: str, args: list[str], env: Mapping[str, str]) -> int:
    """Run it in this terminal until it ends; its exit code. Ctrl+C is its own business."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        child = subprocess.Popen([program, *args], env=env)
    except OSError as error:
        signal.signal(signal.SIGINT, before)
        raise CcrError(f"{program} does not start: {error.strerror}. {INSTALL}") from error
    try:
        returned = child.wait()
        return returned if returned >= 0 else 128 - returned
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()
        signal.signal(signal.SIGINT, before)


@contextmanager
def beside(flags: Mapping[str, str]) -> Iterator[str]:
    """A proxy of our own, ended with the block; its address. Raises CcrError if it does not start."""
    given = [part for name, value in flags.items() for part in (f"--{name}", value)]
    child = subprocess.Popen(
        [*itself.PYTHON, "-m", "ccr_tui", *given, "serve"],
        env=itself.env(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        **_own_session(),
    )
    with _ended_with_us(child):
        yield _address(child)


def _own_session() -> dict[str, Any]:
    if os.name == "nt":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined]
    return {"start_new_session": True}


@contextmanager
def _ended_with_us(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """End the proxy when the block ends, also when the terminal is closed on us."""

    def stop(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    endings = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {number: signal.signal(number, stop) for number in endings}
    try:
        yield
    finally:
        child.terminate()
        try:
            child.wait(timeout=15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child.stderr:
            child.stderr.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def _address(child: subprocess.Popen[bytes]) -> str:
    """Read what the proxy says until it listens; afterwards a thread keeps its pipe from filling up."""
    assert child.stderr is not None
    said = []
    for line in child.stderr:
        words = line.decode(errors="replace").strip()
        if words.startswith("listening on "):
            _drain(child)
            return words.removeprefix("listening on ")
        said.append(words)
    raise CcrError("The proxy did not start. " + " ".join(said[-3:]).removeprefix("ccr-tui: "))


def _drain(child: subprocess.Popen[bytes]) -> None:
    import threading

    assert child.stderr is not None
    threading.Thread(target=lambda pipe: [None for _ in pipe], args=(child.stderr,), daemon=True).start()
