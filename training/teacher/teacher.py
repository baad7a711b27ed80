"""The teacher, run in PyTorch.

:class:`Teacher` loads any Hugging Face or sentence-transformers folder (or hub id), reads pooling, length,
normalisation, similarity and prompts from its files, and encodes. The sibling :mod:`training.teacher.vectors` keeps
what it encoded. What *ships* of a teacher is made by :mod:`training.exporting.export` instead.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from huggingface_hub import snapshot_download
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from training.teacher.token_vectors import token_table
from typeahead.encoders.transformer import batches_by_length

if TYPE_CHECKING:
    from training.recipe import TeacherRecipe

POOLINGS = ("mean", "cls", "last")
SIMILARITIES = ("cosine", "dot")

#: Module types of sentence-transformers that :class:`Teacher` computes itself.
_MODULES = {"Transformer", "Pooling", "Normalize"}
_MODES = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls", "pooling_mode_lasttoken": "last"}


@dataclass(frozen=True)
class Settings:
    """How a teacher makes a vector of a text."""

    pooling: str
    #: Word pieces, special tokens included, at which it cuts.
    max_length: int
    #: Whether its vectors are divided by their length.
    normalize: bool
    #: "cosine" or "dot".
    similarity: str
    #: What stands before every query and every passage.
    query_prompt: str = ""
    passage_prompt: str = ""


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def read_settings(folder: Path) -> Settings:
    """Read the settings of a sentence-transformers folder, or, without ``modules.json``, of a plain Hugging Face one.

    A plain folder says nothing of pooling: [CLS], not normalised, by dot product is assumed, as coCondenser's retriever
    is used; a recipe can say otherwise. Raises ``ValueError`` for a module or a pooling that :class:`Teacher` does not
    compute.
    """
    length = int(_json(folder / "config.json").get("max_position_embeddings") or 512)
    length = min(length, int(_json(folder / "tokenizer_config.json").get("model_max_length") or length))
    described = _json(folder / "config_sentence_transformers.json")
    prompts = {name: prompt or "" for name, prompt in (described.get("prompts") or {}).items()}
    default = prompts.get(described.get("default_prompt_name") or "", "")
    query_prompt = prompts.get("query", default)
    passage_prompt = next((prompts[name] for name in ("document", "passage", "corpus") if name in prompts), default)
    modules_path = folder / "modules.json"
    if not modules_path.is_file():
        return Settings("cls", length, False, "dot", query_prompt, passage_prompt)
    modules = json.loads(modules_path.read_text(encoding="utf-8"))
    kinds = {module["type"].rsplit(".", 1)[-1]: module["path"] for module in modules}
    if unknown := set(kinds) - _MODULES:
        raise ValueError(f"{folder}: a teacher with {', '.join(sorted(unknown))} modules is not supported")
    pooling = _json(folder / kinds["Pooling"] / "config.json")
    chosen = [mode for key, mode in _MODES.items() if pooling.get(key)]
    if pooling.get("pooling_mode") in POOLINGS:
        chosen = [pooling["pooling_mode"]]
    if len(chosen) != 1 or any(key not in _MODES and value is True for key, value in pooling.items() if "mode_" in key):
        raise ValueError(f"{folder}: pooling {pooling} is none of {POOLINGS}; give pooling in the recipe")
    if pooling.get("include_prompt") is False and query_prompt + passage_prompt and chosen == ["mean"]:
        raise ValueError(f"{folder}: a mean that leaves the prompt out is not supported")
    length = int(_json(folder / "sentence_bert_config.json").get("max_seq_length") or length)
    normalize = "Normalize" in kinds
    similarity = described.get("similarity_fn_name") or ("cosine" if normalize else "dot")
    return Settings(chosen[0], length, normalize, similarity, query_prompt, passage_prompt)


class Teacher:
    """A frozen dual encoder.

    ``path`` is a folder or a hub id. ``pooling``, ``max_length`` (word pieces, special tokens included), ``normalize``,
    ``similarity`` and the prompts are read from its files unless given. ``dtype`` is the type of the weights while
    encoding: bfloat16 is twice as fast on AVX512-BF16 and its vectors keep a cosine of 0.9999 to float32.
    """

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
        folder = Path(path) if Path(path).is_dir() else _hub_settings(path)
        given = {
            "pooling": pooling,
            "max_length": max_length,
            "normalize": normalize,
            "similarity": similarity,
            "query_prompt": query_prompt,
            "passage_prompt": passage_prompt,
        }
        found = _settings(folder, {name: value for name, value in given.items() if value is not None})
        self.path = path
        self.pooling, self.max_length, self.normalize = found.pooling, found.max_length, found.normalize
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

    @classmethod
    def of(cls, recipe: TeacherRecipe, *, device: str | torch.device = "cpu") -> Teacher:
        """The teacher of a recipe."""
        return cls(recipe.path(), **recipe.given(), dtype=recipe.dtype, device=device)

    def weights_sha256(self) -> str:
        """SHA-256 of the weights as float32 tensors in name order, so the same for a folder and a hub id.

        Weights that the files do not hold, such as a pooler that no retriever uses, are random and do not count.
        """
        digest = hashlib.sha256()
        for name, tensor in sorted(self.model.state_dict().items()):
            if name not in self._missing:
                digest.update(name.encode())
                digest.update(np.ascontiguousarray(tensor.float().cpu().numpy()).tobytes())
        return digest.hexdigest()

    def key(self) -> str:
        """What a cached vector depends on besides its text and prompt, as a short hash."""
        parts = [self.weights_sha256(), self.pooling, str(self.max_length), str(self.normalize), self.dtype]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    @torch.inference_mode()
    def encode_ids(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        """Encode token id sequences (special tokens included) of any lengths to float32 (n, dim)."""
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
        """Token outputs float32 (n, length, dim) under ``mask`` (n, length) to the teacher's vectors (n, dim)."""
        if self.pooling == "mean":
            weights = mask.unsqueeze(-1).float()
            vectors = (hidden * weights).sum(1) / weights.sum(1)
        elif self.pooling == "cls":
            vectors = hidden[:, 0]
        else:
            vectors = hidden[torch.arange(len(hidden), device=hidden.device), mask.sum(1) - 1]
        return torch.nn.functional.normalize(vectors, dim=1) if self.normalize else vectors

    def special_ids(self, prompt: str | None = None) -> tuple[list[int], list[int]]:
        """Ids that the teacher puts before and after the tokens of a text: of a query, unless ``prompt`` is given."""
        prompt = self.query_prompt if prompt is None else prompt
        probe = self.tokenizer("a", add_special_tokens=False)["input_ids"]
        whole = self.tokenizer(prompt + "a")["input_ids"]
        places = [at for at in range(len(whole)) if whole[at : at + len(probe)] == probe]
        if not places:
            raise ValueError(f"{self.name}: the tokens of the prompt {prompt!r} and of what follows run together")
        return whole[: places[-1]], whole[places[-1] + len(probe) :]

    def token_ids(self, texts: Sequence[str], prompt: str = "") -> list[list[int]]:
        """Token ids of each text behind ``prompt``, with the special tokens, cut at ``max_length``."""
        whole = [prompt + text for text in texts] if prompt else list(texts)
        encoded: list[list[int]] = self.tokenizer(whole, truncation=True, max_length=self.max_length)["input_ids"]
        return encoded

    def encode(self, texts: Sequence[str], *, prompt: str = "", batch_tokens: int | None = None) -> np.ndarray:
        """Encode texts, each behind ``prompt``, to float32 (n, dim), in their order.

        Batches hold texts of like length and about ``batch_tokens`` word pieces: on a CPU small batches that stay
        in the second-level cache are faster (16 short texts: 299 a second, 128: 217).
        """
        return self.encode_ids_by_length(self.token_ids(texts, prompt), batch_tokens=batch_tokens)

    def encode_ids_by_length(self, ids: Sequence[Sequence[int]], *, batch_tokens: int | None = None) -> np.ndarray:
        """The same of token id sequences, special tokens included."""
        batch_tokens = batch_tokens or (512 if self.device.type == "cpu" else 32_768)
        vectors = np.empty((len(ids), self.dim), np.float32)
        for rows in batches_by_length([len(sequence) for sequence in ids], batch_tokens):
            vectors[rows] = self.encode_ids([ids[row] for row in rows])
        return vectors

    def token_vectors(self, folder: Path | None = None) -> Tensor:
        """The teacher's output for each single token as a query: float32 (vocabulary, dim), on the CPU.

        They are kept in ``folder`` (say, of the vector cache) if one is given.
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
        """The model in float32 on the CPU, whatever it is run in: what students start from."""
        return self.model if self.dtype == "float32" and self.device.type == "cpu" else _load_model(self.path)[0]

    def word_embeddings(self) -> Tensor:
        """The input embeddings, float32 (vocabulary, width), on the CPU."""
        weight: Tensor = self.precise_model().get_input_embeddings().weight.detach()
        return weight


def _hub_settings(name: str) -> Path:
    """The small files of a model on the hub, from the local cache where they are there."""
    return Path(snapshot_download(name, allow_patterns=["*.json", "*/config.json"]))


def _settings(folder: Path, given: dict[str, Any]) -> Settings:
    """What the folder says, and what is ``given`` instead."""
    needed = {"pooling", "max_length", "normalize", "similarity"}
    found = Settings("", 0, False, "") if needed <= set(given) else read_settings(folder)
    chosen = Settings(**{**vars(found), **given})
    if chosen.pooling not in POOLINGS:
        raise ValueError(f"pooling {chosen.pooling!r} is none of {POOLINGS}")
    if chosen.similarity not in SIMILARITIES:
        raise ValueError(f"similarity {chosen.similarity!r} is none of {SIMILARITIES}")
    return chosen


def _load_model(path: str, dtype: str = "float32") -> tuple[Any, set[str]]:
    """The model, and the names of the weights that its files do not hold."""
    # The library warns of every weight that is missing, of a pooler's too, which nobody needs; what is vital is below.
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        model, loading = AutoModel.from_pretrained(path, dtype=getattr(torch, dtype), output_loading_info=True)
    finally:
        logging.set_verbosity(verbosity)
    missing = set(loading["missing_keys"])
    if vital := sorted(name for name in missing if not name.startswith("pooler.")):
        raise ValueError(f"{path} holds no weights for {vital[0]} and {len(vital) - 1} others")
    return model.eval(), missing
