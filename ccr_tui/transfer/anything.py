"""Whatever somebody names, taken in: Claude Code's transcripts in their folders, or a file that tells what it is.

Owns which files are meant, and the sentences about what came of them, for the command line and the screen alike. Must
never change a file that it reads. The one surprise: a folder always means transcripts; a file tells by its contents.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ccr_tui.config import Config, secrets
from ccr_tui.errors import CcrError
from ccr_tui.prices import show
from ccr_tui.store.veil import Cover, Veil
from ccr_tui.transfer import arriving, claude_code
from ccr_tui.transfer.billing import quotes
from ccr_tui.transfer.progress import Report

Short = Callable[[int | None], str]
"""How a number of tokens is written."""


def usual(env: Mapping[str, str], home: Path) -> list[Path]:
    """Where Claude Code has left transcripts here. Raises CcrError if it has not."""
    found = [place for place in claude_code.folders(env, home) if place.is_dir()]
    if not found:
        places = ", ".join(map(str, claude_code.folders(env, home)))
        raise CcrError(f"Claude Code has left no transcripts at {places}; name its folder, or set CLAUDE_CONFIG_DIR.")
    return found


def told_apart(names: Iterable[str]) -> tuple[list[Path], list[str]]:
    """Places of transcripts, and files of other kinds. Raises CcrError for what is neither."""
    places, rest = [], []
    for name in names:
        if name != "-" and (Path(name).is_dir() or arriving.format_of(name) == "transcript"):
            places.append(Path(name))
        else:
            rest.append(name)
    return places, rest


def cover(config: Config) -> Cover:
    """No key of the configuration is kept, wherever it comes from."""
    return Veil(lambda: secrets(config)).over


def take_in(database: Path, names: Sequence[str], config: Config, report: Report, short: Short) -> Iterator[str]:
    """Import all of it; sentences about what was taken and left. Raises CcrError, and whatever `report` raises."""
    places, rest = told_apart(names)
    if places:
        found = claude_code.take_in(database, places, quotes(config), time.time(), report, cover(config))
        yield from of_transcripts(found, short)
    for name in rest:
        yield of_file(arriving.take_in(database, name, quotes(config), report, cover(config)))


def of_file(summary: arriving.Summary) -> str:
    """What came of a file."""
    told = f"{summary.name}: {summary.new} new, {summary.known} known already"
    if summary.replaced:
        told += f", {summary.replaced} of which less was known before"
    if summary.proxied:
        told += f", {summary.proxied} recorded here by other means"
    left = [f"{count} left out: {why}" for why, count in summary.left.most_common()]
    return "; ".join([told, *left])


def of_transcripts(summary: claude_code.Summary, short: Short) -> list[str]:
    """What was read, taken and left, and why."""
    usage = summary.usage
    said = [
        f"{summary.files} files read, {summary.unchanged} unchanged since the last import",
        f"{summary.new} new requests in {len(summary.sessions)} sessions: {short(usage.prompt)} tokens in "
        f"({short(usage.cache_read)} cached), {short(usage.output)} out, {show(summary.cost)} at list prices",
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
