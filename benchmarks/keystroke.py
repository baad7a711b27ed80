"""A keystroke in process, stage by stage, on one thread, for growing numbers of people who type at once.

    python -m benchmarks.keystroke [--sessions 1 2 4 8 16 32 64 128] [--json PATH]

Each person types recorded sentences one after the other, corrections included. In each round everybody presses a key,
and the engine brings all sessions up to date. Every run starts with an empty cache. The stages, in microseconds a
keystroke:

tokenize   texts to tokens
look up    what the engine does for texts whose steps are all cached: a second group of people types the same
step       the rest of the engine's work: the steps themselves, and caching them
read out   taking the embedding of each session

Next to them, the step alone, one at a time, takes turns with bare int8 matrix-vector products of its sizes in C.
Figures are medians of --rounds runs. Needs nothing but ``typeahead`` itself, and a C compiler for the product.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import typeahead
from benchmarks import options
from benchmarks.machine import pinned
from benchmarks.product import Product
from benchmarks.typed import Trace, load_traces
from typeahead.core.encoder import IncrementalEncoder
from typeahead.core.engine import Engine
from typeahead.core.prefixes import Scope
from typeahead.errors import TypeaheadError
from typeahead.tables import report

#: Bytes of the cache, which has to hold everything typed in a run.
_CACHE_BYTES = 1 << 30
_STEPS_A_BLOCK = 200


@dataclass(frozen=True)
class Stages:
    """Nanoseconds of all keystrokes of a run, by stage."""

    keys: int
    tokenize: int
    advance: int
    read_out: int
    steps: int

    @property
    def total(self) -> int:
        """The sum of all stages."""
        return self.tokenize + self.advance + self.read_out


def rounds_of(traces: Sequence[Trace], people: int, keys: int) -> list[list[str]]:
    """What each of ``people`` types, one text a key: traces in a row, at most ``keys`` texts in all."""
    each = max(keys // people, 1)
    typed: list[list[str]] = []
    for person in range(people):
        texts: list[str] = []
        at = person
        while len(texts) < each:
            texts += [key.text for key in traces[at % len(traces)]]
            at += people
        typed.append(texts[:each])
    return typed


def type_all(
    engine: Engine, typed: Sequence[Sequence[str]], *, begun: Sequence[str] = (), scopes: Sequence[Scope] = ()
) -> Stages:
    """Let new sessions on ``engine`` type. Everybody presses a key in each round.

    ``begun`` holds the text that each session starts from; setting it is not timed. ``scopes`` holds the scope of each
    session. By default all scopes are new, so nobody finds what was typed in an earlier call.
    """
    scopes = scopes or [engine.scope() for _ in typed]
    sessions = [engine.session(max_chars=4096, scope=scope) for scope in scopes]
    for session, text in zip(sessions, begun, strict=False):
        session.set_text(text)
    engine.advance(sessions)
    before = engine.stats.steps_computed
    tokenize = advance = read_out = found = 0
    clock = time.perf_counter_ns
    for texts in zip(*typed, strict=True):
        start = clock()
        for session, text in zip(sessions, texts, strict=True):
            session.set_text(text)
        tokenized = clock()
        engine.advance(sessions)
        advanced = clock()
        for session in sessions:
            found += session.embedding is not None
        ended = clock()
        tokenize += tokenized - start
        advance += advanced - tokenized
        read_out += ended - advanced
    if not found:
        raise TypeaheadError("nothing that was typed has an embedding: are the traces empty?")
    keys = len(typed) * len(typed[0])
    return Stages(keys, tokenize, advance, read_out, engine.stats.steps_computed - before)


def measure(encoder_name: str, traces: Sequence[Trace], people: int, keys: int) -> dict[str, Any]:
    """One run for ``people`` sessions, with an empty cache."""
    encoder: Any = typeahead.load(encoder_name)
    engine = Engine(encoder, cache_bytes=_CACHE_BYTES)
    typed = rounds_of(traces, people, keys)
    scopes = [engine.scope() for _ in typed]
    processor, wall = time.process_time(), time.perf_counter()
    first = type_all(engine, typed, scopes=scopes)
    used = (time.process_time() - processor) / (time.perf_counter() - wall)
    again = type_all(engine, typed, scopes=scopes)
    if again.steps:
        raise TypeaheadError(
            f"{again.steps} steps were not cached: the cache is too small for {keys} keys, so lower --keys"
        )
    a_key = 1e-3 / first.keys
    return {
        "sessions": people,
        "keystrokes/s": first.keys / first.total * 1e9,
        "µs a key": first.total * a_key,
        "tokenize µs": first.tokenize * a_key,
        "look up µs": again.advance * a_key,
        "step µs": max(first.advance - again.advance, 0) * a_key,
        "read out µs": first.read_out * a_key,
        "steps a key": first.steps / first.keys,
        "processor %": 100 * used,
    }


def middle(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The median of each column."""
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]} | {"sessions": rows[0]["sessions"]}


