"""The kept corpus of the fuzzers, replayed: what once reached a new place, or broke something, holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from targets import TARGETS, run

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_holds(name: str) -> None:
    files = sorted((CORPUS / name).iterdir())
    assert len(files) > 20
    for file in files:
        run(name, file.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_one_byte_of_the_corpus_altered_holds_too(name: str) -> None:
    for n, file in enumerate(sorted((CORPUS / name).iterdir())):
        data = bytearray(file.read_bytes())
        data[7919 * n % len(data)] ^= 1 << n % 8
        run(name, bytes(data))
