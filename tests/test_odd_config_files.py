"""What stands where config.toml should be, and is no such file: it is said, and nobody waits for it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ccr_tui.assembly import load
from ccr_tui.errors import ConfigError


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    path.mkdir()


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_loop(path: Path) -> None:
    path.symlink_to(path.name)


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.skipif(os.name == "nt", reason="there are no such files on Windows")
@pytest.mark.parametrize(
    ("put", "said"),
    [
        (a_pipe, "is a pipe"),
        (a_folder, "Is a directory"),
        (endless, "over 64 MiB"),
        (a_loop, "symbolic links"),
        (huge, "over 64 MiB"),
    ],
)
def test_what_is_no_configuration_file_is_said_at_once(tmp_path: Path, put: Callable[[Path], None], said: str) -> None:
    path, told = tmp_path / "config.toml", list[str]()
    put(path)

    def run() -> None:
        with pytest.raises(ConfigError) as caught:
            load({"config": str(path)}, {}, tmp_path)
        told.extend(caught.value.problems)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    assert told and str(path) in told[0] and said in told[0]


@pytest.mark.parametrize(
    "text",
    ["x = " + "[" * 5000 + "]" * 5000, "x = " + "9" * 5000, "\0", "x = {" * 5000],
    ids=["deep", "long", "nul", "open"],
)
def test_what_no_parser_takes_is_a_problem_and_no_mistake_of_ours(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="is not valid TOML"):
        load({"config": str(path)}, {}, tmp_path)


def test_no_configuration_can_be_named(tmp_path: Path) -> None:
    """As people write it."""
    assert load({"config": os.devnull}, {}, tmp_path).models.keys() == {"demo"}
