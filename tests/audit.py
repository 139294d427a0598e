"""Asks for known vulnerabilities of everything in requirements.lock: `make audit`.

Owns what pip-audit's answer means. Must never pass for a clean bill what nobody could be asked about. The one surprise:
behind a mirror that has no database of vulnerabilities, pip-audit finds none and ends with success; here that is
a skip, and said, as is a network that can't be reached. Ends with 1 where a vulnerability is known.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parent.parent / "requirements.lock"
UNREACHABLE = ("ConnectionError", "ProxyError", "ReadTimeout", "ConnectTimeout", "SSLError", "Max retries", "HTTPError")
SKIPPED = "audit skipped:"


def judged(out: str, err: str) -> tuple[int, str]:
    """The exit code, and what is said of pip-audit's two outputs."""
    try:
        packages: list[dict[str, Any]] = json.loads(out)["dependencies"]
    except (ValueError, LookupError, TypeError):
        last = (err.strip().splitlines() or ["pip-audit said nothing"])[-1]
        why = next((word for word in UNREACHABLE if word in err), None)
        if why:
            return 0, f"{SKIPPED} the database of vulnerabilities can't be reached ({why})"
        return 1, f"audit failed: {last[:500]}"
    bad = [f"{p['name']} {p['version']}: {v['id']}, mended in {', '.join(v['fix_versions']) or 'no version yet'}"
           for p in packages for v in p.get("vulns", ())]  # fmt: skip
    asked = [p for p in packages if "skip_reason" not in p]
    if bad:
        return 1, "\n".join(["audit failed: known vulnerabilities", *bad])
    if not asked:
        return 0, f"{SKIPPED} none of the {len(packages)} packages is known where vulnerabilities are asked for"
    rest = [p["name"] for p in packages if "skip_reason" in p]
    unasked = f"; nobody knows {', '.join(rest)}" if rest else ""
    return 0, f"audit: {len(asked)} packages, no known vulnerability{unasked}"


def main(command: Sequence[str]) -> int:
    """`command` is how pip-audit is called."""
    call = [*command, "--requirement", str(LOCK), "--require-hashes", "--disable-pip", "--format", "json"]
    done = subprocess.run([*call, "--progress-spinner", "off"], capture_output=True, text=True, check=False)
    code, said = judged(done.stdout, done.stderr)
    print(said)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["pip-audit"]))
