"""Files that nobody else can read or lead elsewhere: links, pipes, strangers and loose modes."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from generated import trace

from ccr_tui import editing, ownfiles
from ccr_tui.errors import CcrError, ConfigError, StoreError
from ccr_tui.journal import PrivateFile
from ccr_tui.store import begun, schema, spill
from ccr_tui.transfer import leaving

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links and modes are others on Windows")
NOBODY = 65534


@pytest.fixture(autouse=True)
def careless() -> Iterator[None]:
    """A umask that forbids nothing."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def prey(tmp_path: Path) -> Path:
    """A file of the user's that somebody would have us write into."""
    path = tmp_path / "prey"
    path.write_bytes(b"dear")
    return path


def log(path: Path) -> None:
    file = PrivateFile(str(path), delay=True)
    try:
        file.stream = file._open()
    finally:
        file.close()


WRITERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "database": ("ccr.db", lambda path: schema.writable(path).close()),
    "database, to read": ("ccr.db", lambda path: schema.readable(path).close()),
    "write-ahead log": ("ccr.db-wal", lambda path: schema.writable(path.with_name("ccr.db")).close()),
    "shared memory": ("ccr.db-shm", lambda path: schema.writable(path.with_name("ccr.db")).close()),
    "journal": ("ccr.db-journal", lambda path: schema.writable(path.with_name("ccr.db")).close()),
    "rejects": ("ccr.db.rejects.jsonl", lambda path: spill.put_aside(path, trace(), "why")),
    "log": ("ccr-tui.log", log),
}


@pytest.mark.parametrize("dangling", [False, True], ids=["a file behind", "nothing behind"])
@pytest.mark.parametrize(("name", "write"), WRITERS.values(), ids=WRITERS)
def test_a_link_is_refused(name: str, write: Callable[[Path], object], prey: Path, dangling: bool) -> None:
    path = prey.with_name(name)
    path.symlink_to(prey.with_name("nothing") if dangling else prey)
    if dangling and write is WRITERS["database, to read"][1]:
        return  # as good as no database
    with pytest.raises((OSError, StoreError), match="is a symbolic link"):
        write(path)
    assert prey.read_bytes() == b"dear" and not prey.with_name("nothing").exists()


@pytest.mark.parametrize(("name", "write"), WRITERS.values(), ids=WRITERS)
def test_a_pipe_keeps_nobody_waiting(name: str, write: Callable[[Path], object], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises((OSError, StoreError)):
        write(tmp_path / name)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize(("name", "write"), WRITERS.values(), ids=WRITERS)
def test_a_strangers_file_in_a_shared_directory_is_refused(
    name: str, write: Callable[[Path], object], tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o777)
    (shared / name).touch()
    os.chown(shared / name, NOBODY, NOBODY)
    with pytest.raises((OSError, StoreError), match="belongs to somebody else"):
        write(shared / name)
    shared.chmod(0o755)
    assert (shared / name).stat().st_size == 0
    ownfiles.check(shared / name)  # root, in a directory of which nobody else is master


def test_nothing_is_read_from_a_link_that_waits(prey: Path) -> None:
    spill.waiting_file(prey.with_name("ccr.db")).symlink_to(prey)
    prey.with_name("ccr.db.running-1").symlink_to(prey)
    assert list(spill.Waiting(prey.with_name("ccr.db"))) == []
    assert list(begun.leftovers(prey.with_name("ccr.db"))) == []


def test_what_is_there_with_looser_modes_is_tightened(tmp_path: Path) -> None:
    path = tmp_path / "ccr.db"
    path.touch(mode=0o666)
    schema.writable(path).close()
    assert mode(path) == 0o600


def test_directories_are_made_for_one_user(tmp_path: Path) -> None:
    schema.writable(tmp_path / "a" / "b" / "ccr.db").close()
    editing.write(tmp_path / "c" / "d" / "config.toml", "")
    made = [tmp_path / name for name in ("a", "a/b", "c", "c/d")]
    assert [mode(path) for path in made] == [0o700] * 4


def test_an_export_replaces_a_link_and_leaves_what_is_behind_it(prey: Path) -> None:
    target = prey.with_name("out.html")
    target.symlink_to(prey)
    assert leaving.write([b"one ", b"two"], str(target)) == 7
    assert (prey.read_bytes(), target.is_symlink(), mode(target)) == (b"dear", False, 0o600)
    assert sorted(path.name for path in prey.parent.iterdir()) == ["out.html", "prey"]


def test_an_export_that_fails_leaves_the_file_of_before(prey: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise OSError(28, "No space left on device")

    with pytest.raises(CcrError, match="No space left"):
        leaving.write(broken(), str(prey))
    assert prey.read_bytes() == b"dear"
    assert list(prey.parent.iterdir()) == [prey]


def test_a_linked_configuration_stays_a_link(prey: Path) -> None:
    link = prey.with_name("config.toml")
    link.symlink_to(prey)
    editing.write(link, "mode = 'normal'\n")
    assert link.is_symlink() and prey.read_text() == "mode = 'normal'\n"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give a link away")
def test_a_strangers_link_is_not_followed_when_the_configuration_is_written(prey: Path) -> None:
    link = prey.with_name("config.toml")
    link.symlink_to(prey)
    os.lchown(link, NOBODY, NOBODY)
    with pytest.raises(ConfigError, match="belongs to somebody else"):
        editing.write(link, "mode = 'normal'\n")
    assert prey.read_bytes() == b"dear"
