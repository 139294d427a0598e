"""The Messages API as the client reads it: the grammar of its streams, their fold, error bodies, the list of models.

Owns what Anthropic documents and Claude Code expects. Must never know where an answer came from. The one surprise: the
grammar stands once, as data; the translator walks it while it writes, and the tests use the same table as their oracle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Literal

import orjson

from ccr_tui.proxy import sse
from ccr_tui.records import Failure, Json, Usage
from ccr_tui.seen import History
from ccr_tui.wire import dumps, loads

UNPARSED = "__unparsedToolInput"
"""The key under which Claude Code keeps tool input that is no JSON (measured, 2.1.330); no tool's schema allows it, so
that nothing runs on half an argument."""

State = Literal["start", "message", "block", "ending", "ended", "failed"]

GRAMMAR: Mapping[State, Mapping[str, State]] = MappingProxyType(
    {
        "start": {"message_start": "message", "ping": "start", "error": "failed"},
        "message": {
            "content_block_start": "block",
            "message_delta": "ending",
            "ping": "message",
            "error": "failed",
        },
        "block": {"content_block_delta": "block", "content_block_stop": "message", "ping": "block", "error": "failed"},
        "ending": {"message_stop": "ended", "ping": "ending", "error": "failed"},
        "ended": {},
        "failed": {},
    }
)
"""State -> event type -> next state. (https://docs.claude.com/en/docs/build-with-claude/streaming)"""

DELTAS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "text": frozenset({"text_delta", "citations_delta"}),
        "thinking": frozenset({"thinking_delta", "signature_delta"}),
        "redacted_thinking": frozenset(),
        "tool_use": frozenset({"input_json_delta"}),
        "server_tool_use": frozenset({"input_json_delta"}),
        "web_search_tool_result": frozenset(),
    }
)
"""Block type -> the delta types that it may have; a type that is not here may have any."""

FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "text_delta": "text",
        "thinking_delta": "thinking",
        "signature_delta": "signature",
        "input_json_delta": "partial_json",
        "citations_delta": "citation",
    }
)
"""Delta type -> the field that carries what it adds."""

STOP_REASONS = frozenset(
    {
        "end_turn",
        "max_tokens",
        "stop_sequence",
        "tool_use",
        "pause_turn",
        "refusal",
        "model_context_window_exceeded",
    }
)

ERROR_TYPES: Mapping[int, str] = MappingProxyType(
    {
        400: "invalid_request_error",
        401: "authentication_error",
        402: "billing_error",
        403: "permission_error",
        404: "not_found_error",
        408: "timeout_error",
        409: "conflict_error",
        413: "request_too_large",
        429: "rate_limit_error",
        503: "overloaded_error",
        504: "timeout_error",
        529: "overloaded_error",
    }
)
"""HTTP status -> error type. (https://docs.claude.com/en/api/errors; 408 and 503 are ours)"""


def error_type(status: int) -> str:
    """Anthropic's error type for a status."""
    return ERROR_TYPES.get(status, "invalid_request_error" if 400 <= status < 500 else "api_error")


class GrammarError(ValueError):
    """A stream that the Messages API would never send."""


