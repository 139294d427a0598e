"""The colours, by what they mean.

Owns the names of the inks and the two themes. Must never be the only carrier of a meaning: whatever is coloured has a
word or a symbol too. The one surprise: an ink is a component class, so that a theme or a terminal without colours
changes it everywhere at once; `ink.tcss` is the only place that has values.
"""

from __future__ import annotations

from rich.style import Style
from textual.theme import Theme
from textual.widget import Widget

INKS = (
    "plain",
    "muted",
    "faint",
    "strong",
    "title",
    "good",
    "warn",
    "bad",
    "money",
    "link",
    "key",
    "string",
    "number",
    "literal",
    "thinking",
    "person",
    "tool",
    "think",
    "coder",
    "router",
    "background",
    "header",
    "cursor",
    "cursor-blurred",
    "match",
    "chip",
)

AGENT_INKS = {
    "tool": "tool",
    "think": "think",
    "coder": "coder",
    "router": "router",
    "background": "background",
    "long_context": "think",
    "web_search": "coder",
    "image": "coder",
}

THEMES = (
    Theme(
        name="ccr-dark",
        primary="#d97757",
        secondary="#6a9bcc",
        accent="#e8a87c",
        foreground="#e6e3da",
        background="#141413",
        surface="#1c1b1a",
        panel="#2a2927",
        success="#8fb573",
        warning="#e0b45c",
        error="#e06c60",
        dark=True,
        variables={"ink-violet": "#b39ddb", "ink-teal": "#6fc3b5", "block-cursor-text-style": "none"},
    ),
    Theme(
        name="ccr-light",
        primary="#b9532f",
        secondary="#2f6ca8",
        accent="#a4512a",
        foreground="#262521",
        background="#faf9f5",
        surface="#f3f1ea",
        panel="#e6e2d6",
        success="#4a7a2e",
        warning="#96690a",
        error="#b5362b",
        dark=False,
        variables={"ink-violet": "#6b4fa0", "ink-teal": "#1f7a6c", "block-cursor-text-style": "none"},
    ),
)


class Inked(Widget):
    """A widget that draws its own lines with the inks."""

    COMPONENT_CLASSES = {f"ink--{name}" for name in INKS}

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._inks: dict[str, Style] = {}

    def ink(self, name: str) -> Style:
        """The style of an ink, background included only where the ink is a background."""
        style = self._inks.get(name)
        if style is None:
            filled = name.startswith("cursor") or name in ("match", "chip", "header")
            style = self.get_component_rich_style(f"ink--{name}", partial=not filled)
            self._inks[name] = style
        return style

    def notify_style_update(self) -> None:
        """Another theme: look the styles up again."""
        self._inks = {}
        super().notify_style_update()
