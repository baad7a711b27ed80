"""Steps that a shared tree of token prefixes saves, on real queries that many people type at the same time.

    python -m benchmarks.tree [--queries FILE] [--count 20000] [--sessions 128] [--json PATH]

Queries are drawn at random and typed key by key, each by a session of its own. --sessions of them type at a time, and
each key belongs to a session chosen at random (--seed). The engine's steps are counted twice: with a scope for each
session, as on a server, and with one scope for all (serve --shared-cache). The table compares them with the steps
*without sharing*: each session alone, with a cache of its own prefixes that forgets nothing. The tree's cache is
bounded by --cache-bytes, so it loses what was typed long ago. Without a file of queries they are made up, and share
less than real ones do.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any

import typeahead
from benchmarks import options
from benchmarks.typed import load_queries
from typeahead.core.encoder import IncrementalEncoder
from typeahead.core.engine import Engine
from typeahead.core.session import Session
from typeahead.errors import TypeaheadError
from typeahead.tables import report


def interleaved(queries: Sequence[str], at_a_time: int, seed: int) -> Iterator[list[tuple[int, str]]]:
    """Yield rounds of keys as (number of the query, text), in random order, at most one key of a query in each."""
    rng = random.Random(seed)
    waiting = iter(range(len(queries)))
    typing = dict.fromkeys(islice(waiting, at_a_time), 0)
    while typing:
        # Half of the people press a key before the others press their next one.
        pressing = rng.sample(sorted(typing), max(len(typing) // 2, 1))
        keys = []
        for number in pressing:
            typing[number] += 1
            keys.append((number, queries[number][: typing[number]]))
            if typing[number] == len(queries[number]):
                del typing[number]
                following = next(waiting, None)
                if following is not None:
                    typing[following] = 0
        yield keys


def alone(paths: Sequence[tuple[int, ...]]) -> int:
    """Steps of one session on its own: the number of its distinct token prefixes."""
    known: set[tuple[int, ...]] = set()
    for path in paths:
        known.update(path[:end] for end in range(1, len(path) + 1))
    return len(known)


def type_interleaved(
    engine: Engine, queries: Sequence[str], *, at_a_time: int, seed: int, shared: bool = True
) -> tuple[int, float]:
    """Type all queries on ``engine``. Returns the keys, and the seconds of tokenizer and engine."""
    sessions: dict[int, Session] = {}
    scope = engine.scope() if shared else None
    seconds = 0.0
    keys = 0
    for pressed in interleaved(queries, at_a_time, seed):
        start = time.perf_counter()
        for number, text in pressed:
            if number not in sessions:
                sessions[number] = engine.session(max_chars=1 << 20, scope=scope)
            sessions[number].set_text(text)
        engine.advance([sessions[number] for number, _ in pressed])
        seconds += time.perf_counter() - start
        keys += len(pressed)
        for number, text in pressed:
            if len(text) == len(queries[number]):
                del sessions[number]
    return keys, seconds


def measure(
    encoder: IncrementalEncoder, queries: Sequence[str], *, at_a_time: int, cache_bytes: int, seed: int, shared: bool
) -> dict[str, Any]:
    """Type all queries and count steps."""
    engine = Engine(encoder, cache_bytes=cache_bytes)
    keys, seconds = type_interleaved(engine, queries, at_a_time=at_a_time, seed=seed, shared=shared)
    needed = 0
    every: set[tuple[int, ...]] = set()
    for query in queries:
        paths = [encoder.tokenizer.encode(query[:end])[: encoder.max_tokens] for end in range(1, len(query) + 1)]
        needed += alone(paths)
        every.update(path[:end] for path in paths for end in range(1, len(path) + 1))
    computed = engine.stats.steps_computed
    return {
        "sessions": "share" if shared else "apart",
        "queries": len(queries),
        "typing at a time": at_a_time,
        "cache MB": cache_bytes / 1e6,
        "keys": keys,
        "steps without sharing": needed,
        "steps computed": computed,
        "saved %": 100 * (1 - computed / needed),
        "saved % if nothing were forgotten": 100 * (1 - len(every) / needed),
        "keystrokes/s": keys / seconds,
    }


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = options.parser("tree", __doc__)
    parser.add_argument("--queries", type=Path, metavar="FILE", help="one query, or source<TAB>query, a line")
    parser.add_argument("--count", type=options.whole, default=20_000)
    parser.add_argument("--sessions", type=options.whole, default=128, help="queries typed at the same time (128)")
    parser.add_argument(
        "--cache-bytes", type=options.whole, nargs="+", default=[256 << 20], help="size of the tree (256 MiB)"
    )
    parser.add_argument("--encoder", default="minilm-gru", help="a model's name or folder")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    queries, typing = load_queries(chosen.queries, chosen.count, seed=chosen.seed)
    encoder: Any = typeahead.load(chosen.encoder)
    if not isinstance(encoder, IncrementalEncoder):
        raise TypeaheadError(f"{chosen.encoder} encodes whole texts: give a query encoder")
    table = []
    for capacity, shared in product(chosen.cache_bytes, (False, True)):
        try:
            table.append(
                measure(
                    encoder,
                    queries,
                    at_a_time=chosen.sessions,
                    cache_bytes=capacity,
                    seed=chosen.seed,
                    shared=shared,
                )
            )
        except ValueError as error:
            raise TypeaheadError(f"--cache-bytes: {error}") from error
    report("Shared tree", table, json_path=chosen.json, typing=typing, encoder=encoder.config.name, seed=chosen.seed)


if __name__ == "__main__":
    options.run(main)
