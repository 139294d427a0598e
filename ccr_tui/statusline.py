"""`ccr-tui statusline`: one line for Claude Code's status line, from its JSON on stdin and a glance at the database.

Owns what the line says and how it ends: always with 0, and with nothing where nothing is known, because Claude Code
blanks the line of a command that fails. Must never import click, dataclasses or anything heavy: it runs several times a
minute (`__main__` comes here before the command line is loaded). The one surprise: the context is measured against the
window of the model that really answers, where config.toml names it or it is known of its id; Claude Code's own
percentage knows only the model that it asked for.

    ROUTER tool  qwen-max  24% of 128k  ~$0.42  87% cached
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

TYPE_CHECKING = False  # typing itself would take 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MOST = 4 * 1024 * 1024
"""Bytes of JSON that are read; Claude Code sends a few hundred."""
COLOURS = {"strong": "1", "muted": "2", "good": "32", "warn": "33", "bad": "31", "mode": "38;5;173"}
FULL = (80, 60)
"""Per cent of the window from which on the context is alarming, and worth a look."""


def main(args: list[str]) -> int:
    """Print the line. Nothing that is missing or broken makes it fail."""
    if sys.stdin is None or sys.stdin.isatty():
        sys.stderr.write(
            "ccr-tui statusline reads Claude Code's JSON on stdin; see the README for its settings.json.\n"
        )
        return 0
    try:
        words = line(sys.stdin.buffer.read(MOST), _flags(args), os.environ)
        if words:
            sys.stdout.buffer.write(words.encode("utf-8", "replace") + b"\n")
            sys.stdout.flush()
    except (OSError, ValueError):  # a closed pipe, a directory that can't be read
        return 0
    return 0


def line(given: bytes, flags: Mapping[str, str], env: Mapping[str, str]) -> str:
    """The line for Claude Code's JSON; empty where its session is not known."""
    import json

    try:
        told = json.loads(given)
    except (ValueError, RecursionError):
        return ""
    session = _session(told)
    if not session:
        return ""
    config = _config(flags, env)
    seen = _seen(_database(flags, env, config), session)
    return _drawn(_parts(seen, told, config), env) if seen else ""


def _session(told: Any) -> str:
    if not isinstance(told, dict):
        return ""
    given, path = told.get("session_id"), told.get("transcript_path")
    if isinstance(given, str) and given:
        return given
    return Path(path).stem if isinstance(path, str) else ""


def _flags(args: list[str]) -> dict[str, str]:
    """--db and --config; what else there is belongs to the command line proper."""
    found: dict[str, str] = {}
    for at, word in enumerate(args):
        name, equals, value = word.partition("=")
        if name in ("--db", "--config"):
            found[name[2:]] = value if equals else "".join(args[at + 1 : at + 2])
    return found


# -- where things are


def _variable(name: str, env: Mapping[str, str]) -> str:
    """Of the environment, else of .env in the working directory."""
    value = env.get(name, "").strip()
    if value or not Path(".env").is_file():
        return value
    from ccr_tui.settings import read_dotenv

    return read_dotenv(Path())[0].get(name, "").strip()


def _config(flags: Mapping[str, str], env: Mapping[str, str]) -> dict[str, Any]:
    """config.toml as it stands, and its folder under ""; empty where there is none, or none that can be read."""
    named = flags.get("config") or env.get("CCR_TUI_CONFIG", "").strip()
    if named:
        path = Path(named).expanduser()
    else:
        from ccr_tui.places import default_config

        path = default_config()
    if not path.is_file():
        return {}
    import tomllib

    try:
        return {**tomllib.loads(path.read_bytes().decode("utf-8-sig")), "": path.parent}
    except (OSError, ValueError):
        return {}


def _database(flags: Mapping[str, str], env: Mapping[str, str], config: Mapping[str, Any]) -> Path:
    """Where the database is: flag, environment, .env, config.toml (beside which a relative path stands), default."""
    named = flags.get("db") or _variable("CCR_TUI_DB", env)
    if named:
        return Path(named).expanduser()
    store = config.get("store")
    if isinstance(store, dict) and isinstance(store.get("path"), str):
        return Path(config[""]) / Path(store["path"]).expanduser()
    from ccr_tui.places import default_db

    return default_db()


