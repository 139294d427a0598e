"""Coverage-guided fuzzing with atheris: `make fuzz`, `make fuzz ARGS="chat --seconds 600"`.

Owns the run of a target from its kept corpus, and what a mutation is: mostly bytes, as libFuzzer does them, and every
other time a value somewhere in the JSON. What it finds new is left in tests/fuzz/found; `--keep` makes the corpus anew
from both. A crash is written there too: put it into the corpus as broke-SOMETHING, and the ordinary tests repeat it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).parent
CORPUS, FOUND = HERE / "corpus", HERE / "found"
NAMES = ("sse", "chat", "messages", "request")
LONGEST = 2048
BROKE = "broke-"
"""How the name of an input begins that has broken something before."""
ODD: list[Any] = [
    None,
    "",
    0,
    -1,
    1,
    True,
    1.5,
    1e308,
    10**30,
    "0",
    [],
    {},
    [[]],
    "\ud800",
    "a\u2028b",
    "x" * 70,
    "\x00",
]


def values(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything in a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(each for key, one in inner for each in values(one, (*path, key)))]


def changed(value: Any, chance: random.Random) -> Any:
    """The value with one place altered: replaced, removed, doubled, or made like another place."""
    paths = values(value)
    path = chance.choice(paths)
    other: Any = value
    for key in chance.choice(paths):
        other = other[key]
    if not path:
        return chance.choice([other, chance.choice(ODD)])
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    match chance.randrange(4):
        case 0:
            holder[path[-1]] = chance.choice(ODD)
        case 1:
            del holder[path[-1]]
        case 2 if isinstance(holder, list):
            holder.insert(path[-1], json.loads(json.dumps(other)))
        case _:
            holder[path[-1]] = json.loads(json.dumps(other))
    return value


def mutated_json(data: bytes, chance: random.Random) -> bytes | None:
    """The data with a change in the JSON of one of its lines; None where there is none."""
    lines = data[2:].split(b"\n")
    at = chance.randrange(len(lines))
    head, brace, rest = lines[at].partition(b"{")
    try:
        value = json.loads(brace + rest)
    except (ValueError, RecursionError):
        return None
    lines[at] = head + json.dumps(changed(value, chance), ensure_ascii=chance.random() < 0.9).encode("utf-8", "replace")
    if chance.random() < 0.1:
        lines.insert(at, lines[chance.randrange(len(lines))])
    return data[:2] + b"\n".join(lines)


def fuzz(name: str, options: list[str]) -> None:
    """Run one target in this process, to its end."""
    import atheris

    sys.path[:0] = map(str, (HERE, HERE.parent, HERE.parent / "proxy", HERE.parent.parent))
    with atheris.instrument_imports(include=["ccr_tui"]):
        import targets

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)
        made = mutated_json(data, chance) if chance.random() < 0.5 and len(data) > 2 else None
        return (made or atheris.Mutate(data, most))[:most]

    atheris.Setup(
        [f"{sys.executable} {__file__} {name} --inside", *options],
        lambda data: targets.run(name, data),
        custom_mutator=mutate,
        enable_python_coverage=True,
    )
    atheris.Fuzz()


def call(name: str, options: list[str]) -> int:
    """A process of its own: libFuzzer ends the one that it runs in."""
    return subprocess.run([sys.executable, __file__, name, "--inside", *options], check=False).returncode


def main() -> int:
    """Fuzz what was asked for; 1 if anything was found."""
    if sys.argv[2:3] == ["--inside"]:
        fuzz(sys.argv[1], sys.argv[3:])
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", default=NAMES, help=f"some of {', '.join(NAMES)}")
    parser.add_argument("--seconds", type=int, default=60, help="of each target")
    parser.add_argument("--keep", action="store_true", help="take into the corpus what reaches further")
    asked = parser.parse_args()
    try:
        import atheris  # noqa: F401
    except ImportError as error:
        print(
            f"atheris is not installed here ({error}): it has wheels for Linux only, and for some versions of", end=""
        )
        print(" Python. `pytest tests/fuzz` replays the kept corpus without it.", file=sys.stderr)
        return 2
    bad = [name for name in asked.targets if not fuzzed(name, asked.seconds, asked.keep)]
    print(f"found something in: {', '.join(bad)}" if bad else "nothing was found")
    return 1 if bad else 0


def fuzzed(name: str, seconds: int, keep: bool) -> bool:
    """Whether a target held."""
    fresh, kept = FOUND / name, CORPUS / name
    fresh.mkdir(parents=True, exist_ok=True)
    limits = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-rss_limit_mb=2048", "-timeout=20"]
    print(f"{name}: {seconds} s", flush=True)
    ended = call(
        name, [*limits, "-print_final_stats=1", f"-artifact_prefix={FOUND}{os.sep}{name}-", str(fresh), str(kept)]
    )
    if keep:
        take(name, fresh, kept)
    return ended == 0


def take(name: str, fresh: Path, kept: Path) -> None:
    """Make the corpus anew: as few inputs as reach every line. What once broke something stays."""
    with TemporaryDirectory() as folder:
        if call(name, ["-set_cover_merge=1", f"-max_len={LONGEST}", folder, str(kept), str(fresh)]):
            return
        for path in kept.iterdir():
            if not path.name.startswith(BROKE):
                path.unlink()
        for path in Path(folder).iterdir():
            (kept / path.name[:16]).write_bytes(path.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
