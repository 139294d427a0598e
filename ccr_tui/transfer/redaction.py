"""What leaves the machine without being anybody else's business: found, and replaced.

Owns what is looked for and what it becomes; the README's chapter on exports lists the same. Must never do I/O, depend
on the order of what it is given, or change what it has changed before: the same text always becomes the same, so that
two exports can be compared and a prompt's common prefix stays one. The one surprise: it looks for shapes, so it finds
what looks like a key, not what is one; a password in a sentence stays.

    key           API keys by their makers' prefixes, tokens after "Bearer", JSON Web Tokens, private keys, what is
                  assigned to a name such as api_key, token or password, user and password in a URL
    e-mail        addresses, but for the two that stand in every session (Claude's and GitHub's own)
    home, name    who the home directories in a path belong to, and that name by itself where it is a word
    account       device and account ids in the client's metadata
    image         the data of images, documents and other files in base64: one grey pixel instead
    raw stream    the provider's bytes as they came, in which any of these may be cut into pieces: left out
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from typing import Any

from ccr_tui.config import Config
from ccr_tui.records import Json, Trace
from ccr_tui.seen import LISTS
from ccr_tui.slim import dataclass
from ccr_tui.standins import is_stand_in
from ccr_tui.store import codec

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNoAAAAggCB2kUIOwAAAABJRU5ErkJggg=="
"""A PNG of one pixel: a body with it is still a good request."""
KEY, EMAIL, USER = "[key]", "[e-mail]", "user"
MEMORY = 20_000
"""Texts whose redaction is remembered: a session repeats itself in every request."""
PARTS = 4_000
"""Messages, tools and system blocks whose redaction is remembered."""
COMMON = frozenset(
    {
        "root", "user", "users", "home", "admin", "node", "ubuntu", "debian", "app", "apps", "dev", "test",
        "tests", "runner", "vscode", "work", "claude", "main", "code", "src", "opt", "data", "default", "guest",
        "public", "shared", "build", "jenkins", "codespace", "vagrant", "ec2-user", "system", "local",
        "project", "projects",
    }
)  # fmt: skip
"""Names of accounts that are nobody's, and words that may be anything."""

ONE = {
    "keys": "key",
    "e-mail addresses": "e-mail address",
    "home directories": "home directory",
    "user names": "user name",
    "account ids": "account id",
    "images and files": "image or file",
    "raw streams": "raw stream",
}
"""What is counted, and the word for one of it."""

_PREFIXED = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-[A-Za-z0-9_-]{12,}|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}|gh[pousr]_[A-Za-z0-9]{20,}"
    r"|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abeoprs]-[A-Za-z0-9-]{10,}|(?:AKIA|ASIA)[A-Z0-9]{16}"
    r"|AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{20,}|gsk_[A-Za-z0-9]{20,}|xai-[A-Za-z0-9]{20,}"
    r"|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{30,}|nvapi-[A-Za-z0-9_-]{20,}|pplx-[A-Za-z0-9]{20,}|r8_[A-Za-z0-9]{20,}"
    r"|tvly-[A-Za-z0-9-]{16,}|whsec_[A-Za-z0-9]{16,}|dop_v1_[a-f0-9]{32,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"
    r")+"
)
_PRIVATE = re.compile(r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,20}PRIVATE KEY-----|\Z)", re.S)
_BEARER = re.compile(r"\b((?:Bearer|Basic|bearer|basic)[ \t]+)(?=[A-Za-z0-9._~+/-]*[0-9A-Z])[A-Za-z0-9._~+/-]{12,}=*")
_ASSIGNED = re.compile(
    r"((?:api[_-]?key|secret|token|passw(?:or)?d|passphrase|credentials?|authorization|cookie)"
    r"(?:[_-][a-z0-9_-]{0,30})?[\"'\\]{0,4}[ \t]{0,4}[:=]{1,2}>?[ \t]{0,4}[\"'\\]{0,4})"
    r"(?=[^\s\"'`<>{}()\[\],;$\\=:]*[0-9])(?=[^\s\"'`<>{}()\[\],;$\\=:]*[A-Za-z])"
    r"([^\s\"'`<>{}()\[\],;$\\=:]{8,}={0,2})",
    re.I,
)
_IN_URL = re.compile(r"(?<=://)[^\s/:@\"'`<>\[\]]{1,80}:[^\s/@\"'`<>\[\]]{1,200}(?=@)")
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])(?!noreply@anthropic\.com|git@github\.com)"
    r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])"
)
_HOME = re.compile(
    r"((?:(?<![\w.])/(?:home|Users)/)|(?:\b[A-Za-z]:\\{1,4}Users\\{1,4}))([^/\\\s\"'`<>|:*?,;()\[\]]{1,64})"
)
_SLUG = re.compile(r"(?<=projects/)(-(?:home|Users)-)([A-Za-z0-9_]{1,64})")
_ACCOUNT = re.compile(
    r"(user_|device_id[\"'\\]{1,4}:\s?[\"'\\]{1,4})([0-9a-f]{32,64})"
    r"|((?:_account_|account_uuid[\"'\\]{1,4}:\s?[\"'\\]{1,4}))([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
)
_DATA_URL = re.compile(r"data:[A-Za-z0-9.+/-]{1,80};base64,[A-Za-z0-9+/=_-]{16,}")
_DATA_KEPT = f"data:image/png;base64,{PIXEL}"
_SECRET_NAME = re.compile(
    r"(?:[\w-]*[_-])?(?:api[_-]?key|token|password|passwd|passphrase|secret|authorization|cookie|private[_-]?key)", re.I
)
_OWNER = re.compile(r"(?:^/(?:home|Users)/|^[A-Za-z]:[\\/]Users[\\/])([^/\\]+)")


