"""Requests as a HAR 1.2 file, and back.

Owns the entries: one for each request of a client, and one for each call to a provider that it led to. Must never lose
a trace's own facts on the way: what HAR has no field for stands in `_ccr_tui`, as the archive has it, so that a HAR of
ours comes back as the very traces, their raw streams aside. The one surprise: the answer to a client is written as the
events that fold to the message which is stored; what a provider sent is its bytes as they came, if they are kept.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from ccr_tui import __version__
from ccr_tui.config import Provider
from ccr_tui.errors import StoreError
from ccr_tui.proxy.anthropic import as_stream, error_body
from ccr_tui.records import Attempt, Json, Trace
from ccr_tui.store import codec
from ccr_tui.store.rows import iso
from ccr_tui.transfer.pairs import OURS, SENT, of_har
from ccr_tui.transfer.recorded import Recorded
from ccr_tui.wire import dumps, loads


def har(traces: Iterable[Trace], address: str, providers: Mapping[str, Provider], remark: str) -> Iterator[bytes]:
    """The file, piece by piece."""
    creator = {"name": "ccr-tui", "version": __version__}
    yield b'{"log":{"version":"1.2","creator":%s,"comment":%s,"pages":[],"entries":[' % (dumps(creator), dumps(remark))
    first = True
    for trace in traces:
        for entry in entries(trace, address, providers):
            yield (b"\n" if first else b",\n") + dumps(entry)
            first = False
    yield b"\n]}}\n"


def entries(trace: Trace, address: str, providers: Mapping[str, Provider]) -> Iterator[dict[str, Any]]:
    """The client's request, and then the calls to providers."""
    yield _received(trace, address)
    for at, attempt in enumerate(trace.attempts):
        if attempt.sent is not None:
            yield _sent(trace, at, providers.get(attempt.provider))


def read(given: Json) -> Iterator[Trace | Recorded | str]:
    """What a HAR holds: traces where it is ours, else recorded requests; a word for each entry that is left out."""
    made = _ours(given)
    for entry in of_har(given):
        yield made.get(entry.uid or "", entry) if isinstance(entry, Recorded) else entry


def _ours(given: Json) -> dict[str, Trace]:
    """By id, the traces that a HAR of ours tells in full. Raises StoreError for one of a format we don't know."""
    sent: dict[tuple[str, int], Json] = {}
    found: dict[str, dict[str, Any]] = {}
    replies: dict[str, Json] = {}
    for entry in given["log"].get("entries") or []:
        told = entry.get(OURS) if isinstance(entry, dict) else None
        if not isinstance(told, dict):
            continue
        if entry.get("_side") == SENT:
            sent[str(told.get("id")), int(told.get("at") or 0)] = loads(_posted(entry))
        elif isinstance(told.get("trace"), dict):
            found[str(told.get("id"))] = told["trace"] | _given(told, entry)
            replies[str(told.get("id"))] = told.get("reply")
    return {id: _trace(id, light, replies[id], sent) for id, light in found.items()}


def _trace(id: str, light: dict[str, Any], reply: Json, sent: Mapping[tuple[str, int], Json]) -> Trace:
    try:
        heavy = [{"sent": sent.get((id, at)), "stream": ()} for at in range(len(light["attempts"]))]
        return codec.from_json(light, heavy, reply=reply)
    except codec.BROKEN as error:
        raise StoreError(f"request {id} of this HAR cannot be read ({type(error).__name__}: {error}).") from error


