"""Why an upstream refused, in the client's words.

Owns the way from a provider's error (any status, any shape of body) to a `ProxyError` with the true status, Anthropic's
type and one sentence of cause and cure. Must never pass on a credential, a page of HTML or a stack trace. The one
surprise: Claude Code acts on wording. "prompt is too long: I tokens > L maximum" makes it compact, "input length and
`max_tokens` exceed context limit: I + M > L" and "max_tokens: X > L, which is the maximum allowed" make it lower
max_tokens and try again; so every provider's way to say these is turned into those (measured, 2.1.330).
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ccr_tui.errors import ProxyError, UpstreamRefused
from ccr_tui.proxy import unknown
from ccr_tui.proxy.anthropic import error_type
from ccr_tui.proxy.disguise import covered, undressed
from ccr_tui.proxy.overflow import Overflow, output_limit, overflow
from ccr_tui.proxy.shortening import cure
from ccr_tui.records import Json
from ccr_tui.values import is_sendable
from ccr_tui.wire import dumps, loads

_LONGEST = 500
_SECRETS = re.compile(
    r"(?i)\b(?:bearer\s+[\w.~+/=-]{6,}|(?:sk|pk|gsk|xai|rk|key|org|nvapi|hf|fw|csk|pplx|sess)[-_][\w*.\-]{6,}"
    r"|AIza[\w-]{10,}|ey[\w-]{10,}\.[\w-]{5,}\.[\w-]*)"
)
_URL_SECRETS = re.compile(r"(?i)([?&](?:key|api_key|token|access_token)=)[^&\s\"']+|(://)[^/\s:@]+:[^/\s@]+@")
_QUOTA = re.compile(
    r"(?i)insufficient[_ ](?:quota|balance|funds|credits?)|exceeded[_ ](?:your )?current[_ ]quota|credit balance"
    r"|arrearage|overdue|out of credits|requires more credits|账户余额|余额不足|欠费"
)
_NO_MODEL = re.compile(
    r"(?i)model[_ ]not[_ ](?:found|exist)|model .{0,80}(?:does not exist|not found|is not available|not supported)"
    r"|unknown model|invalid model|not a valid model|no such model|no endpoints found"
)
_NO_IMAGES = re.compile(
    r"(?i)image(?:s| input|_url)? .{0,30}not (?:be )?support|does(?: not|n't) support (?:image|vision)"
)
_NO_TOOLS = re.compile(r"(?i)does(?: not|n't) support tools|support tool use|function tools .{0,40}are not supported")
"""Ollama's, OpenRouter's and OpenAI's words: its chat completions take no tools for GPT-6 Astra (genkit #6303)."""
_TURNS = re.compile(r"(?i)roles must alternate")
_FLAGGED = re.compile(
    r"(?i)\b(?:flagged|moderation)\b|content[_ ]?filter|content[_ ]?policy|content management policy|usage guidelines"
    r"|content exists risk|data_?inspection_?failed|inappropriate content|sensitive ?content|new_sensitive"
    r"|considered high risk|敏感内容"
)
"""OpenRouter's and OpenAI's words, then Azure's, LiteLLM's, xAI's (its 403: inspect_ai #2267), DeepSeek's, DashScope's,
Volcengine's, MiniMax's, Moonshot's and Zhipu's."""


class Said(NamedTuple):
    """What an error body says, wherever it says it."""

    message: str
    kind: str
    """Its type and code, joined: for looking up words, not for showing."""
    status: int | None
    """A status that stands in the body, for errors inside a 200."""
    anthropic: bool
    body: Json


