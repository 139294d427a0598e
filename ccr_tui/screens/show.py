"""How numbers, times and recorded text look on a screen.

Owns the formats: tokens as 1.2k, money with as many digits as matter, durations with their unit, local times, and text
made harmless. Must never know widgets. The one surprise: recorded text is hostile until it went through `harmless`:
escape sequences, bidirectional overrides and lone surrogates in a tool's output would otherwise reach the terminal.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache

from rich.cells import cell_len, get_character_cell_size, set_cell_size

from ccr_tui import prices

_REPLACED: dict[int, str | None] = {
    **{code: chr(0x2400 + code) for code in range(0x20)},
    0x7F: "␡",
    **dict.fromkeys(range(0x80, 0xA0), "␦"),
    **dict.fromkeys((0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "␦"),
    **dict.fromkeys((0x2028, 0x2029), "␤"),
    **dict.fromkeys((0x00AD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, *range(0xFE00, 0xFE10)), None),
    **dict.fromkeys(range(0xD800, 0xE000), "�"),
    **dict.fromkeys(range(0xE0000, 0xE0080), "␦"),
    0x09: "    ",
}
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060\u2066-\u2069\ufe00-\ufe0f\ufeff\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def harmless(text: str) -> str:
    """`text` as it may be drawn: one line, control characters as symbols (ESC is ␛), invisible ones gone."""
    return text.translate(_REPLACED) if _HARMFUL.search(text) else text


def harmless_lines(text: str) -> list[str]:
    """The lines of `text`, each harmless. Only \\n, \\r\\n and \\r end a line, as in a terminal."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return [harmless(line) for line in text.split("\n")]


def tokens(count: int | None) -> str:
    """A number of tokens: 312, 1.2k, 48.1k, 214k, 1.2M; "?" where it is not known."""
    if count is None:
        return "?"
    if count < 1000:
        return str(count)
    for unit, size in (("k", 1e3), ("M", 1e6), ("G", 1e9)):
        scaled = count / size
        if scaled < 99.95:
            return f"{scaled:.1f}{unit}"
        if scaled < 999.5:
            return f"{scaled:.0f}{unit}"
    return f"{count / 1e12:.1f}T"


def signed(count: int | None) -> str:
    """How many tokens more or less: +1.2k, −340, 0; a dash where there is nothing to compare with."""
    if count is None:
        return "–"
    return f"{'+' if count > 0 else '−' if count < 0 else ''}{tokens(abs(count))}"


def size(characters: int) -> str:
    """A size in bytes or characters: 340, 12 k, 3.1 M."""
    if characters < 1000:
        return str(characters)
    if characters < 999_500:
        return f"{characters / 1e3:.{1 if characters < 9950 else 0}f} k"
    return f"{characters / 1e6:.1f} M"


def seconds(ms: int | float | None) -> str:
    """A duration for a column headed "s": <0.1, 0.4, 2.1, 31, 2m03."""
    if ms is None:
        return "–"
    value = ms / 1000
    if value < 0.05:
        return "<0.1"
    if value < 9.95:
        return f"{value:.1f}"
    if value < 99.5:
        return f"{value:.0f}"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}m{rest:02d}" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}"


def duration(ms: int | float | None) -> str:
    """A duration with its unit: 12 ms, 0.8 s, 17.6 s, 2 m 03 s."""
    if ms is None:
        return "–"
    if ms < 99.5:
        return f"{ms:.0f} ms"
    if ms < 99_950:
        return f"{ms / 1000:.{2 if ms < 995 else 1}f} s"
    minutes, rest = divmod(round(ms / 1000), 60)
    return f"{minutes} m {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} m"


def money(nanos: int | None) -> str:
    """Nano-dollars with the digits that matter; "?" where the price is unknown."""
    return prices.show(nanos)


def rate(nanos: int | None) -> str:
    """A price for a million tokens, with all of its digits: $0.333, $15.00; "?" where it is unknown."""
    exact = prices.usd(nanos)
    if exact is None:
        return "?"
    whole, _, rest = exact.partition(".")
    return f"${whole}.{rest:0<2}"


_MONEY = re.compile(r"([^$]*\$[\d,]*)(?:\.(\d+))?(.*)")


def lined(text: str, digits: int = 4, widest: int = 0) -> str:
    """An amount as `money` writes it, with what marks it, filled up so that the points of a column at the right are in
    line. What has more than `digits` after the point is rounded, or stands as far as `widest` cells let it."""
    found = _MONEY.fullmatch(text)
    if found is None:
        return text + " " * (digits + 1) if text else ""
    whole, part, mark = found[1], found[2] or "", found[3]
    room = max(digits, widest - len(whole) - len(mark) - 1)
    if len(part) > room:
        rounded = round(int(part) / 10 ** (len(part) - room))
        whole, part = (whole, f"{rounded:0{room}}") if rounded else (f"<{whole.lstrip('<')}", "1".zfill(room))
    return whole + ((f".{part}" if part else "") + mark).ljust(digits + 1)