@dataclass(slots=True)
class Redactor:
    """Replaces, and counts what it has replaced: each text once, however often it is sent again."""

    names: tuple[str, ...] = ()
    """Of people: the login name, and whoever else is known. The owners of recorded projects are found by themselves."""
    secrets: tuple[str, ...] = ()
    """Texts that are keys whatever they look like."""
    counts: Counter[str] = field(default_factory=Counter)
    _known: dict[tuple[frozenset[str], str], str] = field(default_factory=dict)
    _parts: dict[int, tuple[Json, Json]] = field(default_factory=dict)
    """By identity, parts of bodies and what became of them: whoever reads a session gives the same objects again."""
    _owners: frozenset[str] = frozenset()
    _words: dict[frozenset[str], re.Pattern[str] | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._owners = self._with("")

    def trace(self, trace: Trace) -> Trace:
        """The trace without what is nobody's business."""
        owners = self._with(owner(trace.project))
        if owners != self._owners:
            self._owners, self._parts = owners, {}
        self.counts["raw streams"] += sum(bool(attempt.stream) for attempt in trace.attempts)
        light = self.json(codec.to_json(replace(trace, timeline=()))) | {"uid": trace.uid}
        made = codec.from_json(
            light,
            [{"sent": self._body(attempt.sent), "stream": ()} for attempt in trace.attempts],
            body=self._body(trace.body),
            raw=None if trace.raw is None else self.text(trace.raw.decode("utf-8", "replace")).encode(),
            reply=self.json(trace.reply),
        )
        return replace(made, timeline=trace.timeline)

    def _body(self, body: Json) -> Json:
        """A body; a part of it that was seen before is not looked at again."""
        if not isinstance(body, dict):
            return self.json(body)
        lists = {key: body[key] for key in LISTS if isinstance(body.get(key), list)}
        made = self.json({key: None if key in lists else value for key, value in body.items()})
        return made | {key: [self._part(each) for each in parts] for key, parts in lists.items()}

    def _part(self, part: Json) -> Json:
        known = self._parts.get(id(part))
        if known is None or known[0] is not part:
            if len(self._parts) > PARTS:
                self._parts.clear()
            known = self._parts[id(part)] = (part, self.json(part))
        return known[1]

    def json(self, value: Json) -> Json:
        """Any JSON."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list | tuple):
            return [self.json(each) for each in value]
        return self._object(value) if isinstance(value, dict) else value

    def text(self, text: str) -> str:
        """Any text."""
        if len(text) < 5:
            return text
        place = (self._owners, text)
        known = self._known.get(place)
        if known is None:
            if len(self._known) > MEMORY:
                self._known.clear()
            known = self._known[place] = self._replaced(text)
        return known

    def told(self) -> str:
        """What was redacted, in a sentence."""
        found = ", ".join(
            f"{count} {ONE[kind] if count == 1 else kind}" for kind, count in sorted((+self.counts).items())
        )
        return f"Redacted: {found}." if found else "Redacted: nothing was found that had to be."

    def _object(self, given: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in given.items():
            name = base = self.text(key)
            number = 1
            while name in made:
                number += 1
                name = f"{base} ({number})"
            made[name] = self._member(key, value, given)
        return made

    def _member(self, key: str, value: Json, holder: Mapping[str, Any]) -> Json:
        if isinstance(value, str):
            if key == "data" and is_file(holder):
                self.counts["images and files"] += value != PIXEL
                return PIXEL
            if _SECRET_NAME.fullmatch(key) and len(value) >= 6:
                self.counts["keys"] += value != KEY
                return KEY
        if key == "media_type" and "data" in holder and is_file(holder):
            return "image/png" if str(value).startswith("image/") else value
        return self.json(value)

    def _replaced(self, text: str) -> str:
        for secret in self.secrets:
            if secret in text:
                self.counts["keys"] += text.count(secret)
                text = text.replace(secret, KEY)
        for needed, kind, pattern, into in _STEPS:
            if any(sign in text for sign in needed):
                text = self._counted(kind, pattern, into, text)
        words = self._names_pattern()
        return text if words is None else self._counted("user names", words, _to_user, text)

    def _with(self, owner: str) -> frozenset[str]:
        return frozenset(name for name in (*self.names, owner) if is_telling(name))

    def _counted(self, kind: str, pattern: re.Pattern[str], into: Callable[[re.Match[str]], str], text: str) -> str:
        def replaced(match: re.Match[str]) -> str:
            made = into(match)
            self.counts[kind] += made != match[0]
            return made

        return pattern.sub(replaced, text)

    def _names_pattern(self) -> re.Pattern[str] | None:
        if self._owners not in self._words:
            names = "|".join(sorted(map(re.escape, self._owners), key=lambda name: (-len(name), name)))
            made = re.compile(rf"(?<![A-Za-z0-9])(?:{names})(?![A-Za-z0-9])") if names else None
            self._words[self._owners] = made
        return self._words[self._owners]


def owner(project: str | None) -> str:
    """Whose home directory a path is in; "" where it is in none."""
    found = _OWNER.match(project or "")
    return found[1] if found else ""


def is_telling(name: str) -> bool:
    """Whether a name is somebody's, and rare enough to be replaced wherever it stands."""
    return len(name) >= 3 and name.lower() not in COMMON and not name.isdigit()


def is_file(holder: Mapping[str, Any]) -> bool:
    """Whether an object is the content of a file: an image or document of a message, sound for some models."""
    kind = holder.get("type")
    return kind == "base64" or (kind is None and isinstance(holder.get("media_type") or holder.get("format"), str))


def known_secrets(values: Iterable[str | None]) -> tuple[str, ...]:
    """Of what is configured, what is long enough to be looked for; the longest first."""
    found = {value for value in values if value and len(value) >= 8 and not is_stand_in(value)}
    return tuple(sorted(found, key=lambda value: (-len(value), value)))


def redactor(config: Config, env: Mapping[str, str]) -> Redactor:
    """For what leaves this machine: its user's name, and every key that is configured or stands in the environment."""
    written = [config.api_key, *(key for one in config.providers.values() for key in (one.api_key, *one.api_keys))]
    around = [value for name, value in env.items() if name.endswith(("_KEY", "_TOKEN", "_SECRET", "_PASSWORD"))]
    named = env.get("USER") or env.get("LOGNAME") or env.get("USERNAME") or ""
    return Redactor((named,), known_secrets(value for value in (*written, *around) if value and "$" not in value))


def _to_key(match: re.Match[str]) -> str:
    return KEY


def _to_named_key(match: re.Match[str]) -> str:
    return f"{match[1]}{KEY}"


def _to_email(match: re.Match[str]) -> str:
    return EMAIL


def _to_user(match: re.Match[str]) -> str:
    return USER


def _to_home(match: re.Match[str]) -> str:
    return match[0] if match[2] in ("Shared", "Public", USER) else f"{match[1]}{USER}"


def _to_zeros(match: re.Match[str]) -> str:
    head, id = (match[1], match[2]) if match[2] else (match[3], match[4])
    return head + re.sub("[0-9a-f]", "0", id)


def _to_pixel(match: re.Match[str]) -> str:
    return _DATA_KEPT


_STEPS: tuple[tuple[tuple[str, ...], str, re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    ((";base64,",), "images and files", _DATA_URL, _to_pixel),
    (("PRIVATE KEY",), "keys", _PRIVATE, _to_key),
    (("",), "keys", _PREFIXED, _to_key),
    (("Bearer", "bearer", "Basic", "basic"), "keys", _BEARER, _to_named_key),
    (("=", ":"), "keys", _ASSIGNED, _to_named_key),
    (("://",), "keys", _IN_URL, _to_key),
    (("@",), "e-mail addresses", _EMAIL, _to_email),
    (("/home/", "/Users/", "Users\\"), "home directories", _HOME, _to_home),
    (("projects/-",), "home directories", _SLUG, _to_home),
    (("user_", "device_id", "account_uuid"), "account ids", _ACCOUNT, _to_zeros),
)
"""Signs of which one must occur at all, kind, shape, and what becomes of it; in this order."""
