"""`traces import`: archives, HAR files, claude-trace's lines and Claude Code's own transcripts.

Owns what is said of what was read, taken and left. Must never change a file that it reads. The one surprise: a
directory, or no file at all with --transcripts, means Claude Code's transcripts; everything else tells by its contents
what it is.
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
from ccr_tui.config import secrets
from ccr_tui.errors import CcrError

if TYPE_CHECKING:
    from ccr_tui.config import Config
    from ccr_tui.store.veil import Cover
    from ccr_tui.transfer.arriving import Summary
    from ccr_tui.transfer.claude_code import Summary as TranscriptSummary

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
def import_(flags: Mapping[str, str], files: tuple[str, ...], transcripts: str | None, as_json: bool) -> None:
    """Take in archives of `export`, HAR files, claude-trace's JSON lines, or Claude Code's own transcripts.

    A file tells by what it holds which of them it is; - is standard input. What is there already is left alone, whether
    it came from a file before or through the proxy. Files are only read.
    """
    folders, rest = _told_apart(files)
    if transcripts is not None:
        folders += [Path(transcripts).expanduser()] if transcripts else _usual()
    if not folders and not rest:
        raise click.UsageError("name a file, or use --transcripts for what Claude Code has written down.")
    config = assembly.read(flags, os.environ, Path.cwd())[0]
    try:
        if folders:
            _transcripts(flags, folders, config, as_json)
        for name in rest:
            _file(flags, name, config, as_json)
    except KeyboardInterrupt:
        narrate(STAYS)
        raise


def _told_apart(files: tuple[str, ...]) -> tuple[list[Path], list[str]]:
    """Places of transcripts, and files of other kinds."""
    from ccr_tui.transfer.arriving import format_of

    places, rest = [], []
    for name in files:
        if name != "-" and (Path(name).is_dir() or format_of(name) == "transcript"):
            places.append(Path(name))
        else:
            rest.append(name)
    return places, rest


def _usual() -> list[Path]:
    from ccr_tui.transfer.claude_code import folders

    found = [place for place in folders(os.environ, Path.home()) if place.is_dir()]
    if not found:
        raise CcrError(
            "Claude Code has left no transcripts at "
            f"{', '.join(map(str, folders(os.environ, Path.home())))}; name its folder, or set CLAUDE_CONFIG_DIR."
        )
    return found


def _cover(config: Config) -> Cover:
    """No key of the configuration is kept, wherever it comes from."""
    from ccr_tui.store.veil import Veil

    return Veil(lambda: secrets(config)).over


def _file(flags: Mapping[str, str], name: str, config: Config, as_json: bool) -> None:
    from ccr_tui.transfer.arriving import take_in
    from ccr_tui.transfer.billing import quotes

    with meter(f"reading {name}") as report:
        summary = take_in(database(flags), name, quotes(config), report, _cover(config))
    if as_json:
        print_json(summary.as_json())
    else:
        narrate(safe(_sentence(summary)))


def _sentence(summary: Summary) -> str:
    """What the archive's import always said, and more where there is more."""
    told = f"{summary.name}: {summary.new} new, {summary.known} known already"
    if summary.proxied:
        told += f", {summary.proxied} recorded here by other means"
    left = [f"{count} left out: {why}" for why, count in summary.left.most_common()]
    return "; ".join([told, *left])


def _transcripts(flags: Mapping[str, str], folders: list[Path], config: Config, as_json: bool) -> None:
    from ccr_tui.transfer.billing import quotes
    from ccr_tui.transfer.claude_code import take_in

    with meter("reading transcripts") as report:
        summary = take_in(database(flags), folders, quotes(config), time.time(), report, _cover(config))
    if as_json:
        print_json(summary.as_json())
        return
    for sentence in told(summary):
        narrate(safe(sentence))


def told(summary: TranscriptSummary) -> list[str]:
    """What was read, taken and left, and why."""
    from ccr_tui.prices import show

    usage = summary.usage
    said = [
        f"{summary.files} files read, {summary.unchanged} unchanged since the last import",
        f"{summary.new} new requests in {len(summary.sessions)} sessions: {tokens(usage.prompt)} tokens in "
        f"({tokens(usage.cache_read)} cached), {tokens(usage.output)} out, {show(summary.cost)} at list prices",
    ]
    if summary.unpriced:
        models = ", ".join(f"{model} ({count})" for model, count in summary.unpriced.most_common(5))
        said.append(f"no price is known of {sum(summary.unpriced.values())} of them: {models}")
    reasons = (
        (summary.known, "taken before"),
        (summary.proxied, "recorded here by other means, with more than the transcript knows"),
        (summary.copies, "copies of others, as a resumed session or a subagent's file has them"),
        (summary.unsettled, "perhaps still being written; the next import takes them"),
        (summary.made_up, "messages that Claude Code wrote itself, which no model answered"),
        (summary.broken, "lines that are no JSON"),
    )
    said += [f"left out: {count} {why}" for count, why in reasons if count]
    return [*said, *(f"not readable: {file}" for file in summary.unreadable)]
