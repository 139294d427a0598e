"""Why a request was or was not served from its provider's prompt cache, and what that cost.

Owns the verdict: one cause of a short list, in a sentence, with what could have been read, what the provider says was
read, and the price of the rest. Pure. Must never blame the prompt for what the provider did: where the prompt only grew
and less was read, the cause is time, the cache's own rules or the provider. The one surprise: what could have been read
is a lower bound, since some caches hold the model's own answer too, which comes back in the next prompt.
"""

from __future__ import annotations

from collections import Counter as Bag
from collections.abc import Callable, Sequence
from typing import Any, Literal

from ccr_tui import anatomy, economy, prefix, prices
from ccr_tui.anatomy import Block
from ccr_tui.caching import Rules, proven
from ccr_tui.prefix import Difference, Prefix
from ccr_tui.records import Json, Price, Trace, Usage
from ccr_tui.slim import dataclass
from ccr_tui.tally import Scale

Cause = Literal[
    "nothing_sent",
    "first",
    "provider",
    "model",
    "grew",
    "same",
    "tools",
    "tools_reordered",
    "system",
    "compacted",
    "shortened",
    "edited",
    "settings",
    "expired",
    "too_short",
    "no_cache",
    "lost",
    "unreported",
]
"""What the verdict says, for scripts."""
Served = Literal["all", "part", "nothing", "unknown"]

NEARLY = 0.9
SLACK = 1024
"""Read is what could be read, if it is this share of it, or so many tokens less (at most a third): caches work in
blocks."""
SUMMARY = ("This session is being continued from a previous conversation", "<summary>")
"""How Claude Code begins the conversation that goes on after a compaction."""
ELSEWHERE = "More was read than both prompts share: another request, with the same system prompt perhaps, put it there."
TEMPLATE = (
    "More was read than both prompts share when tools come first: this model's template may put them further back, or "
    "another request, with the same system prompt perhaps, put it there."
)
HELD = ("tool_choice", "thinking", "output_config", "reasoning_effort", "enable_thinking", "response_format")
"""Settings that change what a provider puts into the prompt, or which cache it looks into."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request as its provider saw it."""

    uid: str
    sent: Json
    provider: str
    model: str
    usage: Usage | None
    price: Price | None
    started_at: float
    kind: str
    received: Json = None
    """The client's body; None where only what was sent is known."""
    family: str = ""
    """The family whose facts were heeded, where that is known."""

    @property
    def prompt(self) -> int | None:
        """Tokens of the prompt, where they were reported."""
        return self.usage.prompt if self.usage is not None and self.usage.basis == "reported" else None


