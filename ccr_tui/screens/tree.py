"""Projects, sessions, turns and requests as one tree, of which only what is seen is read and drawn.

Owns which branches are open, the flat list of what is shown, and the cursor, which stays on its thing. Must never read:
what it lacks it asks for by a message. The one surprise: a closed session is a number until it comes into view, so that
ten thousand of them open at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from ccr_tui.screens.scrolled import Listing
from ccr_tui.screens.treelines import Line, Lines, Seen, headings
from ccr_tui.slim import dataclass
from ccr_tui.spending import together
from ccr_tui.store.amounts import Sums
from ccr_tui.store.browsing import Branch, Project, Turn
from ccr_tui.store.queries import SessionRow, SpendRow, TraceRow

AHEAD = 3
"""Pages that are read ahead, in one go."""
Key = tuple[str, int, int | str]
"""Kind (project, session, turn, branch, request), session or project, and what in it."""


class Node(NamedTuple):
    """One line of the tree."""

    key: Key
    depth: int
    leaf: bool = False


@lru_cache(maxsize=1 << 16)
def _of_session(session: int) -> Node:
    """The line of a session. There are thousands of them whenever the lines are laid out anew."""
    return Node(("session", session, 0), 1)


class SessionTree(Listing):
    """Draws the lines that are seen."""

    HEADINGS = 1
    BINDINGS = [
        Binding("enter", "enter", "Open", key_display="⏎", tooltip="Open the requests of the session, or the trace"),
        Binding("right,l,space", "unfold", "Unfold", key_display="→", tooltip="Unfold; on what is open, go into it"),
        Binding("left,h", "fold", "Fold", show=False, tooltip="Fold; on what is closed, go to what it belongs to"),
    ]

    @dataclass
    class Wanted(Message):
        """Rows of sessions are in view that were not read, or turns of one were asked for."""

        sessions: tuple[int, ...] = ()
        turns: int | None = None

    @dataclass
    class Entered(Message):
        """A line was entered."""

        node: Node

    class Moved(Message):
        """The cursor or the lines have changed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.projects: Sequence[Project] = ()
        self.spent: Mapping[str | None, SpendRow] = {}
        self.is_narrowed = False
        """Whether only some of the sessions are here."""
        self.rows: dict[int, SessionRow] = {}
        self.turns: dict[int, list[Turn]] = {}
        self.opened: set[Key] = set()
        self.seen = Seen()
        """What a baseline is, and which sessions run."""
        self.empty = ""
        self._pen = Lines(0, self.seen)
        self._lines: list[Node] = []
        self._requests: dict[int, tuple[list[Turn], dict[int, TraceRow]]] = {}
        """By session: its turns, and their requests by number."""
        self._asked: set[int] = set()

    @property
    def total(self) -> int:
        """How many lines there are."""
        return len(self._lines)

    @property
    def node(self) -> Node | None:
        """The line of the cursor."""
        return self._lines[self.cursor] if self.cursor < len(self._lines) else None

    # -- what it shows

    def put(self, projects: Sequence[Project]) -> None:
        """Other projects or sessions; the cursor stays on what it was on. At first the latest project is open, and
        those after it that fit too."""
        if not self.projects:
            left = self.height - len(projects)
            for number, project in enumerate(projects):
                left -= len(project.sessions)
                if not number or left >= 0:
                    self.opened.add(("project", project.id, 0))
        self.projects = projects
        self.again()

    def clear(self) -> None:
        """Another file: its numbers mean other sessions."""
        self.projects, self.spent, self.rows, self.turns, self._requests = (), {}, {}, {}, {}
        for numbers in (self.opened, self._asked, self._old):
            numbers.clear()
        self.again()

    def spent_of(self, project: Project) -> Sums | None:
        """What it cost; while only some sessions are looked for, what these did. None until that is known."""
        if not self.is_narrowed:
            return self.spent.get(project.path)
        rows = [row for number in project.sessions if (row := self.rows.get(number))]
        return together(rows) if len(rows) == len(project.sessions) else None

    def put_rows(self, rows: Mapping[int, SessionRow]) -> None:
        """Sessions were read."""
        self.rows.update(rows)
        self._asked -= rows.keys()
        for number in rows:
            for cursor in ("", "cursor", "cursor-blurred"):
                self._drawn.pop((("session", number, 0), cursor), None)
        if any(number in rows for number in self._sessions_seen(0)):
            self.refresh()

    def put_turns(self, session: int, turns: list[Turn]) -> None:
        """A session was read."""
        self.turns[session] = turns
        self.again()

    def stale(self, sessions: set[int]) -> list[int]:
        """These have changed: they are asked for again when seen; gives those whose turns are shown."""
        for session in sessions:
            self._asked.discard(session)
            if session in self.rows:
                self._old.add(session)
        self.redraw()
        return [session for session in sessions if session in self.turns]

    @property
    def _old(self) -> set[int]:
        return self.seen.old

    def redraw(self) -> None:
        """Draw what is seen anew."""
        self._drawn.clear()
        self.refresh()

    def again(self) -> None:
        """Lay the lines out anew."""
        before = self.node
        self._lines = list(self._lay_out())
        keys = {node.key: at for at, node in enumerate(self._lines)} if before else {}
        at = keys.get(before.key) if before else None
        shift = at - self.cursor if at is not None else 0
        self.cursor = at if at is not None else max(0, min(self.cursor, self.total - 1))
        self.virtual_size = Size(self.scrollable_content_region.width, self.total + self.HEADINGS)
        if shift and self.scroll_offset.y:
            self.show_at(self.scroll_offset.y + shift)
        self.redraw()
        self.post_message(self.Moved())

    def _lay_out(self) -> Sequence[Node]:
        nodes: list[Node] = []
        for project in self.projects:
            key = ("project", project.id, 0)
            nodes.append(Node(key, 0))
            if key not in self.opened:
                continue
            for session in project.sessions:
                node = _of_session(session)
                nodes.append(node)
                if node.key in self.opened:
                    nodes += self._inside(session)
        return nodes

    def _inside(self, session: int) -> Sequence[Node]:
        nodes: list[Node] = []
        for at, turn in enumerate(self.turns.get(session, ())):
            key: Key = ("turn", session, at)
            nodes.append(Node(key, 2))
            if key not in self.opened:
                continue
            for step in turn.steps:
                if isinstance(step, Branch):
                    inner: Key = ("branch", session, step.agent_id)
                    nodes.append(Node(inner, 3))
                    rows = step.rows if inner in self.opened else ()
                    nodes += [Node(("request", session, row.n), 4, leaf=True) for row in rows]
                else:
                    nodes.append(Node(("request", session, step.n), 3, leaf=True))
        return nodes

    # -- finding

    def project(self, node: Node) -> Project:
        """The project of a project's line."""
        return next(project for project in self.projects if project.id == node.key[1])

    def turn(self, node: Node) -> Turn | None:
        """The turn of a turn's line."""
        turns = self.turns.get(node.key[1], [])
        return turns[int(node.key[2])] if int(node.key[2]) < len(turns) else None

    def branch(self, node: Node) -> Branch | None:
        """The subagent of its line."""
        found = (branch for turn in self.turns.get(node.key[1], ()) for branch in turn.branches)
        return next((branch for branch in found if branch.agent_id == node.key[2]), None)

    def request(self, node: Node) -> TraceRow | None:
        """The request of its line."""
        turns = self.turns.get(node.key[1], [])
        known, rows = self._requests.get(node.key[1], ([], {}))
        if known is not turns:
            own = (row for turn in turns for rows in (turn.rows, *(b.rows for b in turn.branches)) for row in rows)
            rows = {row.n: row for row in own}
            self._requests[node.key[1]] = turns, rows
        return rows.get(int(node.key[2]))

    def requests(self) -> list[TraceRow]:
        """The requests that are shown, top to bottom."""
        shown = [self.request(node) for node in self._lines if node.leaf]
        return [row for row in shown if row is not None]

    def go_to(self, n: int) -> None:
        """Move the cursor to the request with this number, if it is shown."""
        self.go(next((at for at, node in enumerate(self._lines) if node.leaf and node.key[2] == n), self.cursor))

    # -- drawing

    def on_resize(self, event: events.Resize) -> None:
        """Column widths adapt."""
        self.again()

    def drawn(self, y: int, width: int, left: int) -> Strip:
        """The headings, or one line."""
        if y == 0:
            return self.strip(headings(self.room, self.seen), width, left=left)
        index = self.top + y - self.HEADINGS
        if index >= self.total:
            return self.strip([(self.empty if y == 2 and not self.total else "", "muted")], width, left=left)
        node, cursor = self._lines[index], self.cursor_ink(index)
        strip = self._drawn.get((node.key, cursor))
        if strip is None or strip.cell_length != width + left:
            pieces = self._line(node)
            strip = self.strip(pieces or [(" " * (2 * node.depth + 2) + "…", "faint")], width, cursor, left)
            if pieces:
                self.keep((node.key, cursor), strip)
        return strip

    def _line(self, node: Node) -> Sequence[tuple[str, str]]:
        if self._pen.width != self.room:
            self._pen = Lines(self.room, self.seen)
        lines = self._pen
        opened = node.key in self.opened
        thing: Line | None = None
        kind, number, _ = node.key
        if kind == "project":
            project = self.project(node)
            thing = lines.project(project, self.spent_of(project))
        elif kind == "session":
            if self._lacks(number):
                self._ask(self.height)
            thing = lines.session(number, row) if (row := self.rows.get(number)) else None
        elif kind == "turn":
            thing = lines.turn(turn) if (turn := self.turn(node)) else None
        elif kind == "branch":
            thing = lines.branch(branch) if (branch := self.branch(node)) else None
        elif kind == "request":
            thing = lines.request(row) if (row := self.request(node)) else None  # type: ignore[assignment]
        return lines.drawn(thing, node.depth, None if node.leaf else opened) if thing else ()

    def _sessions_seen(self, around: int) -> list[int]:
        """Sessions whose lines are in view, or would be after so many lines more in either direction."""
        top = self.scroll_offset.y
        lines = self._lines[max(0, top - around) : top + self.height + around]
        return [node.key[1] for node in lines if node.key[0] == "session"]

    def _look_ahead(self) -> None:
        """Ask for what the next page would show, so that it is drawn only once."""
        if any(self._lacks(session) for session in self._sessions_seen(self.height)):
            self._ask(self.height * AHEAD)

    def _lacks(self, session: int) -> bool:
        return session not in self._asked and (session not in self.rows or session in self._old)

    def _ask(self, around: int) -> None:
        """Everything that is in view or near it, and not read, in one message."""
        wanted = [session for session in self._sessions_seen(around) if self._lacks(session)]
        self._asked.update(wanted)
        self._old.difference_update(wanted)
        if wanted:
            self.post_message(self.Wanted(tuple(wanted)))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Wherever it goes, what lies ahead is asked for."""
        super().watch_scroll_y(old_value, new_value)
        self._look_ahead()

    # -- moving

    def moved(self) -> None:
        """Tell the screen."""
        self.post_message(self.Moved())

    def action_enter(self) -> None:
        """Enter the line of the cursor."""
        if node := self.node:
            self.post_message(self.Entered(node))

    def toggle(self, node: Node) -> None:
        """Open or close a branch."""
        self.opened ^= {node.key}
        if node.key[0] == "session" and node.key in self.opened and node.key[1] not in self.turns:
            self.post_message(self.Wanted(turns=node.key[1]))
        self.again()

    def action_unfold(self) -> None:
        """Open; on what is open, go into it."""
        node = self.node
        if node is None or node.leaf:
            return
        if node.key in self.opened:
            self.action_move(1)
        else:
            self.toggle(node)

    def action_fold(self) -> None:
        """Close; on what is closed, go to what it belongs to."""
        node = self.node
        if node is None:
            return
        if node.key in self.opened:
            self.toggle(node)
            return
        above = (at for at in range(self.cursor, -1, -1) if self._lines[at].depth < node.depth)
        self.go(next(above, 0))

    def on_click(self, event: events.Click) -> None:
        """A click chooses a line, one on its arrow opens or closes it; a second one enters it."""
        at = event.get_content_offset_capture(self)
        index = self.scroll_offset.y + at.y - self.HEADINGS
        if at.y < self.HEADINGS or index >= self.total:
            return
        node, again = self._lines[index], index == self.cursor and self.has_focus
        self.go(index)
        if not node.leaf and at.x < 2 * node.depth + 2:
            self.toggle(node)
        elif again or event.chain > 1:
            self.action_enter()
