"""Imports go down only: the floors of the house, proven on the static graph and in child processes.

The graph counts every import statement, also those inside functions and under TYPE_CHECKING: an import that is late is
still a dependency.
"""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent / "ccr_tui"

# The first line that matches a module (its path in ccr_tui, without .py) names its floor.
FLOORS: list[tuple[int, tuple[str, ...]]] = [
    (0, ("__init__", "records", "errors", "slim")),
    (5, ("cli", "app", "statusline", "__main__", "commands/")),
    (4, ("screens/", "host", "reloading", "asking_router", "viewing", "keeping")),
    (
        3,
        (
            "store/",
            "transfer/",
            "demo",
            "player",
            "stage",
            "replay/",
            "wiretest",
            "inspection",
            "growth",
            "weighing",
            "offers",
            "environment",
            "spending",
        ),
    ),
    (
        3,
        tuple(
            f"proxy/{name}"
            for name in [
                "exchange",
                "asking",
                "context",
                "router",
                "custom",
                "attempt",
                "delivery",
                "draft",
                "upstream",
                "transports",
                "recorded",
                "listing",
                "listening",
                "connection",
                "turned_away",
                "server",
                "engine",
            ]
        ),
    ),
    (2, ("proxy/",)),
    (1, ("",)),
]

# Packages that only some modules may import.
ONLY_IN = {
    "textual": ("app", "screens/"),
    "rich": ("app", "screens/"),
    "textual_plotext": ("screens/course",),
    "aiohttp": ("proxy/server", "proxy/engine", "proxy/connection", "proxy/transports"),
    "httpx": ("proxy/upstream", "proxy/transports", "proxy/recorded"),
    "httpx_aiohttp": ("proxy/transports",),
    "sqlite3": ("store/",),
    "sqlite_utils": ("store/",),
    "click": ("cli", "environment", "commands/"),
    "tiktoken": ("tokens",),
    "genai_prices": ("prices",),
    "json5": ("importing",),
    "opentelemetry": ("transfer/otlp",),
}

# What pure modules (floor 2) never touch: the loop, the clock, chance, the machine.
IMPURE = frozenset(
    "asyncio threading time random secrets uuid os socket ssl subprocess pathlib tempfile logging concurrent".split()  # noqa: SIM905
)

# Neighbours on one floor that must not know each other, and whom the screens never see.
STRANGERS = [("store/", "proxy/"), ("proxy/", "store/"), ("screens/", "proxy/"), ("screens/", "host")]


def modules() -> list[str]:
    return sorted(path.relative_to(HOUSE).with_suffix("").as_posix() for path in HOUSE.rglob("*.py"))


def matches(module: str, patterns: tuple[str, ...]) -> bool:
    """Whether one of the patterns is the module, or a folder above it ("" is above all)."""
    return any(module == name or (name[-1:] in ("", "/") and module.startswith(name)) for name in patterns)


def floor(module: str) -> int:
    return next(number for number, patterns in FLOORS if matches(module, patterns))


TREES = {module: ast.parse((HOUSE / f"{module}.py").read_text(encoding="utf-8")) for module in modules()}
NODES = {module: list(ast.walk(tree)) for module, tree in TREES.items()}


def imports(module: str) -> Iterator[str]:
    """Dotted names that the module imports, relative ones resolved; for `from a import b` both a and a.b."""
    package = ["ccr_tui", *module.split("/")[:-1]]
    for node in NODES[module]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: len(package) + 1 - node.level], node.module or ""] if node.level else [])
            source = (base.rstrip(".") if node.level else node.module) or ""
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


IMPORTED = {module: frozenset(imports(module)) for module in TREES}


def ours(module: str) -> set[str]:
    """The modules of ours that it imports, as paths."""
    found = set()
    for name in IMPORTED[module]:
        if name == "ccr_tui" or not name.startswith("ccr_tui."):
            continue
        path = name.removeprefix("ccr_tui.").replace(".", "/")
        if (HOUSE / f"{path}.py").exists():
            found.add(path)
        elif (HOUSE / path / "__init__.py").exists():
            found.add(f"{path}/__init__")
    return found - {module}


GRAPH = {module: ours(module) for module in TREES}


def test_imports_go_down_only() -> None:
    up = [f"{a} ({floor(a)}) imports {b} ({floor(b)})" for a in GRAPH for b in GRAPH[a] if floor(b) > floor(a)]
    assert not up


@pytest.mark.parametrize(("who", "whom"), STRANGERS, ids=[f"{a}-{b}" for a, b in STRANGERS])
def test_strangers_do_not_know_each_other(who: str, whom: str) -> None:
    known = [f"{a} imports {b}" for a in GRAPH if matches(a, (who,)) for b in GRAPH[a] if matches(b, (whom,))]
    assert not known


