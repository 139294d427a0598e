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
from collections.abc import Callable, Iterator
from dataclasses import field
from itertools import pairwise
from typing import TypeAlias

from ccr_tui import chunks
from ccr_tui.records import Json
from ccr_tui.slim import dataclass
from ccr_tui.store.codec import spread, squeeze
from ccr_tui.wire import loads

MEMORY = 20_000
"""Ids remembered before all are forgotten: some 4 MB."""
WALKS = 32
"""Paths remembered as a whole, so that a turn of a long conversation walks what it added. Each body of it has one."""
ENDS = 6
"""How much of a path's end the next one may have changed."""
PARSED = 4 * 1024 * 1024
"""Bytes of JSON whose parsed chunks are kept for the next body, which shares most of them. As objects they take some
four times as much, and every thread that reads has its own."""

KNOWN = "SELECT id FROM body WHERE hash = ?"
BODY = "INSERT INTO body (hash, node, size, manifest) VALUES (?, ?, ?, ?)"
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


Walk: TypeAlias = tuple[tuple[bytes, ...], list[tuple[int, int]]]
"""A path that was gone along: the names of its chunks, and node and chunk of each."""


@dataclass(slots=True)
class Shelf:
    """Where bodies are put, within one connection's transaction."""

    connection: sqlite3.Connection
    chunk_ids: dict[bytes, int] = field(default_factory=dict)
    node_ids: dict[tuple[int, int], int] = field(default_factory=dict)
    walks: OrderedDict[tuple[bytes, ...], Walk] = field(default_factory=OrderedDict)
    """The longer paths of late, by their first messages."""
    said: list[tuple[int, int]] = field(default_factory=list)
    """Node and chunk of each message of the body that was put last."""

    def put(self, body: Json, trace: int, said: Callable[[int, Json], None] | None = None) -> int | None:
        """The body's id; None for None. `said` gets the id and value of each message that was never stored before."""
        if body is None:
            return None
        path = chunks.split(body)
        node, is_new = self._walk(path, trace, said)
        name = path.name
        known = None if is_new else self.connection.execute(KNOWN, (name,)).fetchone()
        return int(known[0]) if known else _insert(self.connection, BODY, (name, node, path.size, path.manifest))

    def forget(self) -> None:
        """What was remembered; the transaction that it came from is gone."""
        self.chunk_ids.clear()
        self.node_ids.clear()
        self.walks.clear()

    def _walk(self, path: chunks.Path, trace: int, said: Callable[[int, Json], None] | None) -> tuple[int, bool]:
        """The last node of the path, and whether it was made now. What follows a new node is new too."""
        if len(self.chunk_ids) + len(self.node_ids) > MEMORY:
            self.forget()
        steps, is_new = self._beginning(path), False
        node = steps[-1][0] if steps else 0
        for at in range(len(steps), len(path.names)):
            name = path.names[at]
            chunk = self.chunk_ids.get(name)
            if chunk is None:
                chunk = self._chunk(path, at, trace, said)
            known = None if is_new else self.node_ids.get((node, chunk)) or self._known_node(node, chunk)
            is_new = known is None
            node = known or self._new_node(node, chunk)
            steps.append((node, chunk))
        self._remember(path, steps)
        return node, is_new

    def _beginning(self, path: chunks.Path) -> list[tuple[int, int]]:
        """The nodes and chunks that the turn before went along too: all but its frame, perhaps its last messages."""
        names = path.names
        walked, steps = self.walks.pop(_conversation(path), ((), []))
        for end in range(len(walked) - 1, max(0, len(walked) - ENDS), -1):
            if end <= len(names) and names[end - 1] == walked[end - 1] and names[:end] == walked[:end]:
                return steps[:end]
        return []

    def _remember(self, path: chunks.Path, steps: list[tuple[int, int]]) -> None:
        self.said = steps[path.said.start : path.said.stop]
        if len(path.said) > 1:
            self.walks[_conversation(path)] = path.names, steps
            if len(self.walks) > WALKS:
                self.walks.popitem(last=False)

    def _chunk(self, path: chunks.Path, at: int, trace: int, said: Callable[[int, Json], None] | None) -> int:
        """The id of a chunk that is not remembered."""
        name, data = path.names[at], path.chunks[at]
        row = self.connection.execute("SELECT id FROM chunk WHERE hash = ?", (name,)).fetchone()
        chunk = int(row[0]) if row else self._new_chunk(name, data, trace)
        self.chunk_ids[name] = chunk
        if row is None and said and at in path.said:
            said(chunk, loads(data))
        return chunk

    def _new_chunk(self, name: bytes, data: bytes, trace: int) -> int:
        row = (name, trace, len(data), squeeze(data))
        return _insert(self.connection, "INSERT INTO chunk (hash, trace, size, data) VALUES (?, ?, ?, ?)", row)

    def _known_node(self, parent: int, chunk: int) -> int | None:
        row = self.connection.execute("SELECT id FROM node WHERE parent = ? AND chunk = ?", (parent, chunk)).fetchone()
        if row is None:
            return None
        self.node_ids[parent, chunk] = int(row[0])
        return int(row[0])

    def _new_node(self, parent: int, chunk: int) -> int:
        made = _insert(self.connection, "INSERT INTO node (parent, chunk) VALUES (?, ?)", (parent, chunk))
        self.node_ids[parent, chunk] = made
        return made


def _conversation(path: chunks.Path) -> tuple[bytes, ...]:
    """What tells the paths of one conversation from those of others."""
    return path.names[path.said.start : path.said.start + 2]


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


def _insert(connection: sqlite3.Connection, statement: str, row: tuple[object, ...]) -> int:
    made = connection.execute(statement, row).lastrowid
    assert made is not None
    return made
