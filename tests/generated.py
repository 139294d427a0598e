"""Bodies and traces made by rule or by chance, for every test that needs some.

`session(seed)` plays a Claude Code session: each body holds the one before it, as the real client's do (shapes as
measured with 2.1.330). `sessions()`, `bodies()`, `json_values()` and `traces()` are hypothesis strategies; `trace(...)`
builds one record from what a test cares about.
"""

from __future__ import annotations

import base64
import itertools
import random
import struct
import sysconfig
import uuid
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from ccr_tui.records import Attempt, Failure, Json, Price, RouteDecision, TimelineEvent, Trace, Usage

MARK = {"type": "ephemeral"}
STARTED = 1_790_000_000.25
"""A time that fits a float exactly."""

# --- a session of Claude Code ------------------------------------------------------------------------------------


def session(seed: int = 0, turns: int = 20, tools: int = 12, *, marks: bool = True) -> Iterator[dict[str, Any]]:
    """The bodies of one session, oldest first. Messages without marks are a prefix of the next body's messages."""
    chance = random.Random(seed)
    frame = _frame(chance, tools)
    messages: list[dict[str, Any]] = list(_opening(chance))
    for turn in range(turns):
        yield _marked({**frame, "messages": messages}) if marks else {**frame, "messages": list(messages)}
        messages = [*messages, *_turn(chance, turn)]


def _frame(chance: random.Random, tools: int) -> dict[str, Any]:
    """All but the messages; keys in the client's order."""
    user = f'{{"device_id":"{chance.randbytes(32).hex()}","account_uuid":"","session_id":"{_uuid(chance)}"}}'
    billing = f"x-anthropic-billing-header: cc_version=2.1.330.{chance.randrange(4096):03x}; cc_entrypoint=cli;"
    return {
        "model": "claude-opus-5-5",
        "messages": [],
        "system": [
            {"type": "text", "text": billing},
            {"type": "text", "text": "You are Claude Code, Anthropic's official CLI for Claude."},
            {"type": "text", "text": _source(0, 7000) + "\nWorking directory: /home/ada/engine\n"},
        ],
        "tools": [_tool(i) for i in range(tools)],
        "metadata": {"user_id": user},
        "max_tokens": 128000,
        "thinking": {"type": "adaptive", "display": "updates"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "medium"},
        "stream": True,
    }


def _opening(chance: random.Random) -> Iterator[dict[str, Any]]:
    reminder = "<system-reminder>\nToday's date is 2026-11-22.\n</system-reminder>"
    ask = f"Find out why the {chance.choice(['parser', 'cache', 'scheduler'])} drops the last record."
    yield {"role": "user", "content": [{"type": "text", "text": reminder}, {"type": "text", "text": ask}]}
    yield {"role": "system", "content": "# Environment\n" + _source(1, 7500)}


def _turn(chance: random.Random, turn: int) -> Iterator[dict[str, Any]]:
    """What one turn adds: the answer, then its tools' results or the next prompt."""
    calls = [] if turn % 7 == 6 else [_call(chance, i) for i in range(chance.choice([1, 1, 1, 2, 3]))]
    said: list[dict[str, Any]] = []
    if turn % 3 == 0:
        said.append({"type": "thinking", "thinking": f"Step {turn}: look closer.", "signature": "ccr-tui.v1"})
    if turn % 2 == 0 or not calls:
        said.append({"type": "text", "text": f"Step {turn}. {_source(chance.randrange(40), 300)}"})
    yield {"role": "assistant", "content": said + calls}
    if not calls:
        yield {"role": "user", "content": f"Good. Now do part {turn} as well; mind the naïve “quotes” and 中文。"}
        return
    results = [_result(chance, call["id"], turn + i) for i, call in enumerate(calls)]
    if turn % 5 == 4:
        results.append({"type": "text", "text": "<system-reminder>\nThe task list is empty.\n</system-reminder>"})
    yield {"role": "user", "content": results}
    if turn % 9 == 8:
        yield {
            "role": "system",
            "content": [{"type": "text", "text": "<system-reminder>Stay brief.</system-reminder>"}],
        }


