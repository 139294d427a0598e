"""Where a setting is read from: a table of config.toml, the environment, a .env file, a flag.

Owns the checked walk through tables, the layers flag > environment > .env > file, and the reading of .env. Must never
know what the settings mean: that is `config.py`. The one surprise: nothing here raises on a bad value. Every problem
goes on one list, so that a person sees all of them at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TypeVar

from ccr_tui.places import default_config, default_db
from ccr_tui.slim import dataclass
from ccr_tui.values import Parser, did_you_mean

__all__ = ["Layers", "Section", "default_config", "default_db", "parse_dotenv", "read_dotenv"]

T = TypeVar("T")
_KEYS = re.compile(r"api_?keys?\b|headers|proxy|^providers(\.[^.]+)?$", re.IGNORECASE)
"""Places that hold credentials, or may hold some."""


class Section:
    """One table of config.toml, read key by key. `close` reports the keys that nobody asked for."""

    def __init__(self, path: str, values: object, problems: list[str]) -> None:
        self.path = path
        self.problems = problems
        self._asked: list[str] = []
        if not isinstance(values, dict):
            self._say(path, f"must be a table, [{path}], not {values!r}")
        self.values: dict[str, object] = values if isinstance(values, dict) else {}

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def get(self, key: str, parse: Parser[T], default: T) -> T:
        """The value of `key`, or `default` where it is absent or wrong."""
        self._asked.append(key)
        if key not in self.values:
            return default
        try:
            return parse(self.values[key])
        except ValueError as error:
            self._say(self._at(key), str(error))
            return default

    def section(self, key: str) -> Section:
        """The table under `key`; an empty one where there is none."""
        self._asked.append(key)
        return Section(self._at(key), self.values.get(key, {}), self.problems)

    def named(self, key: str) -> dict[str, Section]:
        """The tables under `key`, each with a name of the user's own: [providers.NAME]."""
        parent = self.section(key)
        return {name: Section(parent._at(name), values, self.problems) for name, values in parent.values.items()}

    def listed(self, key: str) -> list[Section]:
        """The tables of a list, [[rules]], called by their own `name` where they have one."""
        self._asked.append(key)
        found = self.values.get(key, [])
        if not isinstance(found, list):
            self._say(self._at(key), f"must be a list of tables, [[{self._at(key)}]], not {found!r}")
            return []
        return [Section(f"{self._at(key)} {_title(table, n)}", table, self.problems) for n, table in enumerate(found)]

    def close(self) -> None:
        """Say which keys nobody knows."""
        for key in self.values:
            if key not in self._asked:
                self._say(self._at(key), f"is not a known key{did_you_mean(key, self._asked)}")

    def _at(self, key: str) -> str:
        quoted = key if re.fullmatch(r"[\w-]+", key) else f'"{key}"'
        return f"{self.path}.{quoted}" if self.path else quoted

    def _say(self, where: str, what: str) -> None:
        self.problems.append(f"{where} {discreet(where, what)}")


def discreet(where: str, what: str) -> str:
    """A complaint without the value that it is about, where that may be a key."""
    return what.partition(", not ")[0] if _KEYS.search(where) else what


def _title(table: object, place: int) -> str:
    name = table.get("name") if isinstance(table, dict) else None
    return repr(name) if name and isinstance(name, str) else f"#{place + 1}"


@dataclass(slots=True)
class Layers:
    """Where a value may come from, strongest first; remembers where each one came from."""

    flags: Mapping[str, object]
    env: Mapping[str, str]
    dotenv: Mapping[str, str]
    problems: list[str]
    origins: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """The environment over .env. A variable that is set but empty still hides the one in .env."""
        return {**self.dotenv, **self.env}

    def variable(self, name: str, parse: Parser[T]) -> T | None:
        """An environment variable; None where it is unset, empty or wrong."""
        value = self.environment().get(name, "").strip()
        if not value:
            return None
        return self._parsed(parse, value, f"{'environment' if name in self.env else '.env'} {name}")

    def pick(
        self, setting: str, parse: Parser[T], section: Section, key: str, default: T, var: tuple[str, Parser[T]] | None
    ) -> T:
        """The strongest value of one setting, which is called `setting` on `Config` and among the flags."""
        below = section.get(key, parse, default)
        if key in section:
            self.origins[setting] = "config.toml"
        if self.flags.get(setting) is not None:
            found = self._parsed(parse, self.flags[setting], f"flag --{setting}")
            self.origins[setting] = f"flag --{setting}"
            return below if found is None else found
        found = self.variable(*var) if var else None
        if var and found is not None:
            self.origins[setting] = f"{'environment' if var[0] in self.env else '.env'} {var[0]}"
        return below if found is None else found

    def _parsed(self, parse: Parser[T], value: object, where: str) -> T | None:
        try:
            return parse(value)
        except ValueError as error:
            self.problems.append(f"{where} {discreet(where, str(error))}")
            return None


_LINE = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?([A-Za-z_][\w.]*)[ \t]*=[ \t]*
    (?:'([^']*)'|"((?:[^"\\]|\\.)*)"|((?!['"])[^\n]*?))[ \t]*(?:(?<=[ \t'"=])\#[^\n]*)?$""",
    re.MULTILINE | re.VERBOSE | re.DOTALL,
)
MOST = 1 << 20
"""Bytes of a .env."""
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


def parse_dotenv(source: str) -> tuple[dict[str, str], list[str]]:
    """The variables of a .env file, and a note for each line that is none.

    NAME=value, with or without `export`; 'literal', "with \\n escapes" (both may span lines) or bare, where a comment
    begins at a # after a blank. Nothing is interpolated: a $ in a key stays a $.
    """
    source = source.removeprefix("\ufeff").replace("\r\n", "\n")
    found: dict[str, str] = {}

    def take(match: re.Match[str]) -> str:
        name, literal, quoted, bare = match.groups()
        if quoted is not None:
            bare = re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), quoted, flags=re.DOTALL)
        found[name] = literal if literal is not None else bare
        return "\n" * match[0].count("\n")

    rest = _LINE.sub(take, source)
    lines = enumerate(rest.split("\n"), start=1)
    return found, [f".env line {n} is not NAME=value and was left out" for n, line in lines if _matters(line)]


def _matters(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def read_dotenv(folder: Path) -> tuple[dict[str, str], list[str]]:
    """The .env of a directory; empty where it is missing or is no file (a virtual environment is often called so)."""
    path = folder / ".env"
    if not path.is_file():
        return {}, []
    try:
        if path.stat().st_size > MOST:
            return {}, [f"{path} is over {MOST >> 20} MiB and was left out"]
        return parse_dotenv(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        return {}, [f"{path} could not be read ({error}) and was left out"]
