"""Bodies in the database: a trie of chunks, written once and read back exactly.

Owns the tables chunk, node and body. Must never commit: it works inside the caller's transaction. The one surprise:
it remembers the ids of what it has seen, which makes a turn cost what it added; after a rollback those ids mean
nothing, so `forget` must be called.

A body's hash is that of its chunks' hashes and its manifest, so a retry stores nothing at all, `verify` can prove what
was put together, and only what is new has to be hashed.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from itertools import islice, pairwise
from typing import TypeAlias

from ccr_tui import chunks
from ccr_tui.chunks import NAME, Path
from ccr_tui.records import Json
from ccr_tui.slim import dataclass
from ccr_tui.store.codec import spread, squeeze
from ccr_tui.wire import loads

MEMORY = 20_000
"""Ids remembered before all are forgotten: some 4 MB."""
WALKS = 32
"""Paths remembered as a whole, so that a turn of a long conversation walks what it added. Each body of it has one."""
BEGINNINGS = 64
"""Tools and system prompts whose way is remembered, for the first turn of a conversation."""
ENDS = 6
"""How much of a path's end the next one may have changed."""
PARSED = 4 * 1024 * 1024
"""Bytes of JSON whose parsed chunks are kept for the next body, which shares most of them. As objects they take some
four times as much, and every thread that reads has its own."""

KNOWN = "SELECT id FROM body WHERE hash = ?"
LAST = "SELECT (SELECT max(id) FROM chunk), (SELECT max(id) FROM node), (SELECT max(id) FROM body)"
CHUNK = "INSERT INTO chunk (id, hash, trace, size, data) VALUES (?, ?, ?, ?, ?)"
NODE = "INSERT INTO node (id, parent, chunk) VALUES (?, ?, ?)"
BODY = "INSERT INTO body (id, hash, node, size, manifest) VALUES (?, ?, ?, ?, ?)"
WALK = """
WITH RECURSIVE path(id, parent, chunk, height) AS (
    SELECT id, parent, chunk, 0 FROM node WHERE id = ?
    UNION ALL SELECT node.id, node.parent, node.chunk, height + 1 FROM path JOIN node ON node.id = path.parent)
SELECT chunk FROM path ORDER BY height DESC
"""

PATH = """
WITH RECURSIVE path(id, parent, chunk, height) AS (
    SELECT node.id, node.parent, node.chunk, 0 FROM body JOIN node ON node.id = body.node WHERE body.id = ?
    UNION ALL SELECT node.id, node.parent, node.chunk, height + 1 FROM path JOIN node ON node.id = path.parent)
SELECT id, chunk FROM path ORDER BY height DESC
"""
"""Nodes and chunks of a body, from the first to the last."""


Walk: TypeAlias = tuple[bytes, list[tuple[int, int]]]
"""A path that was gone along: the names of its chunks in a row, and node and chunk of each."""