def _call(chance: random.Random, i: int) -> dict[str, Any]:
    name, given = chance.choice(
        [
            ("Read", {"file_path": f"/home/ada/engine/part_{chance.randrange(99)}.py", "limit": 200}),
            ("Bash", {"command": f"grep -rn 'record {chance.randrange(999)}' src | head -5", "timeout": 12.5}),
            ("Write", {"file_path": "/home/ada/engine/new.py", "content": _source(chance.randrange(60), 1500)}),
            ("ListAgents", {}),
        ]
    )
    return {"type": "tool_use", "id": f"call_{i}_{chance.getrandbits(64):016x}", "name": name, "input": given}


def _result(chance: random.Random, call: str, turn: int) -> dict[str, Any]:
    """Every shape of a tool result in turn; most are long text."""
    given = {"tool_use_id": call, "type": "tool_result"}
    text = f"{turn:5d}\t" + _source(chance.randrange(200), chance.choice([200, 2000, 6000, 12000]))
    shapes: list[dict[str, Any]] = [
        {**given, "content": text},
        {**given, "content": [{"type": "text", "text": text}]},
        {**given, "content": text, "is_error": False},
        {**given, "content": [{"type": "text", "text": "a picture"}, image(turn)]},
        {**given, "content": "Exit code 1\nno such file", "is_error": True},
        {**given, "content": text},
        {**given, "content": []},
        {**given, "content": text},
        given,
    ]
    return shapes[turn % len(shapes)]


def _marked(body: dict[str, Any]) -> dict[str, Any]:
    """The body with cache_control where the client sets it: system 1 and 2, and the last block of the last message."""
    system = [block | {"cache_control": MARK} if i else block for i, block in enumerate(body["system"])]
    last = body["messages"][-1]
    if isinstance(last["content"], list) and last["content"]:
        last = last | {"content": [*last["content"][:-1], last["content"][-1] | {"cache_control": MARK}]}
    return body | {"system": system, "messages": [*body["messages"][:-1], last]}


def unmarked(value: Json) -> Json:
    """The same without any cache_control."""
    if isinstance(value, dict):
        return {key: unmarked(entry) for key, entry in value.items() if key != "cache_control"}
    return [unmarked(entry) for entry in value] if isinstance(value, list) else value


def _tool(i: int) -> dict[str, Any]:
    names = ["Agent", "Bash", "Edit", "Glob", "Grep", "ListAgents", "Read", "Skill", "Task", "ToolSearch", "Write"]
    return {
        "name": names[i] if i < len(names) else f"mcp__server__tool_{i}",
        "description": _source(200 + i, 1800),
        "input_schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "file_path": {"type": "string", "description": "The absolute path"},
                "limit": {"type": "integer", "exclusiveMinimum": 0},
                "mode": {"anyOf": [{"type": "string", "enum": ["a", "b"]}, {"type": "null"}], "default": None},
            },
            "required": ["file_path"],
            "additionalProperties": False,
        },
    }


def image(seed: int = 0, width: int = 8, height: int = 8) -> dict[str, Any]:
    """A block with a real PNG of that size."""
    rows = b"".join(b"\0" + random.Random(seed + y).randbytes(width * 3) for y in range(height))
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    chunks = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunks).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def _uuid(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


@cache
def _library() -> str:
    """A megabyte of real code: the standard library's."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    return "".join(itertools.islice((path.read_text("utf-8", "replace") for path in files), 60))


def _source(page: int, size: int) -> str:
    text = _library()
    start = page * 4001 % (len(text) - size)
    return text[start : start + size]


# --- records -----------------------------------------------------------------------------------------------------


def chat_body(body: Json) -> dict[str, Any]:
    """Roughly what a translation to chat completions sends, where only its size and shape matter."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": "\n".join(b["text"] for b in body["system"][1:])}]
    for message in unmarked(body["messages"]):
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        messages.extend(_chat_messages(message["role"], blocks))
    tools = [
        {"type": "function", "function": {"name": t["name"], "parameters": t["input_schema"]}} for t in body["tools"]
    ]
    return {"model": "qwen-max", "messages": messages, "tools": tools, "stream": True}


