"""``python -m training.light.evaluate RECIPE.toml ROUND DATASET``: measures a round of LightRetriever's training.

The round's own encoder encodes the passages of a collection. The table has nDCG@10 of the collection's queries by the
whole model, by the look-up, by counts of tokens, and by look-up and counts together. Then follow the paper's curves
(figure 5): dense by the number of dimensions, sparse by the number of weights that a passage keeps. The weight of the
sparse arm has to be chosen elsewhere, for instance on a development split.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from training.commandline import run
from training.light.model import PassageSide, mean_of_tokens, token_counts
from training.light.sparse_passages import SparsePassages
from training.ranking.encoding import passage_ids, query_ids
from training.ranking.recipe import LightRecipe, read_stage2
from training.ranking.round_folders import PASSAGES
from training.recipe import Recipe, read_recipe
from training.teacher.token_encoder import token_table
from training.teacher.torch_teacher import TorchTeacher
from typeahead.evaluate.data.collection import Passage
from typeahead.evaluate.data.datasets import Dataset, open_dataset
from typeahead.evaluate.measures.fusion import Fusion
from typeahead.evaluate.measures.metrics import mean, per_query
from typeahead.evaluate.measures.runs import Run
from typeahead.index.vectors import Ranking
from typeahead.tables import report

MEASURE = "nDCG@10"
#: How many hits of each arm are fused, and scored.
_DEPTH = 100
#: The points of the curve: weights kept of a passage. The first is also the most that is ever kept.
_WEIGHTS = (512, 256, 128, 64, 32, 16)
_DIMENSIONS = (256, 128, 64, 32)


class Encoded:
    """A collection's passages, encoded by one round's model."""

    def __init__(self, recipe: Recipe, one: LightRecipe, run: Path, passages: Sequence[Passage]) -> None:
        self.one = one
        self.max_tokens = recipe.student.max_tokens
        self.names = [passage.id for passage in passages]
        folder = run / one.name / PASSAGES
        model = SparsePassages(folder) if one.sparse else None
        self.teacher = model.teacher if model else TorchTeacher(str(folder))
        side = model.side if model else PassageSide(self.teacher, None).eval()
        ids = passage_ids(self.teacher, [passage.text for passage in passages], one.passage_tokens)
        vectors, self.weights = side.encode(ids, max(_WEIGHTS))
        self.vectors = torch.from_numpy(vectors)
        self.prompt = (one.prompts or (self.teacher.query_prompt,))[0]
        self.table = token_table(self.teacher, self.prompt)

    def unit(self, vectors: Tensor) -> Tensor:
        """The vectors, of length 1 if they are compared by cosine."""
        return nn.functional.normalize(vectors, dim=1) if self.teacher.similarity == "cosine" else vectors


class Evaluation:
    """The queries of one split, searched over the encoded passages."""

    def __init__(self, encoded: Encoded, dataset: Dataset) -> None:
        self._encoded, self._dataset = encoded, dataset
        teacher = encoded.teacher
        self._tokens = query_ids(teacher, list(dataset.queries.values()), encoded.max_tokens)
        before, after = teacher.special_ids(encoded.prompt)
        whole = [[*before, *tokens, *after] for tokens in self._tokens]
        self.queries = {
            "whole queries": encoded.unit(torch.from_numpy(teacher.encode_ids_by_length(whole))),
            "look-up": mean_of_tokens(encoded.table, self._tokens, normalize=teacher.similarity == "cosine"),
        }

    def dense(self, queries: str, dimensions: int | None = None) -> list[Ranking]:
        """The queries' rankings by the first ``dimensions`` of the vectors, or by all."""
        unit = self._encoded.unit
        asked, passages = (unit(part[:, :dimensions]) for part in (self.queries[queries], self._encoded.vectors))
        return _best((asked @ passages.T).numpy())

    def sparse(self, keep: int) -> tuple[list[Ranking], float]:
        """The rankings by counts of tokens if passages ``keep`` that many weights, and the mean number they have."""
        assert self._encoded.weights is not None
        kept = largest(self._encoded.weights, keep)
        counts = token_counts(self._tokens, kept.shape[1], self._encoded.one.counts)
        return _best((counts @ kept.T).toarray()), kept.nnz / kept.shape[0]

    def score(self, rankings: Sequence[Ranking]) -> float:
        """The nDCG@10 of rankings, as a fraction."""
        hits = {
            query: [(self._encoded.names[row], score) for row, score in ranking]
            for query, ranking in zip(self._dataset.queries, rankings, strict=True)
        }
        found = mean(per_query(Run("light", hits), self._dataset.qrels, self._dataset.relevant_from))[MEASURE]
        return round(found, 4)


