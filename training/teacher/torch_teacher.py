"""The teacher in PyTorch.

:class:`TorchTeacher` loads a Hugging Face or sentence-transformers model and encodes texts with it. The sibling
:mod:`training.teacher.settings` reads how, and :mod:`training.teacher.vectors` keeps the results on disk. The int8
model that *ships* is written by :mod:`training.exporting.export`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from transformers import CONFIG_MAPPING, AutoModel, AutoTokenizer, PretrainedConfig
from transformers.utils import logging

from training.architectures import check_code, positions_of
from training.teacher.reading import Reading, read_after, text_tokenizer
from training.teacher.settings import settings_of
from training.teacher.token_encoder import token_table
from typeahead.encoders.transformer import batches_by_length
from typeahead.moved import moved_names

if TYPE_CHECKING:
    from training.recipe import TeacherRecipe


class TorchTeacher:
    """A frozen dual encoder.

    Args:
        path: a folder or a hub id.
        pooling, max_length, normalize, similarity, query_prompt, passage_prompt: override what the teacher's files
            say; see :class:`~training.teacher.settings.Settings`.
        dtype: type of the weights while encoding. bfloat16 is twice as fast on a CPU with AVX512-BF16, and its vectors
            keep a cosine of 0.9999 to float32.
        device: where the model runs.

    Raises:
        ValueError: ``transformers`` has no code for the model, or only the hub has
            (:func:`training.architectures.check_code`); or its settings make no sense.
    """

    #: The number of tokens that a vocabulary was cut to; 0 for all that the teacher has.
    cut_to = 0

    def __init__(
        self,
        path: str,
        *,
        pooling: str | None = None,
        max_length: int | None = None,
        normalize: bool | None = None,
        similarity: str | None = None,
        query_prompt: str | None = None,
        passage_prompt: str | None = None,
        dtype: str = "float32",
        device: str | torch.device = "cpu",
    ) -> None:
        given = {
            "pooling": pooling,
            "max_length": max_length,
            "normalize": normalize,
            "similarity": similarity,
            "query_prompt": query_prompt,
            "passage_prompt": passage_prompt,
        }
        config = _config_of(path)
        found = settings_of(path, given)
        self.path = path
        self.pooling, self.normalize = found.pooling, found.normalize
        # RoBERTa's and MPNet's files state two positions more than a text can use.
        self.max_length = min(found.max_length, positions_of(config) or found.max_length)
        self.similarity = found.similarity
        self.query_prompt, self.passage_prompt = found.query_prompt, found.passage_prompt
        self.dtype = dtype
        self.device = torch.device(device)
        self.tokenizer: Any = AutoTokenizer.from_pretrained(path)
        self.model, self._missing = _load_model(path, dtype)
        self.model.to(self.device)
        self.dim: int = self.model.config.hidden_size
        self.name: str = Path(path).name if Path(path).is_dir() else path
        self._token_vectors: Tensor | None = None
        self._readings: dict[str, Reading] = {}
        self._plain: Tokenizer | None = None
        #: One more than the largest token id.
        self.vocabulary = 1 + max(self.tokenizer.get_vocab().values())
        if self.vocabulary > (rows := len(self.model.get_input_embeddings().weight)):
            raise ValueError(
                f"the tokenizer of {self.name} has token ids up to {self.vocabulary - 1:,}, but its model has only "
                f"{rows:,} rows of embeddings: the files do not belong together"
            )

    @classmethod
    def of(cls, recipe: TeacherRecipe, *, device: str | torch.device = "cpu") -> TorchTeacher:
        """The teacher of a recipe."""
        return cls(recipe.path(), **recipe.given(), dtype=recipe.dtype, device=device)

    def weights_sha256(self, dtype: str | None = None) -> str:
        """SHA-256 of the weights as float32 tensors in name order: the same for a folder and for a hub id.

        Weights that the files lack are random and are left out: a pooler, say, which no retriever uses. ``dtype`` is a
        type to round them to first, by default the one that they have.
        """
        digest = hashlib.sha256()
        rounded = getattr(torch, dtype or self.dtype)
        for name, tensor in sorted(self.model.state_dict().items()):
            if name not in self._missing:
                tensor = tensor.to(rounded) if tensor.is_floating_point() else tensor
                digest.update(name.encode())
                digest.update(np.ascontiguousarray(tensor.float().cpu().numpy()).tobytes())
        return digest.hexdigest()

    def key(self, dtype: str | None = None) -> str:
        """A short hash of everything that a cached vector depends on, besides its text and prompt.

        ``dtype`` gives the key of the same teacher in another type.
        """
        dtype = dtype or self.dtype
        parts = [self.weights_sha256(dtype), self.pooling, str(self.max_length), str(self.normalize), dtype]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    @torch.inference_mode()
    def encode_ids(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        """Encode token id sequences, special tokens included, of any lengths to float32 (n, dim)."""
        longest = max(map(len, ids))
        padded = np.full((len(ids), longest), self.tokenizer.pad_token_id or 0, np.int64)
        mask = np.zeros((len(ids), longest), np.int64)
        for row, sequence in enumerate(ids):
            padded[row, : len(sequence)] = sequence
            mask[row, : len(sequence)] = 1
        attention = torch.from_numpy(mask).to(self.device)
        hidden = self.model(
            input_ids=torch.from_numpy(padded).to(self.device), attention_mask=attention
        ).last_hidden_state.float()
        vectors = self.pool(hidden, attention)
        result: np.ndarray = vectors.cpu().numpy()
        return result

    def pool(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Pool token outputs float32 (n, length, dim) under ``mask`` (n, length) to the teacher's vectors (n, dim)."""
        if self.pooling == "mean":
            weights = mask.unsqueeze(-1).float()
            vectors = (hidden * weights).sum(1) / weights.sum(1)
        elif self.pooling == "cls":
            vectors = hidden[:, 0]
        else:
            vectors = hidden[torch.arange(len(hidden), device=hidden.device), mask.sum(1) - 1]
        return torch.nn.functional.normalize(vectors, dim=1) if self.normalize else vectors

    def reading(self, prompt: str | None = None) -> Reading:
        """How the teacher reads texts after ``prompt``, by default that of queries.

        Raises:
            ValueError: the prompt's last token and the text's first one merge, so the text has no ids of its own.
        """
        prompt = self.query_prompt if prompt is None else prompt
        if prompt not in self._readings:

            def whole(text: str) -> list[int]:
                ids: list[int] = self.tokenizer(text)["input_ids"]
                return ids

            self._plain = self._plain or text_tokenizer(self.tokenizer.backend_tokenizer)
            self._readings[prompt] = read_after(whole, self._plain, prompt, self.name)
        return self._readings[prompt]

    def special_ids(self, prompt: str | None = None) -> tuple[list[int], list[int]]:
        """The ids that the teacher puts before and after a text's tokens; errors as :meth:`reading`."""
        reading = self.reading(prompt)
        return list(reading.before), list(reading.after)

    def text_ids(self, texts: Sequence[str], prompt: str | None = None) -> list[list[int]]:
        """The ids of texts alone, as they stand after ``prompt``; by default after that of queries."""
        return self.reading(prompt).ids(texts)

    def token_ids(self, texts: Sequence[str], prompt: str = "", max_length: int = 0) -> list[list[int]]:
        """Token ids of ``prompt`` and each text, with special tokens, cut at ``max_length`` (0: the teacher's)."""
        before, after = self.special_ids(prompt)
        room = max((max_length or self.max_length) - len(before) - len(after), 0)
        return [[*before, *ids[:room], *after] for ids in self.text_ids(texts, prompt)]

    def encode(self, texts: Sequence[str], *, prompt: str = "", batch_tokens: int | None = None) -> np.ndarray:
        """Encode texts, each after ``prompt``, to float32 (n, dim), in their order.

        Batches hold texts of similar length and about ``batch_tokens`` word pieces. On a CPU small batches are faster,
        because they stay in the second-level cache: 299 short texts a second in batches of 16, 217 in batches of 128.
        """
        return self.encode_ids_by_length(self.token_ids(texts, prompt), batch_tokens=batch_tokens)

    def encode_ids_by_length(self, ids: Sequence[Sequence[int]], *, batch_tokens: int | None = None) -> np.ndarray:
        """As :meth:`encode`, for token id sequences with their special tokens."""
        batch_tokens = batch_tokens or (512 if self.device.type == "cpu" else 32_768)
        vectors = np.empty((len(ids), self.dim), np.float32)
        for rows in batches_by_length([len(sequence) for sequence in ids], batch_tokens):
            vectors[rows] = self.encode_ids([ids[row] for row in rows])
        return vectors

    def token_vectors(self, folder: Path | None = None) -> Tensor:
        """The teacher's vector of each token as a one-token query: float32 (vocabulary, dim), on the CPU.

        If ``folder`` is given, the vectors are kept there: that of the vector cache, say.
        """
        if self._token_vectors is None:
            before, after = self.special_ids()
            name = hashlib.sha256(json.dumps([before, after]).encode()).hexdigest()[:8]
            path = folder / f"tokens-{name}.vectors" if folder else None
            if path is not None and path.is_file():
                self._token_vectors = load_file(path)["tokens"]
                return self._token_vectors
            self._token_vectors = token_table(self)
            if path is not None:
                partial = path.with_suffix(".partial")
                save_file({"tokens": self._token_vectors}, partial)
                partial.replace(path)
        return self._token_vectors

    def precise_model(self) -> Any:
        """The model in float32 on the CPU, whatever type and device it runs in. Students start from it."""
        return self.model if self.dtype == "float32" and self.device.type == "cpu" else _load_model(self.path)[0]

    def word_embeddings(self) -> Tensor:
        """The input embeddings, float32 (vocabulary, width), on the CPU."""
        weight: Tensor = self.precise_model().get_input_embeddings().weight.detach()
        return weight