def error_of(
    status: int,
    headers: Mapping[str, str],
    body: bytes | Json,
    provider: str,
    sent: Json = None,
    *,
    estimate: int | None = None,
    window: int | None = None,
    secrets: tuple[str, ...] = (),
    guess: unknown.Guess | None = None,
) -> ProxyError:
    """The error for an answer that is no answer. `status` may be 200 when its body holds an error. `sent` is the body
    that was refused; it, `estimate` and `window` (tokens) fill in what the provider does not name. `secrets` are cut
    out wherever they stand; `guess` is whose facts `sent` was written by."""
    if status < 300 and status != 200:
        sentence = f"{provider} answered {status}, which holds no answer. Check providers.{provider}.base_url."
        return UpstreamRefused(sentence, status=502)
    said = read_error(covered(body, secrets) if isinstance(body, bytes) else body)
    lowered = {name.lower(): value for name, value in headers.items()}
    asked = _asked(provider, sent if isinstance(sent, dict) else {}, estimate, window)
    error = _judge(_true_status(status, said), said, asked, _answered(status))
    if guess is not None and error.status in (400, 422) and not said.anthropic:
        error.message = _told(error, unknown.cure(said.message, sent, guess))
    error.status = error.status if 400 <= error.status < 600 else 502
    error.message = redact(undressed(error.message, secrets), secrets)
    error.args = (error.message,)
    error.details = _details(said, secrets)
    wait = lowered.get("retry-after", "")
    error.retry_after = (wait if is_sendable(wait) else "") or _retry_after(lowered, said.body)
    if lowered.get("x-should-retry") in ("true", "false"):
        error.should_retry = lowered["x-should-retry"] == "true"
    return error


def _told(error: ProxyError, cure: str) -> str:
    return f"{error.message.rstrip('. ')}. {cure}" if cure else error.message


def _details(said: Said, secrets: Iterable[str]) -> Json:
    """What Anthropic's errors carry for programs (`error_code`), without anything that looks like a key."""
    details = said.body["error"].get("details") if said.anthropic else None
    return loads(redact(dumps(details).decode(), secrets)) if isinstance(details, dict) else None


class _Asked(NamedTuple):
    provider: str
    model: str
    estimate: int | None
    max_tokens: int | None
    window: int | None
    sent: Mapping[str, Json]


def _asked(provider: str, sent: Mapping[str, Json], estimate: int | None, window: int | None) -> _Asked:
    limits = (sent.get("max_tokens"), sent.get("max_completion_tokens"))
    return _Asked(
        provider,
        str(sent.get("model") or ""),
        estimate,
        next((n for n in limits if isinstance(n, int)), None),
        window,
        sent,
    )


def _answered(status: int) -> str:
    return "answered 200 with an error" if status == 200 else f"answered {status}"


def _judge(status: int, said: Said, asked: _Asked, answered: str) -> ProxyError:
    if said.anthropic and said.message:
        kind = said.body["error"].get("type")
        named = kind if kind and isinstance(kind, str) else error_type(status)
        return UpstreamRefused(said.message, status=status, type=named)
    words = f"{said.kind} {said.message}"
    found = overflow(words, said.body) if status in (400, 413, 422, 500, 502) else None
    if found:
        return UpstreamRefused(_too_long(found, asked), status=400, type="invalid_request_error", should_retry=False)
    limit = output_limit(said.message) if status in (400, 422) else None
    if limit and asked.max_tokens and asked.max_tokens > limit:
        sentence = (
            f"max_tokens: {asked.max_tokens} > {limit}, which is the maximum allowed number of output tokens for "
            f"{asked.model or asked.provider}"
        )
        return UpstreamRefused(sentence, status=400, type="invalid_request_error")
    if status == 403 and _FLAGGED.search(words):  # Claude Code takes any 403 for a failed login
        status = 400
    cure, useless = _cure(status, words, asked)
    sentence = f"{asked.provider} {answered}: {said.message or 'nothing more'}"
    sentence = f"{sentence.rstrip('. ')}. {cure}".strip()
    error = UpstreamRefused(sentence, status=status, type=error_type(status), should_retry=False if useless else None)
    error.elsewhere = any(told.search(words) for told in (_FLAGGED, _NO_MODEL, _NO_IMAGES, _NO_TOOLS))
    return error


