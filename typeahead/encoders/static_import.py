"""Imports a static table made by others, from a model2vec or sentence-transformers folder, as a model.

Such a model encodes queries and passages alike, in its own embedding space, so you have to build the index with it.
This is what the import reads:

=====================  ==============================================  ==============================================
                       model2vec (the potion models)                   sentence-transformers
=====================  ==============================================  ==============================================
recognized by          ``embeddings`` in ``model.safetensors``         ``embedding.weight`` there
table                  ``embeddings``, by ``mapping`` if there is one  ``embedding.weight``
weights of tokens      ``weights`` if there are any                    none
unknown words          ignored                                         count like all others
length in tokens       ``max_length`` of ``config.json``, else 512     the tokenizer's truncation, if it has one
length in code points  that times the median length of the vocabulary  any
length 1               ``normalize`` of ``config.json``                a ``Normalize`` among ``modules.json``
similarity             cosine                                          ``similarity_fn_name``, else cosine
=====================  ==============================================  ==============================================

An embedding is the mean of rows: each row times its weight, divided by the number of tokens. Two things differ from the
source libraries on purpose: names of special tokens in a text ("[SEP]") are plain text, and a model without a maximum
length gets :data:`MAX_TOKENS`.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from typeahead.core.encoder import Vectors
from typeahead.encoders.loading import load
from typeahead.encoders.static import StaticEncoder
from typeahead.encoders.weights import read_tensors
from typeahead.errors import ModelCorrupt, ModelError, ModelNotFound
from typeahead.models.config import ModelConfig, TeacherInfo
from typeahead.models.folder import write_config
from typeahead.models.golden import GOLDEN_TEXTS, Golden
from typeahead.storage.sums import file_sha256

#: Maximum length in tokens if the folder states none: each token may occupy a slot of the cache.
MAX_TOKENS = 16_384
#: model2vec's default if its configuration states nothing.
_MODEL2VEC_LENGTH = 512
#: Maximum size of a JSON file, in bytes: tokenizers with large vocabularies have about 20 MB.
_MAX_JSON = 256 << 20
#: How closely the imported table must match the mean that the source's library would compute.
_TOLERANCE = 1e-5

_CARD = """\
# {name}

A static encoder, imported from `{source}` ({kind}): an embedding is the {mean} of the vectors of its tokens, in
any order{normalized}. It encodes queries and passages alike, in its own embedding space:

    typeahead index DOCUMENTS --out DIR --encoder {name}
    typeahead serve --encoder {name} --index DIR

{dim} dimensions, {tokens:,} tokens, texts of up to {max_tokens:,} tokens, compared by {similarity}. The table is the
one in that folder, sha256 `{revision}`. For its training data and licence, see the card in that folder.
"""


@dataclass(frozen=True)
class Source:
    """A static table as found in its folder, one row per token."""

    kind: str
    tokenizer: Path
    weights: Path
    #: The vector that a token adds to the sum: float32 or float16 (vocabulary, dim).
    table: NDArray[Any]
    #: What a token adds to the number of tokens, float32 (vocabulary,): 1, or 0 for an ignored token.
    count: Vectors
    normalized: bool
    similarity: str
    max_tokens: int
    #: Longer texts are truncated to this many code points before tokenization.
    max_chars: int | None = None


def import_static(folder: Path, out: Path, *, name: str | None = None) -> StaticEncoder:
    """Write the static model in ``folder`` as a model folder ``out``, and load it.

    Raises :class:`~typeahead.errors.ModelNotFound` if there is no such folder, :class:`~typeahead.errors.ModelCorrupt`
    if its parts do not fit together or contain invalid numbers, and :class:`~typeahead.errors.ModelError` for another
    kind of model, for an ``out`` that is not empty, or for an invalid name.
    """
    name = out.name if name is None else name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ModelError(f"{name!r} is not a valid model name: use letters, digits, '.', '_' and '-'", folder=out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ModelError(f"{out} already exists: choose a folder for a new model", folder=out)
    source = read_source(folder)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as temporary:
        made = Path(temporary) / "model"
        made.mkdir()
        _write(source, folder, made, name)
        made.replace(out)
    encoder = load(out)
    assert isinstance(encoder, StaticEncoder)
    return encoder


def read_source(folder: Path) -> Source:
    """Read a folder of model2vec or sentence-transformers; raises the same errors as :func:`import_static`."""
    if not folder.is_dir():
        raise ModelNotFound(f"{folder} is not a folder", folder=folder)
    modules = _modules(folder)
    home = folder / modules[0] if modules else folder
    weights, tokenizer = home / "model.safetensors", home / "tokenizer.json"
    for path in (weights, tokenizer):
        if not path.is_file():
            raise ModelCorrupt(f"{path} is missing: this is not a static model, or it is incomplete", folder=folder)
    tensors = read_tensors(weights)
    pipeline, vocabulary = _tokenizer(tokenizer, folder)
    if "embeddings" in tensors:
        source = _model2vec(folder, weights, tokenizer, tensors, pipeline, vocabulary)
    elif "embedding.weight" in tensors:
        config = _read_json(folder / "config_sentence_transformers.json", folder, missing={})
        length = (pipeline.get("truncation") or {}).get("max_length")
        source = Source(
            "sentence-transformers",
            tokenizer,
            weights,
            tensors["embedding.weight"],
            np.ones(len(tensors["embedding.weight"]), np.float32),
            normalized="Normalize" in modules[1:],
            similarity=config.get("similarity_fn_name") or "cosine",
            max_tokens=length or MAX_TOKENS,
        )
    else:
        raise ModelCorrupt(
            f'{weights} has {", ".join(sorted(tensors)) or "no tensors"}, but neither "embeddings" nor '
            '"embedding.weight": this is not a static table',
            folder=folder,
        )
    _check(source, vocabulary, folder)
    return source


def _tokenizer(path: Path, folder: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Read a ``tokenizer.json``; return it and its tokens by name."""
    pipeline = _read_json(path, folder)
    try:
        return pipeline, Tokenizer.from_file(str(path)).get_vocab(with_added_tokens=True)
    except Exception as error:  # the Rust binding raises bare Exception
        raise ModelCorrupt(f"{path} is not a tokenizer: {error}", folder=folder) from error