def _seen(path: Path, session: str) -> dict[str, Any]:
    if not path.is_file():
        return {}
    from ccr_tui.store import glance

    try:
        return glance.glance(path, session)
    except (glance.Error, ValueError):  # the id may hold what is no text
        return {}


# -- what is said


def _parts(seen: Mapping[str, Any], told: Mapping[str, Any], config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Words and their colour, left to right."""
    agent = "" if seen["agent"] in (None, "default") else seen["agent"]
    parts = [
        (_plain(f"{(seen['mode'] or '').upper()} {agent}".strip()), "mode"),
        (_plain((seen["model"] or "").rpartition("/")[2]), "strong"),
        _context(seen, told, config),
        _cost(seen),
    ]
    if seen["sent"]:
        share = 100 * seen["cached"] / seen["sent"]
        parts.append((f"{min(share, 99) if share < 100 else share:.0f}% cached", "good" if share >= 50 else "warn"))
    return [part for part in parts if part[0]]


def _context(seen: Mapping[str, Any], told: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[str, str]:
    used, window = seen["prompt"] + seen["output"], _window(config, seen["chosen"])
    if window:
        share, whole = 100 * used / window, f"of {tokens(window).replace('.0k', 'k')}"
    else:
        given = told.get("context_window")
        known = given.get("used_percentage") if isinstance(given, dict) else None
        if not isinstance(known, int | float):
            return f"{tokens(used)} tokens", "muted"
        share, whole = float(known), "context"
    colour = "bad" if share >= FULL[0] else "warn" if share >= FULL[1] else "muted"
    return f"{share:.0f}% {whole}", colour


def _window(config: Mapping[str, Any], model: Any) -> int:
    """models.NAME.context of config.toml, else what is known of the model's id; 0 where nobody says."""
    from ccr_tui.windows import window as known

    models = config.get("models")
    table = models.get(model) if isinstance(models, dict) else None
    window = table.get("context") if isinstance(table, dict) else None
    if isinstance(window, int) and window > 0:
        return window
    id = table.get("id") if isinstance(table, dict) else None
    found = known(id if isinstance(id, str) else model if isinstance(model, str) else "")
    return found[0] if found else 0


def _cost(seen: Mapping[str, Any]) -> tuple[str, str]:
    """As everywhere: ? unknown, ~ on estimated tokens, + where some of it is not known."""
    cost, unpriced, estimated = seen["cost"] or 0, seen["unpriced"] or 0, seen["estimated"] or 0
    if unpriced and not cost:
        return "?", "warn"
    return f"{'~' if estimated * 100 > cost else ''}{money(cost)}{'+' if unpriced else ''}", "good"


def tokens(count: int) -> str:
    """As the screens write them, whose module takes too long to load: 312, 1.2k, 48.1k, 214k, 1.2M."""
    if count < 1000:
        return str(count)
    size, unit = (1e3, "k") if count / 1e3 < 999.5 else (1e6, "M")
    return f"{count / size:.{1 if count / size < 99.95 else 0}f}{unit}"


def money(nanos: int) -> str:
    """As the screens write it: cents from a dollar on, two digits that matter below."""
    if nanos >= 100 * 10**9:
        return f"${_rounded(nanos, 10**9):,}"
    if not 0 < nanos < 10**9:
        cents = _rounded(nanos, 10**7)
        return f"${cents // 100}.{cents % 100:02}"
    if nanos < 10_000:
        return "<$0.00001"
    digits = max(2, 11 - len(str(nanos)))
    if digits > 2 and _rounded(nanos, 10 ** (9 - digits)) == 100:  # $0.0996 is $0.10
        digits -= 1
    text = str(_rounded(nanos, 10 ** (9 - digits))).zfill(digits + 1)
    return f"${text[:-digits]}.{text[-digits:]}"


def _rounded(amount: int, unit: int) -> int:
    """How many units, a half to the even."""
    count, rest = divmod(2 * amount + unit, 2 * unit)
    return count - (rest == 0 and count % 2 == 1)


def _plain(text: str) -> str:
    """Recorded text that cannot steer the terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)[:60]


def _drawn(parts: list[tuple[str, str]], env: Mapping[str, str]) -> str:
    if env.get("NO_COLOR"):
        return "  ".join(words for words, _ in parts)
    return "  ".join(f"\x1b[{COLOURS[colour]}m{words}\x1b[0m" for words, colour in parts)
