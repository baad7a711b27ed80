"""Queries a second in batches, with tokenization and encoding timed apart: table 1 of LightRetriever, on a CPU.

*LightRetriever* (Ma et al. 2025, arXiv 2505.12260, table 1) encodes 65,536 queries in batches of growing size. Here an
encoder gets a whole batch in one call and may divide it. The sibling
:mod:`~typeahead.evaluate.measures.query_latency` times one query at a time, the time that a user waits.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from typeahead.core.tokens import check_text
from typeahead.errors import TypeaheadError
from typeahead.evaluate.measures.query_latency import undisturbed
from typeahead.evaluate.peers import Peer
from typeahead.progress import OnProgress

#: Queries of a cell, and the batch sizes of table 1.
QUERIES = 65_536
BATCHES = (16, 64, 256, 1024, 4096, 8192)
#: Seconds after which a cell stops, at the end of a batch.
BUDGET = 20.0
#: A batch that is expected to take more than this many budgets is left out.
_PATIENCE = 2.0
#: The smallest cosine of an encoder's two stages to its ``encode``.
_AGREEMENT = 0.9999
_WARM_UP = 32


@dataclass(frozen=True)
class Cell:
    """One encoder at one batch size. Everything is measured, on ``queries`` queries."""

    label: str
    batch: int
    #: Encoded queries: fewer than asked for if the budget was used up, 0 if the cell was left out.
    queries: int
    #: Seconds for all of them.
    tokenize: float
    encode: float
    note: str = ""

    @property
    def queries_per_second(self) -> float | None:
        """Tokenization and encoding together; ``None`` for a cell that was left out."""
        spent = self.tokenize + self.encode
        return self.queries / spent if self.queries and spent else None


@dataclass(frozen=True)
class ThroughputReport:
    """The result of :func:`measure`."""

    cells: list[Cell]
    #: Queries of each cell, if the budget allows, how many of them are distinct, and how they were drawn.
    queries: int
    distinct: int
    taken: str
    budget_seconds: float
    threads: int
    seed: int
    skipped: list[dict[str, str]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values; durations in seconds."""
        return asdict(self) | {
            "cells": [asdict(cell) | {"queries_per_second": cell.queries_per_second} for cell in self.cells]
        }

    def rows(self) -> list[dict[str, Any]]:
        """The table: a row for each encoder and batch size."""
        return [
            {
                "query encoder": cell.label,
                "batch": cell.batch,
                "queries": cell.queries,
                "tokenize µs a query": 1e6 * cell.tokenize / cell.queries if cell.queries else None,
                "encode µs a query": 1e6 * cell.encode / cell.queries if cell.queries else None,
                "queries a second": cell.queries_per_second,
                "note": cell.note,
            }
            for cell in self.cells
        ]


def draw(queries: Sequence[str], count: int, seed: int) -> tuple[list[str], int, str]:
    """Draw ``count`` queries. Gives them, how many of them are distinct, and how they were drawn.

    They are drawn without replacement if there are enough. Otherwise all are repeated equally often, give or take one,
    and shuffled.
    """
    usable = [text for text in queries if check_text(text).strip()]
    if not usable:
        raise TypeaheadError("there is no query to time: all are empty")
    rng = random.Random(seed)
    if len(usable) >= count:
        drawn, taken = rng.sample(usable, count), f"drawn from {len(usable):,}"
    else:
        times, rest = divmod(count, len(usable))
        drawn, taken = (
            usable * times + rng.sample(usable, rest),
            f"{len(usable):,} repeated {count / len(usable):.1f} times",
        )
        rng.shuffle(drawn)
    return drawn, len(set(drawn)), taken


def measure(
    peers: Sequence[Peer],
    queries: Sequence[str],
    *,
    count: int = QUERIES,
    batches: Sequence[int] = BATCHES,
    budget: float = BUDGET,
    threads: int = 1,
    seed: int = 0,
    progress: OnProgress | None = None,
) -> ThroughputReport:
    """Time every encoder of ``peers`` at every batch size.

    ``budget`` is in seconds for each cell: a cell ends with the batch that uses it up, and states on how many queries
    it was measured. A batch that would take more than twice the budget, by the speed at the size before, is left out,
    and the cell says so. All encoders run at one batch size before the next, each with an empty cache of words.
    ``threads`` is the number that the peers were loaded with. Retrievers are skipped.

    Raises :class:`~typeahead.errors.TypeaheadError` without a query, or if the two stages do not give the same vectors
    as the encoder.
    """
    if count < 1 or not batches or min(batches) < 1:
        raise ValueError(f"{count} queries in batches of {list(batches)}: all must be at least 1")
    drawn, distinct, taken = draw(queries, count, seed)
    encoders = [peer for peer in peers if peer.encoder is not None]
    cells: list[Cell] = []
    with undisturbed(threads=threads):
        speeds = {peer.label: _settle(peer, drawn[:_WARM_UP]) for peer in encoders}
        for size in sorted(batches):
            for peer in encoders:
                cell = _cell(peer, drawn, size, budget, speeds[peer.label])
                speeds[peer.label] = cell.queries_per_second or speeds[peer.label]
                cells.append(cell)
                gc.collect()
                if progress:
                    progress("throughput", len(cells), len(batches) * len(encoders))
    return ThroughputReport(
        cells=cells,
        queries=count,
        distinct=distinct,
        taken=taken,
        budget_seconds=budget,
        threads=threads,
        seed=seed,
        skipped=[
            {"query_encoder": peer.label, "skipped": "retrieves passages and encodes nothing"}
            for peer in peers
            if peer.encoder is None
        ],
    )


def _settle(peer: Peer, texts: Sequence[str]) -> float:
    """Warm up and compare the stages with the encoder. Gives queries a second, roughly."""
    stages = peer.stages()
    whole = peer.encode(texts)
    start = time.perf_counter()
    staged = stages.encode_tokens(stages.tokenize(texts))
    spent = time.perf_counter() - start
    lengths = np.linalg.norm(whole, axis=1) * np.linalg.norm(staged, axis=1)
    if (np.einsum("nd,nd->n", whole, staged) < _AGREEMENT * lengths).any() or (whole.any(1) != staged.any(1)).any():
        raise TypeaheadError(f"{peer.label}: its two stages give other vectors than its encode: not timed")
    return len(texts) / max(spent, 1e-9)


def _cell(peer: Peer, drawn: Sequence[str], size: int, budget: float, speed: float) -> Cell:
    size_now = min(size, len(drawn))
    if size_now / speed > _PATIENCE * budget:
        note = f"left out: at {speed:.0f} queries a second a batch takes {size_now / speed:.0f} s"
        return Cell(peer.label, size, 0, 0.0, 0.0, note)
    stages = peer.stages()
    tokenizing = encoding = 0.0
    done = 0
    while done < len(drawn) and tokenizing + encoding < budget:
        texts = drawn[done : done + size]
        start = time.perf_counter()
        tokens = stages.tokenize(texts)
        between = time.perf_counter()
        stages.encode_tokens(tokens)
        tokenizing += between - start
        encoding += time.perf_counter() - between
        done += len(texts)
    note = "" if done == len(drawn) else f"stopped after {budget:g} s"
    return Cell(peer.label, size, done, tokenizing, encoding, note)
