"""What a list is narrowed to, as SQL.

Owns `Filter` and its conditions. Must never put a value into SQL text. The one surprise: names are looked up first
(they are few) and their ids compared, so that the big table is searched by its indexes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args

from ccr_tui.filtering import Term
from ccr_tui.records import Kind
from ccr_tui.slim import dataclass
from ccr_tui.store import patterns, said
from ccr_tui.store.codec import utf8

BEYOND = "\U0010ffff"
"""Comes after every character of a name that begins with something."""
LOOSE = "asked_model LIKE ? OR t.agent LIKE ? OR t.error LIKE ? OR t.chosen LIKE ?"
SAID = """
t.n IN (SELECT c.trace FROM chunk c WHERE c.id IN (SELECT rowid FROM said WHERE said MATCH ?)
    UNION ALL SELECT a.trace FROM again a WHERE a.chunk IN (SELECT rowid FROM said WHERE said MATCH ?))
"""
EACH = """
EXISTS (SELECT 1 FROM chunk c WHERE c.trace = t.n AND EXISTS (SELECT 1 FROM said WHERE said MATCH ? AND rowid = c.id))
OR EXISTS (SELECT 1 FROM again a WHERE a.trace = t.n
    AND EXISTS (SELECT 1 FROM said WHERE said MATCH ? AND rowid = a.chunk))
"""
"""The same, asked of one request after the other: for a page of it where the words are common."""
MATCHED = f"""
t.n IN (SELECT c.trace FROM chunk c
    WHERE c.id IN (SELECT rowid FROM said WHERE said MATCH ?) AND {patterns.OF_SOME}
    UNION ALL SELECT a.trace FROM again a JOIN chunk c ON c.id = a.chunk
    WHERE a.chunk IN (SELECT rowid FROM said WHERE said MATCH ?) AND {patterns.OF_SOME})
"""
"""Texts with the words that an expression needs, and which it matches."""
MATCHING = """
EXISTS (SELECT 1 FROM chunk c WHERE c.trace = t.n AND {has} AND {each})
OR EXISTS (
    SELECT 1 FROM again a JOIN chunk c ON c.id = a.chunk WHERE a.trace = t.n AND {has} AND {each})
"""
"""The same, asked of one request after the other."""
HAS = "EXISTS (SELECT 1 FROM said WHERE said MATCH ? AND rowid = c.id)"
INDEXED = "EXISTS (SELECT 1 FROM said_docsize d WHERE d.id = c.id)"
ENOUGH = 1000
COMMON = 20_000
"""Hits from which on words are common."""
MANY = "SELECT count(*) FROM (SELECT 1 FROM said WHERE said MATCH ? LIMIT ?)"
INLINE = 900
"""Ids that are put into a condition one by one; where there are more, SQLite looks them up."""

PARTLY = "ifnull(t.{0}, (SELECT sum(a.{0}) FROM attempt a WHERE a.trace = t.n))"
"""A request's sum; where a part of it is not known, that of the others, as the sums over many requests have it."""
SENT = "(t.input_tokens + t.cache_read_tokens + t.cache_write_tokens)"
NUMBERS = {
    "cost": "t.cost",
    "router": "t.router_cost",
    "saved": PARTLY.format("cache_saved"),
    "lost": PARTLY.format("cache_lost"),
    "tokens": "(t.input_tokens + t.cache_read_tokens + t.cache_write_tokens + t.output_tokens)",
    "in": SENT,
    "out": "t.output_tokens",
    "reasoning": "t.reasoning_tokens",
    "cached": f"(CASE WHEN t.usage_basis <> 'estimated' THEN t.cache_read_tokens * 100.0 / nullif({SENT}, 0) END)",
    "ttft": "t.ttft_ms",
    "dur": "t.duration_ms",
    "tries": "t.attempts",
    "status": "t.status",
}
COLUMNS = {
    "subagent": "t.agent_id",
    "kind": "t.kind",
    "rule": "t.rule",
    "mode": "t.mode",
    "stop": "t.stop_reason",
    "origin": "t.origin",
    "id": "t.uid",
}
FLAGS = {
    "ok": "t.outcome = 'ok'",
    "error": "t.outcome <> 'ok' AND t.outcome = 'error'",
    "cancelled": "t.outcome <> 'ok' AND t.outcome = 'cancelled'",
    "marked": "t.n IN (SELECT trace FROM mark WHERE marked)",
    "noted": "t.n IN (SELECT trace FROM mark WHERE note IS NOT NULL)",
    "unpriced": "t.cost IS NULL AND t.usage_basis IS NOT NULL",
    "unknown": "t.usage_basis IS NOT NULL AND (t.cost IS NULL OR t.cache_saved IS NULL OR t.cache_lost IS NULL)",
}
"""What failed is also said as "not ok", because its index only serves a condition that says so in words."""

