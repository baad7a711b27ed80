"""Builds an index from documents: encodes them, stores them, builds the search structure, and activates it all at once.

``adopt`` makes the same folder from existing vectors. At any time, memory holds one batch of documents and, at the end,
what the search structure needs.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from typeahead.core.encoder import Encoder, Vectors
from typeahead.errors import ModelError, SourceError, TypeaheadError
from typeahead.index.approximate import build_graph, import_faiss
from typeahead.index.documents import DocumentWriter
from typeahead.index.guard import CAREFUL, Guard
from typeahead.index.manifest import FORMAT_VERSION, SIMILARITIES, Manifest, Teacher
from typeahead.index.projection import PROJECTION, REDUCED, check_dimensions, reduce_vectors
from typeahead.index.staging import DOCUMENTS, Staging
from typeahead.index.vectors import GRAPH, VECTORS, VectorWriter, choose_backend, map_vectors
from typeahead.index.words import index_words
from typeahead.progress import OnProgress, no_progress
from typeahead.text.document import Document


def build_index(
    documents: Iterable[Document],
    out: Path,
    encoder: Encoder,
    *,
    backend: str = "auto",
    dimensions: int | None = None,
    batch: int = 256,
    progress: OnProgress | None = None,
    resume: bool = True,
    source: str = "",
    total: int | None = None,
    guard: Guard = CAREFUL,
) -> Manifest:
    """Encode ``documents`` and build an index at ``out``, replacing any index that is there.

    Each batch of ``batch`` documents is on disk before the next is encoded. After a kill, the same call with the same
    documents resumes after the last finished batch; if a document has changed since, it resumes at that document. Until
    the build ends, the previous index at ``out`` stays active, and processes that have it open can keep using it
    afterwards.

    Args:
        documents: read once, in order. Their ids must be unique.
        out: folder of the index; it may be missing, empty, an index, or an unfinished one.
        encoder: encodes passages. Its teacher becomes the index's teacher.
        backend: "exact", "hnsw", or "auto": exact up to 50,000 documents.
        dimensions: of the index, if fewer than the encoder's: see :mod:`typeahead.index.projection`.
        batch: number of documents that are encoded and stored together.
        progress: called after each step with stage, done and total.
        resume: whether to resume what a killed call left; otherwise it is deleted.
        source: description of where the documents come from, recorded in the manifest.
        total: number of documents if known, for ``progress``; taken from ``documents`` if it has a length.
        guard: decides how few documents may replace the current index. After a refusal, calling again with another
        guard does not re-encode anything.

    Raises:
        ReplacementRefused: ``guard`` does not accept so few documents.
        SourceError: two documents have the same id, or a text is not valid Unicode.
        IndexFolderError: ``out`` is something else, or another process is building there.
        ModelError: the encoder returned a vector with a wrong shape or a non-finite value.
        MissingExtra: the graph needs FAISS, which is not installed.
        TypeaheadError: ``batch`` is below 1, or ``dimensions`` are more than the encoder's.
        ValueError: there is no such ``backend``.
    """
    choose_backend(backend, 0)
    if batch < 1:
        # This number comes from the user, unlike the others: the command line shows the message.
        raise TypeaheadError(f"batch is {batch}; it must be at least 1")
    check_dimensions(dimensions, encoder.dim)
    if backend == "hnsw":
        import_faiss()
    if total is None and isinstance(documents, Sized):
        total = len(documents)
    tell = progress or no_progress
    config = encoder.config
    if config.similarity not in SIMILARITIES:
        raise ValueError(f"similarity {config.similarity!r} is not one of {SIMILARITIES}")
    remaining = iter(documents)
    first = next(remaining, None)
    if first is None:
        # Check before creating anything, or dropping anything of an interrupted build.
        guard.check(out, 0)
    else:
        remaining = itertools.chain((first,), remaining)
    with Staging(out, _recipe(encoder), resume=resume, guard=guard) as staging:
        with (
            closing(VectorWriter(staging.folder / VECTORS, encoder.dim)) as vectors,
            closing(DocumentWriter(staging.folder / DOCUMENTS)) as store,
        ):
            count = _encode(remaining, encoder, vectors, store, batch, tell, total, staging.check)
            chosen = choose_backend(backend, count)
            if chosen == "hnsw":
                import_faiss()
            store.finish()
            vectors.finish()
        index_words(staging.folder / DOCUMENTS, count, tell)
        for left in (GRAPH, REDUCED, PROJECTION):
            (staging.folder / left).unlink(missing_ok=True)
        searched = staging.folder / VECTORS
        if dimensions is not None:
            tell("reduce", 0, count)
            reduce_vectors(staging.folder, dimensions, cosine=config.similarity == "cosine")
            tell("reduce", count, count)
            searched = staging.folder / REDUCED
        if chosen == "hnsw":
            graph = staging.folder / GRAPH
            build_graph(map_vectors(searched), graph, lambda done: tell("graph", done, count))
        return staging.commit(
            teacher=Teacher(config.teacher.name, config.teacher.revision or None),
            dim=encoder.dim,
            similarity=config.similarity,
            count=count,
            backend=chosen,
            source=source,
            dimensions=dimensions,
            scratch=() if dimensions is None else (VECTORS,),
        )


def encoder_sha256(encoder: Encoder) -> str:
    """Return the encoder's identity: the SHA-256 of its configuration, which contains those of its files."""
    config = json.dumps(asdict(encoder.config), sort_keys=True, default=dict)
    return hashlib.sha256(config.encode()).hexdigest()


