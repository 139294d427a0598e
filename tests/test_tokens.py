"""Tokens: the shipped ranks are OpenAI's, a count is tiktoken's own, and a calibration learns without being fooled."""

from __future__ import annotations

import hashlib
import struct
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import tiktoken
import tiktoken.load
from hypothesis import given, settings
from hypothesis import strategies as st
from tiktoken_ext import openai_public

from ccr_tui import media, ranks, wire
from ccr_tui.errors import CcrError
from ccr_tui.tally import PER_CALL, PER_MESSAGE, PER_REPLY, PER_TOOL
from ccr_tui.tokens import Calibration, Counter, slices

WORDS = st.lists(st.text("abcxyzÄλ語的., 12", min_size=1, max_size=40), min_size=1, max_size=60).map(" ".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def oracle() -> tiktoken.Encoding:
    """tiktoken itself, without slices and without memory."""
    spec = ranks.O200K
    return tiktoken.Encoding("oracle", pat_str=spec.pattern, mergeable_ranks=ranks.load(spec.name), special_tokens={})


# -- the ranks --------------------------------------------------------------------------------------------------------


def test_shipped_ranks_are_tiktokens_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, str] = {}

    def refuse_to_download(url: str, expected_hash: str) -> dict[bytes, int]:
        asked.update(url=url, sha256=expected_hash)
        return {}

    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", refuse_to_download)
    theirs, ours = openai_public.o200k_base(), ranks.O200K
    assert (ours.name, ours.pattern, ours.special) == (theirs["name"], theirs["pat_str"], theirs["special_tokens"])
    tokens = list(ranks.load("o200k_base"))
    assert hashlib.sha256(ranks.tiktoken_file(tokens)).hexdigest() == ours.sha256 == asked["sha256"]
    ranks.check(ours, tokens)
    with pytest.raises(CcrError, match="not OpenAI's"):
        ranks.check(ours, tokens[:-1])


@settings(max_examples=15)
@given(st.lists(st.binary(min_size=1, max_size=255), unique=True))
def test_ranks_are_packed_and_unpacked_unchanged(tokens: list[bytes]) -> None:
    assert ranks.unpack(ranks.pack(tokens)) == tokens
    assert ranks.tokens_of(ranks.tiktoken_file(tokens)) == tokens


def test_damaged_ranks_are_refused() -> None:
    with pytest.raises(ValueError, match="cut"):
        ranks.unpack(ranks.lzma.compress(b"\x03ab"))
    with pytest.raises(ValueError, match="contiguous"):
        ranks.tokens_of(b"YQ== 0\nYg== 2\n")


def test_a_counter_never_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiktoken.load, "read_file", lambda path: pytest.fail(f"would have fetched {path}"))
    assert Counter().text("hello world") == 2
    with pytest.raises(ValueError, match="only o200k_base"):
        Counter("cl100k_base")


# -- texts ------------------------------------------------------------------------------------------------------------

