"""The language of the filters: what a person types, as terms that the store understands.

Owns the keys, how their values are written, and what may be typed next. Pure: no clock (the moment is an argument), no
database (its names are an argument). The one surprise: words without a key are one search together, so that what was
typed in any order is looked for in one message; a quoted phrase stays together.

    agent:think model:qwen* cost>0.05 error cached<50% since:2h session:3f2a project:web text:"out of memory" !marked

All terms must hold; `!` inverts one; a comma means or; `*` stands for anything. `text:/out of (memory|space)/i` is a
regular expression; the `i` lets capitals be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from difflib import get_close_matches

from ccr_tui.slim import dataclass

NAMES = {
    "agent": "who answered, or the kind of request: agent:think, agent:title",
    "model": "who answered: model:qwen-max, model:qwen*",
    "asked": "the model that the client asked for: asked:*haiku*",
    "provider": "who serves the model: provider:dashscope",
    "session": "an id or its beginning: session:3f2a",
    "project": "a path or its end: project:web",
    "subagent": "the id of a subagent, or * for all: subagent:*",
    "kind": "main, subagent, title, compaction, web_search, background: kind:main",
    "outcome": "ok, error or cancelled: outcome:error",
    "rule": "why it was routed so: rule:long_context",
    "mode": "normal or router: mode:router",
    "stop": "why the answer ended: stop:max_tokens",
    "origin": "live, replay or imported: origin:live",
    "id": "an id or its beginning: id:0199a",
    "note": "words of a note: note:flaky",
    "text": 'what was said: text:"out of memory", text:/time.?out/i',
}
"""Keys whose values are words, and how they are written."""
NUMBERS = {
    "cost": "dollars: cost>0.05",
    "router": "dollars for asking the router: router>0",
    "saved": "dollars that the prompt cache saved: saved>0.01",
    "lost": "dollars lost of it by switching models: lost>0",
    "tokens": "all of them: tokens>100k",
    "in": "tokens sent: in>50k",
    "out": "tokens answered: out>2k",
    "reasoning": "tokens of reasoning: reasoning>0",
    "cached": "share of what was sent: cached<50%",
    "ttft": "until the first token: ttft>2s",
    "dur": "how long it took: dur>30s",
    "tries": "calls to models: tries>1",
    "status": "HTTP status: status:429, status:5*, status>=500",
}
"""Keys that are compared."""
TIMES = {"since": "since:2h, since:today, since:2026-11-22", "until": "until:30m, until:2026-11-22T14:30"}
FLAGS = {
    "ok": "it was answered",
    "error": "it failed",
    "cancelled": "the client hung up",
    "marked": "you marked it",
    "noted": "you wrote a note on it",
    "unpriced": "its cost is not known",
    "unknown": "its cost, or what its cache saved or lost, is not known",
}
ALIASES = {
    "errors": "error", "failed": "error", "duration": "dur", "took": "dur", "first": "ttft", "attempts": "tries",
    "answered": "model", "cache": "cached", "price": "cost", "before": "until", "after": "since", "input": "in",
    "output": "out",
}  # fmt: skip
"""Other words for the same."""
SHOWN = {
    "sub": "subagent", "compact": "compaction", "web": "web_search", "bg": "background", "long": "long_context",
    "failed": "error", "errors": "error",
}  # fmt: skip
"""Values that lists show shorter than they are recorded; of the keys agent, kind and outcome."""
FIXED = {
    "kind": ("main", "subagent", "title", "compaction", "web_search", "background", "other"),
    "outcome": ("ok", "error", "cancelled"),
    "mode": ("normal", "router"),
    "origin": ("live", "replay", "imported"),
    "since": ("30m", "2h", "today", "yesterday", "7d"),
    "until": ("30m", "2h", "today", "yesterday", "7d"),
}
"""Values that are the same in every database."""
KEYS = {**NAMES, **NUMBERS, **TIMES}

Op = str
"""":" (is), "~" (matches a regular expression), "=", "<", "<=", ">" or ">="."""


@dataclass(frozen=True, slots=True)
class Term:
    """One condition."""

    key: str
    """One of the keys, a flag, or "words" for what has no key."""
    op: Op = ":"
    values: tuple[str | float, ...] = ()
    """Any of them will do. Dollars are nano-USD, shares per cent, durations milliseconds, times epoch seconds."""
    inverted: bool = False
    at: int = field(default=0, compare=False)
    """Where it began in what was typed."""


class FilterError(ValueError):
    """What was typed is not understood: where, and what is known."""

    def __init__(self, sentence: str, at: int) -> None:
        super().__init__(f"{sentence} (at character {at + 1})")
        self.sentence, self.at = sentence, at


_PATTERN = r"/(?:\\.|[^/\\])+/i?"
_TOKEN = re.compile(
    r"(?P<not>!?)(?:(?P<key>[A-Za-z_]+)(?P<op><=|>=|[:<>=]))?"
    rf'(?P<value>(?<=text:){_PATTERN}(?!\S)|(?:"[^"]*"?|[^\s"])*)'
)
_COMPARED = re.compile(
    rf"(?P<not>!?)(?P<key>{'|'.join([*KEYS, *ALIASES])})\s*(?P<op><=|>=|[<>=])\s*"
    r'(?P<value>(?:"[^"]*"?|[^\s"])*)',
    re.I,
)
"""A known key may stand apart from its comparison: cost > 0.05."""
_VALUE = re.compile(r'((?:"[^"]*"?|[^,"])*)(?:,|$)')
_NUMBER = re.compile(r"\$?(\d+(?:\.\d*)?|\.\d+)\s*([a-zA-Z%]*)")
_UNITS: dict[str, dict[str, float]] = {
    "dollars": {"": 1e9, "usd": 1e9, "c": 1e7, "m": 1e6},
    "percent": {"": 1, "%": 1},
    "ms": {"": 1e3, "s": 1e3, "ms": 1, "m": 60e3, "min": 60e3, "h": 3600e3},
    "count": {"": 1, "k": 1e3, "m": 1e6, "g": 1e9},
}
_KIND_OF_NUMBER = {
    "cost": "dollars", "router": "dollars", "saved": "dollars", "lost": "dollars",
    "cached": "percent", "ttft": "ms", "dur": "ms",
}  # fmt: skip
_AGO = re.compile(r"(\d{1,6}(?:\.\d+)?)([smhdw])")
_AGE_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse(text: str, now: float) -> tuple[Term, ...]:
    """The terms of what was typed; `now` is what ages count from. Raises FilterError."""
    terms: list[Term] = []
    words: list[str] = []
    tokens = list(_tokens(text))
    _refuse_foreign(tokens)
    for found in tokens:
        term = _term(found, now)
        if term.key == "words" and not term.inverted:
            words.append(str(term.values[0]))
        else:
            terms.append(term)
    return (*terms, Term("words", values=(" ".join(words),))) if words else tuple(terms)


def _tokens(text: str) -> Iterator[re.Match[str]]:
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        found = _COMPARED.match(text, at) or _TOKEN.match(text, at)
        assert found is not None
        yield found
        at = found.end()


AS_IT_STANDS = "put it in quotes to look for it as it stands"
_SIGNS = ("<", ">", "=", "<=", ">=")
_ELSEWHERE = {
    "or": "a comma means or: outcome:ok,error",
    "and": "all terms must hold, without a word between them",
    "not": "! inverts what follows it: !error",
}
"""Words that other languages have, and what is written here; beside words they are searched for."""
_MINUS = re.compile(r"-(?P<key>[A-Za-z_]+)(?P<op><=|>=|[:<>=])?")


def _refuse_foreign(tokens: Sequence[re.Match[str]]) -> None:
    """What would be looked for as words, but was hardly meant so, is told. Raises FilterError."""
    for n, found in enumerate(tokens):
        word, at = found[0], found.start()
        if word in _SIGNS:
            raise FilterError(f"{word} stands alone; compare a key, as in cost{word}0.05, or {AS_IT_STANDS}", at)
        minus = _MINUS.match(word)
        if minus and _names(minus["key"], bool(minus["op"])) and (minus["op"] or minus.end() == len(word)):
            raise FilterError(f"! inverts: !{word[1:]}; {AS_IT_STANDS}", at)
        if word.lower() in _ELSEWHERE and _joins(word.lower(), tokens[:n], tokens[n + 1 :]):
            raise FilterError(f"{_ELSEWHERE[word.lower()]}; {AS_IT_STANDS}", at)


def _joins(word: str, before: Sequence[re.Match[str]], after: Sequence[re.Match[str]]) -> bool:
    """Whether it stands between terms, one of which is more than a word; "not" stands before one."""
    if word == "not":
        return bool(after) and _is_term(after[0])
    return bool(before and after) and (_is_term(before[-1]) or _is_term(after[0]))


def _names(word: str, is_compared: bool) -> bool:
    """Whether it is a flag, or a key with its sign."""
    name = ALIASES.get(word.lower(), word.lower())
    return name in (KEYS if is_compared else FLAGS)


def _is_term(found: re.Match[str]) -> bool:
    return _names(found["key"] or found["value"], found["op"] is not None)


def _term(found: re.Match[str], now: float) -> Term:
    at, inverted = found.start(), bool(found["not"])
    key, op, value = found["key"], found["op"], found["value"]
    if key is None or (key.lower() not in KEYS and key.lower() not in ALIASES and _is_text(key, value)):
        return _word(found[0][len(found["not"]) :], inverted, at)
    name = _known(key, at)
    if not value.strip('",'):
        raise FilterError(f"{key}{op} lacks its value; {KEYS[name]}", at)
    if op != ":" and name not in NUMBERS:
        raise FilterError(f"{key} can't be compared with {op}; {KEYS[name]}", at)
    if name == "text" and re.fullmatch(_PATTERN, value):
        return Term(name, "~", (_pattern(value, at),), inverted, at)
    if name in TIMES:
        return Term(name, ":", (_moment(name, value.strip('"'), now, at),), inverted, at)
    parts = [part.replace('"', "") if name != "text" else part for part in _VALUE.findall(value) if part.strip('"')]
    if name in NUMBERS and not (name == "status" and op == ":"):
        return Term(name, "=" if op == ":" else op, tuple(_number(name, part, at) for part in parts), inverted, at)
    return Term(name, ":", tuple(SHOWN.get(p, p) if name in _SHORTENED else p for p in parts), inverted, at)


_SHORTENED = ("agent", "kind", "outcome")


def _is_text(key: str, value: str) -> bool:
    """A web address or a Windows path, which only look like a key."""
    return value.startswith("//") or len(key) == 1


def _word(word: str, inverted: bool, at: int) -> Term:
    flag = ALIASES.get(word.lower(), word.lower())
    if flag in FLAGS:
        return Term(flag, inverted=inverted, at=at)
    if not word.strip('"'):
        raise FilterError("! inverts what follows it: !error, !model:qwen*", at)
    return Term("words", values=(word,), inverted=inverted, at=at)


def _known(key: str, at: int) -> str:
    name = ALIASES.get(key.lower(), key.lower())
    if name in KEYS:
        return name
    near = get_close_matches(name, KEYS, 2)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(sorted(KEYS))}."
    raise FilterError(f"{key} is no key; {hint} P{AS_IT_STANDS[1:]}", at)


def _number(name: str, text: str, at: int) -> float:
    found = _NUMBER.fullmatch(text)
    units = _UNITS[_KIND_OF_NUMBER.get(name, "count")]
    if found is None or found[2].lower() not in units:
        raise FilterError(f"{text} is no number here; {name} is {NUMBERS[name]}", at)
    return float(found[1]) * units[found[2].lower()]


def _pattern(value: str, at: int) -> str:
    import regex  # type: ignore[import-untyped]  # 20 ms, and only for this

    body, _, flag = value[1:].rpartition("/")
    pattern = ("(?i)" if flag else "") + body.replace("\\/", "/")
    try:
        regex.compile(pattern)
    except (regex.error, RecursionError) as error:
        raise FilterError(f"/{body}/ is no regular expression: {error}", at) from error
    return pattern


def _moment(name: str, text: str, now: float, at: int) -> float:
    try:
        return moment(text, now)
    except (ValueError, OverflowError) as error:
        raise FilterError(f"{text} is no time; write {TIMES[name]}", at) from error


def moment(text: str, now: float) -> float:
    """An age, a day or a moment, local unless it says otherwise. Raises ValueError or OverflowError."""
    today = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)
    if found := _AGO.fullmatch(text):
        return now - float(found[1]) * _AGE_S[found[2]]
    if text in ("today", "yesterday"):
        return (today - timedelta(days=text == "yesterday")).timestamp()
    if re.fullmatch(r"\d\d:\d\d", text):
        return today.replace(hour=int(text[:2]), minute=int(text[3:])).timestamp()
    return datetime.fromisoformat(text).timestamp()


@dataclass(frozen=True, slots=True)
class Completion:
    """What may stand where the cursor is."""

    start: int
    """Where the part begins that is replaced."""
    options: tuple[tuple[str, str], ...]
    """What to put there, and what it means."""


def complete(text: str, cursor: int, names: Callable[[str], Iterable[str]]) -> Completion:
    """Keys and flags that begin as what stands before the cursor; after a key, its values, which `names` gives."""
    token = next((t for t in _tokens(text[:cursor]) if t.end() == cursor and t[0]), None)
    if token is None:
        return Completion(cursor, ())
    key = ALIASES.get((token["key"] or "").lower(), (token["key"] or "").lower())
    if not key:
        return _keys(token.start("value"), token["value"])
    if key not in KEYS or '"' in token["value"]:
        return Completion(cursor, ())
    typed = token["value"].rpartition(",")[2]
    given = list(FIXED.get(key, ())) + (list(names(key)) if key in NAMES else [])
    return Completion(cursor - len(typed), tuple((quoted(value), "") for value in _fitting(typed, given)))


def _keys(start: int, typed: str) -> Completion:
    lower = typed.lower()
    shown = [(f"{key}{'>' if key in NUMBERS else ':'}", words) for key, words in KEYS.items() if key.startswith(lower)]
    shown += [(flag, words) for flag, words in FLAGS.items() if flag.startswith(lower) and flag != lower]
    return Completion(start, tuple(shown) if typed else ())


def _fitting(typed: str, given: Sequence[str]) -> list[str]:
    """Those that begin so, then those that hold it; not what is there already."""
    lower = typed.lower()
    some = dict.fromkeys(value for value in given if value and value != typed)
    begins = [value for value in some if value.lower().startswith(lower)]
    return [*begins, *(value for value in some if lower in value.lower() and value not in begins)]


def quoted(value: str) -> str:
    """A value as it must be typed."""
    plain = value.replace('"', "")
    return f'"{plain}"' if re.search(r"[\s,]", plain) else plain