def _config_of(path: str) -> dict[str, Any]:
    """The teacher's ``config.json``, from a folder or the hub, after a check that its code is in ``transformers``."""
    config: dict[str, Any] = PretrainedConfig.get_config_dict(path)[0]
    try:
        check_code(config)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if (kind := config.get("model_type")) not in CONFIG_MAPPING:
        raise ValueError(
            f"{path}: this version of transformers has no code for the model type {kind!r}: upgrade transformers or "
            "choose another teacher"
        )
    return config


def _load_model(path: str, dtype: str = "float32") -> tuple[Any, set[str]]:
    """The model, and the names of the weights that its files lack.

    Raises:
        ValueError: weights other than a pooler's are missing.
    """
    # The library warns of every missing weight, even of a pooler's, which nobody needs. The check below is ours.
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        model, loading = AutoModel.from_pretrained(path, dtype=getattr(torch, dtype), output_loading_info=True)
    finally:
        logging.set_verbosity(verbosity)
    missing = set(loading["missing_keys"])
    if vital := sorted(name for name in missing if not name.startswith("pooler.")):
        raise ValueError(f"{path} has no weights for {vital[0]} and {len(vital) - 1} others")
    return model.eval(), missing


if not TYPE_CHECKING:
    __getattr__ = moved_names(
        __name__,
        {
            "Teacher": "training.teacher.torch_teacher:TorchTeacher",
        },
    )
