"""Changes to config.toml that keep its comments and its order.

Owns the only code that writes the user's configuration. Must never leave half a file behind, nor one that others can
read: keys may stand in it. The one surprise: tomlkit takes 60 ms for 10 KB and is imported late; reading is tomllib's.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ccr_tui.errors import ConfigError


def set_values(path: Path, table: str, changes: Mapping[str, str | list[str]]) -> None:
    """Set keys of one table, made if it is missing; "" is the top of the file.

    Raises ConfigError if the file can't be read or written.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(path.read_bytes().decode("utf-8-sig")) if path.exists() else tomlkit.document()
        section = document.setdefault(table, tomlkit.table()) if table else document
        for key, value in changes.items():
            section[key] = value
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} could not be read: {error}") from error
    except (TOMLKitError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is not valid TOML, so nothing was changed: {error}") from error
    write(path, tomlkit.dumps(document))


def write(path: Path, text: str) -> None:
    """Replace the file in one step, mode 0600, its directory 0700 if it has to be made. Raises ConfigError."""
    real = path.resolve()  # a config.toml that is a link into somebody's dotfiles stays one
    try:
        real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=real.parent, prefix=".config-")  # made with mode 0600
    except OSError as error:
        raise ConfigError(f"{path} could not be written: {error}") from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(real)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise ConfigError(f"{path} could not be written: {error}") from error
