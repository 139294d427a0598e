"""Every screen as it looked when somebody last looked at it, at three sizes and in both themes.

    GOLDENS=write pytest tests/screens/test_goldens.py

writes what is seen now; look at `git diff tests/screens/goldens` before you keep it. They hold for the Textual that
requirements.lock names: another one may draw a frame otherwise.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from difflib import unified_diff
from importlib.metadata import version
from pathlib import Path

import pytest
from goldens import Cells, cells, faint, picture, text
from houses import settled
from walk import STOPS, built, still, walked

HERE = Path(__file__).parent / "goldens"
LOCK = Path(__file__).parent.parent.parent / "requirements.lock"
SIZES = ((80, 24), (120, 40), (200, 60))
BYTES = re.compile(r"[\d.]+ [kM]B(?= )|(?<=\d) requests  about [\d.]+ [kM]B")
"""What a database takes: another SQLite packs otherwise."""
LEAST = 3.0
"""The contrast below which letters are not well read (WCAG's for large text and for marks). What is behind a box that
asks something is dimmed on purpose."""
LOCKED = re.compile(r"^(textual|textual-plotext)==([\w.]+)", re.MULTILINE)

pytestmark = pytest.mark.skipif(
    any(version(name) != wanted for name, wanted in LOCKED.findall(LOCK.read_text())),
    reason="the goldens hold for the Textual of requirements.lock",
)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with still():
        return built(tmp_path_factory.mktemp("walk"))


@pytest.fixture
def place(database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the database is, while the clock stands still."""
    monkeypatch.chdir(database)
    with still():
        yield database


def golden(size: tuple[int, int]) -> dict[str, str]:
    """The pictures that are kept, by stop."""
    path = HERE / f"{size[0]}x{size[1]}.txt"
    parts = re.split(r"^=== (\w+)\n", path.read_text("utf-8"), flags=re.MULTILINE) if path.exists() else [""]
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def steady(shown: Cells) -> Cells:
    """The same with a # for each digit of what depends on SQLite."""
    found = []
    for line in shown:
        chars = [char for char, _ in line]
        for match in BYTES.finditer("".join(chars)):
            for at in range(*match.span()):
                chars[at] = "#" if chars[at].isdigit() or chars[at] in ".kM" else chars[at]
        found.append([(char, style) for char, (_, style) in zip(chars, line, strict=True)])
    return found


@pytest.mark.parametrize("size", SIZES, ids=[f"{w}x{h}" for w, h in SIZES])
async def test_every_screen_looks_as_it_did(place: Path, size: tuple[int, int]) -> None:
    seen, unread = {}, dict[str, object]()
    async for name, pilot in walked(size):
        looks = []
        for theme in ("ccr-light", "ccr-dark"):
            pilot.app.theme = theme
            await settled(pilot)
            looks.append(steady(cells(pilot.app)))
            if not pilot.app.screen.is_modal and (styles := faint(looks[-1], LEAST)):
                unread[f"{name} {theme}"] = styles
        light, dark = looks
        assert [text(line) for line in light] == [text(line) for line in dark], name
        seen[name] = picture(dark, light)
    if os.environ.get("GOLDENS") == "write":
        HERE.mkdir(exist_ok=True)
        whole = "".join(f"=== {name}\n{shown}" for name, shown in seen.items())
        (HERE / f"{size[0]}x{size[1]}.txt").write_text(whole, "utf-8")
    kept = golden(size)
    assert list(seen) == list(kept) == list(STOPS)
    changed = [
        "\n".join(
            unified_diff(kept[name].split("\n"), shown.split("\n"), f"{name} as kept", f"{name} now", n=1, lineterm="")
        )
        for name, shown in seen.items()
        if shown != kept[name]
    ]
    assert not changed, "\n".join([*changed, "if that is how it should look: see this module's docstring"])
    assert unread == {}
