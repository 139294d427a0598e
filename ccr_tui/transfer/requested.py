"""The requests that Claude Code writes down beside its answers, put together again whole.

Owns the lines `api-request-shape` (system prompt and tools), `api-request-blob` (a message that no other line holds)
and `api-request` (parameters, what of the request before is kept, what comes after it, where the marks of the cache
stand), as seen with Claude Code 2.1.330. Must never do I/O, and never call a request whole whose digest differs: the
client writes the SHA-256 of each, so that what was put together can be checked. The one surprise: a message that is one
text is sent as a list while it bears a mark of the cache, and as a string from the next request on; the digest takes
it as it was first written, so a request is checked first and put into the form in which it was sent afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from hashlib import sha256
from typing import Any

import orjson

from ccr_tui.records import Json
from ccr_tui.seen import Part
from ccr_tui.slim import dataclass
from ccr_tui.wire import dumps

KINDS = frozenset({"api-request", "api-request-blob", "api-request-shape"})
Said = tuple[Part, bool]
"""A message as it was first written, and whether it bore a mark then."""
Mark = tuple[tuple[str | int, ...], Json]
"""Where a `cache_control` stands in a body, and what it says."""
KEPT = 4
"""Requests whose messages are remembered whole: the next one builds on the latest."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A request's body."""

    body: dict[str, Any]
    checked: bool
    """Whether its digest is the one that the client wrote down."""


@dataclass(slots=True)
class Requested:
    """What one file says of requests."""

    _lines: dict[str, dict[str, Any]] = field(default_factory=dict)
    _shapes: dict[str, dict[str, Any]] = field(default_factory=dict)
    _messages: dict[str, Part] = field(default_factory=dict)
    """By their digests: those that were written down, and those that `learn` was told."""
    _built: dict[str, list[Said]] = field(default_factory=dict)

    def hear(self, line: dict[str, Any]) -> None:
        """A line of one of KINDS. Lines that lack what they should have are passed over."""
        kind, name = line["type"], line.get("id") or line.get("hash") or line.get("shapeHash")
        if not isinstance(name, str):
            return
        if kind == "api-request":
            self._lines[name] = line
        elif kind == "api-request-shape" and isinstance(line.get("shape"), dict):
            shape = line["shape"]
            self._shapes[name] = {key: _parts(value) for key, value in shape.items()}
        elif isinstance(line.get("message"), dict):
            self._messages[name] = Part(line["message"], dumps(line["message"]))

    def learn(self, messages: Iterable[Part]) -> None:
        """Messages that stand in other lines, which the client does not write twice."""
        for form in (form for message in messages for form in _forms(message)):
            digest = digest_of(unmarked(form))
            if digest is not None:
                self._messages.setdefault(digest, form)

    def line(self, name: Json) -> dict[str, Any] | None:
        """What was written of a request, by the `requestRef` of its answer."""
        return self._lines.get(name) if isinstance(name, str) else None

    def frame(self, name: Json) -> dict[str, Any]:
        """All of a request but its messages, as far as it was written down; empty where nothing was."""
        line = self.line(name)
        if line is None:
            return {}
        params = {key: value for key, value in params_of(line).items() if key != "betas"}
        return self._shapes.get(str(line.get("shapeHash")), {}) | params

    def whole(self, name: Json) -> Whole | None:
        """The request; None where a part of it was not written down."""
        line, frame = self.line(name), self.frame(name)
        if line is None or str(line.get("shapeHash")) not in self._shapes:
            return None
        said = self._of(line)
        if said is None:
            return None
        marks, places = marks_of(line), _places(line)
        body = {"model": frame.pop("model", None), "messages": [message for message, _ in said], **frame}
        written = _marked(body, marks)
        sent = [_plain(message) if was and at not in places else message for at, (message, was) in enumerate(said)]
        marked = _marked(body | {"messages": sent}, marks)
        if written is None or marked is None:
            return None
        return Whole(marked, _digest(written, line) == line.get("requestDigest"))

    def _of(self, line: dict[str, Any]) -> list[Said] | None:
        """A request's messages, without marks."""
        chain = self._chain(line)
        built: list[Said] | None = []
        for each in chain:
            built = self._built.get(str(each.get("id"))) or self._after(built, each)
            if built is None:
                return None
            self._keep(str(each.get("id")), built)
        return built

    def _chain(self, line: dict[str, Any]) -> list[dict[str, Any]]:
        """From the last request before it whose messages are known, or that builds on none, to it."""
        chain, seen = [line], {line.get("id")}
        while (base := self.line(chain[-1].get("base"))) is not None and base.get("id") not in seen:
            seen.add(base.get("id"))
            chain.append(base)
            if base.get("id") in self._built:
                break
        return chain[::-1]

    def _after(self, before: list[Said] | None, line: dict[str, Any]) -> list[Said] | None:
        """What is kept of the messages before, and what comes after them; None where one of those is not known."""
        keep, tail = line.get("keep") or 0, line.get("tail") or []
        if before is None or not isinstance(keep, int) or not 0 <= keep <= len(before) or not isinstance(tail, list):
            return None
        news = [self._messages.get(str(each)) for each in tail]
        places = _places(line)
        added = [(message, keep + at in places) for at, message in enumerate(news) if message is not None]
        return None if None in news else [*before[:keep], *added]

    def _keep(self, name: str, messages: list[Said]) -> None:
        self._built[name] = messages
        while len(self._built) > KEPT:
            del self._built[next(iter(self._built))]


