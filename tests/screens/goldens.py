"""What a screen looked like: its cells, and their colours in both themes, as a text that people can read and compare.

Owns the form. A picture is its lines, then `styles:` with the runs of each line (`9a 3b`: nine cells in style a), equal
lines told once, then what each letter stands for in the dark theme and in the light one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from string import ascii_letters

from rich.cells import cell_len
from rich.style import Style
from textual.app import App
from textual.strip import Strip

Cells = list[list[tuple[str, str]]]
"""Each line's characters with their style; one that is two cells wide is there once."""


def cells(app: App[None]) -> Cells:
    """What is on the screen now."""
    return [[(char, told(segment.style)) for segment in strip for char in segment.text] for strip in strips(app)]


def plain(line: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The same with spaces in the ink of what stands before them, since nobody sees theirs: fewer runs."""
    before = ""
    for char, style in line:
        if char == " " and below(style) == below(before):
            yield char, before
        else:
            before = style
            yield char, style


def below(style: str) -> str:
    """What a space shows of a style."""
    return style.partition(" on ")[2].replace(" bold", "").replace(" italic", "")


def strips(app: App[None]) -> Sequence[Strip]:
    return app.screen._compositor.render_strips()


def told(style: Style | None) -> str:
    """A style in words."""
    if style is None:
        return "none"
    ink, below = (each.triplet.hex if each and each.triplet else "-" for each in (style.color, style.bgcolor))
    marks = [name for name in ("bold", "italic", "underline", "reverse", "dim") if getattr(style, name)]
    return " ".join([ink, "on", below, *marks])


def picture(dark: Cells, light: Cells) -> str:
    """The text of one screen. Both themes must show the same characters."""
    both = zip(map(plain, dark), map(plain, light), strict=True)
    pairs = [[(a, b) for (_, a), (_, b) in zip(*lines, strict=True)] for lines in both]
    names: dict[tuple[str, str], str] = {}
    for line in pairs:
        for pair in line:
            names.setdefault(pair, name(len(names)))
    runs = [" ".join(f"{len(list(run))}{names[pair]}" for pair, run in groupby(line)) for line in pairs]
    legend = [f"{letter}  {a}  |  {b}" for (a, b), letter in names.items()]
    return "\n".join([*(text(line) for line in dark), "styles:", *numbered(runs), *legend, ""])


def text(line: list[tuple[str, str]]) -> str:
    return "".join(char for char, _ in line).rstrip()


def name(n: int) -> str:
    return ascii_letters[n] if n < len(ascii_letters) else ascii_letters[n // 52 - 1] + ascii_letters[n % 52]


def numbered(runs: list[str]) -> Iterator[str]:
    """Each line's runs behind its number; lines that are alike together."""
    at = 1
    for run, group in groupby(runs):
        count = len(list(group))
        yield f"{at}{f'-{at + count - 1}' if count > 1 else ''}: {run}"
        at += count


def contrast(ink: str, below: str) -> float:
    """WCAG's contrast of two colours, 1 to 21."""
    light, dark = sorted((luminance(ink), luminance(below)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def faint(shown: Cells, least: float) -> dict[str, float]:
    """The styles in which something is written that cannot be read well, with their contrast."""
    found = {}
    for line in shown:
        for char, style in line:
            parts = re.fullmatch(r"(#\w{6}) on (#\w{6}).*", style)
            if parts and char.isalnum() and cell_len(char) and (seen := contrast(parts[1], parts[2])) < least:
                found[style] = round(seen, 2)
    return found