def _modules(folder: Path) -> list[str]:
    """Read ``modules.json``: the table's folder and the steps applied to its vectors; empty if it does not exist."""
    modules = _read_json(folder / "modules.json", folder, missing=[])
    try:
        kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in modules]
        path = str(modules[0]["path"]) if modules else ""
    except (KeyError, TypeError) as error:
        raise ModelCorrupt(f"{folder / 'modules.json'} is not a list of modules: {error!r}", folder=folder) from error
    if kinds and kinds[0] != "StaticEmbedding":
        raise ModelError(
            f"{folder} is a {kinds[0]}, and only static tables can be imported. Distil it with `training`",
            folder=folder,
        )
    if others := [kind for kind in kinds[1:] if kind != "Normalize"]:
        raise ModelError(f"{folder}: a model with a {others[0]} after the table cannot be imported", folder=folder)
    if ".." in Path(path).parts or Path(path).is_absolute():
        raise ModelCorrupt(f"{folder / 'modules.json'} points outside its folder, to {path!r}", folder=folder)
    return [path, *kinds[1:]] if kinds else []


def _model2vec(
    folder: Path,
    weights: Path,
    tokenizer: Path,
    tensors: dict[str, Any],
    pipeline: dict[str, Any],
    vocabulary: dict[str, int],
) -> Source:
    config = _read_json(weights.parent / "config.json", folder, missing={})
    table = tensors["embeddings"]
    if (mapping := tensors.get("mapping")) is not None:
        if table.ndim != 2 or mapping.min(initial=0) < 0 or mapping.max(initial=-1) >= len(table):
            raise ModelCorrupt(f"{weights}: the mapping refers to rows that the table does not have", folder=folder)
        table = table[mapping]
    if (factors := tensors.get("weights")) is not None:
        if len(factors) != len(table):
            raise ModelCorrupt(f"{weights}: {len(factors)} weights for {len(table)} tokens", folder=folder)
        table = table * factors.astype(np.float32)[:, None]
    count = np.ones(len(table), np.float32)
    if (unknown := _unknown(pipeline)) is not None and unknown < len(table):
        table = table.copy()
        table[unknown] = count[unknown] = 0
    length = config.get("max_length", _MODEL2VEC_LENGTH)
    # Same limit as in model2vec, so a long text is not tokenized to its end.
    median = int(np.median([len(token) for token in vocabulary])) if vocabulary else 1
    return Source(
        "model2vec",
        tokenizer,
        weights,
        table,
        count,
        normalized=bool(config.get("normalize", False)),
        similarity="cosine",
        max_tokens=MAX_TOKENS if length is None else length,
        max_chars=length * median if type(length) is int and length > 0 else None,
    )


def _unknown(tokenizer: dict[str, Any]) -> int | None:
    """Return the id of the token for unknown words, if this tokenizer has one."""
    model = tokenizer["model"]
    if "unk_id" in model:  # Unigram
        return None if model["unk_id"] is None else int(model["unk_id"])
    token = model.get("unk_token")
    added = {entry["content"]: entry["id"] for entry in tokenizer.get("added_tokens", [])}
    found = added.get(token, model["vocab"].get(token))
    return None if token is None or found is None else int(found)


