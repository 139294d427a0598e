"""Keys are planted wherever a key can stand; then everything that the program wrote or printed is searched for them.

The one surprise: no canary looks like a key. What is found by its shape alone would say nothing of the keys of a
provider that nobody knows.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from clients import ask
from places import dead_port
from raw_upstream import CHUNKED, End, RawUpstream, chunk, chunked, event, plain, said

from ccr_tui.store import idiom
from ccr_tui.store.queries import Reader

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(os.name == "nt", reason="modes and /proc are others on Windows"),
]
HOUSE = Path(__file__).parent.parent.parent
CARELESS = ("sh", "-c", 'umask 0 && exec "$@"', "sh")
"""Whoever starts a program so would let everybody read what it makes. (uvloop's subprocesses take no umask.)"""
PLACES = ("config", "second", "env", "dotenv", "header", "plainheader", "proxy", "router")
CANARY = {place: f"cnry{place}7q9w2e4z" for place in (*PLACES, "own", "bearer", "xkey")}
CONFIG = f"""
[server]
port = 0
api_key = "{CANARY["own"]}"
[store]
path = "data/ccr.db"
[patience]
retries = 0
[providers.raw]
base_url = "http://127.0.0.1:PORT/v1"
api_key = "{CANARY["config"]}"
api_keys = ["{CANARY["second"]}"]
headers = {{ x-team = "$CANARY_HEADER", x-auth-token = "{CANARY["plainheader"]}" }}
[providers.other]
base_url = "http://127.0.0.1:DEAD/v1"
api_key = "$CANARY_ENV"
[providers.third]
base_url = "http://third.invalid/v1"
api_key = "$CANARY_DOTENV"
proxy = "http://user:{CANARY["proxy"]}@127.0.0.1:DEAD"
[providers.claude]
kind = "anthropic"
base_url = "http://127.0.0.1:PORT"
client_auth = true
[models.m]
provider = "raw"
id = "m"
[models.dead]
provider = "other"
id = "dead"
[models.far]
provider = "third"
id = "far"
[models.claude]
provider = "claude"
id = "claude-x"
[agents]
default = "m"
"""
ALL = " ".join(CANARY.values())
HALVES = [piece for word in CANARY.values() for piece in (word[:9], word[9:] + " ")]
SEAM = said({"content": "|"}).partition(b"|")[2] + said({"content": "|"}).partition(b"|")[0]
ARGUMENTS = json.dumps({"command": ALL})
EVENTS = {
    "an answer": chunked(said({"content": ALL}) + said({}, "stop") + b"data: [DONE]\n\n"),
    "an answer in pieces": chunked(b"".join(said({"content": each}) for each in HALVES) + said({}, "stop")),
    "thinking and a tool": chunked(
        said({"reasoning_content": ALL})
        + said({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "Bash", "arguments": ARGUMENTS}}]})
        + said({}, "tool_calls")
    ),
    "an error": plain(401, {"error": {"message": f"wrong key: {ALL}", "type": "auth", "code": ALL}}),
    "a page": plain(500, f"<html><title>{ALL}</title>{ALL}</html>".encode(), b"x-echo: " + ALL.encode() + b"\r\n"),
    "no JSON": plain(200, ALL.encode()),
    "an error in the stream": chunked(said({"content": "so "}) + event({"error": {"message": ALL, "code": 500}})),
    "a chunk that is none": chunked(said({"content": "so "}) + b"data: {" + ALL.encode() + b"\n\n"),
    "a cut": (CHUNKED + chunk(said({"content": ALL})), End.CUT),
    "a redirect": plain(302, {}, b"location: http://127.0.0.1:1/" + CANARY["config"].encode() + b"\r\n"),
}  # fmt: skip


