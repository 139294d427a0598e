"""Chat completions as upstreams really send them: usage, cost, whole answers as chunks, the parts of a delta.

Owns the reading of single fields, leniently: numbers may be strings, lists may be null. Must never raise on what an
upstream sends. The one surprise: `prompt_tokens` includes what was read from a cache, while Anthropic's input_tokens
does not, so cached tokens are taken out here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation

from ccr_tui.proxy.complaints import error_of, redact
from ccr_tui.records import Json, Usage
from ccr_tui.wire import dumps

__all__ = ["as_chunks", "as_stream", "error_of", "redact", "reported_cost", "usage_of"]

_NANO = 1_000_000_000
_MOST_TOKENS = 10**9


def as_chunks(completion: Json) -> list[Json]:
    """A whole completion as the chunks that it would have been streamed in; what is no completion comes back alone."""
    choices = completion.get("choices") if isinstance(completion, dict) else None
    if not isinstance(choices, list) or not choices:
        return [completion]
    head = {key: value for key, value in completion.items() if key not in ("choices", "usage")}
    whole = [_as_delta(choice) for choice in choices if isinstance(choice, dict)]
    chunks: list[Json] = [{**head, "choices": whole}]
    if completion.get("usage"):
        chunks.append({**head, "choices": [], "usage": completion["usage"]})
    return chunks


def as_stream(completion: Json) -> bytes:
    """A whole completion as the bytes of its stream. Raises ValueError for what is neither a completion nor an error,
    which passes as the one chunk that it is."""
    if not isinstance(completion, (dict, list)) or not completion:
        raise ValueError("no chat completion")
    if isinstance(completion, dict) and isinstance(completion.get("choices"), list) and not completion["choices"]:
        raise ValueError("a chat completion without a choice")
    chunks = b"".join(b"data: %b\n\n" % dumps(chunk) for chunk in as_chunks(completion))
    return chunks + b"data: [DONE]\n\n"


def _as_delta(choice: Mapping[str, Json]) -> Json:
    delta = choice.get("message") or choice.get("delta")
    if not isinstance(delta, dict):
        delta = {"content": choice.get("text")}
    calls = delta.get("tool_calls")
    if isinstance(calls, list):
        calls = [{**call, "index": n} if isinstance(call, dict) else call for n, call in enumerate(calls)]
        delta = {**delta, "tool_calls": calls}
    rest = {key: value for key, value in choice.items() if key not in ("message", "text")}
    return {**rest, "delta": delta, "finish_reason": choice.get("finish_reason") or "stop"}


_PLAIN = {"prompt_tokens", "completion_tokens", "total_tokens"}
"""All that many local servers report."""


def usage_of(chunk: Json) -> Usage | None:
    """What a chunk or completion reports, cached tokens taken out of input; None where it reports nothing."""
    usage = usage_json_of(chunk)
    if usage is None:
        return None
    if usage.keys() <= _PLAIN and type(usage.get("prompt_tokens")) is type(usage.get("completion_tokens")) is int:
        return Usage(count_of(usage["prompt_tokens"]) or 0, count_of(usage["completion_tokens"]) or 0)
    prompt = _first(usage, "prompt_tokens", "input_tokens")
    output = _first(usage, "completion_tokens", "output_tokens")
    if prompt is None and output is None:
        return None
    details = _dict(usage, "prompt_tokens_details") or _dict(usage, "input_tokens_details")
    prompt = _with_cached(usage, details, prompt or 0)
    read = min(prompt, _cache_read(usage, details))
    written = min(prompt - read, _cache_write(usage, details))
    reasoning = _reasoning(usage)
    output = _with_hidden(usage, prompt, output or 0, reasoning)
    return Usage(prompt - read - written, output, read, written, min(reasoning, output))


def usage_json_of(chunk: Json) -> Mapping[str, Json] | None:
    """The usage object as it came; Groq puts it into `x_groq` while it streams, Moonshot into the choice."""
    if not isinstance(chunk, dict):
        return None
    choices = chunk.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    for holder in (chunk, chunk.get("x_groq"), choice):
        usage = holder.get("usage") if isinstance(holder, dict) else None
        if isinstance(usage, dict) and usage:
            return usage
    return None


def _with_cached(usage: Mapping[str, Json], details: Mapping[str, Json], prompt: int) -> int:
    """All that was sent. Gateways to Claude copy Anthropic's names of what was cached; some of them its count too,
    which leaves that out (one-api), others not (LiteLLM)."""
    if "cache_read_input_tokens" not in usage and "cache_creation_input_tokens" not in usage:
        return prompt
    cached = _cache_read(usage, details) + _cache_write(usage, details)
    return prompt + cached if "prompt_tokens" not in usage or cached > prompt else prompt


def _cache_read(usage: Mapping[str, Json], details: Mapping[str, Json]) -> int:
    """OpenAI's, then DeepSeek's, Moonshot's and Anthropic's name of it."""
    names = ("prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens")
    return max(_first(details, "cached_tokens") or 0, *(_first(usage, name) or 0 for name in names))


def _cache_write(usage: Mapping[str, Json], details: Mapping[str, Json]) -> int:
    """OpenRouter's name of it, then DashScope's, LiteLLM's and Anthropic's."""
    found = _first(details, "cache_write_tokens", "cache_creation_input_tokens", "cache_creation_tokens")
    return found or _first(usage, "cache_creation_input_tokens") or 0


def _reasoning(usage: Mapping[str, Json]) -> int:
    details = _dict(usage, "completion_tokens_details") or _dict(usage, "output_tokens_details")
    return _first(details, "reasoning_tokens") or _first(usage, "reasoning_tokens") or 0


def _with_hidden(usage: Mapping[str, Json], prompt: int, output: int, reasoning: int) -> int:
    """xAI leaves reasoning out of completion_tokens, and only the total tells; it is billed as output all the same."""
    total = _first(usage, "total_tokens")
    return output + reasoning if reasoning and total == prompt + output + reasoning else output


def reported_cost(usage: Json) -> int | None:
    """What the upstream says that the call cost, in nano-USD: OpenRouter's `cost` (plus what a provider billed on the
    user's own key), or xAI's ticks of 1e-10 USD. None where it says nothing."""
    if not isinstance(usage, dict):
        return None
    ticks = _money(usage.get("cost_in_usd_ticks"))
    if ticks is not None:
        return int((ticks / 10).to_integral_value())
    cost = _money(usage.get("cost"))
    if cost is None:
        return None
    if usage.get("is_byok") is True:
        cost += _money(_dict(usage, "cost_details").get("upstream_inference_cost")) or 0
    return int((cost * _NANO).to_integral_value())


def _money(value: Json) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount < _MOST_TOKENS * 1000 else None


def _dict(holder: Mapping[str, Json], key: str) -> Mapping[str, Json]:
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def _first(holder: Mapping[str, Json], *keys: str) -> int | None:
    """The first of the keys that holds a number; strings of digits are numbers too, negative ones are 0."""
    for key in keys:
        number = count_of(holder.get(key))
        if number is not None:
            return number
    return None


def count_of(value: Json) -> int | None:
    """A number of tokens, however it is written; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return max(0, min(int(number), _MOST_TOKENS)) if abs(number) < float("inf") else None


