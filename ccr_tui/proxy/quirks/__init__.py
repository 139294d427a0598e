"""What is odd about a family of models, as facts with defaults.

Owns `Facts` and how they are found for a model. A family is a module beside this one with `FACTS`, `HOSTS` (host name
suffixes) and `MODELS` (patterns of model ids), 15 to 40 lines each. Must never hold code that acts: the translator
reads the facts, and there is no `if provider ==` anywhere. The one surprise: a model's own `quirks` table in config.toml
overrides any of these by name, so that a user is never stuck with a fact that has changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Facts:
    """What a model takes and gives. The defaults are OpenAI's documented chat completions."""

    family: str = "generic"
    context: int | None = None
    """Window in tokens, input and output together; None where it is not known."""
    max_output: int | None = None
    max_tokens_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    mid_system: Literal["system", "user"] = "user"
    """How a system message in the middle of the conversation is sent; "user" wraps it in <system-reminder>."""
    alternate: bool = False
    """Whether user and assistant must strictly take turns (neighbours are then merged)."""
    images: bool = True
    documents: Literal["file", "text"] = "text"
    """PDFs as a `file` part, or replaced by a sentence (text documents are always inlined)."""
    sampling: bool = True
    """Whether temperature and top_p are taken."""
    top_k: bool = False
    max_stops: int | None = None
    tool_description_limit: int | None = None
    """Characters; None: no limit known."""
    tool_name_limit: int = 64
    schema_drop: frozenset[str] = frozenset()
    """JSON Schema keywords that the family refuses."""
    tool_choice_named: Literal["object", "required"] = "object"
    """How one named tool is forced: OpenAI's object, or "required" with only that tool sent."""
    forced_tool_with_thinking: bool = True
    """False: forcing a tool while thinking answers 400, so thinking is turned off for that request."""
    parallel_tool_calls: bool | None = None
    """Sent when the client does not forbid parallel calls; None: nothing is sent."""
    json_schema: bool = True
    """False: only json_object, so the schema goes into the prompt."""
    thinking: Literal["none", "reasoning_effort", "thinking_type", "enable_thinking", "reasoning_object",
                      "chat_template_kwargs"] = "none"
    """The knob for reasoning."""
    efforts: tuple[str, ...] = ("low", "medium", "high")
    """Values that the effort knob takes, least first."""
    reasoning_back: Literal["reasoning_content", "reasoning"] | None = None
    """The field in which the model's earlier reasoning is sent back; None: it is dropped."""
    reasoning_required: bool = False
    """True: an assistant message with tool calls must carry that field, even empty, while thinking."""
    think_tags: bool = False
    """Whether inline <think>...</think> at the start of the text is reasoning (any leading one is, when True)."""
    include_usage: bool = True
    """Whether stream_options.include_usage is taken."""
    prompt_cache_key: bool = False
    token_ratio: float = 1.0
    """True tokens per o200k token, the seed of the calibration (facts measured in tokens.py)."""
