"""Where two JSON values part ways, as a path and a word about both sides.

Owns `first_difference`. Must never print a whole body: both sides are cut short. The one surprise: keys are compared in
order too, because a prompt cache compares bytes.
"""

from __future__ import annotations

from itertools import count, zip_longest

from ccr_tui.records import Json
from ccr_tui.wire import dumps

MOST = 60
"""Characters of each side that are shown."""
_NOTHING = object()


def first_difference(old: Json, new: Json, path: str = "") -> str | None:
    """The first place at which they differ, as "messages.3.content: 'a' became 'b'"; None if nowhere."""
    if isinstance(old, dict) and isinstance(new, dict):
        if list(old) != list(new):
            return _keys(list(old), list(new), path)
        return next((found for key in old if (found := first_difference(old[key], new[key], _at(path, key)))), None)
    if isinstance(old, list) and isinstance(new, list):
        pairs = zip(count(), zip_longest(old, new, fillvalue=_NOTHING))
        return next((found for n, pair in pairs if (found := first_difference(*pair, _at(path, n)))), None)
    if type(old) is type(new) and old == new:
        return None
    return f"{path or 'the whole'}: {_short(old)} became {_short(new)}"


def _keys(old: list[str], new: list[str], path: str) -> str:
    gone, come = [key for key in old if key not in new], [key for key in new if key not in old]
    parts = [f"{', '.join(gone)} gone"] * bool(gone) + [f"{', '.join(come)} new"] * bool(come)
    return f"{path or 'the whole'}: {' and '.join(parts) or 'the order of keys'}"


def _at(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _short(value: Json) -> str:
    if value is _NOTHING:
        return "nothing"
    text = dumps(value).decode()
    return text if len(text) <= MOST else f"{text[:MOST]}…"
