"""What fewer dimensions cost: nDCG@10 by the number of dimensions, for three ways to reduce them.

    python -m benchmarks.dimensions DATASET --query-encoder minilm-gru [--passage-encoder ENCODER] [--json PATH]

``index`` is what ``typeahead index --dimensions`` does (:mod:`typeahead.index.projection`): a projection in which
passages keep their neighbours. ``axes`` is where that starts from, the axes of the passages' largest second moments.
``cut`` keeps the first entries, as one does with models that were trained for it. All vectors have length 1 afterwards.
Passages are encoded once, into the cache that ``typeahead evaluate`` uses. The search is exact.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import options
from typeahead.core.encoder import Vectors
from typeahead.evaluate.data.datasets import Dataset, open_dataset
from typeahead.evaluate.measures.metrics import mean, per_query
from typeahead.evaluate.measures.runs import Run
from typeahead.evaluate.peers import load_peer, load_peers
from typeahead.evaluate.vectors.passages import PassageVectors, encode_passages
from typeahead.evaluate.vectors.search import search
from typeahead.index.projection import principal_axes, project, projection_of
from typeahead.tables import report

_MEASURE = "nDCG@10"
_DEPTH = 10


def table(
    dataset: Dataset, passages: PassageVectors, queries: dict[str, Vectors], dimensions: Sequence[int]
) -> list[dict[str, Any]]:
    """One line for each query encoder and number of dimensions."""
    vectors = passages.to_array()
    lines = []
    for count in (vectors.shape[1], *dimensions):
        projections = {
            "index": projection_of(vectors, count, cosine=True),
            "axes": principal_axes(vectors, count),
            "cut": np.eye(vectors.shape[1], count, dtype=np.float32),
        }
        for label, asked in queries.items():
            line: dict[str, Any] = {"query encoder": label, "dimensions": count}
            for name, projection in projections.items():
                reduced = PassageVectors.from_arrays(passages.ids, project(vectors, projection, cosine=True))
                line[name] = _score(dataset, reduced, project(asked, projection, cosine=True))
            lines.append(line)
    whole = {line["query encoder"]: line for line in lines[: len(queries)]}
    return [
        {
            "query encoder": line["query encoder"],
            "dimensions": line["dimensions"],
            **{
                title: value
                for name in ("index", "axes", "cut")
                for title, value in (
                    (f"{_MEASURE}, {name}", round(line[name], 4)),
                    (f"of all, {name} %", round(100 * line[name] / whole[line["query encoder"]][name], 1)),
                )
            },
        }
        for line in sorted(lines, key=lambda line: list(queries).index(line["query encoder"]))
    ]


def _score(dataset: Dataset, passages: PassageVectors, queries: Vectors) -> float:
    rows, scores = search(queries, passages, _DEPTH)
    run = Run.from_rows("run", list(dataset.queries), rows, scores, passages.ids_of)
    return mean(per_query(run, dataset.qrels, dataset.relevant_from))[_MEASURE]


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = options.parser("dimensions", __doc__)
    parser.add_argument("dataset", metavar="DATASET", help="a BEIR folder, or an id of ir_datasets")
    parser.add_argument(
        "--query-encoder",
        nargs="+",
        required=True,
        metavar="ENCODER",
        help="query encoders, named as for typeahead evaluate",
    )
    parser.add_argument("--passage-encoder", default="minilm-doc", metavar="ENCODER", help="encoder of the passages")
    parser.add_argument("--relevant-from", type=options.whole, help="grade from which a passage counts as relevant")
    parser.add_argument("--dimensions", type=options.whole, nargs="+", default=[256, 128, 64], metavar="N")
    parser.add_argument(
        "--cache", type=Path, default=Path(".typeahead/passages"), help="folder that keeps passage vectors"
    )
    chosen = parser.parse_args(arguments)
    dataset = open_dataset(chosen.dataset, relevant_from=chosen.relevant_from)
    passage_encoder = load_peer(chosen.passage_encoder, threads=2).for_passages()
    peers, _ = load_peers(chosen.query_encoder, threads=2)
    passages = encode_passages(
        passage_encoder.encoder,
        passage_encoder.key,
        dataset,
        chosen.cache,
        announce=lambda line: print(line, file=sys.stderr),
    )
    texts = list(dataset.queries.values())
    queries = {peer.label: np.asarray(peer.encode(texts), np.float32) for peer in peers}
    facts = {"dataset": dataset.name, "passage_encoder": passage_encoder.label, "queries": len(texts)}
    report("Dimensions", table(dataset, passages, queries, chosen.dimensions), json_path=chosen.json, **facts)


if __name__ == "__main__":
    options.run(main)