def _chat_messages(role: str, blocks: list[Any]) -> Iterator[dict[str, Any]]:
    calls = [b for b in blocks if b["type"] == "tool_use"]
    for block in blocks:
        if block["type"] == "tool_result":
            yield {"role": "tool", "tool_call_id": block["tool_use_id"], "content": block.get("content", "")}
    text = "\n".join(b["text"] for b in blocks if b["type"] == "text")
    if calls:
        yield {"role": role, "content": text or None, "tool_calls": [{"id": c["id"], "function": c} for c in calls]}
    elif text:
        yield {"role": role, "content": text}


def reply(body: Json, n: int = 0, content: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A message that answers the body."""
    return {
        "id": f"msg_{n:08x}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content if content is not None else [{"type": "text", "text": f"Answer {n}."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 3},
    }


def attempt(n: int = 1, **changes: Any) -> Attempt:
    """One call that went well; `changes` are fields of records.Attempt."""
    price = Price(1_600_000_000, 6_400_000_000, 160_000_000, None, "2026-11-22", "config.toml", "user")
    given: dict[str, Any] = {
        "n": n,
        "purpose": "answer",
        "provider": "dashscope",
        "model": "qwen-max",
        "sent": {"model": "qwen-max", "messages": [{"role": "user", "content": "hi"}], "stream": True},
        "started_at": STARTED + 0.01,
        "ttft_ms": 420,
        "duration_ms": 1800,
        "status": 200,
        "stop_reason": "end_turn",
        "usage": Usage(input=1000, output=200, cache_read=9000, reasoning=50),
        "price": price,
        "cost": 4_320_000,
        "cost_basis": "user",
        "connect_ms": 80,
        "stream": ((90, b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n'), (120, b"data: [DONE]\n\n")),
    }
    return Attempt(**given | changes)


def trace(uid: str = "0199-a", body: Json = None, **changes: Any) -> Trace:
    """One finished request; `changes` are fields of records.Trace."""
    body = body if body is not None else {"model": "claude-opus-5-5", "messages": [{"role": "user", "content": "hi"}]}
    given: dict[str, Any] = {
        "uid": uid,
        "origin": "live",
        "kind": "main",
        "session": "5d1f0a52-0000-4000-8000-000000000001",
        "project": "/home/ada/engine",
        "agent_id": None,
        "asked_model": "claude-opus-5-5",
        "streamed": True,
        "body": body,
        "raw": None,
        "headers": {"user-agent": "claude-cli/2.1.330 (external, cli)", "x-app": "cli"},
        "decision": RouteDecision(
            "normal", "default", "qwen", "default", "nothing else matched", ("deepseek",), (("image", "no image"),)
        ),
        "attempts": (attempt(),),
        "reply": reply({"model": "claude-opus-5-5"}),
        "timeline": (TimelineEvent(430, "message_start"), TimelineEvent(440, "content_block_delta", 0, 7)),
        "outcome": "ok",
        "status": 200,
        "failure": None,
        "estimate": 10_100,
        "started_at": STARTED,
        "ttft_ms": 430,
        "duration_ms": 1850,
        "spans": (("parse", 0, 2), ("route", 2, 3), ("stream", 430, 1850)),
        "app_version": "0.1.0",
    }
    return Trace(**given | changes)


def failed(uid: str = "0199-f", **changes: Any) -> Trace:
    """One that the upstream refused: no tokens, no reply."""
    failure = Failure(429, "rate_limit_error", "dashscope says: slow down; try again in 20 s.", None)
    lost = attempt(
        status=429, stop_reason=None, usage=None, cost=None, cost_basis="unknown", failure=failure, stream=()
    )
    given = {"attempts": (lost,), "reply": None, "timeline": (), "outcome": "error", "status": 429, "failure": failure}
    return trace(uid, **{**given, "ttft_ms": None, **changes})


def recorded(seed: int = 0, turns: int = 20) -> Iterator[Trace]:
    """A session as traces: each reply is the assistant message that the next body holds."""
    bodies = list(session(seed, turns + 1))
    for n, (body, after) in enumerate(itertools.pairwise(bodies)):
        content = unmarked(after["messages"][len(body["messages"])]["content"])
        pieces = tuple((100 + 20 * i, _sse(i, n)) for i in range(60))
        yield trace(
            f"{seed:04d}-{n:05d}",
            body,
            session=f"session-{seed}",
            reply=reply(body, n, content),
            attempts=(attempt(sent=chat_body(body), stream=pieces, started_at=STARTED + 60 * n + 0.01),),
            started_at=STARTED + 60 * n,
        )


def _sse(i: int, n: int) -> bytes:
    word = _source(n, 600)[i * 10 : i * 10 + 10].encode("unicode_escape").decode().replace('"', "")
    head = f'data: {{"id":"chatcmpl-{n}","object":"chat.completion.chunk","created":1790000000,"model":"qwen-max"'
    return f'{head},"choices":[{{"index":0,"delta":{{"content":"{word}"}},"finish_reason":null}}]}}\n\n'.encode()


# --- strategies --------------------------------------------------------------------------------------------------


def sessions(turns: int = 6) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Sessions of a few turns, as lists of growing bodies."""
    return st.builds(
        lambda seed, n, tools, marks: list(session(seed, n, tools, marks=marks)),
        st.integers(0, 10_000),
        st.integers(2, turns),
        st.integers(0, 4),
        st.booleans(),
    )


def texts(size: int = 40) -> st.SearchStrategy[str]:
    """Text with what breaks naive code: lone surrogates, U+2028, NUL, quotes, emoji, tags."""
    nasty = ["\ud800", "\udfff x", "\u2028", "\x85", "\0", '"\\', "😀", "</think>", "[/bold]", "\x1b[2J", "中文", ""]
    return st.one_of(st.text(max_size=size), st.sampled_from(nasty))


def numbers() -> st.SearchStrategy[int | float]:
    """Finite ones, with those that naive code changes."""
    nasty: list[int | float] = [
        -0.0,
        1.0,
        1e22,
        5e-324,
        2**53 + 1,
        2**63,
        2**64,
        -(2**63) - 1,
        10**30,
        1.7976931348623157e308,
    ]
    return st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(nasty))