class Shelf:
    """Where bodies are put, within one connection's transaction: `begin`, `lay` some, and `flush`.

    Rows are numbered here and written together, because a statement costs as much as the row that it adds.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.chunk_ids: dict[bytes, int] = {}
        self.node_ids: dict[tuple[int, int], int] = {}
        self.walks: OrderedDict[bytes, Walk] = OrderedDict()
        """The longer paths of late, by their first messages."""
        self._beginnings: dict[bytes, list[tuple[int, int]]] = {}
        """The steps of what stands before the messages, by its names."""
        self.said: Iterable[tuple[int, int]] = ()
        """Node and chunk of each message of the body that was put last, from its end; to be asked for at once."""
        self.brought: dict[int, tuple[int, int]] = {}
        """Chunks that are not written yet, and the trace that brought them, with its session."""
        self._absent: set[bytes] = set()
        """Chunks that this transaction has looked for and not found."""
        self._body_ids: dict[bytes, int] = {}
        """Bodies that are not written yet."""
        self._chunks: list[tuple[object, ...]] = []
        self._nodes: list[tuple[int, int, int]] = []
        self._bodies: list[tuple[object, ...]] = []
        self._chunk = self._node = self._body = 0
        """The numbers of late."""

    def put(self, body: Json, trace: int) -> int | None:
        """Keep one body at once: its id; None for None."""
        if body is None:
            return None
        self.begin(*self.connection.execute(LAST).fetchone())
        made = self.lay(chunks.split(body), (trace, 0))
        self.flush()
        return made

    def begin(self, chunk: int | None, node: int | None, body: int | None) -> None:
        """A transaction has begun, in which these are the highest numbers."""
        if len(self.chunk_ids) + len(self.node_ids) > MEMORY:
            self.forget()
        self._chunk, self._node, self._body = chunk or 0, node or 0, body or 0
        self._absent.clear()

    def look_for(self, paths: Iterable[Path]) -> None:
        """Find out in one go which chunks at the ends of these are there, which is where new ones stand."""
        ids = self.chunk_ids
        names = [name for path in paths for name in _ending(path) if name not in ids]
        for at in range(0, len(names), 256):
            some = names[at : at + 256]
            full = 1 << (len(some) - 1).bit_length()  # of each length there is a statement to be remembered
            marks = ",".join("?" * full)
            filled = some + some[:1] * (full - len(some))
            ids.update(self.connection.execute(f"SELECT hash, id FROM chunk WHERE hash IN ({marks})", filled))
        self._absent.update(name for name in names if name not in ids)

    def lay(self, path: Path, by: tuple[int, int], said: Callable[[int, int], None] | None = None) -> int:
        """The body's id. `by` is the trace, and its session or 0. `said` gets the id and place (among what is said) of
        each message that is new."""
        node, is_new = self._walk(path, by, said)
        name = path.name
        known = None if is_new else self._body_ids.get(name) or self._known(KNOWN, (name,))
        if known is None:
            self._body = known = self._body + 1
            self._body_ids[name] = known
            self._bodies.append((known, name, node, path.size, path.manifest))
        return known

    def flush(self) -> None:
        """Write what is not written yet."""
        for statement, rows in ((CHUNK, self._chunks), (NODE, self._nodes), (BODY, self._bodies)):
            if rows:
                self.connection.executemany(statement, rows)
        self._let_go()

    def forget(self) -> None:
        """What was remembered, and what was not written; the transaction that it came from is gone."""
        self.chunk_ids.clear()
        self.node_ids.clear()
        self.walks.clear()
        self._beginnings.clear()
        self._absent.clear()
        self._let_go()

    def _let_go(self) -> None:
        for each in (self._chunks, self._nodes, self._bodies, self._body_ids, self.brought):
            each.clear()

    def _walk(self, path: Path, by: tuple[int, int], said: Callable[[int, int], None] | None) -> tuple[int, bool]:
        """The last node of the path, and whether it was made now. What follows a new node is new too."""
        steps, is_new, names, nodes = self._beginning(path), False, path.names, self.node_ids
        node = steps[-1][0] if steps else 0
        for at in range(NAME * len(steps), len(names), NAME):
            name = names[at : at + NAME]
            chunk = self.chunk_ids.get(name)
            if chunk is None:
                chunk, is_new = self._found(path, name, at // NAME, by, said, is_new)
            step = node, chunk
            known = None if is_new else nodes.get(step) or self._known_node(step)
            if known is None:
                is_new = True
                self._node = known = nodes[step] = self._node + 1
                self._nodes.append((known, node, chunk))
            node = known
            steps.append((node, chunk))
        self._remember(path, steps)
        return node, is_new

    def _beginning(self, path: Path) -> list[tuple[int, int]]:
        """The nodes and chunks that the turn before went along too: all but its frame, perhaps its last messages; else
        those that another conversation with the same tools and system prompt went along. The list is the caller's."""
        names = path.names
        if self.walks:
            walked, steps = self.walks.pop(_conversation(path), (b"", []))
            for end in range(len(steps) - 1, max(0, len(steps) - ENDS), -1):
                if names.startswith(walked[: NAME * end]):
                    del steps[end:]  # the turn before has no use for them any more
                    return steps
        return self._beginnings.get(names[: NAME * path.said.start], [])[:]

    def _remember(self, path: Path, steps: list[tuple[int, int]]) -> None:
        said, names = path.said, path.names
        self.said = islice(reversed(steps), len(steps) - said.stop, len(steps) - said.start)
        if len(said) > 1:
            self.walks[_conversation(path)] = names, steps
            if len(self.walks) > WALKS:
                self.walks.popitem(last=False)
        if said.start:
            before = names[: NAME * said.start]
            if before not in self._beginnings:
                if len(self._beginnings) == BEGINNINGS:
                    self._beginnings.clear()
                self._beginnings[before] = steps[: said.start]

    def _found(
        self,
        path: Path,
        name: bytes,
        at: int,
        by: tuple[int, int],
        said: Callable[[int, int], None] | None,
        is_new: bool,
    ) -> tuple[int, bool]:
        """The id of a chunk that is not remembered, and whether the node that it stands in must be new."""
        known = None if name in self._absent else self._known("SELECT id FROM chunk WHERE hash = ?", (name,))
        if known is not None:
            self.chunk_ids[name] = known
            return known, is_new
        data = path.chunks[at]
        self._chunk = made = self.chunk_ids[name] = self._chunk + 1
        self.brought[made] = by
        self._chunks.append((made, name, by[0], len(data), squeeze(data)))
        if said and at in path.said:
            said(made, at - path.said.start)
        return made, True

    def _known_node(self, step: tuple[int, int]) -> int | None:
        known = self._known("SELECT id FROM node WHERE parent = ? AND chunk = ?", step)
        if known is not None:
            self.node_ids[step] = known
        return known

    def _known(self, statement: str, row: tuple[object, ...]) -> int | None:
        found = self.connection.execute(statement, row).fetchone()
        return None if found is None else int(found[0])


