"""How providers say that a request is too long, as a table of wordings.

Owns the recognition and the numbers in them. Must never guess a number. The one surprise: the same limit is told in two
ways, as the input alone or as input and output together, and both in one sentence at times; the names of the groups say
which number is which.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from ccr_tui.records import Json


class Overflow(NamedTuple):
    """The numbers that a provider named, in tokens."""

    limit: int | None = None
    input: int | None = None
    output: int | None = None
    total: int | None = None
    """Input and output together."""


_N = r"[\d,_]+"

_WORDINGS = (
    # Anthropic
    r"prompt is too long: (?P<input>#) tokens > (?P<limit>#) maximum",
    r"input length and `?max_tokens`? exceed context limit: (?P<input>#) \+ (?P<output>#) > (?P<limit>#)",
    # vLLM since 0.10, and since 0.13; a limit for the output that is more than the window
    r"passed (?P<input>#) input tokens and requested (?P<output>#) output tokens.{0,40}"
    r"context length is only (?P<limit>#) tokens",
    r"context length is only (?P<limit>#) tokens",
    r"max_tokens=(?P<output>#) cannot be greater than max_model_len=(?:max_total_tokens=)?(?P<limit>#)",
    r"maximum context length is (?P<limit>#) tokens and your request has (?P<input>#) input tokens",
    # OpenAI, DeepSeek, vLLM: requested in all, and its parts
    r"maximum context length (?:is|of) (?P<limit>#) tokens.{0,40}requested (?:a total of |about )?(?P<total>#)"
    r" (?:tokens|output tokens)?[^\d]{0,4}(?P<input>#) (?:in the messages|tokens from the input|of text input)"
    r"[^\d]+(?:#[^\d]{0,20} of tool input, )?(?P<output>#)",
    r"maximum context length (?:is|of) (?P<limit>#) tokens.{0,60}requested (?P<output>#) output tokens"
    r".{0,60}?(?P<input>#) input tokens",
    r"maximum context length (?:is|of) (?P<limit>#) tokens.{0,60}(?:resulted in|contains?|request has) (?:at least )?"
    r"(?P<input>#)",
    r"maximum context length (?:is|of) (?P<limit>#) tokens.{0,60}requested (?:about )?(?P<total>#)",
    r"maximum context length (?:is|of) (?P<limit>#)",
    r"too large for model with (?P<limit>#) maximum context length",
    r"input length \((?P<input>#)\) exceeds (?:the )?model'?s maximum context length \((?P<limit>#)\)",
    # OpenAI's newer models
    r"input tokens exceed the configured limit of (?P<limit>#) tokens.{0,40}resulted in (?P<input>#)",
    r"(?P<limit>)exceeds the context window",
    # llama.cpp, LM Studio, SGLang, vLLM
    r"request \((?P<input>#) tokens\) exceeds the available context size \((?P<limit>#) tokens\)",
    r"exceeds? the available context size",
    r"context length of only (?P<limit>#) tokens",
    r"input \((?P<input>#) tokens\) is longer than the model's context length \((?P<limit>#) tokens\)",
    r"(?:decoder )?prompt \((?:total )?length (?P<input>#)\) is (?:too long|longer than).{0,60}?(?P<limit>#)",
    # Gemini, xAI, Moonshot, Qwen, SiliconFlow, Together and TGI, Cohere
    r"input token count \(?(?P<input>#)?\)? ?exceeds the maximum number of tokens allowed \(?(?P<limit>#)?",
    r"maximum prompt length is (?P<limit>#) but the request contains (?P<input>#)",
    r"exceeded model token limit: (?P<limit>#) \(requested: (?P<total>#)\)",
    r"range of input length should be \[\d+, (?P<limit>#)\]",
    r"max_total_tokens \((?P<total>#)\) must be less than or equal to max_seq_len \((?P<limit>#)\)",
    r"length of prompt_tokens \((?P<input>#)\) must be less than max_seq_len \((?P<limit>#)\)",
    r"must be <= (?P<limit>#)\. Given: (?P<input>#) `inputs` tokens and (?P<output>#)",
    r"tokens in the prompt cannot exceed (?P<limit>#) - received (?P<input>#)",
    r"prompt token count of (?P<input>#) exceeds the limit of (?P<limit>#)",  # GitHub Copilot
    # words alone: Groq, Bedrock, Zhipu, MiniMax, LiteLLM, codes
    r"context_length_exceeded|context_window_exceeded|contextwindowexceeded|exceed_context_size_error",
    r"reduce the length of the (?:messages|prompt)|input is too long|prompt exceeds max length|prompt ?超长",
    r"context window exceeds limit|input token length too long|model_context_window_exceeded",
    r"greater than the context length|context (?:length|size) (?:has been |is )?exceeded|prompt is too long",
    r"input length exceeds|too many input tokens|exceeds? (?:the )?(?:model'?s? )?context (?:window|length)",
    r"exceeds? (?:the )?model'?s? context|message token length exceed|exceed max message tokens",
    r"reduce the length of the input",
)
"""`#` stands for a number."""
_RATE = re.compile(r"(?i)tokens per (?:minute|day|hour)|rate.?limit|\b(?:TPM|RPM|TPD)\b")
"""Groq's 413 speaks of a request that is too large for the minute, which is another matter."""

