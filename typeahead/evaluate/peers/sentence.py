"""A teacher as its users run it, by sentence-transformers in float32; the sibling ``onnx_teacher`` is faster."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.errors import MissingExtra, ModelError, ModelNotFound

#: On a CPU small batches are fastest: their activations stay in the second-level cache.
_BATCH = 8


class SentenceTransformerTeacher:
    """``SentenceTransformer(path)`` for a folder or a hub id, on the CPU.

    Texts always run in batches of 8 of similar length. ``threads`` is PyTorch's, for the whole process. Raises
    :class:`~typeahead.errors.ModelError` for a model that cannot be loaded, or whose prompts differ for queries and
    passages.
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
        self._prompt: str = prompts.get(self.model.default_prompt_name, "")
        if not self._prompt and (used := [name for name, prompt in prompts.items() if prompt]):
            raise ModelError(
                f"{path} puts other words before queries than before passages (its prompts {', '.join(used)}): that is "
                "not supported here, and figures without them would not be its own"
            )
        # It was called tokenize until sentence-transformers 5.
        self._preprocess = getattr(self.model, "preprocess", None) or self.model.tokenize

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
        vectors = self.model.encode(list(texts), batch_size=_BATCH, show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(vectors, np.float32)

    def tokenize(self, texts: Sequence[str]) -> list[tuple[list[int], Any]]:
        """Batches of similar length: the texts' numbers, and the arguments of the model."""
        order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
        batches = [order[first : first + _BATCH] for first in range(0, len(order), _BATCH)]
        return [(rows, self._preprocess([self._prompt + texts[row] for row in rows])) for rows in batches]

    def encode_tokens(self, tokens: list[tuple[list[int], Any]]) -> Vectors:
        """Encode the result of :meth:`tokenize` to float32 (n, dim)."""
        vectors = np.empty((sum(len(rows) for rows, _ in tokens), self.dim), np.float32)
        with self._torch.inference_mode():
            for rows, features in tokens:
                # The modules write into their argument.
                vectors[rows] = self.model(dict(features))["sentence_embedding"].float().numpy()
        return vectors
