"""Builds an index from documents: encodes them, stores them, builds the search structure, and activates it all at once.

``adopt`` makes the same folder from existing vectors. At any time, memory holds one batch of documents and, at the end,
what the search structures need.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from typeahead.core.encoder import Encoder, Vectors
from typeahead.errors import ModelError, SourceError, TypeaheadError
from typeahead.index.approximate import build_graph, import_faiss
from typeahead.index.document_writer import Divided, DocumentWriter, undivided
from typeahead.index.guard import CAREFUL, Guard
from typeahead.index.kinds import fields_json
from typeahead.index.manifest import FORMAT_VERSION, SIMILARITIES, Manifest, PassageEncoder, Teacher
from typeahead.index.projection import PROJECTION, REDUCED, check_dimensions, reduce_vectors
from typeahead.index.staging import DOCUMENTS, Staging
from typeahead.index.vectors import GRAPH, VECTORS, VectorWriter, choose_backend, map_vectors
from typeahead.index.words import index_words
from typeahead.models.config import ModelConfig
from typeahead.progress import OnProgress, no_progress
from typeahead.text.document import Document, Passage

#: Returns the passages of a document.
Divide = Callable[[Document], tuple[Passage, ...]]


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
    divide: Divide | None = None,
    passage_limit: int | None = None,
    encoder_address: str = "",
) -> Manifest:
    """Encode ``documents`` and build an index at ``out``, replacing any index that is there.

    Each batch of ``batch`` passages is on disk before the next is encoded. After a kill, the same call with the same
    documents resumes after the last finished batch; if a document has changed since, it resumes at that document. Until
    the build ends, the previous index at ``out`` stays active, and processes that have it open can keep using it
    afterwards.

    Args:
        documents: read once, in order. Their ids must be unique.
        out: folder of the index; it may be missing, empty, an index, or an unfinished one.
        encoder: encodes passages. Its teacher becomes the index's teacher.
        backend: "exact", "hnsw", or "auto": exact up to 50,000 passages.
        dimensions: of the index, if fewer than the encoder's: see :mod:`typeahead.index.projection`.
        batch: number of passages that are encoded and stored together; a document is stored as a whole.
        progress: called after each step with stage, done and total.
        resume: whether to resume what a killed call left; otherwise it is deleted.
        source: description of where the documents come from, recorded in the manifest.
        total: number of documents if known, for ``progress``; taken from ``documents`` if it has a length.
        guard: decides how few documents may replace the current index. After a refusal, calling again with another
        guard does not re-encode anything.
        divide: returns the passages of a document, whose texts make up the document's text; by default each document is
            one passage.
        passage_limit: the longest passage that ``divide`` makes, in word pieces; recorded in the manifest, and other
            divisions are not resumed.
        encoder_address: the name or folder that ``encoder`` was loaded by, recorded in the manifest; by default its
            name.

    Raises:
        ReplacementRefused: ``guard`` does not accept so few documents.
        SourceError: two documents have the same id, a text is not valid Unicode, or a field has values of two kinds.
        IndexFolderError: ``out`` is something else, or another process is building there.
        ModelError: the encoder returned a vector with a wrong shape or a non-finite value.
        MissingExtra: the graph needs FAISS, which is not installed.
        TypeaheadError: ``batch`` is below 1, or ``dimensions`` are more than the encoder's.
        ValueError: there is no such ``backend``, or only one of ``divide`` and ``passage_limit`` is given.
    """
    choose_backend(backend, 0)
    if (divide is None) != (passage_limit is None):
        raise ValueError("divide and passage_limit belong together: give both")
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
    with Staging(out, _recipe(encoder, passage_limit), resume=resume, guard=guard) as staging:
        with (
            closing(VectorWriter(staging.folder / VECTORS, encoder.dim)) as vectors,
            closing(DocumentWriter(staging.folder / DOCUMENTS)) as store,
        ):
            entries = _divided(remaining, divide or undivided)
            count = _encode(entries, encoder, vectors, store, batch, tell, total, staging.check)
            passages = store.passages
            chosen = choose_backend(backend, passages)
            if chosen == "hnsw":
                import_faiss()
            store.finish()
            vectors.finish()
        index_words(staging.folder / DOCUMENTS, count, tell, passages)
        for left in (GRAPH, REDUCED, PROJECTION):
            (staging.folder / left).unlink(missing_ok=True)
        searched = staging.folder / VECTORS
        if dimensions is not None:
            tell("reduce", 0, passages)
            reduce_vectors(staging.folder, dimensions, cosine=config.similarity == "cosine")
            tell("reduce", passages, passages)
            searched = staging.folder / REDUCED
        if chosen == "hnsw":
            graph = staging.folder / GRAPH
            build_graph(map_vectors(searched), graph, lambda done: tell("graph", done, passages))
        return staging.commit(
            teacher=Teacher(config.teacher.name, config.teacher.revision or None),
            dim=encoder.dim,
            similarity=config.similarity,
            count=count,
            passages=passages,
            backend=chosen,
            source=source,
            dimensions=dimensions,
            scratch=() if dimensions is None else (VECTORS,),
            encoder=recorded(encoder, encoder_address),
            passage_limit=passage_limit,
        )


def encoder_sha256(encoder: Encoder) -> str:
    """Return the encoder's identity: the SHA-256 of its configuration, which contains those of its files."""
    config = json.dumps(asdict(encoder.config), sort_keys=True, default=dict)
    return hashlib.sha256(config.encode()).hexdigest()


