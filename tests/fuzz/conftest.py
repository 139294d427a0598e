"""The judges of the translators' own tests are the fuzzers' too."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "proxy"))
