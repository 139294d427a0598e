"""A credential in other clothes: as a provider that refuses a request may repeat it, escaped, encoded or cut short.

Owns how it may look: written for JSON, a URL or a page, letter by letter; in base64, whatever stands before it; in
hexadecimal. Must never be asked of an answer that is none of a refusal: it looks at each byte. The one surprise: what
was cut off in the middle counts from its half on.
"""

from __future__ import annotations

import html
import re
from base64 import b64encode
from functools import lru_cache

SHORTEST = 8
"""Characters of a credential below which it is only looked for as it is."""
MOST = 32 * 1024
"""Bytes that are looked at, at either end: a refusal has some hundred, or ends an answer. It takes 9 ms."""


def covered(data: bytes, secrets: tuple[str, ...]) -> bytes:
    """The same with as many asterisks in the credentials' place."""
    looks = _looks(tuple(one for one in secrets if len(one) >= SHORTEST and one.isascii()))
    if looks is None:
        return data
    ends = (data,) if len(data) <= 2 * MOST else (data[:MOST], data[MOST:-MOST], data[-MOST:])
    return b"".join(one if n == 1 else looks.sub(lambda match: b"*" * len(match[0]), one) for n, one in enumerate(ends))


def undressed(text: str, secrets: tuple[str, ...]) -> str:
    """A sentence in which three asterisks stand for what is left of a credential, and for its other looks."""
    shown = covered(text.encode("utf-8", "surrogatepass"), secrets).decode("utf-8", "surrogatepass")
    for secret in secrets:
        for length in range(len(secret), max(SHORTEST, len(secret) // 2) - 1, -1):
            shown = shown.replace(secret[:length], "***")
    return re.sub(r"\*{8,}", "***", shown)


@lru_cache(maxsize=64)
def _looks(secrets: tuple[str, ...]) -> re.Pattern[bytes] | None:
    """All of them; None where there is no credential."""
    found = "|".join(look for secret in secrets for look in (_written(secret), *_encoded(secret.encode())))
    return re.compile(found.encode()) if found else None


def _written(secret: str) -> str:
    """Each letter as it is, or as JSON, a URL or a page may write it."""
    return "".join(map(_letter, secret))


def _letter(one: str) -> str:
    code = f"{ord(one):02x}"
    plain = {one, html.escape(one), f"\\{one}"} if not one.isalnum() else {one}
    written = "|".join(sorted(map(re.escape, plain), reverse=True))
    return f"(?:{written}|(?i:(?:%|\\\\u00){code}|&#(?:0*{ord(one)}|x0*{code});?))"


def _encoded(secret: bytes) -> list[str]:
    """Its hexadecimal digits, and what is its own in base64 behind none, one and two bytes of others."""
    looks = [f"(?i:{secret.hex()})"]
    for before in range(3):
        letters = b64encode(bytes(before) + secret).decode()
        own = letters[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
        looks.append(re.escape(own).replace(r"\+", "[+-]").replace("/", r"(?:\\?/|_)"))
    return looks
