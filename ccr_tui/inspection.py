"""One recorded request, looked into: its tokens, its cache, and what came before it.

Owns what is read from the store for that, each thing once and only when it is asked for. Must never be asked on the
event loop: everything here reads the database or counts. The one surprise: which cache a request met is told by its
provider's name, address and family as they are configured now, since a trace keeps only names.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from urllib.parse import urlsplit

from ccr_tui import caching, verdict, xray
from ccr_tui.caching import Rules
from ccr_tui.config import Provider
from ccr_tui.records import Trace
from ccr_tui.store.conversing import Turn
from ccr_tui.store.filters import Filter
from ccr_tui.store.queries import Reader
from ccr_tui.store.rows import TraceRow
from ccr_tui.tally import Scale
from ccr_tui.verdict import Call, Verdict
from ccr_tui.xray import XRay

LATELY = 12
"""Requests of a conversation that are told."""


class Inspection:
    """What can be told of one trace beyond itself. For threads; every property may raise StoreError."""

    def __init__(self, trace: Trace, reader: Reader, scale: Scale, providers: Mapping[str, Provider]) -> None:
        self.trace, self.reader, self.scale, self.providers = trace, reader, scale, providers

    @cached_property
    def turn(self) -> Turn:
        """The rows of what came before."""
        return self.reader.turn(self.trace.uid)

    @cached_property
    def before(self) -> Trace | None:
        """The request before it in its conversation."""
        return None if self.turn.before is None else self.reader.trace(self.turn.before.id)

    @cached_property
    def warm(self) -> Trace | None:
        """The last one before it that the same model of the same provider answered."""
        row = self.turn.warm
        if row is None or (self.turn.before is not None and self.turn.before.id == row.id):
            return None if row is None else self.before
        return self.reader.trace(row.id)

    @cached_property
    def lately(self) -> tuple[TraceRow, ...]:
        """This request and those of its kind before it in its conversation, the newest first."""
        if self.trace.session is None:
            return ()
        own = self.reader.row(self.trace.uid)
        rows = self.reader.rows(Filter(session=self.trace.session), own.n + 1, 4 * LATELY)
        return tuple(row for row in rows if (row.agent_id, row.kind) == (own.agent_id, own.kind))[:LATELY]

    @cached_property
    def xray(self) -> XRay:
        """Where its tokens are."""
        return xray.of_trace(self.trace, self.before, self.scale)

    @cached_property
    def verdict(self) -> Verdict:
        """What came of the prompt cache."""
        now, before, warm = (None if t is None else verdict.call_of(t) for t in (self.trace, self.before, self.warm))
        rules = caching.NONE if now is None else rules_of(now, self.providers)
        return verdict.judge(now, before, warm, self.scale, rules)


def rules_of(call: Call, providers: Mapping[str, Provider]) -> Rules:
    """The rules of the cache that a call met, as far as they are known."""
    provider = providers.get(call.provider)
    if provider is None:
        return caching.rules_met(call.provider, call.model, call.family, call.sent)
    if provider.family:
        return caching.rules_for(provider.family, call.model, provider.kind)
    address = urlsplit(provider.base_url).netloc
    return caching.rules_met(call.provider, call.model, call.family, call.sent, address, provider.kind)
