PRAGMA user_version = 14;

PRAGMA application_id = 1667461748;

CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);

CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");

CREATE TABLE project (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);

CREATE TABLE session (
    id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, project_id INTEGER REFERENCES project(id),
    first_at REAL NOT NULL, last_at REAL NOT NULL, prompt TEXT, title TEXT, pinned INTEGER NOT NULL DEFAULT 0);

CREATE INDEX session_last ON session(last_at);

CREATE TABLE model (
    id INTEGER PRIMARY KEY, provider TEXT NOT NULL, model TEXT NOT NULL, UNIQUE (provider, model));

CREATE TABLE price (
    id INTEGER PRIMARY KEY, input INTEGER NOT NULL, output INTEGER NOT NULL, cache_read INTEGER, cache_write INTEGER,
    since TEXT NOT NULL, source TEXT NOT NULL, basis TEXT NOT NULL, cache_write_1h INTEGER);

CREATE TABLE run (id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, started_at REAL NOT NULL, kind TEXT, session TEXT, title TEXT, source TEXT, finished INTEGER NOT NULL DEFAULT 0, spent INTEGER NOT NULL DEFAULT 0, asked BLOB, found BLOB);

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
    request_id INTEGER REFERENCES body(id), reply_id INTEGER REFERENCES body(id), cache_saved INTEGER, cache_lost INTEGER);

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
    sent_id INTEGER REFERENCES body(id), cache_saved INTEGER, cache_lost INTEGER, switched_tokens INTEGER NOT NULL DEFAULT 0, cache_write_1h_tokens INTEGER NOT NULL DEFAULT 0);

CREATE INDEX attempt_trace ON attempt(trace);

CREATE TABLE record (trace INTEGER PRIMARY KEY REFERENCES trace(n), data BLOB NOT NULL, raw BLOB);

CREATE TABLE stream (attempt INTEGER PRIMARY KEY REFERENCES attempt(id), data BLOB NOT NULL);

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

CREATE TABLE badge (
    n INTEGER PRIMARY KEY, provider TEXT NOT NULL, model TEXT NOT NULL, "check" TEXT NOT NULL, ability TEXT NOT NULL,
    sentence TEXT NOT NULL, ms INTEGER NOT NULL, cost INTEGER, at REAL NOT NULL, UNIQUE (provider, model, "check"));

CREATE INDEX trace_turn ON trace(session_id, started_at);

CREATE TABLE spend (
    slot INTEGER NOT NULL, model_id INTEGER NOT NULL, agent TEXT NOT NULL, session_id INTEGER NOT NULL,
    project_id INTEGER NOT NULL, kind TEXT NOT NULL, purpose TEXT NOT NULL, basis TEXT NOT NULL,
    cost_basis TEXT NOT NULL, price_id INTEGER NOT NULL,
    requests INTEGER NOT NULL, errors INTEGER NOT NULL, input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL, cost INTEGER NOT NULL, unpriced INTEGER NOT NULL,
    cache_saved INTEGER NOT NULL, cache_lost INTEGER NOT NULL, switched_tokens INTEGER NOT NULL,
    cache_unknown INTEGER NOT NULL, cache_write_1h_tokens INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (slot, model_id, agent, session_id, project_id, kind, purpose, basis, cost_basis, price_id))
    WITHOUT ROWID;

CREATE INDEX spend_session ON spend(session_id);

CREATE VIEW spending AS SELECT strftime('%Y-%m-%dT%H:%MZ', w.slot, 'unixepoch') AS quarter, m.provider, m.model,
    w.agent, s.uid AS session, p.path AS project, w.kind, w.purpose, w.basis, w.requests, w.errors, w.input_tokens,
    w.cache_read_tokens, w.cache_write_tokens, w.output_tokens, w.reasoning_tokens, w.cost / 1e9 AS cost_usd,
    w.cost_basis, c.source AS price_from, w.unpriced, w.cache_saved / 1e9 AS cache_saved_usd,
    w.cache_lost / 1e9 AS cache_lost_usd, w.switched_tokens, w.cache_unknown
    FROM spend w LEFT JOIN session s ON s.id = w.session_id LEFT JOIN project p ON p.id = w.project_id
    LEFT JOIN model m ON m.id = w.model_id LEFT JOIN price c ON c.id = w.price_id;

