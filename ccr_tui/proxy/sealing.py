"""Reasoning that only its provider can read, on its way through the client and back.

Owns what is kept of it (OpenRouter's `reasoning_details`, the signatures of Gemini's calls) and the signature of a
thinking block that carries it. Must never reach another model than the one that wrote it. The one surprise: it is no
luxury. Gemini 3 answers 400 to a call in the history that comes without it (claude-code-router #1057, #1081), so where
it is missing a stand-in goes instead (`Facts.call_detail`, `Facts.tool_call_extra`).

Sources: openrouter.ai/docs/use-cases/reasoning-tokens (preserving reasoning: the details come in pieces, and go back as
one list); ai.google.dev/gemini-api/docs/thought-signatures (`extra_content` of a call).
"""

from __future__ import annotations

import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from ccr_tui.records import Json
from ccr_tui.signed import SIGNATURE
from ccr_tui.wire import dumps, loads

SEALED = f"{SIGNATURE}.sealed."
"""Begins the signature of a block that carries such reasoning, whether the block says anything or not."""
MOST = 1 << 20
"""Bytes of it that one block may bring back: far more than any provider sends."""


class Sealing:
    """What one answer says that only its provider can read, until a block carries it."""

    def __init__(self, model_id: str) -> None:
        self._model_id = model_id
        self._details: list[dict[str, Any]] = []
        self._calls: dict[str, Json] = {}

    @property
    def pending(self) -> bool:
        """Whether there is something that no block has carried yet."""
        return bool(self._calls) or any(map(_is_sealed, self._details))

    def add(self, details: Json) -> None:
        """The details of one delta."""
        for piece in details if isinstance(details, list) else []:
            if not isinstance(piece, dict):
                continue
            last = self._details[-1] if self._details else None
            if last is not None and _goes_on(last, piece):
                _join(last, piece)
            else:
                self._details.append(dict(piece))

    def add_call(self, place: int, entry: Json) -> None:
        """An entry of `tool_calls`, which is the answer's call number `place`."""
        extra = entry.get("extra_content") if isinstance(entry, dict) else None
        if isinstance(extra, dict) and extra:
            self._calls[str(place)] = extra

    def signature(self) -> str:
        """For the thinking block that is closed now: it takes along what is pending."""
        if not self.pending:
            return SIGNATURE
        kept = {"model": self._model_id, "details": self._details, "calls": self._calls}
        self._details, self._calls = [], {}
        return SEALED + urlsafe_b64encode(zlib.compress(dumps(kept))).decode()


class Unsealed:
    """What the thinking blocks of one assistant message carry for a model."""

    def __init__(self, model_id: str) -> None:
        self.details: list[Json] = []
        self.calls: dict[str, Json] = {}
        """`extra_content` by the number of the call in its answer."""
        self._model_id = model_id

    def add(self, block: Json) -> None:
        """A thinking block; one that carries nothing, or another model's, adds nothing."""
        signature = block.get("signature")
        if not isinstance(signature, str) or not signature.startswith(SEALED):
            return
        kept = _opened(signature.removeprefix(SEALED))
        if kept.get("model") == self._model_id:
            self.details += [each for each in kept.get("details") or () if isinstance(each, dict)]
            self.calls |= kept.get("calls") or {}


def _opened(text: str) -> dict[str, Any]:
    """What was sealed; nothing where a client has changed it."""
    try:
        reader = zlib.decompressobj()
        value = loads(reader.decompress(urlsafe_b64decode(text), MOST))
    except (ValueError, zlib.error):
        return {}
    return value if isinstance(value, dict) else {}


def _is_sealed(detail: Json) -> bool:
    return bool(detail.get("signature")) or str(detail.get("type")).endswith("encrypted")


def _goes_on(last: Json, piece: Json) -> bool:
    """Whether a piece belongs to the detail before it."""
    if any(last.get(key) != piece.get(key) for key in ("type", "index")):
        return False
    if last.get("id") and piece.get("id") and last["id"] != piece["id"]:
        return False
    return not (last.get("data") and piece.get("data"))


def _join(last: dict[str, Any], piece: Json) -> None:
    for key, value in piece.items():
        before = last.get(key)
        if key in ("text", "summary") and isinstance(before, str) and isinstance(value, str):
            last[key] = before + value
        elif value is not None or key not in last:
            last[key] = value
