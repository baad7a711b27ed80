"""A whole-text encoder in int8: the teacher itself, or a transformer cut from it.

It has no state to extend, so it encodes passages and whole queries. For keystrokes, use its siblings
:mod:`~typeahead.encoders.recurrent` and :mod:`~typeahead.encoders.causal`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.core.tokens import IncrementalTokenizer, check_texts
from typeahead.encoders.onnx import open_graph
from typeahead.models.config import ModelConfig

#: Word pieces per batch, including padding: few enough for activations to stay near the second-level cache.
_BATCH_TOKENS = 1024


class TransformerEncoder:
    """An encoder over the graph ``encoder.onnx`` (``encoder-float32.onnx`` for variant "-float32").

    The graph takes ``ids`` and ``mask`` int64 (n, length) and gives ``embedding`` float32 (n, dim). Activations are
    quantised row by row, so a text's vector does not depend on its batch.
    """

    def __init__(self, config: ModelConfig, folder: Path, *, variant: str = "", threads: int = 1) -> None:
        self.config = config
        self.tokenizer = IncrementalTokenizer.from_file(folder / "tokenizer.json")
        self._run = open_graph(folder / f"encoder{variant}.onnx", threads=threads).run

    @property
    def dim(self) -> int:
        """Dimension of the embedding."""
        return self.config.dim

    def token_ids(self, text: str) -> tuple[int, ...]:
        """Return the token ids of ``text`` with the special tokens around them, truncated to the teacher's length."""
        config = self.config
        return config.prefix_ids + self.tokenizer.encode(text)[: config.max_tokens] + config.suffix_ids

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode whole texts to float32 (n, dim), in their order. Raises :class:`~typeahead.errors.TextError`."""
        check_texts(texts)
        ids = [self.token_ids(text) for text in texts]
        vectors = np.empty((len(ids), self.dim), np.float32)
        for rows in batches_by_length([len(sequence) for sequence in ids], _BATCH_TOKENS):
            longest = len(ids[rows[-1]])
            padded = np.zeros((len(rows), longest), np.int64)
            mask = np.zeros((len(rows), longest), np.int64)
            for place, row in enumerate(rows):
                padded[place, : len(ids[row])] = ids[row]
                mask[place, : len(ids[row])] = 1
            vectors[rows] = self._run(None, {"ids": padded, "mask": mask})[0]
        return vectors


def batches_by_length(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Group row numbers, shortest first, so that each group padded to its longest row holds about ``batch_tokens``."""
    batches: list[list[int]] = []
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[row] > batch_tokens:
            batches.append(batch)
            batch = []
        batch.append(row)
    return [*batches, batch] if batch else batches
