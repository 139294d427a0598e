"""Packed bodies: what was packed comes out, and no small body becomes a large one."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui.errors import BadRequest, ProxyError, TooLarge
from ccr_tui.proxy.packed import Unpackable, unpacked

BODY = b'{"model": "m"}' * 20
LIMIT = 10_000


def bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


GOOD = [
    ("", BODY),
    ("identity", BODY),
    ("gzip", gzip.compress(BODY)),
    ("GZip", gzip.compress(BODY)),
    ("x-gzip", gzip.compress(BODY)),
    ("gzip", gzip.compress(BODY[:9]) + gzip.compress(BODY[9:])),
    ("deflate", zlib.compress(BODY)),
    ("deflate", bare(BODY)),
    ("deflate, gzip", gzip.compress(zlib.compress(BODY))),
    ("gzip , identity", gzip.compress(BODY)),
]


@pytest.mark.parametrize(("encoding", "raw"), GOOD, ids=[f"{n}-{case[0] or 'none'}" for n, case in enumerate(GOOD)])
def test_what_was_packed_comes_out(encoding: str, raw: bytes) -> None:
    assert unpacked(raw, encoding, LIMIT) == BODY


BAD: list[tuple[str, str, bytes, type[ProxyError], str]] = [
    ("brotli", "br", b"\x0b\x02\x80abc\x03", Unpackable, "'br' is not known here"),
    ("zstandard", "zstd", b"\x28\xb5\x2f\xfd", Unpackable, "gzip, deflate"),
    ("one of two", "br, gzip", gzip.compress(BODY), Unpackable, "'br'"),
    ("no gzip", "gzip", BODY, BadRequest, "not what its content-encoding says"),
    ("no deflate", "deflate", b"\xff" * 9, BadRequest, "not what its content-encoding says"),
    ("a cut gzip", "gzip", gzip.compress(BODY)[:-9], BadRequest, "ends before"),
    ("a cut deflate", "deflate", zlib.compress(BODY)[:-3], BadRequest, "ends before"),
    ("something behind", "gzip", gzip.compress(BODY) + b"junk", BadRequest, "not what"),
    ("a bomb", "gzip", gzip.compress(bytes(10 * LIMIT)), TooLarge, "64 MiB"),
    ("two halves of one", "gzip", gzip.compress(bytes(LIMIT)) * 2, TooLarge, "64 MiB"),
    ("a bomb in a bomb", "gzip, gzip", gzip.compress(gzip.compress(bytes(10 * LIMIT))), TooLarge, "64 MiB"),
]


CODES = {
    Unpackable: "request_body_encoding_unsupported",
    BadRequest: "request_body_encoding_invalid",
    TooLarge: "request_body_too_large_after_decoding",
}


@pytest.mark.parametrize(("encoding", "raw", "kind", "says"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_what_cannot_be_unpacked_is_told(encoding: str, raw: bytes, kind: type[ProxyError], says: str) -> None:
    with pytest.raises(kind, match=says) as told:
        unpacked(raw, encoding, LIMIT)
    assert told.value.should_retry is False
    assert told.value.details == {"error_code": CODES[kind]}


@given(raw=st.binary(max_size=200), encoding=st.sampled_from(["gzip", "deflate", "gzip, deflate"]))
def test_any_bytes_are_unpacked_or_refused(raw: bytes, encoding: str) -> None:
    try:
        assert len(unpacked(raw, encoding, LIMIT)) <= LIMIT
    except ProxyError as error:
        assert error.status in (400, 413)