CREATE TABLE mark (trace INTEGER PRIMARY KEY REFERENCES trace(n), marked INTEGER NOT NULL, note TEXT, at REAL NOT NULL);

CREATE TABLE phrase (text TEXT PRIMARY KEY, name TEXT UNIQUE, at REAL NOT NULL) WITHOUT ROWID;

CREATE TABLE again (
    chunk INTEGER NOT NULL REFERENCES chunk(id), session_id INTEGER NOT NULL,
    trace INTEGER NOT NULL REFERENCES trace(n), PRIMARY KEY (chunk, session_id)) WITHOUT ROWID;

CREATE INDEX again_trace ON again(trace);

CREATE INDEX chunk_trace ON chunk(trace);

CREATE INDEX session_project ON session(project_id, last_at);

CREATE INDEX trace_ended ON trace(started_at + duration_ms / 1000.0);

CREATE INDEX trace_cost ON trace(ifnull(cost, -1));

CREATE INDEX trace_duration ON trace(duration_ms);

CREATE INDEX trace_tokens ON trace(input_tokens + cache_read_tokens + cache_write_tokens + output_tokens);

CREATE INDEX trace_cached ON trace(
    ifnull(cache_read_tokens * 1.0 / nullif(input_tokens + cache_read_tokens + cache_write_tokens, 0), -1))
;

CREATE UNIQUE INDEX price_all ON price(
    input, output, ifnull(cache_read, -1), ifnull(cache_write, -1), ifnull(cache_write_1h, -1), since, source, basis);

CREATE TABLE transcript (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, read_to INTEGER NOT NULL, at REAL NOT NULL)
    WITHOUT ROWID;

CREATE TABLE taken (message TEXT NOT NULL, request TEXT NOT NULL, side INTEGER NOT NULL, uid TEXT, PRIMARY KEY (message, request))
    WITHOUT ROWID
;

CREATE TABLE run_step (
    run_id INTEGER NOT NULL REFERENCES run(id), variant TEXT NOT NULL, step TEXT NOT NULL, n INTEGER NOT NULL,
    state TEXT NOT NULL, cost INTEGER, at REAL NOT NULL, data BLOB, held INTEGER, PRIMARY KEY (run_id, variant, step)) WITHOUT ROWID
;

CREATE TABLE pruned (
    slot INTEGER NOT NULL, model_id INTEGER NOT NULL, agent TEXT NOT NULL, session_id INTEGER NOT NULL,
    project_id INTEGER NOT NULL, kind TEXT NOT NULL, purpose TEXT NOT NULL, basis TEXT NOT NULL,
    cost_basis TEXT NOT NULL, price_id INTEGER NOT NULL,
    requests INTEGER NOT NULL, errors INTEGER NOT NULL, input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL, cost INTEGER NOT NULL, unpriced INTEGER NOT NULL,
    cache_saved INTEGER NOT NULL, cache_lost INTEGER NOT NULL, switched_tokens INTEGER NOT NULL,
    cache_unknown INTEGER NOT NULL, cache_write_1h_tokens INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (slot, model_id, agent, session_id, project_id, kind, purpose, basis, cost_basis, price_id))
    WITHOUT ROWID;

CREATE TABLE gone (id INTEGER PRIMARY KEY);

CREATE INDEX trace_request ON trace(request_id) WHERE request_id IS NOT NULL;

CREATE INDEX trace_reply ON trace(reply_id) WHERE reply_id IS NOT NULL;

CREATE INDEX attempt_sent ON attempt(sent_id) WHERE sent_id IS NOT NULL;

CREATE INDEX body_node ON body(node);

CREATE INDEX node_chunk ON node(chunk)
;