def call_of(trace: Trace) -> Call | None:
    """The call that was to answer; None where nobody was asked."""
    answer = trace.answer
    if answer is None:
        return None
    return Call(
        trace.uid, answer.sent, answer.provider, answer.model, answer.usage, answer.price, answer.started_at,
        trace.kind, trace.body, answer.family,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of the cache, and why. Tokens are as the provider reports them, where it does."""

    cause: Cause
    sentence: str
    served: Served
    against: str | None = None
    """Id of the request that it was compared with."""
    prompt: int | None = None
    """The whole prompt."""
    could: int | None = None
    """The beginning that it shares with the request it was compared with, if a cache had kept that."""
    cached: int | None = None
    """What the provider says it read from its cache; None where it reports nothing."""
    unchanged: int | None = None
    """What could have been read, had the prompt only grown."""
    missed: int | None = None
    """`unchanged` less `cached`: what was read anew although it was sent before."""
    lost: int | None = None
    """What that cost, in nano-USD; None where a price or a report is missing."""
    idle_s: float | None = None
    """Since the request that it was compared with began."""
    is_counted: bool = False
    """Whether `prompt` and what follows from it are counted, and not scaled to a report."""
    prefix: Prefix | None = None
    rules: Rules | None = None
    further: tuple[str, ...] = ()
    """More that is worth knowing, a sentence each."""

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "cause": self.cause,
            "sentence": self.sentence,
            "served": self.served,
            "against": self.against,
            "prompt_tokens": self.prompt,
            "prompt_basis": "counted" if self.is_counted else "reported",
            "common_prefix_tokens": self.could,
            "cached_tokens": self.cached,
            "had_it_only_grown_tokens": self.unchanged,
            "missed_tokens": self.missed,
            "missed_cost_usd": prices.usd(self.lost),
            "idle_s": None if self.idle_s is None else round(self.idle_s, 1),
            "common_prefix_bytes": None if self.prefix is None else self.prefix.bytes,
            "first_difference": _difference_json(self.prefix.difference if self.prefix else None),
            "rules": None if self.rules is None else {"family": self.rules.family, "source": self.rules.source},
            "further": list(self.further),
        }


def _difference_json(difference: Difference | None) -> dict[str, Any] | None:
    if difference is None:
        return None
    return {
        "byte": difference.byte,
        "block_before": None if difference.before is None else list(difference.before.where),
        "block_now": None if difference.now is None else list(difference.now.where),
        "character": difference.character,
        "common": difference.common,
        "was": difference.was,
        "became": difference.became,
    }


def judge(now: Call | None, before: Call | None, warm: Call | None, scale: Scale, rules: Rules) -> Verdict:
    """The verdict. `before` is the request before in the same conversation; `warm` the last one of it that went to the
    same model at the same provider, which may be `before` itself. `rules` are those of the cache that `now` met."""
    if now is None:
        return Verdict("nothing_sent", "No model was called, so no cache was asked.", "unknown")
    if before is None:
        return _first(now, scale, rules)
    return _Case(now, before, warm, scale, rules).verdict()


def _first(now: Call, scale: Scale, rules: Rules) -> Verdict:
    raw = prefix.compare(None, now.sent, scale).raw_now
    cached = _cached(now)
    rules = proven(rules, cached)
    words = "The first request of this conversation: nothing was sent before that could have been kept."
    if cached:
        words = "The first request of this conversation; what was read must have been kept from another one."
    return Verdict(
        "first",
        words,
        "unknown" if cached is None else "all" if cached else "nothing",
        prompt=raw if now.prompt is None else now.prompt,
        could=0,
        cached=cached,
        is_counted=now.prompt is None,
        rules=rules,
    )


def _cached(call: Call) -> int | None:
    usage = call.usage
    return usage.cache_read if usage is not None and usage.basis in ("reported", "mixed") else None


def _served(cached: int | None, could: int) -> Served:
    if cached is None:
        return "unknown"
    if not cached:
        return "nothing"
    return "all" if cached >= could * NEARLY or could - cached <= min(SLACK, could // 3) else "part"


class _Case:
    """What is known of one request and the one it is compared with."""

    def __init__(self, now: Call, before: Call, warm: Call | None, scale: Scale, rules: Rules) -> None:
        self.now, self.before = now, before
        self.base = warm or before
        self.is_warm = warm is not None
        self.prefix = found = prefix.compare(self.base.sent, now.sent, scale)
        self.prompt = found.raw_now if now.prompt is None else now.prompt
        ratio = self.prompt / found.raw_now if found.raw_now else 0.0
        self.could = min(self.prompt, round(found.raw * ratio))
        self.unchanged = min(self.prompt, round(found.raw_before * ratio))
        self.cached = _cached(now)
        self.rules = proven(rules, self.cached or _cached(self.base))
        self.idle_s = now.started_at - self.base.started_at

    def verdict(self) -> Verdict:
        """The first cause that holds."""
        cause, sentence = self._cause()
        served = _served(self.cached, self.unchanged)
        missed = None if self.cached is None else max(0, self.rules.holds(self.unchanged) - self.cached)
        if cause in ("grew", "same") and served == "all":
            missed = None if self.cached is None else 0
        elif missed and served == "all":  # slack is for what a cache rounds off, and here the prompt has changed
            served = "part"
        return Verdict(
            cause, sentence, served, self.base.uid, self.prompt, self.could, self.cached, self.unchanged, missed,
            self._lost(missed), self.idle_s, self.now.prompt is None, self.prefix, self.rules, tuple(self._further()),
        )  # fmt: skip

    def _lost(self, missed: int | None) -> int | None:
        usage, price = self.now.usage, self.now.price
        return None if missed is None or usage is None or price is None else economy.lost(usage, price, missed)

    def _cause(self) -> tuple[Cause, str]:
        if not self.is_warm:
            return self._switched()
        broken = self._broken()
        return broken if broken is not None else self._unbroken()

    @property
    def is_elsewhere(self) -> bool:
        """Whether more was read than the request before can have left: some keep its answer too, or count otherwise."""
        if self.cached is None:
            return False
        if not self.is_warm:
            return self.cached > 0
        return self.cached > self.could + (SLACK if self.prefix.whole else min(SLACK, self.could // 3))

    # -- another cache

    def _switched(self) -> tuple[Cause, str]:
        old, new = self.before, self.now
        if old.provider != new.provider:
            words = f"The request before went to {old.model} at {old.provider}, this one to {new.model} at "
            return "provider", f"{words}{new.provider}: no cache is shared between providers."
        words = f"The request before went to {old.model}, this one to {new.model}"
        return "model", f"{words}: each model has a cache of its own."

    # -- the prompt has changed

    def _broken(self) -> tuple[Cause, str] | None:
        """Why the prompt is not the earlier one with something behind it."""
        found = self.prefix
        if found.whole:
            return None
        difference = found.difference
        assert difference is not None
        return next((told for tell in _TELLERS if (told := tell(self, difference)) is not None), None)

    # -- the prompt has only grown

    def _unbroken(self) -> tuple[Cause, str]:
        if self.cached is None:
            return "unreported", "The prompt only grew at its end; what was read from the cache was not reported."
        if _served(self.cached, self.could) == "all":
            return ("same", "The very prompt of before.") if self._is_same else ("grew", self._grew())
        return self._missed(self.cached)

    @property
    def _is_same(self) -> bool:
        return self.prefix.difference is None

    def _grew(self) -> str:
        return "The prompt only grew at its end, and what was sent before was read from the cache."

    def _missed(self, cached: int) -> tuple[Cause, str]:
        rules = self.rules
        grown = "is the same as before" if self._is_same else "only grew at its end"
        if self.could < rules.minimum:
            words = f"The common beginning of {self.could} tokens is shorter than what {rules.family} keeps"
            return "too_short", f"{words} ({rules.minimum})."
        if changed := self._settings():
            return "settings", f"The prompt {grown}, but {changed} changed, which can empty a cache."
        if self.idle_s > rules.lives_s:
            words = f"The prompt {grown}, but the request before began {_span(self.idle_s)} ago"
            return "expired", f"{words}, and such a cache lives {_span(rules.lives_s)}."
        if not cached and self.base.usage is not None and not self.base.usage.cache_read and rules.match == "none":
            return "no_cache", f"The prompt {grown}; no cache of this provider is known of, and it reported none."
        return "lost", f"The prompt {grown}, yet the provider read {'only ' if cached else ''}{_count(cached)} of " + (
            f"{_count(self.could)} tokens from its cache: it had not kept the rest, or another machine of its answered."
        )

    def _settings(self) -> str:
        old, new = anatomy.settings(self.base.sent), anatomy.settings(self.now.sent)
        return ", ".join(key for key in HELD if old.get(key) != new.get(key))

    def _further(self) -> list[str]:
        words = []
        if self.is_warm and self.base.uid != self.before.uid:
            words.append(
                f"In between, {self.before.model} at {self.before.provider} was asked; this is compared with the last "
                f"request to {self.now.model}, {_span(self.idle_s)} earlier. What the switch lost is told apart, "
                f"by what is in common with {self.before.model}'s request."
            )
        if self.is_warm and not self.prefix.whole and self.idle_s > self.rules.lives_s:
            words.append(f"That was {_span(self.idle_s)} earlier, longer than such a cache lives.")
        if self.is_elsewhere:
            words.append(self._elsewhere())
        if self.now.prompt is None:
            words.append("The provider reported no prompt tokens: these are counted.")
        if self.rules.assumed and self.is_warm:
            words.append(f"Assumed of this cache: {self.rules.assumed}.")
        return words

    def _elsewhere(self) -> str:
        difference = self.prefix.difference
        if not self.is_warm:
            return "What was read must have been kept from another request."
        return TEMPLATE if difference is not None and _is_tool(difference) else ELSEWHERE


# -- what broke a prompt, in the order in which it is looked for


def _is_tool(difference: Difference) -> bool:
    return "tools" in (_kind(difference.before), _kind(difference.now))


def _tools(case: _Case, difference: Difference) -> tuple[Cause, str] | None:
    if not _is_tool(difference):
        return None
    old = [block for block in anatomy.blocks(case.base.sent) if block.kind == "tools"]
    new = [block for block in anatomy.blocks(case.now.sent) if block.kind == "tools"]
    plain = anatomy.plain
    if Bag(map(plain, old)) == Bag(map(plain, new)):
        return "tools_reordered", f"The same {len(new)} tools came in another order, from {_name(difference.now)} on."
    behind = "" if case.is_elsewhere else ", so that nothing behind them is found"
    if why := _ours(case):
        sent = f"{case.now.model} was sent other tools than before: {_changes(old, new)}"
        return "tools", f"{sent}. The client's are the same: {why}. Tools come first{behind}."
    return "tools", f"The tools changed: {_changes(old, new)}. They come first{behind}."


def _ours(case: _Case) -> str:
    """Why other tools were sent although the client's are the same; "" where they are not, or that is not known."""
    old, new = (
        [anatomy.plain(block) for block in anatomy.blocks(call.received) if block.kind == "tools"]
        for call in (case.base, case.now)
    )
    if not new or Bag(old) != Bag(new):
        return ""
    told = (("the one before", _chosen(case.base)), ("this one", _chosen(case.now)))
    return "; ".join(f"{which} {words}" for which, words in told if words) or "ccr-tui's translation of them is another"


def _chosen(call: Call) -> str:
    """What a request's tool_choice made of its tools, where they were not all sent."""
    sent = sum(block.kind == "tools" for block in anatomy.blocks(call.sent))
    asked = call.received.get("tool_choice") if isinstance(call.received, dict) else None
    choice = asked if isinstance(asked, dict) else {}
    form = choice.get("type")
    if form == "tool" and sent == 1:
        return f"forces {choice.get('name')}, which ccr-tui sent alone"
    if form == "none" and not sent:
        return "forbids tools, so ccr-tui sent none"
    return ""


def _changes(old: Sequence[Block], new: Sequence[Block]) -> str:
    was, became = {block.name: block for block in old}, {block.name: block for block in new}
    words = [
        _some("added ", [name for name in became if name not in was]),
        _some("removed ", [name for name in was if name not in became]),
        _some(
            "changed ",
            [name for name in became if name in was and anatomy.plain(was[name]) != anatomy.plain(became[name])],
        ),
    ]
    return "; ".join(filter(None, words)) or "their number"


def _some(word: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"{word}{', '.join(names[:4])}{more}" if names else ""


def _system(case: _Case, difference: Difference) -> tuple[Cause, str] | None:
    """The system prompt at the beginning; a system message between others is a message."""
    if "system" not in (_leading(difference.before), _leading(difference.now)):
        return None
    return "system", f"The system prompt changed at character {difference.character:,} of its {_nth(difference)} block."


def _leading(block: Block | None) -> str:
    leads = block is not None and (block.where[0] == "system" or (block.kind == "system" and block.message == 0))
    return "system" if leads else ""


def _compacted(case: _Case, difference: Difference) -> tuple[Cause, str] | None:
    texts = [anatomy.reading(block)[:400] for block in anatomy.blocks(case.now.sent) if block.kind == "prompts"]
    summed = any(word in text for text in texts[:2] for word in SUMMARY)
    was = any(word in anatomy.reading(block)[:400] for block in anatomy.blocks(case.base.sent)[:40] for word in SUMMARY)
    shorter = case.prefix.raw_now < case.prefix.raw_before
    if (case.before.kind == "compaction" and shorter) or (summed and not was):
        return "compacted", "The conversation was compacted: a summary stands where its messages stood."
    return None


def _shortened(case: _Case, difference: Difference) -> tuple[Cause, str] | None:
    """Taken back: the new prompt leaves the old one at a message of the person's, which is nearly its last."""
    if difference.now is None:
        return "shortened", f"The conversation was taken back to {_place(difference.before)}."
    message, last = difference.now.message, _last(case.now.sent)
    if message is None or message < last or _kind(difference.now) not in ("prompts", "reminders"):
        return None
    if _last(case.base.sent) <= message:
        return None
    return "shortened", f"The conversation was taken back to {_place(difference.now)}, and went on from there."


def _edited(case: _Case, difference: Difference) -> tuple[Cause, str] | None:
    was, became = difference.before, difference.now
    if was is None:  # the caller has found that the earlier prompt goes on
        return "edited", f"{_place(became)} is new in the middle."
    if became is None or was.message != became.message:
        return "edited", f"{_cap(_place(was))} is gone, or something else came to stand before it."
    if was.kind != became.kind or was.name != became.name:
        return "edited", f"{_cap(_place(was))} was replaced by {_article(became)}."
    return "edited", f"{_cap(_place(became))} was edited at character {difference.character:,}."


_TELLERS: tuple[Callable[[_Case, Difference], tuple[Cause, str] | None], ...] = (
    _tools,
    _system,
    _compacted,
    _shortened,
    _edited,
)


def _kind(block: Block | None) -> str:
    return "" if block is None else block.kind


def _name(block: Block | None) -> str:
    return "the end" if block is None else block.name or block.label


def _nth(difference: Difference) -> str:
    block = difference.now or difference.before
    index = block.where[1] if block is not None and len(block.where) > 1 and block.where[0] == "system" else 0
    number = int(index) + 1
    return f"{number}{ ({1: 'st', 2: 'nd', 3: 'rd'}.get(number, 'th')) }"


def _last(body: Json) -> int:
    """The index of the last message."""
    messages = body.get("messages") if isinstance(body, dict) else None
    return len(messages) - 1 if isinstance(messages, list) else -1


def _place(block: Block | None) -> str:
    if block is None:
        return "the end"
    number = "" if block.message is None else f" of message {block.message + 1}"
    return f"the {block.label}{number}"


def _article(block: Block) -> str:
    return f"{'an' if block.label[:1] in 'aeiou' else 'a'} {block.label}"


def _cap(words: str) -> str:
    return words[:1].upper() + words[1:]


def _count(tokens: int) -> str:
    return f"{tokens:,}"


def _span(seconds: float) -> str:
    """A time for people: 40 s, 5 minutes, 2.5 hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours".replace(".0 ", " ") if seconds < 172_800 else f"{seconds / 86_400:.0f} days"