@pytest.mark.parametrize("package", ONLY_IN)
def test_a_package_is_imported_in_its_place_only(package: str) -> None:
    users = [module for module in GRAPH if any(name.split(".")[0] == package for name in IMPORTED[module])]
    assert [module for module in users if not matches(module, ONLY_IN[package])] == []


def test_pure_modules_touch_neither_loop_nor_clock_nor_machine() -> None:
    touched = {
        module: sorted({name.split(".")[0] for name in IMPORTED[module]} & IMPURE)
        for module in GRAPH
        if floor(module) == 2 or module in ("records", "errors", "chunks", "cutting", "slim")
    }
    assert {module: names for module, names in touched.items() if names} == {}


def test_no_import_goes_round_in_a_circle() -> None:
    def reach(module: str, seen: set[str]) -> set[str]:
        for other in GRAPH[module] - seen:
            seen.add(other)
            reach(other, seen)
        return seen

    assert [module for module in GRAPH if module in reach(module, set())] == []


def test_every_module_opens_with_what_it_owns() -> None:
    assert [module for module, tree in TREES.items() if not ast.get_docstring(tree)] == []


def is_broad(node: ast.AST) -> bool:
    if not isinstance(node, ast.ExceptHandler):
        return False
    return node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException"))


def test_broad_excepts_stand_in_their_places_only() -> None:
    broad = {module for module, nodes in NODES.items() if any(is_broad(node) for node in nodes)}
    allowed = {"proxy/exchange", "store/writer", "tokens", "proxy/custom", "screens/unbroken"}
    assert broad <= allowed, "tokens: tiktoken panics with a BaseException; custom: runs the user's own code"


def loaded_by(code: str) -> set[str]:
    """What a fresh interpreter has in sys.modules after `code`, beyond what it starts with."""
    script = f"import sys; before = set(sys.modules)\n{code}\nprint(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing() -> None:
    assert loaded_by("import ccr_tui") == {"ccr_tui"}


def test_the_command_line_starts_without_the_heavy_packages() -> None:
    heavy = {"textual", "aiohttp", "httpx", "tiktoken", "sqlite_utils", "genai_prices", "tomlkit"}
    assert loaded_by("import ccr_tui.cli") & heavy == set()


LEAN = """
import ssl
from ccr_tui import lean
with lean.imports():
    import mimetypes, aiohttp.connector, httpx
theirs = aiohttp.connector._SSL_CONTEXT_VERIFIED
def read(context):
    return context.cert_store_stats(), context.verify_mode, context.check_hostname
late = read(theirs)
lean.settle()
print(late[0]["x509"], read(theirs) == read(ssl.create_default_context()), callable(httpx.main))
print(mimetypes.guess_type("a.json")[0], ssl.SSLContext.load_default_certs.__qualname__)
"""


def test_what_lean_imports_put_off_is_made_good() -> None:
    done = subprocess.run([sys.executable, "-c", LEAN], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["0 True True", "application/json SSLContext.load_default_certs"]


COMMAND = """
import gc, sys
from ccr_tui.__main__ import main
sys.argv = ["ccr-tui", "mode", "--help"]
sys.exit = lambda code: None
main()
print(gc.isenabled())
"""
IMPORTS = """
import gc
from ccr_tui import lean
gc.disable()
with lean.imports():
    import aiohttp
    assert not gc.isenabled()
print(gc.isenabled() and gc.get_freeze_count() > 10_000)
"""


@pytest.mark.parametrize("code", [COMMAND, IMPORTS], ids=["a command", "the proxy"])
def test_garbage_is_looked_for_again_when_modules_are_there(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True"


SERVE = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), flush=True))
from ccr_tui.cli import main
sys.argv = ["ccr-tui", "serve", "--port", "0"]
main()
"""


def test_serving_never_imports_textual(tmp_path: Path) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    places = {"CCR_TUI_CONFIG": str(tmp_path / "config.toml"), "CCR_TUI_DB": str(tmp_path / "ccr.db")}
    child = subprocess.Popen(
        [sys.executable, "-c", SERVE],
        env={**kept, **places, "HOME": str(tmp_path), "PYTHONPATH": str(HOUSE.parent)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    too_long = threading.Timer(60, child.kill)
    too_long.start()
    with child:
        try:
            told = next((line for line in child.stderr if line.startswith("listening on ")), "")
            assert told, "serve ended before it listened"
            ask(told.split()[-1])
        finally:
            child.send_signal(signal.SIGTERM)
            stdout, stderr = child.communicate()
            too_long.cancel()
    assert child.returncode == 0, stderr
    loaded = {name.split(".")[0] for name in json.loads(stdout.splitlines()[-1])}
    assert "aiohttp" in loaded
    assert not {"textual", "rich", "pygments", "tomlkit", "genai_prices"} & loaded, "what only others need"


def ask(address: str) -> None:
    """One message, so that what is imported late is imported."""
    body = {"model": "claude-x", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
    request = urllib.request.Request(
        f"{address}/v1/messages", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as response:
        assert json.load(response)["type"] == "message"
