"""Spans on their way to a collector, with OpenTelemetry's own SDK.

Owns the sending: of what is stored, and of what happens while the proxy runs. Must never delay traffic: a finished
trace goes into a queue that holds so many and no more, and a thread of its own does the rest; what finds the queue full
or the collector away is counted and forgotten. The one surprise: the SDK is an extra (`pip install 'ccr-tui[otel]'`)
and takes 0.3 s to import, so it is imported in that thread, and nobody waits for it.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import islice
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from ccr_tui import __version__
from ccr_tui.config import Config
from ccr_tui.errors import CcrError
from ccr_tui.records import Trace
from ccr_tui.transfer.redaction import Redactor, redactor
from ccr_tui.transfer.spans import Span, slim, spans

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

EXTRA = "sending spans needs OpenTelemetry's SDK: pip install 'ccr-tui[otel]'"
BATCH = 200
"""Traces in one request to the collector."""
ERRNO = re.compile(r"\[Errno -?\d+\] ([^\"')]+)")
WORDS = 200
"""Letters of a cause that are told."""
HELD = 1_000
"""Traces that wait at most; more are dropped, and counted."""
TIMEOUT_S = 10.0
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""The convention's switch for telling what was said."""


def exporter(url: str | None) -> SpanExporter:
    """Who sends to this collector; None leaves it to the SDK's own variables. Raises CcrError without the SDK."""
    return _exporter(url and endpoint(url))


def _exporter(url: str | None) -> SpanExporter:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise CcrError(f"{EXTRA} ({error}).") from error
    return OTLPSpanExporter(endpoint=url, timeout=TIMEOUT_S)


def endpoint(url: str) -> str:
    """Where a collector takes traces: its base URL is completed, as the SDK does with OTEL_EXPORTER_OTLP_ENDPOINT."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    return urlunsplit(parts._replace(path=path if path.endswith("/v1/traces") else f"{path}/v1/traces"))


def wants_content(env: Mapping[str, str]) -> bool:
    """Whether spans are to tell what was said."""
    return env.get(CONTENT, "").lower() in ("true", "1", "span_only", "span_and_event")


def wanted(env: Mapping[str, str]) -> bool:
    """Whether the environment names a collector, and does not switch tracing off."""
    named = env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or env.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    return (
        bool(named) and env.get("OTEL_SDK_DISABLED", "").lower() != "true" and env.get("OTEL_TRACES_EXPORTER") != "none"
    )


def begin(config: Config, say: Callable[[str], None]) -> Live | None:
    """Start sending what happens from now on, if the environment names a collector; else None."""
    if not wanted(config.env):
        return None
    whole = config.env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    url = whole or endpoint(config.env["OTEL_EXPORTER_OTLP_ENDPOINT"])
    live = Live(redactor(config, config.env), wants_content(config.env), lambda: _exporter(url), say)
    live.start()
    return live


def send(
    traces: Iterable[Trace], out: SpanExporter, content: bool, redactor: Redactor | None, sent: Callable[[int], None]
) -> int:
    """Send them all, batch by batch; gives how many spans. Raises CcrError where the collector does not take them."""
    total, given = 0, iter(traces)
    with _overheard() as said:
        while batch := list(islice(given, BATCH)):
            made = readable(batch, content, redactor)
            if not _taken(out, made):
                raise CcrError(f"the collector did not take the spans{_why(said)}; {total} were taken before.")
            total += len(made)
            sent(len(batch))
    return total


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """What the SDK logs meanwhile, instead of on stderr: a line of half a screen for each try."""
    said: list[str] = []
    ear, log = logging.Handler(logging.WARNING), logging.getLogger("opentelemetry")
    ear.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    was, log.propagate = log.propagate, False
    log.addHandler(ear)
    try:
        yield said
    finally:
        log.removeHandler(ear)
        log.propagate = was


def _why(said: Sequence[str]) -> str:
    """The cause in a few words: what the system says, else what the SDK says first."""
    system = next((found[1] for line in said if (found := ERRNO.search(line))), None)
    words = system or next(iter(said), "")
    return f" ({words[:WORDS]})" if words else ""


def readable(traces: Iterable[Trace], content: bool, redactor: Redactor | None) -> list[ReadableSpan]:
    """The SDK's spans of these traces."""
    told = traces if content else map(slim, traces)
    shown = told if redactor is None else map(redactor.trace, told)
    return [_readable(span) for trace in shown for span in spans(trace, content)]


def _taken(out: SpanExporter, made: Sequence[ReadableSpan]) -> bool:
    from opentelemetry.sdk.trace.export import SpanExportResult

    return out.export(made) is SpanExportResult.SUCCESS


def _readable(span: Span) -> ReadableSpan:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    def context(id: int) -> SpanContext:
        return SpanContext(span.trace_id, id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

    return ReadableSpan(
        name=span.name,
        context=context(span.span_id),
        parent=None if span.parent_id is None else context(span.parent_id),
        resource=_resource(),
        attributes=span.attributes,
        kind=SpanKind.CLIENT if span.client else SpanKind.SERVER,
        instrumentation_scope=InstrumentationScope("ccr-tui", __version__),
        status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
        start_time=span.started,
        end_time=span.ended,
    )


@cache
def _resource() -> Any:
    """Who says it; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word, as everywhere."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    own = Resource({"service.name": "ccr-tui", "service.version": __version__})
    return own.merge(OTELResourceDetector().detect())


class Live:
    """Sends finished traces while the proxy runs."""

    def __init__(
        self, redactor: Redactor, content: bool, make: Callable[[], SpanExporter], say: Callable[[str], None]
    ) -> None:
        """`make` gives the exporter, in the thread; `say` gets a sentence for the journal when something is wrong."""
        self.dropped = 0
        """Traces that were not sent: the queue was full, or the collector did not take them."""
        self._redactor, self._content, self._make, self._say = redactor, content, make, say
        self._queue: Queue[Trace | None] = Queue(HELD)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ccr-tui spans", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def put(self, trace: Trace) -> None:
        """Send a finished trace, soon; microseconds, never blocks."""
        try:
            self._queue.put_nowait(trace)
        except Full:
            self.dropped += 1

    def close(self, timeout: float = 2.0) -> None:
        """Send what waits, for so many seconds at most."""
        self._ending.set()
        try:
            self._queue.put_nowait(None)
        except Full:
            pass
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            out = self._make()
        except CcrError as error:
            self._say(str(error))
            return
        told = False
        for batch in self._batches():
            if not _taken(out, readable(batch, self._content, self._redactor)):
                self.dropped += len(batch)
                if not told:
                    self._say(
                        "The collector of OTEL_EXPORTER_OTLP_ENDPOINT does not take spans; traffic goes on without."
                    )
                told = True
        out.shutdown()

    def _batches(self) -> Iterator[list[Trace]]:
        """What has come, as much as is there; ends when nothing more will come."""
        while not (self._ending.is_set() and self._queue.empty()):
            first = self._queue.get()
            batch = [] if first is None else [first]
            while len(batch) < BATCH:
                try:
                    more = self._queue.get_nowait()
                except Empty:
                    break
                batch += [] if more is None else [more]
            if batch:
                yield batch
