"""How a tokenizer that nobody has can be told from what it has counted: a few weights, fitted to reported tokens.

Owns the features of a text and the fit. Must never be believed unseen: `fit` holds whole sessions back, and whatever
is not better on those than one plain ratio is dropped. The one surprise: what tokenizers differ in is mostly
digits, white space, long words and letters beyond ASCII, so a few counts beside our own tokens bring code, JSON and
prose together; and tools differ most, because every provider writes them in its own way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import mul

from ccr_tui.records import Json
from ccr_tui.slim import dataclass
from ccr_tui.tally import Scale, tally

SIZE = 9
"""Our tokens of texts, what surrounds them, bytes, digits, white space, bytes beyond ASCII, words, numbers, and once
more our tokens of the tools and the system prompt."""
LEAST = 12
"""Samples below which no weights are fitted."""
RIDGES = (1e-4, 1e-3, 1e-2, 1e-1)
"""How strongly the weights may be held to where they start, as a share of what the samples say."""
FOLDS = 4
"""Parts that are held back, one after the other."""
SMALL = 200
"""Tokens: a smaller sample weighs no more than one of this size."""
_DIGITS, _SPACE = b"0123456789", b" \t\r\n"
_ASCII = bytes(range(128))
_LETTERS = bytes(n if n >= 128 or chr(n).isalpha() else 32 for n in range(256))
_NUMBERS = bytes(n if 48 <= n < 58 else 32 for n in range(256))
"""Everything but letters, or but digits, is a blank."""

Features = tuple[float, ...]


class Letters:
    """A scale for `tally` that has another one weigh, and counts letters. Not for several threads at once."""

    def __init__(self, scale: Scale) -> None:
        self._scale = scale
        self.tokens = self.bytes = self.digits = self.space = self.foreign = self.words = self.numbers = 0

    def weigh(self, text: str) -> tuple[int, int]:
        """What the other one says, after a look at the text."""
        data = text.encode("utf-8", "replace")
        self.bytes += len(data)
        self.digits += len(data) - len(data.translate(None, _DIGITS))
        self.space += len(data) - len(data.translate(None, _SPACE))
        self.foreign += 0 if data.isascii() else len(data.translate(None, _ASCII))
        self.words += len(data.translate(_LETTERS).split())
        self.numbers += len(data.translate(_NUMBERS).split())
        tokens, guessed = self._scale.weigh(text)
        self.tokens += tokens
        return tokens, guessed

    def pages(self, data: str) -> int | None:
        """A document's pages."""
        return self._scale.pages(data)


def features(body: Json, scale: Scale, *, thinking: bool = True) -> Features:
    """Of a part of a body, on our own scale."""
    found = Letters(scale)
    tokens = tally(body, found, thinking=thinking).total
    fixed = 0 if "messages" in body else tokens
    return (
        found.tokens, tokens - found.tokens, found.bytes, found.digits, found.space, found.foreign, found.words,
        found.numbers, fixed,
    )  # fmt: skip


def around(tokens: int) -> Features:
    """What surrounds texts, alone."""
    return (0, tokens, *([0] * (SIZE - 2)))


def whole(features: Features) -> int:
    """Our tokens, with what surrounds the texts."""
    return int(features[0] + features[1])


def plus(one: Features, other: Features) -> Features:
    """Both together."""
    return tuple(a + b for a, b in zip(one, other, strict=True))


def minus(one: Features, other: Features) -> Features:
    """What one has more than the other."""
    return tuple(a - b for a, b in zip(one, other, strict=True))


@dataclass(frozen=True, slots=True)
class Sample:
    """What somebody counted."""

    features: Features
    tokens: int
    whole: bool = True
    """Whether it is a request or an answer, and not what a request had more than the one before it."""
    session: int | None = None
    """Samples of one session are held back together, since their prompts begin alike."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Weights of the features, and how far off they are: the mean of the samples that were held back."""

    weights: Features
    error: float
    n: int

    def tokens(self, features: Features) -> float:
        """What the tokenizer is expected to count."""
        found: float = sum(map(mul, self.weights, features))
        return max(1.0, found)


def plain(ratio: float, error: float, n: int) -> Fit:
    """One ratio for all of it."""
    return Fit((ratio, ratio, *([0.0] * (SIZE - 2))), error, n)


def fit(samples: Sequence[Sample], start: Features) -> Fit | None:
    """The best weights near `start`; None where they are no better than those on samples that they have not seen."""
    if len(samples) < LEAST:
        return None
    folds = list(_folds(samples))
    errors = {ridge: _unseen(folds, start, ridge) for ridge in RIDGES}
    ridge = min(errors, key=errors.__getitem__)
    best = _solved(samples, start, ridge)
    plainly = sum(missed(start, held) for _, held in folds) / len(folds)
    return Fit(best, errors[ridge], len(samples)) if best is not None and errors[ridge] < plainly else None


def _folds(samples: Sequence[Sample]) -> Iterator[tuple[list[Sample], list[Sample]]]:
    """What is fitted to, and what is held back: whole sessions; of a single one what came last."""
    sessions = list(dict.fromkeys(sample.session for sample in samples))
    last = set(map(id, samples[len(samples) * 2 // 3 :]))
    for fold in range(min(FOLDS, len(sessions))):
        away = {name for n, name in enumerate(sessions) if n % FOLDS == fold}
        held = [s for s in samples if (s.session in away if len(sessions) > 1 else id(s) in last)]
        away_ids = set(map(id, held))
        if wholes := [sample for sample in held if sample.whole]:
            yield [sample for sample in samples if id(sample) not in away_ids], wholes


def _unseen(folds: Sequence[tuple[list[Sample], list[Sample]]], start: Features, ridge: float) -> float:
    """The mean error on what was held back."""
    found = [(_solved(used, start, ridge) or start, held) for used, held in folds]
    return sum(missed(weights, held) for weights, held in found) / max(1, len(found))


def missed(weights: Features, samples: Sequence[Sample]) -> float:
    """The mean share by which these weights are off."""
    made = Fit(weights, 0.0, 0)
    return sum(abs(made.tokens(s.features) - s.tokens) / max(1, s.tokens) for s in samples) / len(samples)


def _solved(samples: Sequence[Sample], start: Features, ridge: float) -> Features | None:
    """Least squares of the relative error, held to where it starts."""
    matrix = [[0.0] * SIZE for _ in range(SIZE)]
    right = [0.0] * SIZE
    for sample in samples:
        weight = max(SMALL, sample.tokens) ** -2.0
        x, rest = sample.features, sample.tokens - sum(w * f for w, f in zip(start, sample.features, strict=True))
        for i in range(SIZE):
            right[i] += weight * x[i] * rest
            for j in range(SIZE):
                matrix[i][j] += weight * x[i] * x[j]
    for i in range(SIZE):
        matrix[i][i] = matrix[i][i] * (1 + ridge) + 1e-12
    change = _gauss(matrix, right)
    return None if change is None else tuple(w + d for w, d in zip(start, change, strict=True))


def _gauss(matrix: list[list[float]], right: list[float]) -> list[float] | None:
    """The solution of a small system; None where there is none."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for i in range(SIZE):
        pivot = max(range(i, SIZE), key=lambda r: abs(rows[r][i]))
        if abs(rows[pivot][i]) < 1e-30:
            return None
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(SIZE):
            if r != i:
                factor = rows[r][i] / rows[i][i]
                rows[r] = [a - factor * b for a, b in zip(rows[r], rows[i], strict=True)]
    return [rows[i][SIZE] / rows[i][i] for i in range(SIZE)]