def _conversation(path: Path) -> bytes:
    """What tells the paths of one conversation from those of others: the names of its first two messages."""
    start = NAME * path.said.start
    return path.names[start : start + 2 * NAME]


def _ending(path: Path) -> Iterator[bytes]:
    """The names of its last chunks."""
    names = path.names[-NAME * ENDS :]
    return (names[at : at + NAME] for at in range(0, len(names), NAME))


@dataclass(slots=True)
class Desk:
    """Where bodies are read. Parsed chunks are shared between the bodies that hold them: change none."""

    connection: sqlite3.Connection
    parsed: dict[int, Json] = field(default_factory=dict)
    held: int = 0

    def get(self, body: int | None) -> Json:
        """The body with this id; None for None. Raises LookupError where a part of it is missing."""
        if body is None:
            return None
        row = self.connection.execute("SELECT node, manifest FROM body WHERE id = ?", (body,)).fetchone()
        if row is None:
            raise LookupError(f"body {body} is missing")
        path = [chunk for (chunk,) in self.connection.execute(WALK, (row[0],))]
        if not path:
            raise LookupError(f"node {row[0]} is missing")
        self._fetch([chunk for chunk in path if chunk not in self.parsed])
        values = [self.parsed[chunk] for chunk in path]
        if self.held > PARSED:
            self.parsed, self.held = {}, 0
        return chunks.assemble(values, row[1])

    def _fetch(self, missing: list[int]) -> None:
        for wanted in _hundreds(missing):
            marks = ",".join("?" * len(wanted))
            for chunk, data in self.connection.execute(f"SELECT id, data FROM chunk WHERE id IN ({marks})", wanted):
                plain = spread(data)
                self.parsed[chunk] = loads(plain)
                self.held += len(plain)
        lost = next((chunk for chunk in missing if chunk not in self.parsed), None)
        if lost is not None:
            raise LookupError(f"chunk {lost} is missing")


def _hundreds(values: list[int]) -> Iterator[list[int]]:
    """SQLite takes 999 parameters at least; 500 is plenty."""
    for start, end in pairwise([*range(0, len(values), 500), len(values)]):
        yield values[start:end]
