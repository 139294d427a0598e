"""The requests that Claude Code writes down beside its answers are put together whole, or not called whole."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transcripts import SESSION, Writer, text, tool, usage

from ccr_tui.records import Trace
from ccr_tui.store.queries import Reader
from ccr_tui.store.verify import verify
from ccr_tui.transfer.claude_code import take_in
from ccr_tui.transfer.requested import Requested
from ccr_tui.transfer.retelling import PIECED, RECONSTRUCTED, WHOLE

FRAME = {"model": "claude-opus-5-5", "max_tokens": 128_000, "thinking": {"type": "adaptive"}}
BETAS = ["claude-code-20250219", "effort-2025-11-24"]
MARK = {"type": "ephemeral"}
SYSTEM = [{"type": "text", "text": "You are Claude Code."}, {"type": "text", "text": "Be ½ brief."}]
TOOLS = [{"name": "Bash", "description": "Runs it.", "input_schema": {"type": "object", "properties": {}}}]


def sha(value: Any) -> str:
    """As the client digests: JSON with sorted keys, in UTF-8."""
    return hashlib.sha256(
        json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    ).hexdigest()


def bare(value: Any) -> Any:
    """Without marks."""
    if isinstance(value, dict):
        return {key: bare(inner) for key, inner in value.items() if key != "cache_control"}
    return [bare(inner) for inner in value] if isinstance(value, list) else value


def marks(value: Any, path: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
    """Where they stand."""
    found = (
        [{"path": list(path), "value": value["cache_control"]}]
        if isinstance(value, dict) and "cache_control" in value
        else []
    )
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [mark for key, inner in pairs if key != "cache_control" for mark in marks(inner, (*path, key))]


def form(message: dict[str, Any]) -> Any:
    """What is the same of a message whether it is a string or a list with one text."""
    content = bare(message)["content"]
    return bare(message) | {"content": [text(content)] if isinstance(content, str) else content}


def listed(message: dict[str, Any], marked: dict[str, Any]) -> dict[str, Any]:
    """The last message, which alone bears a mark, in the form that lets it."""
    assert form(message) == form(marked)
    return marked


class Client:
    """Writes requests down as the real one does: a message once, a request as its difference to the one before.

    Messages that are kept stay in the digest in the form in which they came, a list where they bore a mark.
    """

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.before: tuple[str, list[Any]] | None = None

    def asks(self, body: dict[str, Any], known: tuple[Any, ...] = ()) -> str:
        """`known` messages stand in other lines. Gives the request's name."""
        shape = {key: bare(body[key]) for key in ("system", "tools")}
        self._once("api-request-shape", "shapeHash", sha(shape), shape=shape)
        plain, name = [bare(each) for each in body["messages"]], f"r{len(self.lines)}"
        keep = self._kept(body["messages"])
        for message in plain[keep:]:
            if message not in known:
                self._once("api-request-blob", "hash", sha(message), message=message)
        params = {key: value for key, value in body.items() if key not in (*shape, "messages")} | {"betas": BETAS}
        line = {
            "type": "api-request",
            "id": name,
            "timestamp": f"2026-10-05T09:00:0{len(self.lines)}.500Z",
            "shapeHash": sha(shape),
        }
        line |= {
            "params": params,
            "keep": keep,
            "tail": [sha(each) for each in plain[keep:]],
            "cacheControl": marks(body),
        }
        forms = [*(self.before[1][:keep] if self.before else ()), *plain[keep:]]
        digested = body | {"betas": BETAS, "messages": [*forms[:-1], listed(forms[-1], body["messages"][-1])]}
        line |= {"requestDigest": sha(digested)} | ({"base": self.before[0]} if self.before else {})
        self.lines.append(line)
        self.before = (name, forms)
        return name

    def _kept(self, messages: list[Any]) -> int:
        before = self.before[1] if self.before else []
        pairs = [form(one) == form(other) for one, other in zip(before, messages, strict=False)]
        return next((at for at, same in enumerate(pairs) if not same), len(pairs))

    def _once(self, kind: str, key: str, name: str, **more: Any) -> None:
        line = {"type": kind, key: name, **more}
        if line not in self.lines:
            self.lines.append(line)


def body(*messages: dict[str, Any]) -> dict[str, Any]:
    """A request, with the marks where the client sets them."""
    made = copy.deepcopy(FRAME | {"messages": list(messages), "system": SYSTEM, "tools": TOOLS})
    for block in made["system"]:
        block["cache_control"] = MARK
    last = made["messages"][-1]
    last["content"] = [text(last["content"])] if isinstance(last["content"], str) else last["content"]
    if last["content"]:
        last["content"][-1]["cache_control"] = MARK
    return made


def heard(lines: list[dict[str, Any]]) -> Requested:
    """What a file with these lines says of requests."""
    requested = Requested()
    for line in lines:
        requested.hear(line)
    return requested


WORDS = st.text(st.characters(codec="utf-8"), max_size=6)
BLOCK = st.builds(text, WORDS) | st.builds(lambda id: tool(id, x={"a": [1, 2.5, None]}), WORDS)
MESSAGE = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant", "system"]),
        "content": WORDS | st.lists(BLOCK, min_size=2, max_size=3),
    }
)


