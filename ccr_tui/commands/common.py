"""What every command does alike: flags, the configuration, and output that is safe on a terminal and in a pipe.

Owns `--since`, tables, JSON lines, and how a command gets its configuration. Must never let recorded text steer the
terminal: control characters are shown, not sent. The one surprise: flags may stand before and after a command's name;
those before are in `ctx.obj`, and those after win.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ccr_tui import assembly
from ccr_tui.commands.flags import root_flags
from ccr_tui.config import Config
from ccr_tui.environment import checked
from ccr_tui.errors import CcrError, ConfigError, StoreError
from ccr_tui.records import Json
from ccr_tui.settings import read_dotenv

if TYPE_CHECKING:
    from ccr_tui.store.queries import Reader

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ud800-\udfff\ufeff"
    "\U000e0000-\U000e007f]"
)
"""Control characters, those that turn the direction of writing or can't be seen, and halves of characters."""
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")

NARROW = 8
"""What a column of words keeps where there is no room."""
TIMES = ("time", "when", "last", "began")
"""Columns of moments: half of one tells nothing."""

as_json = click.option("--json", "as_json", is_flag=True, help="JSON: one object, or one a line for a list.")


def settings(command: F) -> Callable[..., Any]:
    """Give a command the flags --port --host --config --db after its name too, gathered as its argument `flags`."""

    @wraps(command)
    def gathered(*args: Any, **rest: Any) -> Any:
        own = {name: rest.pop(name) for name in ("port", "host", "config", "db")}
        above: Mapping[str, str] = click.get_current_context().obj or {}
        flags = {**above, **{name: value for name, value in own.items() if value is not None}}
        return command(*args, flags=flags, **rest)

    return root_flags(gathered)


def load(flags: Mapping[str, str]) -> Config:
    """The checked configuration, quirks and families too. Raises ConfigError, or click's UsageError for a bad flag."""
    config, problems = read(flags)
    wrong = [problem for problem in problems if problem.startswith("flag ")]
    if wrong:
        raise click.UsageError("\n".join(wrong))
    if problems:
        raise ConfigError(*problems)
    return config


def read(flags: Mapping[str, str]) -> tuple[Config, list[str]]:
    """The configuration as far as it can be read, and what is wrong with it."""
    return checked(flags, os.environ, Path.cwd())


def _may_say(name: str) -> bool:
    """Whether a .env is heard on it: it may have come with a repository."""
    return name != "CCR_TUI_CONFIG" and not name.startswith("OTEL_")


class Source:
    """The configuration of these flags, this environment and this directory, as often as it is asked for."""

    def __init__(self, flags: Mapping[str, str]) -> None:
        self._flags = flags
        self._said: Mapping[str, str] = {}
        """What .env said when it was last there."""
        self._cwd = Path.cwd()
        """Of the start: it may be removed meanwhile."""

    def load(self) -> Config:
        """It, as the files say it now. Raises ConfigError.

        What a .env has said that is gone still counts: editors take files away for a moment, and keys stand there.
        """
        said = read_dotenv(self._cwd)[0]
        if said or (self._cwd / ".env").exists():  # looked for afterwards: it may go at any moment
            self._said = said
            gone: Mapping[str, str] = {}
        else:
            gone = {name: value for name, value in self._said.items() if name not in os.environ and _may_say(name)}
        config, problems = checked(self._flags, {**gone, **os.environ}, self._cwd)
        if problems:
            raise ConfigError(*problems)
        note = f".env is gone; what it said ({', '.join(sorted(gone))}) still counts until ccr-tui starts anew"
        return replace(config, notes=(*config.notes, note)) if gone else config

    def problems(self, file: Path) -> list[str]:
        """What would be wrong with it if this file were config.toml."""
        return checked({**self._flags, "config": str(file)}, os.environ, self._cwd)[1]


def database(flags: Mapping[str, str]) -> Path:
    """Where the traces are. A configuration that is otherwise broken does not matter for looking at them."""
    config, _ = assembly.read(flags, os.environ, Path.cwd())
    return config.db or Path()


def present(flags: Mapping[str, str]) -> Path:
    """The database that must be there already. Raises StoreError."""
    path = database(flags)
    if not path.exists():
        raise StoreError(f"There is no database at {path}; --db and CCR_TUI_DB name another one.")
    _take_in(path)
    return path


def _take_in(path: Path) -> None:
    """What a killed program left, before anybody looks."""
    from ccr_tui.store import left

    if taken := left.take_in(path):
        narrate(f"{taken:,} requests that a killed ccr-tui had not stored were taken in.")


def reader(flags: Mapping[str, str], *, hush: bool = False) -> Reader:
    """Queries of the database; an empty one where there is none yet, and then a word about it, unless `hush`.

    Raises StoreError.
    """
    from ccr_tui.store.queries import Reader

    path = database(flags)
    if not path.exists() and not hush:
        narrate(f"There is no database at {path} yet: nothing was recorded.")
    _take_in(path)
    found = Reader(path)
    click.get_current_context().call_on_close(found.close)
    return found


def log_beside(db: Path) -> None:
    """What a request meets that is a mistake of ours goes to `ccr-tui.log`, as where the proxy runs: Python would print
    it, with whatever was recorded in it."""
    from ccr_tui.journal import journal

    click.get_current_context().with_resource(journal(db))


