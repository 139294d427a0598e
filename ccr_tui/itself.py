"""This program once more, in a process of its own.

Owns how it is called: by the same Python, from where it lies now. Must never run anything of the working directory,
which may be a repository that somebody else made. The one surprise: `python -m` looks there first, -P keeps it out.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

PYTHON = (sys.executable, "-P")
"""The call; what comes after it is `-m ccr_tui …` or `-c …`."""


def env() -> dict[str, str]:
    """The environment of such a process: ours, and a source tree that was never installed is found all the same."""
    paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
