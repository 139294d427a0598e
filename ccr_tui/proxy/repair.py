"""Tool arguments as models really write them, made into one JSON object while they stream.

Owns the mending of broken JSON. Good JSON passes unchanged, piece by piece; what is broken is mended where the cure is
plain (raw line breaks and bare quotes in strings, trailing or missing commas, Python's constants, single quotes, a
missing last bracket, fences around it). Must never make something runnable out of a call that was cut in two: a string
that was not closed stays open, since half a file would be written. The one surprise: what was sent can't be taken back,
so every decision is made before its text goes out, and the few undecided characters at the end of a piece wait.
"""

from __future__ import annotations

import json
import re
from typing import Literal

from ccr_tui.proxy.anthropic import UNPARSED
from ccr_tui.wire import dumps, loads

Expect = Literal["start", "key", "colon", "value", "next", "done", "foreign", "broken"]

_RUN = {
    '"': re.compile(r'(?:[^"\\\x00-\x1f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))+'),
    "'": re.compile(r"""(?:[^'"\\\x00-\x1f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))+"""),
}
_SPACE = re.compile(r"[ \t\n\r]*")
_PART_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")
_WORD = re.compile(r"""[^\s,:{}\[\]"']+""")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?", re.ASCII)
_CONSTANTS = {"True": "true", "False": "false", "None": "null", "undefined": "null", "NaN": "null"}
_CLOSERS = {"{": "}", "[": "]"}
_FENCE = re.compile(r"\A\s*```\w*\s*(.*?)\s*```\s*\Z", re.DOTALL)
_UNDECIDED = -1
_PATIENCE = 65536
"""Characters of white space or of one word after which a decision is made with what is there."""


