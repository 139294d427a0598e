"""The command line: which commands there are, and how each of them ends.

Owns the names of the commands and the exit codes: 0 done, 1 the work failed, 2 the call was wrong, 3 a check found
something, 141 nobody reads the output any more. Must never import what only one command needs: `ccr-tui env` may run in
every new shell. The one surprise: a command is imported when it is called, so `COMMANDS` holds names of modules and not
functions.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import IO, Any

import click

from ccr_tui import __version__
from ccr_tui.commands.flags import root_flags
from ccr_tui.errors import CcrError

COMMANDS = {
    "agents": "models:agents",
    "code": "run:code",
    "config": "setup:config_group",
    "context": "looking:context",
    "doctor": "doctor:doctor",
    "env": "setup:env",
    "lab": "lab:lab",
    "mode": "models:mode",
    "models": "models:models",
    "replay": "replay:replay",
    "route": "route:route",
    "serve": "run:serve",
    "sessions": "sessions:sessions",
    "spend": "ledger:spend",
    "statusline": "statusline:statusline",
    "traces": "traces:traces",
}
"""Command to module and attribute below ccr_tui.commands."""


class Unread(Exception):
    """Nobody reads what is printed any more."""


@contextmanager
def _heard() -> Iterator[None]:
    """Click would end the program with 1."""
    try:
        yield
    except BrokenPipeError as error:
        raise Unread from error


class Lazy(click.Group):
    """A group whose commands are imported when they are asked for."""

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        """As click does; it may print help."""
        with _heard():
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does."""
        with _heard():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, for --help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(import_module(f"ccr_tui.commands.{module}"), attribute)
        gc.enable()
        return command


@click.group(
    cls=Lazy,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@root_flags
@click.option("--demo", is_flag=True, help="Play a session by itself, with a made-up model and a database of its own.")
@click.version_option(__version__, prog_name="ccr-tui", message="%(prog)s %(version)s")
@click.pass_context
def root(ctx: click.Context, /, demo: bool, **flags: str | None) -> int:
    """Claude Code, answered by any model. Without a command: the app, which hosts the proxy."""
    ctx.obj = {name: value for name, value in flags.items() if value is not None}
    if ctx.invoked_subcommand is None:
        from ccr_tui.commands.run import app

        return app(ctx.obj, demo)
    if demo:
        raise click.UsageError("--demo is for the app, which has no command: ccr-tui --demo")
    return 0


UNREAD = 141
"""What a shell gives for a program that the signal PIPE has ended, as `cat` and `git` are. Not 0: not all was written,
and only the caller knows whether that is what he wanted."""
FULL = {errno.ENOSPC, errno.EFBIG, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC)}
"""Of a disk that takes no more."""


def main(args: list[str] | None = None) -> None:
    """Run the program and end it with its exit code."""
    _open_streams()
    code = _code(args)
    try:
        sys.stderr.flush()
    except OSError:  # Python would end with 120
        _discard(sys.stderr)
    sys.exit(code)


def _open_streams() -> None:
    """Those that are closed (`serve 2>&-`): files of ours would get their numbers, which libuv does not close."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the least number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, "w" if descriptor else "r", closefd=False))


def _code(args: list[str] | None) -> int:
    try:
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        ended = root.main(args, prog_name="ccr-tui", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except CcrError as error:
        from ccr_tui.commands.common import narrate

        narrate(f"ccr-tui: {error}")
        return 1
    except (click.Abort, KeyboardInterrupt):
        return 130
    except (Unread, BrokenPipeError):  # `ccr-tui traces ls | head`: whoever has read enough wants no words about it
        _discard(sys.stdout)
        return UNREAD
    except OSError as error:
        if error.errno not in FULL:
            raise
        return _unwritten(error)
    return ended if isinstance(ended, int) else 0


def _unwritten(error: OSError) -> int:
    from ccr_tui.commands.common import narrate

    _discard(sys.stdout)
    with suppress(OSError):
        narrate(f"ccr-tui: the output could not be written: {error.strerror or error}")
    return 1


def _discard(stream: IO[str]) -> None:
    """What still waits to be written would fail once more at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
