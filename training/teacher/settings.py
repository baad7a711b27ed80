"""How a teacher makes a vector of a text: read from its folder, or stated by a recipe."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download

POOLINGS = ("mean", "cls", "last")
SIMILARITIES = ("cosine", "dot")

#: The sentence-transformers modules that :class:`~training.teacher.torch_teacher.TorchTeacher` can compute.
_MODULES = {"Transformer", "Pooling", "Normalize"}
_MODES = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls", "pooling_mode_lasttoken": "last"}


@dataclass(frozen=True)
class Settings:
    """How a teacher makes a vector of a text."""

    #: "mean", "cls" or "last".
    pooling: str
    #: The teacher cuts a text after this many word pieces, special tokens included.
    max_length: int
    #: Whether vectors are divided by their length. In what :func:`settings_of` gives, it is true exactly for "cosine".
    normalize: bool
    #: "cosine" or "dot"; "" where the files do not say.
    similarity: str
    #: Text put before every query and before every passage.
    query_prompt: str = ""
    passage_prompt: str = ""


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def read_settings(folder: Path) -> Settings:
    """Read the settings of a sentence-transformers folder, or of a plain Hugging Face folder (no ``modules.json``).

    A plain folder does not state its pooling. It is taken to be used as coCondenser's retriever is: [CLS], not
    normalised, dot product. A recipe can override each of these. The similarity is "" if the files do not state it.

    Raises:
        ValueError: the folder has a module or a pooling that
            :class:`~training.teacher.torch_teacher.TorchTeacher` does not compute.
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
        stated = described.get("similarity_fn_name") or ""
        return Settings("cls", length, False, stated, query_prompt, passage_prompt)
    modules = json.loads(modules_path.read_text(encoding="utf-8"))
    kinds = {module["type"].rsplit(".", 1)[-1]: module["path"] for module in modules}
    if unknown := set(kinds) - _MODULES:
        raise ValueError(f"{folder}: teachers with {', '.join(sorted(unknown))} modules are not supported")
    pooling = _json(folder / kinds["Pooling"] / "config.json")
    chosen = [mode for key, mode in _MODES.items() if pooling.get(key)]
    if pooling.get("pooling_mode") in POOLINGS:
        chosen = [pooling["pooling_mode"]]
    if len(chosen) != 1 or any(key not in _MODES and value is True for key, value in pooling.items() if "mode_" in key):
        raise ValueError(f"{folder}: pooling {pooling} is not one of {POOLINGS}; set pooling in the recipe")
    if pooling.get("include_prompt") is False and query_prompt + passage_prompt and chosen == ["mean"]:
        raise ValueError(f"{folder}: mean pooling without the prompt is not supported")
    length = int(_json(folder / "sentence_bert_config.json").get("max_seq_length") or length)
    stated = described.get("similarity_fn_name") or ""
    return Settings(chosen[0], length, "Normalize" in kinds, stated, query_prompt, passage_prompt)


def settings_of(path: str, given: dict[str, Any]) -> Settings:
    """The settings of a folder or hub id, overridden by those of ``given`` that are not ``None``.

    Normalised vectors compare by cosine, and vectors that compare by cosine are normalised: each of the two settings
    follows from the other, whichever is stated. (The dot product of normalised vectors is their cosine.) The files are
    not read if ``given`` states pooling, length, normalisation and similarity.

    Raises:
        ValueError: see :func:`read_settings`; or a pooling or similarity that does not exist.
    """
    stated = {name: value for name, value in given.items() if value is not None}
    if {"pooling", "max_length", "normalize", "similarity"} <= set(stated):
        found = Settings("", 0, False, "")
    else:
        found = read_settings(Path(path) if Path(path).is_dir() else small_files(path))
    chosen = Settings(**{**vars(found), **stated})
    if chosen.pooling not in POOLINGS:
        raise ValueError(f"pooling {chosen.pooling!r} is not one of {POOLINGS}")
    if chosen.similarity not in (*SIMILARITIES, ""):
        raise ValueError(f"similarity {chosen.similarity!r} is not one of {SIMILARITIES}")
    # A recipe that turns normalisation off overrides the cosine of the files too.
    overridden = "normalize" in stated and "similarity" not in stated
    cosine = chosen.normalize or (chosen.similarity == "cosine" and not overridden)
    return replace(chosen, normalize=cosine, similarity="cosine" if cosine else "dot")


def small_files(name: str) -> Path:
    """The small files of a model on the hub, its card among them, taken from the local cache if they are there."""
    return Path(snapshot_download(name, allow_patterns=["*.json", "*/config.json", "README.md"]))