class Grammar:
    """Walks a stream of ours and refuses the first event that breaks a rule: the oracle of the tests."""

    def __init__(self) -> None:
        self.state: State = "start"
        self._blocks = 0
        self._kind = ""
        self._signed = False
        self._json: list[str] = []
        self._ids: set[str] = set()

    def feed(self, event: Json) -> None:
        """Raises GrammarError."""
        kind = event["type"]
        if kind not in GRAMMAR[self.state]:
            raise GrammarError(f"{kind} in state {self.state}")
        try:
            getattr(self, f"_{kind}")(event)
        except (KeyError, TypeError) as error:
            raise GrammarError(f"{kind} has no {error}") from error
        self.state = GRAMMAR[self.state][kind]

    def close(self) -> None:
        """Raises GrammarError unless the stream came to its end, or to an error."""
        if self.state not in ("ended", "failed"):
            raise GrammarError(f"ended in state {self.state}")

    def _must(self, holds: bool, rule: str) -> None:
        if not holds:
            raise GrammarError(rule)

    def _ping(self, event: Json) -> None:
        self._must(event == {"type": "ping"}, "a ping carries nothing")

    def _error(self, event: Json) -> None:
        error = event["error"]
        self._must(bool(error["type"]) and bool(error["message"]), "an error has a type and a message")

    def _message_start(self, event: Json) -> None:
        message = event["message"]
        self._must(message["type"] == "message" and message["role"] == "assistant", "a message of the assistant")
        self._must(bool(message["id"]) and isinstance(message["model"], str), "a message has an id and a model")
        self._must(message["content"] == [] and message["stop_reason"] is None, "a message starts empty")
        self._counts(message["usage"])

    def _content_block_start(self, event: Json) -> None:
        self._must(event["index"] == self._blocks, "indexes are contiguous from 0")
        block = event["content_block"]
        self._kind, self._signed, self._json = block["type"], False, []
        self._must(self._kind != "text" or block["text"] == "", "a text block starts empty")
        self._must(self._kind != "thinking" or block["thinking"] == "", "a thinking block starts empty")
        if self._kind == "tool_use":
            self._must(bool(block["name"]) and block["input"] == {}, "a tool block has a name and no input yet")
            self._must(bool(block["id"]) and block["id"] not in self._ids, "tool ids are unique")
            self._ids.add(block["id"])

    def _content_block_delta(self, event: Json) -> None:
        self._must(event["index"] == self._blocks, "a delta belongs to the block that is open")
        kind = event["delta"]["type"]
        self._must(kind in DELTAS.get(self._kind, frozenset({kind})), f"{kind} in a {self._kind} block")
        self._must(not self._signed, "a signature is the last thing in a thinking block")
        self._signed = kind == "signature_delta"
        value = event["delta"][FIELDS.get(kind, "type")]
        self._must(kind == "citations_delta" or isinstance(value, str), f"{kind} carries a string")

    def _content_block_stop(self, event: Json) -> None:
        self._must(event["index"] == self._blocks, "the block that is open is the one that stops")
        self._must(self._signed or self._kind != "thinking", "a thinking block is signed")
        self._blocks += 1

    def _message_delta(self, event: Json) -> None:
        stop = event["delta"]["stop_reason"]
        self._must(stop in STOP_REASONS, f"stop_reason {stop}")
        self._must(stop != "tool_use" or bool(self._ids), "tool_use needs a tool block")
        named = event["delta"]["stop_sequence"]
        self._must((named is not None) == (stop == "stop_sequence"), "stop_sequence is named when it stopped")
        self._counts(event["usage"])

    def _message_stop(self, event: Json) -> None:
        self._must(event == {"type": "message_stop"}, "message_stop carries nothing")

    def _counts(self, usage: Json) -> None:
        for key in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
            count = usage[key]
            self._must(isinstance(count, int) and count >= 0, f"usage has {key}")


class Fold:
    """Events -> the message, accumulated as an SDK would. Whatever came before a cut is in `message` too."""

    def __init__(self) -> None:
        self._message: dict[str, Json] | None = None
        self._blocks: dict[Json, _Growing] = {}

    def feed(self, event: Json) -> None:
        """Add one event; unknown ones are ignored, as clients do."""
        kind = event.get("type")
        if kind == "content_block_delta":
            block = self._blocks.get(event.get("index"))
            if block is not None:
                block.add(event["delta"])
        elif kind == "content_block_start":
            self._blocks[event.get("index")] = _Growing(event["content_block"])
        elif kind == "message_start":
            self._message = dict(event["message"])
        elif kind == "message_delta" and self._message is not None:
            self._end(self._message, event)

    def _end(self, message: dict[str, Json], event: Json) -> None:
        usage = {key: value for key, value in (event.get("usage") or {}).items() if value is not None}
        message["usage"] = {**(message.get("usage") or {}), **usage}
        message.update(event.get("delta") or {})
        message.update({key: value for key, value in event.items() if key not in ("type", "delta", "usage")})

    @property
    def message(self) -> Json:
        """The message so far; None if none was started."""
        if self._message is None:
            return None
        return {**self._message, "content": [block.whole() for block in self._blocks.values()]}


class _Growing:
    """A content block while its deltas come."""

    __slots__ = ("base", "pieces")

    def __init__(self, base: Json) -> None:
        self.base = base
        self.pieces: dict[str, list[Json]] = {}

    def add(self, delta: Json) -> None:
        field = FIELDS.get(delta.get("type"))
        if field is None:
            self._add_unknown(delta)
        elif field in self.pieces:
            self.pieces[field].append(delta[field])
        elif field in delta:
            self.pieces[field] = [delta[field]]

    def _add_unknown(self, delta: Json) -> None:
        """A compaction's delta, or one that is newer than this program: it adds to the fields that the block has."""
        block = self.base = dict(self.base)
        for field in delta.keys() & ({"content", "encrypted_content"} if block.get("type") == "compaction" else block):
            before, value = block.get(field), delta[field]
            if field != "type" and value is not None:
                block[field] = before + value if isinstance(before, str) and isinstance(value, str) else value

    def whole(self) -> Json:
        block = dict(self.base)
        for field, pieces in self.pieces.items():
            if field == "partial_json":
                block["input"] = tool_input("".join(pieces))
            elif field == "citation":
                block["citations"] = [*(block.get("citations") or []), *pieces]
            elif field == "signature":
                block["signature"] = pieces[-1]
            else:
                start = block.get(field)
                block[field] = (start if isinstance(start, str) else "") + "".join(pieces)
        return block