TEXTS = {
    "empty": "",
    "special token as text": "<|endoftext|> is a word here",
    "lone surrogate": "a \ud800 b",
    "chinese": "我能吞下玻璃而不伤身体。" * 40,
    "code": "def f(x):\n    return x + 1\n\n" * 50,
    "json escapes": '{"a":"\\n\\t\\u2028"}' * 20,
    "line separators": "a\u2028b\u0085c" * 30,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_counts_as_tiktoken_counts_it(counter: Counter, oracle: tiktoken.Encoding, text: str) -> None:
    assert counter.text(text) == len(oracle.encode_ordinary(text)) == counter.text(text)


@given(text=st.text(max_size=300) | WORDS)
def test_a_remembered_count_is_a_fresh_one(counter: Counter, oracle: tiktoken.Encoding, text: str) -> None:
    assert counter.text(text) == len(oracle.encode_ordinary(text)) == counter.text(text)


@given(text=WORDS, size=st.integers(100, 400))
def test_words_in_slices_count_as_a_whole(oracle: tiktoken.Encoding, text: str, size: int) -> None:
    pieces = slices(text, size)
    assert "".join(pieces) == text and max(map(len, pieces)) <= size
    assert sum(len(oracle.encode_ordinary(piece)) for piece in pieces) == len(oracle.encode_ordinary(text))


@given(text=st.text(min_size=200, max_size=800), size=st.integers(60, 200))
def test_any_text_in_slices_counts_nearly_as_a_whole(oracle: tiktoken.Encoding, text: str, size: int) -> None:
    pieces = slices(text, size)
    assert "".join(pieces) == text and max(map(len, pieces)) <= size
    whole = len(oracle.encode_ordinary(text))
    assert abs(sum(len(oracle.encode_ordinary(piece)) for piece in pieces) - whole) <= 4 * len(pieces)


@pytest.mark.parametrize("text", [" " * 2_000_000, "\t" * 1_100_000, "a" * 500_000], ids=["spaces", "tabs", "letters"])
def test_what_makes_tiktoken_panic_is_counted(counter: Counter, text: str) -> None:
    assert 0 < counter.text(text) <= len(text)


def test_a_panic_becomes_a_guess_that_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    careless = Counter(slice_chars=3_000_000)
    count = careless.request({"messages": [{"role": "user", "content": " " * 2_000_000}]})
    assert "panicked" in capfd.readouterr().err, "tiktoken does not panic any more: the slices may go"
    assert count.guessed == 500_000 == count.total - PER_MESSAGE - PER_REPLY
    assert not count.teaches


def test_threads_agree(counter: Counter) -> None:
    texts = [f"{i} " * 400 for i in range(40)]
    expected = [counter.text(text) for text in texts]
    with ThreadPoolExecutor(8) as threads:
        assert all(list(threads.map(counter.text, texts)) == expected for _ in range(5))


# -- requests ---------------------------------------------------------------------------------------------------------

LONG = "The quick brown fox jumps over the lazy dog, again and again and again, until it sleeps. "
TOOL = {"name": "Read", "description": LONG, "input_schema": {"type": "object", "properties": {}}}


def user(*blocks: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


SAME = {
    "string and block": ({"messages": [{"role": "user", "content": LONG}]}, user({"type": "text", "text": LONG})),
    "cache mark on text": (
        user({"type": "text", "text": LONG}),
        user({"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}),
    ),
    "cache mark on tool": ({"tools": [TOOL]}, {"tools": [{**TOOL, "cache_control": {"type": "ephemeral"}}]}),
    "system string and block": ({"system": LONG}, {"system": [{"type": "text", "text": LONG}]}),
    "no system": ({}, {"system": [], "tools": None, "messages": []}),
    "text document": (
        user({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": LONG}}),
        user({"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": LONG}]}}),
    ),
    "result string and block": (
        user({"type": "tool_result", "tool_use_id": "a", "content": LONG}),
        user({"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": LONG}]}),
    ),
    "unread identity": (user({"type": "text", "text": LONG}), {**user({"type": "text", "text": LONG}), "model": LONG}),
}


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
def test_two_ways_to_say_the_same_count_the_same(counter: Counter, pair: tuple[Any, Any]) -> None:
    assert counter.request(pair[0]) == counter.request(pair[1])


def test_a_request_is_the_sum_of_what_a_model_reads(counter: Counter) -> None:
    body = {
        "system": LONG,
        "tools": [TOOL],
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "system", "content": [{"type": "text", "text": "be brief"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": LONG, "signature": "x" * 500},
                    {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "a"}},
                ],
            },
        ],
    }
    count, size = counter.request(body), counter.text
    assert count.system == size(LONG) + size("be brief") + 2 * PER_MESSAGE
    assert count.tools == PER_TOOL + size(wire.dumps(TOOL).decode())
    assert count.messages == 2 * PER_MESSAGE + size("hi") + size(LONG) + PER_CALL + size("Read") + size('{"path":"a"}')
    assert count.total == count.system + count.tools + count.messages + PER_REPLY and count.guessed == 0
    without = counter.request(body, thinking=False)
    assert count.total - without.total == size(LONG)


