"""A request's body as its content-encoding says: gzip and deflate are unpacked, anything else is refused by name.

Owns `unpacked`. Must never give more than `limit` bytes, however small they came. The one surprise: `deflate` means
zlib's format (RFC 9110, 8.4.1.2), but some clients send the bare stream that the name promises; both are taken.
"""

from __future__ import annotations

import zlib

from ccr_tui.errors import BadRequest, ProxyError, TooLarge

TAKEN = "gzip, deflate"
_GZIP, _ZLIB, _BARE = 31, 15, -15
"""What zlib calls these formats."""


class Unpackable(ProxyError):
    """415: packed in a way that is not known here."""

    status = 415
    type = "invalid_request_error"


_CODES = {
    Unpackable: "request_body_encoding_unsupported",
    BadRequest: "request_body_encoding_invalid",
    TooLarge: "request_body_too_large_after_decoding",
}
"""What programs branch on (the official SDK's error details, 2.12)."""


def unpacked(raw: bytes, encoding: str, limit: int) -> bytes:
    """The body without its encodings; the last one named was put on last. Raises Unpackable, BadRequest, TooLarge."""
    try:
        return _unpacked(raw, encoding, limit)
    except ProxyError as error:
        error.details = {"error_code": _CODES[type(error)]}
        raise


def _unpacked(raw: bytes, encoding: str, limit: int) -> bytes:
    for name in reversed([one.strip().lower() for one in encoding.split(",")]):
        if name in ("gzip", "x-gzip"):
            raw = _members(raw, limit)
        elif name == "deflate":
            raw = _inflated(raw, _ZLIB if raw[:1] and raw[0] & 0xF == 8 else _BARE, limit)[0]
        elif name not in ("", "identity"):
            sentence = f"The body's content-encoding {name[:40]!r} is not known here: send it plain, or as {TAKEN}."
            raise Unpackable(sentence, should_retry=False)
    return raw


def _members(raw: bytes, limit: int) -> bytes:
    """A gzip file is one or more of them in a row (RFC 1952, 2.2)."""
    parts: list[bytes] = []
    while raw:
        part, raw = _inflated(raw, _GZIP, limit)
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)


def _inflated(raw: bytes, form: int, limit: int) -> tuple[bytes, bytes]:
    """What is packed, and what stands behind it."""
    opened = zlib.decompressobj(form)
    try:
        data = opened.decompress(raw, limit + 1)
    except zlib.error as error:
        sentence = f"The body cannot be unpacked: it is not what its content-encoding says ({error})."
        raise BadRequest(sentence, should_retry=False) from error
    if len(data) > limit:
        raise TooLarge("The unpacked body is over 64 MiB.", should_retry=False)
    if not opened.eof:
        raise BadRequest("The packed body ends before its end.", should_retry=False)
    return data, opened.unused_data
