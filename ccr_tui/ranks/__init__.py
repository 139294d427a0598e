"""The vendored byte-pair ranks of OpenAI's o200k_base, and the small format that they are shipped in.

Owns the rank file, its format, and what tiktoken must be told beside it (pattern, special tokens, checksum). Must never
download anything: tiktoken's own loader fetches the ranks with no time-out. The one surprise: rank i is simply the i-th
token, so no rank is stored; the file is xz over one length byte and the bytes of each token (832 KB for 3.6 MB).

`python -m ccr_tui.ranks o200k_base.tiktoken` rebuilds the shipped file from tiktoken's (see README.md beside this).
"""

from __future__ import annotations

import lzma
from base64 import b64decode, b64encode
from hashlib import sha256
from importlib.resources import files

from ccr_tui.errors import CcrError
from ccr_tui.slim import dataclass


@dataclass(frozen=True, slots=True)
class Encoding:
    """What `tiktoken.Encoding` needs beside the ranks; copied from tiktoken_ext/openai_public.py (MIT, OpenAI)."""

    name: str
    sha256: str
    """Of tiktoken's own file `<name>.tiktoken`, which the shipped one gives back byte for byte (`check`, the tests)."""
    packed_sha256: str
    """Of the shipped file. Checked at every load, because it takes 1 ms where building tiktoken's file takes 145."""
    pattern: str
    special: dict[str, int]


O200K = Encoding(
    name="o200k_base",
    sha256="446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    packed_sha256="74c6f5af06dd76707df670b80098f8be24afcd25ffae041f3df869abdcf63f65",
    pattern="|".join(
        (
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"\p{N}{1,3}",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
            r"\s*[\r\n]+",
            r"\s+(?!\S)",
            r"\s+",
        )
    ),
    special={"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
)
ENCODINGS = {O200K.name: O200K}


def load(name: str) -> dict[bytes, int]:
    """The ranks of an encoding that is shipped. Raises CcrError if the file is missing or damaged."""
    encoding = ENCODINGS[name]
    try:
        packed = (files(__package__) / f"{name}.xz").read_bytes()
    except OSError as error:
        raise CcrError(f"The token ranks {name}.xz can't be read ({error}): install ccr-tui again.") from error
    if sha256(packed).hexdigest() != encoding.packed_sha256:
        raise CcrError(f"The token ranks {name}.xz are damaged (their checksum differs): install ccr-tui again.")
    return {token: rank for rank, token in enumerate(unpack(packed))}


def check(encoding: Encoding, tokens: list[bytes]) -> None:
    """Raises CcrError unless the tokens give tiktoken's own file back (sha256)."""
    if sha256(tiktoken_file(tokens)).hexdigest() != encoding.sha256:
        raise CcrError(f"The token ranks {encoding.name} are not OpenAI's (their checksum differs).")


def tiktoken_file(tokens: list[bytes]) -> bytes:
    """The tokens as tiktoken writes them: a line for each, base64 and rank."""
    return b"".join(b"%b %d\n" % (b64encode(token), rank) for rank, token in enumerate(tokens))


def tokens_of(tiktoken_file: bytes) -> list[bytes]:
    """The tokens of tiktoken's file, by rank. Raises ValueError if a rank is left out."""
    pairs = sorted((int(rank), b64decode(token)) for token, rank in map(bytes.split, tiktoken_file.splitlines()))
    if [rank for rank, _ in pairs] != list(range(len(pairs))):
        raise ValueError("ranks are not contiguous")
    return [token for _, token in pairs]


def pack(tokens: list[bytes]) -> bytes:
    """The shipped form: xz over a length byte and the bytes of each token. Raises ValueError over 255 bytes."""
    raw = b"".join(bytes((len(token),)) + token for token in tokens)
    return lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME)


def unpack(packed: bytes) -> list[bytes]:
    """What `pack` was given. Raises ValueError or LZMAError for anything else."""
    raw = lzma.decompress(packed)
    tokens, at, end = [], 0, len(raw)
    while at < end:
        start = at + 1
        at = start + raw[at]
        tokens.append(raw[start:at])
    if at != end:
        raise ValueError("the last token is cut")
    return tokens