def parts(content: Json) -> Iterator[tuple[str, str]]:
    """("text" | "thinking" | "refusal" | the name of what can't be said, text) of a content, whatever its shape."""
    if isinstance(content, str):
        yield "text", content
    elif isinstance(content, list):
        for part in content:
            yield from parts(part)
    elif isinstance(content, dict):
        yield from _part(content)
    elif isinstance(content, (int, float)) and not isinstance(content, bool):
        yield "text", str(content)


def _part(part: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    kind = part.get("type")
    if kind in ("thinking", "reasoning"):  # Mistral: {"type": "thinking", "thinking": [{"type": "text", ...}]}
        inner = part.get("thinking") or part.get("text") or part.get("content")
        yield "thinking", "".join(text for _, text in parts(inner))
    elif kind == "refusal":
        yield "refusal", "".join(text for _, text in parts(part.get("refusal")))
    elif isinstance(part.get("text"), (str, list, dict)):
        yield from parts(part["text"])
    elif isinstance(part.get("content"), (str, list, dict)):
        yield from parts(part["content"])
    else:
        yield str(kind), ""


class Grown:
    """A text whose pieces may each repeat all that came before: MiniMax's reference has them so, its server does not
    always. The second piece tells."""

    def __init__(self) -> None:
        self._said = ""
        self._grows: bool | None = None

    def fresh(self, piece: str) -> str:
        """What of a piece is new."""
        if self._grows is False or not piece:
            return piece
        if self._said and self._grows is None:
            self._grows = len(piece) > len(self._said) and piece.startswith(self._said)
        if self._grows and piece.startswith(self._said):
            piece = piece[len(self._said) :]
        self._said += piece
        return piece


def reasoning_of(delta: Mapping[str, Json]) -> str:
    """The reasoning in a delta. Some servers say the same under two names, so the first that says something counts."""
    for key in ("reasoning_content", "reasoning", "thinking", "reasoning_text"):  # Copilot's, litellm #35021
        value = delta.get(key)
        if value:
            text = value if isinstance(value, str) else "".join(text for _, text in parts(value))
            if text:
                return text
    details = delta.get("reasoning_details")
    if not isinstance(details, list):
        return ""
    return "".join(_detail(each) for each in details if isinstance(each, dict))


def _detail(detail: Mapping[str, Json]) -> str:
    """OpenRouter's reasoning.text and reasoning.summary; reasoning.encrypted says nothing that can be read."""
    value = detail.get("text") or detail.get("summary")
    return value if isinstance(value, str) else ""


def is_sealed(details: Json) -> bool:
    """Whether there is reasoning among OpenRouter's details that only its provider can read."""
    each = details if isinstance(details, list) else []
    return any(isinstance(detail, dict) and str(detail.get("type")).endswith("encrypted") for detail in each)
