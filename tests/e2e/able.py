"""A scripted model that can do some things and not others: the other end of a test of abilities.

Owns what it answers to each of the test's questions. The one surprise: it knows a question by its words, as a model
would, and refuses what it can't do in the words of real providers.
"""

from __future__ import annotations

import json
from typing import Any

from scenarios import Plain, Stream, answer, call, say, usage, whole
from scripted_openai import Request, ScriptedOpenAI, text_of

ALL = frozenset({"streaming", "tools", "results", "parallel", "reasoning", "schema", "cache", "usage", "system"})


class Able(ScriptedOpenAI):
    """Lists and serves `model`, and can do what `can` says."""

    def __init__(self, key: str | None = None, model: str = "scripted-model", can: frozenset[str] = ALL) -> None:
        super().__init__(key)
        self.model, self.can = model, can
        self.plain: Plain | None = None
        """Answers everything, if it is set."""

    def _choose(self, request: Request) -> Stream | Plain:
        body = request.body
        request.label = "test"
        if self.plain:
            return self.plain
        if body["model"] != self.model:
            return Plain(
                404, {"error": {"message": f"The model `{body['model']}` does not exist", "code": "model_not_found"}}
            )
        made = self._reply(body, text_of(body["messages"][-1]), json.dumps(body["messages"]))
        return (
            made if isinstance(made, Plain) or "streaming" in self.can else Plain(200, whole(made.events, self.model))
        )

    def _reply(self, body: dict[str, Any], asked: str, said: str) -> Stream | Plain:
        tokens = self._usage(said)
        thoughts = (
            say("Let me see.", name="reasoning_content")
            if "reasoning_effort" in body and "reasoning" in self.can
            else []
        )
        if body["messages"][-1]["role"] == "tool":
            if "results" not in self.can:
                return refusal("messages with role 'tool' are not supported by this model")
            return answer(thoughts, say("It is 18 degrees."), tokens=tokens)
        if "tools" in body and ("tool" in asked):
            return self._calls(body, asked, thoughts, tokens)
        if "capital" in asked:
            fits = '{"city": "Paris", "country": "France"}' if "schema" in self.can else "Paris, of course."
            return answer(say(fits), tokens=tokens)
        if "password" in asked:
            return answer(say("heron" if "system" in self.can and "heron" in said else "I do not know."), tokens=tokens)
        return answer(thoughts, say("one, two, three, four, five, six"), tokens=tokens)

    def _calls(self, body: dict[str, Any], asked: str, thoughts: list[Any], tokens: Any) -> Stream | Plain:
        if "tools" not in self.can:
            return answer(say('<tool_call>{"name": "get_weather"}</tool_call>'), tokens=tokens)
        both = "both" in asked and "parallel" in self.can
        second = call("get_weather", {"city": "Rome"}, id="call_2", index=1) if both else []
        return answer(thoughts, call("get_weather", {"city": "Paris"}), second, tokens=tokens)

    def _usage(self, said: str) -> Any:
        if "usage" not in self.can:
            return None
        cached = 2048 if "cache" in self.can and "heron at pond" in said else 0
        return usage(3000, 20, prompt_tokens_details={"cached_tokens": cached})


def refusal(message: str) -> Plain:
    """A 400 in OpenAI's shape."""
    return Plain(400, {"error": {"message": message, "type": "invalid_request_error"}})
