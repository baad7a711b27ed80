"""Static token tables by model2vec: a query is the mean of its tokens' vectors.

A folder of model2vec is run as it is. A table can also be made from a teacher, as the first step of pynife and
model2vec does it: the teacher's output for each single token, minus the mean of all of them, weighted by a guessed
frequency. There is no PCA, so the table stays in the teacher's space and searches the teacher's index. It is not
trained; pynife's trained models, which retain more of their teachers, are sentence-transformers folders.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from typeahead.core.encoder import Vectors
from typeahead.errors import MissingExtra, ModelCorrupt
from typeahead.evaluate.peers.files import made_once
from typeahead.evaluate.peers.sentence import SentenceTransformerTeacher

#: a of SIF weights a / (a + p), as model2vec has it.
SIF = 1e-4
_BATCH = 256


def _model2vec() -> Any:
    try:
        import model2vec
    except ImportError as error:
        raise MissingExtra("model2vec", "peers") from error
    return model2vec


class Model2VecEncoder:
    """A folder of model2vec, run by ``StaticModel`` in this process.

    It drops unknown words, so a text of unknown words gives a row of zeros, like a text without a token in typeahead.
    """

    def __init__(self, folder: Path) -> None:
        static_model = _model2vec().StaticModel
        try:
            self._model = static_model.from_pretrained(folder)
        except Exception as error:  # errors of safetensors and tokenizers have no other class in common
            raise ModelCorrupt(f"model2vec cannot load {folder}: {error}", folder=folder) from error

    @property
    def dim(self) -> int:
        """Dimension of the embedding."""
        return int(self._model.dim)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts to float32 (n, dim)."""
        if not len(texts):
            return np.zeros((0, self.dim), np.float32)
        return np.asarray(self._model.encode(list(texts), use_multiprocessing=False), np.float32)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text."""
        tokens: list[list[int]] = self._model.tokenize(list(texts))
        return tokens

    def encode_tokens(self, tokens: list[list[int]]) -> Vectors:
        """Encode the result of :meth:`tokenize` to float32 (n, dim)."""
        staged = copy.copy(self._model)
        staged.tokenize = lambda sentences: tokens  # noqa: ARG005
        blanks = [""] * len(tokens)
        return np.asarray(staged.encode(blanks, batch_size=max(len(blanks), 1), use_multiprocessing=False), np.float32)


def sif_weights(count: int) -> NDArray[np.float32]:
    """Weight of each of ``count`` tokens, float32 (count,), whose ids are taken as ranks of frequency.

    Smooth inverse frequency (Arora, Liang, Ma 2017, *A simple but tough-to-beat baseline*, section 3) with Zipf's law
    for p: the i-th token has p in proportion to 1 / (i + 2). WordPiece ids follow frequency after their first thousand.
    """
    inverse = 1 / np.arange(2, count + 2)
    share = inverse / inverse.sum()
    weights: NDArray[np.float32] = (SIF / (SIF + share)).astype(np.float32)
    return weights


def table_of(teacher: Path, path: Path, *, threads: int) -> Path:
    """The folder ``path`` with the table of ``teacher``, a sentence-transformers folder; made if it is missing."""
    return made_once(path, lambda partial: _make_table(teacher, partial, threads))


def _make_table(folder: Path, path: Path, threads: int) -> None:
    static_model = _model2vec().StaticModel
    teacher = SentenceTransformerTeacher(str(folder), threads=threads)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    vectors = single_token_vectors(teacher, tokenizer)
    # Single tokens of all-MiniLM-L6-v2 share a large part that passages lack: nDCG@10 on SciFact is 0.429 without it
    # and 0.099 with it, on NFCorpus 0.256 and 0.178.
    vectors -= vectors.mean(axis=0)
    vectors *= sif_weights(len(vectors))[:, None]
    static_model(vectors, tokenizer, normalize=True, base_model_name=folder.name).save_pretrained(path)


def single_token_vectors(teacher: SentenceTransformerTeacher, tokenizer: Tokenizer) -> Vectors:
    """The teacher's output for each token alone, between special tokens: float32 (vocabulary, dim)."""
    import torch

    before, after = _special_tokens_round(tokenizer)
    count = tokenizer.get_vocab_size(with_added_tokens=True)
    vectors = np.empty((count, teacher.dim), np.float32)
    for first in range(0, count, _BATCH):
        rows = list(range(first, min(first + _BATCH, count)))
        ids = torch.tensor([[*before, row, *after] for row in rows])
        features = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        vectors[rows] = teacher.encode_tokens([(list(range(len(rows))), features)])
    return vectors


def _special_tokens_round(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Ids that the tokenizer puts before and after a text."""
    plain = tokenizer.encode("a", add_special_tokens=False).ids
    whole = tokenizer.encode("a", add_special_tokens=True).ids
    start = next(at for at in range(len(whole)) if whole[at : at + len(plain)] == plain)
    return whole[:start], whole[start + len(plain) :]
