"""Requests as Markdown.

Must never let what was said become markup that changes the page around it. The one surprise: what was said stands in
fences that are longer than any fence inside, so that it can be copied as it was and can end nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ccr_tui.records import Trace
from ccr_tui.transfer.telling import Page, Piece, Said, Teller, visible

_TICKS = re.compile("`{3,}")
_SPECIAL = re.compile(r"([\\`*_\[\]<>#!|~&])")


def markdown(traces: Iterable[Trace], heading: str) -> Iterator[str]:
    """The document, piece by piece."""
    yield f"# {plain(heading)}\n"
    teller = Teller()
    for trace in traces:
        yield "".join(_page(teller.page(trace)))


def _page(page: Page) -> Iterator[str]:
    yield f"\n## {plain(page.title)}\n\n| | |\n|---|---|\n"
    yield from (f"| {plain(name)} | {plain(value)} |\n" for name, value in page.figures)
    for note in page.notes:
        yield f"\n> {plain(note)}\n"
    if page.earlier:
        yield f"\n*{page.repeated}*\n"
    for said in page.said:
        yield from _said(said)
    if page.answer:
        yield from _said(Said("answer", page.answer))
    if page.failure:
        yield f"\n### failed\n\n{plain(page.failure)}\n"


def _said(said: Said) -> Iterator[str]:
    yield f"\n### {plain(said.role)}\n"
    for piece in said.pieces:
        yield _piece(piece)


def _piece(piece: Piece) -> str:
    title = f"\n**{plain(piece.title)}**\n" if piece.title else ""
    return f"{title}\n{fenced(piece.text, 'json' if piece.kind in ('tool', 'json') else 'text')}\n"


def fenced(text: str, language: str) -> str:
    """Text as it is, in a fence that nothing in it can end."""
    longest = max((len(found) for found in _TICKS.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{visible(text)}\n{fence}"


def plain(text: str) -> str:
    """Text on one line that means nothing to Markdown."""
    return _SPECIAL.sub(r"\\\1", " ".join(visible(text).split()))
