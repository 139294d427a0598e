"""Fills a database with as many realistic requests as a benchmark wants, in minutes.

    python tests/many.py ccr.db --traces 1000000

Owns what such sessions look like: prompts, tool calls and their results, subagents, models, prices, failures, months
of them. Must keep every rule that `store/insert.py` keeps: `traces verify` finds nothing wrong (a test proves it on a
small one). The one surprise: rows go in by the thousand without a `Trace` each, made by as many processes as there are
cores, each of which gives its part's rows their ids from a range of its own, while this one does nothing but insert
them; so the first part is played alone, until it has said everything that sessions have in common. Text is cut from a
corpus with the frequencies of a natural language, so that some words are common and some are rare.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sqlite3
import sys
import time
import uuid
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path as Path_
from typing import Any

from generated import session as some_session
from generated import trace as some_trace

from ccr_tui import chunks, prompts
from ccr_tui.records import Price
from ccr_tui.store import codec, said, schema
from ccr_tui.store.shares import SPEND, SPEND_KEYS
from ccr_tui.wire import dumps

DAYS = 180
NAMES = ("engine", "web", "parser", "docs", "infra", "notes", "tools", "api", "shop", "game")
PROJECTS = tuple(f"/home/ada/{name}" for name in NAMES)
MODELS = (
    ("dashscope", "qwen-max", Price(1_600_000_000, 6_400_000_000, 160_000_000, source="list", basis="list")),
    ("dashscope", "qwen-turbo", Price(50_000_000, 200_000_000, 5_000_000, source="list", basis="list")),
    ("deepseek", "deepseek-flash", Price(280_000_000, 420_000_000, 28_000_000, source="list", basis="list")),
    ("deepseek", "deepseek-v4-pro", Price(1_000_000_000, 2_000_000_000, 100_000_000, source="list", basis="list")),
    ("llamacpp", "qwen3.8-coder-30b", Price(0, 0, source="a server of one's own", basis="list")),
    ("openrouter", "new-model", None),
)
AGENTS = ("default", "default", "default", "tool", "tool", "coder", "think", "background")
COMMON = ("continue", "yes, do it", "run the tests", "commit this")
"""What is typed in many sessions."""
RARE = 50_000
"""One request in so many says the rare word."""
RARE_WORD = "zanzibar"
PART = 5000
"""Requests that are made at once."""
ROOM = 1_000_000
"""Ids of each table that a part may use: twenty times what it needs."""
Rows = dict[str, list[tuple[Any, ...]]]

TABLES = {
    "session": ("id", "uid", "project_id", "first_at", "last_at", "prompt"),
    "chunk": ("id", "hash", "trace", "size", "data"),
    "node": ("id", "parent", "chunk"),
    "body": ("id", "hash", "node", "size", "manifest"),
    "said": ("rowid", "text"),
    "again": ("chunk", "session_id", "trace"),
    "trace": (
        *("n", "uid", "session_id", "project_id", "agent_id", "origin", "kind", "started_at", "duration_ms", "ttft_ms"),
        *("outcome", "status", "error", "asked_model", "mode", "agent", "rule", "chosen", "model_id", "stop_reason"),
        *("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"),
        *("usage_basis", "estimated_input_tokens", "cost", "cost_basis", "router_cost", "attempts", "request_id"),
        *("reply_id", "cache_saved", "cache_lost"),
    ),
    "attempt": (
        *("id", "trace", "n", "answer", "purpose", "model_id", "started_at", "ttft_ms", "duration_ms", "status"),
        *("stop_reason", "error", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"),
        *("reasoning_tokens", "usage_basis", "cost", "cost_basis", "price_id", "sent_id", "cache_saved", "cache_lost"),
    ),
    "record": ("trace", "data"),
    "spend": SPEND,
}


def corpus(chance: random.Random, size: int = 1_500_000) -> str:
    """Words with the frequencies of a natural language (Zipf's law), and some that look like code."""
    letters = "etaoinshrdlucmfwypvbgkjqxz"

    def word() -> str:
        return "".join(chance.choices(letters[: chance.randrange(8, 26)], k=chance.randrange(2, 11)))

    words = [word() for _ in range(12_000)]
    words += [f"{a}_{b}" for a, b in zip(words[2000:4000], words[4000:6000], strict=True)]
    weights = [1 / (rank + 2) for rank in range(len(words))]
    return " ".join(chance.choices(words, weights, k=size // 6))


def no_rows() -> Rows:
    return {name: [] for name in TABLES}


@dataclass
class Many:
    """Makes the rows of sessions."""

    seed: int
    corpus: str
    frame: dict[str, Any]
    """What every request has."""
    record: dict[str, Any]
    """What is kept of every request."""
    rows: Rows = field(default_factory=no_rows)
    last: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    spend: dict[tuple[Any, ...], list[int]] = field(default_factory=dict)
    shared: dict[bytes, int] = field(default_factory=dict)
    """Chunks that several sessions have, by name."""
    told: set[tuple[int, int]] = field(default_factory=set)
    """Which of them was said in which session."""
    nodes: dict[tuple[int, int], int] = field(default_factory=dict)
    """What many conversations begin with."""
    models: set[int] = field(default_factory=set)
    """Those that have answered."""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    @classmethod
    def new(cls, seed: int) -> Many:
        """One that has said nothing yet."""
        words = corpus(random.Random(seed))
        return cls(seed, words, next(some_session(0, 1, marks=False)), codec.to_json(some_trace()))

    def part(self, number: int) -> Many:
        """The same with no rows, for one of the parts after the first."""
        last = dict.fromkeys(TABLES, number * ROOM)
        known = dict(self.shared), dict(self.nodes)
        fresh: dict[str, Any] = {"rows": no_rows(), "spend": {}, "told": set(), "last": last}
        return replace(self, seed=self.seed * 1_000_003 + number, shared=known[0], nodes=known[1], **fresh)

    def play(self, first: int, count: int, at: float, step: float, alone: bool = False) -> int:
        """So many requests, numbered from `first`, one every `step` seconds; gives how many, because what is played
        alone ends as soon as it has said what sessions have in common."""
        self.last["trace"] = first - 1
        end = first - 1 + count
        while self.last["trace"] < end and not (alone and self._has_said_it_all()):
            left = end - self.last["trace"]
            wanted = min(left, max(1, round(self.chance.lognormvariate(3.6, 0.9))))
            Session(self, at, step * wanted).play(wanted)
            at += step * wanted
        self.rows["spend"] = [(*key, *numbers) for key, numbers in self.spend.items()]
        return self.last["trace"] - first + 1

    def _has_said_it_all(self) -> bool:
        common = (dumps(prompt(text)) for text in COMMON)
        return len(self.models) == len(MODELS) and all(chunks.digest(each) in self.shared for each in common)

    def next(self, table: str) -> int:
        self.last[table] += 1
        return self.last[table]

    def text(self, size: int) -> str:
        """Some words."""
        at = self.chance.randrange(len(self.corpus) - size - 20)
        start = self.corpus.index(" ", at) + 1
        return self.corpus[start : start + size]

    def chunk(
        self, data: bytes, trace: int, session: int, message: Any = None, share: bool = False
    ) -> tuple[int, bytes]:
        """The id and name of a chunk; `message` is what the index gets."""
        name = chunks.digest(data)
        if share and name in self.shared:
            id = self.shared[name]
            if message is not None and (id, session) not in self.told:
                self.rows["again"].append((id, session, trace))
                self.told.add((id, session))
            return id, name
        id = self.next("chunk")
        self.rows["chunk"].append((id, name, trace, len(data), squeeze(data)))
        if message is not None and (text := said.indexed(message)).strip():
            self.rows["said"].append((id, text))
        if share:
            self.shared[name] = id
            self.told.add((id, session))
        return id, name

    def node(self, parent: int, chunk: int, share: bool = False) -> int:
        if share and (parent, chunk) in self.nodes:
            return self.nodes[parent, chunk]
        id = self.next("node")
        if share:
            self.nodes[parent, chunk] = id
        self.rows["node"].append((id, parent, chunk))
        return id

    def body(self, names: Sequence[bytes], node: int, size: int, manifest: bytes) -> int:
        id = self.next("body")
        whole = chunks.digest(b"".join((*names, chunks.digest(manifest))))
        self.rows["body"].append((id, whole, node, size + len(manifest), manifest))
        return id


class Talk:
    """A conversation as it grows, in one of its two forms."""

    def __init__(self, many: Many, keys: Sequence[tuple[str, list[Any]]], session: int, trace: int) -> None:
        self.many, self.session = many, session
        self.parts = [[key, len(values)] for key, values in keys]
        self.names: list[bytes] = []
        self.size = self.node = 0
        for _, values in keys:
            for value in values:
                data = dumps(value)
                self._step(*many.chunk(data, trace, session, share=True), len(data), share=True)
        self.parts.append(["messages", 0])

    def say(self, message: Any, trace: int, indexed: bool, share: bool = False) -> None:
        """A message that was not said before, or by others only."""
        data = dumps(message)
        self.repeat(*self.many.chunk(data, trace, self.session, message if indexed else None, share), len(data))

    def repeat(self, chunk: int, name: bytes, size: int) -> None:
        """A message that is a chunk already."""
        self._step(chunk, name, size)
        self.parts[-1][1] += 1

    def _step(self, chunk: int, name: bytes, size: int, share: bool = False) -> None:
        self.node = self.many.node(self.node, chunk, share)
        self.names.append(name)
        self.size += size

    def body(self, frame: bytes, trace: int, share: bool) -> int:
        chunk, name = self.many.chunk(frame, trace, self.session, share=share)
        manifest = dumps([self.parts])
        node = self.many.node(self.node, chunk)
        return self.many.body([*self.names, name], node, self.size + len(frame), manifest)


@dataclass(frozen=True)
class Answered:
    """A reply, its body, and the chunk of its message."""

    reply: dict[str, Any]
    body: int
    chunk: tuple[int, bytes, int]


class Session:
    """One session of Claude Code, now and then with a subagent."""

    def __init__(self, many: Many, at: float, span_s: float) -> None:
        chance = self.chance = many.chance
        self.many, self.at, self.span_s = many, at, span_s
        self.id, self.uid = many.next("session"), str(uuid.UUID(int=chance.getrandbits(128), version=4))
        self.project = chance.randrange(len(PROJECTS)) + 1
        self.model = chance.choices(range(len(MODELS)), (8, 3, 6, 3, 2, 1))[0]
        many.models.add(self.model)
        self.agent = chance.choice(AGENTS)
        self.big = chance.random() < 0.002
        """Now and then one reads whole files, up to a body of 600 KB and more."""
        self.title: str | None = None

    def play(self, count: int) -> None:
        """So many requests."""
        many, chance = self.many, self.chance
        first = self.at
        self._conversation(None, count if count < 12 else count * 3 // 4)
        if count >= 12:
            self._conversation(f"a{chance.getrandbits(64):016x}", count - count * 3 // 4)
        many.rows["session"].append((self.id, self.uid, self.project, first, self.at, self.title))

    def _conversation(self, agent: str | None, count: int) -> None:
        many, chance = self.many, self.chance
        frame = many.frame
        trace = many.last["trace"] + 1
        keys = [("tools", frame["tools"]), ("system", frame["system"][1:])]
        received = Talk(many, keys, self.id, trace)
        sent = Talk(many, [("tools", [{"type": "function", "function": t} for t in frame["tools"]])], self.id, trace)
        empty = {**frame, "messages": None, "tools": None, "system": None, "metadata": {"user_id": self.uid}}
        frames = dumps(empty), dumps({"model": MODELS[self.model][1], "messages": None, "tools": None, "stream": True})
        left = 0
        answered: Answered | None = None
        for _ in range(count):
            n = many.next("trace")
            if answered is not None:
                received.repeat(*answered.chunk)
                sent.say({"role": "assistant", "content": "…", "n": n}, n, False)
            if left == 0 or answered is None:
                left = max(1, round(chance.lognormvariate(1.6, 0.7)))
                self._prompt(received, sent, n, agent)
            else:
                result = self._result(answered.reply)
                received.say(result, n, True)
                told = {"role": "tool", "tool_call_id": f"call_{n}", "content": result["content"][0]["content"]}
                sent.say(told, n, False)
            left -= 1
            bodies = received.body(frames[0], n, True), sent.body(frames[1], n, True)
            answered = self._answer(n, left > 0)
            self._keep(n, agent, received, bodies, answered)

    def _prompt(self, received: Talk, sent: Talk, n: int, agent: str | None) -> None:
        many, chance = self.many, self.chance
        common = received.parts[-1][1] > 0 and chance.random() < 0.3
        text = chance.choice(COMMON) if common else f"{many.text(chance.randrange(60, 400)).capitalize()}. See #{n}."
        if n % RARE == 0:
            text += f" {RARE_WORD}"
        message = prompt(text)
        if self.title is None and agent is None:
            self.title = prompts.line(text)
        received.say(message, n, True, share=common)
        sent.say({"role": "user", "content": text, "n": n}, n, False)

    def _answer(self, n: int, more: bool) -> Answered:
        many, chance = self.many, self.chance
        content: list[dict[str, Any]] = [{"type": "text", "text": f"{many.text(chance.randrange(40, 500))} v{n}"}]
        if more:
            path = f"/src/{many.text(12).replace(' ', '_')}.py"
            content.append({"type": "tool_use", "id": f"toolu_{n:09d}", "name": "Read", "input": {"file_path": path}})
        stop = "tool_use" if more else "end_turn"
        reply = {"id": f"msg_{n:09d}", "type": "message", "role": "assistant", "model": "claude-opus-5-5",
                 "content": content, "stop_reason": stop}  # fmt: skip
        message = {"role": "assistant", "content": content}
        data = dumps(message)
        chunk, name = many.chunk(data, n, self.id, message)
        frame = dumps(reply | {"role": None, "content": None})
        last, tail = many.chunk(frame, n, self.id)
        node = many.node(many.node(0, chunk), last)
        body = many.body([name, tail], node, len(data) + len(frame), dumps([[[chunks.REPLY, None]]]))
        return Answered(reply, body, (chunk, name, len(data)))

    def _result(self, reply: dict[str, Any]) -> dict[str, Any]:
        size = 12_000 if self.big else min(8000, round(self.chance.lognormvariate(5.4, 0.9)))
        result = {"type": "tool_result", "tool_use_id": reply["content"][-1]["id"], "content": self.many.text(size)}
        return {"role": "user", "content": [result]}

    def _keep(self, n: int, agent: str | None, received: Talk, bodies: tuple[int, int], answer: Answered) -> None:
        """Everything about one request but its messages."""
        many, chance = self.many, self.chance
        failed, cancelled = chance.random() < 0.02, chance.random() < 0.01
        reply_id = None if failed else answer.body
        duration = round(chance.lognormvariate(8.2, 0.9)) + 50
        ttft = duration // 4
        self.at += min(chance.expovariate(1 / 12), self.span_s) + (0 if agent else 1)
        prompt = (received.size + 30_000) // 4
        output = 0 if failed else round(chance.lognormvariate(5, 1)) + 3
        read = 0 if failed or len(received.names) < 16 else round(prompt * chance.choice([0, 0.6, 0.9, 0.9, 0.97]))
        tokens = (0, 0, 0, 0, 0) if failed else (prompt - read, read, 0, output, output // 4)
        price = MODELS[self.model][2]
        cost = None if failed or price is None else _cost(tokens, price)
        saved = None if price is None or failed else read * (price.input - (price.cache_read or price.input)) // 10**6
        lost = None if saved is None else 0
        outcome = "error" if failed else "cancelled" if cancelled else "ok"
        status = chance.choice([429, 500, 529]) if failed else 200
        error = f"{MODELS[self.model][0]} says: slow down." if failed else None
        basis = None if failed else "reported"
        cost_basis = "unknown" if cost is None else "list"
        model, price_id = self.model + 1, (self.model + 1 if price else None)
        kind = "subagent" if agent else "main"
        uid = f"{n:012x}-{self.uid[:8]}"
        stop = None if failed else answer.reply["stop_reason"]
        mode = "normal" if self.agent == "default" else "router"
        estimate = round(prompt * chance.uniform(0.9, 1.1))
        many.rows["trace"].append(
            (n, uid, self.id, self.project, agent, "live", kind, self.at, duration, ttft, outcome, status, error,
             "claude-opus-5-5", mode, self.agent, "default", "qwen", model, stop, *tokens, basis, estimate, cost,
             cost_basis, 0, 1, bodies[0], reply_id, saved, lost)
        )  # fmt: skip
        many.rows["attempt"].append(
            (many.next("attempt"), n, 1, 1, "answer", model, self.at, ttft, duration, status, stop, error, *tokens,
             basis, cost, cost_basis, price_id, bodies[1], saved, lost)
        )  # fmt: skip
        usage = None if failed else dict(
            zip(("input", "cache_read", "cache_write", "output", "reasoning"), tokens, strict=True), basis="reported"
        )  # fmt: skip
        failure = {"status": status, "type": "api_error", "message": error, "should_retry": None} if failed else None
        one = many.record["attempts"][0] | {
            "provider": MODELS[self.model][0], "model": MODELS[self.model][1], "started_at": self.at, "ttft_ms": ttft,
            "duration_ms": duration, "status": status, "stop_reason": stop, "usage": usage, "cost": cost,
            "cost_basis": cost_basis, "failure": failure, "price": None,
        }  # fmt: skip
        record = many.record | {
            "uid": uid, "session": self.uid, "project": PROJECTS[self.project - 1], "agent_id": agent, "kind": kind,
            "started_at": self.at, "duration_ms": duration, "ttft_ms": ttft, "outcome": outcome, "status": status,
            "failure": failure, "attempts": [one], "estimate": estimate,
        }  # fmt: skip
        many.rows["record"].append((n, squeeze(dumps(record))))
        slot = int(self.at) // schema.SLOT_S * schema.SLOT_S
        key = (slot, model, self.agent, self.id, self.project, kind, "answer", basis or "", cost_basis, price_id or 0)
        assert len(key) == SPEND_KEYS
        share = (1, int(failed), *tokens, cost or 0, int(cost is None and not failed), saved or 0, lost or 0, 0)
        unknown = int(not failed and (saved is None or lost is None))
        known = many.spend.setdefault(key, [0] * (len(SPEND) - SPEND_KEYS))
        for at, number in enumerate((*share, unknown)):
            known[at] += number


def prompt(text: str) -> dict[str, Any]:
    """What a person typed, as a message."""
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def _cost(tokens: Iterable[int], price: Price) -> int:
    fresh, read, _, output, _ = tokens
    return (fresh * price.input + output * price.output + read * (price.cache_read or price.input)) // 10**6


def squeeze(data: bytes) -> bytes:
    """As `codec.squeeze` does it, four times as fast and a little larger."""
    small = zlib.compress(data, 1) if len(data) > 250 else data
    return small if len(small) < len(data) else data


HASTE = ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000", "locking_mode = EXCLUSIVE", "threads = 4")
"""What is lost in a crash is generated again."""
INDEXES = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
GATHER = "INSERT INTO said (said, rank) VALUES ('hashsize', ?)"
"""How many bytes of the text index are gathered before they are written."""


def fill(path: Path_, count: int, seed: int = 1, until: float = 0.0, progress: bool = False) -> None:
    """A new database with so many requests of the last `DAYS` days before `until` (0 is now), the oldest first."""
    schema.writable(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for pragma in HASTE:
            db.execute(f"PRAGMA {pragma}")
        indexes = db.execute(INDEXES).fetchall()
        for name, _ in indexes:
            db.execute(f"DROP INDEX {name}")
        db.execute("BEGIN")
        db.execute(GATHER, (32 << 20,))
        state(db)
        began, done = time.monotonic(), 0
        for rows in parts(count, seed, until or time.time()):
            done += len(rows["trace"])
            insert(db, rows)
            if progress:
                rate = done / (time.monotonic() - began)
                print(f"\r{done:,} requests, {rate:,.0f} a second ", end="", file=sys.stderr)
        db.execute(GATHER, (1 << 20,))
        db.execute("INSERT OR REPLACE INTO sqlite_sequence (name, seq) VALUES ('trace', ?)", (count,))
        for _, statement in indexes:
            db.execute(statement)
        db.execute("COMMIT")
    schema.writable(path).close()


def state(db: sqlite3.Connection) -> None:
    """What requests point at."""
    db.executemany("INSERT INTO project (id, path) VALUES (?, ?)", enumerate(PROJECTS, 1))
    models = [(i, provider, model) for i, (provider, model, _) in enumerate(MODELS, 1)]
    db.executemany("INSERT INTO model (id, provider, model) VALUES (?, ?, ?)", models)
    names = ("input", "output", "cache_read", "cache_write", "source", "basis")
    priced = [(i, price) for i, (*_, price) in enumerate(MODELS, 1) if price]
    prices = [(i, f"2026-01-{i:02d}", *(getattr(price, name) for name in names)) for i, price in priced]
    db.executemany(f"INSERT INTO price (id, since, {', '.join(names)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", prices)


def insert(db: sqlite3.Connection, rows: Rows) -> None:
    """Into the tables."""
    for name, columns in TABLES.items():
        marks = ", ".join("?" * len(columns))
        db.executemany(f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})", rows[name])


def parts(count: int, seed: int, until: float) -> Iterator[Rows]:
    """The rows of so many requests, part by part."""
    many, step = Many.new(seed), DAYS * 86400 / max(1, count)
    start = until - DAYS * 86400
    done = many.play(1, count, start, step, alone=True)
    yield many.rows
    many.rows = no_rows()
    begins = range(done + 1, count + 1, PART)
    asked = [(at, min(PART, count + 1 - at), start + (at - 1) * step, step) for at in begins]
    if asked:
        yield from _in_processes(many, asked)


def _in_processes(many: Many, asked: Sequence[tuple[int, int, float, float]]) -> Iterator[Rows]:
    """In order, and no more ahead than there are processes."""
    workers, waiting = os.cpu_count() or 1, deque[Future[Rows]]()
    here = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(asked)), here, _learn, (many,)) as pool:
        for number, span in enumerate(asked, 1):
            waiting.append(pool.submit(_part, number, *span))
            if len(waiting) > workers + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


_FIRST: list[Many] = []
"""In each of the processes: what was played before."""


def _learn(many: Many) -> None:
    _FIRST[:] = [many]


def _part(number: int, first: int, count: int, at: float, step: float) -> Rows:
    part = _FIRST[0].part(number)
    part.play(first, count, at, step)
    return part.rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("path", type=Path_)
    parser.add_argument("--traces", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    began = time.monotonic()
    fill(args.path, args.traces, args.seed, progress=True)
    size = args.path.stat().st_size / 1e6
    print(f"\n{args.traces:,} requests in {time.monotonic() - began:.0f} s, {size:,.0f} MB", file=sys.stderr)


if __name__ == "__main__":
    main()
