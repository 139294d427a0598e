"""Who holds a port, and which one is free."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ccr_tui.holder import Holder, free_port, holder

linux = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux tells who listens")


@linux
def test_the_program_that_listens_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = holder(taken.getsockname()[1])
    assert found and found.pid == os.getpid() and found.name.startswith("python")


@linux
def test_what_an_interpreter_runs_is_named_and_its_arguments_are_not() -> None:
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={"PYTHONUNBUFFERED": "1"}
    ) as child:
        assert child.stdout
        port = int(child.stdout.readline().split(" port ")[1].split()[0])
        found = holder(port)
        child.kill()
    assert found and found.pid == child.pid
    assert str(found) == f"{Path(sys.executable).name} -m http.server (pid {child.pid})"


TABLE = "  sl  local_address rem_address   st tx rx tr tm retr uid timeout inode\n"
HERE, ANYWHERE, ELSEWHERE = "0100007F:0D80", "00000000:0D80", "0100007F:0D81"
CASES = [
    ("a script", HERE, "0A", ["node", "/srv/app/server.js", "--key=s3cret"], "node server.js"),
    ("a program of its own", ANYWHERE, "0A", ["/usr/sbin/nginx", "-g"], "nginx"),
    ("code on the line", HERE, "0A", ["python3", "-c", "s3cret"], "python3"),
    ("a client's end", HERE, "01", ["curl"], None),
    ("another port", ELSEWHERE, "0A", ["nginx"], None),
]


@pytest.mark.skipif(os.name == "nt", reason="links are spelled differently on Windows")
@pytest.mark.parametrize(
    ("at", "state", "arguments", "name"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_the_system_tells(tmp_path: Path, at: str, state: str, arguments: list[str], name: str | None) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(f"{TABLE}   0: {at} 00000000:0000 {state} 0 0 0 0 0 77 1\n")
    (tmp_path / "41" / "fd").mkdir(parents=True)
    (tmp_path / "41" / "fd" / "3").symlink_to("socket:[77]")
    (tmp_path / "41" / "cmdline").write_text("\0".join([*arguments, ""]))
    assert holder(3456, tmp_path) == (None if name is None else Holder(41, name))


def test_the_next_free_port_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = free_port("127.0.0.1", port - 1)
        assert found is not None and found > port
        with socket.create_server(("127.0.0.1", found)):
            pass
    assert free_port("127.0.0.1", 65_535) is None
