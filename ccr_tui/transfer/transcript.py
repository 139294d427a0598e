"""What Claude Code writes down of a session: JSON lines, read as the calls that were made to a model.

Owns the format of `projects/**/*.jsonl` (seen with Claude Code 2.1.197; older shapes as its readers describe them).
Must never do I/O. The one surprise: an answer stands on several lines, one for each block, all with the same message id
and each with the usage of the whole (older versions: of what had come so far, so the largest counts); and the results
of parallel tools hang on different lines, so that a chain of parents alone would lose all but one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from datetime import datetime
from typing import Any

from ccr_tui.records import Json, Usage
from ccr_tui.slim import dataclass
from ccr_tui.transfer.requested import KINDS, Requested
from ccr_tui.wire import loads

MARK = b'"usage"'
"""A line without it is no answer."""
SYNTHETIC = "<synthetic>"
"""The model of a message that the client has made up itself, such as the text of an API error."""

Key = tuple[str, str]
"""Message id and request id, "" where there is none; an answer without a message id has its line's uuid instead."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line that has its place in a conversation."""

    uuid: str
    parent: str | None
    at: float
    """Seconds since the epoch."""
    kind: str
    """user, assistant, attachment, system..."""
    given: dict[str, Any]
    end: int
    """Where the line ends in its file, in bytes."""

    @property
    def message(self) -> dict[str, Any]:
        """What was said; empty where the line says nothing."""
        said = self.given.get("message")
        return said if isinstance(said, dict) else {}

    @property
    def key(self) -> Key:
        """Whose answer it is a part of."""
        return key_of(self.given)


@dataclass(slots=True)
class Call:
    """One answer of a model, and so one request."""

    key: Key
    lines: list[Line]
    usage: Usage
    said: Line
    """The line whose usage counts."""

    @property
    def first(self) -> Line:
        """The line with its first block."""
        return self.lines[0]

    @property
    def last(self) -> Line:
        """The line with its last block."""
        return self.lines[-1]


@dataclass(slots=True)
class Story:
    """One file."""

    lines: dict[str, Line] = field(default_factory=dict)
    calls: dict[Key, Call] = field(default_factory=dict)
    results: dict[str, Line] = field(default_factory=dict)
    """By the id of the tool's call, the line that brings its result."""
    requested: Requested = field(default_factory=Requested)
    """The requests, where the client wrote them down (2.1.330 does; 2.1.197 did not)."""
    broken: int = 0
    """Lines that are no JSON object."""
    made_up: int = 0
    """Messages that the client wrote itself: no request was answered."""


def tell(given: Iterable[bytes]) -> Story:
    """Read a file's lines."""
    story, end = Story(), 0
    for raw in given:
        end += len(raw)
        line = _object(raw)
        if line is None:
            story.broken += bool(raw.strip())
        elif isinstance(line.get("uuid"), str):
            _add(story, line, end)
        elif line.get("type") in KINDS:
            story.requested.hear(line)
    return story


def answers(given: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The lines of a file that are (parts of) counted answers, as JSON: all that counting needs, and quicker."""
    for raw in given:
        if MARK in raw:
            line = _object(raw)
            if line is not None and is_answer(line):
                yield line


def starts(given: Iterable[bytes]) -> Iterator[float]:
    """The times of a file's lines, of whatever kind, in the order of the file."""
    for raw in given:
        line = _object(raw)
        if line is not None and (at := moment(line.get("timestamp"))) is not None:
            yield at


def is_answer(line: dict[str, Any]) -> bool:
    """Whether a line is a part of a model's answer, with its usage."""
    message = line.get("message")
    if not isinstance(message, dict) or not isinstance(message.get("usage"), dict):
        return False
    return moment(line.get("timestamp")) is not None and not is_made_up(line)


def is_made_up(line: dict[str, Any]) -> bool:
    """Whether the client wrote an assistant's message itself, and nobody counted tokens for it."""
    message = line.get("message") or {}
    return message.get("model") == SYNTHETIC and not total(usage_of(message.get("usage") or {}))


def key_of(line: dict[str, Any]) -> Key:
    """What tells an answer from every other."""
    message = line.get("message") or {}
    return (str(message.get("id") or line.get("uuid") or ""), str(line.get("requestId") or ""))


def is_side(line: dict[str, Any]) -> bool:
    """Whether it belongs to a subagent, or to another talk beside the main one."""
    return line.get("isSidechain") is True


def usage_of(given: dict[str, Any]) -> Usage:
    """Tokens as the API reported them to the client; caching for an hour told apart where it is."""
    written = _count(given.get("cache_creation_input_tokens"))
    parts = given.get("cache_creation")
    longer = _count(parts.get("ephemeral_1h_input_tokens")) if isinstance(parts, dict) else 0
    details = given.get("output_tokens_details")
    output = _count(given.get("output_tokens"))
    thought = _count(details.get("thinking_tokens")) if isinstance(details, dict) else 0
    return Usage(
        input=_count(given.get("input_tokens")),
        output=output,
        cache_read=_count(given.get("cache_read_input_tokens")),
        cache_write=written,
        reasoning=min(thought, output),
        cache_write_1h=min(longer, written),
    )


def total(usage: Usage) -> int:
    """All tokens, in and out."""
    return usage.prompt + usage.output


def moment(text: Json) -> float | None:
    """Seconds since the epoch; None for what is no time."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (TypeError, ValueError):
        return None


def _add(story: Story, given: dict[str, Any], end: int) -> None:
    at = moment(given.get("timestamp"))
    if at is None:
        return
    parent = given.get("parentUuid")
    line = Line(given["uuid"], parent if isinstance(parent, str) else None, at, str(given.get("type")), given, end)
    given.pop("toolUseResult", None)  # the same once more, for the client's own screen
    story.lines[line.uuid] = line
    if line.kind == "user":
        for block in blocks_of(line.message.get("content")):
            if block.get("type") == "tool_result":
                story.results.setdefault(str(block.get("tool_use_id")), line)
    elif line.kind == "assistant" and is_made_up(given):
        story.made_up += 1
    elif is_answer(given):
        _add_answer(story, line)


def _add_answer(story: Story, line: Line) -> None:
    usage, known = usage_of(line.message["usage"]), story.calls.get(line.key)
    if known is None:
        story.calls[line.key] = Call(line.key, [line], usage, line)
        return
    known.lines.append(line)
    if total(usage) > total(known.usage):
        known.usage, known.said = usage, line


def blocks_of(content: Json) -> list[dict[str, Any]]:
    """The blocks of a message's content; a string is one of text."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        given = loads(raw)
    except ValueError:
        return None
    return given if isinstance(given, dict) else None


def _count(value: Json) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
