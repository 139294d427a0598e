"""Requests as one HTML page that needs nothing from elsewhere: no script, no font, no picture.

Must never put what was recorded on the page unescaped. The one surprise: the page forbids itself, by its content
security policy, to load or run anything at all, should an escape ever be missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from ccr_tui.records import Trace
from ccr_tui.transfer.telling import Page, Piece, Said, Teller, visible

STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #777; --tint: #8881; --bad: #c33; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem; border-top: 1px solid var(--line);
  padding-top: 1rem } h3 { font-size: .85rem; color: var(--dim); margin: 1.2rem 0 .3rem; text-transform: uppercase }
table { border-collapse: collapse; font-size: .85rem } th { text-align: left; font-weight: 500; color: var(--dim);
  padding: 0 1rem 0 0; vertical-align: top; white-space: nowrap } td { overflow-wrap: anywhere }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.45 ui-monospace, monospace; background: var(--tint);
  padding: .6rem .8rem; border-radius: 6px; margin: .3rem 0 }
details > summary { cursor: pointer; font-size: .85rem; color: var(--dim) }
.note, .earlier { color: var(--dim); font-size: .85rem } .failed { color: var(--bad) }
.text pre { font: inherit; background: none; padding: 0 }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(traces: Iterable[Trace], heading: str, remark: str) -> Iterator[str]:
    """The document, piece by piece; `remark` stands under the heading."""
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(heading)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{text(heading)}</h1>\n"
        f'<p class="note">{text(remark)}</p>\n'
    )
    teller = Teller()
    for trace in traces:
        yield "".join(_page(teller.page(trace), trace.uid))


def closing(remark: str) -> str:
    """The end of the document, with a last remark."""
    return f'<p class="note">{text(remark)}</p>\n</body>\n</html>\n'


def text(given: str) -> str:
    """Escaped, and without what no HTML may hold."""
    return escape(visible(given))


def _page(given: Page, id: str) -> Iterator[str]:
    yield f'<section id="{text(id)}">\n<h2>{text(given.title)}</h2>\n<table>\n'
    yield from (f"<tr><th>{text(name)}</th><td>{text(value)}</td></tr>\n" for name, value in given.figures)
    yield "</table>\n"
    yield from (f'<p class="note">{text(note)}</p>\n' for note in given.notes)
    if given.earlier:
        yield f'<p class="earlier">{text(given.repeated)}</p>\n'
    for said in given.said:
        yield from _said(said)
    if given.answer:
        yield from _said(Said("answer", given.answer))
    if given.failure:
        yield f'<h3>failed</h3>\n<p class="failed">{text(given.failure)}</p>\n'
    yield "</section>\n"


def _said(said: Said) -> Iterator[str]:
    yield f"<h3>{text(said.role)}</h3>\n"
    yield from map(_piece, said.pieces)


def _piece(piece: Piece) -> str:
    body = f"<pre>{text(piece.text)}</pre>"
    if piece.folded:
        size = f"{len(piece.text):,} characters"
        label = f"{piece.title}, {size}" if piece.title else size
        return f'<details class="{text(piece.kind)}"><summary>{text(label)}</summary>{body}</details>\n'
    title = f"<strong>{text(piece.title)}</strong>" if piece.title else ""
    return f'<div class="{text(piece.kind)}">{title}{body}</div>\n'
