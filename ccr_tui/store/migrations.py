"""How the tables came about: one step for each version of the database.

Owns the SQL of every step. Must never change a step that has been released: people's databases have already taken it.
The one surprise: the number of steps is the version of the schema, so that adding one to `STEPS` is all it takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

FIRST = """
CREATE TABLE project (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);
CREATE TABLE session (
    id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, project_id INTEGER REFERENCES project(id),
    first_at REAL NOT NULL, last_at REAL NOT NULL);
CREATE INDEX session_last ON session(last_at);
CREATE TABLE model (
    id INTEGER PRIMARY KEY, provider TEXT NOT NULL, model TEXT NOT NULL, UNIQUE (provider, model));
CREATE TABLE price (
    id INTEGER PRIMARY KEY, input INTEGER NOT NULL, output INTEGER NOT NULL, cache_read INTEGER, cache_write INTEGER,
    since TEXT NOT NULL, source TEXT NOT NULL, basis TEXT NOT NULL);
CREATE UNIQUE INDEX price_all ON price(
    input, output, ifnull(cache_read, -1), ifnull(cache_write, -1), since, source, basis);
CREATE TABLE run (id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, started_at REAL NOT NULL);

CREATE TABLE chunk (
    id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, trace INTEGER NOT NULL, size INTEGER NOT NULL,
    data BLOB NOT NULL);
CREATE TABLE node (
    id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, chunk INTEGER NOT NULL REFERENCES chunk(id),
    UNIQUE (parent, chunk));
CREATE TABLE body (
    id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, node INTEGER NOT NULL REFERENCES node(id),
    size INTEGER NOT NULL, manifest BLOB NOT NULL);

CREATE TABLE trace (
    n INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL UNIQUE,
    session_id INTEGER REFERENCES session(id), project_id INTEGER REFERENCES project(id), agent_id TEXT,
    origin TEXT NOT NULL, kind TEXT NOT NULL, started_at REAL NOT NULL, duration_ms INTEGER NOT NULL, ttft_ms INTEGER,
    outcome TEXT NOT NULL, status INTEGER NOT NULL, error TEXT, asked_model TEXT NOT NULL,
    mode TEXT, agent TEXT, rule TEXT, chosen TEXT, model_id INTEGER REFERENCES model(id), stop_reason TEXT,
    input_tokens INTEGER NOT NULL, cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL, usage_basis TEXT,
    estimated_input_tokens INTEGER, cost INTEGER, cost_basis TEXT NOT NULL, router_cost INTEGER,
    attempts INTEGER NOT NULL, run_id INTEGER REFERENCES run(id), replay_of TEXT,
    request_id INTEGER REFERENCES body(id), reply_id INTEGER REFERENCES body(id));
CREATE INDEX trace_session ON trace(session_id);
CREATE INDEX trace_subagent ON trace(session_id, agent_id) WHERE agent_id IS NOT NULL;
CREATE INDEX trace_project ON trace(project_id);
CREATE INDEX trace_model ON trace(model_id);
CREATE INDEX trace_agent ON trace(agent);
CREATE INDEX trace_started ON trace(started_at);
CREATE INDEX trace_failed ON trace(outcome) WHERE outcome <> 'ok';
CREATE INDEX trace_run ON trace(run_id) WHERE run_id IS NOT NULL;
CREATE TABLE attempt (
    id INTEGER PRIMARY KEY, trace INTEGER NOT NULL REFERENCES trace(n), n INTEGER NOT NULL, answer INTEGER NOT NULL,
    purpose TEXT NOT NULL, model_id INTEGER NOT NULL REFERENCES model(id), started_at REAL NOT NULL, ttft_ms INTEGER,
    duration_ms INTEGER NOT NULL, status INTEGER, stop_reason TEXT, error TEXT,
    input_tokens INTEGER NOT NULL, cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL, usage_basis TEXT,
    cost INTEGER, cost_basis TEXT NOT NULL, price_id INTEGER REFERENCES price(id),
    sent_id INTEGER REFERENCES body(id));
CREATE INDEX attempt_trace ON attempt(trace);
CREATE TABLE record (trace INTEGER PRIMARY KEY REFERENCES trace(n), data BLOB NOT NULL, raw BLOB);
CREATE TABLE stream (attempt INTEGER PRIMARY KEY REFERENCES attempt(id), data BLOB NOT NULL);

