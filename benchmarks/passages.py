"""How close the int8 passage encoder is to its float32 teacher, and how fast it is.

    python -m benchmarks.passages FOLDER --teacher FOLDER [--passages 2000]

Takes passages spread evenly over a BEIR folder. Needs the extra ``peers``.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np

import typeahead
from typeahead.evaluate.data.datasets import open_dataset
from typeahead.evaluate.peers import SentenceTransformerTeacher
from typeahead.models.golden import cosines
from typeahead.tables import report


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("collection", type=Path)
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--passages", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    collection = open_dataset(options.collection)
    every = max(collection.passage_count // options.passages, 1)
    texts = [passage.text for passage in islice(collection.passages(), 0, every * options.passages, every)]
    rows, vectors = [], []
    for name, encoder in (
        ("minilm-doc, int8", typeahead.load("minilm-doc", threads=options.threads)),
        ("teacher, float32", SentenceTransformerTeacher(options.teacher, threads=options.threads)),
    ):
        encoder.encode(texts[:50])
        start = time.perf_counter()
        vectors.append(encoder.encode(texts))
        taken = time.perf_counter() - start
        rows.append(
            {"encoder": name, "passages": len(texts), "seconds": round(taken, 1), "a second": round(len(texts) / taken)}
        )
    found = cosines(*vectors)
    report(
        f"Passages of {collection.name}, {options.threads} threads",
        rows,
        json_path=options.json,
        command=shlex.join(["python", "-m", "benchmarks.passages", *sys.argv[1:]]),
        mean_cosine=round(float(found.mean()), 5),
        first_percentile_of_the_cosine=round(float(np.percentile(found, 1)), 5),
        smallest_cosine=round(float(found.min()), 5),
    )


if __name__ == "__main__":
    main()