_MISTRAL = re.compile(rf"prompt contains (?P<input>{_N}) tokens", re.IGNORECASE)

_OUTPUT_LIMITS = (
    r"max_(?:completion_|output_)?tokens.{0,90}expected a value <= #",  # OpenAI, Volcengine
    r"max tokens must be less than or equal to #",  # Cohere
    r"maximum tokens you requested exceeds the model limit of #",  # Bedrock
    r"max_(?:completion_|output_)?tokens.{0,40}\[\d+, ?#\]",  # Zhipu, and ranges elsewhere
    r"max_(?:completion_|output_)?tokens.{0,60}(?:should be |must be |is not )?less than or equal to `?#",  # pydantic
    r"max_(?:completion_|output_)?tokens.{0,40}exceeds? (?:the |model'?s? )*(?:limit|maximum)[^\d]{0,30}#",
    r"supports at most # completion tokens",  # OpenAI
    r"(?:valid )?range of max_(?:completion_)?tokens (?:is|should be) \[\d+, #\]",  # DeepSeek, Qwen
    r"`?max_(?:completion_)?tokens`? must be less than or equal to `?#",  # Groq
    r"max_tokens: \d+ > #, which is the maximum allowed",  # Anthropic
    r"max_(?:completion_|output_)?tokens.{0,40}(?:at most|maximum(?: value)?(?: is| of)?|cannot exceed|<=) `?#",
)


@cache
def _patterns(wordings: tuple[str, ...], number: str) -> list[re.Pattern[str]]:
    """Compiled when the first error has to be understood: 8 ms that not every start should take."""
    return [re.compile(wording.replace("#", number), re.IGNORECASE | re.DOTALL) for wording in wordings]


def overflow(words: str, body: Json = None) -> Overflow | None:
    """The numbers of a context overflow; None if `words` speak of something else."""
    if _RATE.search(words):
        return None
    for wording in _patterns(_WORDINGS, _N):
        match = wording.search(words)
        if match:
            return _complete(_numbers(match), words, body)
    return None


def _numbers(match: re.Match[str]) -> Overflow:
    return Overflow(**{name: _number(text) for name, text in match.groupdict().items()})


def _complete(found: Overflow, words: str, body: Json) -> Overflow:
    """llama.cpp and Mistral tell the rest elsewhere."""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict) and isinstance(error.get("n_ctx"), int):
        given = error.get("n_prompt_tokens")
        return found._replace(limit=error["n_ctx"], input=given if isinstance(given, int) else found.input)
    prompt = _MISTRAL.search(words)
    return found._replace(input=_number(prompt.group("input"))) if prompt else found


def output_limit(words: str) -> int | None:
    """The most output tokens that the model takes, where an error about max_tokens names it."""
    for wording in _patterns(_OUTPUT_LIMITS, f"(?P<limit>{_N})"):
        match = wording.search(words)
        if match:
            return _number(match.group("limit"))
    return None


def _number(text: str | None) -> int | None:
    digits = (text or "").replace(",", "").replace("_", "")
    return int(digits) if digits.isdecimal() and len(digits) < 12 else None
