"""A teacher as its users run it, by sentence-transformers in float32; the sibling ``onnx_teacher`` is faster."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.errors import MissingExtra, ModelNotFound
from typeahead.evaluate.peers.settings import normalises, prompts_of

#: On a CPU small batches are fastest: their activations stay in the second-level cache.
_BATCH = 8


class SentenceTransformerTeacher:
    """``SentenceTransformer(path)`` for a folder or a hub id, on the CPU.

    Texts are queries, and the model's ``prompt`` for those stands before them; :meth:`for_passages` gives the same
    model for passages. Vectors have length 1 if the model's files say that they compare by cosine. Texts always run in
    batches of 8 of similar length. ``threads`` is PyTorch's, for the whole process. Raises
    :class:`~typeahead.errors.ModelNotFound` for a model that cannot be loaded.
    """

    def __init__(self, path: str, *, threads: int) -> None:
        try:
            import torch
            from sentence_transformers import SentenceTransformer
            from transformers.utils import logging
        except ImportError as error:
            raise MissingExtra("sentence-transformers", "peers") from error
        torch.set_num_threads(threads)
        self._torch = torch
        # A progress bar for some MB of weights would stand in every log.
        logging.disable_progress_bar()
        try:
            self.model: Any = SentenceTransformer(path, device="cpu")
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ModelNotFound(
                f"sentence-transformers cannot load {path!r}, neither as a folder nor from the hub: {reason}"
            ) from error
        self.model.eval()
        prompts = getattr(self.model, "prompts", None) or {}
        self.prompt, self._passage_prompt = prompts_of(prompts, self.model.default_prompt_name)
        # Its public name gives "cosine" where the files say nothing.
        said = getattr(self.model, "_similarity_fn_name", None)
        self._normalise = normalises(said, [type(module).__name__ for module in self.model])
        # It was called tokenize until sentence-transformers 5.
        self._preprocess = getattr(self.model, "preprocess", None) or self.model.tokenize

    def for_passages(self) -> SentenceTransformerTeacher:
        """The same model with its prompt for passages; itself if that is the one for queries."""
        if self.prompt == self._passage_prompt:
            return self
        other = copy.copy(self)
        other.prompt = self._passage_prompt
        return other

    @property
    def dim(self) -> int:
        """Dimension of the embedding."""
        model = self.model
        measure = getattr(model, "get_embedding_dimension", None) or model.get_sentence_embedding_dimension
        return int(measure() or 0)

    def weights_digest(self) -> str:
        """sha256 in hex over the names and values of all weights."""
        total = hashlib.sha256()
        for name, values in sorted(self.model.state_dict().items()):
            total.update(name.encode())
            total.update(values.contiguous().view(-1).view(self._torch.uint8).numpy().data)
        return total.hexdigest()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts to float32 (n, dim)."""
        if not len(texts):
            return np.zeros((0, self.dim), np.float32)
        vectors = self.model.encode(
            list(texts), prompt=self.prompt, batch_size=_BATCH, show_progress_bar=False, convert_to_numpy=True
        )
        return self._finish(np.asarray(vectors, np.float32))

    def tokenize(self, texts: Sequence[str]) -> list[tuple[list[int], Any]]:
        """Batches of similar length: the texts' numbers, and the arguments of the model."""
        order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
        batches = [order[first : first + _BATCH] for first in range(0, len(order), _BATCH)]
        return [(rows, self._preprocess([self.prompt + texts[row] for row in rows])) for rows in batches]

    def encode_tokens(self, tokens: list[tuple[list[int], Any]]) -> Vectors:
        """Encode the result of :meth:`tokenize` to float32 (n, dim)."""
        vectors = np.empty((sum(len(rows) for rows, _ in tokens), self.dim), np.float32)
        with self._torch.inference_mode():
            for rows, features in tokens:
                # The modules write into their argument.
                vectors[rows] = self.model(dict(features))["sentence_embedding"].float().numpy()
        return self._finish(vectors)

    def _finish(self, vectors: Vectors) -> Vectors:
        if self._normalise:
            vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors
