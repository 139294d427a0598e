"""The requests of many traces as paths of chunks, each node and chunk read once.

Owns the reading of a whole session without putting one of its bodies together. Must never parse a chunk that nobody
asks for. The one surprise: 2,000 requests of 400 KB are 800 MB of bodies and some ten thousand nodes, so everything
that is worked out of a session should be worked out along the nodes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field

from ccr_tui import chunks
from ccr_tui.errors import StoreError
from ccr_tui.records import Json, Price, Usage
from ccr_tui.slim import dataclass
from ccr_tui.store.codec import BROKEN, spread, unpack
from ccr_tui.wire import dumps, loads

BODIES = """
SELECT t.n, q.node, q.manifest, a.node FROM trace t JOIN body q ON q.id = t.request_id
LEFT JOIN body a ON a.id = t.reply_id WHERE t.n IN (SELECT value FROM json_each(?)) ORDER BY t.n
"""
TRANSLATED = """
SELECT a.trace, b.node, b.manifest FROM attempt a JOIN body b ON b.id = a.sent_id
WHERE a.answer AND a.trace IN (SELECT value FROM json_each(?)) ORDER BY a.id
"""
NODES = """
WITH RECURSIVE used(id) AS (
    SELECT value FROM json_each(?)
    UNION SELECT node.parent FROM used JOIN node ON node.id = used.id WHERE node.parent <> 0)
SELECT node.id, node.parent, node.chunk FROM used JOIN node ON node.id = used.id
"""
ASIDE = """
SELECT a.trace, a.purpose, m.provider, m.model, a.input_tokens, a.output_tokens, a.cache_read_tokens,
    a.cache_write_tokens, a.reasoning_tokens, a.usage_basis, a.cost, a.answer, p.input, p.output, p.cache_read,
    p.cache_write, p.since, p.source, p.basis
FROM attempt a JOIN model m ON m.id = a.model_id LEFT JOIN price p ON p.id = a.price_id
WHERE a.trace IN (SELECT value FROM json_each(?)) ORDER BY a.id
"""
REPORTED = """
SELECT t.n, t.session_id, a.input_tokens + a.cache_read_tokens + a.cache_write_tokens, a.output_tokens,
    a.reasoning_tokens FROM attempt a JOIN trace t ON t.n = a.trace
WHERE a.model_id = (SELECT id FROM model WHERE provider = ? AND model = ?) AND a.answer
    AND a.usage_basis = 'reported' AND t.origin <> 'imported' AND t.outcome = 'ok' ORDER BY a.id DESC LIMIT ?
"""
DATA = "SELECT id, data FROM chunk WHERE id IN (SELECT value FROM json_each(?))"
AT_ONCE = 500
"""Chunks that are read at once."""
CURE = "`ccr-tui traces verify` tells what is damaged."
KEPT = 64 * 1024 * 1024
"""Bytes of JSON whose parsed chunks are kept at once."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request's body as a path."""

    n: int
    """The trace's number."""
    node: int
    """Its last node: that of the frame."""
    manifest: bytes
    reply: int | None
    """The chunk of its answer, as a message; None without one."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call to a provider that a recorded request made."""

    purpose: str
    provider: str
    model: str
    usage: Usage | None
    cost: int | None
    answers: bool
    """Whether its reply is the request's."""
    price: Price | None = None
    """What it was billed at."""


@dataclass(frozen=True, slots=True)
class Reported:
    """What a provider reported of a request."""

    n: int
    """The trace's number."""
    session: int | None
    """Equal for requests of one session."""
    prompt: int
    output: int
    reasoning: int


@dataclass(slots=True)
class Paths:
    """What was sent, by the trace's number; `nodes` is parent and chunk of each node that any of them passes."""

    sent: Mapping[int, Sent]
    nodes: Mapping[int, tuple[int, int]]
    calls: Mapping[int, tuple[Call, ...]]
    chunks: Chunks
    headers: Callable[[int], Mapping[str, str]]
    """The recorded headers of a request, by the trace's number. Raises StoreError."""
    translated: Mapping[int, tuple[int, bytes]] = field(default_factory=dict)
    """Last node and manifest of what was sent to the model that answered, as far as recorded; only if asked for."""

    _last: list[int] = field(default_factory=list)
    """The nodes of the body that was put together last: the next one begins like it."""
    _values: list[Json] = field(default_factory=list)
    """Their chunks."""
    _at: dict[int, int] = field(default_factory=dict)
    """Their places."""

    def body(self, n: int) -> Json:
        """The whole body; its parts are shared with other bodies, so change none. Raises StoreError.

        One that goes on where the last one ended costs what it adds.
        """
        sent = self.sent[n]
        node, fresh = sent.node, []
        while node and node not in self._at:
            fresh.append(node)
            node = self.nodes[node][0]
        self._cut(self._at[node] + 1 if node else 0)
        for each in reversed(fresh):
            self._at[each] = len(self._last)
            self._last.append(each)
            self._values.append(self.chunks.get(self.nodes[each][1]))
        return chunks.assemble(self._values, sent.manifest)

    def _cut(self, size: int) -> None:
        for node in self._last[size:]:
            del self._at[node]
        del self._last[size:], self._values[size:]


@dataclass(slots=True)
class Chunks:
    """Parsed chunks, by their numbers; those of late are kept."""

    read: Callable[[list[int]], list[tuple[int, bytes]]]
    """Number and stored bytes of each of these chunks."""
    held: int = 0
    parsed: dict[int, Json] = field(default_factory=dict)

    def get(self, chunk: int) -> Json:
        """One chunk. Raises StoreError where it is missing or damaged."""
        known = self.parsed.get(chunk)
        return next(iter(self.each([chunk])))[1] if known is None else known

    def each(self, wanted: Iterable[int]) -> Iterator[tuple[int, Json]]:
        """Each of these chunks once, in no order. Raises StoreError where one is missing or damaged."""
        numbers = list(dict.fromkeys(wanted))
        for start in range(0, len(numbers), AT_ONCE):
            some = numbers[start : start + AT_ONCE]
            rows = self.read(some)
            if len(rows) < len(some):
                raise StoreError(f"{len(some) - len(rows)} chunks are missing; {CURE}")
            for chunk, data in rows:
                yield chunk, self._keep(chunk, data)

    def _keep(self, chunk: int, data: bytes) -> Json:
        if chunk not in self.parsed:
            if self.held > KEPT:
                self.parsed, self.held = {}, 0
            try:
                plain = spread(data)
                self.parsed[chunk] = loads(plain)
            except BROKEN as error:
                raise StoreError(f"chunk {chunk} can't be read ({error}); {CURE}") from error
            self.held += len(plain)
        return self.parsed[chunk]


def load(
    connection: sqlite3.Connection,
    numbers: Iterable[int],
    read: Callable[[list[int]], list[tuple[int, bytes]]],
    headers: Callable[[int], Mapping[str, str]],
    translated: bool = False,
) -> Paths:
    """The paths of these traces; one whose body is no JSON is left out. The two callables read what is asked for.

    With `translated`, those of what was sent on too.
    """
    wanted = list(numbers)
    rows = connection.execute(BODIES, (_json(wanted),)).fetchall()
    onward = connection.execute(TRANSLATED, (_json(wanted),)).fetchall() if translated else []
    starts = [node for row in rows for node in (row[1], row[3]) if node is not None]
    starts += [node for _, node, _ in onward]
    nodes = {id: (parent, chunk) for id, parent, chunk in connection.execute(NODES, (_json(starts),))}
    sent = {n: Sent(n, node, manifest, _first(nodes, answer)) for n, node, manifest, answer in rows}
    there = {n: (node, manifest) for n, node, manifest in onward}
    return Paths(sent, nodes, _calls(connection, wanted), Chunks(read), headers, there)


def keys(manifest: bytes) -> list[tuple[str, bool]]:
    """For each chunk of a body but its frame: the key that it belongs to, and whether it is one of a list."""
    parts = (*loads(manifest), [])[0]
    return [(key, count is not None) for key, count in parts for _ in range(1 if count is None else count)]


def reported(connection: sqlite3.Connection, provider: str, model: str, limit: int) -> list[Reported]:
    """The latest requests that a model answered and whose tokens it reported, oldest first."""
    rows = connection.execute(REPORTED, (provider, model, limit)).fetchall()
    return [Reported(*row) for row in reversed(rows)]


def _first(nodes: Mapping[int, tuple[int, int]], node: int | None) -> int | None:
    """The first chunk of a path of two or more: the message of an answer; its frame stands last."""
    if node is None or not nodes[node][0]:
        return None
    while nodes[node][0]:
        node = nodes[node][0]
    return nodes[node][1]


def _calls(connection: sqlite3.Connection, numbers: list[int]) -> dict[int, tuple[Call, ...]]:
    found: dict[int, list[Call]] = {}
    for row in connection.execute(ASIDE, (_json(numbers),)):
        n, purpose, provider, model, fresh, output, read, write, reasoning, basis, cost, answer = row[:12]
        usage = Usage(fresh, output, read, write, reasoning, basis) if basis else None
        price = None if row[12] is None else Price(*row[12:])
        found.setdefault(n, []).append(Call(purpose, provider, model, usage, cost, bool(answer), price))
    return {n: tuple(calls) for n, calls in found.items()}


def data(connection: sqlite3.Connection, numbers: list[int]) -> list[tuple[int, bytes]]:
    """Number and stored bytes of each of these chunks."""
    return connection.execute(DATA, (_json(numbers),)).fetchall()


def headers(connection: sqlite3.Connection, n: int) -> Mapping[str, str]:
    """What a trace kept of its request's headers."""
    row = connection.execute("SELECT data FROM record WHERE trace = ?", (n,)).fetchone()
    try:
        return dict(unpack(row[0])["headers"])
    except BROKEN as error:
        raise StoreError(f"the record of request {n} can't be read ({error}); {CURE}") from error


def _json(numbers: list[int]) -> str:
    return dumps(numbers).decode()
