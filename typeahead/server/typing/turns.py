"""What a dialogue owes its client: one turn for each keystroke and submit, and the reply that answers it."""

from __future__ import annotations

from collections.abc import Callable

from typeahead.errors import ProtocolError
from typeahead.server.observe.metrics import ServerMetrics
from typeahead.server.observe.tracing import SessionTrace
from typeahead.server.typing.query import Query, Stage
from typeahead.wire.narrowing import filter_code
from typeahead.wire.protocol import Dtype
from typeahead.wire.replies import Reply, write_embedding, write_error, write_overloaded, write_reply

_STEPPED, _SEARCHED = Stage.STEPPED, Stage.SEARCHED


class Turn:
    """A keystroke or submit that is answered once its query has reached ``needs``, or has failed.

    ``stage`` is how far the query was when it arrived. For a submit, ``ready`` says whether its answer was there;
    for a keystroke it is None.
    """

    __slots__ = ("arrived_ns", "needs", "query", "ready", "seq", "stage")

    def __init__(
        self,
        seq: int,
        query: Query,
        needs: Stage,
        arrived_ns: int,
        stage: Stage = Stage.TYPED,
        ready: bool | None = None,
    ) -> None:
        self.seq = seq
        self.query = query
        self.needs = needs
        self.arrived_ns = arrived_ns
        self.stage = stage
        self.ready = ready


class TurnWriter:
    """Writes the replies to turns, and counts them.

    ``clock`` tells nanoseconds; ``trace`` is told of each reply; ``request`` is the name of the websocket in the log.
    """

    def __init__(
        self, metrics: ServerMetrics, trace: SessionTrace | None, clock: Callable[[], int], request: str
    ) -> None:
        self.request = request
        self._metrics = metrics
        self._trace = trace
        self._clock = clock

    def write(self, turn: Turn, dtype: Dtype | None, *, timed: bool) -> Reply:
        """Write the reply to a turn whose query is far enough or has failed.

        ``dtype`` is the embedding's on the wire, None for a client that wants none; ``timed`` adds where its time went.
        """
        query, metrics = turn.query, self._metrics
        keystroke = turn.ready is None
        if query.state.failed and query.stage < turn.needs:
            return self._write_failure(turn)
        total_ns = self._clock() - turn.arrived_ns
        # A submit has not paid for what was done before it.
        tokenize_ns = query.tokenize_ns if keystroke else 0
        step_ns = query.step_ns if turn.stage < _STEPPED else 0
        search_ns = serialize_ns = 0
        if turn.stage < turn.needs is _SEARCHED and (result := query.result) is not None:
            search_ns, serialize_ns = min(result.search_ns, total_ns), min(result.serialize_ns, total_ns)
        queue_ns = max(0, total_ns - tokenize_ns - step_ns - search_ns - serialize_ns)
        timing_us = None
        if timed:
            timing_us = (
                queue_ns // 1000,
                tokenize_ns // 1000,
                step_ns // 1000,
                search_ns // 1000,
                serialize_ns // 1000,
                total_ns // 1000,
            )
        searched = turn.needs is _SEARCHED
        text = write_reply(
            turn.seq,
            query.hits if searched else None,
            timing_us,
            ready=turn.ready,
            encoder=query.encoder,
            weak=query.weak and searched,
            stale=searched and query.room is not None and query.room.stale,
            partial=searched and query.partial,
            version=query.version if searched else "",
            facets=query.facets if searched else b"",
        )
        reply = text, None if dtype is None else write_embedding(turn.seq, query.embedding, dtype)
        if keystroke:
            metrics.keystrokes["served"].add()
        # A reply cannot tell what its own writing took.
        whole_ns = self._clock() - turn.arrived_ns
        stages_ns = (queue_ns, tokenize_ns, step_ns, search_ns, serialize_ns + whole_ns - total_ns)
        chars, tokens = len(query.text), query.tokens
        metrics.replied(turn.arrived_ns, whole_ns, stages_ns, chars, tokens, not keystroke, self.request)
        if self._trace is not None:
            self._trace.replied(turn.arrived_ns, whole_ns, stages_ns, chars=chars, tokens=tokens, ready=turn.ready)
        return reply

    def _write_failure(self, turn: Turn) -> Reply:
        shed, refusal = turn.query.state.shed, turn.query.refusal
        if turn.ready is None:
            self._metrics.keystrokes["overloaded" if shed else "error"].add()
        if shed:
            return write_overloaded(turn.seq), None
        if refusal is not None:
            return write_error(ProtocolError(filter_code(refusal), str(refusal), seq=turn.seq)), None
        message = "the server could not answer this: its log says why"
        return write_error(ProtocolError("internal", message, seq=turn.seq)), None
