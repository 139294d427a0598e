"""The Tokens tab: where the tokens of a request are.

Owns the page. Pure; runs in a thread. The one surprise: what is counted and what the provider reported are both told,
because no provider publishes its own accounting; shares are of the reported number, where there is one.
"""

from __future__ import annotations

from ccr_tui import anatomy
from ccr_tui.anatomy import Kind
from ccr_tui.records import Trace
from ccr_tui.screens import show
from ccr_tui.screens.costs import NOTHING
from ccr_tui.screens.lines import Document
from ccr_tui.xray import Heavy, Part, XRay

NAMES: dict[Kind, tuple[str, str]] = {
    "tools": ("tool schemas", "tool"),
    "system": ("system", "muted"),
    "prompts": ("prompts", "strong"),
    "reminders": ("reminders", "muted"),
    "answers": ("answers", ""),
    "thinking": ("thinking", "think"),
    "calls": ("tool calls", "coder"),
    "results": ("tool results", "router"),
    "images": ("images", "good"),
    "documents": ("documents", "good"),
    "framing": ("roles, separators", "faint"),
}
"""What a kind is called, and its ink."""
NAME = 11
"""Columns of the names."""
TOOLS = 12
"""Tools that have a line of their own."""


def tokens_document(trace: Trace, found: XRay, width: int) -> Document:
    """The page, for this width."""
    page = Document()
    _summary(page, trace, found)
    _parts(page, found, width, _unknown(trace))
    _heaviest(page, found, width, _unknown(trace))
    _tools(page, found, width)
    return page


def _summary(page: Document, trace: Trace, found: XRay) -> None:
    """From what the client sent to what was reported: each line follows from those above it."""
    model = show.harmless(trace.answer.model) if trace.answer is not None else "anybody"
    if trace.estimate and found.counted:
        ratio = f"{found.counted:,} × {trace.estimate / found.counted:.3f}"
        _line(page, "estimated", f"{trace.estimate:,}", f"before it was sent: {ratio}, learned from reports")
    _line(page, "counted", f"{found.counted:,}", "in what the client sent", "strong")
    if found.unsent:
        _line(page, "left out", f"−{found.unsent:,}", f"of it were not sent to {model}: they cost nothing")
    if found.added:
        sign = "+" if found.added > 0 else "−"
        words = f"by other form and words: {found.counted_sent:,} in what {model} was sent"
        _line(page, "translated", f"{sign}{abs(found.added):,}", words)
    _reported(page, trace, found, model)
    if found.guessed:
        _line(page, "guessed", f"{found.guessed:,}", "of what was counted have no known size: PDFs, some pictures")


def _reported(page: Document, trace: Trace, found: XRay, model: str) -> None:
    given = found.counted_sent or found.counted - found.unsent
    if found.reported is None:
        ink = "warn" if trace.answer is not None else "muted"
        page.put(("reported   ", "muted"), ("nothing; what follows is counted", ink), hang=NAME)
    elif not found.scaled:
        _line(
            page, "reported", f"{found.reported:,}", f"by {model}, which can't be this prompt; what follows is counted"
        )
    else:
        note = f"by {model}: {_times(found.reported, given)} of what it was sent"
        _line(page, "reported", f"{found.reported:,}", note, "strong")


def _shared(found: XRay) -> str:
    """How the report was shared out among the parts."""
    if not found.scaled or found.reported is None:
        return "as counted, in the order of a prompt cache"
    kept = found.counted - found.unsent
    left = f"{found.counted:,} − {found.unsent:,} = {kept:,}" if found.unsent else f"{kept:,} counted"
    return f"{found.reported:,} shared out by {left}: {_times(found.reported, kept)}; in a prompt cache's order"


def _times(one: int, other: int) -> str:
    return f"× {one / other:.3f}" if other else "?"


def _line(page: Document, name: str, count: str, words: str, ink: str = "") -> None:
    """A number below the others, and what it is."""
    page.put((f"{name:{NAME}}", "muted"), (f"{count:>8}", ink), (f"  {words}", "muted"), hang=NAME + 10)


def _parts(page: Document, found: XRay, width: int, unknown: str) -> None:
    page.put("")
    page.put(("Parts", "title"), (f"  {_shared(found)}", "muted"), hang=7)
    room = max(0, min(40, width - 66))
    head = f"{'':20}{'blocks':>7}{'tokens':>9}{'share':>7}{'cost':>11}{'grown':>9}"
    page.put((head, "muted"))
    for part in found.parts:
        name, ink = NAMES[part.kind]
        first = next((h.block.where for h in found.heaviest if h.block.kind == part.kind), None)
        share, rest = show.bar(part.tokens / found.tokens if found.tokens else 0, room)
        line = page.put(
            (f"{name:20}", ink),
            f"{_blocks(part):>7}{show.tokens(part.tokens):>9}{show.percent(part.tokens, found.tokens):>7}",
            (f"{'not sent':>11}", "muted") if part.is_unsent else _money(part.cost, unknown),
            (f"{show.signed(part.grown):>9}", "warn" if part.grown and part.grown * 10 > found.tokens else "muted"),
            "  " if room else "",
            (share, ink),
            (rest, "faint"),
        )
        if first is not None:
            page.lines[line].link = ("received", first)
    if found.rescaled:
        page.put((f"{'other scale':20}{'':34}{show.signed(found.rescaled):>9}", "muted"))
    page.put(
        (f"{'prompt':20}", "strong"),
        (f"{'':7}{show.tokens(found.tokens):>9}{'':7}", "strong"),
        _money(found.cost, unknown),
        (f"{show.signed(found.grown):>9}", "muted"),
    )
    page.put((f"grown: {_since(found)}", "faint"), hang=2)
    where = "the beginning" if found.grown is None else "what the request before had, from its beginning on"
    page.put((f"cost: the tokens that were read from a cache are taken to be {where}", "faint"), hang=2)