def json_values(leaves: int = 12) -> st.SearchStrategy[Json]:
    """Any JSON value."""
    keys = st.one_of(st.sampled_from(["cache_control", "content", "role", "type", "text"]), texts(8))
    return st.recursive(
        st.one_of(st.none(), st.booleans(), numbers(), texts()),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
        max_leaves=leaves,
    )


def _marked_blocks() -> st.SearchStrategy[Json]:
    mark = st.one_of(st.just(MARK), json_values(3))
    block = st.fixed_dictionaries({"type": st.just("text"), "text": texts()}, optional={"cache_control": mark})
    given = {"type": st.just("tool_result"), "content": st.lists(st.one_of(block, json_values(3)), max_size=3)}
    result = st.fixed_dictionaries(given, optional={"cache_control": mark, "is_error": st.booleans()})
    return _reordered(st.one_of(block, result, json_values(4)))


def _reordered(values: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    """The same with the keys in any order; 0 is the one that they have."""

    def shuffled(value: Json, order: int) -> Json:
        if not isinstance(value, dict) or not order:
            return value
        return dict(random.Random(order).sample(list(value.items()), len(value)))

    return st.builds(shuffled, values, st.integers(0, 999))


def bodies() -> st.SearchStrategy[Json]:
    """Anything that could be taken for a body: requests, replies, and wilder things with the same keys."""
    blocks = st.lists(_marked_blocks(), max_size=4)
    messages = st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system"]), "content": st.one_of(texts(), blocks)},
        optional={"cache_control": json_values(2)},
    )
    several = st.one_of(st.lists(st.one_of(messages, json_values(3)), max_size=5), json_values(3))
    request = st.fixed_dictionaries(
        {},
        optional={
            "messages": several,
            "system": st.one_of(texts(), blocks, json_values(3)),
            "tools": st.one_of(blocks, json_values(3)),
            "model": texts(8),
            "metadata": json_values(4),
            "cache_control": json_values(2),
        },
    )
    answer = st.fixed_dictionaries({"role": st.just("assistant"), "content": blocks}, optional={"id": texts(8)})
    return st.one_of(_reordered(request), _reordered(answer), json_values())


