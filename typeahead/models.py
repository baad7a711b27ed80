"""Reads, verifies and writes a model folder.

The format, version 1::

    config.json         what follows in :class:`ModelConfig`, the sha256 of every other file, and one of itself, which
                        models of before do not have: see :mod:`typeahead.sealed`
    tokenizer.json      as the `tokenizers` library writes it
    weights.safetensors the weights, once; the graphs name byte ranges of it as their external data
    *.safetensors       large tables, apart, so that no file is beyond what hosts of code take; used in the same way
    *.onnx              graphs for ONNX Runtime, of a few kilobytes; none where the family is "static", whose tensors
                        :mod:`typeahead.encoders.static` names
    golden.json         texts with the vectors that they must give, and how close
    README.md           the model card

A folder is data: nothing in it is executed but ONNX graphs, and those only after every file has the sha256 that
``config.json`` states. That protects against damage, not against a forger who writes ``config.json`` too: take models
from whom you trust. A later format version is refused. Golden texts are encoded whenever a model is loaded; a processor
whose int8 products miss them (u8 × s8 saturates without VNNI) runs the float32 graph over the same weights instead.
"""

from __future__ import annotations

import re
import reprlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from typeahead.errors import ModelCorrupt, ModelError, ModelNotFound, ModelTooNew, VariableError
from typeahead.golden import GOLDEN, Golden
from typeahead.paths import models_folder
from typeahead.sealed import SEAL, SealBroken, is_sealed, read_json, seal
from typeahead.sums import file_sha256

if TYPE_CHECKING:
    from typeahead.encoders.causal import CausalEncoder
    from typeahead.encoders.recurrent import RecurrentEncoder
    from typeahead.encoders.static import StaticEncoder
    from typeahead.encoders.transformer import TransformerEncoder

    Loaded: TypeAlias = CausalEncoder | RecurrentEncoder | StaticEncoder | TransformerEncoder

FORMAT_VERSION = 1
CONFIG = "config.json"

#: Far above any dimension or length, and small enough that nothing is allocated before the weights disagree.
_LARGEST_SIZE = 1 << 20

#: Files that a folder of each family must list, beside those that all have.
_GRAPHS = {
    "causal": ("step.onnx", "step-float32.onnx", "fold.onnx"),
    "recurrent": ("step.onnx", "step-float32.onnx", "fold.onnx", "fold-float32.onnx"),
    "static": (),
    "transformer": ("encoder.onnx", "encoder-float32.onnx"),
}

#: The largest ``config.json`` that is read, in bytes.
_MAX_CONFIG = 4 << 20
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


def find(name_or_path: str | Path) -> Path:
    """The folder of a shipped model's name, or of a path."""
    path = Path(name_or_path)
    if (path / CONFIG).is_file():
        return path
    shipped = models_folder() / path
    if len(path.parts) == 1 and (shipped / CONFIG).is_file():
        return shipped
    raise ModelNotFound(
        f"no model {str(name_or_path)!r}: neither a folder with a config.json nor one of {', '.join(shipped_models())}"
    )


def shipped_models() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(path.parent.name for path in models_folder().glob("*/config.json"))


def read_config(folder: Path, *, verify: bool = True) -> ModelConfig:
    """Read ``config.json``, and unless told not to, check the sha256 of every file that it names."""
    config, _ = open_config(folder)
    for name, expected in config.files.items() if verify else ():
        path = folder / name
        if not path.is_file():
            raise ModelCorrupt(f"{path} is missing: fetch the model again", folder=folder)
        if file_sha256(path) != expected:
            raise ModelCorrupt(
                f"{path} does not have the sha256 that config.json states: fetch it again", folder=folder
            )
    return config


def open_config(folder: Path, *, check_seal: bool = True) -> tuple[ModelConfig, bool]:
    """Read ``config.json`` alone, and tell whether it carries a sum of itself; :func:`read_config` checks the files."""
    path = folder / CONFIG
    try:
        data, text = read_json(path, _MAX_CONFIG)
        config = ModelConfig.from_json(data, folder)
        return config, is_sealed(data, text) if check_seal else SEAL in data
    except SealBroken as error:
        raise ModelCorrupt(
            f"{path} is damaged ({error}): fetch the model again, or, if you changed the file yourself, run "
            f"`typeahead verify --seal {folder}`",
            folder=folder,
        ) from error
    except OSError as error:
        raise ModelCorrupt(f"{path} cannot be read: {error.strerror}", folder=folder) from error
    except ValueError as error:
        raise ModelCorrupt(f"{path} is damaged ({error}): fetch the model again", folder=folder) from error


