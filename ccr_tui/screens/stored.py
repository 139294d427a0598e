"""Lines and rows of long documents, stored so that the garbage collector has nothing to look at.

Owns `Line`, `Lines` and `Rows`. Must never know what a line says. The one surprise: a document of 6 MB has 150,000
lines and more rows, and as many objects made the garbage collector stop the whole program for 0.1 to 0.3 s; so lines
that do not fold lie in columns (text in pages, numbers in arrays) and become objects when they are asked for.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

from ccr_tui.slim import dataclass

Span = tuple[int, int, str]
"""Start, end and ink of a stretch of a line."""

Row = tuple[int, int, int]
"""What one row of the screen shows: index of the line, start and end in its text."""


Link = tuple[str, Any]
"""What a line leads to: ("received" or "sent", place in that body), or ("trace", its id)."""


@dataclass(slots=True)
class Line:
    """One logical line. It may be wider than the screen, and may fold those after it away."""

    text: str
    spans: tuple[Span, ...] = ()
    hang: int = 0
    """Columns by which the second and later rows are indented."""
    until: int = 0
    """Index after the last line that it folds away; 0: there is nothing to fold."""
    closed: str = ""
    """Its text while folded; empty: the same, with an ellipsis."""
    closed_spans: tuple[Span, ...] = ()
    breaks: bool = False
    """JSON: a row ends after an escaped newline, so that long strings can be read."""
    link: Link | None = None
    """What enter opens on it."""

    def shown(self, folded: bool) -> tuple[str, tuple[Span, ...]]:
        """Text and spans, open or folded."""
        if folded and self.closed:
            return self.closed, self.closed_spans or self.spans
        return self.text, self.spans


PAGE = 512
"""Lines whose texts lie in one string."""


class Lines(Sequence[Line]):
    """The lines of a document. A line that is asked for by its index may be changed; one of an iteration may not."""

    def __init__(self, lines: Iterable[Line] = ()) -> None:
        self.special: dict[int, Line] = {}
        """Those that fold or lead somewhere, and those that were asked for."""
        self._pages: list[str] = []
        self._last: list[str] = []
        """Texts of the page that is not full yet."""
        self._ends = array("I")
        """Where each text ends in its page."""
        self._known: dict[tuple[Span, ...], int] = {}
        self._spans: list[tuple[Span, ...]] = []
        """Each once."""
        self._inks = array("I")
        """Which of them each line has."""
        self._hangs = array("H")
        self._breaks = bytearray()
        for line in lines:
            self.append(line)

    def append(self, line: Line) -> None:
        """Add a line. One that folds or leads somewhere is kept, others are copied."""
        if line.until or line.closed or line.link is not None:
            self.keep(line)
        else:
            self.add(line.text, line.spans, line.hang, line.breaks)

    def keep(self, line: Line) -> None:
        """Add a line that will be changed."""
        self.special[len(self)] = line
        self.add(line.text, line.spans, line.hang, line.breaks)

    def add(self, text: str, spans: tuple[Span, ...] = (), hang: int = 0, breaks: bool = False) -> None:
        """Add a line that does not fold."""
        if len(self._last) == PAGE:
            self._pages.append("".join(self._last))
            self._last = []
        before = self._ends[-1] if self._last else 0
        self._last.append(text)
        self._ends.append(before + len(text))
        known = self._known.get(spans)
        if known is None:
            known = self._known[spans] = len(self._spans)
            self._spans.append(spans)
        self._inks.append(known)
        self._hangs.append(min(hang, 0xFFFF))
        self._breaks.append(breaks)

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> list[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | list[Line]:
        if isinstance(index, slice):
            return [self._seen(at) for at in range(*index.indices(len(self)))]
        at = range(len(self))[index]
        return self.special.setdefault(at, self._seen(at))

    def __iter__(self) -> Iterator[Line]:
        return map(self._seen, range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def _seen(self, at: int) -> Line:
        known = self.special.get(at)
        return known or Line(self.text(at), self._spans[self._inks[at]], self._hangs[at], breaks=self.breaks(at))

    def text(self, at: int) -> str:
        """The text of a line."""
        known = self.special.get(at)
        if known is not None:
            return known.text
        page, place = divmod(at, PAGE)
        if page == len(self._pages):
            return self._last[place]
        return self._pages[page][self._ends[at - 1] if place else 0 : self._ends[at]]

    def hang(self, at: int) -> int:
        """Columns by which its later rows are indented."""
        return self._hangs[at]

    def breaks(self, at: int) -> bool:
        """Whether its rows end after escaped newlines."""
        return bool(self._breaks[at])

    def until(self, at: int) -> int:
        """Index after the last line that it folds away; 0: nothing to fold."""
        known = self.special.get(at)
        return 0 if known is None else known.until

    def folding(self) -> Iterator[tuple[int, Line]]:
        """Those that fold others away, in order."""
        return ((at, line) for at, line in sorted(self.special.items()) if line.until > at)


class Rows(Sequence[Row]):
    """The rows of a document."""

    def __init__(self) -> None:
        self.lines = array("I")
        """Index of each row's line; rising."""
        self._starts, self._ends = array("I"), array("I")

    def add(self, line: int, start: int, end: int) -> None:
        """Add a row."""
        self.lines.append(line)
        self._starts.append(start)
        self._ends.append(end)

    def __len__(self) -> int:
        return len(self.lines)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        return self.lines[index], self._starts[index], self._ends[index]
