"""What came of a training: the exported model beside its teacher, on texts that were held out."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data import read_examples
from training.gathering.gathered import DEVELOPMENT, TRAINING
from training.guided.reporting import Reporter
from training.guided.request import Request
from training.stage1.prepared import Prepared
from typeahead.encoders.loading import load
from typeahead.models.folder import find

#: Held-out texts to judge by, and passages to find.
_QUERIES, _PASSAGES = 1_000, 20_000
#: Passages that get vectors of their own if the teacher puts another prompt before them.
_PROMPTED = 2_000
_DEPTH = 10


@dataclass(frozen=True)
class Judged:
    """The figures of a finished training."""

    name: str
    #: The family that was kept, as :data:`~training.guided.request.FAMILIES` calls it.
    family: str
    queries: int
    passages: int
    #: The mean cosine of the exported model's vectors to the teacher's.
    cosine: float
    #: The share of the teacher's ten nearest passages among the model's ten nearest.
    agreement: float
    #: nDCG@10 of the model's ranking, where the teacher's ranking is the truth: its first passage is worth 10, its
    #: tenth 1. The teacher itself has 1.
    ndcg: float
    #: The same figures of the teacher's table of token vectors alone, before any training.
    untrained_agreement: float
    untrained_ndcg: float
    seconds: float

    def write(self, path: Path) -> None:
        """Write the figures as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    def __str__(self) -> str:
        """The figures as a person reads them."""
        if not self.queries:
            return f"{self.name} ({self.family}) could not be judged: there are too few texts to hold some of them out."
        return (
            f"On {self.queries:,} held-out texts over {self.passages:,} passages, {self.name} ({self.family}) finds "
            f"{self.agreement:.1%} of the teacher's ten nearest passages (untrained {self.untrained_agreement:.1%}), "
            f"with an nDCG@10 of {self.ndcg:.3f} by the teacher's own ranking (untrained {self.untrained_ndcg:.3f}) "
            f"and a mean cosine of {self.cosine:.3f}."
        )


def judge(request: Request, prepared: Prepared, family: str, reporter: Reporter, seconds: float) -> Judged:
    """Encode the held-out texts with the exported model, and compare what it finds with what the teacher finds."""
    teacher, cache = prepared.teacher, prepared.cache
    texts = request.folder / "texts"
    queries = [one.text for one in read_examples(texts / DEVELOPMENT)][:_QUERIES]
    trained = list(read_examples(texts / TRAINING))
    passages = [one.text for one in trained if one.source == "passage"]
    if len(passages) <= 10 * _DEPTH:
        passages = [one.text for one in trained]
    prompt = teacher.query_prompt
    if teacher.passage_prompt != prompt:
        passages = passages[:_PROMPTED]
        prompt = teacher.passage_prompt
        cache.fill(passages, prompt=prompt, label="the teacher's vectors of passages")
    passages = passages[:_PASSAGES]
    if not queries or not passages:
        return Judged(request.name, family, 0, len(passages), *(0.0,) * 5, round(seconds))
    targets = _scaled(cache.get(queries, prompt=teacher.query_prompt), teacher.similarity)
    index = _scaled(cache.get(passages, prompt=prompt), teacher.similarity)
    expected = _nearest(targets, index)
    encoder = load(find(request.out))
    found = np.empty((len(queries), targets.shape[1]), np.float32)
    for row, text in enumerate(queries):
        found[row] = encoder.encode([text])[0]
        reporter.progress("judging the exported model", row + 1, len(queries))
    table = teacher.token_vectors(cache.folder).numpy()
    plain = np.stack([_mean(table, ids) for ids in teacher.text_ids(queries)])
    agreement, ndcg = _figures(_nearest(_scaled(found, teacher.similarity), index), expected)
    plain_agreement, plain_ndcg = _figures(_nearest(_scaled(plain, teacher.similarity), index), expected)
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(targets, axis=1)
    return Judged(
        name=request.name,
        family=family,
        queries=len(queries),
        passages=len(passages),
        cosine=float(((found * targets).sum(1) / np.maximum(lengths, 1e-12)).mean()),
        agreement=agreement,
        ndcg=ndcg,
        untrained_agreement=plain_agreement,
        untrained_ndcg=plain_ndcg,
        seconds=round(seconds),
    )


def _mean(table: NDArray[np.float32], ids: list[int]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = table[ids].mean(0) if ids else np.zeros(table.shape[1], np.float32)
    return found


def _scaled(vectors: NDArray[np.float16 | np.float32], similarity: str) -> NDArray[np.float32]:
    scaled = vectors.astype(np.float32)
    if similarity == "cosine":
        scaled /= np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-12)
    return scaled


def _nearest(queries: NDArray[np.float32], passages: NDArray[np.float32]) -> NDArray[np.int64]:
    """The nearest passages of each query, best first: int64 (n, depth)."""
    depth = min(_DEPTH, len(passages))
    scores = queries @ passages.T
    top = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
    order = np.argsort(-np.take_along_axis(scores, top, 1), axis=1, kind="stable")
    return np.take_along_axis(top, order, 1)


def _figures(found: NDArray[np.int64], expected: NDArray[np.int64]) -> tuple[float, float]:
    """Agreement and nDCG@10 of rankings (n, depth), the expected one being worth depth, …, 1."""
    depth = expected.shape[1]
    gains = depth - np.arange(depth)
    discounts = 1 / np.log2(np.arange(depth) + 2)
    places = found[:, :, None] == expected[:, None, :]
    gained = (places * gains).sum(2)
    ndcg = (gained * discounts).sum(1) / (gains * discounts).sum()
    return float(places.any(2).mean()), float(ndcg.mean())