def usages() -> st.SearchStrategy[Usage]:
    count = st.integers(0, 10**9)
    return st.builds(Usage, count, count, count, count, count, st.sampled_from(["reported", "estimated", "mixed"]))


def prices() -> st.SearchStrategy[Price]:
    rate = st.integers(0, 10**12)
    basis = st.sampled_from(["reported", "list", "user"])
    return st.builds(Price, rate, rate, st.none() | rate, st.none() | rate, texts(8), texts(8), basis)


def failures() -> st.SearchStrategy[Failure]:
    return st.builds(Failure, st.integers(100, 599), texts(8), texts(), st.none() | st.booleans())


_MS = st.integers(0, 10**7)
_MAYBE_MS = st.none() | _MS
_TIMES = st.floats(1.5e9, 2e9)


def attempts() -> st.SearchStrategy[Attempt]:
    purpose = st.sampled_from(["answer", "route", "think", "code"])
    basis = st.sampled_from(["reported", "list", "user", "unknown"])
    return st.builds(
        Attempt,
        n=st.integers(1, 20),
        purpose=purpose,
        provider=texts(8),
        model=texts(8),
        sent=bodies(),
        started_at=_TIMES,
        ttft_ms=_MAYBE_MS,
        duration_ms=_MS,
        status=st.none() | st.integers(100, 599),
        stop_reason=st.none() | texts(8),
        usage=st.none() | usages(),
        price=st.none() | prices(),
        cost=st.none() | st.integers(0, 10**12),
        cost_basis=basis,
        failure=st.none() | failures(),
        notes=st.lists(texts(), max_size=2).map(tuple),
        answered_by=st.none() | texts(8),
        connect_ms=_MAYBE_MS,
        stream=st.lists(st.tuples(_MS, st.binary(max_size=40)), max_size=4).map(tuple),
    )


def decisions() -> st.SearchStrategy[RouteDecision]:
    rules = st.lists(st.tuples(texts(8), texts()), max_size=3).map(tuple)
    some = st.lists(texts(8), max_size=2).map(tuple)
    mode = st.sampled_from(["normal", "router"])
    return st.builds(RouteDecision, mode, texts(8), texts(8), texts(8), texts(), some, rules)


def traces() -> st.SearchStrategy[Trace]:
    """Any trace at all; uids are unlike one another."""
    events = st.builds(TimelineEvent, _MS, texts(12), st.none() | st.integers(0, 99), st.integers(0, 10**6))
    spans = st.lists(st.tuples(texts(8), _MS, _MS), max_size=3).map(tuple)
    return st.builds(
        Trace,
        uid=st.uuids().map(str),
        origin=st.sampled_from(["live", "replay", "imported"]),
        kind=st.sampled_from(["main", "subagent", "title", "compaction", "web_search", "background", "other"]),
        session=st.none() | texts(8),
        project=st.none() | texts(8),
        agent_id=st.none() | texts(8),
        asked_model=texts(8),
        streamed=st.booleans(),
        body=bodies(),
        raw=st.none() | st.binary(max_size=20),
        headers=st.dictionaries(texts(8), texts(8), max_size=3),
        decision=st.none() | decisions(),
        attempts=st.lists(attempts(), max_size=3).map(tuple),
        reply=bodies(),
        timeline=st.lists(events, max_size=6).map(tuple),
        outcome=st.sampled_from(["ok", "error", "cancelled"]),
        status=st.integers(100, 599),
        failure=st.none() | failures(),
        estimate=st.none() | st.integers(0, 10**9),
        started_at=_TIMES,
        ttft_ms=_MAYBE_MS,
        duration_ms=_MS,
        spans=spans,
        replay_of=st.none() | texts(8),
        run=st.none() | texts(8),
        app_version=texts(8),
    )
