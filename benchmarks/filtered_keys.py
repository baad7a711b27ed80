"""What the search of a key costs under a filter: from its embedding and words to its hits, by both arms.

    python -m benchmarks.filtered_keys INDEX [--queries 100] [--json PATH]

INDEX is the folder of an index of vectors of all-MiniLM-L6-v2. Queries are typed ones, at a third, half and all of
their length. Each is searched for without a filter and then with one. Filters admit documents at random. The index
remembers them from the first key on, as those of a session. Times are milliseconds of the clock, p50 and p99, and
"times" is the ratio of the two medians.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks import options
from benchmarks.filters import SHARES
from benchmarks.typed import load_queries
from typeahead.core.engine import Engine
from typeahead.encoders.causal import CausalEncoder
from typeahead.encoders.loading import load
from typeahead.index.columns import StoredColumns
from typeahead.index.engine import EmbeddedEngine
from typeahead.index.file_part import FilePart
from typeahead.index.kinds import NUMBER
from typeahead.index.living import LivingIndex
from typeahead.search.asking import Asker
from typeahead.search.filters import Equal, Filter
from typeahead.search.port import Request
from typeahead.search.ranking import find
from typeahead.tables import report

_FIELD: Final = "share"
_PARTS: Final = (1 / 3, 1 / 2, 1)
_K: Final = 8


class Chosen(StoredColumns):
    """Columns of one field, which has a value in the documents of a mask, each mask for a value of its own."""

    def __init__(self, count: int, masks: Sequence[NDArray[np.bool_]]) -> None:
        super().__init__(count, {})
        self.kinds: Mapping[str, str] = {_FIELD: NUMBER}
        self._masks = masks

    def admitted(self, tree: Filter) -> NDArray[np.bool_]:
        """Return the mask of a number."""
        assert isinstance(tree, Equal)
        return self._masks[int(tree.value)]


async def measured(engine: EmbeddedEngine, requests: Sequence[Request], tree: Filter) -> dict[str, float]:
    """Columns of the table for one filter."""
    times: tuple[list[float], list[float]] = ([], [])
    for request in requests:
        for place, asked in enumerate((request, replace(request, filter=tree))):
            started = time.perf_counter()
            await find(engine, [asked], time.monotonic() + 60)
            times[place].append(1000 * (time.perf_counter() - started))
    plain, filtered = (np.percentile(one, (50, 99)) for one in times)
    return {
        "p50 ms": round(float(filtered[0]), 2),
        "p99 ms": round(float(filtered[1]), 2),
        "without p50 ms": round(float(plain[0]), 2),
        "without p99 ms": round(float(plain[1]), 2),
        "times": round(float(filtered[0] / plain[0]), 2),
    }


async def table(folder: Path, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Measure all filters."""
    rng = np.random.default_rng(3)
    with LivingIndex(folder) as index:
        (part, *_) = index.contents.parts
        assert isinstance(part, FilePart)
        part.columns = Chosen(part.count, [rng.random(part.count) < share for share in SHARES])
        engine = EmbeddedEngine(index)
        encoder = load("minilm-causal")
        assert isinstance(encoder, CausalEncoder)
        asker = Asker(Engine(encoder), words=True)
        asker.learn(index.contents.words[0].vocabulary)
        requests = asker.ask([text[: max(1, round(part * len(text)))] for text in texts for part in _PARTS], _K)
        rows = []
        for number, share in enumerate(SHARES):
            tree = Equal(_FIELD, number)
            # The first key of a session makes the mask.
            await find(engine, [replace(requests[0], filter=tree)], time.monotonic() + 60)
            rows.append({"admitted": f"{share:.1%}", **await measured(engine, requests, tree)})
    return rows


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = options.parser("filtered_keys", __doc__)
    parser.add_argument("index", type=Path, metavar="INDEX")
    parser.add_argument("--queries", type=options.whole, default=100)
    chosen = parser.parse_args(arguments)
    texts, source = load_queries(None, chosen.queries)
    rows = asyncio.run(table(chosen.index, texts))
    report("Keys under a filter", rows, json_path=chosen.json, index=chosen.index.name, queries=source)


if __name__ == "__main__":
    options.run(main)
