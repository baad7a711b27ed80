from __future__ import annotations

import builtins
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.conftest import ROOT
from tests.server.fakes import BruteForceIndex
from tests.server.running import eventually, running
from typeahead.errors import MissingExtra
from typeahead.server import app
from typeahead.server.observe.tracing import IDLE_NS, MAX_SPANS, SessionTrace, Tracing, start_tracing

MS = 10**6
STAGES_NS = (1 * MS, 0, 2 * MS, 3 * MS, 4 * MS)


class Desk:
    """Traces that end up in memory, of a clock that shows 0 at the epoch."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracing = start_tracing(SimpleSpanProcessor(self.exporter))
        self.tracing._offset_ns = 0

    def session(self) -> SessionTrace:
        return self.tracing.session()

    def spans(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name]


def reply(trace: SessionTrace, at_ms: int, chars: int = 3, ready: bool | None = None) -> None:
    trace.replied(at_ms * MS, 10 * MS, STAGES_NS, chars=chars, tokens=1, ready=ready)


def parent(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def test_one_trace_reaches_from_the_first_key_to_enter() -> None:
    desk = Desk()
    trace = desk.session()
    reply(trace, 100)
    reply(trace, 250, chars=4)
    assert desk.spans("typeahead.query") == []
    reply(trace, 400, chars=4, ready=True)
    (root,) = desk.spans("typeahead.query")
    keys, (submit,) = desk.spans("typeahead.key"), desk.spans("typeahead.submit")
    assert [span.start_time for span in keys] == [100 * MS, 250 * MS]
    assert [span.end_time for span in keys] == [110 * MS, 260 * MS]
    assert (root.start_time, root.end_time) == (100 * MS, 410 * MS)
    assert {parent(span) for span in (*keys, submit)} == {root.context.span_id}
    assert len({span.context.trace_id for span in (root, *keys, submit)}) == 1
    assert dict(root.attributes or {}) == {
        "typeahead.end": "enter",
        "typeahead.replies": 3,
        "typeahead.ready": True,
    }
    assert dict(keys[1].attributes or {}) == {
        "typeahead.chars": 4,
        "typeahead.tokens": 1,
        "typeahead.stage.queue_us": 1000,
        "typeahead.stage.tokenize_us": 0,
        "typeahead.stage.step_us": 2000,
        "typeahead.stage.search_us": 3000,
        "typeahead.stage.serialize_us": 4000,
    }
    assert (submit.attributes or {})["typeahead.ready"] is True


def test_the_next_query_is_another_trace() -> None:
    desk = Desk()
    trace = desk.session()
    for start in (0, 1000):
        reply(trace, start)
        reply(trace, start + 100, ready=False)
    roots = desk.spans("typeahead.query")
    assert len({root.context.trace_id for root in roots}) == 2


@pytest.mark.parametrize("why", ["cleared", "idle", "closed", "cut"])
def test_a_query_without_enter_ends_too(why: str) -> None:
    desk = Desk()
    trace = desk.session()
    reply(trace, 0)
    if why == "cleared":
        reply(trace, 100, chars=0)
    elif why == "idle":
        reply(trace, IDLE_NS // MS + 11)
    elif why == "closed":
        trace.close()
    else:
        for number in range(1, MAX_SPANS):
            reply(trace, number)
    (root,) = desk.spans("typeahead.query")
    assert (root.attributes or {})["typeahead.end"] == why
    assert root.end_time == max(
        span.end_time or 0 for span in desk.spans("typeahead.key")[: MAX_SPANS if why != "idle" else 1]
    )
    trace.close()


def test_a_session_that_said_nothing_has_no_trace() -> None:
    desk = Desk()
    desk.session().close()
    assert desk.exporter.get_finished_spans() == ()


def test_a_server_traces_its_sessions_and_never_what_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(app, "start_tracing", lambda: start_tracing(SimpleSpanProcessor(exporter)))
    with running(BruteForceIndex(), otel=True) as server:
        with server.client() as client:
            client.say(seq=1, text="xyzzy")
            client.hear()
            client.say(seq=2, submit=True)
            client.hear()
            client.say(seq=3, text="plugh")
            client.hear()
        eventually(lambda: len(exporter.get_finished_spans()) == 5)
    spans = exporter.get_finished_spans()
    assert [span.name.rpartition(".")[2] for span in spans] == ["key", "submit", "query", "key", "query"]
    written = "".join(span.to_json() for span in spans)
    assert "xyzzy" not in written
    assert "plugh" not in written


def test_without_the_flag_nothing_of_opentelemetry_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "start_tracing", lambda: pytest.fail("nobody asked for traces"))
    with running() as server, server.client() as client:
        client.say(seq=1, text="egg")
        client.hear()


def test_a_server_without_traces_loads_nothing_of_opentelemetry() -> None:
    code = "import sys, typeahead.server; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_missing_extra_names_the_command_that_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ModuleNotFoundError(f"No module named {name!r}", name="opentelemetry")
        return real(name, *arguments)

    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r'pip install .*\[otel\]"'):
        start_tracing()


def test_the_service_has_a_name_unless_the_environment_gives_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def name(tracing: Tracing) -> object:
        return tracing._provider.resource.attributes["service.name"]

    processor = SimpleSpanProcessor(InMemorySpanExporter())
    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
    assert name(start_tracing(processor)) == "typeahead"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    assert name(start_tracing(processor)) == "mine"