def _cure(status: int, words: str, asked: _Asked) -> tuple[str, bool]:
    """What the person can do, and whether trying again as it is would be useless."""
    provider, model = asked.provider, asked.model
    if _QUOTA.search(words) or status == 402:
        return f"The account at {provider} has no credit left: top it up, or choose another model.", True
    if _FLAGGED.search(words):
        return f"{provider} refuses what was said: its own moderation decides that, not the key.", True
    if status in (401, 403):
        where = f"providers.{provider}.api_key in config.toml, or the variable that holds it (OPENAI_API_KEY)"
        return f"Check the key: {where}.", True
    if status == 407:
        return (
            "It comes from the proxy on the way: put name and password into PROXY_URL (http://name:password@…).",
            True,
        )
    if _TURNS.search(words):
        return "The model's template wants turns to alternate: set quirks.alternate = true for it in config.toml.", True
    if _NO_IMAGES.search(words):
        return f"{model or 'This model'} takes no images: choose one that does for requests with images.", True
    if _NO_TOOLS.search(words):
        return f"{model or 'This model'} takes no tools there, and Claude Code needs them: choose another model.", True
    if _NO_MODEL.search(words):
        return f"Check the id of the model {model!r} in config.toml (or OPENAI_MODEL).", True
    if status == 404:
        where = f"providers.{provider}.base_url in config.toml, or OPENAI_BASE_URL,"
        return f"Check {where} and the id of the model {model!r}.", True
    if 300 <= status < 400:
        return f"It wants to redirect: check providers.{provider}.base_url in config.toml, or OPENAI_BASE_URL.", True
    if status in (400, 405, 413, 415, 422):
        return "", True
    return "", False


def _too_long(found: Overflow, asked: _Asked) -> str:
    """The sentences that Claude Code knows, with the provider's numbers, or else ours."""
    limit = found.limit or asked.window
    output = found.output if found.output is not None else asked.max_tokens
    given = found.input
    if found.total is not None and output is not None and found.total > output:
        given = found.total - output
    if given is None or (found.limit and output and given + output == found.limit + 1):
        given = (
            max(given or 0, asked.estimate or 0) or None
        )  # vLLM counts no further than to the first that is too much
    than = f" than {asked.model}'s" if asked.model else ""
    helps = cure(asked.sent, given, limit, f"choose a model with a larger window{than}")
    if not limit or given is None:
        return f"prompt is too long for {asked.model or asked.provider}. {helps}"
    both = f"input length and `max_tokens` exceed context limit: {given} + {output or 0} > {limit}"
    if given >= limit or given + (output or 0) <= limit:
        return f"prompt is too long: {max(given, limit + 1)} tokens > {limit} maximum ({both}). {helps}"
    return f"{both}, decrease input length or `max_tokens` and try again"


# -- reading ---------------------------------------------------------------------------------------------------------


def read_error(body: bytes | Json) -> Said:
    """What an error body says: JSON of any provider's shape, HTML, or plain text."""
    value = body
    if isinstance(body, (bytes, str)):
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
        try:
            value = loads(text)
        except ValueError:
            return Said(_plain(text), "", None, False, None)
    if isinstance(value, list) and value:  # Gemini wraps its error in a list
        value = value[0]
    if not isinstance(value, dict):
        return Said(_plain(str(value)) if value else "", "", None, False, None)
    return _read(value)


def _read(value: Mapping[str, Json]) -> Said:
    error = value.get("error")
    inner: Mapping[str, Json] = error if isinstance(error, dict) else value
    if not isinstance(error, dict) and isinstance(value.get("base_resp"), dict):  # MiniMax
        inner = value["base_resp"]
    message = _message(inner) or (error if isinstance(error, str) else "") or _message(value)
    codes = [inner.get(key) for key in ("type", "code", "status", "status_code")]
    kind = " ".join(str(code) for code in codes if code is not None)
    anthropic = value.get("type") == "error" and isinstance(error, dict) and isinstance(error.get("message"), str)
    shown = message if anthropic else _plain(message)
    status = next((_MINIMAX[code] for code in codes[3:] if isinstance(code, int) and code in _MINIMAX), None)
    return Said(shown, kind, status or _status_in(codes), anthropic, value)


