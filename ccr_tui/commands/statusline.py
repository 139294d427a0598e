"""`ccr-tui statusline` as the command line knows it; what it does stands in `ccr_tui/statusline.py`.

Owns its help alone. The one surprise: `__main__` calls the work directly, so that click is not even imported.
"""

from __future__ import annotations

from collections.abc import Mapping

import click

from ccr_tui import statusline as work
from ccr_tui.commands.common import settings


@click.command()
@settings
def statusline(flags: Mapping[str, str]) -> int:
    """Print one line for Claude Code's status line.

    Reads its JSON on stdin; prints mode, the model that really answered, context, session cost and the share cached.
    """
    return work.main([f"--{name}={value}" for name, value in flags.items()])
