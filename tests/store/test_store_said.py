"""What of a message can be found."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import generated
import pytest

from ccr_tui.records import Json
from ccr_tui.store import mentions, said, schema
from ccr_tui.store.insert import Insertion
from ccr_tui.store.ready import Ready

THOUGHT = {"type": "thinking", "thinking": "b", "signature": "s"}
INPUT = {"command": ["ls", {"a": "-l"}], "n": 1}


def result(content: Json) -> Json:
    return {"type": "tool_result", "tool_use_id": "x", "content": content}


MESSAGES: list[tuple[str, Json, str]] = [
    ("string", {"role": "user", "content": "hello"}, "hello"),
    ("blocks", {"content": [{"type": "text", "text": "a"}, THOUGHT]}, "a\nb"),
    ("call", {"content": [{"type": "tool_use", "id": "x", "name": "Bash", "input": INPUT}]}, "Bash\nls\n-l"),
    ("result", {"content": [result("out")]}, "out"),
    ("result of blocks", {"content": [result([{"type": "text", "text": "x"}, generated.image()])]}, "x"),
    ("picture", {"content": [generated.image()]}, ""),
    ("long result", {"content": [result("x" * 9999)]}, "x" * said.LONGEST),
    ("empty", {"content": []}, ""),
    ("nonsense", {"content": [1, None, {"type": 3}]}, ""),
    ("no message", [1], ""),
]


@pytest.mark.parametrize(("message", "text"), [case[1:] for case in MESSAGES], ids=[case[0] for case in MESSAGES])
def test_text_of(message: Json, text: str) -> None:
    assert said.text_of(message) == text


QUERIES = [
    ("parser", '"parser"*'),
    ("two words ", '"two" "words"'),
    ('"in this order"', '"in this order"'),
    ('say "hi', '"say" "hi"*'),
    ("a AND b", '"a" "AND" "b"*'),
    ("中文", '" 中  文 "*'),
    ("- ( * \0", ""),
    ("", ""),
]


@pytest.mark.parametrize(("text", "query"), QUERIES, ids=[repr(case[0]) for case in QUERIES])
def test_query(text: str, query: str) -> None:
    assert said.query(text) == query


def test_a_snippet_is_one_line_around_the_first_hit() -> None:
    message = {"content": "a" * 200 + "\n\n the Needle here\t" + "b" * 200}
    snippet = said.snippet(message, "needle")
    assert "the Needle here" in snippet
    assert snippet.startswith("…") and snippet.endswith("…") and "\n" not in snippet
    assert len(snippet) == 2 * said.AROUND + 2
    assert said.snippet({"content": "short"}, "nothing") == "short"


def test_a_session_that_goes_on_within_one_transaction_repeats_nobody(path: Path) -> None:
    """Who said something first, and who said it again, does not depend on how many requests are stored together."""
    noted = "SELECT chunk, session_id, trace FROM again ORDER BY 1, 2"
    with closing(schema.writable(path)) as db:
        db.execute("BEGIN")
        Insertion(db).add_all([*map(Ready.of, generated.recorded(seed=3, turns=40))])
        db.execute("COMMIT")
        together = db.execute(noted).fetchall()
        db.execute("DELETE FROM again")
        mentions.fill(db)
        assert db.execute(noted).fetchall() == together