CREATE TABLE route_label (trace TEXT PRIMARY KEY, agent TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID
;

CREATE TABLE spend_total (
    slot INTEGER NOT NULL, model_id INTEGER NOT NULL, agent TEXT NOT NULL, kind TEXT NOT NULL, purpose TEXT NOT NULL,
    basis TEXT NOT NULL, cost_basis TEXT NOT NULL, price_id INTEGER NOT NULL,
    requests INTEGER NOT NULL, errors INTEGER NOT NULL, input_tokens INTEGER NOT NULL, cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL, cost INTEGER NOT NULL, unpriced INTEGER NOT NULL, cache_saved INTEGER NOT NULL, cache_lost INTEGER NOT NULL, switched_tokens INTEGER NOT NULL, cache_unknown INTEGER NOT NULL, cache_write_1h_tokens INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (slot, model_id, agent, kind, purpose, basis, cost_basis, price_id)) WITHOUT ROWID;

CREATE TABLE afterwards (name TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;

CREATE TRIGGER spend_insert AFTER INSERT ON spend BEGIN INSERT INTO spend_total VALUES (new.slot, new.model_id, new.agent, new.kind, new.purpose, new.basis, new.cost_basis, new.price_id, new.requests, new.errors, new.input_tokens, new.cache_read_tokens, new.cache_write_tokens, new.output_tokens, new.reasoning_tokens, new.cost, new.unpriced, new.cache_saved, new.cache_lost, new.switched_tokens, new.cache_unknown, new.cache_write_1h_tokens) ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, errors = errors + excluded.errors, input_tokens = input_tokens + excluded.input_tokens, cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens, cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens, output_tokens = output_tokens + excluded.output_tokens, reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens, cost = cost + excluded.cost, unpriced = unpriced + excluded.unpriced, cache_saved = cache_saved + excluded.cache_saved, cache_lost = cache_lost + excluded.cache_lost, switched_tokens = switched_tokens + excluded.switched_tokens, cache_unknown = cache_unknown + excluded.cache_unknown, cache_write_1h_tokens = cache_write_1h_tokens + excluded.cache_write_1h_tokens; END;

CREATE TRIGGER spend_update AFTER UPDATE ON spend BEGIN INSERT INTO spend_total VALUES (new.slot, new.model_id, new.agent, new.kind, new.purpose, new.basis, new.cost_basis, new.price_id, new.requests - old.requests, new.errors - old.errors, new.input_tokens - old.input_tokens, new.cache_read_tokens - old.cache_read_tokens, new.cache_write_tokens - old.cache_write_tokens, new.output_tokens - old.output_tokens, new.reasoning_tokens - old.reasoning_tokens, new.cost - old.cost, new.unpriced - old.unpriced, new.cache_saved - old.cache_saved, new.cache_lost - old.cache_lost, new.switched_tokens - old.switched_tokens, new.cache_unknown - old.cache_unknown, new.cache_write_1h_tokens - old.cache_write_1h_tokens) ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, errors = errors + excluded.errors, input_tokens = input_tokens + excluded.input_tokens, cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens, cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens, output_tokens = output_tokens + excluded.output_tokens, reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens, cost = cost + excluded.cost, unpriced = unpriced + excluded.unpriced, cache_saved = cache_saved + excluded.cache_saved, cache_lost = cache_lost + excluded.cache_lost, switched_tokens = switched_tokens + excluded.switched_tokens, cache_unknown = cache_unknown + excluded.cache_unknown, cache_write_1h_tokens = cache_write_1h_tokens + excluded.cache_write_1h_tokens; END;

CREATE TRIGGER spend_delete AFTER DELETE ON spend BEGIN INSERT INTO spend_total VALUES (old.slot, old.model_id, old.agent, old.kind, old.purpose, old.basis, old.cost_basis, old.price_id, -old.requests, -old.errors, -old.input_tokens, -old.cache_read_tokens, -old.cache_write_tokens, -old.output_tokens, -old.reasoning_tokens, -old.cost, -old.unpriced, -old.cache_saved, -old.cache_lost, -old.switched_tokens, -old.cache_unknown, -old.cache_write_1h_tokens) ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, errors = errors + excluded.errors, input_tokens = input_tokens + excluded.input_tokens, cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens, cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens, output_tokens = output_tokens + excluded.output_tokens, reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens, cost = cost + excluded.cost, unpriced = unpriced + excluded.unpriced, cache_saved = cache_saved + excluded.cache_saved, cache_lost = cache_lost + excluded.cache_lost, switched_tokens = switched_tokens + excluded.switched_tokens, cache_unknown = cache_unknown + excluded.cache_unknown, cache_write_1h_tokens = cache_write_1h_tokens + excluded.cache_write_1h_tokens; END;

CREATE TABLE paid (at REAL NOT NULL, what TEXT NOT NULL, model TEXT NOT NULL, requests INTEGER NOT NULL,
    cost INTEGER NOT NULL, unpriced INTEGER NOT NULL)