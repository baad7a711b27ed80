"""``python -m training.light.sparse_passages ENCODER INDEX``: token weights for the sparse arm of an index.

ENCODER is the passage encoder of a round of :mod:`training.light.train`, ``runs/NAME/ROUND/passages``. Documents are
read from the index, and ``sparse.safetensors`` is written beside its vectors, for ``typeahead serve --lexical sparse``.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from scipy.sparse import csr_array, vstack
from tqdm import tqdm

from training.light.model import SPARSE, PassageSide
from training.light.sparse_head import HEAD, SparseHead
from training.ranking.encoding import blocks, passage_ids
from training.teacher.torch_teacher import TorchTeacher
from typeahead.index import open_index
from typeahead.index.sparse import SPARSE as FILE
from typeahead.index.sparse import write_sparse
from typeahead.index.staging import add_file

#: Documents read at a time.
_PART = 2048


class SparsePassages:
    """A passage encoder with its head, and the settings of its training."""

    def __init__(self, folder: Path, *, dtype: str = "float32", device: str = "cpu") -> None:
        if not (folder / HEAD).is_file():
            raise ValueError(
                f"{folder} has no head of a sparse encoder: give the passages folder of a round of training.light.train"
            )
        said = json.loads((folder / SPARSE).read_text(encoding="utf-8"))
        self.counts: str = said["counts"]
        self.top_k: int = said["top_k"]
        self._max_tokens: int = said["max_tokens"]
        self.teacher = TorchTeacher(str(folder), dtype=dtype, device=device)
        head = SparseHead.of(self.teacher).requires_grad_(False)
        head.dtype = getattr(torch, dtype)
        self.side = PassageSide(self.teacher, head).eval()

    def encode(self, texts: Sequence[str], top_k: int | None = None) -> csr_array:
        """The token weights (n, vocabulary) of passages: the ``top_k`` largest, by default as many as in training."""
        ids = passage_ids(self.teacher, texts, self._max_tokens)
        _, weights = self.side.encode(ids, self.top_k if top_k is None else top_k)
        return weights


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.light.sparse_passages", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("encoder", type=Path)
    parser.add_argument("index", type=Path)
    parser.add_argument("--top-k", type=int, help="weights that a passage keeps (default: as in training)")
    parser.add_argument(
        "--dtype",
        choices=["float32", "bfloat16"],
        default="float32",
        help="bfloat16 takes half the time on a CPU that has it",
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    encoder = SparsePassages(options.encoder, dtype=options.dtype)
    parts: list[csr_array] = []
    with open_index(options.index) as index, tqdm(total=len(index), unit="passage", mininterval=5) as progress:
        for rows in blocks(len(index), _PART):
            parts.append(encoder.encode([one.passage for one in index.documents(rows)], options.top_k))
            progress.update(len(rows))
        weights = vstack(parts, format="csr")
        text, counts = encoder.teacher.reading().tokenizer.to_str(), encoder.counts
        path = add_file(options.index, FILE, lambda path: write_sparse(path, weights, text, counts=counts))
    print(f"{path}: {weights.nnz / weights.shape[0]:.1f} weights a passage, {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
