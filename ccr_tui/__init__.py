"""ccr-tui: Claude Code, answered by any model. Importing this package imports nothing."""

__version__ = "0.1.0"
