"""Static tables as others write them, small and with random rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from tests.conftest import ROOT

#: all-MiniLM-L6-v2's tokenizer, as it ships with the models.
TOKENIZER = ROOT / "models" / "minilm-gru" / "tokenizer.json"
VOCABULARY = 30_522


def random_table(dim: int = 24, *, seed: int = 0, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((VOCABULARY, dim)).astype(dtype)


def write_model2vec(
    folder: Path, tensors: dict[str, np.ndarray] | None = None, *, tokenizer: Path = TOKENIZER, **config: Any
) -> Path:
    """As ``StaticModel.save_pretrained`` does."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"embeddings": random_table()} if tensors is None else tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "model2vec", **config}))
    Tokenizer.from_file(str(tokenizer)).save(str(folder / "tokenizer.json"))
    modules = [{"idx": 0, "name": "0", "path": ".", "type": "sentence_transformers.models.StaticEmbedding"}]
    if config.get("normalize"):
        modules.append({"idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize"})
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def write_sentence_transformers(
    folder: Path, table: np.ndarray | None = None, *, normalize: bool = False, truncation: int | None = None
) -> Path:
    """As ``SentenceTransformer.save`` does for a StaticEmbedding."""
    home = folder / "0_StaticEmbedding"
    home.mkdir(parents=True)
    save_file({"embedding.weight": random_table() if table is None else table}, home / "model.safetensors")
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    if truncation is not None:
        tokenizer.enable_truncation(truncation)
    tokenizer.save(str(home / "tokenizer.json"))
    kinds = ["StaticEmbedding", *(["Normalize"] if normalize else [])]
    modules = [
        {
            "idx": number,
            "name": str(number),
            "path": f"{number}_{kind}",
            "type": f"sentence_transformers.sentence_transformer.modules.{kind}",
        }
        for number, kind in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps({"model_type": "SentenceTransformer", "prompts": {}, "similarity_fn_name": "cosine"})
    )
    if normalize:
        (folder / "1_Normalize").mkdir()
    return folder