@dataclass
class Planted:
    """The program at work, and what it has been heard to say."""

    folder: Path
    address: str
    raw: RawUpstream
    child: asyncio.subprocess.Process
    env: dict[str, str]
    heard: list[bytes] = field(default_factory=list)

    @property
    def db(self) -> Path:
        return self.folder / "data" / "ccr.db"

    async def call(self, *args: str) -> bytes:
        """What `ccr-tui` prints, and its narration."""
        program = [*CARELESS, sys.executable, "-m", "ccr_tui", *args]
        ends = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        child = await asyncio.create_subprocess_exec(*program, cwd=self.folder, env=self.env, **ends)
        out, err = await asyncio.wait_for(child.communicate(), 60)
        assert b"Traceback" not in err, err.decode()
        self.heard.append(out + err)
        return out

    async def ask(self, http: aiohttp.ClientSession, body: Any, **headers: str) -> None:
        own = {"authorization": f"Bearer {CANARY['bearer']}", "x-api-key": CANARY["own"]} | headers
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with http.post(f"{self.address}/v1/messages", data=data, headers=own) as response:
            await response.read()
            self.heard.append(str(dict(response.headers)).encode())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def planted(tmp_path_factory: pytest.TempPathFactory, http: aiohttp.ClientSession) -> AsyncIterator[Planted]:
    """A program that was started by somebody careless (umask 0), and that has been sent and told every key."""
    folder = tmp_path_factory.mktemp("planted")
    async with RawUpstream() as raw:
        config = CONFIG.replace("PORT", str(raw.port)).replace("DEAD", str(dead_port()))
        (folder / "config.toml").write_text(config)
        (folder / ".env").write_text(f"CANARY_DOTENV={CANARY['dotenv']}\n")
        env = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(HOUSE)}
        env |= {"CCR_TUI_CONFIG": str(folder / "config.toml"), "CANARY_ENV": CANARY["env"]}
        env |= {"CANARY_HEADER": CANARY["header"], "ROUTER_AGENT_API_KEY": CANARY["router"]}
        env |= {"ROUTER_AGENT_MODEL": "r", "ROUTER_AGENT_BASE_URL": f"http://127.0.0.1:{raw.port}/v1"}
        child = await asyncio.create_subprocess_exec(
            *CARELESS, sys.executable, "-m", "ccr_tui", "serve", cwd=folder, env=env, stderr=subprocess.PIPE
        )
        assert child.stderr
        first = b""
        while not first.startswith(b"listening on "):
            first = await asyncio.wait_for(child.stderr.readline(), 30)
            assert first
        one = Planted(folder, first.split()[-1].decode(), raw, child, env)
        try:
            await everything(one, http)
            yield one
        finally:
            if child.returncode is None:
                child.kill()
            await child.communicate()


async def everything(one: Planted, http: aiohttp.ClientSession) -> None:
    """Every way in which a key can come by."""
    swapped = {"authorization": f"Bearer {CANARY['own']}", "x-api-key": CANARY["xkey"]}
    one.raw.script = plain(200, {})
    await one.ask(http, ask("none"), **swapped)  # whoever presents a key is known by it from then on
    for stream in (True, False):
        for script in EVENTS.values():
            one.raw.script = script
            await one.ask(http, ask("none", stream=stream))
            await one.ask(http, ask("none", stream=stream, model="claude-ccr-claude"), **swapped)
    one.raw.script = EVENTS["an answer"]
    told = [{"type": "text", "text": ALL}, {"type": "tool_result", "tool_use_id": "t", "content": ALL}]
    call = {"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": ALL, ALL: 1}}
    said = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": told},
    ]
    await one.ask(http, ask("none", messages=said, system=ALL, metadata={"user_id": ALL}))
    await one.ask(http, ask("none", model=CANARY["config"]))
    await one.ask(http, ask("none"), **{"x-ccr-model": CANARY["env"], "user-agent": ALL})
    await one.ask(http, b"{" + ALL.encode())
    await one.ask(http, ask("none", max_tokens=ALL))
    for model in ("dead", "far"):
        await one.ask(http, ask("none", model=f"claude-ccr-{model}"))
    for path in ("/", "/health", "/v1/models", "/v1/models/x"):
        async with http.get(one.address + path, headers={"x-api-key": CANARY["own"]}) as response:
            one.heard.append(await response.read() + str(dict(response.headers)).encode())
    async with http.post(
        f"{one.address}/v1/messages", json=ask("none"), headers={"x-api-key": CANARY["xkey"]}
    ) as response:
        one.heard.append(await response.read())
    other = sqlite3.connect(one.db, isolation_level=None)  # what waits in a file beside the database is searched too
    other.execute("BEGIN IMMEDIATE")
    await one.ask(http, ask("none", system=ALL))
    other.execute("ROLLBACK")
    other.close()