def load(name_or_path: str | Path, *, threads: int = 1) -> Loaded:
    """Load an encoder: one that comes with the package by its name, any other by its folder.

    ``threads`` is for whole texts; a step of an incremental encoder always runs on the caller's thread alone.
    Raises :class:`~typeahead.errors.ModelNotFound`, :class:`~typeahead.errors.ModelCorrupt` or
    :class:`~typeahead.errors.ModelTooNew`.
    """
    folder = find(name_or_path)
    config = read_config(folder)
    for needed in ("tokenizer.json", GOLDEN, "weights.safetensors", *_GRAPHS.get(config.family, ())):
        if needed not in config.files:
            raise ModelCorrupt(f"{folder / CONFIG} does not list {needed}", folder=folder)
    make = _maker(config, folder, threads)
    golden = Golden.read(folder)
    encoder, agreement = _try(make, "", golden, folder)
    if agreement < golden.min_cosine:
        precise, precise_agreement = _try(make, "-float32", golden, folder)
        if precise_agreement < golden.min_cosine:
            raise ModelCorrupt(
                f"{folder}: the golden vectors are missed in int8 (cosine {agreement:.4f}) and in float32 "
                f"({precise_agreement:.4f}): the weights are not the ones that the card describes",
                folder=folder,
            )
        warnings.warn(
            f"{config.name}: int8 products on this processor miss the golden vectors (cosine {agreement:.4f}, "
            f"expected {golden.min_cosine}); running in float32, which is slower",
            RuntimeWarning,
            stacklevel=2,
        )
        return precise
    return encoder


def _try(make: Callable[[str], Loaded], variant: str, golden: Golden, folder: Path) -> tuple[Loaded, float]:
    """Make an encoder and compare it with the golden vectors."""
    try:
        encoder = make(variant)
        return encoder, golden.agreement(encoder)
    except (ModelError, VariableError):
        raise
    except Exception as error:  # sizes that do not fit the weights fail in ONNX Runtime or NumPy, each in its own way
        raise ModelCorrupt(f"{folder}: the configuration does not fit the weights: {error}", folder=folder) from error


def _maker(config: ModelConfig, folder: Path, threads: int) -> Callable[[str], Loaded]:
    # The families are imported here, since whoever reads a configuration needs no ONNX Runtime.
    if config.family == "recurrent":
        from typeahead.encoders.recurrent import RecurrentEncoder

        return lambda variant: RecurrentEncoder(config, folder, variant=variant)
    if config.family == "static":
        from typeahead.encoders.static import StaticEncoder

        # Its sums are in float32 on every processor.
        return lambda _variant: StaticEncoder(config, folder)
    if config.family == "causal":
        from typeahead.encoders.causal import CausalEncoder

        return lambda variant: CausalEncoder(config, folder, variant=variant)
    if config.family == "transformer":
        from typeahead.encoders.transformer import TransformerEncoder

        return lambda variant: TransformerEncoder(config, folder, variant=variant, threads=threads)
    raise ModelTooNew(f"{folder}: family {config.family!r} is not known to this typeahead: upgrade it", folder=folder)


def write_config(folder: Path, config: ModelConfig) -> ModelConfig:
    """Write ``config.json`` with the sha256 of every file that now lies in ``folder``."""
    files = {path.name: file_sha256(path) for path in sorted(folder.iterdir()) if path.name != CONFIG}
    values = {field.name: getattr(config, field.name) for field in fields(config)} | {"files": files}
    complete = ModelConfig(**values)
    # The sum is of the bytes: line ends stay as they are.
    (folder / CONFIG).write_text(complete.to_json(), encoding="utf-8", newline="")
    return complete


def check_texts(texts: Sequence[str]) -> None:
    """Raise :class:`~typeahead.errors.TextError` for the first of ``texts`` that is not valid Unicode."""
    from typeahead.tokens import check_text

    if isinstance(texts, str):
        raise TypeError("encode takes a sequence of texts, not one text: put it into a list")
    for number, text in enumerate(texts):
        check_text(text, what=f"text {number}")
