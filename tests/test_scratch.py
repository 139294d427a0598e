"""Folders for a while: gone when they are not needed any more, even where their program was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ccr_tui import scratch

HOUSE = Path(__file__).parent.parent
LATER = scratch.YOUNG_S + 60


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_is_ours_alone_and_goes_with_what_is_in_it(own: Path) -> None:
    with scratch.folder("replay") as place:
        (place / "recording.db").write_text("said")
        assert place.parent == own and place.stat().st_mode & 0o777 == 0o700
        assert scratch.sweep(time.time() + LATER) == [], "it is in use"
    assert list(own.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="signals are spelled differently on Windows")
def test_what_a_killed_program_left_is_swept_away(own: Path) -> None:
    said = (
        "from ccr_tui import scratch\nimport signal\n"
        "with scratch.folder('replay') as place:\n"
        "    (place / 'recording.db').write_text('said')\n    print(place, flush=True)\n    signal.pause()\n"
    )
    env = {"PYTHONPATH": str(HOUSE), "TMPDIR": str(own)}
    with subprocess.Popen([sys.executable, "-c", said], stdout=subprocess.PIPE, text=True, env=env) as child:
        assert child.stdout is not None
        place = Path(child.stdout.readline().strip())
        assert scratch.sweep(time.time() + LATER) == [] and place.is_dir(), "its program runs"
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert scratch.sweep() == [], "it is too young: its lock may be about to be taken"
    assert scratch.sweep(time.time() + LATER) == [place]
    assert list(own.iterdir()) == []


def test_what_is_not_ours_stays(own: Path) -> None:
    (own / "ccr-tui-replay-x").mkdir()  # nobody's lock is in it
    (own / "ccr-tui-replay-file").write_text("a file")
    outside = own / "outside"
    outside.mkdir()
    (outside / scratch.LOCK).touch()
    (own / "ccr-tui-replay-link").symlink_to(outside)
    before = sorted(own.iterdir())
    assert scratch.sweep(time.time() + LATER) == []
    assert sorted(own.iterdir()) == before
