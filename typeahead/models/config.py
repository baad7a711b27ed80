"""The format of a model folder, and what its ``config.json`` says.

The format, version 1::

    config.json         what follows in :class:`ModelConfig`, the sha256 of every other file, and one of itself, which
                        models of before do not have: see :mod:`typeahead.storage.sealed`
    tokenizer.json      as the `tokenizers` library writes it
    weights.safetensors the weights, once; the graphs name byte ranges of it as their external data
    *.safetensors       large tables, apart, so that no file is beyond what hosts of code take; used in the same way
    *.onnx              graphs for ONNX Runtime, of a few kilobytes; none where the family is "static", whose tensors
                        :mod:`typeahead.encoders.static` names
    golden.json         texts with the vectors that they must give, and how close
    README.md           the model card

A folder is data: nothing in it is executed but ONNX graphs, and those only after every file has the sha256 that
``config.json`` states. That protects against damage, not against a forger who also writes ``config.json``: load models
only from sources you trust. A later format version is refused. Golden texts are encoded whenever a model is loaded; a
processor whose int8 products miss them (u8 × s8 saturates without VNNI) runs the float32 graph over the same weights
instead.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from typeahead.errors import ModelCorrupt, ModelTooNew
from typeahead.storage.sealed import seal

FORMAT_VERSION = 1
CONFIG = "config.json"

#: Far above any dimension or length, and small enough that nothing is allocated before the weights disagree.
_LARGEST_SIZE = 1 << 20

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class TeacherInfo:
    """The embedding space: which teacher, and how its vectors are made."""

    name: str
    #: sha256 of the teacher's weights file, or "" if unknown.
    revision: str
    #: "mean", "cls" or "last".
    pooling: str
    #: Word pieces, special tokens included, after which the teacher cuts a text.
    max_tokens: int
    #: Whether its vectors have length 1.
    normalized: bool


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """``config.json`` of a model folder."""

    name: str
    #: Which class of :mod:`typeahead.encoders` runs it: "causal", "recurrent", "static" or "transformer".
    family: str
    #: "query" or "passage"; "both" where queries and passages are encoded alike, in a space of the model's own.
    role: str
    #: Dimension of the embedding.
    dim: int
    #: "cosine" or "dot".
    similarity: str
    teacher: TeacherInfo
    #: Token ids of a text after which the encoder cuts, special tokens not counted.
    max_tokens: int
    #: Ids that stand before and after the tokens of a text. None stand after it for an incremental encoder, and none
    #: before it for a recurrent one.
    prefix_ids: tuple[int, ...]
    suffix_ids: tuple[int, ...]
    #: Sizes that the family needs.
    shape: Mapping[str, int]
    #: sha256 of every other file of the folder.
    files: Mapping[str, str]
    format_version: int = FORMAT_VERSION

    @classmethod
    def from_json(cls, data: Any, folder: Path) -> ModelConfig:
        """Check and take what ``config.json`` holds."""
        if not isinstance(data, dict):
            raise ModelCorrupt(f"{folder / CONFIG} holds no JSON object", folder=folder)
        version = data.get("format_version")
        if not isinstance(version, int) or isinstance(version, bool):
            raise ModelCorrupt(f"{folder / CONFIG} has no format_version", folder=folder)
        if version > FORMAT_VERSION:
            raise ModelTooNew(
                f"{folder} has format version {version}, this typeahead reads up to {FORMAT_VERSION}: upgrade",
                folder=folder,
            )
        try:
            values = {field.name: data[field.name] for field in fields(cls)}
            values["teacher"] = TeacherInfo(**values["teacher"])
            for name in ("prefix_ids", "suffix_ids"):
                values[name] = tuple(_whole(name, one, 0) for one in _list(name, values[name]))
            values["shape"] = {name: _whole(name, size, 1) for name, size in values["shape"].items()}
            values["files"] = dict(values["files"].items())
            config = cls(**values)
            config._check()
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelCorrupt(f"{folder / CONFIG}: missing or wrong field: {error}", folder=folder) from error
        return config

    def _check(self) -> None:
        """Raise ``ValueError`` for a value that no model has."""
        for name, size in (("dim", self.dim), ("max_tokens", self.max_tokens)):
            _whole(name, size, 1)
        _whole("teacher.max_tokens", self.teacher.max_tokens, 1)
        for name, value, known in (
            ("role", self.role, ("query", "passage", "both")),
            ("similarity", self.similarity, ("cosine", "dot")),
            ("format_version", self.format_version, range(1, FORMAT_VERSION + 1)),
        ):
            if value not in known:
                raise ValueError(f"{name} is {reprlib.repr(value)}")
        if not isinstance(self.teacher.normalized, bool):
            raise ValueError(f"teacher.normalized is {reprlib.repr(self.teacher.normalized)}, not true or false")
        if not isinstance(self.teacher.revision, str):
            raise ValueError(f"teacher.revision is {reprlib.repr(self.teacher.revision)}, not a text")
        for name, text in (
            ("name", self.name),
            ("family", self.family),
            ("teacher.name", self.teacher.name),
            ("teacher.pooling", self.teacher.pooling),
        ):
            if not isinstance(text, str) or not text:
                raise ValueError(f"{name} is {reprlib.repr(text)}, not a text")
        for file, digest in self.files.items():
            if not is_plain_name(file) or file == CONFIG:
                raise ValueError(f"{reprlib.repr(file)} is not a plain file name")
            if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
                raise ValueError(f"{reprlib.repr(digest)} is no SHA-256 of {file}")

    def to_json(self) -> str:
        """The text of ``config.json``."""
        return seal(asdict(self))


def is_plain_name(name: str) -> bool:
    """Whether ``name`` is that of a file within a folder on every system, and nothing that leads elsewhere."""
    return (
        0 < len(name) <= 200
        and name.isprintable()
        and not set(name) & set('/\\:*?"<>|')
        and name not in (".", "..")
        and name == name.strip()
    )


def _whole(name: str, value: Any, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _LARGEST_SIZE:
        raise ValueError(f"{name} is {reprlib.repr(value)}, not a whole number from {least} to {_LARGEST_SIZE}")
    return value


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{name} is {reprlib.repr(value)}, not a list")
    return value
