"""The curve of dimensions: nothing is lost with all of them, and the axes of a subspace lose nothing in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.dimensions import table
from tests.evaluate.layouts import write_beir
from typeahead.evaluate.data.datasets import open_dataset
from typeahead.evaluate.vectors.passages import PassageVectors


def test_axes_keep_what_lies_in_a_subspace_and_a_cut_does_not(tmp_path: Path) -> None:
    names = [f"p{row}" for row in range(40)]
    vectors = np.zeros((40, 12), np.float32)
    vectors[:, 9:] = np.random.default_rng(2).standard_normal((40, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    folder = write_beir(
        tmp_path / "tiny",
        {name: name for name in names},
        {f"q{row}": name for row, name in enumerate(names)},
        {f"q{row}": {name: 1} for row, name in enumerate(names)},
    )
    passages = PassageVectors.from_arrays(names, vectors)
    lines = table(open_dataset(folder), passages, {"itself": vectors}, [3])
    assert [line["dimensions"] for line in lines] == [12, 3]
    assert lines[0]["nDCG@10, index"] == lines[0]["nDCG@10, axes"] == lines[0]["nDCG@10, cut"] == 1
    assert lines[1]["of all, index %"] == 100
    assert lines[1]["of all, axes %"] == 100
    assert lines[1]["of all, cut %"] == 0  # what is left of them is nothing
