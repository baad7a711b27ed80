"""What metrics add to a keystroke in process. The bar is 5%.

    python -m benchmarks.metrics [--traces keystrokes.jsonl.gz] [--keys 20000] [--json PATH]

Types the same keys twice in turns, key by key into one session, on one thread: once bare, and once with everything that
the server records for a reply (the clock of each stage, the histograms, the outcome, the slowest replies). Each side
has its own cache of token prefixes. Whoever comes second finds the processor's and the tokenizer's caches warm, so each
side comes second once in a round of two turns. The printed share is the median over the rounds, because a single round
on a busy machine says little. The recording alone is also timed, in a loop of its own. Without ``--traces``, the keys
are those of made-up queries.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typeahead
from typeahead.core.encoder import IncrementalEncoder
from typeahead.core.engine import Engine
from typeahead.evaluate.data.traces import read_traces
from typeahead.server.observe.metrics import ServerMetrics
from typeahead.tables import report

#: Keystrokes in one turn.
TURN = 400


def made_up(keys: int) -> list[str]:
    """The text after each key of made-up queries."""
    words = "how long to boil an egg read file line by line what is the most frequent value of a list near me".split()
    chance = random.Random(1)
    texts: list[str] = []
    while len(texts) < keys:
        query = " ".join(chance.choices(words, k=chance.randint(2, 7)))
        texts += (query[:end] for end in range(1, len(query) + 1))
    return texts[:keys]


def recorded(path: Path, keys: int) -> list[str]:
    """The text after each key of recorded typing."""
    texts: list[str] = []
    for trace in read_traces(path):
        texts += (key.text for key in trace)
        if len(texts) >= keys:
            break
    return texts[:keys]


def bare(engine: Engine, texts: Sequence[str]) -> float:
    """Type. Returns the seconds."""
    session = engine.session()
    started = time.perf_counter()
    for text in texts:
        session.set_text(text)
        if session.pending:
            engine.advance((session,))
    return time.perf_counter() - started


def measured(engine: Engine, texts: Sequence[str], metrics: ServerMetrics) -> float:
    """Type, and record what the server records. Returns the seconds."""
    session = engine.session()
    clock = time.perf_counter_ns
    started = time.perf_counter()
    for text in texts:
        arrived_ns = clock()
        session.set_text(text)
        tokenized_ns = clock()
        if session.pending:
            engine.advance((session,))
        stepped_ns = clock()
        metrics.keystrokes["served"].add()
        stages_ns = (0, tokenized_ns - arrived_ns, stepped_ns - tokenized_ns, 0, 0)
        total_ns = clock() - arrived_ns
        metrics.replied(arrived_ns, total_ns, stages_ns, len(text), len(session.tokens), False)
    return time.perf_counter() - started


def recording_alone(calls: int) -> float:
    """Seconds to record one reply in which every stage took time."""
    metrics = ServerMetrics("none")
    chance = random.Random(1)
    totals = [int(chance.lognormvariate(11, 1)) for _ in range(calls)]
    clock = time.perf_counter_ns
    started = time.perf_counter()
    for total_ns in totals:
        arrived_ns = clock()
        metrics.keystrokes["served"].add()
        part = total_ns // 5
        stages_ns = (part, part, part, part, part)
        metrics.replied(arrived_ns, total_ns, stages_ns, 20, 5, False)
    return (time.perf_counter() - started) / calls


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="minilm-gru", help="a model's name or folder")
    parser.add_argument("--traces", type=Path, help="recorded typing: JSON lines, plain or gzipped")
    parser.add_argument("--keys", type=int, default=20_000, help="number of keystrokes (20000)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    if options.keys < 2 * TURN:
        parser.error(f"--keys is {options.keys}: at least {2 * TURN} are needed")
    texts = recorded(options.traces, options.keys) if options.traces else made_up(options.keys)
    encoder: Any = typeahead.load(options.encoder)
    if not isinstance(encoder, IncrementalEncoder):
        parser.error(f"{options.encoder} encodes whole texts: give a query encoder such as minilm-gru")
    plain, counted, metrics = Engine(encoder), Engine(encoder), ServerMetrics(encoder.config.name)
    turns = [texts[first : first + TURN] for first in range(0, len(texts) - TURN + 1, TURN)]
    pairs: list[tuple[float, float]] = []
    for first, second in zip(turns[::2], turns[1::2], strict=False):
        without = bare(plain, first)
        with_metrics = measured(counted, first, metrics) + measured(counted, second, metrics)
        pairs.append((without + bare(plain, second), with_metrics))
    per_key = [[spent / (2 * TURN) * 1e6 for spent in side] for side in zip(*pairs, strict=True)]
    alone = recording_alone(200_000) * 1e6
    rows = [
        {"keystroke": name, "median µs": statistics.median(spent), "mean µs": statistics.fmean(spent)}
        for name, spent in (("bare", per_key[0]), ("with metrics", per_key[1]), ("metrics alone", [alone]))
    ]
    shares = [with_metrics / without - 1 for without, with_metrics in pairs]
    report(
        f"Metrics, {2 * TURN * len(pairs)} keystrokes in turns of {TURN}",
        rows,
        json_path=options.json,
        **{
            "overhead_%_(median_over_rounds)": 100 * statistics.median(shares),
            "metrics_alone,_%_of_the_bare_median": 100 * alone / statistics.median(per_key[0]),
        },
    )


if __name__ == "__main__":
    main()
