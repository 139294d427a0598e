"""Rebuilds a shipped rank file: `python -m ccr_tui.ranks PATH/o200k_base.tiktoken`, from a source checkout."""

from __future__ import annotations

import sys
from pathlib import Path

from ccr_tui.ranks import O200K, check, pack, tokens_of


def main(source: str) -> None:
    """Reads tiktoken's file, checks it, and writes the packed one beside this module."""
    tokens = tokens_of(Path(source).read_bytes())
    check(O200K, tokens)
    target = Path(__file__).with_name(f"{O200K.name}.xz")
    target.write_bytes(pack(tokens))
    sys.stderr.write(f"{target.name}: {len(tokens)} tokens, {target.stat().st_size} bytes\n")


if __name__ == "__main__":
    main(sys.argv[1])
