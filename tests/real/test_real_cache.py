"""What the cache verdict says, against what a real llama.cpp server reports of its own cache."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import anthropic
import pytest
from places import Place

from ccr_tui.inspection import Inspection
from ccr_tui.tokens import Counter
from ccr_tui.verdict import Verdict

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]

SYSTEM = "You are a careful engineer. " + " ".join(f"Rule {n}: name every file that you change." for n in range(40))
TEXT = " ".join(f"The parser read record {n} and kept it." for n in range(30))
ANSWER = 8


class Talk:
    """A conversation with the real model, whose every request gets a verdict."""

    def __init__(self, house: Place, sdk: anthropic.AsyncAnthropic, counter: Counter) -> None:
        self.house, self.sdk, self.counter = house, sdk, counter
        self.session = str(uuid.uuid4())
        self.messages: list[dict[str, Any]] = []

    async def ask(self, text: str, model: str = "think", system: str = SYSTEM, **more: Any) -> Verdict:
        self.messages.append({"role": "user", "content": text})
        raw = await self.sdk.messages.with_raw_response.create(
            model=f"claude-ccr-{model}",
            max_tokens=ANSWER,
            system=system,
            messages=self.messages,
            metadata={"user_id": json.dumps({"session_id": self.session})},
            extra_body={"temperature": 0},
            **more,
        )
        message = await raw.parse()
        said = [block.model_dump(exclude_none=True) for block in message.content]
        self.messages.append({"role": "assistant", "content": said or "(nothing)"})
        trace = await self.house.trace(raw.headers["x-ccr-trace"])
        found = Inspection(trace, self.house.house.reader, self.counter, self.house.house.engine.config.providers)
        return await asyncio.to_thread(lambda: found.verdict)


@pytest.fixture
def talk(llamas: Place, sdk: anthropic.AsyncAnthropic, counter: Counter) -> Talk:
    return Talk(llamas, sdk, counter)


def agrees(verdict: Verdict) -> bool:
    """Whether the server read about what both prompts have in common; it holds its own answer too, and counts with
    another tokenizer than ours."""
    assert verdict.could is not None and verdict.cached is not None and verdict.prompt is not None
    slack = 3 * ANSWER + 0.1 * verdict.prompt
    return abs(verdict.cached - verdict.could) <= slack


async def test_a_prompt_that_only_grows_is_read_from_the_cache(talk: Talk) -> None:
    first = await talk.ask(f"{TEXT} How many?")
    assert first.cause == "first"
    for more in ("And then?", "And after that?"):
        verdict = await talk.ask(more)
        assert (verdict.cause, verdict.served) == ("grew", "all"), verdict
        assert agrees(verdict), verdict
        assert verdict.missed == 0


async def test_a_changed_system_prompt_is_blamed_where_it_changed(talk: Talk) -> None:
    await talk.ask(f"{TEXT} How many?")
    half = SYSTEM.replace("Rule 20: name", "Rule 20: tell")
    verdict = await talk.ask("And then?", system=half)
    assert verdict.cause == "system"
    assert agrees(verdict), verdict
    assert verdict.prefix is not None and verdict.prefix.difference is not None
    assert verdict.prefix.difference.became.startswith("tell every file")
    assert 0.2 < (verdict.cached or 0) / (verdict.prompt or 1) < 0.5


async def test_an_edited_message_is_blamed_where_it_was_edited(talk: Talk) -> None:
    await talk.ask(f"{TEXT} How many?")
    talk.messages[0] = {
        "role": "user",
        "content": TEXT.replace("record 15 and kept", "record 15 and lost") + " How many?",
    }
    verdict = await talk.ask("And then?")
    assert verdict.cause == "edited"
    assert agrees(verdict), verdict


async def test_another_model_has_nothing_in_its_cache(talk: Talk) -> None:
    await talk.ask("How many?")
    verdict = await talk.ask("And then?", model="tools")
    assert verdict.cause == "provider"
    assert verdict.served in ("nothing", "part")