def params_of(line: dict[str, Any]) -> dict[str, Any]:
    """Model, limits, thinking and the like; `betas` are the header `anthropic-beta`."""
    params = line.get("params")
    return params if isinstance(params, dict) else {}


def marks_of(line: dict[str, Any]) -> list[Mark]:
    """The marks of the cache."""
    given = line.get("cacheControl")
    found = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    return [(tuple(one["path"]), one.get("value")) for one in found if isinstance(one.get("path"), list)]


def digest_of(value: Json) -> str | None:
    """The SHA-256 of its JSON with sorted keys, as the client makes it; None where that can't be told (surrogates)."""
    try:
        return sha256(
            orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_SUBCLASS, default=dict)
        ).hexdigest()
    except TypeError:
        return None


def unmarked(value: Json) -> Json:
    """The value without marks of the cache."""
    if isinstance(value, dict):
        return {key: unmarked(inner) for key, inner in value.items() if key != "cache_control"}
    return [unmarked(inner) for inner in value] if isinstance(value, list) else value


def _digest(body: dict[str, Any], line: dict[str, Any]) -> str | None:
    betas = params_of(line).get("betas")
    return digest_of(body if betas is None else body | {"betas": betas})


def _places(line: dict[str, Any]) -> set[int]:
    """Which messages bear a mark."""
    return {path[1] for path, _ in marks_of(line) if path[0] == "messages" and isinstance(path[1], int)}


def _forms(message: Part) -> tuple[Part, ...]:
    """As it is, and as the list of one text that it is while it bears a mark."""
    if not isinstance(message.get("content"), str):
        return (message,)
    listed = {**message, "content": [{"type": "text", "text": message["content"]}]}
    return (message, Part(listed, dumps(listed)))


def _plain(message: Part) -> Part:
    """A message that is one text, as a string."""
    match message.get("content"):
        case [{"type": "text", "text": str(text), **more}] if not more:
            plain = {**message, "content": text}
            return Part(plain, dumps(plain))
    return message


def _marked(body: dict[str, Any], marks: list[Mark]) -> dict[str, Any] | None:
    """The body with its marks: what bears one is copied, the rest is shared. None where a mark has no place."""
    marked: Json = body
    for path, value in marks:
        try:
            marked = _put(marked, path, value)
        except (KeyError, IndexError, TypeError):
            return None
    return dict(marked)


def _put(value: Json, path: tuple[str | int, ...], mark: Json) -> Json:
    if not path:
        return {**value, "cache_control": mark}
    if isinstance(value, dict) and path[0] == "content" and isinstance(value["content"], str):
        value = {**value, "content": [{"type": "text", "text": value["content"]}]}
    inner = _put(value[path[0]], path[1:], mark)
    if isinstance(value, list):
        at = int(path[0])
        return [*value[:at], inner, *value[at + 1 :]]
    return {**value, path[0]: inner}


def _parts(value: Json) -> Json:
    """Tools and system blocks are shared by all requests of a shape."""
    if not isinstance(value, list):
        return value
    return [Part(each, dumps(each)) if isinstance(each, dict) else each for each in value]
