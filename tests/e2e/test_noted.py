"""Who has all of an answer can't be forgotten: that it ended is noted before the end of it goes out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ccr_tui import host, player
from ccr_tui.config import Config
from ccr_tui.proxy import exchange
from ccr_tui.proxy.collector import Collector
from ccr_tui.proxy.delivery import ClientGone
from ccr_tui.store.begun import _traces
from ccr_tui.tokens import Counter
from ccr_tui.wire import dumps

pytestmark = pytest.mark.asyncio(loop_scope="session")
BODY = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}


class Looking(Collector):
    """Reads the notes when it gets the end of its answer, and leaves then, if it is told to."""

    def __init__(self, folder: Path, leaves: bool = False) -> None:
        super().__init__()
        self.folder, self.leaves, self.noted = folder, leaves, list[tuple[str, int, bool]]()

    async def end(self, data: bytes) -> None:
        (notes,) = self.folder.glob("ccr.db.running-*")
        self.noted = [
            (one.outcome, one.status, all(attempt.usage for attempt in one.attempts))
            for one in _traces(notes.read_bytes())
        ]
        if self.leaves:
            raise ClientGone
        await super().end(data)


async def test_an_answer_is_noted_with_its_tokens_before_its_end_goes_out(counter: Counter, tmp_path: Path) -> None:
    client = Looking(tmp_path)
    async with host.open(player.config(replace(Config(), port=0), tmp_path / "ccr.db"), counter) as house:
        trace = await exchange.run(dumps({**BODY, "stream": True}), client, house.engine.context)
    assert client.noted == [("ok", 200, True)]
    assert client.message()["stop_reason"] == "end_turn"
    assert (trace.outcome, trace.status) == ("ok", 200)


async def test_a_client_that_leaves_before_the_end_has_cancelled(counter: Counter, tmp_path: Path) -> None:
    landed = []
    async with host.open(player.config(replace(Config(), port=0), tmp_path / "ccr.db"), counter) as house:
        house.feed.subscribe(landed.append)
        with pytest.raises(ClientGone):
            await exchange.run(dumps({**BODY, "stream": True}), Looking(tmp_path, leaves=True), house.engine.context)
        await house.flush()
        rows = house.reader.rows()
    assert [trace.outcome for trace in landed] == ["cancelled"]
    assert [row.outcome for row in rows] == ["cancelled"]
