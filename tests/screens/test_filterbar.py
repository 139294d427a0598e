"""The line of a filter: its mark stands below the place that is wrong, and nothing it says is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ccr_tui.screens.filterbar import MARK, pointed


@given(st.lists(st.text("abc;:>", min_size=1, max_size=12), min_size=1, max_size=14), st.integers(0, 300),
       st.integers(24, 200))  # fmt: skip
def test_the_mark_stands_where_the_fault_is_and_the_sentence_is_whole(words: list[str], at: int, width: int) -> None:
    lines = pointed(" ".join(words), at, width)
    assert lines[0].index(MARK) == min(at, width - 3)
    assert " ".join(lines).replace(MARK, "").split() == words
    assert all(len(line) <= width - 2 for line in lines)
