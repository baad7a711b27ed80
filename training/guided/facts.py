"""What a teacher's files say of it, read without PyTorch.

A teacher is a folder in the format of ``transformers`` or sentence-transformers, or the id of one on a hub. Of an id,
only the small files are fetched here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.architectures import check_code, trunk_settings
from training.teacher.settings import Settings, settings_of, small_files
from typeahead.errors import TrainingError

#: Names of models that want text before each query or passage, and those texts: of queries, and of passages.
_PROMPTED = {
    r"(^|[-_/.])e5([-_.]|$)": ("query: ", "passage: "),
    r"(^|[-_/.])bge([-_.]|$).*-en": ("Represent this sentence for searching relevant passages: ", ""),
    r"(^|[-_/.])(mxbai-embed|snowflake-arctic-embed)": (
        "Represent this sentence for searching relevant passages: ",
        "",
    ),
}
#: Names of files of weights, in the order in which they are preferred.
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
#: Bytes of a header of safetensors that are read at most.
_MAX_HEADER = 100 << 20


@dataclass(frozen=True)
class TeacherFacts:
    """A teacher as its files describe it."""

    #: The folder or the id, as given, without a slash at its end.
    id: str
    #: The folder that its small files were read from.
    folder: Path
    #: The name that people know it by.
    name: str
    config: Mapping[str, Any]
    settings: Settings
    #: Whether the files state pooling and similarity (``modules.json``), so that nothing had to be assumed.
    stated: bool
    #: The prompts that models of this name are used with, if its files state none.
    usual_prompts: tuple[str, str] | None
    #: Rows of the table of word embeddings, and tokens of the tokenizer.
    rows: int
    tokens: int
    #: The kind of its tokenizer: "WordPiece", "Unigram" or "BPE".
    tokenizer: str
    #: Bytes of the weights; 0 if they are still to be fetched.
    weights: int

    @property
    def layers(self) -> int:
        """Transformer layers."""
        return int(self.config.get("num_hidden_layers") or self.config.get("n_layers") or 0)

    @property
    def dim(self) -> int:
        """The dimension of its vectors."""
        return int(self.config.get("hidden_size") or self.config.get("dim") or 0)

    @property
    def layer_weights(self) -> int:
        """Weights of all layers: what each token is multiplied by."""
        try:
            sizes = trunk_settings(self.config)
        except ValueError:
            # No layers can be taken from it, but an estimate of its time is wanted all the same.
            sizes = {"inner": 4 * self.dim}
        products = 3 if sizes.get("gated") else 2
        return self.layers * (4 * self.dim**2 + products * self.dim * int(sizes["inner"]))


def read_facts(teacher: str, given: Mapping[str, Any]) -> TeacherFacts:
    """Read the files of a teacher. ``given`` overrides its settings, as a recipe does; ``None`` overrides nothing.

    Raises:
        TrainingError: it is no folder of a model and no id, or cannot be a teacher. The message says what to do.
    """
    id_ = teacher.rstrip("/\\") or teacher
    folder = _folder(id_)
    config = _object(folder / "config.json")
    try:
        check_code(config)
        settings = settings_of(str(folder), dict(given))
    except ValueError as error:
        raise TrainingError(str(error)) from None
    tokens, kind = _tokens(folder)
    names = f"{id_} {config.get('_name_or_path', '')}"
    usual = next((prompts for form, prompts in _PROMPTED.items() if re.search(form, names, re.IGNORECASE)), None)
    return TeacherFacts(
        id=id_,
        folder=folder,
        name=Path(id_).name,
        config=config,
        settings=settings,
        stated=(folder / "modules.json").is_file(),
        usual_prompts=usual,
        rows=_rows(folder, config),
        tokens=tokens,
        tokenizer=kind,
        weights=sum(path.stat().st_size for path in folder.iterdir() if path.suffix in (".safetensors", ".bin")),
    )


def _folder(id_: str) -> Path:
    """The folder of a teacher, or the one that the hub's small files were put into."""
    path = Path(id_)
    if path.is_dir():
        if not (path / "config.json").is_file():
            inside = sorted(one.parent.name for one in path.glob("*/config.json"))
            hint = f"; did you mean {path / inside[0]}?" if inside else ""
            raise TrainingError(f"{id_} is no model: it has no config.json{hint}")
        if (path / "golden.json").is_file():
            raise TrainingError(
                f"{id_} is a model of typeahead, not a teacher: name it with --start, and its teacher with --teacher"
            )
        if not any((path / name).is_file() for name in _WEIGHTS):
            raise TrainingError(f"{id_} has no weights: none of {', '.join(_WEIGHTS)} is there")
        return path
    if path.exists():
        raise TrainingError(f"{id_} is a file: --teacher wants the folder of a model, or its id on the hub")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", id_):
        raise TrainingError(f"{id_}: there is no such folder, and it is no id of a model on the hub either")
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return small_files(id_)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TrainingError(
            f"{id_}: there is no such folder, and the hub did not give a model of that id ({reason})"
        ) from None


def _object(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise TrainingError(f"{path} is not a JSON object")
    return found


def _tokens(folder: Path) -> tuple[int, str]:
    """How many tokens the tokenizer has, and its kind."""
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise TrainingError(
            f"{folder} has no tokenizer.json, only a slow tokenizer. Save a fast one there: "
            f"AutoTokenizer.from_pretrained({str(folder)!r}).save_pretrained({str(folder)!r}), in transformers"
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
        return int(tokenizer.get_vocab_size(with_added_tokens=True)), type(tokenizer.model).__name__
    except Exception as error:  # the library raises nothing narrower
        raise TrainingError(f"{path} cannot be read: {error}") from None


def _rows(folder: Path, config: Mapping[str, Any]) -> int:
    """The rows of the table of word embeddings: by the weights, where they are here as safetensors, or the config."""
    path = folder / "model.safetensors"
    if path.is_file():
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > min(_MAX_HEADER, path.stat().st_size):
                raise TrainingError(f"{path} is damaged: its header is longer than the file")
            try:
                header = json.loads(file.read(length))
            except ValueError:
                raise TrainingError(f"{path} is damaged: its header is not JSON") from None
        shapes = [
            entry["shape"]
            for name, entry in header.items()
            if name.endswith(("word_embeddings.weight", "tok_embeddings.weight", "embed_tokens.weight", "wte.weight"))
        ]
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        if ends and 8 + length + max(ends) > path.stat().st_size:
            raise TrainingError(f"{path} is truncated: copy it again")
        if shapes:
            return int(shapes[0][0])
    return int(config.get("vocab_size") or 0)


def megabytes(count: float) -> str:
    """A number of bytes for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{math.ceil(count / 1e6):,} MB"
