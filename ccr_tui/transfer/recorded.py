"""A request to the Messages API and its answer, as another program has recorded them, as a trace.

Owns what can be told from the bytes alone. Must never do I/O, and never keep a header that a trace may not have. The
one surprise: what was recorded is the only side there is, so what the client sent is also what the upstream got.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ccr_tui.prices import cost
from ccr_tui.proxy.anthropic import Fold
from ccr_tui.proxy.asked import about, kept_headers, parse
from ccr_tui.proxy.sse import Decoder
from ccr_tui.records import Attempt, Failure, Json, Trace
from ccr_tui.slim import dataclass
from ccr_tui.store.intake import Answer
from ccr_tui.transfer.retelling import Quote
from ccr_tui.transfer.transcript import usage_of
from ccr_tui.wire import dumps, loads

PATH = "/v1/messages"
RECORDED = "rec-"
"""How the ids of such traces begin."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request and its answer."""

    source: str
    """What it was recorded with, for people: "a HAR file", "claude-trace"."""
    url: str
    started_at: float
    duration_ms: int
    connect_ms: int | None
    request_headers: Mapping[str, str]
    body: Json
    status: int
    """0: no answer came, or it was not recorded."""
    response_headers: Mapping[str, str]
    answer: Json
    """The response: text, or JSON that is parsed already."""
    uid: str | None = None
    """The trace's, in a HAR of ours."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the client was told."""

    reply: Json
    failure: Failure | None
    stream: str | None
    """The events as they came; None for an answer that was no stream."""


def is_messages(url: str) -> bool:
    """Whether a request asks for a message: not for a count of tokens, nor for anything else."""
    parts = _parts(url)
    return parts is not None and parts.path.rstrip("/").endswith(PATH)


def trace_of(given: Recorded, quote: Quote, app_version: str = "") -> Trace:
    """The exchange as a trace. Raises BadRequest where the body is no request for a message."""
    parse(given.body)
    asked = about(given.body, given.request_headers)
    heard = hear(given.answer, given.status)
    attempt = _attempt(given, asked.model, heard, quote)
    return Trace(
        uid=_uid(given, heard.reply),
        origin="imported",
        kind=asked.kind,
        session=asked.session,
        project=asked.project,
        agent_id=asked.agent_id,
        asked_model=asked.model,
        streamed=asked.stream,
        body=given.body,
        raw=None,
        headers=kept_headers(given.request_headers),
        decision=None,
        attempts=(attempt,),
        reply=heard.reply,
        timeline=(),
        outcome="ok" if heard.failure is None and heard.reply is not None else "error" if given.status else "cancelled",
        status=given.status,
        failure=heard.failure,
        estimate=None,
        started_at=given.started_at,
        ttft_ms=None,
        duration_ms=given.duration_ms,
        app_version=app_version,
    )


def answer_of(trace: Trace, given: Recorded) -> Answer | None:
    """What its answer is known by; None where there was none."""
    reply = trace.reply
    if not isinstance(reply, dict) or not reply.get("id"):
        return None
    request = _header(given.response_headers, "request-id")
    return Answer(str(reply["id"]), request, trace.agent_id is not None, trace.session, reply)


def recorded_here(given: Recorded) -> str | None:
    """The id of the trace, if it went through a ccr-tui."""
    return _header(given.response_headers, "x-ccr-trace") or None


def hear(answer: Json, status: int) -> Heard:
    """What an answer says: a message, an error, or both where an error broke off a stream."""
    if isinstance(answer, str):
        try:
            answer = loads(answer)
        except ValueError:
            return _hear_stream(answer, status)
    if isinstance(answer, dict) and answer.get("type") == "message":
        return Heard(answer, None, None)
    return Heard(None, _failure(answer, status) if status else None, None)


def _hear_stream(text: str, status: int) -> Heard:
    decoder, fold = Decoder(), Fold()
    failure = None
    for event in (*decoder.feed(text.encode("utf-8", "replace")), *decoder.close()):
        given = _event(event.data)
        if given.get("type") == "error":
            failure = _failure(given, status)
        else:
            _feed(fold, given)
    if fold.message is None and failure is None and status:
        failure = _failure(text, status)
    return Heard(fold.message, failure, text)


def _feed(fold: Fold, event: dict[str, Any]) -> None:
    """A damaged event is left out, as its client did."""
    try:
        fold.feed(event)
    except (KeyError, TypeError, AttributeError):
        return


def _event(data: str) -> dict[str, Any]:
    try:
        given = loads(data)
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def _failure(answer: Json, status: int) -> Failure:
    error = answer.get("error") if isinstance(answer, dict) else None
    told = error if isinstance(error, dict) else {}
    words = told.get("message") or (answer if isinstance(answer, str) else json.dumps(answer))
    return Failure(status, str(told.get("type") or "api_error"), str(words)[:2000])


def _attempt(given: Recorded, model: str, heard: Heard, quote: Quote) -> Attempt:
    reply = heard.reply if isinstance(heard.reply, dict) else {}
    provider = _provider(given.url)
    usage = usage_of(reply["usage"]) if isinstance(reply.get("usage"), dict) else None
    price = None if usage is None else quote(provider, model, given.started_at, usage)
    stop = reply.get("stop_reason")
    return Attempt(
        n=1,
        purpose="answer",
        provider=provider,
        model=model,
        sent=given.body,
        started_at=given.started_at,
        ttft_ms=None,
        duration_ms=given.duration_ms,
        status=given.status or None,
        stop_reason=str(stop) if stop else None,
        usage=usage,
        price=price,
        cost=None if usage is None or price is None else cost(usage, price),
        cost_basis=price.basis if price else "unknown",
        failure=heard.failure,
        notes=(f"imported from {given.source}",),
        answered_by=str(reply["model"]) if reply.get("model") else None,
        connect_ms=given.connect_ms,
        stream=((given.duration_ms, heard.stream.encode("utf-8", "replace")),) if heard.stream else (),
    )


def _provider(url: str) -> str:
    """Anthropic by its host, everybody else by the host's name."""
    parts = _parts(url)
    host = (parts.hostname if parts else None) or ""
    return "anthropic" if host == "anthropic.com" or host.endswith(".anthropic.com") else host


def _parts(url: str) -> SplitResult | None:
    """None for what is no URL, whatever a file calls it."""
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _uid(given: Recorded, reply: Json) -> str:
    told = dumps([given.url, given.started_at, given.body, reply])
    return RECORDED + blake2b(told, digest_size=10).hexdigest()


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")