def step_sizes(encoder: IncrementalEncoder) -> tuple[tuple[int, int], ...] | None:
    """(in, out) of each matrix of a residual GRU, from its configuration; None for other encoders."""
    hidden = encoder.config.shape.get("hidden")
    if encoder.config.family != "recurrent" or not hidden:
        return None
    return (hidden, 3 * hidden), (2 * hidden, encoder.dim)


def step_against_product(encoder: IncrementalEncoder, rounds: int) -> dict[str, Any]:
    """Time the step of one session and the bare products of its sizes, in turns. Returns the medians."""
    sizes = step_sizes(encoder)
    state = encoder.start()
    steps: list[float] = []
    products: list[list[float]] = []
    try:
        product = Product(*sizes) if sizes else None
        skipped = "" if product else "not a GRU"
    except TypeaheadError as error:
        product, skipped = None, str(error)
    rng = np.random.default_rng(0)
    for _ in range(rounds):
        for token in rng.integers(1000, encoder.tokenizer.vocabulary_size, _STEPS_A_BLOCK):
            tokens = np.array((token,), np.int64)
            start = time.perf_counter_ns()
            states, _ = encoder.step((state,), tokens)
            steps.append((time.perf_counter_ns() - start) / 1000)
            state = states[0]
        if product:
            products.append(product.microseconds(_STEPS_A_BLOCK))
    facts: dict[str, Any] = {"step_alone,_one_session,_p50_µs": round(statistics.median(steps), 2)}
    if not product or not sizes:
        return facts | {"bare_product": f"skipped: {skipped}"}
    each = [statistics.median(part) for part in zip(*products, strict=True)]
    for (rows, columns), spent in zip(sizes, each, strict=True):
        facts[f"bare_int8_product_of_{rows}_by_{columns},_µs"] = round(spent, 2)
    facts["step_/_product"] = round(statistics.median(steps) / sum(each), 2)
    return facts


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = options.parser("keystroke", __doc__)
    parser.add_argument("--sessions", type=options.whole, nargs="+", default=[1, 2, 4, 8, 16, 32, 64, 128])
    parser.add_argument("--keys", type=options.whole, default=30_000, help="keystrokes in each run (30000)")
    parser.add_argument("--rounds", type=options.whole, default=3)
    parser.add_argument("--encoder", default="minilm-gru", help="a model's name or folder")
    parser.add_argument("--core", type=options.cores, default=frozenset({0}))
    parser.add_argument(
        "--traces",
        type=Path,
        metavar="FILE",
        help="recorded typing, by default from $TYPEAHEAD_DATA (benchmarks/data.md)",
    )
    chosen = parser.parse_args(arguments)
    traces, typing = load_traces(chosen.traces)
    with pinned(chosen.core):
        encoder: Any = typeahead.load(chosen.encoder)
        if not isinstance(encoder, IncrementalEncoder):
            raise TypeaheadError(f"{chosen.encoder} encodes whole texts: give a query encoder")
        facts = step_against_product(encoder, 10 * chosen.rounds)
        table = [
            middle([measure(chosen.encoder, traces, people, chosen.keys) for _ in range(chosen.rounds)])
            for people in chosen.sessions
        ]
    report("Keystroke in process", table, json_path=chosen.json, typing=typing, encoder=encoder.config.name, **facts)


if __name__ == "__main__":
    options.run(main)
