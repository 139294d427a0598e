"""Why a request failed, in one line.

Owns when its status is put before the sentence. Pure. The two surprises: most sentences name the status themselves
("qwen answered 429: slow down"), and saying it twice reads as two failures; and a client that had its 200 already, with
a stream that had begun, is told by an event in that stream, so that 200 is the status of a failure.
"""

from __future__ import annotations

import re

from ccr_tui.records import Trace

FAR = 120
"""Characters of the sentence in which its status is looked for."""


IN_STREAM = "in its stream: "
"""Before what a client was told after its 200."""
BEGUN = range(200, 300)


def sentence(status: int, why: str, tries: int = 1) -> str:
    """The status unless the sentence has it, after how many tries, and why. `status` is what the client was sent."""
    named = re.search(rf"(?<!\d){status}(?!\d)", why[:FAR]) is not None
    head = IN_STREAM if status in BEGUN else "" if named or not status else f"{status} "
    return f"{f'{tries} tries: ' if tries > 1 else ''}{head}{why}"


def status(trace: Trace) -> str:
    """The client's; of a failure its own, and that the client learned of it in another way."""
    if trace.failure is None or trace.failure.status == trace.status:
        return str(trace.status)
    return f"{trace.failure.status}, told inside a stream that had begun with {trace.status}"