def found(data: bytes) -> list[str]:
    return [place for place, word in CANARY.items() if word.encode() in data]


async def test_no_file_holds_a_key(planted: Planted) -> None:
    files = [path for path in planted.folder.rglob("*") if path.is_file() and path.name not in ("config.toml", ".env")]
    assert {path.name for path in files} >= {"ccr.db", "ccr.db-wal"}
    assert {path.name: found(path.read_bytes()) for path in files if found(path.read_bytes())} == {}


async def test_nothing_in_the_database_holds_a_key_once_it_is_unpacked(planted: Planted) -> None:
    reader, end = Reader(planted.db), time.monotonic() + 30
    try:
        while reader.count() < 4 * len(EVENTS) and time.monotonic() < end:  # the last ones waited for a lock
            await asyncio.sleep(0.05)
        rows = reader.rows(limit=1000)
        traces = [reader.trace(row.id) for row in rows]
    finally:
        reader.close()
    assert len(traces) >= 4 * len(EVENTS)
    for trace in traces:
        assert found(repr(trace).encode()) == []
        for attempt in trace.attempts:
            raw = b"".join(piece for _, piece in attempt.stream)
            assert found(raw) == []
            assert trace.reply is None or found(raw.replace(SEAM, b"")) == []


async def test_nobody_else_can_read_what_was_made(planted: Planted) -> None:
    await planted.call("traces", "export", "-o", "all.html")
    made = [path for path in planted.folder.rglob("*") if path.name not in ("config.toml", ".env")]
    loose = {path.name: oct(path.stat().st_mode) for path in made if stat.S_IMODE(path.stat().st_mode) & 0o077}
    assert loose == {}


def blobs(db: Path) -> Iterator[bytes]:
    """Every value of every table, plain and inflated."""
    connection = sqlite3.connect(f"file:{db}?mode=ro", uri=True)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for row in connection.execute(f'SELECT * FROM "{name}"'):
            for value in row:
                data = value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
                yield data
                for offset in (0, 1):
                    try:
                        yield idiom.unpacked(data[offset:])
                    except zlib.error:
                        pass
    connection.close()


async def test_no_value_of_any_table_holds_a_key(planted: Planted) -> None:
    assert [found(blob) for blob in blobs(planted.db) if found(blob)] == []


CALLS = [
    ["config", "show"], ["config", "show", "--json"], ["config", "check"], ["doctor", "--json"], ["models", "--json"],
    ["agents"], ["traces", "ls"], ["traces", "ls", "--json"], ["traces", "search", "cnry"], ["sessions", "--json"],
    ["spend", "--json"], ["env", "--port", "1"],
    *(["traces", "export", "--no-redact", "-o", f"all.{form}"] for form in ("jsonl", "har", "md", "html", "sh")),
    ["traces", "export", "-o", "redacted.html"],
    ["replay", "all.jsonl", "--variant", "all=m", "--export", "replay.html"],
]  # fmt: skip


@pytest.mark.parametrize("args", CALLS, ids=" ".join)
async def test_no_call_prints_a_key(planted: Planted, args: list[str]) -> None:
    planted.heard.clear()
    await planted.call(*args)
    for name in args[-1:]:
        if "." in name:
            planted.heard.append((planted.folder / name).read_bytes())
    heard = b"".join(planted.heard)
    expected = ["own"] if args[0] == "env" else []  # it is what the client must present
    assert found(heard) == expected, heard[:3000]


