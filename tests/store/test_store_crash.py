"""A process killed in the middle of writing leaves whole traces only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import generated
import pytest

from ccr_tui.store.queries import Reader
from ccr_tui.store.verify import verify

CHILD = """
import sys, itertools
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import generated
from ccr_tui.store.writer import Writer
writer = Writer(Path(sys.argv[1]), lambda n: print(n, flush=True))
writer.start()
done = len(list(Path(sys.argv[1]).parent.glob("life-*")))
for trace in itertools.chain.from_iterable(generated.recorded(done * 100 + i, 12) for i in range(100)):
    writer.put(trace)
    writer.flush()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX")
def test_kill_9_tears_no_trace(path: Path) -> None:
    path.parent.mkdir()
    acknowledged = 0
    for life, commits in enumerate((1, 9, 23)):
        told = _live_and_die(path, commits)
        assert told > acknowledged
        acknowledged = told
        assert verify(path) == []
        (path.parent / f"life-{life}").touch()
    reader = Reader(path)
    rows = reader.rows(limit=1000)
    assert rows[0].n == len(rows) >= acknowledged, "every acknowledged trace is there, and no gap"
    expected = {trace.uid: trace for life in range(3) for trace in generated.recorded(life * 100, 12)}
    for row in rows:
        assert reader.trace(row.id) == expected.get(row.id, reader.trace(row.id))
    reader.close()


def _live_and_die(path: Path, commits: int) -> int:
    """Start a writing child, kill it after some commits, and say which number it told last."""
    tests = str(Path(generated.__file__).parent)
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path), tests], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    with child.stdout:
        last = [int(child.stdout.readline()) for _ in range(commits)][-1]
        child.kill()
        rest = child.stdout.read().splitlines()
    child.wait(30)
    return max([last, *(int(line) for line in rest if line.isdigit())])
