"""Latency of encoding one query, for every encoder side by side: table 5 of the first paper, and two times more.

*Extremely efficient online query encoding for dense retrieval* (Cohen, Fairstein, Kushilevitz, NAACL Findings 2024)
takes two times on one thread at batch size 1, in 1,020 repetitions, of which 20 warm up. **Online**: only the last word
remains to be encoded. **Full**: the whole query from nothing. For an encoder of whole texts both are the same. All
times include tokenization. typeahead does not wait for the end of a word, so two more are taken: the **key** (from the
last key to the embedding) and **Enter** (a look-up, since the text is encoded already).

The sibling :mod:`~typeahead.evaluate.measures.latency` replays recorded typing through one long-lived cache. Here every
repetition starts with an empty cache, so no query profits from an earlier one.
"""

from __future__ import annotations

import gc
import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.core.engine import Engine
from typeahead.core.session import Session
from typeahead.core.tokens import IncrementalTokenizer, check_text
from typeahead.errors import TypeaheadError
from typeahead.evaluate.peers import Peer
from typeahead.progress import OnProgress

#: Repetitions of each encoder, and how many of these warm up and do not count.
REPETITIONS, WARM_UP = 1020, 20
#: How far a typed embedding may be from that of the whole text, as a share of its length.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Percentiles:
    """Percentiles of ``n`` durations in microseconds, or of ``n`` counts."""

    n: int
    p50: float
    p90: float
    p95: float
    p99: float
    max: float
    mean: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Percentiles:
        """NumPy's percentiles, interpolated linearly."""
        p50, p90, p95, p99, largest = (float(value) for value in np.percentile(values, [50, 90, 95, 99, 100]))
        return cls(len(values), p50, p90, p95, p99, largest, float(np.mean(values)))


@dataclass(frozen=True)
class Latency:
    """One encoder's percentiles, in microseconds. For an encoder of whole texts all four are its ``full``."""

    label: str
    incremental: bool
    full: Percentiles
    online: Percentiles
    key: Percentiles
    enter: Percentiles


@dataclass(frozen=True)
class TokenCounts:
    """Tokens of the queries, special tokens not counted."""

    #: Whose tokenizer counted.
    tokenizer: str
    last_word: Percentiles
    query: Percentiles


