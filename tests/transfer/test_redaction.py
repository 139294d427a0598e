"""What an export leaves out: every shape of it, and nothing that is not one."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ccr_tui.transfer.redaction import PIXEL, Redactor, known_secrets, owner

# Not written in one piece: nobody who scans this repository for keys should find one.
KEYS = {
    "anthropic": "sk-ant-" + "api03-AbC1dEf2GhI3jKl4MnO5pQr6",
    "openai": "sk-" + "proj-Zz9Yy8Xx7Ww6Vv5Uu4Tt3",
    "github": "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a",
    "github fine": "github_pat_" + "11ABCDEFG0aBcDeFgHiJkL_mNoPq",
    "slack": "xoxb-" + "123456789012-AbCdEfGhIjKl",
    "aws": "AKIA" + "IOSFODNN7EXAMPLE",
    "google": "AIza" + "SyA1234567890abcdefghijklmnopqrstu",
    "hugging face": "hf_" + "AbCdEfGhIjKlMnOpQrStUvWx",
    "groq": "gsk_" + "AbCdEfGhIjKlMnOpQrStUvWx12",
    "jwt": "eyJhbGciOiJI" + "." + "eyJzdWIiOiIxMjM0" + "." + "SflKxwRJSMeKKF2QT4",
    "private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEow" + "IBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
}
SENTENCES = {
    "alone": "{}",
    "in words": "my key is {}, keep it",
    "assigned": 'export OPENAI_API_KEY="{}"',
    "a header": "Authorization: Bearer {}",
    "json in a string": '{{\\"api_key\\": \\"{}\\"}}',
    "a url": "https://host/path?key={}&x=1",
    "beside unicode": "ключ:{}→",
}


@pytest.mark.parametrize("key", KEYS.values(), ids=list(KEYS))
@pytest.mark.parametrize("sentence", SENTENCES.values(), ids=list(SENTENCES))
def test_no_key_is_left(key: str, sentence: str) -> None:
    redactor = Redactor()
    shown = redactor.text(sentence.format(key))
    assert key not in shown
    assert all(part not in shown for part in key.splitlines() if len(part) > 12 and "PRIVATE" not in part)
    assert redactor.counts["keys"] == 1


GONE = {
    "password": ("DB_PASSWORD=hunter2hunter2", "DB_PASSWORD=[key]"),
    "yaml": ("api-key: 8f14e45fceea167a", "api-key: [key]"),
    "bearer": ("Bearer 0123456789abcdef", "Bearer [key]"),
    "url": ("postgres://alice:s3cret@db:5432/x", "postgres://[key]@db:5432/x"),
    "e-mail": ("write to alice.b@example.co.uk.", "write to [e-mail]."),
    "linux home": ("/home/alice/app/x.py", "/home/user/app/x.py"),
    "mac home": ("cd /Users/alice && ls", "cd /Users/user && ls"),
    "windows home": ("C:\\Users\\alice\\x", "C:\\Users\\user\\x"),
    "windows home in json": ("C:\\\\Users\\\\alice\\\\x", "C:\\\\Users\\\\user\\\\x"),
    "slug": ("~/.claude/projects/-home-alice-app", "~/.claude/projects/-home-user-app"),
    "data url": (f"![](data:image/gif;base64,{'A' * 40})", f"![](data:image/png;base64,{PIXEL})"),
    "device": ("user_" + "ab12" * 16 + "_account__session_1", "user_" + "0000" * 16 + "_account__session_1"),
    "device in json": ('{"device_id":"' + "ab12" * 16 + '"}', '{"device_id":"' + "0000" * 16 + '"}'),
    "device in a string": ('{\\"device_id\\":\\"' + "ab" * 32 + '\\"}', '{\\"device_id\\":\\"' + "00" * 32 + '\\"}'),
}


@pytest.mark.parametrize(("text", "left"), GONE.values(), ids=list(GONE))
def test_what_becomes_of_it(text: str, left: str) -> None:
    assert Redactor().text(text) == left


KEPT = [
    "max_tokens: 128000",
    "the tokenizer counts tokens=12",
    "Co-Authored-By: Claude <noreply@anthropic.com>",
    "git@github.com:a/b.git",
    "npm install @scope/package@1.2.3",
    "def f(token): return token.strip()",
    "Bearer authentication is explained below",
    "/usr/lib/python3/x.py",
    "/home/user/x",
    "a http://localhost:8080/x b",
    "password = getpass()",
    "https://example.com/home/alice",
    "task-list-of-everything-to-do",
    "2026-11-23T00:45:27.853Z",
    "toolu_332d8bb9e15a4ba8a2ab8060",
    "msg_2735d677fde648989a4756eb",
]


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_secret_stays(text: str) -> None:
    redactor = Redactor()
    assert redactor.text(text) == text
    assert not +redactor.counts


def test_names_are_replaced_as_words() -> None:
    redactor = Redactor(names=("alice", "root", "al"))
    assert redactor.text("alice, ALICE and malice: alice's; root al") == "user, ALICE and malice: user's; root al"


@pytest.mark.parametrize(
    ("path", "name"),
    [("/home/bob/x", "bob"), ("/Users/bob", "bob"), ("C:\\Users\\bob\\x", "bob"), ("/srv/bob", ""), (None, "")],
)
def test_whose_project_it_is(path: str | None, name: str) -> None:
    assert owner(path) == name


def test_files_become_a_pixel_and_texts_stay() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AAQ"}}
    text = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hello there"}}
    shown = Redactor().json([image, text])
    assert shown[0]["source"] == {"type": "base64", "media_type": "image/png", "data": PIXEL}
    assert shown[1] == text


def test_keys_by_their_names_and_no_member_is_lost() -> None:
    given_ = {"access_token": "whatever it is", "a@example.org": 1, "b@example.org": 2, "tokens": "all of them"}
    assert Redactor().json(given_) == {
        "access_token": "[key]",
        "[e-mail]": 1,
        "[e-mail] (2)": 2,
        "tokens": "all of them",
    }


def test_what_is_configured_is_a_key_whatever_it_looks_like() -> None:
    secrets = known_secrets(["quite plain words", None, "short"])
    assert Redactor(secrets=secrets).text("say quite plain words now, short") == "say [key] now, short"


PIECES = st.sampled_from([*KEYS.values(), *(text for text, _ in GONE.values()), *KEPT, " ", "\n", '"', "=", "token: "])
JSON = st.recursive(
    st.lists(PIECES, max_size=4).map("".join) | st.text(max_size=20) | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | PIECES, inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
@example(KEYS["aws"] + KEYS["anthropic"])
@settings(max_examples=40)
def test_what_was_redacted_is_not_redacted_again(value: object) -> None:
    once = Redactor(names=("alice",)).json(value)
    assert Redactor(names=("alice",)).json(once) == once


@given(JSON, JSON)
@settings(max_examples=40)
def test_it_does_not_depend_on_what_came_before(first: object, second: object) -> None:
    both = Redactor(names=("alice",))
    both.json(first)
    assert both.json(second) == Redactor(names=("alice",)).json(second)


@pytest.mark.parametrize(
    "letter", ["a", "A1", "a.", "a@", "sk-", "token=", "/home/", "eyJ", "://a:", "user_", "-----BEGIN "]
)
def test_long_texts_take_no_longer_than_their_length(letter: str) -> None:
    begun = time.process_time()
    Redactor(names=("alice",)).text(letter * (400_000 // len(letter)))
    assert time.process_time() - begun < 2
