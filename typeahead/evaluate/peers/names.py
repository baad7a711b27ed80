"""Names of encoders on the command line, and the peers that they load.

===================  ================================================================================================
``NAME``, ``FOLDER``  a model of typeahead: one that it ships, or a folder
``st:FOLDER``         a teacher by sentence-transformers in float32; a hub id as well
``onnx:FOLDER``       the same folder by ONNX Runtime in float32
``torch:NAME``        a recurrent student of typeahead stepped by ``torch.nn.GRU``
``static:FOLDER``     a static table, a folder of model2vec's
``table:FOLDER``      a static table made from the teacher in that folder, in its space, as pynife starts
``bm25``              BM25 by bm25s, a retriever without embeddings
===================  ================================================================================================

``LABEL=`` before any of them sets its name in tables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from typeahead.core.encoder import IncrementalEncoder
from typeahead.encoders.loading import load
from typeahead.errors import MissingExtra, ModelNotFound
from typeahead.evaluate.peers.base import Peer
from typeahead.evaluate.peers.bm25 import Bm25Retriever
from typeahead.evaluate.peers.files import fingerprint, folder_of
from typeahead.evaluate.peers.onnx_teacher import OnnxTeacher
from typeahead.evaluate.peers.sentence import SentenceTransformerTeacher
from typeahead.evaluate.peers.static import Model2VecEncoder, table_of
from typeahead.evaluate.peers.torch_step import TorchStepEncoder
from typeahead.models.folder import find

#: Words that may stand before a colon.
KINDS = ("st", "onnx", "torch", "static", "table")

#: Where graphs that were exported and tables that were made are kept.
CACHE = Path(".typeahead/peers")


def split_label(spec: str) -> tuple[str, str]:
    """The label and the name of ``LABEL=NAME``; without a label, the name is the label.

    Raises :class:`~typeahead.errors.ModelNotFound` if either is blank.
    """
    label, equals, name = spec.partition("=")
    if not equals:
        name = label
    if not (label.strip() and name.strip()):
        raise ModelNotFound(f"{spec!r}: an encoder is NAME, or LABEL=NAME")
    return label, name


def load_peer(spec: str, *, threads: int, cache: Path = CACHE) -> Peer:
    """Load the peer named ``spec``. ``threads`` is for whole texts; a step always runs on one thread.

    Raises :class:`~typeahead.errors.ModelError` for what cannot be found or loaded, and
    :class:`~typeahead.errors.MissingExtra` for a package that is not installed.
    """
    label, name = split_label(spec)
    kind, colon, path = name.partition(":")
    if not colon and name != "bm25":
        return _typeahead(label, name, load(name, threads=threads), find(name))
    if name == "bm25":
        retriever = Bm25Retriever()
        return Peer(label, name, f"bm25:{retriever.settings}", retriever=retriever)
    if kind == "torch":
        folder = find(path)
        return _typeahead(label, name, TorchStepEncoder(folder, threads=threads), folder)
    if kind == "st":
        teacher = SentenceTransformerTeacher(path, threads=threads)
        return Peer(label, name, f"st:{_st_key(path, teacher)}", teacher)
    if kind not in KINDS:
        raise ModelNotFound(f"{name!r}: before the colon may stand {', '.join(KINDS)}; a model is named without one")
    folder = folder_of(path, kind)
    key = fingerprint(folder)
    if kind == "onnx":
        graph = cache / f"{folder.name}-{key[:16]}.onnx"
        return Peer(label, name, f"onnx:{key}", OnnxTeacher(folder, threads=threads, graph_cache=graph))
    if kind == "table":
        table = table_of(folder, cache / f"{folder.name}-table-centred-{key[:16]}", threads=threads)
        return Peer(label, name, f"table-centred:{key}", Model2VecEncoder(table))
    return Peer(label, name, f"static:{key}", Model2VecEncoder(folder))


def load_peers(specs: Sequence[str], *, threads: int, cache: Path = CACHE) -> tuple[list[Peer], list[dict[str, str]]]:
    """Load all peers that can be loaded; each of the others gives a ``{"query_encoder", "missing"}``."""
    peers, missing = [], []
    for spec in specs:
        try:
            peers.append(load_peer(spec, threads=threads, cache=cache))
        except MissingExtra as error:
            missing.append({"query_encoder": split_label(spec)[0], "missing": str(error)})
    return peers, missing


def _typeahead(label: str, name: str, encoder: Any, folder: Path) -> Peer:
    files = "\n".join(f"{file} {digest}" for file, digest in sorted(encoder.config.files.items()))
    key = f"{type(encoder).__name__}:{encoder.config.name}:{hashlib.sha256(files.encode()).hexdigest()}"
    return Peer(label, name, key, encoder, incremental=isinstance(encoder, IncrementalEncoder), folder=folder)


def _st_key(path: str, teacher: SentenceTransformerTeacher) -> str:
    """A folder's fingerprint; of the hub its id and the commit, or a hash of the weights where that is not known."""
    if Path(path).is_dir():
        return fingerprint(Path(path))
    config = getattr(getattr(teacher.model[0], "auto_model", None), "config", None)
    return f"{path}@{getattr(config, '_commit_hash', None) or teacher.weights_digest()}"