def _best(scores: np.ndarray) -> list[Ranking]:
    """The best rows of each query, without those that score zero. Ties are in the order of the rows."""
    depth = min(_DEPTH, scores.shape[1])
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    return [
        [(int(row), float(values[row])) for row in found if values[row] != 0]
        for found, values in zip(rows, scores, strict=True)
    ]


def largest(weights: csr_array, count: int) -> csr_array:
    """Keep the ``count`` largest weights of each row."""
    parts: tuple[list[np.ndarray], list[np.ndarray], list[int]] = ([], [], [0])
    for row in range(weights.shape[0]):
        own = slice(weights.indptr[row], weights.indptr[row + 1])
        data, columns = weights.data[own], weights.indices[own]
        kept = np.sort(np.argsort(-data, kind="stable")[:count])
        parts[0].append(data[kept])
        parts[1].append(columns[kept])
        parts[2].append(parts[2][-1] + len(kept))
    return csr_array((np.concatenate(parts[0]), np.concatenate(parts[1]), parts[2]), weights.shape)


def rows_of(found: Evaluation, one: LightRecipe, weights: Sequence[float]) -> list[dict[str, Any]]:
    """The rows of the table."""
    rows: list[dict[str, Any]] = []

    def add(system: str, setting: str, rankings: Sequence[Ranking]) -> None:
        rows.append({"queries by": system, "setting": setting, MEASURE: found.score(rankings)})

    if one.dense:
        for system in found.queries:
            add(system, "", found.dense(system))
    if one.sparse:
        sparse, active = found.sparse(one.top_k or max(_WEIGHTS))
        add("counts of tokens", f"{active:.0f} weights a passage", sparse)
        for weight in weights if one.dense else ():
            fusion, dense = Fusion("linear", weight, _DEPTH), found.dense("look-up")
            fused = [
                [(hit.key, hit.score) for hit in fusion.fuse(left, right, _DEPTH)]
                for left, right in zip(dense, sparse, strict=True)
            ]
            add("both", f"sparse weight {weight}", fused)
    for system in found.queries if one.dense else ():
        for dimensions in _DIMENSIONS:
            add(system, f"{dimensions} dimensions", found.dense(system, dimensions))
    for keep in _WEIGHTS if one.sparse else ():
        sparse, active = found.sparse(keep)
        add("counts of tokens", f"at most {keep} weights, {active:.0f} a passage", sparse)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.light.evaluate", description=__doc__.split("\n\n")[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("round")
    parser.add_argument("dataset", help="a BEIR folder, or an id of ir_datasets")
    parser.add_argument("--split", nargs="+", default=["test"], help="splits; each gets a table")
    parser.add_argument("--relevant-from", type=int, help="the lowest grade of a relevant passage")
    parser.add_argument(
        "--weight", type=float, nargs="+", default=[0.3], help="weight of the sparse arm where both are fused"
    )
    parser.add_argument("--out", type=Path, help="folder of the run (default: runs/NAME)")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    recipe, one = read_recipe(options.recipe), read_stage2(options.recipe).lighting(options.round)
    datasets = {
        split: open_dataset(options.dataset, split=split, relevant_from=options.relevant_from)
        for split in options.split
    }
    first = next(iter(datasets.values()))
    encoded = Encoded(recipe, one, options.out or Path("runs") / recipe.name, list(first.passages()))
    for split, dataset in datasets.items():
        title = f"{recipe.name}, {one.name}, on {dataset.name} ({split}): {len(dataset.queries)} queries"
        path = options.json and options.json.with_name(f"{options.json.stem}-{split}{options.json.suffix}")
        report(title, rows_of(Evaluation(encoded, dataset), one, options.weight), json_path=path)


if __name__ == "__main__":
    run(main)
