"""What was said, as text to search and to quote.

Owns which words of a message go into the full text index, how a person's query is put to it, and the snippet that is
shown for a hit. Must never see a picture's bytes. The one surprise: the index keeps no text (contentless), so a
snippet is cut from the chunk itself; and Chinese, Japanese and Korean characters are indexed one by one, because
SQLite's tokenizer takes a whole sentence of them for one word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ccr_tui.records import Json
from ccr_tui.store.codec import utf8

LONGEST = 8000
"""Characters of one tool result that are indexed: a search is for what was said, not for every file that was read."""
SHORTEST = 3
"""Letters of a word that may go on; with less, half of all words would be read."""
AROUND = 60
"""Characters of a snippet on either side of what was found."""

_CJK = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f])")
APART = r" \1 "
_TERMS = re.compile(r'"([^"]*)"|(\S+)')


def text_of(message: Json) -> str:
    """Everything in a message (or a reply's role and content) that a person could look for."""
    content = message.get("content") if isinstance(message, dict) else message
    return "\n".join(piece for piece in _pieces(content) if piece)


def indexed(message: Json) -> str:
    """The same as the index wants it."""
    text = text_of(message)
    return text if text.isascii() else utf8(_CJK.sub(APART, text))


def query(text: str) -> str:
    """A person's words as an FTS5 query: all must occur, "quoted ones" together, the last may be unfinished."""
    found = whole(text)
    return found + ("*" if found and not text.endswith((" ", '"')) else "")


def whole(text: str) -> str:
    """The same with the last word as it stands."""
    terms = [term for term in _terms(text) if any(char.isalnum() for char in term)]
    return " ".join('"' + _CJK.sub(APART, term) + '"' for term in terms)


def is_unfinished(text: str) -> bool:
    """Whether it is worth while to ask how the last word may go on: it says enough to tell it from thousands."""
    return not text.endswith((" ", '"')) and len(text.split()[-1]) >= SHORTEST


def snippet(message: Json, text: str) -> str:
    """The surroundings of the first word of `text` in a message, on one line."""
    plain = " ".join(text_of(message).split())
    found = [at for term in _terms(text) if (at := plain.casefold().find(term.casefold())) >= 0]
    start = max(0, min(found, default=0) - AROUND)
    end = start + 2 * AROUND
    return ("…" if start else "") + plain[start:end] + ("…" if end < len(plain) else "")


def _terms(text: str) -> list[str]:
    clean = utf8(text).replace("\0", " ")
    return [quoted or plain.replace('"', "") for quoted, plain in _TERMS.findall(clean)]


def _pieces(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for block in content:
            yield from _block(block)


def _block(block: Any) -> Iterator[str]:
    if not isinstance(block, dict):
        return
    if block.get("type") == "tool_result":
        yield "\n".join(_pieces(block.get("content")))[:LONGEST]
        return
    for key in ("text", "thinking", "name", "title"):
        if isinstance(block.get(key), str):
            yield block[key]
    yield from _strings(block.get("input"), 4)


def _strings(value: Any, depth: int) -> Iterator[str]:
    """Every string in a tool's input."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict) and depth:
        for entry in value.values() if isinstance(value, dict) else value:
            yield from _strings(entry, depth - 1)
