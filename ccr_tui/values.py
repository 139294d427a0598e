"""What a single setting may look like: a port, a URL, a price, a switch.

Owns the parsers, each of which takes what stands in the file or the environment and returns the checked value. Must
never know where a value came from (`settings.py`) or what it is for (`config.py`). The one surprise: a parser raises
ValueError with the *end* of a sentence ("must be ..."), because its caller knows the beginning: the key.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import TypeVar
from urllib.parse import urlsplit

from ccr_tui.records import MOST

T = TypeVar("T")
Parser = Callable[[object], T]
"""Takes what stands in the file or the environment; raises ValueError with the end of a sentence ("must be ...")."""

HIGHEST = MOST // 1_000_000_000
"""US dollars for a million tokens: what is billed at more could not be kept, nor taken in from an archive."""
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
_VERSION = re.compile(r"/v\d+[a-z0-9]*(/|$)")
_HOST = re.compile(r"[\w.:%\[\]-]{1,253}")
_TAILS = {"openai": ("/chat/completions",), "anthropic": ("/v1/messages", "/messages", "/v1"), "demo": ()}


def text(value: object) -> str:
    """Any text that is not blank."""
    if not isinstance(value, str):
        raise ValueError(f"must be text in quotes, not {value!r}")
    if not value.strip():
        raise ValueError("must not be empty")
    return value.strip()


def optional_text(value: object) -> str:
    """Text that may be empty."""
    return value.strip() if isinstance(value, str) and not value.strip() else text(value)


def one_of(*names: str) -> Parser[str]:
    """One of a few words."""

    def parse(value: object) -> str:
        if value not in names:
            raise ValueError(f"must be one of {', '.join(names)}, not {value!r}{did_you_mean(value, names)}")
        return str(value)

    return parse


def integer(low: int, high: int) -> Parser[int]:
    """A whole number, written as one or as text."""

    def parse(value: object) -> int:
        digits = value.strip() if isinstance(value, str) else value
        if isinstance(digits, str) and re.fullmatch(r"[0-9]{1,15}", digits):
            digits = int(digits)
        if isinstance(digits, bool) or not isinstance(digits, int) or not low <= digits <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {value!r}")
        return digits

    return parse


def seconds(value: object) -> float:
    """A duration of more than zero and at most a day."""
    number = _decimal(value, "must be a number of seconds")
    if not 0 < number <= 86_400:
        raise ValueError(f"must be more than 0 and at most 86400 seconds, not {value}")
    return float(number)


def milliseconds(value: object) -> float:
    """The same, written in milliseconds; the result is in seconds."""
    try:
        return seconds(_decimal(value, "must be a number of milliseconds") / 1000)
    except ValueError as error:
        raise ValueError(f"must be a number of milliseconds, more than 0 and at most a day, not {value!r}") from error


def money(value: object) -> int:
    """US dollars, exact; the result is in nano-USD."""
    number = _decimal(value, "must be US dollars per million tokens, such as 0.15")
    if not 0 <= number <= HIGHEST:
        raise ValueError(f"must be US dollars per million tokens from 0 to {HIGHEST}, not {value}")
    return round(number * 1_000_000_000)


def budget(value: object) -> int:
    """US dollars that may be spent, exact; the result is in nano-USD."""
    number = _decimal(value, "must be US dollars, such as 2.50")
    if not 0 < number < 1_000_000_000:
        raise ValueError(f"must be US dollars, more than 0, not {value}")
    return max(1, round(number * 1_000_000_000))


def days(value: object) -> float:
    """More than none."""
    number = _decimal(value, "must be a number of days")
    if not 0 < number < 1_000_000:
        raise ValueError(f"must be more than 0 days, not {value}")
    return float(number)


def gigabytes(value: object) -> int:
    """More than none; the result is in bytes."""
    number = _decimal(value, "must be a number of gigabytes")
    if not 0 < number < 1_000_000:
        raise ValueError(f"must be more than 0 gigabytes, not {value}")
    return max(1, round(number * 1_000_000_000))


def switch(value: object) -> bool:
    """True or false, as TOML or as people write it in an environment variable."""
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    found = value if isinstance(value, bool) else words.get(str(value).strip().lower())
    if found is None:
        raise ValueError(f"must be true or false, not {value!r}")
    return found


def names(value: object) -> tuple[str, ...]:
    """One name, or a list of them."""
    listed = value if isinstance(value, list) else [value]
    if not listed:
        raise ValueError("must name a model")
    return tuple(text(each) for each in listed)


def words(value: object) -> tuple[str, ...]:
    """One text, or a list of them, of any use."""
    listed = value if isinstance(value, list) else [value]
    if not listed:
        raise ValueError("must not be empty")
    return tuple(text(each) for each in listed)


def some_of(*known: str) -> Parser[tuple[str, ...]]:
    """One of a few words, or a list of them."""
    one = one_of(*known)

    def parse(value: object) -> tuple[str, ...]:
        return tuple(one(each) for each in words(value))

    return parse


def pattern(value: object) -> re.Pattern[str]:
    """A regular expression."""
    try:
        return re.compile(text(value))
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from error


def is_sendable(value: str) -> bool:
    """Whether it can be the value of a header, of any server and client."""
    return value.isascii() and value.isprintable()


def header_map(value: object) -> dict[str, str]:
    """Names and values of HTTP headers."""
    if not isinstance(value, dict):
        raise ValueError("must be a table of header names and values")
    for name, content in value.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise ValueError(f"has {name!r}, which is not the name of a header")
        if not isinstance(content, str) or re.search(r"[\r\n\0]", content):
            raise ValueError(f"has a value for {name} that is not one line of text")
    return dict(value)


def proxy(value: object) -> str:
    """The URL of an HTTP or SOCKS proxy; empty means none."""
    if value == "":
        return ""
    parts = urlsplit(text(value))
    if parts.scheme not in ("http", "https", "socks5", "socks5h") or not parts.hostname:
        raise ValueError("must be an http://, https:// or socks5:// URL with a host")
    return text(value)


def base_url(kind: str) -> Parser[str]:
    """An API's address, with or without /v1 or /chat/completions at its end, as `Provider.base_url` has it.

    A URL that ends in /chat/completions is taken at its word; any other openai one gets a /v1 unless its path names a
    version already (Zhipu's /api/paas/v4, Gemini's /v1beta/openai).
    """

    def parse(value: object) -> str:
        url = text(value).rstrip("/")
        _check_url(url)
        for tail in _TAILS[kind]:
            if url.endswith(tail):
                return url.removesuffix(tail).rstrip("/")
        if kind == "openai" and not _VERSION.search(urlsplit(url).path):
            url += "/v1"
        return url

    return parse


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"is not a URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError(f"must be an http:// or https:// URL, not {url.rsplit('@', 1)[-1]!r}")
    if parts.username or parts.password:
        raise ValueError("must not hold a user or password; put them into api_key or headers")
    if parts.query or parts.fragment:
        raise ValueError("must not have a ?query or #fragment")


def host(value: object) -> str:
    """An address or a name to listen at."""
    given = text(value)
    try:
        is_one = bool(_HOST.fullmatch(given)) and bool(given.strip("[]").encode("idna"))
    except UnicodeError:
        is_one = False
    if not is_one:
        raise ValueError(f"must be an address or the name of this machine, not {given!r}")
    return given


def is_loopback(host: str) -> bool:
    """Whether an address or host name can only be reached from this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]").split("%", 1)[0]).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost" or host.lower().endswith(".localhost")


def variable(value: str) -> str | None:
    """The name in `$NAME` or `${NAME}`; None for anything else."""
    match = _VARIABLE.fullmatch(value.strip())
    return (match[1] or match[2]) if match else None


def _decimal(value: object, wanted: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise ValueError(f"{wanted}, not {value!r}")
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation as error:
        raise ValueError(f"{wanted}, not {value!r}") from error
    if not number.is_finite():
        raise ValueError(f"{wanted}, not {value!r}")
    return number


def did_you_mean(value: object, known: Sequence[str]) -> str:
    """The tail of a complaint that names the nearest known word, if one is near."""
    near = difflib.get_close_matches(str(value), known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
