"""The format of a model folder, and the contents of its ``config.json``.

The format, version 1::

    config.json         the fields of :class:`ModelConfig`, the sha256 of every other file, and a checksum of itself
                        (missing in older models): see :mod:`typeahead.storage.sealed`
    tokenizer.json      as the `tokenizers` library writes it
    weights.safetensors the weights, stored once; the graphs refer to byte ranges of it as external data
    *.safetensors       large tables, in separate files to stay below the file size limits of code hosts; used the same
                        way
    *.onnx              graphs for ONNX Runtime, a few kilobytes each; none for the family "static", whose tensors are
                        listed in :mod:`typeahead.encoders.static`
    golden.json         texts with their expected vectors, and the required agreement
    README.md           the model card

A folder is data: only its ONNX graphs are executed, and only after every file has matched its sha256 in
``config.json``. This protects against damage, but not against an attacker who also rewrites ``config.json``: load
models only from sources you trust. Newer format versions are rejected. Every load encodes the golden texts. If the
processor's int8 products miss the golden vectors (u8 × s8 saturates without VNNI), the float32 graph runs instead, over
the same weights.
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

#: Far above any real dimension or length, but small enough to allocate nothing before the weights are found not to fit.
_LARGEST_SIZE = 1 << 20

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class TeacherInfo:
    """The embedding space: the teacher, and how its vectors are made."""

    name: str
    #: sha256 of the teacher's weights file, or "" if unknown.
    revision: str
    #: "mean", "cls" or "last".
    pooling: str
    #: Maximum length of a text in word pieces, including special tokens; the teacher truncates longer texts.
    max_tokens: int
    #: Whether the teacher's vectors have length 1.
    normalized: bool


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """``config.json`` of a model folder."""

    name: str
    #: The class of :mod:`typeahead.encoders` that runs it: "causal", "recurrent", "static" or "transformer".
    family: str
    #: "query" or "passage"; "both" if the model encodes queries and passages alike, in its own embedding space.
    role: str
    #: Dimension of the embedding.
    dim: int
    #: "cosine" or "dot".
    similarity: str
    teacher: TeacherInfo
    #: Maximum length of a text in token ids, without special tokens; the encoder truncates longer texts.
    max_tokens: int
    #: Ids before and after the tokens of a text. An incremental encoder has no suffix, a recurrent one no prefix
    #: either.
    prefix_ids: tuple[int, ...]
    suffix_ids: tuple[int, ...]
    #: Sizes specific to the family.
    shape: Mapping[str, int]
    #: sha256 of every other file in the folder.
    files: Mapping[str, str]
    format_version: int = FORMAT_VERSION

    @property
    def unit(self) -> bool:
        """Whether the encoder's vectors have length 1.

        A student's have if they are compared by cosine, whatever its teacher does. A passage encoder does as the
        teacher, and so does a model with an embedding space of its own.
        """
        return self.similarity == "cosine" if self.role == "query" else self.teacher.normalized

    @classmethod
    def from_json(cls, data: Any, folder: Path) -> ModelConfig:
        """Check the content of ``config.json`` and make a configuration from it."""
        if not isinstance(data, dict):
            raise ModelCorrupt(f"{folder / CONFIG} is not a JSON object", folder=folder)
        version = data.get("format_version")
        if not isinstance(version, int) or isinstance(version, bool):
            raise ModelCorrupt(f"{folder / CONFIG} has no format_version", folder=folder)
        if version > FORMAT_VERSION:
            raise ModelTooNew(
                f"{folder} has format version {version}, but this typeahead reads only up to {FORMAT_VERSION}: upgrade",
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
        """Raise ``ValueError`` for a value that is not valid for any model."""
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
            raise ValueError(f"teacher.revision is {reprlib.repr(self.teacher.revision)}, not a string")
        for name, text in (
            ("name", self.name),
            ("family", self.family),
            ("teacher.name", self.teacher.name),
            ("teacher.pooling", self.teacher.pooling),
        ):
            if not isinstance(text, str) or not text:
                raise ValueError(f"{name} is {reprlib.repr(text)}, not a non-empty string")
        for file, digest in self.files.items():
            if not is_plain_name(file) or file == CONFIG:
                raise ValueError(f"{reprlib.repr(file)} is not a plain file name")
            if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
                raise ValueError(f"{reprlib.repr(digest)} is not a SHA-256 of {file}")

    def to_json(self) -> str:
        """Return the text of ``config.json``."""
        return seal(asdict(self))


def is_plain_name(name: str) -> bool:
    """Whether ``name`` is a valid file name on every system and cannot refer to anything outside its folder."""
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
