"""Where money is known from, in the words that every screen and command uses for it.

Owns these words. Pure. The one surprise: a list's own sentence already says that it is one, and often its date, so that
neither is said twice; and a price that is made up says so in the place of "your own", whoever has set it.
"""

from __future__ import annotations

import re

MADE_UP = "made up for "
"""How the sources of prices begin that nobody bills by: those of the demo, and of recordings."""
DEMO = f"{MADE_UP}the demo"
UNKNOWN = "nobody knows a price"
WORDS = {"reported": "reported by the provider", "list": "list price", "user": "your own price", "unknown": UNKNOWN}
"""By the basis of a cost."""
FREE = ("a server of one's own", "the demo model")
"""How the sources begin of what nobody bills: that is no list."""
_DATED = re.compile(r"\b(read|as of) 20")
"""Of a source that says when it was read: another date is that from which the price holds."""


def origin(basis: str, source: str = "", since: str = "") -> str:
    """One phrase: the basis, the source and the date, each once."""
    said = source.startswith((MADE_UP, WORDS["list"], *(FREE if basis == "list" else ())))
    words = [source] if said else [WORDS[basis], source]
    first, semicolon, rest = ", ".join(filter(None, words)).partition(";")
    date = f"since {since}" if _DATED.search(source) else since
    return first + (f", {date}" if since and since not in source else "") + semicolon + rest