def _check(source: Source, vocabulary: dict[str, int], folder: Path) -> None:
    """Raise :class:`~typeahead.errors.ModelCorrupt` for a table that is invalid or does not fit this tokenizer."""
    table = source.table
    if table.ndim != 2 or table.dtype.kind not in "fi" or not table.size:
        raise ModelCorrupt(f"{source.weights}: {table.dtype} {table.shape} is not a valid table", folder=folder)
    if len(table) != len(vocabulary) or max(vocabulary.values(), default=-1) >= len(table):
        raise ModelCorrupt(
            f"{folder}: the tokenizer has {len(vocabulary)} tokens, but the table has {len(table)} rows: "
            "they do not belong together",
            folder=folder,
        )
    finite = np.isfinite(table).all(axis=1)
    if not finite.all():
        raise ModelCorrupt(
            f"{source.weights}: the row of token {int(np.flatnonzero(~finite)[0])} is NaN or infinite", folder=folder
        )
    if source.similarity not in ("cosine", "dot"):
        raise ModelError(f"{folder} uses the similarity {source.similarity!r}: use cosine or dot", folder=folder)
    if type(source.max_tokens) is not int or source.max_tokens < 1:
        raise ModelCorrupt(f"{folder}: {source.max_tokens!r} is not a number of tokens", folder=folder)


def _write(source: Source, folder: Path, out: Path, name: str) -> None:
    from safetensors.numpy import save_file

    tokenizer = Tokenizer.from_file(str(source.tokenizer))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(out / "tokenizer.json"), pretty=False)
    table = source.table if source.table.dtype in (np.float16, np.float32) else source.table.astype(np.float32)
    save_file({"table": np.ascontiguousarray(table), "weight": source.count}, out / "weights.safetensors")
    # safetensors writes files that only their owner may read.
    shutil.copymode(out / "tokenizer.json", out / "weights.safetensors")
    revision = file_sha256(source.weights)
    max_tokens = min(source.max_tokens, MAX_TOKENS)
    teacher = TeacherInfo(name, revision, pooling="mean", max_tokens=max_tokens, normalized=source.normalized)
    config = ModelConfig(
        name=name,
        family="static",
        role="both",
        dim=table.shape[1],
        similarity=source.similarity,
        teacher=teacher,
        max_tokens=max_tokens,
        prefix_ids=(),
        suffix_ids=(),
        shape={} if source.max_chars is None else {"max_chars": source.max_chars},
        files={},
    )
    encoder = StaticEncoder(config, out)
    texts, expected = _golden(source, encoder)
    found = encoder.encode(texts)
    if not np.allclose(found, expected, rtol=_TOLERANCE, atol=_TOLERANCE):
        raise ModelError(f"{folder}: the imported table does not reproduce the mean of its rows", folder=folder)
    (out / "golden.json").write_text(Golden(texts, found, 0.9999).to_json(), encoding="utf-8")
    card = _CARD.format(
        name=name,
        source=folder.name,
        kind=source.kind,
        mean="weighted mean" if source.count.min() != source.count.max() else "mean",
        normalized=", divided by its length" if source.normalized else "",
        dim=config.dim,
        tokens=len(table),
        max_tokens=max_tokens,
        similarity=source.similarity,
        revision=revision,
    )
    (out / "README.md").write_text(card, encoding="utf-8")
    write_config(out, config)


def _golden(source: Source, encoder: StaticEncoder) -> tuple[tuple[str, ...], Vectors]:
    """Return texts with at least one counted token, and their rows' means in float64, without the encoder's sums."""
    texts, vectors = [], []
    for text in GOLDEN_TEXTS:
        ids = list(encoder.tokenizer.encode(text)[: encoder.max_tokens])
        count = source.count[ids].sum()
        vector = source.table[ids].astype(np.float64).sum(axis=0) / max(count, 1)
        length = np.linalg.norm(vector)
        if length > 0:
            texts.append(text)
            vectors.append(vector / length if source.normalized else vector)
    if not texts:
        raise ModelCorrupt("the table gives zero vectors for every text that was tried: is it the right table?")
    return tuple(texts), np.array(vectors, np.float32)


def _read_json(path: Path, folder: Path, *, missing: Any = None) -> Any:
    """Read a JSON file of the same type as ``missing``, which is returned if the file does not exist."""
    if missing is not None and not path.is_file():
        return missing
    try:
        if path.stat().st_size > _MAX_JSON:
            raise ValueError(f"it is larger than {_MAX_JSON} bytes")
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict if missing is None else type(missing)):
            raise TypeError(f"it contains a {type(value).__name__}")
    except (OSError, TypeError, ValueError, RecursionError) as error:
        raise ModelCorrupt(f"{path} cannot be read: {error}", folder=folder) from error
    return value
