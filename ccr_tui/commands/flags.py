"""The flags that choose the proxy and its files, before a command's name or after it.

Owns their spelling. Must never import anything of ours: `ccr-tui --version` passes here. The one surprise: their values
stay text until `assembly.load` checks them, so that a bad port is one problem among the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def root_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --port, --host, --config and --db."""
    for option in (
        click.option("--db", metavar="FILE", help="The database of traces."),
        click.option("--config", metavar="FILE", help="The config.toml to read."),
        click.option("--host", metavar="ADDRESS", help="Where to listen (127.0.0.1)."),
        click.option("--port", metavar="PORT", help="Where to listen (3456; 0: any free port)."),
    ):
        command = option(command)
    return command
