"""Where our files are if nothing names another place (XDG, or what the system has instead).

Owns the two defaults. Must never import more than it needs: `ccr-tui statusline` passes here several times a minute.
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