class Arguments:
    """Push the pieces of one call's arguments; what comes out, joined, is one JSON object, or ends as it came if it
    broke on the way.

    `mended` names each kind of repair once; `broken` is True when there is no object in it.
    """

    def __init__(self) -> None:
        self.mended: dict[str, None] = {}
        self.broken = False
        self._expect: Expect = "start"
        self._stack: list[str] = []
        self._quote = ""
        self._tail = ""
        self._pending = ""  # "{" or "," with the white space after it: sent when something follows
        self._odd: list[str] = []  # arguments that do not begin with a bracket: judged when all is there
        self._extra: list[str] = []

    @property
    def done(self) -> bool:
        """Whether the object is complete."""
        return self._expect == "done"

    @property
    def empty(self) -> bool:
        """Whether nothing but white space has come."""
        return self._expect == "start"

    def feed(self, piece: str) -> str:
        """What may be sent now."""
        if self._tail:
            piece, self._tail = self._tail + piece, ""
        return self._walk(piece, final=len(piece) > _PATIENCE)

    def close(self, cut: bool = False) -> str:
        """The rest. `cut` says that the answer itself was cut short, so that nothing may be completed."""
        text = self._walk(self._tail, final=True)
        self._tail = ""
        if self._expect == "foreign":
            return text + self._whole("".join(self._odd))
        if self._expect == "start" and not cut:
            return text + "{}"
        if self._expect == "done":
            if self._extra:
                self._mend(f"more text followed the object: {''.join(self._extra)[:200]!r}")
            return text + self._pending
        return text + self._ending(cut)

    def _ending(self, cut: bool) -> str:
        """The missing brackets, where nothing but brackets can be missing."""
        if cut or self._quote or self._expect not in ("key", "next"):
            self.broken = True
            return self._pending
        self._mend("a closing bracket was missing")
        opening = self._pending.removeprefix(",").strip()
        return opening + "".join(_CLOSERS[each] for each in reversed(self._stack))

    def _mend(self, what: str) -> None:
        self.mended[what] = None

    # -- one step at a time ------------------------------------------------------------------------------------------

    def _walk(self, text: str, final: bool) -> str:
        out: list[str] = []
        at = 0
        while at < len(text):
            if self._quote:
                step = self._string(text, at, out, final)
            elif text[at] in " \t\n\r":
                step = self._space(text, at, out)
            else:
                step = getattr(self, f"_{self._expect}")(text, at, out, final)
            if step == _UNDECIDED:
                self._tail = text[at:]
                break
            at = step
        return "".join(out)

    def _space(self, text: str, at: int, out: list[str]) -> int:
        match = _SPACE.match(text, at)
        end = match.end() if match else at + 1
        if self._expect == "foreign":
            self._odd.append(text[at:end])
        elif self._extra:
            self._extra.append(text[at:end])
        elif not self._pending:
            out.append(text[at:end])
        elif len(self._pending) < _PATIENCE:
            self._pending += text[at:end]
        return end

    def _put(self, out: list[str], token: str) -> None:
        if self._pending:
            out.append(self._pending)
            self._pending = ""
        out.append(token)

    def _string(self, text: str, at: int, out: list[str], final: bool) -> int:
        run = _RUN[self._quote].match(text, at)
        if run:
            out.append(run.group())
            return run.end()
        char = text[at]
        if char == self._quote:
            return self._end_quote(text, at, out, final)
        if char == "\\":
            return self._escape(text, at, out, final)
        if char == '"':
            out.append('\\"')
        else:
            self._mend("a string held a raw control character")
            out.append(json.dumps(char)[1:-1])
        return at + 1

    def _escape(self, text: str, at: int, out: list[str], final: bool) -> int:
        part = _PART_ESCAPE.match(text, at)
        if part and part.end() == len(text) and not final:
            return _UNDECIDED
        self._mend("a string held an unknown escape")
        if text[at + 1 : at + 2] == "'":
            out.append("'")
            return at + 2
        out.append("\\\\")
        return at + 1

    def _end_quote(self, text: str, at: int, out: list[str], final: bool) -> int:
        """A quote ends a string if what follows may follow a string; else it is one that should have been escaped."""
        space = _SPACE.match(text, at + 1)
        after = space.end() if space else at + 1
        if after == len(text) and not final:
            return _UNDECIDED
        key = self._expect == "key"
        following = text[after : after + 1]
        lost_comma = "\n" in text[at + 1 : after] and following in ("'", '"')
        if not following or following in (":,}" if key else ",}]") or lost_comma:
            out.append('"')
            self._quote = ""
            self._expect = "colon" if key else "next"
        else:
            self._mend("a string held a bare quote")
            out.append('\\"' if self._quote == '"' else "'")
        return at + 1

    def _open_quote(self, quote: str, out: list[str]) -> None:
        if quote == "'":
            self._mend("strings stood in single quotes")
        self._put(out, '"')
        self._quote = quote

    # -- outside strings: what may come next -------------------------------------------------------------------------

    def _start(self, text: str, at: int, out: list[str], final: bool) -> int:
        if text[at] == "{":
            self._stack.append("{")
            self._pending, self._expect = "{", "key"
            return at + 1
        self._expect = "foreign"
        return at

    def _foreign(self, text: str, at: int, out: list[str], final: bool) -> int:
        self._odd.append(text[at:])
        return len(text)

    def _key(self, text: str, at: int, out: list[str], final: bool) -> int:
        char = text[at]
        if char in "\"'":
            self._open_quote(char, out)
            return at + 1
        if char == "}":
            return self._pop(at, out)
        word = _WORD.match(text, at)
        if word is None:
            self._mend("stray punctuation")
            return at + 1
        if word.end() == len(text) and not final:
            return _UNDECIDED
        self._mend("a key stood without quotes")
        self._put(out, json.dumps(word.group()))
        self._expect = "colon"
        return word.end()

    def _colon(self, text: str, at: int, out: list[str], final: bool) -> int:
        if text[at] == ":":
            out.append(":")
            self._expect = "value"
            return at + 1
        self._expect = "broken"
        return at

    def _value(self, text: str, at: int, out: list[str], final: bool) -> int:
        char = text[at]
        if char in "\"'":
            self._open_quote(char, out)
            return at + 1
        if char in "{[":
            self._put(out, char)
            self._stack.append(char)
            self._expect = "key" if char == "{" else "value"
            return at + 1
        if char == "]" and self._stack[-1] == "[":
            return self._pop(at, out)
        if char == "," and self._stack[-1] == "[":
            self._mend("stray punctuation")
            return at + 1
        return self._word(text, at, out, final)

    def _word(self, text: str, at: int, out: list[str], final: bool) -> int:
        match = _WORD.match(text, at)
        if match and match.end() == len(text) and not final:
            return _UNDECIDED
        word = match.group() if match else ""
        if word not in ("true", "false", "null") and not _NUMBER.fullmatch(word):
            if word not in _CONSTANTS:
                self._expect = "broken"
                return at
            self._mend("constants were not JSON's")
            word = _CONSTANTS[word]
        self._put(out, word)
        self._expect = "next"
        return at + len(match.group() if match else "")

    def _next(self, text: str, at: int, out: list[str], final: bool) -> int:
        char = text[at]
        inside = self._stack[-1]
        if char == ",":
            self._pending = ","
        elif char == _CLOSERS[inside]:
            return self._pop(at, out)
        elif char in "}]":
            self._expect = "broken"
            return at
        else:
            self._mend("a comma was missing")
            self._pending = ","
        self._expect = "key" if inside == "{" else "value"
        return at + (char == ",")

    def _pop(self, at: int, out: list[str]) -> int:
        char = _CLOSERS[self._stack.pop()]
        if self._pending[:1] == ",":
            self._mend("a trailing comma")
            self._pending = self._pending[1:]
        if not self._stack and self._pending[:1] == "{":
            self._pending += char  # a whole "{}": some upstreams send one first and the arguments after it
        else:
            self._put(out, char)
        self._expect = "next" if self._stack else "done"
        return at + 1

    def _done(self, text: str, at: int, out: list[str], final: bool) -> int:
        if self._pending and not self._extra and text[at] == "{":
            self._pending, self._expect = "", "start"
            return at
        self._extra.append(text[at:])
        return len(text)

    def _broken(self, text: str, at: int, out: list[str], final: bool) -> int:
        """Hopeless: passed on as it came, so that the client can tell the model."""
        self.broken = True
        self._put(out, text[at:])
        return len(text)

    # -- arguments that do not begin with a bracket ---------------------------------------------------------------

    def _whole(self, text: str) -> str:
        """An object wrapped in something: fences, a JSON string, a list of one, words."""
        fenced = _FENCE.match(text)
        if fenced:
            return self._again(fenced.group(1), "fences around it")
        if text.strip() in ("null", "None", '""'):
            return "{}"
        try:
            value = loads(text)
        except ValueError:
            return self._hopeless(text)
        if isinstance(value, str):
            return self._again(value, "it was a JSON string holding JSON")
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
            self._mend("it stood in a list")
            return dumps(value[0]).decode()
        return self._hopeless(text)

    def _again(self, text: str, why: str) -> str:
        inner = Arguments()
        result = inner.feed(text) + inner.close()
        self.mended |= {why: None} | inner.mended
        self.broken = inner.broken
        return result

    def _hopeless(self, text: str) -> str:
        """Nothing of it went out yet, so it can be an object that no tool takes, as Claude Code would make it; the
        official clients fail at what is no JSON."""
        self.broken = True
        return dumps({UNPARSED: {"raw": text, "len": len(text)}}).decode()
