"""`traces import`: archives, HAR files, claude-trace's lines and Claude Code's own transcripts.

Owns the command; what is said of what was taken stands in transfer/anything.py. Must never change a file that it reads.
The one surprise: a directory, or no file at all with --transcripts, means Claude Code's transcripts; everything else
tells by its contents what it is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ccr_tui import assembly
from ccr_tui.commands.common import as_json, database, narrate, print_json, safe, settings, tokens
from ccr_tui.commands.meter import meter

if TYPE_CHECKING:
    from ccr_tui.config import Config

DAMAGED = 1
STAYS = "Broken off; what was taken before stays, and the next import goes on from there."


@click.command("import")
@click.argument("files", nargs=-1, metavar="[FILE...]")
@click.option(
    "--transcripts",
    is_flag=False,
    flag_value="",
    metavar="[DIR]",
    help="Claude Code's own transcripts: its folder, or DIR (~/.claude, CLAUDE_CONFIG_DIR).",
)
@settings
@as_json
def import_(flags: Mapping[str, str], files: tuple[str, ...], transcripts: str | None, as_json: bool) -> int:
    """Take in archives of `export`, HAR files, claude-trace's JSON lines, or Claude Code's own transcripts.

    A file tells by what it holds which of them it is; - is standard input. What is there already is left alone, whether
    it came from a file before or through the proxy. Files are only read. Lines of an archive that are no trace are left
    out and named, and the exit code is 1.
    """
    from ccr_tui.transfer import anything

    folders, rest = anything.told_apart(files)
    if transcripts is not None:
        folders += [Path(transcripts).expanduser()] if transcripts else anything.usual(os.environ, Path.home())
    if not folders and not rest:
        raise click.UsageError("name a file, or use --transcripts for what Claude Code has written down.")
    config = assembly.read(flags, os.environ, Path.cwd())[0]
    try:
        if folders:
            _transcripts(flags, folders, config, as_json)
        whole = [_file(flags, name, config, as_json) for name in rest]
    except KeyboardInterrupt:
        narrate(STAYS)
        raise
    return 0 if all(whole) else DAMAGED


def _file(flags: Mapping[str, str], name: str, config: Config, as_json: bool) -> bool:
    """Whether all of it could be read."""
    from ccr_tui.transfer import anything
    from ccr_tui.transfer.arriving import take_in
    from ccr_tui.transfer.billing import quotes

    with meter(f"reading {name}") as report:
        summary = take_in(database(flags), name, quotes(config), report, anything.cover(config))
    if as_json:
        print_json(summary.as_json())
    else:
        narrate(safe(anything.of_file(summary)))
    return not summary.is_damaged


def _transcripts(flags: Mapping[str, str], folders: list[Path], config: Config, as_json: bool) -> None:
    from ccr_tui.transfer import anything
    from ccr_tui.transfer.billing import quotes
    from ccr_tui.transfer.claude_code import take_in

    with meter("reading transcripts") as report:
        summary = take_in(database(flags), folders, quotes(config), time.time(), report, anything.cover(config))
    if as_json:
        print_json(summary.as_json())
        return
    for sentence in anything.of_transcripts(summary, tokens):
        narrate(safe(sentence))
