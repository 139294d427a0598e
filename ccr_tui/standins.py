"""Keys that are none: what people write where a server wants no key and a client insists on one.

Owns the list. Must never hold anything that could open a door: only words that documentation prints for everybody.
The one surprise: without it every record that mentions `lm-studio` would have asterisks there, since a configured key
is covered wherever it is spoken of.
"""

from __future__ import annotations

STAND_INS = frozenset(
    {
        "lm-studio", "lmstudio", "ollama", "llama.cpp", "llama-cpp", "llama-server", "llamacpp", "localai", "local-ai",
        "koboldcpp", "openai", "anthropic", "ccr-tui", "local", "localhost", "empty", "none", "null", "nothing",
        "undefined", "unused", "not-used", "not-needed", "not_needed", "notneeded", "not-required", "not_required",
        "no-key", "no_key", "nokey", "no-key-needed", "no-key-required", "no_key_required", "no-api-key", "no_api_key",
        "noapikey", "dummy", "dummy-key", "dummy_key", "dummykey", "dummy-api-key", "dummy_api_key", "dummy-token",
        "fake", "fake-key", "fake_key", "fake-api-key", "fake_api_key", "test", "testing", "test-key", "test_key",
        "test-api-key", "placeholder", "placeholder-key", "example", "anything", "whatever", "something", "api-key",
        "api_key", "apikey", "key", "token", "secret-key", "your-api-key", "your_api_key", "your-key-here",
        "your_api_key_here", "your-api-key-here", "sk-no-key-required", "sk-no-key-needed", "sk-no-key", "sk-none",
        "sk-not-needed", "sk-not-required", "sk-dummy", "sk-dummy-key", "sk-fake", "sk-fake-key", "sk-test",
        "sk-local", "sk-placeholder", "sk-anything", "sk-unused", "sk-ollama", "sk-lm-studio", "sk-your-key-here",
    }
)  # fmt: skip
"""In small letters."""


def is_stand_in(key: str) -> bool:
    """Whether it is written where a key must stand, and is none."""
    return key.strip().lower() in STAND_INS
