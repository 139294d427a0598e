"""What a form's lines hold that is more than a word: keys, headers, a proxy, quirks; shown, read again, and saved.

Owns how each is written on one line, and which edits of config.toml follow from a change. Pure. Must never show a
credential, nor take one into the file: those are variables' names. The one surprise: what was masked and is left as it
was stays in the file; only what a person has changed is written, so that the comments beside the rest survive.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ccr_tui import values
from ccr_tui.editing import Edit

MASK = "••••"
NONE = "none"
"""How a line says that a provider goes through no proxy, whatever the environment says."""
_SECRET = re.compile(r"auth|key|token|secret|cookie|password|credential", re.IGNORECASE)
_HEADER = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_NEXT = re.compile(rf"[;\n]\s*(?={_HEADER}\s*:)")


# -- several keys


def keys_line(keys: Sequence[str]) -> str:
    """Those that are variables; what stands in the file itself is not shown."""
    return ", ".join(key for key in keys if values.variable(key))


def keys(line: str) -> tuple[str, ...]:
    """$A, $B. Raises ValueError."""
    found = tuple(key for key in re.split(r"[,\s]+", line) if key)
    if any(values.variable(key) is None for key in found):
        raise ValueError("must be $NAME, $NAME: the variables that hold the keys; keys themselves stay out of the file")
    return found


# -- headers


def headers_line(headers: Mapping[str, str]) -> str:
    """X-Title: ccr-tui; X-Key: $NAME. A secret that stands in the file is masked."""
    return "; ".join(f"{name}: {MASK if _is_secret(name, value) else value}" for name, value in headers.items())


def headers(line: str, before: Mapping[str, str] | None = None) -> dict[str, str]:
    """The headers; those that are masked keep the value of `before`. Raises ValueError."""
    found: dict[str, str] = {}
    for part in _NEXT.split(line) if line else ():
        name, colon, value = (piece.strip() for piece in part.partition(":"))
        if not colon or not re.fullmatch(_HEADER, name) or not value:
            raise ValueError("must be Name: value; Name: value")
        if value == MASK and name in (before or {}):
            value = (before or {})[name]
        elif _is_secret(name, value) and value != MASK:
            raise ValueError(f"holds a secret: {name} must be $NAME, the variable that holds its value")
        found[name] = value
    return values.header_map(found)


def _is_secret(name: str, value: str) -> bool:
    return _SECRET.search(name) is not None and values.variable(value) is None


# -- a proxy


def proxy_line(proxy: str | None) -> str:
    """Its URL, a password masked; "none", or nothing where the environment decides."""
    if proxy is None:
        return ""
    password = urlsplit(proxy).password
    return proxy.replace(f":{password}@", f":{MASK}@", 1) if password else proxy or NONE


def proxy(line: str, before: str | None = None) -> str | None:
    """What config.toml has; None where nothing is said. Raises ValueError."""
    if not line:
        return None
    if before is not None and line == proxy_line(before):
        return before
    if MASK in line:
        raise ValueError("must have its password typed anew where anything of it changes")
    return values.proxy("" if line.lower() == NONE else line)


# -- quirks


def quirks_line(quirks: Mapping[str, Any]) -> str:
    """think_tags = true, efforts = ["low", "high"]."""
    return ", ".join(f"{name} = {_toml(value)}" for name, value in quirks.items())


def quirks(line: str) -> dict[str, Any]:
    """The same, read by TOML's own rules. Raises ValueError."""
    try:
        return tomllib.loads(f"quirks = {{{line}}}")["quirks"] if line else {}
    except tomllib.TOMLDecodeError:
        raise ValueError("must be name = value, name = value, as in config.toml: think_tags = true") from None


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} = {_toml(each)}" for name, each in value.items()) + "}"
    return str(value)


# -- what changes


def changed(keys: tuple[str, ...], before: Any, after: Any) -> list[Edit]:
    """The edit of one value; nothing where it stays. Empty takes it away."""
    return [] if after == before else [(keys, after or None)]


def table(keys: tuple[str, ...], before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Edit]:
    """The edits of a table's keys, so that comments beside the others stay; a new table is written on one line."""
    if not before or not after:
        return changed(keys, dict(before), dict(after))
    gone: list[Edit] = [((*keys, name), None) for name in before if name not in after]
    return gone + [((*keys, name), value) for name, value in after.items() if before.get(name) != value]