def _recipe(encoder: Encoder) -> dict[str, Any]:
    """Return everything that determines the vectors: other models or versions must not add theirs to these."""
    return {
        "format_version": FORMAT_VERSION,
        "kind": "build",
        "encoder": encoder.config.name,
        "config_sha256": encoder_sha256(encoder),
        "dim": encoder.dim,
    }


def _encode(
    documents: Iterator[Document],
    encoder: Encoder,
    vectors: VectorWriter,
    store: DocumentWriter,
    batch: int,
    tell: OnProgress,
    total: int | None,
    check: Callable[[int], None],
) -> int:
    """Make ``vectors`` and ``store`` hold exactly ``documents``, unless ``check`` refuses; returns their number."""
    # Vectors are on disk before their documents are committed, so there are fewer only if the disk lost some.
    usable = min(store.count, vectors.rows)
    finished, differing = _skip_finished(documents, store, usable)
    if finished < usable and not differing:
        # The source ends early. If that is a mistake, the vectors encoded beyond this point are still needed.
        check(finished)
    store.truncate(finished)
    vectors.truncate(finished)
    count = finished
    tell("encode", count, total)
    for part in _batches(itertools.chain(differing, documents), batch):
        vectors.append(_vectors(encoder, part, count))
        store.append(count, part)
        count += len(part)
        tell("encode", count, total)
    check(count)
    return count


def _skip_finished(documents: Iterator[Document], store: DocumentWriter, usable: int) -> tuple[int, list[Document]]:
    """Skip documents equal to the stored ones; return their number, and the first one that differs, if any was read."""
    finished = 0
    for stored in itertools.islice(iter(store), usable):
        document = next(documents, None)
        if document != stored:
            return finished, [] if document is None else [document]
        finished += 1
    return finished, []


def _batches(documents: Iterable[Document], size: int) -> Iterator[list[Document]]:
    iterator = iter(documents)
    while part := list(itertools.islice(iterator, size)):
        yield part


def _vectors(encoder: Encoder, documents: list[Document], first_row: int) -> Vectors:
    for row, document in enumerate(documents, first_row + 1):
        if not document.id:
            raise SourceError(f"document {row} has an empty id")
        try:
            f"{document.id}{document.title}{document.text}{document.url}".encode()
        except UnicodeEncodeError as error:
            raise SourceError(f"document {row} ({document.id!r}) has a lone surrogate: fix its text") from error
    vectors = np.asarray(encoder.encode([document.passage for document in documents]), np.float32)
    name = encoder.config.name
    if vectors.shape != (len(documents), encoder.dim):
        raise ModelError(f"encoder {name!r} returned the shape {vectors.shape}, not {(len(documents), encoder.dim)}")
    if not np.isfinite(vectors).all():
        bad = documents[int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])]
        raise ModelError(f"encoder {name!r} returned a non-finite vector for document {bad.id!r}")
    if encoder.config.similarity == "cosine" and not encoder.config.teacher.normalized:
        # The cosine does not depend on lengths; at length 1, it equals the inner product.
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.where(lengths > 0, lengths, np.float32(1))
    return vectors
