"""Lines that fold, and how they wrap.

Owns `Document` and the wrapping into rows of a width. Pure: it runs in a thread, on documents of 600 KB and more, and
must never touch a widget. The one surprise: widths are cells, not characters; only text beyond ASCII pays for that.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import field

from rich.cells import cell_len

from ccr_tui.screens import show
from ccr_tui.screens.stored import Lines, Rows, Span
from ccr_tui.slim import dataclass


@dataclass(slots=True)
class Document:
    """What a viewer shows."""

    lines: Lines = field(default_factory=Lines)
    folded: frozenset[int] = frozenset()
    """Lines that are folded when it opens."""
    at: int = 0
    """The line that the cursor starts on."""
    places: dict[tuple[str | int, ...], int] = field(default_factory=dict)
    """JSON: the line of each place in the body, down to the blocks of its messages."""

    def say(self, text: str, ink: str = "", hang: int = 0) -> int:
        """Append recorded or own text, made harmless, in one ink; gives the index of its first line."""
        first = len(self.lines)
        for line in show.harmless_lines(text):
            self.lines.add(line, ((0, len(line), ink),) if ink else (), hang)
        return first

    def put(self, *pieces: str | tuple[str, str], hang: int = 0) -> int:
        """Append one line of pieces, each text or (text, ink); gives its index."""
        text, spans = compose(pieces)
        self.lines.add(text, spans, hang)
        return len(self.lines) - 1


def compose(pieces: Sequence[str | tuple[str, str]]) -> tuple[str, tuple[Span, ...]]:
    """Pieces, each text or (text, ink), as one text with its spans. Must be harmless already."""
    text, spans = "", []
    for piece in pieces:
        words, ink = (piece, "") if isinstance(piece, str) else piece
        if ink:
            spans.append((len(text), len(text) + len(words), ink))
        text += words
    return text, tuple(spans)


def rows_of(lines: Lines, folded: Collection[int], width: int) -> Rows:
    """The rows of all lines that no fold hides."""
    rows = Rows()
    index, total, special = 0, len(lines), lines.special
    while index < total:
        line = special.get(index)
        hidden = line is not None and index in folded and line.until > index
        text = lines.text(index) if line is None else line.shown(hidden)[0]
        breaks = lines.breaks(index)
        if line is not None and hidden:
            rows.add(index, 0, cut_at(text, width - (2 if not line.closed else 1)))
        elif len(text) <= width and text.isascii() and not (breaks and "\\n" in text):
            rows.add(index, 0, len(text))
        else:
            for start, end in wrap(text, width, lines.hang(index), breaks):
                rows.add(index, start, end)
        index = line.until if line is not None and hidden else index + 1
    return rows


def cut_at(text: str, width: int) -> int:
    """How much of `text` fits into `width` cells."""
    return len(text) if len(text) <= width and text.isascii() else _cut(text, 0, len(text), max(1, width))


_ESCAPED_NEWLINE = re.compile(r"(?<!\\)(?:\\\\)*(?:\\r)?\\n")
_SPACE_IN_LAST = 0.35


def wrap(text: str, width: int, hang: int = 0, breaks: bool = False) -> list[tuple[int, int]]:
    """The stretches of `text` that fit into rows of `width` cells, the later ones `hang` cells narrower."""
    hang = min(hang, width // 2)
    if not breaks:
        return _wrap_stretch(text, 0, len(text), width, hang, True, False)
    stretches, start = [], 0
    for found in _ESCAPED_NEWLINE.finditer(text):
        if found.end() < len(text) - 2:
            stretches += _wrap_stretch(text, start, found.end(), width, hang, start == 0, True)
            start = found.end()
    return stretches + _wrap_stretch(text, start, len(text), width, hang, start == 0, True)


def _wrap_stretch(
    text: str, start: int, end: int, width: int, hang: int, first: bool, escapes: bool
) -> list[tuple[int, int]]:
    """`escapes`: a row never ends inside an escape of JSON."""
    stretches: list[tuple[int, int]] = []
    narrow = max(1, width - hang)
    room = max(1, width) if first else narrow
    plain = text.isascii()
    while True:
        cut = min(end, start + room) if plain else _cut(text, start, end, room)
        if cut < end:
            space = text.rfind(" ", start + int(room * (1 - _SPACE_IN_LAST)), cut)
            cut = space + 1 if space >= 0 else _before_escape(text, start, cut) if escapes else cut
        stretches.append((start, cut))
        if cut >= end:
            return stretches
        start, room = cut, narrow


_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)")


def _before_escape(text: str, start: int, cut: int) -> int:
    """The place to cut at: before an escape that `cut` lies in the middle of."""
    at = text.find("\\", max(start, cut - 6), cut)
    while 0 < at < cut and text[at - 1] == "\\":
        at -= 1  # the first of a run of backslashes begins an escape
    while at > start and (found := _ESCAPE.match(text, at)) is not None:
        if at < cut < found.end():
            return at
        at = text.find("\\", found.end(), cut)
    return cut


def _cut(text: str, start: int, end: int, room: int) -> int:
    """How far one gets from `start` in `room` cells; at least one character."""
    piece = text[start : min(end, start + room)]
    if piece.isascii() or cell_len(piece) == len(piece):
        return start + len(piece)
    cells = 0
    for offset, wide in enumerate(show.cells_of(piece)):
        cells += wide
        if cells > room:
            return start + max(1, offset)
    return start + len(piece)
