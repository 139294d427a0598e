"""What is installed is what was pinned: the lock fits pyproject.toml, each package has hashes, an audit is honest."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from audit import judged, main
from packaging.requirements import Requirement

HOUSE = Path(__file__).parent.parent
PROJECT = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
WANTED = [Requirement(one) for one in (*PROJECT["dependencies"], *EXTRAS["test"])]
ENTRY = re.compile(r"(?m)^([\w.-]+)==(\S+?)(?: ;.*?)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)")
LOCK = (HOUSE / "requirements.lock").read_text()
PINNED = {m[1].lower().replace("_", "-"): m[2] for m in ENTRY.finditer(LOCK)}


@pytest.mark.parametrize("wanted", WANTED, ids=lambda wanted: wanted.name)
def test_what_the_project_wants_is_pinned(wanted: Requirement) -> None:
    assert wanted.specifier.contains(PINNED[wanted.name.lower()]), f"call `make lock`: {wanted}"


def test_everything_in_the_lock_has_hashes() -> None:
    named = re.findall(r"(?m)^([^\s#][^=\s]*)", LOCK)
    assert len(named) == len(ENTRY.findall(LOCK)) > len(WANTED)


def package(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "vulns": [], **more}


UNKNOWN = {"name": "c", "skip_reason": "not found"}
FLAW = {"id": "CVE-1", "fix_versions": ["1.1"]}
ANSWERS = [
    ("clean", [package("a"), package("b")], "", 0, "audit: 2 packages, no known vulnerability"),
    ("one unknown", [package("a"), UNKNOWN], "", 0, "audit: 1 packages, no known vulnerability; nobody knows c"),
    ("all unknown", [UNKNOWN], "No known vulnerabilities found", 0, "audit skipped: none of the 1 packages"),
    ("a flaw", [package("a", vulns=[FLAW])], "", 1, "a 1.0: CVE-1, mended in 1.1"),
    ("a flaw beside unknown ones", [UNKNOWN, package("a", vulns=[FLAW])], "", 1, "CVE-1"),
    ("no network", None, "requests.exceptions.ConnectionError: no such name", 0, "audit skipped: the database"),
    ("a wrong hash", None, "ERROR: hash mismatch", 1, "audit failed: ERROR: hash mismatch"),
    ("silence", None, "", 1, "audit failed"),
]


@pytest.mark.parametrize(("packages", "err", "code", "says"), [a[1:] for a in ANSWERS], ids=[a[0] for a in ANSWERS])
def test_what_an_audit_means(packages: Any, err: str, code: int, says: str) -> None:
    found, said = judged("" if packages is None else json.dumps({"dependencies": packages}), err)
    assert found == code and says in said


def test_the_audit_asks_about_the_lock(capsys: pytest.CaptureFixture[str]) -> None:
    said = "import sys, json; print(json.dumps({'dependencies': [{'name': sys.argv[2], 'vulns': []}]}))"
    assert main([sys.executable, "-c", said]) == 0
    assert capsys.readouterr().out == "audit: 1 packages, no known vulnerability\n"