def _since(found: XRay) -> str:
    """What the column is measured by, and against what."""
    if found.grown is None:
        return "no request came before"
    if found.is_disbelieved_before:
        words = f"was counted at {found.counted_before:,}; its report of {found.reported_before:,} was not believed"
        return f"since the request before, which {words}; all is measured on this one's scale"
    told = f", which reported {found.reported_before:,}" if found.reported_before is not None else ""
    own = "; parts are measured on this one's scale" if found.reported_before is not None else ""
    return f"since the request before{told}{own}"


def _unknown(trace: Trace) -> str:
    """As everywhere: ? is a price that nobody knows, a dash where nobody is known to bill anything."""
    return show.money(None) if trace.answer is not None and trace.answer.usage is not None else NOTHING


def _money(cost: int | None, unknown: str) -> tuple[str, str]:
    return f"{unknown if cost is None else show.money(cost):>11}", "money"


def _blocks(part: Part) -> str:
    """How many there are, and how many of them were sent."""
    if not part.unsent or part.is_unsent:
        return f"{part.blocks or ''}"
    words = f"{part.blocks - part.unsent} of {part.blocks}"
    return words if len(words) <= 7 else words.replace(" of ", "/")


def _heaviest(page: Document, found: XRay, width: int, unknown: str) -> None:
    if not found.heaviest:
        return
    page.put("")
    page.put(("Heaviest blocks", "title"), ("  new: the request before did not have it", "muted"))
    for number, heavy in enumerate(found.heaviest, 1):
        page.lines[_heavy(page, number, heavy, found.tokens, width, unknown)].link = ("received", heavy.block.where)


def _heavy(page: Document, number: int, heavy: Heavy, whole: int, width: int, unknown: str) -> int:
    block = heavy.block
    place = "" if block.message is None else f" · message {block.message + 1}"
    name = show.fit(show.harmless(f"{block.label}{place}"), 34)
    new = "new " if heavy.fresh else ""
    pieces: list[str | tuple[str, str]] = [
        (f"{number:>2} ", "muted"),
        (name, NAMES[block.kind][1]),
        f"{show.tokens(heavy.tokens):>7}{show.percent(heavy.tokens, whole):>5}",
        _money(heavy.cost, unknown) if heavy.sent else (f"{'not sent':>11}", "muted"),
        (f"{new:>5}", "warn"),
    ]
    room = width - 67
    if room >= 12:
        text = anatomy.reading(block)[:400]
        words = " ".join((text.partition("\n")[2] if block.kind == "tools" else text).split())
        pieces.append((f" {show.fit(show.harmless(words), room).rstrip()}", "muted"))
    return page.put(*pieces)


def _tools(page: Document, found: XRay, width: int) -> None:
    """One line a tool: what its schema, its calls and its results weigh."""
    if not found.tools:
        return
    rows: dict[str, dict[Kind, Part]] = {}
    for part in found.tools:
        rows.setdefault(part.name, {})[part.kind] = part
    ordered = sorted(rows.items(), key=lambda row: (-sum(part.tokens for part in row[1].values()), row[0]))
    page.put("")
    page.put(("By tool", "title"), ("  everything that it takes", "muted"))
    page.put((f"{'':26}{'schema':>8}{'calls':>7}{'results':>9}{'all':>8}{'share':>7}{'grown':>9}", "muted"))
    for name, parts in ordered[:TOOLS]:
        _tool(page, name, parts, found.tokens, max(0, min(24, width - 77)))
    if more := ordered[TOOLS:]:
        rest = sum(part.tokens for _, parts in more for part in parts.values())
        page.put(
            (f"{f'and {len(more)} more':26}{'':24}{show.tokens(rest):>8}{show.percent(rest, found.tokens):>7}", "muted")
        )


def _tool(page: Document, name: str, parts: dict[Kind, Part], whole: int, room: int) -> None:
    tokens = sum(part.tokens for part in parts.values())
    grown = [part.grown for part in parts.values()]
    calls = parts["calls"].blocks if "calls" in parts else 0
    share, rest = show.bar(tokens / whole if whole else 0, room)
    page.put(
        show.fit(show.harmless(name), 26),
        (f"{_size(parts.get('tools')):>8}", "tool"),
        (f"{calls or '':>7}", "coder"),
        (f"{_size(parts.get('results')):>9}", "router"),
        f"{show.tokens(tokens):>8}{show.percent(tokens, whole):>7}",
        (f"{show.signed(None if None in grown else sum(g for g in grown if g)):>9}", "muted"),
        "  " if room else "",
        (share, "router"),
        (rest, "faint"),
    )


def _size(part: Part | None) -> str:
    return "" if part is None else "not sent" if part.is_unsent else show.tokens(part.tokens)
