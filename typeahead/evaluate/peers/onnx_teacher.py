"""A sentence-transformers folder in float32, run by ONNX Runtime without PyTorch.

The graph is the folder's own ``onnx/model.onnx``; if there is none, PyTorch exports it once and it is kept. Pooling is
done here, as the folder's modules say. Users run the sibling ``sentence``; the passage encoders of typeahead are made
from this one in int8.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from typeahead.core.encoder import Vectors
from typeahead.encoders.onnx import open_graph
from typeahead.encoders.transformer import batches_by_length
from typeahead.errors import MissingExtra, ModelCorrupt, ModelError
from typeahead.evaluate.peers.files import made_once, read_json
from typeahead.evaluate.peers.settings import normalises, prompts_of

#: Word pieces in a batch, with padding: so few that activations stay near the second-level cache.
_BATCH_TOKENS = 1024
#: How far an exported graph may be from PyTorch in any value.
_EXPORT_TOLERANCE = 1e-3

#: Pooling modes by the names that folders had until sentence-transformers 5.
_MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "lasttoken",
}

Batch = tuple[list[int], NDArray[np.int64], NDArray[np.int64]]


class OnnxTeacher:
    """Modules Transformer, Pooling (cls, mean, max or lasttoken) and Normalize; other modules are refused.

    Texts are queries, and the folder's ``prompt`` for those stands before them; :meth:`for_passages` gives the same
    model for passages. Vectors have length 1 if a module or the folder's similarity says so.

    ``graph_cache`` is the file for an exported graph. Raises :class:`~typeahead.errors.ModelError`, and
    :class:`~typeahead.errors.MissingExtra` if a graph must be exported and the packages for that are not installed.
    """

    def __init__(self, folder: Path, *, threads: int, graph_cache: Path) -> None:
        self._pooling, self._normalize, includes_prompt = _modules(folder)
        described = read_json(folder / "config_sentence_transformers.json")
        self.prompt, self._passage_prompt = prompts_of(
            described.get("prompts") or {}, described.get("default_prompt_name")
        )
        if not includes_prompt and self._pooling == "mean" and self.prompt + self._passage_prompt:
            raise ModelError(f"{folder}: a mean without the prompt's tokens is not supported", folder=folder)
        self._normalize = self._normalize or normalises(described.get("similarity_fn_name"), [])
        self._tokenizer = _tokenizer(folder)
        config = read_json(folder / "config.json")
        self._pad = int(config.get("pad_token_id") or 0)
        graph = folder / "onnx" / "model.onnx"
        if not graph.is_file():
            graph = made_once(graph_cache, lambda path: _export(folder, path))
        session = open_graph(graph, threads=threads)
        self._takes = {value.name for value in session.get_inputs()}
        if not {"input_ids", "attention_mask"} <= self._takes <= {"input_ids", "attention_mask", "token_type_ids"}:
            raise ModelError(f"{graph} takes {', '.join(sorted(self._takes))}: not a text encoder", folder=folder)
        tokens = [value for value in session.get_outputs() if len(value.shape) == 3]
        if not tokens:
            raise ModelError(f"{graph} gives no vector for each token", folder=folder)
        self._output = tokens[0].name
        self._run = session.run
        self.dim = int(config.get("hidden_size") or tokens[0].shape[2])

    def for_passages(self) -> OnnxTeacher:
        """The same model with its prompt for passages; itself if that is the one for queries."""
        if self.prompt == self._passage_prompt:
            return self
        other = copy.copy(self)
        other.prompt = self._passage_prompt
        return other

    def tokenize(self, texts: Sequence[str]) -> list[Batch]:
        """Batches of like length: the texts' numbers, ids and mask int64 (n, length)."""
        encodings = self._tokenizer.encode_batch([self.prompt + text for text in texts])
        ids = [encoding.ids for encoding in encodings]
        batches = []
        for rows in batches_by_length([len(sequence) for sequence in ids], _BATCH_TOKENS):
            longest = len(ids[rows[-1]])
            padded = np.full((len(rows), longest), self._pad, np.int64)
            mask = np.zeros((len(rows), longest), np.int64)
            for place, row in enumerate(rows):
                padded[place, : len(ids[row])] = ids[row]
                mask[place, : len(ids[row])] = 1
            batches.append((rows, padded, mask))
        return batches

    def encode_tokens(self, tokens: list[Batch]) -> Vectors:
        """Encode the result of :meth:`tokenize` to float32 (n, dim)."""
        vectors = np.empty((sum(len(rows) for rows, _, _ in tokens), self.dim), np.float32)
        for rows, ids, mask in tokens:
            inputs = {"input_ids": ids, "attention_mask": mask}
            if "token_type_ids" in self._takes:
                inputs["token_type_ids"] = np.zeros_like(ids)
            vectors[rows] = self._pool(self._run([self._output], inputs)[0], mask)
        return vectors

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts to float32 (n, dim)."""
        return self.encode_tokens(self.tokenize(texts))

    def _pool(self, hidden: Vectors, mask: NDArray[np.int64]) -> Vectors:
        pooled: Vectors
        if self._pooling == "cls":
            pooled = hidden[:, 0]
        elif self._pooling == "lasttoken":
            pooled = hidden[np.arange(len(mask)), mask.sum(1) - 1]
        elif self._pooling == "max":
            pooled = np.where(mask[:, :, None] == 1, hidden, -np.inf).max(1)
        else:
            weights = mask.astype(np.float32)
            pooled = np.einsum("nl,nld->nd", weights, hidden) / weights.sum(1, keepdims=True)
        if self._normalize:
            pooled = pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
        return pooled


def _modules(folder: Path) -> tuple[str, bool, bool]:
    """The pooling mode, whether vectors are normalised, and whether a prompt's tokens count, by ``modules.json``."""
    modules = read_json(folder / "modules.json")
    kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise ModelError(
            f"{folder}: modules {kinds or 'unknown (no modules.json)'}; only Transformer, Pooling and Normalize can be "
            "run by ONNX Runtime here",
            folder=folder,
        )
    pooling = read_json(folder / modules[1]["path"] / "config.json")
    flags = [name for name, value in pooling.items() if name.startswith("pooling_mode_") and value]
    mode = pooling.get("pooling_mode") or [_MODES.get(name, name) for name in flags]
    chosen = [mode] if isinstance(mode, str) else mode
    if len(chosen) != 1 or chosen[0] not in _MODES.values():
        known = ", ".join(_MODES.values())
        raise ModelError(f"{folder}: pooling {', '.join(map(str, chosen))} is not one of {known}", folder=folder)
    return chosen[0], "Normalize" in kinds, pooling.get("include_prompt") is not False


