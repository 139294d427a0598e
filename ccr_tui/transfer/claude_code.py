"""Claude Code's own transcripts, taken into the database.

Owns where they are, in what order they are read, and what is said of an import. Must never write to them. The one
surprise: every file that changed is read twice, first for what there is (see claims.py), then for what counts of it;
and of a file that has grown all is read again, because a new request repeats the whole conversation.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, TypeVar

from ccr_tui import __version__
from ccr_tui.errors import CcrError
from ccr_tui.prices import usd
from ccr_tui.records import Trace, Usage
from ccr_tui.slim import dataclass
from ccr_tui.store import plausible
from ccr_tui.store.intake import Answer, Intake
from ccr_tui.store.veil import Cover, as_it_is
from ccr_tui.transfer.claims import Claim, claims_of, winners
from ccr_tui.transfer.progress import Report, silent
from ccr_tui.transfer.retelling import Quote, Teller
from ccr_tui.transfer.transcript import (
    Call,
    Key,
    Story,
    is_side,
    tell,
)

T = TypeVar("T")

SETTLED_S = 60.0
"""How old the newest answer of a file must be to be whole: its blocks are written one by one."""


@dataclass(slots=True)
class Summary:
    """What an import has read, taken, and left, and why."""

    files: int = 0
    unchanged: int = 0
    """Files that were read to their end before."""
    unreadable: list[str] = field(default_factory=list)
    sessions: set[str] = field(default_factory=set)
    new: int = 0
    known: int = 0
    """Answers that were taken before."""
    proxied: int = 0
    """Answers whose traces are here because they went through the proxy."""
    copies: int = 0
    """Answers that stand in several files."""
    unsettled: int = 0
    """Answers that are perhaps still being written."""
    made_up: int = 0
    broken: int = 0
    """Lines that could not be read, and answers that none can be."""
    usage: Usage = field(default_factory=Usage)
    """Of the new ones."""
    cost: int = 0
    unpriced: Counter[str] = field(default_factory=Counter)
    """New ones without a known price, by model."""

    def took(self, trace: Trace) -> None:
        """Count a new one."""
        self.new += 1
        self.sessions.add(trace.session or "")
        attempt = trace.attempts[0]
        self.usage = _added(self.usage, attempt.usage or Usage())
        self.cost += attempt.cost or 0
        if attempt.cost is None:
            self.unpriced[attempt.model] += 1

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "files": self.files,
            "unchanged": self.unchanged,
            "unreadable": self.unreadable,
            "sessions": len(self.sessions),
            "new": self.new,
            "known": self.known,
            "proxied": self.proxied,
            "copies": self.copies,
            "unsettled": self.unsettled,
            "made_up": self.made_up,
            "broken_lines": self.broken,
            "input_tokens": self.usage.input,
            "cache_read_tokens": self.usage.cache_read,
            "cache_write_tokens": self.usage.cache_write,
            "output_tokens": self.usage.output,
            "cost_usd": usd(self.cost),
            "unpriced": dict(self.unpriced),
        }


def folders(env: Mapping[str, str], home: Path) -> list[Path]:
    """Where Claude Code keeps its transcripts: CLAUDE_CONFIG_DIR, else both of its default places."""
    given = [part.strip() for part in env.get("CLAUDE_CONFIG_DIR", "").split(",") if part.strip()]
    config = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
    places = [Path(part).expanduser() for part in given] or [config / "claude", home / ".claude"]
    return [place if place.name == "projects" else place / "projects" for place in places]


def files(places: Iterable[Path]) -> list[Path]:
    """Every transcript in these places: folders of projects, Claude Code's own folder, or single files."""
    found: dict[Path, None] = {}
    for place in places:
        inner = place / "projects"
        within = [place] if place.is_file() else sorted((inner if inner.is_dir() else place).rglob("*.jsonl"))
        found.update(dict.fromkeys(path for path in within if path.is_file()))
    return list(found)


def take_in(
    database: Path, places: Iterable[Path], quote: Quote, now: float, report: Report = silent, cover: Cover = as_it_is
) -> Summary:
    """Import all that is new in these places. `now` is seconds since the epoch; `report` gets bytes, `cover` each trace
    before it is kept.

    Raises CcrError where there is nothing to read or the database cannot be written, and whatever `report` raises;
    what was taken before that stays.
    """
    found, summary = files(given := list(places)), Summary()
    if not found:
        raise CcrError(f"there are no transcripts in {', '.join(map(str, given))}.")
    with Intake(database, cover) as intake:
        taking = _Taking(intake, summary, quote, now, report)
        taking.run(list(_changed(found, intake, summary)))
    return summary


