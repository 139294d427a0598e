"""What was packed is read again, by every version's way of packing, and what is damaged is told."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui.store import codec, idiom

TEXTS = [
    pytest.param(b"", id="nothing"),
    pytest.param(b'{"role":"user","content":"hi"}', id="short"),
    pytest.param(idiom.WORDS[:3000], id="the dictionary itself"),
    pytest.param(b"".join(b"%d," % n for n in range(800)), id="numbers"),
    pytest.param(b'{"a":"' + b"x" * 100_000 + b'"}', id="long"),
]


def shorter_window(data: bytes) -> bytes:
    """As it was packed before there were dictionaries."""
    raw = zlib.compressobj(6, zlib.DEFLATED, -12, 5)
    return b"".join((b"x\x9c", raw.compress(data), raw.flush(), zlib.adler32(data).to_bytes(4, "big")))


WAYS = [codec.compress, idiom.RECORDS.packed, idiom.STREAMS.packed, codec.pack_stream, zlib.compress, shorter_window]


@pytest.mark.parametrize("way", WAYS, ids=["now", "records", "streams", "stream", "zlib", "short"])
@pytest.mark.parametrize("data", TEXTS)
def test_what_was_packed_in_any_way_is_read(way: Callable[[bytes], bytes], data: bytes) -> None:
    assert idiom.unpacked(way(data)) == data


@given(st.binary(max_size=6000))
def test_any_bytes_come_back(data: bytes) -> None:
    assert codec.spread(codec.compress(data)) == data
    assert idiom.unpacked(codec.pack_stream(data)) == data


@pytest.mark.parametrize(
    ("known", "checksum"),
    [
        (idiom.RECORDS, "dba16863c03f63e71bf6b9875ff66f7afa1cc47da1531f0118f1c45c2a899d81"),
        (idiom.STREAMS, "8af9c6059c502ecc03f18f8b8809ac5aa92fab9e9ce8a0617963d9810dcdd53c"),
    ],
    ids=["records", "streams"],
)
def test_a_dictionary_never_changes(known: idiom.Dictionary, checksum: str) -> None:
    assert sha256(known.words).hexdigest() == checksum, "what was stored with it could not be read: make another one"


@pytest.mark.parametrize("known", idiom.BY_HEAD.values(), ids=["records", "streams"])
@pytest.mark.parametrize("cut", [7, -1, -5])
def test_what_is_cut_off_is_told(known: idiom.Dictionary, cut: int) -> None:
    with pytest.raises(zlib.error):
        idiom.unpacked(known.packed(b'{"uid":"1a20","origin":"live"}')[:cut])


@pytest.mark.parametrize("known", idiom.BY_HEAD.values(), ids=["records", "streams"])
def test_what_is_damaged_is_told(known: idiom.Dictionary) -> None:
    packed = bytearray(known.packed(b'{"uid":"1a20","origin":"live"}'))
    packed[-1] ^= 1
    with pytest.raises(zlib.error):
        idiom.unpacked(bytes(packed))