async def test_no_request_shows_a_key(planted: Planted) -> None:
    lines = (await planted.call("traces", "ls", "--json")).splitlines()
    planted.heard.clear()
    for line, more in zip(lines[::11], ([], ["--json"], ["--stream"], ["--tokens"], ["--diff", "sent"]), strict=False):
        await planted.call("traces", "show", json.loads(line)["id"], *more)
    assert found(b"".join(planted.heard)) == []


async def test_processes_show_no_key_in_their_arguments(planted: Planted) -> None:
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, check=False).stdout
    assert b"ccr_tui" in lines
    assert found(lines) == []


async def test_what_is_imported_is_covered_too(planted: Planted) -> None:
    """An archive of somebody else's, or of the time before a key was configured."""
    archive = planted.folder / "all.jsonl"
    await planted.call("traces", "export", "--no-redact", "-o", "all.jsonl")
    archive.write_bytes(archive.read_bytes().replace(b"so ", CANARY["dotenv"].encode()))
    other = planted.folder / "other" / "ccr.db"
    await planted.call("--db", str(other), "traces", "import", str(archive))
    assert other.exists()
    assert [found(blob) for blob in blobs(other) if found(blob)] == []


KNOWN = " ".join(word for place, word in CANARY.items() if place not in ("bearer", "xkey"))
"""What a program knows that no client has presented a key to."""
SESSION = json.dumps({"device_id": "d", "account_uuid": "", "session_id": "5d1f0000-0000-4000-8000-000000000000"})
BESIDE = {
    "a rerun": (["replay", "5d1f", "--kind", "rerun", "--variant", "again=m", "--judge", "m", "--yes"], "a tool"),
    "a lab": (["lab", "5d1f", "--router", "one=m", "--yes"], "an answer"),
    "a test": (["doctor", "--model", "m"], "a refusal"),
    "a note": (["traces", "note", "last", f"my key is {KNOWN}"], "an answer"),
}
SCRIPTS = {
    "an answer": chunked(said({"content": KNOWN}) + said({}, "stop")),
    "a tool": chunked(
        said(
            {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "Bash", "arguments": json.dumps({KNOWN: 1})}}]}
        )
        + said({}, "tool_calls")
    ),
    "a refusal": plain(401, {"error": {"message": f"wrong key: {KNOWN}"}}),
}


@pytest.mark.parametrize(("args", "script"), BESIDE.values(), ids=BESIDE)
async def test_nothing_that_is_kept_beside_requests_holds_a_key(
    planted: Planted, http: aiohttp.ClientSession, args: list[str], script: str
) -> None:
    planted.raw.script = SCRIPTS["an answer"]
    await planted.ask(http, ask("none", metadata={"user_id": SESSION}))
    own = planted.folder / "beside" / "ccr.db"
    await planted.call("traces", "export", "--session", "5d1f", "-o", "beside.jsonl")
    await planted.call("--db", str(own), "traces", "import", "beside.jsonl")
    row = json.loads(await planted.call("--db", str(own), "traces", "ls", "--json", "--limit", "1"))
    planted.raw.script = SCRIPTS[script]
    planted.heard.clear()
    await planted.call("--db", str(own), *(row["id"] if arg == "last" else arg for arg in args))
    assert found(b"".join(planted.heard)) == []
    assert [(found(blob), blob[:200]) for blob in blobs(own) if found(blob)] == []


async def test_the_program_ends_without_a_word_of_a_key(planted: Planted) -> None:
    """The last: it ends here."""
    assert planted.child.stderr
    planted.child.send_signal(signal.SIGTERM)
    _, err = await asyncio.wait_for(planted.child.communicate(), 30)
    assert found(err) == []
    assert planted.child.returncode == 0
    for name in ("ccr-tui.log", "ccr.db", "ccr.db.waiting.jsonl", "ccr.db.rejects.jsonl"):
        path = planted.db.with_name(name)
        assert not path.exists() or found(path.read_bytes()) == []
