"""Builds a new generation of an index out of its present one and the changes since.

    python -m typeahead.index.changes.compacting DIR

It runs in a process of its own at the lowest priority, so no key waits for it. Vectors are copied, not made anew. The
new generation becomes active by one rename, as after a build, and only then do the changes that it contains leave the
journal; a kill at any moment leaves the old state or the new one.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from typeahead.errors import IndexFolderError, TypeaheadError
from typeahead.index.approximate import build_graph
from typeahead.index.changes.following import Changes, State
from typeahead.index.changes.journal import Journal
from typeahead.index.document_writer import Divided, DocumentWriter
from typeahead.index.folder import open_index
from typeahead.index.guard import Guard
from typeahead.index.manifest import FORMAT_VERSION, MANIFEST, Manifest, PassageEncoder, Teacher
from typeahead.index.parts import Part
from typeahead.index.projection import PROJECTION, REDUCED
from typeahead.index.sparse import SPARSE
from typeahead.index.staging import DOCUMENTS, IndexBusy, Staging
from typeahead.index.vectors import EXACT_UP_TO, GRAPH, VECTORS, VectorWriter, choose_backend, map_vectors
from typeahead.index.versions import current_sequence
from typeahead.index.words import index_words
from typeahead.progress import OnProgress, no_progress

#: Documents in a transaction, and vectors that are copied at once.
_BATCH: Final = 1000
_ANY_NUMBER: Final = Guard(allow_empty=True, max_shrink=1)
#: Exit status where another process is building or compacting.
BUSY: Final = 3


def compact(folder: Path, progress: OnProgress | None = None) -> Manifest:
    """Put the changes of the index in ``folder`` into a new generation, and return its manifest.

    Without changes it does nothing. Processes that have the index open go on, and take the new generation when they
    next look. Raises :class:`~typeahead.errors.IndexFolderError` if another process is building there, or the disk is
    full, and what :func:`~typeahead.index.folder.open_index` raises.
    """
    tell = progress or no_progress
    recipe = {"format_version": FORMAT_VERSION, "kind": "compaction"}
    with Staging(folder, recipe, resume=False, guard=_ANY_NUMBER) as staging, open_index(folder) as index:
        manifest = index.manifest
        try:
            if SPARSE in manifest.files:
                raise IndexFolderError(
                    f"{folder} has the token weights of a sparse encoder, which its changes lack: build it anew",
                    folder=folder,
                )
            with Journal.of(folder, manifest, index.part.columns.kinds) as journal:
                state = Changes.of(journal, index).refresh()
                if state.sequence == manifest.sequence:
                    # A kill may have kept an earlier compaction from this, and a rebuild leaves it to the next.
                    journal.drop_until(manifest.sequence)
                    staging.discard()
                    return manifest
                _copy(index.generation, manifest, state, staging.folder, tell)
                count = sum(int(_live(state, number).sum()) for number in range(len(state.parts)))
                made = _activate(staging, manifest, state.sequence, count, tell)
                journal.drop_until(state.sequence)
        except BaseException:
            staging.discard()
            raise
        return made


def create(
    folder: Path,
    teacher: Teacher,
    dim: int,
    *,
    similarity: str = "cosine",
    encoder: PassageEncoder | None = None,
    passage_limit: int | None = None,
) -> Manifest:
    """Make an index without documents, for vectors of ``dim``, to be written to.

    Raises :class:`~typeahead.errors.IndexFolderError` if ``folder`` is something else, or has an index with documents.
    """
    recipe = {"format_version": FORMAT_VERSION, "kind": "empty"}
    with Staging(folder, recipe, resume=False, guard=Guard(allow_empty=True)) as staging:
        if (folder / MANIFEST).exists():
            before = Manifest.read(folder)
            if before.count or current_sequence(folder) > before.sequence:
                staging.discard()
                raise IndexFolderError(f"{folder} has an index with documents: choose another folder", folder=folder)
        with closing(DocumentWriter(staging.folder / DOCUMENTS)) as store:
            store.finish()
        VectorWriter(staging.folder / VECTORS, dim).finish()
        index_words(staging.folder / DOCUMENTS, 0, no_progress, 0)
        return staging.commit(
            teacher=teacher,
            dim=dim,
            similarity=similarity,
            count=0,
            passages=0,
            backend="exact",
            source="",
            encoder=encoder,
            passage_limit=passage_limit,
        )


def _copy(generation: Path, manifest: Manifest, state: State, out: Path, tell: OnProgress) -> None:
    """Write the documents and the vectors of a state."""
    written = 0
    with closing(DocumentWriter(out / DOCUMENTS)) as store:
        for batch in _batches(_documents(state)):
            store.append(batch)
            written += len(batch)
            tell("documents", written, None)
        store.finish()
    name = VECTORS if manifest.dimensions is None else REDUCED
    if manifest.dimensions is not None:
        shutil.copyfile(generation / PROJECTION, out / PROJECTION)
    stored = None if manifest.backend == "faiss" else map_vectors(generation / name)
    kind = "<f4" if stored is None else stored.dtype.str
    with closing(VectorWriter(out / name, manifest.dimensions or manifest.dim, kind)) as writer:
        for number, part in enumerate(state.parts):
            passages = np.flatnonzero(part.passages.spread(_live(state, number)))
            for start in range(0, len(passages), _BATCH):
                some = passages[start : start + _BATCH]
                if number == 0 and stored is not None:
                    writer.write(np.asarray(stored[some]))
                    continue
                # They are projected already.
                writer.write(_vectors(part, some))
        writer.finish()


def _activate(staging: Staging, manifest: Manifest, sequence: int, count: int, tell: OnProgress) -> Manifest:
    name = VECTORS if manifest.dimensions is None else REDUCED
    vectors = map_vectors(staging.folder / name)
    index_words(staging.folder / DOCUMENTS, count, tell, len(vectors))
    backend = manifest.backend
    if backend == "faiss" or (backend == "exact" and manifest.passages <= EXACT_UP_TO):
        # It was not chosen for its size, or fitted that.
        backend = choose_backend("auto", len(vectors))
    if backend == "hnsw":
        build_graph(vectors, staging.folder / GRAPH, lambda done: tell("graph", done, len(vectors)))
    return staging.commit(
        teacher=manifest.teacher,
        dim=manifest.dim,
        similarity=manifest.similarity,
        count=count,
        passages=len(vectors),
        backend=backend,
        source=manifest.source,
        dimensions=manifest.dimensions,
        adoption=manifest.adoption,
        encoder=manifest.encoder,
        passage_limit=manifest.passage_limit,
        sequence=sequence,
    )


def _live(state: State, number: int) -> NDArray[np.bool_]:
    mask = state.admitted[number]
    return np.ones(state.parts[number].count, np.bool_) if mask is None else mask


def _documents(state: State) -> Iterator[Divided]:
    for number, part in enumerate(state.parts):
        for row in np.flatnonzero(_live(state, number)).tolist():
            yield part.divided(row)


def _batches(entries: Iterator[Divided]) -> Iterator[list[Divided]]:
    batch = []
    for entry in entries:
        batch.append(entry)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _vectors(part: Part, passages: NDArray[np.int64]) -> NDArray[np.floating]:
    vectors = part.vectors(passages)
    if vectors is None:
        raise IndexFolderError(
            "the FAISS index that was adopted does not give its vectors back, so its changes cannot be merged: build "
            "it anew"
        )
    return vectors


def main(folder: Path) -> None:
    """Compact, as a process of its own; another one that builds there is no failure."""
    try:
        compact(folder)
    except IndexBusy:
        sys.exit(BUSY)
    except TypeaheadError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
