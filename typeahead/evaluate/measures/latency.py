"""Latency of a keystroke in process: recorded typing replayed through sessions.

A keystroke is timed from the text to the embedding: tokenize, look up, step, read out. Peers get the same texts in the
same run, one after the other.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from typeahead.core.encoder import Encoder, IncrementalEncoder
from typeahead.core.engine import Engine
from typeahead.core.session import Session
from typeahead.evaluate.data.traces import Keystroke

#: Milliseconds from the last key to Enter: the 5th percentile of the gaps between keys in the *136M Keystrokes* data.
ENTER_AFTER_MS = 72.0


@dataclass
class Timings:
    """Durations in microseconds."""

    name: str
    values: list[float] = field(default_factory=list)

    def row(self) -> dict[str, object]:
        """Percentiles as a table's row."""
        p50, p90, p95, p99 = np.percentile(self.values, [50, 90, 95, 99])
        return {
            "what": self.name,
            "n": len(self.values),
            "p50 µs": round(float(p50), 1),
            "p90 µs": round(float(p90), 1),
            "p95 µs": round(float(p95), 1),
            "p99 µs": round(float(p99), 1),
            "mean µs": round(float(np.mean(self.values)), 1),
        }


def _timed(action: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter_ns()
    action(*arguments)
    return (time.perf_counter_ns() - start) / 1000


def replay(
    encoder: IncrementalEncoder, traces: Sequence[Sequence[Keystroke]], name: str, *, cache_bytes: int = 256 << 20
) -> tuple[Timings, float]:
    """Time every keystroke. Gives the timings, and the share of traces whose embedding was ready at Enter.

    Each trace is a new session on one shared engine whose cache starts empty. A keystroke's work begins when its key
    is pressed or when the work before it is done; Enter comes :data:`ENTER_AFTER_MS` after the last key.
    """
    engine = Engine(encoder, cache_bytes=cache_bytes)
    timings = Timings(name)
    ready = 0
    for trace in traces:
        session = engine.session(max_chars=4096)
        free_at = 0.0
        for keystroke in trace:
            took = _timed(_update, session, keystroke.text)
            timings.values.append(took)
            free_at = max(free_at, keystroke.at) + took / 1000
        ready += free_at <= trace[-1].at + ENTER_AFTER_MS
    return timings, ready / max(len(traces), 1)


def _update(session: Session, text: str) -> object:
    """Update a session and read its embedding, which comes from the cache."""
    session.update(text)
    return session.embedding


def whole(encoder: Encoder, texts: Sequence[str], name: str) -> Timings:
    """Time the encoding of each text from nothing, one at a time."""
    return Timings(name, [_timed(encoder.encode, [text]) for text in texts])


def sample(traces: Sequence[Sequence[Keystroke]], count: int) -> list[Sequence[Keystroke]]:
    """Take about ``count`` traces, spread evenly over all."""
    step = max(len(traces) // max(count, 1), 1)
    return list(traces[::step])[:count]


def warm_up(encoder: Encoder) -> None:
    """Run an encoder a few times, so the cost of first calls is not counted."""
    for _ in range(20):
        encoder.encode(["a text that warms caches and allocators up"])
    gc.collect()
