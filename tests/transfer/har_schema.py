"""HAR 1.2 as a JSON schema, after the format's own description (w3c.github.io/web-performance, "HAR 1.2 Spec").

Members that begin with an underscore are anybody's own and allowed everywhere; all others are named.
"""

from __future__ import annotations

from typing import Any

TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": -1}
MS = {"type": "number", "minimum": -1}


def made(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """An object of these members."""
    return {
        "type": "object",
        "required": list(required),
        "properties": required | optional,
        "patternProperties": {"^_": {}},
        "additionalProperties": False,
    }


def many(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


PAIR = made({"name": TEXT, "value": TEXT}, comment=TEXT)
COOKIE = made({"name": TEXT, "value": TEXT}, path=TEXT, domain=TEXT, expires=TEXT, comment=TEXT)
CREATOR = made({"name": TEXT, "version": TEXT}, comment=TEXT)
POSTED = made({"mimeType": TEXT, "text": TEXT}, params=many(PAIR), comment=TEXT)
REQUEST = made(
    {
        "method": TEXT,
        "url": {"type": "string", "format": "uri", "pattern": "^https?://"},
        "httpVersion": TEXT,
        "cookies": many(COOKIE),
        "headers": many(PAIR),
        "queryString": many(PAIR),
        "headersSize": COUNT,
        "bodySize": COUNT,
    },
    postData=POSTED,
    comment=TEXT,
)
CONTENT = made(
    {"size": {"type": "integer", "minimum": 0}, "mimeType": TEXT},
    text=TEXT,
    encoding=TEXT,
    compression=COUNT,
    comment=TEXT,
)
RESPONSE = made(
    {
        "status": {"type": "integer", "minimum": 0},
        "statusText": TEXT,
        "httpVersion": TEXT,
        "cookies": many(COOKIE),
        "headers": many(PAIR),
        "content": CONTENT,
        "redirectURL": TEXT,
        "headersSize": COUNT,
        "bodySize": COUNT,
    },
    comment=TEXT,
)
TIMINGS = made({"send": MS, "wait": MS, "receive": MS}, blocked=MS, dns=MS, connect=MS, ssl=MS, comment=TEXT)
ENTRY = made(
    {
        "startedDateTime": {
            "type": "string",
            "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d)$",
        },
        "time": {"type": "number", "minimum": 0},
        "request": REQUEST,
        "response": RESPONSE,
        "cache": {"type": "object"},
        "timings": TIMINGS,
    },
    pageref=TEXT,
    serverIPAddress=TEXT,
    connection=TEXT,
    comment=TEXT,
)
LOG = made(
    {"version": {"const": "1.2"}, "creator": CREATOR, "entries": many(ENTRY)},
    browser=CREATOR,
    pages={"type": "array"},
    comment=TEXT,
)
SCHEMA = made({"log": LOG})
