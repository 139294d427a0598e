"""HAR files and claude-trace's JSON lines, read as recorded exchanges.

Owns what their fields mean. Must never do I/O. The one surprise: browsers and proxies write different dialects of HAR;
headers may come in any case, a body as base64, times as -1 where they are not known.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator
from typing import Any

from ccr_tui.records import Json
from ccr_tui.transfer.recorded import Recorded, is_messages
from ccr_tui.transfer.transcript import moment
from ccr_tui.wire import loads

OURS = "_ccr_tui"
"""What our own HAR tells in an entry beside what HAR has fields for: the trace's id, and more."""
SENT = "sent"
"""What our own HAR says in `_side` of the calls to providers: they belong to the request before them."""


def of_har(given: Json) -> Iterator[Recorded | str]:
    """The requests for messages in a HAR, in its order; a word for each entry that is left out."""
    entries = given["log"].get("entries") or [] if isinstance(given.get("log"), dict) else []
    for entry in entries:
        yield _har_entry(entry) if isinstance(entry, dict) else "an entry is no object"


def of_claude_trace(given: Json) -> Recorded | str:
    """One line of claude-trace; a word where it is left out."""
    request, response = _dict(given.get("request")), _dict(given.get("response"))
    url = str(request.get("url") or "")
    if not is_messages(url) or request.get("method") != "POST":
        return "no request for a message"
    if not isinstance(request.get("body"), dict):
        return "the request's body is missing"
    started, ended = _seconds(request.get("timestamp")), _seconds(response.get("timestamp"))
    if started is None:
        return "the time is missing"
    return Recorded(
        source="claude-trace",
        url=url,
        started_at=started,
        duration_ms=max(0, round(((ended or started) - started) * 1000)),
        connect_ms=None,
        request_headers=_headers(request.get("headers")),
        body=request["body"],
        status=response["status_code"] if isinstance(response.get("status_code"), int) else 0,
        response_headers=_headers(response.get("headers")),
        answer=response["body"] if response.get("body") is not None else response.get("body_raw"),
    )


def _har_entry(entry: dict[str, Any]) -> Recorded | str:
    request, response = _dict(entry.get("request")), _dict(entry.get("response"))
    url = str(request.get("url") or "")
    if entry.get("_side") == SENT:
        return "a call to a provider, beside its request"
    if not is_messages(url) or request.get("method") != "POST":
        return "no request for a message"
    body = _body(_dict(request.get("postData")))
    started = moment(entry.get("startedDateTime"))
    if body is None or started is None:
        return "the request's body is missing" if body is None else "the time is missing"
    timings = _dict(entry.get("timings"))
    parts = [_ms(timings.get(name)) for name in ("blocked", "dns", "connect", "send", "wait")]
    status = response.get("status")
    return Recorded(
        source="a HAR file",
        url=url,
        started_at=started,
        duration_ms=_ms(entry.get("time")),
        connect_ms=sum(parts) if any(parts) else None,
        request_headers=_headers(request.get("headers")),
        body=body,
        status=status if isinstance(status, int) and status > 0 else 0,
        response_headers=_headers(response.get("headers")),
        answer=_text(_dict(response.get("content"))),
        uid=str(_dict(entry.get(OURS)).get("id") or "") or None,
    )


def _body(data: dict[str, Any]) -> Json:
    text = _text(data)
    try:
        return None if text is None else loads(text)
    except ValueError:
        return None


def _text(content: dict[str, Any]) -> str | None:
    text = content.get("text")
    if not isinstance(text, str):
        return None
    if content.get("encoding") != "base64":
        return text
    try:
        return b64decode(text).decode("utf-8", "replace")
    except (Base64Error, ValueError):
        return None


def _headers(given: Json) -> dict[str, str]:
    """A HAR has a list of names and values, claude-trace an object."""
    if isinstance(given, dict):
        return {str(name): str(value) for name, value in given.items()}
    if not isinstance(given, list):
        return {}
    return {str(each.get("name")): str(each.get("value")) for each in given if isinstance(each, dict)}


def _seconds(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _ms(value: Json) -> int:
    known = _seconds(value)
    return 0 if known is None or not 0 <= known < 1e12 else round(known)


def _dict(value: Json) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