def percent(part: int | float, whole: int | float) -> str:
    """A share: 91%, <1%; a dash where there is no whole."""
    if not whole:
        return "–"
    share = 100 * part / whole
    if 0 < share < 0.5:
        return "<1%"
    return f"{min(share, 99) if part < whole else share:.0f}%"


def clock(at: float, now: float) -> str:
    """A local time in eight columns: 12:03:02 today, "21 12:03" within four weeks, else "Nov 2026"."""
    then, today = datetime.fromtimestamp(at), datetime.fromtimestamp(now)
    if then.date() == today.date():
        return then.strftime("%H:%M:%S")
    return then.strftime("%d %H:%M" if (today - then).days < 28 else "%b %Y")


@lru_cache(4)
def _day(now: int) -> int:
    """The number of the local day; the same for all lines of a page."""
    return datetime.fromtimestamp(now).toordinal()


def when(at: float, now: float, width: int) -> str:
    """A local time in 9 columns (12:03:02, Sun 12:03, 21 Nov, Nov 2025) or 12 (Sun 12:03:02, 21 Nov 12:03)."""
    then = datetime.fromtimestamp(at)
    days = _day(int(now)) - then.toordinal()
    if days == 0:
        return then.strftime("%H:%M:%S")
    if 0 < days < 7:
        return then.strftime("%a %H:%M:%S" if width >= 12 else "%a %H:%M")
    if abs(days) < 300:
        return then.strftime("%d %b %H:%M" if width >= 12 else "%d %b")
    return then.strftime("%d %b %Y" if width >= 12 else "%b %Y")


def moment(at: float) -> str:
    """A local time in full: 2026-11-22 12:03:02."""
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")


_DATED = re.compile(r"[-@](?:20\d{6}|20\d\d-\d\d-\d\d|latest)$")


@lru_cache(1024)
def model(name: str | None) -> str:
    """A model's name without what is the same for all: claude-opus-5-5-20260801 is opus-5-5."""
    if not name:
        return "?"
    short = _DATED.sub("", harmless(name).removesuffix("[1m]")).removeprefix("claude-")
    return short.rpartition("/")[2] or short


def fit(text: str, width: int) -> str:
    """`text` in exactly `width` cells: padded on the right, or cut with an ellipsis."""
    if width <= 0:
        return ""
    if len(text) <= width and text.isascii():  # most texts
        return text.ljust(width)
    if len(text) > width and text[: width + 1].isascii():  # most titles; the way below takes a millisecond
        return text[: width - 1] + "…"
    taken = cells(text)
    if taken <= width:
        return text + " " * (width - taken)
    return set_cell_size(text, width - 1) + "…"


def fit_right(text: str, width: int) -> str:
    """`text` in exactly `width` cells, at the right; cut with an ellipsis where it is longer."""
    if len(text) <= width and text.isascii():
        return text.rjust(width)
    taken = cells(text)
    return " " * (width - taken) + text if taken <= width else fit(text, width)


_NARROW = re.compile(
    "[ -~\xa0-\u02ff\u0370-\u0482\u2010-\u2027\u2030-\u205e\u20a0-\u20cf\u2100-\u2319\u232b-\u23e8\u2400-\u25fc"
    "\u27c0-\u28ff★⚑✎✓✗❯]*"
)
"""Of characters that take one column each: western letters, and the signs that we draw with."""


def cells(text: str) -> int:
    """How many columns a text takes."""
    return len(text) if text.isascii() or _NARROW.fullmatch(text) else cell_len(text)


def cells_of(text: str) -> list[int]:
    """The width in cells of each character."""
    return [get_character_cell_size(char) for char in text]


_EIGHTHS = " ▏▎▍▌▋▊▉█"
_STEPS = "▁▂▃▄▅▆▇█"


def bar(share: float, width: int) -> tuple[str, str]:
    """A bar of eighths: what is full and what is left, together `width` cells."""
    filled = round(max(0.0, min(1.0, share)) * width * 8)
    whole, part = divmod(filled, 8)
    full = "█" * whole + (_EIGHTHS[part] if part else "")
    return full, "░" * (width - len(full))


def sparkline(values: list[int], width: int) -> str:
    """The last `width` values as steps; an empty hour is a low line, so that the days' lengths agree."""
    shown = values[-width:]
    top = max(shown, default=0)
    return "".join(_STEPS[round(v / top * 7)] if top and v else " " if not top else "▁" for v in shown)
