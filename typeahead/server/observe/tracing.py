"""OpenTelemetry traces, for who asks for them: one trace from the first key of a query to its Enter.

The root span ``typeahead.query`` holds a span ``typeahead.key`` for each answered keystroke and ``typeahead.submit``
for Enter. Attributes say how long the text was and how long each stage took, never what the text was. A query ends with
Enter's answer, when the field is emptied, after :data:`IDLE_NS` of silence, or with its session; one that goes on and
on is cut after :data:`MAX_SPANS`. As for every OpenTelemetry program, ``OTEL_EXPORTER_OTLP_…`` and
``OTEL_TRACES_SAMPLER`` say where traces go. Tracing needs the ``otel`` extra; :mod:`typeahead.server.observe.metrics`
has the sums without it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import typeahead
from typeahead.errors import MissingExtra
from typeahead.server.observe.metrics import STAGES

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.trace import Span

#: Silence after which the next key begins another query.
IDLE_NS: Final = 30 * 10**9
#: Keys in one trace.
MAX_SPANS: Final = 256


class Tracing:
    """Makes traces with a provider, which :meth:`close` shuts down.

    ``wall_ns`` returns nanoseconds since 1970, ``clock`` those of the clock that times keystrokes.
    """

    def __init__(
        self,
        provider: TracerProvider,
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        from opentelemetry import trace

        self._set_parent = trace.set_span_in_context
        self._provider = provider
        self.tracer = provider.get_tracer("typeahead", typeahead.__version__)
        self._offset_ns = wall_ns() - clock()

    def session(self) -> SessionTrace:
        """Trace one session."""
        return SessionTrace(self)

    def close(self, timeout: float) -> None:
        """Send the rest, for at most ``timeout`` seconds: a server has to end even if the collector is gone."""
        thread = threading.Thread(target=self._provider.shutdown, name="typeahead-traces", daemon=True)
        thread.start()
        thread.join(timeout)

    def start(self, name: str, at_ns: int, parent: Span | None = None) -> Span:
        """Start a span at a time of the keystrokes' clock."""
        context = None if parent is None else self._set_parent(parent)
        return self.tracer.start_span(name, context, start_time=self._offset_ns + at_ns)

    def end(self, span: Span, at_ns: int) -> None:
        """End a span at a time of the keystrokes' clock."""
        span.end(self._offset_ns + at_ns)


class SessionTrace:
    """The traces of one session, one after the other."""

    __slots__ = ("_last_ns", "_root", "_spans", "_tracing")

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing
        self._root: Span | None = None
        self._spans = 0
        self._last_ns = 0

    def replied(
        self,
        arrived_ns: int,
        total_ns: int,
        stages_ns: Sequence[int],
        *,
        chars: int,
        tokens: int,
        ready: bool | None,
    ) -> None:
        """Add a reply to a keystroke; to a submit if ``ready`` says whether its answer was there."""
        if self._root is not None and arrived_ns - self._last_ns > IDLE_NS:
            self._end("idle")
        if self._root is None:
            self._root = self._tracing.start("typeahead.query", arrived_ns)
        ended_ns = arrived_ns + total_ns
        span = self._tracing.start("typeahead.key" if ready is None else "typeahead.submit", arrived_ns, self._root)
        attributes: dict[str, int | bool] = {"typeahead.chars": chars, "typeahead.tokens": tokens}
        for stage, spent_ns in zip(STAGES, stages_ns, strict=True):
            attributes[f"typeahead.stage.{stage}_us"] = spent_ns // 1000
        if ready is not None:
            attributes["typeahead.ready"] = ready
        span.set_attributes(attributes)
        self._tracing.end(span, ended_ns)
        self._spans += 1
        # Replies end in order, but a batch may answer an earlier and a later key at nearly the same time.
        self._last_ns = max(self._last_ns, ended_ns)
        if ready is not None:
            self._root.set_attribute("typeahead.ready", ready)
            self._end("enter")
        elif not chars:
            self._end("cleared")
        elif self._spans >= MAX_SPANS:
            self._end("cut")

    def close(self) -> None:
        """End the open trace, because the session ends."""
        if self._root is not None:
            self._end("closed")

    def _end(self, why: str) -> None:
        assert self._root is not None
        self._root.set_attributes({"typeahead.end": why, "typeahead.replies": self._spans})
        self._tracing.end(self._root, self._last_ns)
        self._root = None
        self._spans = 0


def start_tracing(processor: SpanProcessor | None = None) -> Tracing:
    """Set up tracing to ``processor``, by default OTLP over HTTP in batches.

    Raises :class:`~typeahead.errors.MissingExtra` if OpenTelemetry is not installed.
    """
    try:
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        if processor is None:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            processor = BatchSpanProcessor(OTLPSpanExporter())
    except ImportError as error:
        raise MissingExtra(error.name or "opentelemetry-sdk", "otel") from error
    resource = Resource.create()
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):  # the environment names none
        resource = resource.merge(Resource({SERVICE_NAME: "typeahead"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return Tracing(provider)