def _message(error: Mapping[str, Json]) -> str:
    raw = error.get("metadata")
    if isinstance(raw, dict) and isinstance(raw.get("raw"), str):  # OpenRouter: what the provider behind it said
        return f"{error.get('message')}: {read_error(raw['raw']).message}"
    for key in ("message", "detail", "msg", "status_msg", "error_msg", "error_message", "errors"):
        found = _sentence(error.get(key))
        if found:
            return found
    return ""


def _sentence(value: Json) -> str:
    """A string, or FastAPI's and Mistral's lists of complaints, each with its place."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(filter(None, (_sentence(each) for each in value)))
    if isinstance(value, dict):
        place = value.get("loc")
        where = ".".join(map(str, place)) + ": " if isinstance(place, list) else ""
        text = _sentence(value.get("msg") or value.get("message") or value.get("detail"))
        return where + text if text else ""
    return ""


def _status_in(codes: Iterable[Json]) -> int | None:
    for code in codes:
        if isinstance(code, str) and code.isdecimal():
            code = int(code[:9])
        if isinstance(code, int) and 400 <= code < 600:
            return int(code)
    words = " ".join(str(code).lower() for code in codes)
    return next((status for word, status in _WORDS.items() if word in words), None)


_MINIMAX = {
    1002: 429,
    1004: 401,
    1008: 402,
    1026: 400,
    1027: 400,
    1039: 429,
    1041: 429,
    2013: 400,
    2049: 401,
    2056: 429,
}
"""`base_resp.status_code` of MiniMax, which answers 200 whatever happened (platform.minimax.io, error codes)."""
_WORDS = {
    "authentication": 401,
    "invalid_api_key": 401,
    "permission": 403,
    "billing": 402,
    "not_found": 404,
    "rate_limit": 429,
    "insufficient_quota": 429,
    "too_many_requests": 429,
    "resource_exhausted": 429,
    "overloaded": 529,
    "api_error": 500,
    "request_too_large": 413,
    "conflict": 409,
    "unavailable": 503,
    "timeout": 504,
    "invalid_request": 400,
    "context_length": 400,
    "exceed_context": 400,
    "server_error": 500,
}


def _true_status(status: int, said: Said) -> int:
    """The response's own status; for an error inside a success, the one that the error names, else 502."""
    if status >= 300:
        return status
    return said.status or 502


def _plain(text: str) -> str:
    """A line fit to show: HTML by its title, a traceback by its last line, no more than some hundred characters."""
    start = text.lstrip()[:500].lower()
    if start.startswith("<") or "<title>" in start:
        title = re.search(r"(?is)<title[^>]*>(.*?)</title>", text)
        shown = title.group(1) if title else re.sub(r"(?s)<[^>]*>", " ", text[:2000])
        name = " ".join(html.unescape(shown).split())
        return f"a page of HTML ({name[:120]})" if name else "a page of HTML"
    if "Traceback (most recent call last)" in text:
        text = text.strip().rpartition("\n")[2]
    text = re.split(r"\n\s+at |\n\s+File \"", text, maxsplit=1)[0]
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without anything that looks like a key, and without the given secrets."""
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, "***")
    text = _SECRETS.sub("***", text)
    return _URL_SECRETS.sub(
        lambda match: (match.group(1) or match.group(2)) + "***" + ("@" if match.group(2) else ""), text
    )


def _retry_after(headers: Mapping[str, str], body: Json) -> str | None:
    """Seconds, from OpenAI's retry-after-ms or Gemini's RetryInfo, where the usual header is missing."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)", headers.get("retry-after-ms", ""))
    if found:
        return str(math.ceil(float(found.group(1)) / 1000))
    error = body.get("error") if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else []:
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        match = re.fullmatch(r"(\d+(?:\.\d+)?)s", delay) if isinstance(delay, str) else None
        if match:
            return str(math.ceil(float(match.group(1))))
    return None
