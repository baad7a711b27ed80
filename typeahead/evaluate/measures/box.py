"""Retrieval quality of a search box: its back end, its encoder and its ranking, as they are served.

The sibling :mod:`~typeahead.evaluate.measures.retrieval` compares encoders by exact search over a collection's vectors;
here queries go through :func:`typeahead.search.ranking.find`, like those of the server, to whatever back end an address
opens.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from typeahead.evaluate.data.datasets import Dataset
from typeahead.evaluate.measures.runs import Run
from typeahead.search.asking import Asker
from typeahead.search.learning import learn
from typeahead.search.port import Backend, Key
from typeahead.search.ranking import find

#: Hits that are asked for, which the measures look at.
DEPTH = 100
_BATCH = 32
_FETCHED = 1000
#: Seconds that one batch may take.
_PATIENCE = 120.0


async def missing(backend: Backend, dataset: Dataset) -> tuple[int, int]:
    """Count the judged passages of ``dataset`` that the back end does not hold, and all that are judged."""
    judged = list({passage: None for grades in dataset.qrels.values() for passage in grades})
    found = 0
    for start in range(0, len(judged), _FETCHED):
        part = [Key(one) for one in judged[start : start + _FETCHED]]
        found += len(await backend.fetch(part, time.monotonic() + _PATIENCE))
    return len(judged) - found, len(judged)


async def search(
    backend: Backend,
    asker: Asker,
    dataset: Dataset,
    *,
    progress: Callable[[str, int, int | None], None] | None = None,
) -> Run:
    """Search for all queries of ``dataset``, whole; ids of documents have to be those of the dataset.

    ``asker`` makes the requests, by the words of the back end's documents.
    """
    scale = await learn(backend, asker, time.monotonic() + _PATIENCE)
    found: dict[str, list[tuple[str, float]]] = {}
    queries = list(dataset.queries.items())
    for start in range(0, len(queries), _BATCH):
        part = queries[start : start + _BATCH]
        requests = asker.ask([text for _, text in part], DEPTH)
        answers = await find(backend, requests, time.monotonic() + _PATIENCE, scale)
        for (query, _), answer in zip(part, answers, strict=True):
            # Scores that are as far apart as their ranks: those of equal score keep the order that people see.
            found[query] = [(hit.id, float(-rank)) for rank, hit in enumerate(answer.hits)]
        if progress is not None:
            progress("searching", start + len(part), len(queries))
    return Run(backend.address, found)