def test_a_chat_completions_body_is_understood(counter: Counter) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    body = {
        "messages": [
            {"role": "system", "content": LONG},
            {"role": "assistant", "content": None, "reasoning_content": LONG, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": LONG},
        ]
    }
    count = counter.request(body)
    assert count.system == counter.text(LONG) + PER_MESSAGE
    assert count.messages > 2 * counter.text(LONG) + 2 * PER_MESSAGE + PER_CALL


@given(body=JSON | st.fixed_dictionaries({"system": JSON, "tools": JSON, "messages": st.lists(JSON)}))
def test_no_body_is_too_odd_to_count(counter: Counter, body: Any) -> None:
    count = counter.request(body)
    assert count.total >= PER_REPLY and count.guessed <= count.total


def test_a_body_nested_beyond_reason_is_a_guess(counter: Counter) -> None:
    block: Any = {"type": "text", "text": "x"}
    for _ in range(20_000):
        block = {"type": "tool_result", "content": [block]}
    count = counter.request(user(block))
    assert count.guessed == count.total > 0


@given(turns=st.lists(st.text(max_size=200), max_size=8))
def test_more_to_say_never_counts_less(counter: Counter, turns: list[str]) -> None:
    messages = [{"role": "user", "content": turn} for turn in turns]
    totals = [counter.request({"messages": messages[:n]}).total for n in range(len(messages) + 1)]
    assert totals == sorted(totals)


def test_the_next_turn_reads_only_what_it_adds(counter: Counter) -> None:
    messages = [{"role": "user", "content": f"{n}: {LONG * 20}"} for n in range(30)]
    body = {"system": LONG * 10, "tools": [TOOL], "messages": messages}
    counter.request(body)
    before = counter.read
    counter.request({**body, "messages": [*messages, {"role": "user", "content": "and now? " * 10}]})
    assert counter.read - before == len("and now? " * 10)


# -- pictures and documents -------------------------------------------------------------------------------------------


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", width, height) + bytes(9)


def jpeg(width: int, height: int, exif: int = 0) -> bytes:
    parts = [b"\xff\xe1" + struct.pack(">H", 60_002) + bytes(60_000)] * exif
    frame = b"\xff\xc2" + struct.pack(">HBHH", 17, 8, height, width) + bytes(10)
    return b"\xff\xd8" + b"".join(parts) + b"\xff\xc4\x00\x04\x00\x00\xff" + frame


def webp(kind: bytes, payload: bytes) -> bytes:
    return b"RIFF\x00\x00\x00\x00WEBP" + kind + b"\x00\x00\x00\x00" + payload + bytes(20)


PICTURES = {
    "png": png(640, 480),
    "gif": b"GIF89a" + struct.pack("<HH", 640, 480),
    "jpeg": jpeg(640, 480),
    "jpeg behind 180 KB of EXIF": jpeg(640, 480, exif=3),
    "webp lossy": webp(b"VP8 ", bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", 640, 480)),
    "webp lossless": webp(b"VP8L", b"\x2f" + (639 | 479 << 14).to_bytes(4, "little")),
    "webp extended": webp(b"VP8X", bytes(4) + (639).to_bytes(3, "little") + (479).to_bytes(3, "little")),
}


@pytest.mark.parametrize("data", PICTURES.values(), ids=PICTURES)
def test_a_picture_counts_by_its_size(counter: Counter, data: bytes) -> None:
    assert media.image_size(data) == (640, 480)
    source = {"type": "base64", "media_type": "image/png", "data": b64encode(data).decode()}
    count = counter.request(user({"type": "image", "source": source}))
    assert (count.images, count.guessed) == (round(640 * 480 / 750), 0)
    url = {"url": f"data:image/png;base64,{source['data']}"}
    assert counter.request(user({"type": "image_url", "image_url": url})).images == count.images


SIZES = {(200, 200): 53, (1000, 1000): 1333, (1092, 1092): 1590, (8000, 8000): 1600, (1, 1): 1, (3136, 100): 105}


@pytest.mark.parametrize(("size", "tokens"), SIZES.items(), ids=str)
def test_a_large_picture_counts_as_scaled_down(size: tuple[int, int], tokens: int) -> None:
    assert media.tokens_of_size(*size) == pytest.approx(tokens, abs=1)


@pytest.mark.parametrize("source", [{"type": "url", "url": "https://x/y.png"}, {"type": "base64", "data": "!"}, None])
def test_a_picture_of_unknown_size_is_a_guess(counter: Counter, source: Any) -> None:
    count = counter.request(user({"type": "image", "source": source}))
    assert count.images == count.guessed == media.IMAGE_TOKENS_MAX
    assert not count.teaches


@given(st.binary(max_size=64), st.sampled_from([b"", b"\xff\xd8\xff", b"GIF89a", b"RIFF1234WEBPVP8L", png(1, 1)[:20]]))
def test_no_bytes_upset_the_reading_of_sizes(data: bytes, magic: bytes) -> None:
    size = media.image_size(magic + data)
    assert size is None or media.tokens_of_size(*size) >= 1
    media.image_tokens((magic + data).hex())


@settings(max_examples=25)
@given(st.lists(st.integers(0, 300_000), min_size=1, max_size=12), st.booleans())
def test_pages_are_counted_across_pieces(gaps: list[int], broken: bool) -> None:
    pdf = b"%PDF-1.7 /Type /Pages " + b"".join(b"." * gap + b"<< /Type /Page >> /Type/Pages" for gap in gaps)
    data = b64encode(pdf).decode()
    data = "\n".join(data[at : at + 76] for at in range(0, len(data), 76)) if broken else data
    assert media.pdf_pages(data) == len(gaps)


def test_a_document_is_an_estimate(counter: Counter) -> None:
    def count(pdf: bytes) -> Any:
        source = {"type": "base64", "media_type": "application/pdf", "data": b64encode(pdf).decode()}
        return counter.request(user({"type": "document", "source": source, "title": "t"}))

    assert count(b"/Type /Page " * 3).documents == 3 * media.PAGE_TOKENS
    assert count(b"compressed").documents == count(b"compressed").guessed == media.PAGE_TOKENS


# -- calibration ------------------------------------------------------------------------------------------------------


def test_nothing_learned_means_the_familys_ratio_and_no_error() -> None:
    calibration = Calibration()
    assert calibration.estimate("a/b", 1000, 1.06) == calibration.estimate("a/b", 1000, 1.06)
    assert (calibration.estimate("a/b", 1000, 1.06).tokens, calibration.estimate("a/b", 1000).tokens) == (1060, 1000)
    assert calibration.estimate("a/b", 1000).error is None
    calibration.seed("a/b", 1.2)
    calibration.load({"c/d": (0.9, 12, 0.03)})
    assert calibration.estimate("a/b", 1000).tokens == 1200
    assert calibration.estimate("c/d", 1000) == type(calibration.estimate("c/d", 1))(900, 0.03, 12)


@given(st.floats(0.3, 3.0), st.integers(1, 40), st.integers(10_000, 200_000))
def test_a_steady_provider_is_learned(ratio: float, times: int, raw: int) -> None:
    calibration = Calibration()
    for _ in range(times):
        learned = calibration.learn("k", raw, round(raw * ratio))
    assert learned.n == times and learned.ratio == pytest.approx(ratio, rel=1e-3)
    assert calibration.estimate("k", raw).tokens == pytest.approx(raw * ratio, rel=2e-3)
    if times > 30:
        assert learned.error is not None and learned.error < 0.1


@given(st.integers(10, 60), st.integers(1, 10_000_000))
def test_one_crazy_report_moves_the_ratio_by_a_twentieth_at_most(times: int, crazy: int) -> None:
    calibration = Calibration()
    for _ in range(times):
        before = calibration.learn("k", 10_000, 10_500)
    after = calibration.learn("k", 10_000, crazy)
    assert abs(after.ratio - before.ratio) <= 0.0501 * before.ratio
    assert after.error is not None and 0 <= after.error <= 1


IGNORED = {
    "tiny prompt": (100, 130),
    "nothing reported": (5000, 0),
    "ten times too much": (5000, 50_000),
    "raw 0": (0, 9),
}


@pytest.mark.parametrize(("raw", "reported"), IGNORED.values(), ids=IGNORED)
def test_what_teaches_nothing_changes_nothing(raw: int, reported: int) -> None:
    calibration = Calibration()
    calibration.learn("k", raw, reported)
    assert calibration.known == {}


def test_a_changed_tokenizer_is_followed() -> None:
    calibration = Calibration()
    calibration.load({"k": (1.0, 500, 0.01)})
    errors = [calibration.learn("k", 10_000, 13_000).error or 0 for _ in range(60)]
    assert calibration.known["k"].ratio == pytest.approx(1.3, rel=0.01)
    assert max(errors) > 0.09 and errors[-1] < 0.01