@dataclass(frozen=True)
class OnlineReport:
    """The result of :func:`measure`."""

    latencies: list[Latency]
    tokens: TokenCounts | None
    queries: int
    repetitions: int
    warm_up: int
    seed: int
    #: Peers that have nothing to time.
    skipped: list[dict[str, str]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values; durations in microseconds."""
        return {"unit": "microseconds", "batch": 1, **asdict(self)}

    def rows(self) -> list[dict[str, Any]]:
        """The table: a row for each encoder and each kind of time."""
        return [
            {"query encoder": latency.label, "what": what} | _row(getattr(latency, what), " µs")
            for latency in self.latencies
            for what in (("online", "full", "key", "enter") if latency.incremental else ("full",))
        ]

    def token_rows(self) -> list[dict[str, Any]]:
        """The table of token counts; empty if no encoder shows its tokens."""
        if self.tokens is None:
            return []
        counts = (("last word", self.tokens.last_word), ("query", self.tokens.query))
        return [{"tokens of the": what} | _row(found, "") | {"max": found.max} for what, found in counts]


def _row(found: Percentiles, unit: str) -> dict[str, float]:
    return {f"{name}{unit}": round(getattr(found, name), 1) for name in ("p50", "p90", "p95", "p99", "mean")}


def last_word(query: str) -> tuple[str, str]:
    """Divide a query into the text before its last word, with the space, and that word, without trailing blanks."""
    text = query.rstrip()
    start = max((at + 1 for at, character in enumerate(text) if character.isspace()), default=0)
    return text[:start], text[start:]


def count_tokens(name: str, tokenizer: IncrementalTokenizer, queries: Sequence[str]) -> TokenCounts:
    """Count the tokens of each query, and those that remain to be encoded when its last word is finished."""
    whole, last = [], []
    for query in queries:
        ids, before = tokenizer.encode(query), tokenizer.encode(last_word(query)[0])
        known = next((at for at, pair in enumerate(zip(ids, before, strict=False)) if pair[0] != pair[1]), len(before))
        whole.append(len(ids))
        last.append(len(ids) - min(known, len(ids)))
    return TokenCounts(name, Percentiles.of(last), Percentiles.of(whole))


class _Whole:
    """Times an encoder of whole texts."""

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self.durations: dict[str, list[float]] = {"full": []}

    def run(self, query: str) -> Vectors:
        """Time one repetition; gives the embedding."""
        start = time.perf_counter_ns()
        vectors = self._encoder.encode([query])
        self.durations["full"].append((time.perf_counter_ns() - start) / 1000)
        embedding: Vectors = vectors[0]
        return embedding


class _Incremental(_Whole):
    """Times whole texts and sessions."""

    def __init__(self, encoder: Any) -> None:
        super().__init__(encoder)
        self.durations |= {"online": [], "key": [], "enter": []}

    def run(self, query: str) -> Vectors:
        whole = super().run(query)
        before, _ = last_word(query)
        # As typed: the words, and the space that ends them.
        session = self._session([before.rstrip(), before])
        self._time("online", session, query)
        self._check(session, whole)
        session = self._session([query[:end] for end in range(1, len(query))])
        self._time("key", session, query)
        self._check(session, whole)
        self._time("enter", session, query)
        return whole

    def _session(self, typed: Sequence[str]) -> Session:
        """A session with an empty cache, after ``typed`` was typed."""
        session = Engine(self._encoder).session(max_chars=1 << 20)
        for text in typed:
            session.update(text)
        return session

    def _time(self, what: str, session: Session, query: str) -> None:
        start = time.perf_counter_ns()
        session.update(query)
        self.durations[what].append((time.perf_counter_ns() - start) / 1000)

    def _check(self, session: Session, whole: Vectors) -> None:
        # The time of a wrong embedding is no latency. The message leaves out the query, which may be private.
        typed = np.zeros_like(whole) if session.embedding is None else session.embedding
        if np.linalg.norm(typed - whole) > _TOLERANCE * np.linalg.norm(whole):
            raise TypeaheadError("a typed embedding differs from that of the whole query: not timed")


def _timer(peer: Peer) -> _Whole:
    return _Incremental(peer.encoder) if peer.folder is not None and peer.incremental else _Whole(peer.encoder)


@contextmanager
def undisturbed(*, threads: int = 1) -> Iterator[None]:
    """Switch off garbage collection and, for one thread, the other threads of tokenizers; restore both at the end."""
    collecting = gc.isenabled()
    parallel = os.environ.get("TOKENIZERS_PARALLELISM")
    os.environ["TOKENIZERS_PARALLELISM"] = "false" if threads == 1 else "true"
    gc.collect()
    # Otherwise each collection between two blocks would visit all existing objects, which takes half a second.
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if collecting:
            gc.enable()
        if parallel is None:
            del os.environ["TOKENIZERS_PARALLELISM"]
        else:
            os.environ["TOKENIZERS_PARALLELISM"] = parallel


def measure(
    peers: Sequence[Peer],
    queries: Sequence[str],
    *,
    repetitions: int = REPETITIONS,
    warm_up: int = WARM_UP,
    seed: int = 0,
    progress: OnProgress | None = None,
) -> OnlineReport:
    """Time every encoder of ``peers`` on the same queries, batch 1; load them with ``threads=1``.

    Queries come in an order drawn with ``seed``, again from the start when they are used up; those without a visible
    character are left out. The encoders take turns in blocks of ``warm_up`` repetitions, each block in another order,
    so other work of the machine disturbs all of them alike. The first block of each warms up. Retrievers are skipped.
    Raises :class:`~typeahead.errors.TypeaheadError` without a query, or if a session's embedding is not that of the
    whole text.
    """
    usable = sorted({check_text(query).strip() for query in queries} - {""})
    if not usable:
        raise TypeaheadError("there is no query to time: all are empty")
    if not 0 < warm_up < repetitions:
        raise ValueError(f"{repetitions} repetitions with {warm_up} to warm up: some of both are needed")
    random.Random(seed).shuffle(usable)
    drawn = [usable[at % len(usable)] for at in range(repetitions)]
    encoders = [peer for peer in peers if peer.encoder is not None]
    timers = [_timer(peer) for peer in encoders]
    with undisturbed():
        for block, first in enumerate(range(0, repetitions, warm_up)):
            for turn in range(len(timers)):
                timer = timers[(turn + block) % len(timers)]
                for query in drawn[first : first + warm_up]:
                    timer.run(query)
            gc.collect()
            if progress:
                progress("latency", min(first + warm_up, repetitions), repetitions)
    return OnlineReport(
        latencies=[_latency(peer, timer, warm_up) for peer, timer in zip(encoders, timers, strict=True)],
        tokens=next((_tokens(peer, drawn[warm_up:]) for peer in encoders if peer.folder is not None), None),
        queries=len(set(drawn[warm_up:])),
        repetitions=repetitions,
        warm_up=warm_up,
        seed=seed,
        skipped=[
            {"query_encoder": peer.label, "skipped": "retrieves passages and has no embedding to time"}
            for peer in peers
            if peer.encoder is None
        ],
    )


def _latency(peer: Peer, timer: _Whole, warm_up: int) -> Latency:
    found = {what: Percentiles.of(values[warm_up:]) for what, values in timer.durations.items()}
    full = found["full"]
    return Latency(
        label=peer.label,
        incremental=peer.incremental,
        full=full,
        online=found.get("online", full),
        key=found.get("key", full),
        enter=found.get("enter", full),
    )


def _tokens(peer: Peer, queries: Sequence[str]) -> TokenCounts:
    return count_tokens(peer.encoder.config.name, peer.encoder.tokenizer, queries)
