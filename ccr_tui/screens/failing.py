"""Why a request failed, in one line.

Owns when its status is put before the sentence. Pure. The one surprise: most sentences name the status themselves
("qwen answered 429: slow down"), and saying it twice reads as two failures.
"""

from __future__ import annotations

import re

FAR = 120
"""Characters of the sentence in which its status is looked for."""


def sentence(status: int, why: str, tries: int = 1) -> str:
    """The status unless the sentence has it, after how many tries, and why."""
    named = re.search(rf"(?<!\d){status}(?!\d)", why[:FAR]) is not None
    head = "" if named or not status else f"{status} "
    return f"{f'{tries} tries: ' if tries > 1 else ''}{head}{why}"
