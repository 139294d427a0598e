"""Spans: by the convention's names, received by a collector, and never in anybody's way."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from generated import attempt, failed, trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from places import closed_port

from ccr_tui.config import Config
from ccr_tui.errors import CcrError
from ccr_tui.records import Usage
from ccr_tui.transfer import otlp
from ccr_tui.transfer.otlp import Live
from ccr_tui.transfer.redaction import Redactor
from ccr_tui.transfer.spans import slim, spans

ONE = trace(
    "0199-a",
    body={
        "model": "claude-opus-5-5",
        "max_tokens": 500,
        "messages": [{"role": "user", "content": "mail ada@example.org"}],
    },
    attempts=(
        attempt(n=1, purpose="route", usage=Usage(100, 5)),
        attempt(n=2, usage=Usage(10, 20, 30, 40, reasoning=6)),
    ),
)


def test_the_names_are_the_conventions() -> None:
    request, route, answer = spans(ONE)
    assert (request.name, answer.name) == ("chat claude-opus-5-5", "chat qwen-max")
    told = request.attributes
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.provider.name"] == "dashscope"
    assert told["gen_ai.request.model"] == "claude-opus-5-5"
    assert told["gen_ai.request.max_tokens"] == 500
    assert told["gen_ai.conversation.id"] == ONE.session
    assert told["gen_ai.response.finish_reasons"] == [ONE.reply["stop_reason"]]
    assert told["gen_ai.response.time_to_first_chunk"] == 0.43
    assert route.attributes["ccr_tui.purpose"] == "route"
    assert (route.parent_id, answer.parent_id) == (request.span_id, request.span_id)
    assert request.ended - request.started == 1_850_000_000


def test_input_tokens_include_what_the_cache_served() -> None:
    told = next(spans(ONE)).attributes
    assert told["gen_ai.usage.input_tokens"] == 80
    assert told["gen_ai.usage.cache_read.input_tokens"] == 30
    assert told["gen_ai.usage.cache_creation.input_tokens"] == 40
    assert (told["gen_ai.usage.output_tokens"], told["gen_ai.usage.reasoning.output_tokens"]) == (20, 6)


def test_a_failure_is_an_error() -> None:
    request, call = spans(failed())
    assert request.attributes["error.type"] == "rate_limit_error"
    assert request.error and "slow down" in request.error and call.error == request.error


def test_what_was_said_is_told_only_where_it_is_wanted() -> None:
    said = [name for name in next(spans(ONE)).attributes if "messages" in name]
    assert said == []
    told = next(spans(ONE, content=True)).attributes
    (message,) = json.loads(str(told["gen_ai.input.messages"]))
    assert message == {"role": "user", "parts": [{"type": "text", "content": "mail ada@example.org"}]}
    assert json.loads(str(told["gen_ai.output.messages"]))[0]["finish_reason"] == ONE.reply["stop_reason"]


def test_what_is_not_told_is_not_needed() -> None:
    assert list(spans(slim(ONE))) == list(spans(ONE))


def test_the_same_request_is_the_same_span_again() -> None:
    assert list(spans(ONE)) == list(spans(ONE))
    assert len({span.span_id for one in (ONE, failed()) for span in spans(one)}) == 5


def test_the_sdk_takes_them() -> None:
    memory = InMemorySpanExporter()
    done: list[int] = []
    assert otlp.send([ONE, failed()], memory, False, None, done.append) == 5
    got = memory.get_finished_spans()
    assert got[0].name == "chat claude-opus-5-5"
    assert got[1].parent is not None and got[1].parent.span_id == got[0].context.span_id
    assert got[0].resource.attributes["service.name"] == "ccr-tui"
    assert done == [2]


@dataclass
class Collector:
    """A receiver of OTLP over HTTP."""

    url: str
    got: list[Any] = field(default_factory=list)
    news: threading.Event = field(default_factory=threading.Event)
    status: int = 200

    def spans(self) -> list[Any]:
        return [
            span
            for each in self.got
            for resource in each.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            assert self.path == "/v1/traces"
            made.got.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(made.status)
            self.end_headers()
            made.news.set()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()


def test_a_collector_gets_what_is_stored(collector: Collector) -> None:
    out = otlp.exporter(collector.url)
    assert otlp.send([ONE], out, False, Redactor(), lambda _: None) == 3
    out.shutdown()
    told = {attribute.key: attribute.value for attribute in collector.spans()[0].attributes}
    assert told["gen_ai.usage.input_tokens"].int_value == 80
    assert told["gen_ai.response.finish_reasons"].array_value.values[0].string_value == ONE.reply["stop_reason"]


def test_a_collector_that_refuses_is_told_of(collector: Collector) -> None:
    collector.status = 400
    with pytest.raises(CcrError, match=r"did not take the spans \(.*400.*\); 0 were"):
        otlp.send([ONE], otlp.exporter(collector.url), False, None, lambda _: None)


def test_a_collector_that_is_not_there_is_told_of_in_one_sentence(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "TIMEOUT_S", 0.3)
    with pytest.raises(CcrError) as told:
        otlp.send([ONE], otlp.exporter(f"http://127.0.0.1:{closed_port()}"), False, None, lambda _: None)
    assert str(told.value).startswith("the collector did not take the spans (")
    assert "\n" not in str(told.value) and caplog.records == []


CAUSES = {
    "nothing was said": ([], ""),
    "the system's": (["Error (by Y: [Errno 111] Connection refused\")), retrying"], " (Connection refused)"),
    "the SDK's": (["code: 400, reason: no", "more"], " (code: 400, reason: no)"),
    "half a screen": (["x" * 999], f" ({'x' * 200})"),
}  # fmt: skip


@pytest.mark.parametrize(("said", "told"), CAUSES.values(), ids=CAUSES)
def test_a_cause_is_a_few_words(said: list[str], told: str) -> None:
    assert otlp._why(said) == told


ENDPOINTS = [
    ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
    ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
    ("https://x.org/api/public/otel", "https://x.org/api/public/otel/v1/traces"),
    ("https://x.org/v1/traces", "https://x.org/v1/traces"),
]


@pytest.mark.parametrize(("given", "whole"), ENDPOINTS)
def test_a_base_address_is_completed(given: str, whole: str) -> None:
    assert otlp.endpoint(given) == whole


WANTED = [
    ({}, False),
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, True),
    ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, True),
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}, False),
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "none"}, False),
]


@pytest.mark.parametrize(("env", "wanted"), WANTED)
def test_whether_it_is_wanted(env: dict[str, str], wanted: bool) -> None:
    assert otlp.wanted(env) is wanted


def test_what_happens_is_sent_redacted(collector: Collector) -> None:
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, otlp.CONTENT: "true"}
    live = otlp.begin(Config(env=env), pytest.fail)
    assert live is not None
    live.put(ONE)
    assert collector.news.wait(20)
    live.close()
    told = {attribute.key: attribute.value.string_value for attribute in collector.spans()[0].attributes}
    assert "mail [e-mail]" in told["gen_ai.input.messages"]
    assert told["ccr_tui.project"] == "/home/user/engine"
    assert live.dropped == 0


class Stuck(SpanExporter):
    """A collector that never answers, until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()

    def export(self, spans: Any) -> SpanExportResult:
        self.begun.set()
        self.go.wait(20)
        return SpanExportResult.FAILURE


def test_a_collector_that_hangs_keeps_nobody_waiting() -> None:
    said: list[str] = []
    stuck = Stuck()
    live = Live(Redactor(), False, lambda: stuck, said.append)
    live.start()
    live.put(ONE)
    assert stuck.begun.wait(20)
    begun = time.perf_counter()
    for _ in range(otlp.HELD + 500):
        live.put(ONE)
    assert (time.perf_counter() - begun) / otlp.HELD < 0.0005
    assert live.dropped == 500
    stuck.go.set()
    live.close(20)
    assert live.dropped == otlp.HELD + 501
    assert len(said) == 1 and "does not take spans" in said[0]


def test_without_the_sdk_it_says_what_to_install() -> None:
    said: list[str] = []

    def missing() -> SpanExporter:
        raise CcrError(otlp.EXTRA)

    live = Live(Redactor(), False, missing, said.append)
    live.start()
    live.put(ONE)
    live.close(20)
    assert said == [otlp.EXTRA]
