"""Retrieval quality of query encoders over one frozen index of passage vectors.

This module joins the parts: a collection (:mod:`~typeahead.evaluate.data.datasets`), its passages' vectors
(:mod:`~typeahead.evaluate.vectors.passages`), exact or FAISS search (:mod:`~typeahead.evaluate.vectors.search`), runs
and metrics. It asks finished queries; the sibling :mod:`~typeahead.evaluate.measures.prefixes` asks each prefix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.errors import SourceError
from typeahead.evaluate.measures.metrics import mean, per_query
from typeahead.evaluate.measures.runs import Run
from typeahead.evaluate.vectors.search import Backend, search
from typeahead.progress import OnProgress

if TYPE_CHECKING:
    from typeahead.evaluate.data.datasets import Dataset
    from typeahead.evaluate.peers import Peer
    from typeahead.evaluate.vectors.passages import PassageVectors

#: Hits of each query that are kept, as in the official runs of MS MARCO and TREC.
DEPTH = 1000
#: Queries for an encoder at once: a teacher takes seconds for them, and progress is shown in between.
_AT_ONCE = 512


@dataclass(frozen=True)
class Result:
    """The run of one query encoder, and its scores."""

    run: Run
    #: Measure to query to value, for all judged queries.
    per_query: dict[str, dict[str, float]]

    @property
    def label(self) -> str:
        """What the encoder is called."""
        return self.run.name

    @property
    def metrics(self) -> dict[str, float]:
        """Means over all judged queries, as fractions."""
        return mean(self.per_query)


def retrieve(
    peer: Peer,
    dataset: Dataset,
    passages: PassageVectors,
    *,
    depth: int = DEPTH,
    backend: Backend = "exact",
    threads: int | None = None,
    progress: OnProgress | None = None,
) -> Result:
    """Find the ``depth`` best passages of each judged query, and score them.

    A query without a visible character finds nothing, although encoders of whole texts give it a vector. A query
    without a token finds nothing either. A retriever without embeddings gets the passages' texts.

    Raises :class:`~typeahead.errors.SourceError` if the encoder's vectors are not finite, or of another dimension than
    the passages'.
    """
    texts = list(dataset.queries.values())
    if peer.retriever is not None:
        peer.retriever.index(dataset.passages())
        run = Run.from_hits(peer.label, zip(dataset.queries, peer.retriever.search(texts, depth), strict=True))
    else:
        queries = _encoded(peer, texts, progress)
        if len(queries) != len(texts):
            raise SourceError(f"{peer.label} on {dataset.name}: {len(queries)} vectors for {len(texts)} queries")
        queries[[not text.strip() for text in texts]] = 0
        try:
            rows, scores = search(queries, passages, depth, backend=backend, threads=threads, progress=progress)
        except SourceError as error:
            raise SourceError(f"{peer.label} on {dataset.name}: {error}") from error
        run = Run.from_rows(peer.label, list(dataset.queries), rows, scores, passages.ids_of)
    return Result(run, per_query(run, dataset.qrels, dataset.relevant_from))


def _encoded(peer: Peer, texts: Sequence[str], progress: OnProgress | None) -> Vectors:
    """Vectors of queries, float32 (n, dim)."""
    parts = []
    for first in range(0, len(texts), _AT_ONCE):
        parts.append(np.asarray(peer.encode(texts[first : first + _AT_ONCE]), np.float32))
        if progress:
            progress(f"queries by {peer.label}", min(first + _AT_ONCE, len(texts)), len(texts))
    return np.concatenate(parts)


def baseline_of(peers: Sequence[Peer], passage_encoder: Peer, wanted: str | None) -> str | None:
    """Label of the query encoder that the others are compared with; ``None`` if there is nothing to compare.

    It is the ``wanted`` one, or else the one that also encodes the passages, their own teacher. Raises
    :class:`~typeahead.errors.SourceError` if there is no such label.
    """
    labels = [peer.label for peer in peers]
    if wanted is not None:
        if wanted not in labels:
            raise SourceError(f"{wanted!r} is none of the query encoders {', '.join(labels)}")
        return wanted
    return next((peer.label for peer in peers if peer.key == passage_encoder.key), None)
