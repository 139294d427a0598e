"""`ccr-tui config import`: claude-code-router's config.json becomes part of config.toml.

Owns the reading of the file, what must not be overwritten, and the report. Must never write a configuration that does
not load, nor change what the user has set already without being told to. The one surprise: what stands in config.toml
just so is no conflict, so that the same file may be imported twice.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from ccr_tui import assembly, editing
from ccr_tui.commands.common import Source, narrate, print_json, safe
from ccr_tui.editing import Edit
from ccr_tui.errors import ConfigError
from ccr_tui.records import Json
from ccr_tui.values import variable

TABLES = ("providers", "models")
SECRETS = ("api_key", "api_keys", "headers")


def bring_over(flags: Mapping[str, str], file: Path, force: bool, as_json: bool) -> None:
    """Read, convert, write and report. Raises ConfigError, and then nothing has changed."""
    from ccr_tui.importing import convert, parse

    made = convert(parse(_text(file)))
    path = assembly.read(flags, os.environ, Path.cwd())[0].path
    assert path is not None
    taken = conflicts(_present(path), made.edits)
    if taken and not force:
        raise ConfigError(f"{path} has {', '.join(taken)} already, so nothing was changed; --force replaces them.")
    cleared = [edit for key in taken if key.startswith(TABLES) for edit in editing.remove(*key.split(".", 1))]
    editing.apply(path, [*cleared, *made.edits], Source(flags).problems)
    _report(path, made.edits, made.left, as_json)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} could not be read: {error}") from error


def _present(path: Path) -> Json:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig")) if path.exists() else {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML, so nothing was changed: {error}") from error


def conflicts(present: Json, edits: Sequence[Edit]) -> list[str]:
    """The keys that are there already, with something else in them: providers.NAME, models.NAME, agents.NAME..."""
    wanted: dict[tuple[str, ...], Json] = {}
    for keys, value in edits:
        if keys[0] in TABLES and len(keys) > 2:
            wanted[keys[:2]] = {**wanted.get(keys[:2], {}), **({keys[2]: value} if value is not None else {})}
        else:
            wanted.setdefault(keys, value)
    return [".".join(keys) for keys, value in wanted.items() if _at(present, keys) not in (None, value)]


def _at(present: Json, keys: Sequence[str]) -> Json:
    for key in keys:
        present = present.get(key) if isinstance(present, dict) else None
    return present


def literal(edits: Sequence[Edit]) -> list[str]:
    """The keys of secrets that are written as they are, and not as the name of a variable."""
    return [".".join(keys) for keys, value in edits if keys[-1] in SECRETS and any(map(_is_bare, _texts(value)))]


def _texts(value: Json) -> list[Json]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else [value]


def _is_bare(value: Json) -> bool:
    return isinstance(value, str) and bool(value) and not variable(value)


def _elsewhere(key: str) -> str:
    """How an api_key is kept in the environment instead; headers need a hand."""
    owner, _, last = key.removeprefix("providers.").rpartition(".")
    if last != "api_key":
        return " A value may be $NAME instead, of the environment or .env."
    name = re.sub(r"\W", "_", "ccr_tui" if owner == "server" else owner, flags=re.ASCII).upper()
    name = f"{'_' if name[:1].isdigit() else ''}{name}_API_KEY"
    return f' To keep it in the environment, or in .env: set {name} there, and write api_key = "${name}".'


def _report(path: Path, edits: Sequence[Edit], left: Sequence[str], as_json: bool) -> None:
    carried = {table: sorted({keys[1] for keys, _ in edits if keys[0] == table}) for table in (*TABLES, "agents")}
    bare = literal(edits)
    if as_json:
        print_json({"path": str(path), **carried, "left": list(left), "literal": bare})
        return
    for sentence in left:
        narrate(safe(sentence))
    for key in bare:
        narrate(f"{safe(key)} stands in {path} as it is, which only you can read.{safe(_elsewhere(key))}")
    said = ", ".join(f"{len(names)} {table}" for table, names in carried.items())
    narrate(
        f"{said} carried over, {len(left) or 'nothing'} left behind or changed; `ccr-tui config check` looks again."
    )
    click.echo(str(path))