def recorded(encoder: Encoder, address: str = "") -> PassageEncoder:
    """Return what a manifest says of an encoder that was loaded by ``address``, a name or a folder."""
    return PassageEncoder(encoder.config.name, address or encoder.config.name, encoder_sha256(encoder))


def _recipe(encoder: Encoder, passage_limit: int | None) -> dict[str, Any]:
    """Return everything that determines the vectors: other models or versions must not add theirs to these."""
    return {
        "format_version": FORMAT_VERSION,
        "kind": "build",
        "encoder": encoder.config.name,
        "config_sha256": encoder_sha256(encoder),
        "dim": encoder.dim,
        "passage_limit": passage_limit,
    }


def _divided(documents: Iterable[Document], divide: Divide) -> Iterator[Divided]:
    """Check and divide documents one by one."""
    for row, document in enumerate(documents, 1):
        if not document.id:
            raise SourceError(f"document {row} has an empty id")
        try:
            f"{document.id}{document.title}{document.text}{document.url}".encode()
        except UnicodeEncodeError as error:
            raise SourceError(f"document {row} ({document.id!r}) has a lone surrogate: fix its text") from error
        passages = divide(document)
        if not passages or "".join(passage.text for passage in passages) != document.text:
            raise ValueError(f"the passages of document {document.id!r} do not make up its text")
        yield document, passages


def _encode(
    entries: Iterator[Divided],
    encoder: Encoder,
    vectors: VectorWriter,
    store: DocumentWriter,
    batch: int,
    tell: OnProgress,
    total: int | None,
    check: Callable[[int], None],
) -> int:
    """Make ``vectors`` and ``store`` hold exactly ``entries``, unless ``check`` refuses; returns their number."""
    # Vectors are on disk before their documents are committed, so there are fewer only if the disk lost some.
    usable = store.within(vectors.rows)
    finished, differing = _skip_finished(entries, store, usable)
    if finished < usable and not differing:
        # The source ends early. If that is a mistake, the vectors encoded beyond this point are still needed.
        check(finished)
    store.truncate(finished)
    vectors.truncate(store.passages)
    count = finished
    tell("encode", count, total)
    for part in _batches(itertools.chain(differing, entries), batch):
        texts = [(document, passage) for document, passages in part for passage in passages]
        for start in range(0, len(texts), batch):
            vectors.write(encode_passages(encoder, texts[start : start + batch]))
        vectors.sync()
        store.append(part)
        count += len(part)
        tell("encode", count, total)
    check(count)
    return count


def _skip_finished(entries: Iterator[Divided], store: DocumentWriter, usable: int) -> tuple[int, list[Divided]]:
    """Skip documents equal to the stored ones; return their number, and the first one that differs, if any was read."""
    finished = 0
    for stored in itertools.islice(iter(store), usable):
        entry = next(entries, None)
        if entry is None or _content(entry) != _content(stored):
            return finished, [] if entry is None else [entry]
        finished += 1
    return finished, []


def _content(entry: Divided) -> tuple[object, ...]:
    """Everything that is stored of a document; its text is in the passages."""
    document, passages = entry
    return document.id, document.title, document.url, fields_json(document), passages


def _batches(entries: Iterable[Divided], size: int) -> Iterator[list[Divided]]:
    """Group documents until they have ``size`` passages or more."""
    part: list[Divided] = []
    held = 0
    for entry in entries:
        part.append(entry)
        held += len(entry[1])
        if held >= size:
            yield part
            part, held = [], 0
    if part:
        yield part


def encode_passages(encoder: Encoder, passages: Sequence[tuple[Document, Passage]]) -> Vectors:
    """Return the vectors of n passages as an index stores them: float32 (n, dim).

    Raises :class:`~typeahead.errors.ModelError` for a wrong shape or a value that is not finite.
    """
    vectors = np.asarray(encoder.encode([document.encoded(passage) for document, passage in passages]), np.float32)
    name = encoder.config.name
    if vectors.shape != (len(passages), encoder.dim):
        raise ModelError(f"encoder {name!r} returned the shape {vectors.shape}, not {(len(passages), encoder.dim)}")
    if not np.isfinite(vectors).all():
        bad, _ = passages[int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])]
        raise ModelError(f"encoder {name!r} returned a non-finite vector for document {bad.id!r}")
    return as_stored(vectors, encoder.config)


def as_stored(vectors: Vectors, config: ModelConfig) -> Vectors:
    """Return vectors of an encoder as an index stores them, both float32 (n, dim)."""
    if config.similarity != "cosine" or config.teacher.normalized:
        return vectors
    # The cosine does not depend on lengths; at length 1, it equals the inner product.
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)