def tool_input(text: str) -> Json:
    """The input that a tool is given for streamed JSON. What is no object is kept as it came, under UNPARSED."""
    if not text.strip():
        return {}
    try:
        value = loads(text)
        if text.count("{") + text.count("[") > 200:
            orjson.dumps(value)  # nested deeper than JSON writers go (254 levels): nobody could pass it on
    except (ValueError, TypeError):
        value = None
    return value if isinstance(value, dict) else {UNPARSED: {"raw": text, "len": len(text)}}


def events_of(message: Json) -> list[Json]:
    """The stream that folds to `message`."""
    start = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    events: list[Json] = [{"type": "message_start", "message": start}]
    for index, block in enumerate(message.get("content") or []):
        events += _block_events(index, block)
    ending = {"stop_reason": message.get("stop_reason"), "stop_sequence": message.get("stop_sequence")}
    events.append({"type": "message_delta", "delta": ending, "usage": message.get("usage") or {}})
    events.append({"type": "message_stop"})
    return events


def _block_events(index: int, block: Json) -> list[Json]:
    start, deltas = _opened(block)
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _opened(block: Json) -> tuple[Json, list[Json]]:
    """A block as it starts, and the deltas that make it whole. What has no deltas comes whole in its start."""
    kind = block.get("type")
    if kind == "text":
        start = {key: value for key, value in block.items() if key != "citations" or not value}
        named = block.get("citations")
        cited = [{"type": "citations_delta", "citation": each} for each in (named if isinstance(named, list) else ())]
        return {**start, "text": ""}, [{"type": "text_delta", "text": block.get("text") or ""}, *cited]
    if kind == "thinking":
        thought = {"type": "thinking_delta", "thinking": block.get("thinking") or ""}
        signature = {"type": "signature_delta", "signature": block.get("signature") or ""}
        return {**block, "thinking": "", "signature": ""}, [thought, signature]
    if kind in ("tool_use", "server_tool_use"):
        text = dumps(block.get("input") or {}).decode()
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": text}]
    return block, []


def as_stream(message: Json) -> bytes:
    """A whole answer of an Anthropic upstream as its stream. Raises ValueError for what is no message."""
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        raise ValueError("no message of the Messages API")
    return b"".join(sse.encode(event["type"], event) for event in events_of(message))


def usage_json(usage: Usage) -> Json:
    """Usage as the client reads it. All four keys: it takes message_delta's input_tokens for the truth (measured)."""
    counts = {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output,
    }
    return counts | {"output_tokens_details": {"thinking_tokens": usage.reasoning}} if usage.reasoning else counts


def error_event(failure: Failure) -> Json:
    """What a stream ends with when it fails after it began."""
    return {"type": "error", "error": {"type": failure.type, "message": failure.message}}


def abort_events(failure: Failure) -> list[Json]:
    """How a stream that has begun is given up: the error alone. An open block stays open, since Claude Code starts a
    tool at its content_block_stop, and takes a stopped text for a finished one."""
    return [error_event(failure)]


def error_body(failure: Failure, request_id: str, details: Json = None) -> Json:
    """The body of an error response. `details` is an Anthropic upstream's own."""
    event = error_event(failure)
    told = {**event["error"], "details": details} if details else event["error"]
    return {**event, "error": told, "request_id": request_id}


def models_page(entries: Iterable[tuple[str, str]], created_at: str = "2026-01-01T00:00:00Z") -> Json:
    """GET /v1/models from (id, display name) pairs. Claude Code keeps ids that begin with claude or anthropic only."""
    more = {"created_at": created_at, "lifecycle": "active"}
    data = [{"type": "model", "id": name, "display_name": shown, **more} for name, shown in entries]
    return {
        "data": data,
        "has_more": False,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }


NO_IDS: tuple[str, ...] = ()


def tool_ids(body: Json) -> frozenset[str]:
    """Every tool id that the history of a request has used: a client that sees one twice keeps one result for both."""
    messages = body.get("messages") or []
    of_each = messages.along(tool_ids, NO_IDS, _and_ids) if isinstance(messages, History) else map(_ids, messages)
    return frozenset(chain.from_iterable(of_each))


def _and_ids(_: tuple[str, ...], message: Json) -> tuple[str, ...]:
    return _ids(message)


def _ids(message: Json) -> tuple[str, ...]:
    """Those of one message's calls."""
    content = message.get("content") if isinstance(message, dict) else None
    blocks = content if isinstance(content, list) else []
    return tuple(str(one.get("id")) for one in blocks if isinstance(one, dict) and one.get("type") == "tool_use")