Condition = tuple[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Filter:
    """All that is given must hold."""

    session: str | None = None
    """An id, or how it begins."""
    since: float | None = None
    """Seconds since the epoch."""
    agent: str | None = None
    """An agent's name, or a kind of request, which stands for the default agent's requests of that kind."""
    model: str | None = None
    """The provider's id of it, or our name."""
    outcome: str | None = None
    project: str | None = None
    """A path, or its last part."""
    text: str | None = None
    """Words of what was said first in that request, or a part of the model's name, the agent's, the project's or the
    error."""
    terms: tuple[Term, ...] = ()
    """What was typed as a filter (see `filtering.parse`)."""

    def where(self, db: sqlite3.Connection, each: bool = False) -> tuple[str, list[Any]]:
        """A condition on `trace t`, and its values; `each` where not all requests that pass will be asked for."""
        conditions: list[str] = []
        values: list[Any] = []
        for condition, given in self._conditions(db, each):
            conditions.append(f"({condition})")
            values.extend(given)
        return " AND ".join(conditions) or "1", values

    def _conditions(self, db: sqlite3.Connection, each: bool) -> Iterator[Condition]:
        for given, condition in ((self.session, _session), (self.project, _project), (self.model, _model)):
            if given is not None:
                yield condition(db, given)
        if self.agent is not None:
            yield _agent(db, self.agent)
        if self.outcome is not None:
            yield _outcome(self.outcome)
        if self.since is not None:
            yield _since(db, self.since)
        if self.text:
            yield _words(db, self.text, each)
        for term in self.terms:
            yield of_term(db, term, each)


def of_term(db: sqlite3.Connection, term: Term, each: bool = False) -> Condition:
    """One term as a condition; inverted it holds wherever it does not, so also where nothing is known."""
    if term.key in FLAGS:
        made: Condition = FLAGS[term.key], ()
    elif term.op == "~":
        made = _either([_matching(db, str(value), each) for value in term.values])
    elif term.key in ("text", "words"):
        said_in = _text if term.key == "text" else _words
        made = _either([said_in(db, str(value), each) for value in term.values])
    elif term.op != ":":
        made = _either([(f"{NUMBERS[term.key]} {term.op} ?", [value]) for value in term.values])
    else:
        one = SPECIAL.get(term.key) or (lambda _, value: _like(COLUMNS[term.key], value))
        made = _either([one(db, value) for value in term.values])
    return (f"({made[0]}) IS NOT TRUE", made[1]) if term.inverted else made


def _either(conditions: Sequence[Condition]) -> Condition:
    return " OR ".join(f"({sql})" for sql, _ in conditions) or "0", [
        value for _, values in conditions for value in values
    ]


def _session(db: sqlite3.Connection, name: str) -> Condition:
    if "*" in name:
        return _among("t.session_id", db, "SELECT id FROM session WHERE uid LIKE ? ESCAPE '!'", _glob(name))
    return _among("t.session_id", db, "SELECT id FROM session WHERE uid >= ? AND uid < ?", name, name + BEYOND)


def _project(db: sqlite3.Connection, name: str) -> Condition:
    whole, end = _glob(name), f"%/{_glob(name)}"
    path = "path LIKE ? ESCAPE '!' OR path LIKE ? ESCAPE '!'"
    return _among("t.project_id", db, f"SELECT id FROM project WHERE {path}", whole, end)


def _model(db: sqlite3.Connection, name: str) -> Condition:
    forms = _in_full(name)
    like = " OR ".join(["model LIKE ? ESCAPE '!'"] * len(forms))
    answered, ids = _among("t.model_id", db, f"SELECT id FROM model WHERE {like}", *forms)
    return f"{answered} OR t.chosen LIKE ? ESCAPE '!'", [*ids, forms[0]]


def _asked(_: sqlite3.Connection, name: str) -> Condition:
    forms = _in_full(name)
    return " OR ".join(["t.asked_model LIKE ? ESCAPE '!'"] * len(forms)), forms


def _in_full(name: str) -> list[str]:
    """Patterns of a model's names: as they are, and as those that lists show short: without claude-, a date, a
    context's length and what stands before a slash."""
    short = _glob(name)
    begun = [short] if name.startswith("claude-") else [short, f"claude-{short}"]
    return [*(one + end for end in ("", *DATED) for one in begun), f"%/{short}"]


DATED = ("-20______", "-20__-__-__", "-latest", "[1m]")
"""What ends an id and is not shown."""


def _provider(db: sqlite3.Connection, name: str) -> Condition:
    return _among("t.model_id", db, "SELECT id FROM model WHERE provider LIKE ? ESCAPE '!'", _glob(name))


def _agent(_: sqlite3.Connection, agent: str) -> Condition:
    if agent not in get_args(Kind):
        return _like("t.agent", agent)
    return "t.agent = ? OR t.kind = ? AND ifnull(t.agent, '') IN ('', 'default')", [agent, agent]


def _id(_: sqlite3.Connection, id: str) -> Condition:
    return _like("t.uid", id) if "*" in id else ("t.uid >= ? AND t.uid < ?", [utf8(id), utf8(id) + BEYOND])


def _status(_: sqlite3.Connection, status: str) -> Condition:
    return "CAST(t.status AS TEXT) LIKE ?", [status.lower().replace("*", "%").replace("x", "_")]


def _note(_: sqlite3.Connection, words: str) -> Condition:
    return "t.n IN (SELECT trace FROM mark WHERE note LIKE ? ESCAPE '!')", [f"%{_glob(words)}%"]


def _outcome(outcome: str) -> Condition:
    return (FLAGS[outcome], ()) if outcome in ("ok", "error", "cancelled") else ("t.outcome = ?", [utf8(outcome)])


def _since(db: sqlite3.Connection, since: float) -> Condition:
    """By the moment of its end too: an index has that, and who began since then ended since then."""
    return "t.started_at >= ? AND t.started_at + t.duration_ms / 1000.0 >= ?", [since, since]


def _until(_: sqlite3.Connection, until: float) -> Condition:
    return "t.started_at < ?", [until]


def _text(db: sqlite3.Connection, text: str, each: bool) -> Condition:
    """Words that are common as they stand are not looked for as beginnings of others."""
    words = said.whole(text)
    if not words:
        return "0", ()
    hits = db.execute(MANY, (words, COMMON)).fetchone()[0]
    if hits < ENOUGH and said.is_unfinished(text):
        words = said.query(text)
    return EACH if each and hits == COMMON else SAID, [words, words]


def _matching(db: sqlite3.Connection, pattern: str, each: bool) -> Condition:
    """Looked for in one text after the other, but only in those that have the words which it needs."""
    patterns.ready(db)
    words = patterns.words(pattern)
    if not words:
        return MATCHING.format(has=INDEXED, each=patterns.OF_EACH), [pattern, pattern]
    if each and db.execute(MANY, (words, COMMON)).fetchone()[0] == COMMON:
        return MATCHING.format(has=HAS, each=patterns.OF_EACH), [words, pattern, words, pattern]
    return MATCHED, [words, pattern, words, pattern]


def _words(db: sqlite3.Connection, text: str, each: bool) -> Condition:
    """Said in it, or a part of a name or of the error."""
    part, loose = f"%{_literally(text.replace(chr(34), ''))}%", LOOSE.replace("?", "? ESCAPE '!'")
    model = _among("t.model_id", db, "SELECT id FROM model WHERE model LIKE ? ESCAPE '!'", part)
    project = _among("t.project_id", db, "SELECT id FROM project WHERE path LIKE ? ESCAPE '!'", part)
    return _either([(loose, [part] * 4), model, project, _text(db, text, each)])


SPECIAL: dict[str, Callable[[sqlite3.Connection, Any], Condition]] = {
    "session": _session,
    "project": _project,
    "model": _model,
    "asked": _asked,
    "provider": _provider,
    "agent": _agent,
    "id": _id,
    "status": _status,
    "outcome": lambda _, outcome: _outcome(outcome),
    "note": _note,
    "since": _since,
    "until": _until,
}
"""Keys that are more than one column."""


def _like(column: str, name: str) -> Condition:
    """Literal where it can be, so that an index serves it."""
    return (f"{column} LIKE ? ESCAPE '!'", [_glob(name)]) if "*" in name else (f"{column} = ?", [utf8(name)])


def _among(column: str, db: sqlite3.Connection, wanted: str, *values: str) -> Condition:
    given = [utf8(value) for value in values]
    ids = [row[0] for row in db.execute(f"{wanted} LIMIT {INLINE + 1}", given)]
    if len(ids) > INLINE:
        return f"{column} IN ({wanted})", given
    return f"{column} IN ({', '.join('?' * len(ids))})", ids


def _glob(text: str) -> str:
    """`*` stands for anything; everything else for itself."""
    return _literally(text).replace("*", "%")


def _literally(text: str) -> str:
    for special in "!%_":
        text = text.replace(special, f"!{special}")
    return utf8(text)
