"""Where our files are if nothing names another place (XDG, or what the system has instead).

Owns the two defaults, and how a place is told in few letters. Must never import more than it needs: `ccr-tui
statusline` passes here several times a minute.
"""

from __future__ import annotations

from pathlib import Path


def default_config() -> Path:
    """config.toml."""
    import platformdirs  # 20 ms that most calls with CCR_TUI_CONFIG and CCR_TUI_DB need not spend

    return platformdirs.user_config_path("ccr-tui", appauthor=False) / "config.toml"


def default_db() -> Path:
    """The database."""
    import platformdirs

    return platformdirs.user_data_path("ccr-tui", appauthor=False) / "ccr.db"


def short(path: Path) -> str:
    """As people write it: ~/work/ccr.db."""
    home, full = Path.home(), path.absolute()
    return f"~/{full.relative_to(home)}" if full.is_relative_to(home) and full != home else str(full)


def is_same(one: Path, other: Path) -> bool:
    """Whether both lead to one file, there or not."""
    return one.absolute() == other.absolute() or one.resolve() == other.resolve()