@given(st.lists(st.tuples(st.integers(0, 6), st.lists(MESSAGE, min_size=1, max_size=3)), min_size=1, max_size=6))
def test_every_request_comes_back_whole(turns: list[tuple[int, list[dict[str, Any]]]]) -> None:
    """Also after messages were taken back (a rewind, a compaction)."""
    client, sent, talk = Client(), {}, list[Any]()
    for keep, news in turns:
        talk = talk[:keep] + news
        asked = body(*talk)
        sent[client.asks(asked)] = asked
    requested = heard(client.lines)
    for name, asked in sent.items():
        whole = requested.whole(name)
        assert whole is not None
        assert (whole.body, whole.checked) == (asked, True)


@given(st.integers(0, 3), st.data())
def test_what_was_tampered_with_is_not_called_whole(turn: int, data: st.DataObject) -> None:
    client = Client()
    talk = [{"role": "user", "content": f"turn {n}"} for n in range(4)]
    names = [client.asks(body(*talk[: n + 1])) for n in range(4)]
    lines = copy.deepcopy(client.lines)
    victim = data.draw(st.sampled_from([line for line in lines if line["type"] == "api-request-blob"][: turn + 1]))
    victim["message"]["content"] = [text("something else")]
    whole = heard(lines).whole(names[turn])
    assert whole is None or not whole.checked


LACKING = {"no shape": "shapeHash", "no message": "hash", "no base": "id"}


@pytest.mark.parametrize("key", LACKING.values(), ids=list(LACKING))
def test_a_request_with_a_part_missing_is_none(key: str) -> None:
    client = Client()
    first = {"role": "user", "content": [text("a"), text("b")]}
    client.asks(body(first))
    name = client.asks(body(first, {"role": "user", "content": "c"}))
    gone = next(line for line in client.lines if key in line and (key != "shapeHash" or "shape" in line))
    assert heard(client.lines).whole(name) is not None
    assert heard([line for line in client.lines if line is not gone]).whole(name) is None


def test_odd_lines_are_passed_over() -> None:
    odd: list[dict[str, Any]] = [
        {"type": "api-request"},
        {"type": "api-request-blob", "hash": "h"},
        {"type": "api-request-blob", "hash": 1, "message": {}},
        {"type": "api-request-shape", "shapeHash": "s", "shape": 3},
        {
            "type": "api-request",
            "id": "a",
            "base": "a",
            "keep": -1,
            "tail": "x",
            "cacheControl": [1, {"path": 3}],
            "params": 1,
        },
        {"type": "api-request", "id": "b", "shapeHash": "t", "keep": 2, "tail": [], "base": "c"},
        {"type": "api-request", "id": "c", "base": "b"},
        {"type": "api-request-shape", "shapeHash": "t", "shape": {"system": "s"}},
    ]
    requested = heard(odd)
    assert [requested.whole(name) for name in ("a", "b", "nobody", None, 3)] == [None] * 5


def conversation(last: str = "Done.") -> tuple[Writer, list[dict[str, Any]]]:
    """A file with the answers as well; the prompt and the tool's result stand in their own lines alone."""
    writer, client = Writer(), Client()
    prompt, result = {"role": "user", "content": "go"}, {"tool_use_id": "t1", "type": "tool_result", "content": "1"}
    bodies = [body(prompt)]
    writer.user("go")
    ref = client.asks(bodies[0], known=(form(prompt),))
    writer.answer("msg_1", text("One."), tool("t1", command="one"), usage=usage(), requestRef=ref)
    writer.result("t1", "1")
    spoken = {"role": "assistant", "content": [text("One."), tool("t1", command="one")]}
    bodies.append(body(prompt, spoken, {"role": "user", "content": [result]}))
    ref = client.asks(bodies[1], known=(spoken, {"role": "user", "content": [result]}))
    writer.answer("msg_2", text(last), usage=usage(), requestRef=ref)
    writer.lines += client.lines
    return writer, bodies


def taken(db: Path, writer: Writer, folder: Path) -> list[Trace]:
    """As the traces that an import makes."""
    take_in(db, [writer.write(folder / f"{SESSION}.jsonl")], lambda *_: None, 2e9)
    reader = Reader(db)
    return [reader.trace(row.id) for row in sorted(reader.rows(), key=lambda row: row.started_at)]


def test_an_import_brings_the_requests_whole(tmp_path: Path) -> None:
    writer, bodies = conversation()
    traces = taken(tmp_path / "ccr.db", writer, tmp_path)
    assert [trace.body for trace in traces] == bodies
    assert [trace.attempts[0].notes for trace in traces] == [(WHOLE,), (WHOLE,)]
    assert [trace.headers for trace in traces] == [{"anthropic-beta": ",".join(BETAS)}] * 2
    assert verify(tmp_path / "ccr.db") == []


def test_where_a_message_differs_the_note_says_so(tmp_path: Path) -> None:
    writer, bodies = conversation()
    next(line for line in writer.lines if line.get("message", {}).get("id") == "msg_1")["message"]["content"][0][
        "text"
    ] = "?"
    first, second = taken(tmp_path / "ccr.db", writer, tmp_path)
    assert (first.body, first.attempts[0].notes) == (bodies[0], (WHOLE,))
    assert second.attempts[0].notes == (PIECED,)
    assert {key: second.body[key] for key in FRAME} == FRAME
    assert [len(second.body[key]) for key in ("system", "tools", "messages")] == [2, 1, 3]


def test_older_clients_requests_are_reconstructed(tmp_path: Path) -> None:
    writer, _ = conversation()
    writer.lines = [line for line in writer.lines if not line["type"].startswith("api-request")]
    assert [trace.attempts[0].notes for trace in taken(tmp_path / "ccr.db", writer, tmp_path)] == [(RECONSTRUCTED,)] * 2