@contextmanager
def wrong_call() -> Iterator[None]:
    """What is wrong with what was typed ends the program as every wrong call does, with 2."""
    try:
        yield
    except CcrError as error:
        raise click.UsageError(safe_block(str(error))) from error


def narrate(sentence: str) -> None:
    """A word to the person, harmless on a terminal; data goes to stdout."""
    click.echo(safe_block(sentence), err=True)


def safe(text: object, width: int | None = None) -> str:
    """Text on one line that cannot steer the terminal, cut to `width` cells with an ellipsis."""
    shown = _UNSAFE.sub(lambda m: " " if m[0] in "\n\t" else _escaped(m[0]), str(text))
    return shown if width is None else _cut(shown, width)


def safe_block(text: str) -> str:
    """The same for text of several lines."""
    return "\n".join(safe(line.expandtabs(4)) for line in text.split("\n"))


def _escaped(letter: str) -> str:
    return f"\\x{ord(letter):02x}" if ord(letter) < 256 else f"\\u{ord(letter):04x}"


def cells(text: str) -> int:
    """Columns that the text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )  # fmt: skip


def _cut(text: str, width: int) -> str:
    if cells(text) <= width:
        return text
    kept = text[: max(0, width - 1)]
    while cells(kept) > width - 1:
        kept = kept[:-1]
    return kept + "…"


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    right: str = "",
    widest: int = 40,
    spare: Sequence[str] = (),
) -> None:
    """Print aligned columns, nothing without rows. `right` names those with numbers, comma-separated.

    Where there is no room, `spare` ones go, in that order, as far as there are such.
    """
    lines = [[safe(cell, widest) for cell in row] for row in rows]
    if not lines:
        return
    sizes = [max([cells(head), *(cells(line[n]) for line in lines)]) for n, head in enumerate(heads)]
    numbers = [head in right.split(",") for head in heads]
    held = [number or head in TIMES for head, number in zip(heads, numbers, strict=True)]
    room = _room()
    for head in spare:
        if head in heads and room is not None and _least(sizes, held) > room:
            at = [*heads].index(head)
            heads, sizes = _without(heads, at), _without(sizes, at)
            numbers, held = _without(numbers, at), _without(held, at)
            lines = [_without(line, at) for line in lines]
    sizes = _narrowed(sizes, held, room)
    for line in [list(heads), *lines]:
        cut = [_cut(cell, size) for cell, size in zip(line, sizes, strict=True)]
        parts = [_padded(cell, size, number) for cell, size, number in zip(cut, sizes, numbers, strict=True)]
        whole = "  ".join(parts).rstrip()
        click.echo(whole if room is None else _cut(whole, room))


def _room() -> int | None:
    """The columns that there are: COLUMNS, else the terminal's; in a pipe as many as are needed."""
    wanted = os.environ.get("COLUMNS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _without(row: Sequence[T], at: int) -> list[T]:
    return [*row[:at], *row[at + 1 :]]


def _least(sizes: Sequence[int], held: Sequence[bool]) -> int:
    """What the columns take once those of words have given way."""
    return sum(_narrowed(sizes, held, 0)) + 2 * (len(sizes) - 1)


def _narrowed(sizes: Sequence[int], held: Sequence[bool], room: int | None) -> list[int]:
    """The widest columns of words give way first; the first, which is there to be copied, and those held never."""
    made = list(sizes)
    words = [n for n, is_held in enumerate(held) if n and not is_held]
    while room is not None and words and sum(made) + 2 * (len(made) - 1) > room:
        widest = max(words, key=made.__getitem__)
        if made[widest] <= NARROW:
            break
        made[widest] -= 1
    return made


def _padded(cell: str, size: int, right: bool) -> str:
    space = " " * (size - cells(cell))
    return space + cell if right else cell + space


def print_json(value: Json, indent: int | None = None) -> None:
    """One JSON value on stdout, readable, and still harmless on a terminal."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    text = _UNSAFE_IN_JSON.sub(lambda m: f"\\u{ord(m[0]):04x}", text)
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode() + b"\n")
    sys.stdout.buffer.flush()


def _moment(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    from ccr_tui.filtering import moment

    try:
        return None if value is None else moment(value.strip(), time.time())
    except (ValueError, OverflowError) as error:
        wanted = "write 30m, 2h, 3d, 1w, 14:30, today, yesterday, 2026-11-22 or 2026-11-22T14:30Z"
        raise click.BadParameter(f"{value!r} is no time; {wanted}") from error


since = click.option("--since", callback=_moment, metavar="WHEN", help="2h, 3d, yesterday, a date, or date and time.")


def local(moment: float) -> str:
    """A time as people here read it: the hour alone for today."""
    then, now = datetime.fromtimestamp(moment), datetime.now()
    return then.strftime("%H:%M:%S" if then.date() == now.date() else "%Y-%m-%d %H:%M")


def tokens(count: int | None) -> str:
    """1234 as 1.2k, 48_100 as 48.1k, 2_500_000 as 2.5M; nothing for None."""
    if count is None:
        return ""
    if count < 1000:
        return str(count)
    return f"{count / 1000:.1f}k" if count < 999_950 else f"{count / 1_000_000:.1f}M"


def seconds(ms: int | None) -> str:
    """Milliseconds as 42 ms, 1.4 s or 31 s; nothing for None."""
    if ms is None:
        return ""
    if ms < 1000:
        return f"{ms} ms"
    return f"{ms / 1000:.1f} s" if ms < 10_000 else f"{ms / 1000:.0f} s"