def _given(told: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """What could not be parsed when it came is not parsed now."""
    raw = told.get("raw")
    body = loads(_posted(entry)) if told.get("parsed") else None
    return {"body": body, "raw": None if raw is None else b64decode(raw)}


def _posted(entry: dict[str, Any]) -> str:
    return str(entry["request"]["postData"]["text"])


def _received(trace: Trace, address: str) -> dict[str, Any]:
    posted = _json(trace.body) if trace.body is not None else (trace.raw or b"").decode("utf-8", "replace")
    wait = trace.ttft_ms if trace.ttft_ms is not None else trace.duration_ms
    heads = {"content-type": _type(trace), "request-id": f"req_{trace.uid}", "x-ccr-trace": trace.uid}
    light = codec.to_json(replace(trace, attempts=tuple(replace(attempt, stream=()) for attempt in trace.attempts)))
    return {
        **_times(trace.started_at, trace.duration_ms, wait),
        "request": _request(f"{address}/v1/messages", trace.headers, posted),
        "response": _response(trace.status, heads, _answer(trace), _type(trace)),
        "comment": f"{trace.asked_model} → {trace.answer.model if trace.answer else 'nobody'}",
        "_side": "received",
        OURS: {
            "id": trace.uid,
            "trace": light,
            "reply": trace.reply,
            "parsed": trace.body is not None,
            "raw": None if trace.raw is None else b64encode(trace.raw).decode(),
        },
    }


def _sent(trace: Trace, at: int, provider: Provider | None) -> dict[str, Any]:
    attempt = trace.attempts[at]
    wait = attempt.ttft_ms if attempt.ttft_ms is not None else attempt.duration_ms
    text = b"".join(piece for _, piece in attempt.stream).decode("utf-8", "replace")
    kind = "text/event-stream" if text.lstrip().startswith(("data:", "event:", ":")) else "application/json"
    return {
        **_times(attempt.started_at, attempt.duration_ms, wait),
        "request": _request(_address(attempt, provider), {}, _json(attempt.sent)),
        "response": _response(attempt.status or 0, {"content-type": kind}, text or None, kind),
        "comment": f"{attempt.purpose}: {attempt.provider}/{attempt.model}",
        "_side": SENT,
        OURS: {"id": trace.uid, "at": at},
    }


def _address(attempt: Attempt, provider: Provider | None) -> str:
    host = quote(attempt.provider or "unknown", safe="", errors="replace")
    base = provider.base_url if provider else f"https://{host}.invalid/v1"
    if attempt.provider == "anthropic" or (provider and provider.kind == "anthropic"):
        return f"{base.removesuffix('/v1')}/v1/messages"
    return f"{base}/chat/completions"


def _times(started: float, duration: int, wait: int) -> dict[str, Any]:
    wait = max(0, min(wait, duration))
    timings = {"send": 0, "wait": wait, "receive": duration - wait}
    return {"startedDateTime": iso(started), "time": duration, "timings": timings, "cache": {}}


def _request(url: str, headers: Mapping[str, str], text: str) -> dict[str, Any]:
    return {
        "method": "POST",
        "url": url,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _headers(headers),
        "queryString": [],
        "postData": {"mimeType": "application/json", "text": text},
        "headersSize": -1,
        "bodySize": len(text.encode("utf-8", "replace")),
    }


def _response(status: int, headers: Mapping[str, str], text: str | None, kind: str) -> dict[str, Any]:
    size = len((text or "").encode("utf-8", "replace"))
    content: dict[str, Any] = {"size": size, "mimeType": kind}
    return {
        "status": status,
        "statusText": _phrase(status),
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _headers(headers),
        "content": content if text is None else content | {"text": text},
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": size,
    }


def _headers(given: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in given.items()]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _answer(trace: Trace) -> str | None:
    """As the client was told it."""
    if trace.reply is None:
        return None if trace.failure is None else _json(error_body(trace.failure, f"req_{trace.uid}"))
    if not trace.streamed:
        return _json(trace.reply)
    try:
        return as_stream(trace.reply).decode("utf-8", "replace")
    except (ValueError, LookupError, AttributeError, TypeError):
        return _json(trace.reply)


def _type(trace: Trace) -> str:
    return "text/event-stream" if trace.streamed and isinstance(trace.reply, dict) else "application/json"


def _json(value: Json) -> str:
    return dumps(value).decode()