def _tokenizer(folder: Path) -> Tokenizer:
    """The folder's tokenizer, which cuts where the teacher cuts."""
    settings = read_json(folder / "sentence_bert_config.json")
    if settings.get("do_lower_case"):
        raise ModelError(f"{folder}: do_lower_case of sentence_bert_config.json is not supported", folder=folder)
    limit = settings.get("max_seq_length") or read_json(folder / "tokenizer_config.json").get("model_max_length")
    path = folder / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the Rust binding raises bare Exception
        raise ModelCorrupt(f"{path} is not a tokenizer: {error}", folder=folder) from error
    tokenizer.no_padding()
    # A length of 10^30 stands for none in transformers' files.
    most = int(read_json(folder / "config.json").get("max_position_embeddings") or 512)
    tokenizer.enable_truncation(min(int(limit or most), most))
    return tokenizer


@contextmanager
def _quiet() -> Iterator[None]:
    """Neither warnings nor log lines below an error: the exporter tells of packages that it does without."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _export(folder: Path, path: Path) -> None:
    """Write the folder's transformer as an ONNX graph, and check it against PyTorch."""
    try:
        import onnxscript  # noqa: F401  # torch.onnx needs it and says so only half way
        import torch
        from transformers import AutoModel
        from transformers.utils import logging as transformers_logging
    except ImportError as error:
        raise MissingExtra(f"{error.name}, which exports {folder} to ONNX,", "peers") from error

    class Hidden(torch.nn.Module):
        def __init__(self, model: torch.nn.Module) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
            return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    transformers_logging.disable_progress_bar()
    transformer: Any = AutoModel.from_pretrained(folder)
    model = Hidden(transformer).eval()
    generator = torch.Generator().manual_seed(0)

    def example(rows: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        ids = torch.randint(0, transformer.config.vocab_size, (rows, length), generator=generator)
        mask = torch.ones_like(ids)
        mask[0, max(length - 3, 1) :] = 0
        return ids, mask

    axes = {0: torch.export.Dim("rows"), 1: torch.export.Dim("length", max=transformer.config.max_position_embeddings)}
    with _quiet():
        torch.onnx.export(
            model,
            example(2, 8),
            path,
            input_names=["input_ids", "attention_mask"],
            output_names=["last_hidden_state"],
            dynamic_shapes=(axes, axes),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    run = open_graph(path).run
    # Other exporters of PyTorch silently give graphs that are right for the example alone.
    for rows, length in ((1, 3), (3, 17)):
        ids, mask = example(rows, length)
        with torch.inference_mode():
            expected = model(ids, mask).numpy()
        found = run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]
        if (off := np.abs((found - expected) * mask.numpy()[:, :, None]).max()) > _EXPORT_TOLERANCE:
            raise ModelError(f"{folder}: the exported graph is {off:.2g} off PyTorch: not used", folder=folder)
