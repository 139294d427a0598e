"""The screens that nobody has opened yet: where they are, and when they are imported.

Owns which of them the first picture does without. Must never be in anybody's way: they are imported in a thread once
that picture is there, one module after the other, and whoever is quicker imports the one he opens. The one surprise:
what says a module's name here is checked by nobody but a test.
"""

from __future__ import annotations

from importlib import import_module

NAMES = (
    "trace",
    "help",
    "sessions",
    "spend",
    "course",
    "models",
    "context",
    "replay",
    "export",
    "importing",
    "storage",
)
"""Modules, those first that are opened most."""


def load() -> None:
    """Import them all. Any thread; the loop gets its turn all the time, for Python changes threads every few ms."""
    for name in NAMES:
        import_module(f"ccr_tui.screens.{name}")
