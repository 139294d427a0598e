"""What the cursor of the Sessions screen is on, told beside the tree where there is room.

Owns the words of that panel. Must never read: it tells what the tree holds, so that it costs nothing to move the
cursor. The one surprise: what is below the figures are bars of cost, of the sessions, turns or requests that lie in
what is chosen, as far as the tree has read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ccr_tui import decimals
from ccr_tui.screens import costs, requests, show
from ccr_tui.screens.lines import wrap
from ccr_tui.screens.panels import Panel, Pieces
from ccr_tui.screens.tree import Node, SessionTree
from ccr_tui.store.amounts import Sums
from ccr_tui.store.browsing import Branch, Turn
from ccr_tui.store.queries import SessionRow, TraceRow

NAME = 12
"""Columns of the names."""
SAID = 12
"""Lines of what was typed, at most."""
Bar = tuple[str, int | None]
"""A name and a cost."""


class Glimpse(Panel):
    """The panel at the right."""

    def __init__(self, tree: SessionTree) -> None:
        super().__init__(id="glimpse")
        self.tree_ = tree

    def look(self) -> None:
        """Tell what is chosen now."""
        node = self.tree_.node
        title = {"branch": "Subagent"}.get(node.key[0], node.key[0].capitalize()) if node else ""
        if title != (self.border_title or ""):  # setting it draws everything
            self.border_title = title
        super().look()

    def lines(self) -> list[Pieces]:
        """The figures, and below them who made them."""
        node = self.tree_.node
        if node is None:
            return []
        told = [*self._told(node)]
        return told + bars(self._parts(node), self.size.width, self.size.height - len(told))

    def _told(self, node: Node) -> Iterator[Pieces]:
        match node.key[0]:
            case "project":
                project = self.tree_.project(node)
                yield from said(project.path or "no project", self.size.width)
                yield row("sessions", (f"{len(project.sessions):,}", ""))
                spent = self.tree_.spent_of(project)
                yield from self._sums(spent) if spent else ()
            case "session" if session := self.tree_.rows.get(node.key[1]):
                yield from self._session(session)
            case "turn" if turn := self.tree_.turn(node):
                yield from self._span(turn, turn.prompt or "no prompt")
            case "branch" if branch := self.tree_.branch(node):
                yield from self._span(branch, branch.prompt or branch.agent_id)
            case "request" if found := self.tree_.request(node):
                yield from of_request(found, self.size.width)

    def _session(self, session: SessionRow) -> Iterator[Pieces]:
        yield from said(session.title or "no title", self.size.width)
        yield row("id", (show.harmless(session.id), "muted"))
        yield row("began", (show.moment(session.started_at), ""))
        yield row("took", (show.duration((session.ended_at - session.started_at) * 1000), ""))
        for at, model in enumerate(session.models[:4]):
            yield row("" if at else "answered by", (show.model(model), "strong"))
        if session.subagents:
            yield row("subagents", (f"{session.subagents}", "link"))
        if session.pinned:
            yield row("kept", ("⚑ pinned", "link"))
        yield from self._sums(session)

    def _span(self, span: Turn | Branch, prompt: str) -> Iterator[Pieces]:
        yield from said(prompt, self.size.width)
        yield row("began", (show.moment(span.started_at), ""))
        yield row("took", (show.duration((span.ended_at - span.started_at) * 1000), ""))
        yield from self._sums(span)

    def _sums(self, sums: Sums) -> Iterator[Pieces]:
        failed = [(f" · ✗{sums.failed} failed", "bad")] if sums.failed else []
        about, base = "~" if sums.has_guesses else "", self.tree_.seen.baseline
        yield row("requests", (f"{sums.requests:,}", ""), *failed)
        yield row("in", (about + show.tokens(sums.prompt_tokens), ""), *cached(sums.cached_share))
        yield row("out", (about + show.tokens(sums.output_tokens), ""))
        unpriced = [(f" · {sums.unpriced:,} unpriced", "warn")] if sums.unpriced else []
        yield row("cost", costs.of_sums(sums), *unpriced)
        if base is not None:
            share = sums.against(base.price)
            words = "" if share is None else f" {100 * share:+.0f}%".replace("-", "−")
            at = (costs.beside(sums, base.price), "")
            yield row(f"at {show.model(base.name)}", at, (words, "good" if (share or 0) <= 0 else "warn"))
        if sums.router_cost or sums.hop_cost:
            aside = (f" · agents aside {show.money(sums.hop_cost)}", "think") if sums.hop_cost else ("", "")
            yield row("router", (show.money(sums.router_cost), "router"), aside)
        more = "+" if sums.cache_unknown else ""
        lost = (f" · lost {show.money(sums.cache_lost)}{more}", "warn") if sums.cache_lost else ("", "")
        yield row("cache saved", (show.money(sums.cache_saved) + more, "good"), lost)

    def _parts(self, node: Node) -> Sequence[Bar]:
        """What lies in it, with its cost."""
        number = node.key[1]
        match node.key[0]:
            case "project":
                sessions = (self.tree_.rows.get(one) for one in self.tree_.project(node).sessions)
                return [(one.title or one.id, one.spent) for one in sessions if one]
            case "session":
                return [(turn.prompt or "no prompt", turn.spent) for turn in self.tree_.turns.get(number, ())]
            case "turn" if turn := self.tree_.turn(node):
                return [
                    *of_rows(turn.rows),
                    *((f"⎇ {each.prompt or each.agent_id}", each.spent) for each in turn.branches),
                ]
            case "branch" if branch := self.tree_.branch(node):
                return [*of_rows(branch.rows)]
        return ()


def of_rows(rows: Iterable[TraceRow]) -> Iterator[Bar]:
    """Requests by their time and who answered."""
    for one in rows:
        yield f"{show.moment(requests.ended(one))[11:]} {show.model(one.model) if one.model else '–'}", one.cost


def of_request(found: TraceRow, width: int) -> Iterator[Pieces]:
    """One request; why it failed, where it did."""
    whole = requests.whole(found)
    yield from said(whole[1] if whole else requests.names_of(found, 200)[0], width)
    yield row("ended", (show.moment(requests.ended(found)), ""), (f" · {show.duration(found.duration_ms)}", "muted"))
    yield row("first token", (show.duration(found.ttft_ms), ""), (f" · {requests.rate(found)} tok/s", "muted"))
    yield row("agent", requests.agent(found, 24), (f" · {show.harmless(found.rule or 'no rule')}", "muted"))
    yield row("provider", (show.harmless(found.provider or "–"), ""))
    prompt = found.input_tokens + found.cache_read_tokens + found.cache_write_tokens
    about = "~" if found.has_guesses else ""
    yield row("in", (about + show.tokens(prompt), ""), *cached(found.cached_share))
    yield row("out", (about + show.tokens(found.output_tokens), ""))
    yield row("cost", requests.cost(found), (f" · {found.cost_basis}", "muted"))
    yield row("ends with", (show.harmless(found.stop_reason or found.outcome), ""))
    if found.note:
        yield row("note", (show.harmless(found.note), ""))


def row(name: str, *words: tuple[str, str]) -> Pieces:
    """A name and what stands behind it."""
    return [(f" {show.fit(name, NAME)} ", "muted"), *words]


def cached(share: float | None) -> Pieces:
    """How much of what was sent a cache served."""
    if share is None:
        return []
    full, rest = show.bar(share, 10)
    return [("  ", ""), (full, "good"), (rest, "faint"), (f" {show.percent(share, 1)} cached", "muted")]


def said(text: str, width: int) -> list[Pieces]:
    """What was typed, in a few lines, and an empty one below."""
    whole = show.harmless(" ".join(text.split()))[: SAID * width]
    lines = [whole[start:end].rstrip() for start, end in wrap(whole, max(10, width - 2))] or [""]
    shown = lines if len(lines) <= SAID else [*lines[: SAID - 1], "…"]
    return [*([(f" {line}", "strong")] for line in shown), []]


def bars(parts: Sequence[Bar], width: int, room: int) -> list[Pieces]:
    """A line for each with a bar of its cost; what does not fit is counted."""
    most = max((cost or 0 for _, cost in parts), default=0)
    if len(parts) < 2 or room < 4 or not most:
        return []
    name, wide = width // 2 - 6, max(4, width - width // 2 - 8)
    digits = decimals.of([cost or 0 for _, cost in parts])
    tail = decimals.tail([cost for _, cost in parts], digits)
    shown = parts if len(parts) < room else parts[: room - 2]
    lines: list[Pieces] = [[]]
    for text, cost in shown:
        full, _ = show.bar((cost or 0) / most, wide)
        words = show.fit(show.harmless(" ".join(text.split())), name)
        lines.append(
            [(f" {words}", ""), (f"{show.lined(decimals.money(cost, digits), tail):>10} ", "money"), (full, "money")]
        )
    return [*lines, [(f" … and {len(parts) - len(shown):,} more", "muted")]] if len(shown) < len(parts) else lines