def _changed(found: list[Path], intake: Intake, summary: Summary) -> Iterator[tuple[Path, os.stat_result]]:
    for path in found:
        try:
            stat = path.stat()
        except OSError as error:
            summary.unreadable.append(f"{path}: {error.strerror}")
            continue
        size, mtime, read_to = intake.read_to(str(path.absolute()))
        if (size, mtime) == (stat.st_size, stat.st_mtime_ns) and read_to >= size:
            summary.unchanged += 1
        else:
            summary.files += 1
            yield path, stat


@dataclass(slots=True)
class _Taking:
    """One run over the files that changed."""

    intake: Intake
    summary: Summary
    quote: Quote
    now: float
    report: Report
    done: int = 0
    size: int = 0

    def run(self, changed: list[tuple[Path, os.stat_result]]) -> None:
        """First what there is, then what counts of it."""
        self.size = 2 * sum(stat.st_size for _, stat in changed)
        claims: dict[Path, list[Claim]] = {}
        began: dict[Path, tuple[float, float]] = {}
        for path, stat in changed:
            nothing: tuple[float, list[Claim]] = (0.0, [])
            first, claims[path] = self._read(path, claims_of, nothing)
            began[path] = (first, max((claim.at for claim in claims[path]), default=0.0))
            self._advance(stat.st_size)
        found = sorted((claim for each in claims.values() for claim in each), key=lambda claim: began[claim.file])
        wanted, self.summary.copies = winners(found)
        for path, stat in sorted(changed, key=lambda each: began[each[0]]):
            self._file(path, stat, wanted.get(path, set()))
            self._advance(stat.st_size)

    def _file(self, path: Path, stat: os.stat_result, wanted: set[Key]) -> None:
        story = self._read(path, _story, Story())
        self.summary.broken += story.broken
        self.summary.made_up += story.made_up
        teller = Teller(story, self.quote, _session(path), __version__)
        whole = stat.st_size
        for call in story.calls.values():
            if call.key not in wanted:
                continue
            if not is_settled(call, story, self.now):
                self.summary.unsettled += 1
                whole = 0
                continue
            self._call(call, teller)
            self.intake.breathe()
        self.intake.mark(str(path.absolute()), stat.st_size, stat.st_mtime_ns, whole)
        self.intake.commit()

    def _call(self, call: Call, teller: Teller) -> None:
        message, request = call.key
        session = str(call.said.given.get("sessionId") or teller.session) or None
        answer = Answer(message, request, is_side(call.said.given), session, teller.reply(call))
        if self.intake.is_taken(answer):
            self.summary.known += 1
        elif self.intake.is_ours(answer):
            self.summary.proxied += 1
            self.intake.note(answer)
        else:
            self._add(teller.trace(call), answer)

    def _add(self, trace: Trace, answer: Answer) -> None:
        try:
            plausible.check(trace)
        except ValueError:
            self.summary.broken += 1
            return
        self.intake.add(trace, answer)
        self.summary.took(trace)

    def _read(self, path: Path, reading: Callable[[Path], T], otherwise: T) -> T:
        try:
            return reading(path)
        except OSError as error:
            self.summary.unreadable.append(f"{path}: {error.strerror}")
            return otherwise

    def _advance(self, size: int) -> None:
        self.done += size
        self.report(self.done, self.size)


def is_settled(call: Call, story: Story, now: float) -> bool:
    """Whether no block of it can still come: it says why it ended, it is old enough, or another answer followed."""
    if call.said.message.get("stop_reason") or call.last.at < now - SETTLED_S:
        return True
    return any(other.first.end > call.last.end for other in story.calls.values())


def _story(path: Path) -> Story:
    with path.open("rb") as lines:
        return tell(lines)


def _session(path: Path) -> str:
    """A subagent's file lies in a folder named after the session; a session's own file has its name."""
    return path.parent.parent.name if path.parent.name == "subagents" else path.stem


def _added(one: Usage, other: Usage) -> Usage:
    return Usage(
        one.input + other.input,
        one.output + other.output,
        one.cache_read + other.cache_read,
        one.cache_write + other.cache_write,
        one.reasoning + other.reasoning,
        cache_write_1h=one.cache_write_1h + other.cache_write_1h,
    )
