"""Changes to config.toml that keep its comments and its order.

Owns the only code that writes the user's configuration. Must never leave half a file behind, nor one that others can
read (keys may stand in it), nor one that does not load where the caller can tell. The one surprise: tomlkit takes 60 ms
for 10 KB and is imported late; reading is tomllib's. What stood in the file before is kept, one step back, in
config.toml.bak.

An edit is a path of keys and the value that they get; None takes it away. The functions below make the usual ones:

    apply(path, [*provider("deepseek", api_key="$DEEPSEEK_API_KEY"), *model("flash", provider="deepseek", id="x")])
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ccr_tui import ownfiles
from ccr_tui.errors import ConfigError

Edit = tuple[tuple[str, ...], Any]
"""Keys from the top of the file, and a TOML value, or None to take it away."""
NAMED = ("providers", "models")
"""Tables of tables: no header is written for them alone."""
EMPTIED = "# Nothing is set: ccr-tui goes by the environment and its defaults.\n"
"""What stands in a file from which the last thing was taken: an empty one could be one that is being written."""
Check = Callable[[Path], Sequence[str]]
"""What is wrong with the configuration whose config.toml is this file; each sentence names its key."""


def provider(name: str, **fields: Any) -> list[Edit]:
    """Add or change a provider: kind, base_url, api_key, api_keys, headers, proxy, timeout_s, client_auth, family."""
    return [(("providers", name), {}), *((("providers", name, key), value) for key, value in fields.items())]


def model(name: str, **fields: Any) -> list[Edit]:
    """Add or change a model: provider, id, context, max_output, family, price (a table of dollars), quirks."""
    return [(("models", name), {}), *((("models", name, key), value) for key, value in fields.items())]


def remove(table: str, name: str) -> list[Edit]:
    """Take a provider or a model away."""
    return [((table, name), None)]


def agent(name: str, models: Sequence[str]) -> list[Edit]:
    """Give an agent its model and its fallbacks; none takes the agent away."""
    value = None if not models else models[0] if len(models) == 1 else list(models)
    return [(("agents", name), value)]


def mode(name: str) -> list[Edit]:
    """normal or router."""
    return [(("mode",), name)]


def set_values(path: Path, table: str, changes: Mapping[str, str | list[str]]) -> None:
    """Set keys of one table, made if it is missing; "" is the top of the file.

    Raises ConfigError if the file can't be read or written.
    """
    apply(path, [((table, key) if table else (key,), value) for key, value in changes.items()])


def apply(path: Path, edits: Iterable[Edit], check: Check | None = None) -> None:
    """Make all of the changes, or none. `check` may object to what would come of them.

    Raises ConfigError if the file can't be read or written, or with what `check` finds that it does not find now.
    """
    text = edited(path, edits)
    if check:
        before = {problem.replace(str(path), "") for problem in check(path)} if path.exists() else set()
        with _draft(path, text) as draft:
            after = [problem.replace(str(draft), str(path)) for problem in check(draft)]
        if worse := [problem for problem in after if problem.replace(str(path), "") not in before]:
            raise ConfigError(*worse)
    write(path, text)


def edited(path: Path, edits: Iterable[Edit]) -> str:
    """The file's text with the changes made. Raises ConfigError if it can't be read or the changes do not fit."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(path.read_bytes().decode("utf-8-sig")) if path.exists() else tomlkit.document()
        for keys, value in edits:
            _set(document, keys, value)
        return tomlkit.dumps(document) or EMPTIED
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} could not be read: {error}") from error
    except (TOMLKitError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is not valid TOML, so nothing was changed: {error}") from error


def _set(document: Any, keys: tuple[str, ...], value: Any) -> None:
    """One change. An empty table as value only makes sure that there is one."""
    import tomlkit

    table = document
    for depth, key in enumerate(keys[:-1]):
        if key not in table:
            if value is None:
                return
            table[key] = tomlkit.table(is_super_table=depth == 0 and key in NAMED)
        table = table[key]
    last = keys[-1]
    if value is None:
        table.pop(last, None)
    elif value != {}:
        table[last] = _inline(value) if isinstance(value, Mapping) else value
    elif last not in table:
        table[last] = tomlkit.table()


def _inline(value: Mapping[str, Any]) -> Any:
    """A table on one line, such as a price."""
    import tomlkit

    made = tomlkit.inline_table()
    made.update({key: each for key, each in value.items() if each is not None})
    return made


@contextmanager
def _draft(path: Path, text: str) -> Iterator[Path]:
    """A file beside the real one, for as long as it is looked at: relative paths in it mean the same there."""
    name = _written(path, path.resolve(), text)
    try:
        yield name
    finally:
        name.unlink(missing_ok=True)


def write(path: Path, text: str) -> None:
    """Replace the file in one step, mode 0600, its directory 0700 if it has to be made. Raises ConfigError.

    What stood there before becomes config.toml.bak.
    """
    _check(path)
    real = path.resolve()  # a config.toml that is a link into somebody's dotfiles stays one
    new = _written(path, real, text)
    try:
        if real.exists() and (before := real.read_bytes()) != new.read_bytes():
            _written(path, real, before).replace(real.with_name(real.name + ".bak"))
        new.replace(real)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise ConfigError(f"{path} could not be written: {error}") from error


def _check(path: Path) -> None:
    """Raises ConfigError for a link that somebody else has put there: it says what is overwritten."""
    if hasattr(os, "geteuid") and path.is_symlink() and (user := path.lstat().st_uid) not in (os.geteuid(), 0):
        raise ConfigError(f"{path} could not be written: it is a link that belongs to somebody else (user {user})")


def _written(path: Path, real: Path, content: str | bytes) -> Path:
    """A new file in the directory of the real one, safe on the disk. Raises ConfigError, which names `path`."""
    name = ""
    try:
        ownfiles.folder(real.parent)
        handle, name = tempfile.mkstemp(dir=real.parent, prefix=".config-")  # made with mode 0600
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if name:
            Path(name).unlink(missing_ok=True)
        raise ConfigError(f"{path} could not be written: {error}") from error
    return Path(name)