CREATE TABLE spend (
    slot INTEGER NOT NULL, model_id INTEGER NOT NULL, agent TEXT NOT NULL, session_id INTEGER NOT NULL,
    project_id INTEGER NOT NULL, kind TEXT NOT NULL, purpose TEXT NOT NULL, basis TEXT NOT NULL,
    requests INTEGER NOT NULL, errors INTEGER NOT NULL, input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL, cost INTEGER NOT NULL, unpriced INTEGER NOT NULL,
    PRIMARY KEY (slot, model_id, agent, session_id, project_id, kind, purpose, basis)) WITHOUT ROWID;
CREATE INDEX spend_session ON spend(session_id);
CREATE TABLE calibration (
    key TEXT PRIMARY KEY, ratio REAL NOT NULL, n INTEGER NOT NULL, error REAL, at REAL NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE said USING fts5(text, content='', tokenize="unicode61 remove_diacritics 2");

CREATE VIEW traces AS SELECT t.uid AS id, s.uid AS session, p.path AS project, t.agent_id, t.origin, t.kind,
    strftime('%Y-%m-%dT%H:%M:%fZ', t.started_at, 'unixepoch') AS started_at, t.duration_ms, t.ttft_ms, t.outcome,
    t.status, t.error, t.asked_model, t.mode, t.agent, t.rule, m.model, m.provider, t.stop_reason, t.input_tokens,
    t.cache_read_tokens, t.cache_write_tokens, t.output_tokens, t.reasoning_tokens, t.usage_basis,
    t.estimated_input_tokens, t.cost / 1e9 AS cost_usd, t.cost_basis, t.router_cost / 1e9 AS router_cost_usd,
    t.attempts, t.n
    FROM trace t LEFT JOIN session s ON s.id = t.session_id LEFT JOIN project p ON p.id = t.project_id
    LEFT JOIN model m ON m.id = t.model_id;
CREATE VIEW spending AS SELECT strftime('%Y-%m-%dT%H:%MZ', w.slot, 'unixepoch') AS quarter, m.provider, m.model,
    w.agent, s.uid AS session, p.path AS project, w.kind, w.purpose, w.basis, w.requests, w.errors, w.input_tokens,
    w.cache_read_tokens, w.cache_write_tokens, w.output_tokens, w.reasoning_tokens, w.cost / 1e9 AS cost_usd, w.unpriced
    FROM spend w LEFT JOIN session s ON s.id = w.session_id LEFT JOIN project p ON p.id = w.project_id
    LEFT JOIN model m ON m.id = w.model_id
"""

SECOND = """
CREATE TABLE badge (
    n INTEGER PRIMARY KEY, provider TEXT NOT NULL, model TEXT NOT NULL, "check" TEXT NOT NULL, ability TEXT NOT NULL,
    sentence TEXT NOT NULL, ms INTEGER NOT NULL, cost INTEGER, at REAL NOT NULL, UNIQUE (provider, model, "check"))
"""

THIRD = """
ALTER TABLE trace ADD COLUMN cache_saved INTEGER;
ALTER TABLE trace ADD COLUMN cache_lost INTEGER;
ALTER TABLE attempt ADD COLUMN cache_saved INTEGER;
ALTER TABLE attempt ADD COLUMN cache_lost INTEGER;
ALTER TABLE attempt ADD COLUMN switched_tokens INTEGER NOT NULL DEFAULT 0;
CREATE INDEX trace_turn ON trace(session_id, started_at);
DROP VIEW spending;
DROP TABLE spend;
CREATE TABLE spend (
    slot INTEGER NOT NULL, model_id INTEGER NOT NULL, agent TEXT NOT NULL, session_id INTEGER NOT NULL,
    project_id INTEGER NOT NULL, kind TEXT NOT NULL, purpose TEXT NOT NULL, basis TEXT NOT NULL,
    cost_basis TEXT NOT NULL, price_id INTEGER NOT NULL,
    requests INTEGER NOT NULL, errors INTEGER NOT NULL, input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL, cost INTEGER NOT NULL, unpriced INTEGER NOT NULL,
    cache_saved INTEGER NOT NULL, cache_lost INTEGER NOT NULL, switched_tokens INTEGER NOT NULL,
    cache_unknown INTEGER NOT NULL,
    PRIMARY KEY (slot, model_id, agent, session_id, project_id, kind, purpose, basis, cost_basis, price_id))
    WITHOUT ROWID;
CREATE INDEX spend_session ON spend(session_id);
INSERT INTO spend SELECT CAST(t.started_at AS INTEGER) / 900 * 900, a.model_id, ifnull(t.agent, ''),
    ifnull(t.session_id, 0), ifnull(t.project_id, 0), t.kind, a.purpose, ifnull(a.usage_basis, ''),
    CASE WHEN a.cost IS NULL THEN 'unknown' ELSE a.cost_basis END, ifnull(a.price_id, 0),
    sum(a.answer), sum(a.answer AND t.outcome = 'error'), sum(a.input_tokens), sum(a.cache_read_tokens),
    sum(a.cache_write_tokens), sum(a.output_tokens), sum(a.reasoning_tokens), sum(ifnull(a.cost, 0)),
    sum(a.cost IS NULL AND a.usage_basis IS NOT NULL), 0, 0, 0, sum(a.usage_basis IS NOT NULL)
    FROM attempt a JOIN trace t ON t.n = a.trace GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10;
INSERT INTO spend SELECT CAST(t.started_at AS INTEGER) / 900 * 900, ifnull(t.model_id, 0), ifnull(t.agent, ''),
    ifnull(t.session_id, 0), ifnull(t.project_id, 0), t.kind, 'answer', '', 'unknown', 0,
    count(*), sum(t.outcome = 'error'), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    FROM trace t WHERE NOT EXISTS (SELECT 1 FROM attempt a WHERE a.trace = t.n AND a.answer)
    GROUP BY 1, 2, 3, 4, 5, 6
    ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, errors = errors + excluded.errors;
CREATE VIEW spending AS SELECT strftime('%Y-%m-%dT%H:%MZ', w.slot, 'unixepoch') AS quarter, m.provider, m.model,
    w.agent, s.uid AS session, p.path AS project, w.kind, w.purpose, w.basis, w.requests, w.errors, w.input_tokens,
    w.cache_read_tokens, w.cache_write_tokens, w.output_tokens, w.reasoning_tokens, w.cost / 1e9 AS cost_usd,
    w.cost_basis, c.source AS price_from, w.unpriced, w.cache_saved / 1e9 AS cache_saved_usd,
    w.cache_lost / 1e9 AS cache_lost_usd, w.switched_tokens, w.cache_unknown
    FROM spend w LEFT JOIN session s ON s.id = w.session_id LEFT JOIN project p ON p.id = w.project_id
    LEFT JOIN model m ON m.id = w.model_id LEFT JOIN price c ON c.id = w.price_id
"""

LISTS = """
CREATE TABLE mark (trace INTEGER PRIMARY KEY REFERENCES trace(n), marked INTEGER NOT NULL, note TEXT, at REAL NOT NULL);
CREATE TABLE phrase (text TEXT PRIMARY KEY, name TEXT UNIQUE, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE again (
    chunk INTEGER NOT NULL REFERENCES chunk(id), session_id INTEGER NOT NULL,
    trace INTEGER NOT NULL REFERENCES trace(n), PRIMARY KEY (chunk, session_id)) WITHOUT ROWID;
CREATE INDEX again_trace ON again(trace);
CREATE INDEX chunk_trace ON chunk(trace);
ALTER TABLE session ADD COLUMN prompt TEXT;
ALTER TABLE session ADD COLUMN title TEXT;
CREATE INDEX session_project ON session(project_id, last_at);
CREATE INDEX trace_ended ON trace(started_at + duration_ms / 1000.0);
CREATE INDEX trace_cost ON trace(ifnull(cost, -1));
CREATE INDEX trace_duration ON trace(duration_ms);
CREATE INDEX trace_tokens ON trace(input_tokens + cache_read_tokens + cache_write_tokens + output_tokens);
CREATE INDEX trace_cached ON trace(
    ifnull(cache_read_tokens * 1.0 / nullif(input_tokens + cache_read_tokens + cache_write_tokens, 0), -1))
"""


TRANSFER = """
ALTER TABLE price ADD COLUMN cache_write_1h INTEGER;
DROP INDEX price_all;
CREATE UNIQUE INDEX price_all ON price(
    input, output, ifnull(cache_read, -1), ifnull(cache_write, -1), ifnull(cache_write_1h, -1), since, source, basis);
CREATE TABLE transcript (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, read_to INTEGER NOT NULL, at REAL NOT NULL)
    WITHOUT ROWID;
CREATE TABLE taken (message TEXT NOT NULL, request TEXT NOT NULL, side INTEGER NOT NULL, PRIMARY KEY (message, request))
    WITHOUT ROWID
"""

REPLAYS = """
ALTER TABLE run ADD COLUMN kind TEXT;
ALTER TABLE run ADD COLUMN session TEXT;
ALTER TABLE run ADD COLUMN title TEXT;
ALTER TABLE run ADD COLUMN source TEXT;
ALTER TABLE run ADD COLUMN finished INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN spent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN asked BLOB;
ALTER TABLE run ADD COLUMN found BLOB;
CREATE TABLE run_step (
    run_id INTEGER NOT NULL REFERENCES run(id), variant TEXT NOT NULL, step TEXT NOT NULL, n INTEGER NOT NULL,
    state TEXT NOT NULL, cost INTEGER, at REAL NOT NULL, data BLOB, PRIMARY KEY (run_id, variant, step)) WITHOUT ROWID
"""

KEEPING = """
ALTER TABLE session ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
CREATE TABLE pruned (
    slot INTEGER NOT NULL, model_id INTEGER NOT NULL, agent TEXT NOT NULL, session_id INTEGER NOT NULL,
    project_id INTEGER NOT NULL, kind TEXT NOT NULL, purpose TEXT NOT NULL, basis TEXT NOT NULL,
    cost_basis TEXT NOT NULL, price_id INTEGER NOT NULL,
    requests INTEGER NOT NULL, errors INTEGER NOT NULL, input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL, cost INTEGER NOT NULL, unpriced INTEGER NOT NULL,
    cache_saved INTEGER NOT NULL, cache_lost INTEGER NOT NULL, switched_tokens INTEGER NOT NULL,
    cache_unknown INTEGER NOT NULL,
    PRIMARY KEY (slot, model_id, agent, session_id, project_id, kind, purpose, basis, cost_basis, price_id))
    WITHOUT ROWID;
CREATE TABLE gone (id INTEGER PRIMARY KEY);
CREATE INDEX trace_request ON trace(request_id) WHERE request_id IS NOT NULL;
CREATE INDEX trace_reply ON trace(reply_id) WHERE reply_id IS NOT NULL;
CREATE INDEX attempt_sent ON attempt(sent_id) WHERE sent_id IS NOT NULL;
CREATE INDEX body_node ON body(node);
CREATE INDEX node_chunk ON node(chunk)
"""


def first(db: Database) -> None:
    """The tables of 0.1."""
    for statement in FIRST.split(";\n"):
        db.execute(statement)


def second(db: Database) -> None:
    """What models can do, as tests of them have shown."""
    db.execute(SECOND)


def third(db: Database) -> None:
    """What the cache saved and what switching models lost; the sums tell prices apart. Sums are made anew."""
    for statement in THIRD.split(";\n"):
        db.execute(statement)


def lists(db: Database) -> None:
    """Bookmarks, notes, kept filters, titles of sessions, who else said what, and the orders of the lists."""
    from ccr_tui.store import mentions, titles

    for statement in LISTS.split(";\n"):
        db.execute(statement)
    mentions.fill(db.conn)
    titles.fill(db.conn)


def transfer(db: Database) -> None:
    """How far transcripts were read, which answers were taken from elsewhere, and a price of caching for an hour."""
    for statement in TRANSFER.split(";\n"):
        db.execute(statement)


def replays(db: Database) -> None:
    """What was replayed, how far it came, and what came of each step in each variant."""
    for statement in REPLAYS.split(";\n"):
        db.execute(statement)


def keeping(db: Database) -> None:
    """Sessions to keep, the sums of requests that were removed, whose they were, and who uses what."""
    for statement in KEEPING.split(";\n"):
        db.execute(statement)


ROUTE_LABELS = """
CREATE TABLE route_label (trace TEXT PRIMARY KEY, agent TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID
"""


def route_labels(db: Database) -> None:
    """Who should have worked on a request, as a person says; by the trace's uid."""
    db.execute(ROUTE_LABELS)


TOTAL_KEYS = ("slot", "model_id", "agent", "kind", "purpose", "basis", "cost_basis", "price_id")
TOTAL_SUMS = (
    "requests", "errors", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens",
    "reasoning_tokens", "cost", "unpriced", "cache_saved", "cache_lost", "switched_tokens", "cache_unknown",
)  # fmt: skip
TOTALS = f"""
CREATE TABLE spend_total (
    slot INTEGER NOT NULL, model_id INTEGER NOT NULL, agent TEXT NOT NULL, kind TEXT NOT NULL, purpose TEXT NOT NULL,
    basis TEXT NOT NULL, cost_basis TEXT NOT NULL, price_id INTEGER NOT NULL,
    {", ".join(f"{name} INTEGER NOT NULL" for name in TOTAL_SUMS)},
    PRIMARY KEY ({", ".join(TOTAL_KEYS)})) WITHOUT ROWID;
INSERT INTO spend_total SELECT {", ".join(TOTAL_KEYS)}, {", ".join(f"sum({name})" for name in TOTAL_SUMS)}
    FROM spend GROUP BY {", ".join(TOTAL_KEYS)};
"""


def totals(db: Database) -> None:
    """The sums once more, without session and project: a twentieth of the rows for all questions but those two."""
    for statement in filter(str.strip, TOTALS.split(";\n")):
        db.execute(statement)
    for change in CHANGES:
        db.execute(_total_trigger(*change, TOTAL_SUMS))


CHANGES = (("INSERT", "new", "new.{0}"), ("UPDATE", "new", "new.{0} - old.{0}"), ("DELETE", "old", "-old.{0}"))


def _total_trigger(event: str, row: str, change: str, sums: tuple[str, ...]) -> str:
    """Adds the difference that a change of `spend` makes; whoever changes it need not know."""
    values = [*(f"{row}.{name}" for name in TOTAL_KEYS), *(change.format(name) for name in sums)]
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in sums)
    insert = f"INSERT INTO spend_total VALUES ({', '.join(values)}) ON CONFLICT DO UPDATE SET {added}"
    return f"CREATE TRIGGER spend_{event.lower()} AFTER {event} ON spend BEGIN {insert}; END"


def held(db: Database) -> None:
    """What a rerun has set aside for calls whose end it has not written down, which a kill may leave billed. NULL: it
    was begun before this was kept."""
    db.execute("ALTER TABLE run_step ADD COLUMN held INTEGER")


AFTERWARDS = """
ALTER TABLE attempt ADD COLUMN cache_write_1h_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE spend ADD COLUMN cache_write_1h_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pruned ADD COLUMN cache_write_1h_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE spend_total ADD COLUMN cache_write_1h_tokens INTEGER NOT NULL DEFAULT 0;
DROP TRIGGER spend_insert;
DROP TRIGGER spend_update;
DROP TRIGGER spend_delete;
CREATE TABLE afterwards (name TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO afterwards SELECT 'economy', max(n) FROM trace HAVING max(n) IS NOT NULL
"""


def afterwards(db: Database) -> None:
    """How much of what was written to a cache is kept for an hour; and what the writer is to work out of older
    requests while it has nothing else to do (see afterwards.py)."""
    for statement in AFTERWARDS.split(";\n"):
        db.execute(statement)
    for change in CHANGES:
        db.execute(_total_trigger(*change, (*TOTAL_SUMS, "cache_write_1h_tokens")))


def holders(db: Database) -> None:
    """Which trace holds an answer that came from elsewhere; NULL where an older version took it in."""
    db.execute("ALTER TABLE taken ADD COLUMN uid TEXT")


def dictionaries(db: Database) -> None:
    """Nothing in the tables: from here on what is stored may be packed with a dictionary (see idiom.py), which older
    versions of this program do not have."""


PAID = """
CREATE TABLE paid (at REAL NOT NULL, what TEXT NOT NULL, model TEXT NOT NULL, requests INTEGER NOT NULL,
    cost INTEGER NOT NULL, unpriced INTEGER NOT NULL)
"""


def paid(db: Database) -> None:
    """What tests of models, and routers that a command asked, have cost."""
    db.execute(PAID)


STEPS: tuple[Callable[[Database], None], ...] = (
    first,
    second,
    third,
    lists,
    transfer,
    replays,
    keeping,
    route_labels,
    totals,
    held,
    afterwards,
    holders,
    dictionaries,
    paid,
)
