"""Adopting step by step: read, match with documents, compare with the encoder, measure, put in force."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Encoder, Vectors
from typeahead.errors import SourceError, TypeaheadError
from typeahead.index.adopt.agreement import LEAST, SAMPLE, USUAL, Agreement, compare
from typeahead.index.adopt.arrays import read_array
from typeahead.index.adopt.faiss_file import inspect_faiss
from typeahead.index.adopt.lengths import store_matrix
from typeahead.index.adopt.matching import move_documents, store_documents
from typeahead.index.adopt.recall import LOW, Neighbours, Search, sample_rows
from typeahead.index.approximate import build_graph
from typeahead.index.documents import Documents
from typeahead.index.guard import CAREFUL, Guard
from typeahead.index.manifest import FORMAT_VERSION, SIMILARITIES, Adoption, Manifest, Teacher
from typeahead.index.projection import REDUCED, check_dimensions, project, read_projection, reduce_vectors
from typeahead.index.staging import DOCUMENTS, Staging
from typeahead.index.vectors import GRAPH, LABELS, VECTORS, choose_backend, map_vectors, open_vectors
from typeahead.progress import OnProgress, no_progress
from typeahead.text.document import Document
from typeahead.text.sources import read_ids

_CHUNK = 8192
_CAUSES = "was the title left out, another model used, or are the documents in another order?"


def adopt_index(
    vectors: Path,
    documents: Iterable[Document],
    out: Path,
    *,
    teacher: Teacher,
    encoder: Encoder | None = None,
    unverified: bool = False,
    similarity: str = "cosine",
    normalize: bool = False,
    dim: int | None = None,
    ids: Path | None = None,
    backend: str = "auto",
    nprobe: int | None = None,
    dimensions: int | None = None,
    progress: OnProgress | None = None,
    warn: Callable[[str], None] = warnings.warn,
    source: str = "",
    guard: Guard = CAREFUL,
) -> Manifest:
    """Put the teacher's ``vectors`` with their ``documents`` in force as the index ``out``.

    A vector belongs to the document whose id stands in the same place of ``ids`` (a text file with one id a line, a
    JSON array, or a ``.npy`` array; an ``.npz`` file may hold them as its array ``ids``). Inverted lists of FAISS keep
    no order: there ``ids`` follow ascending labels. Without ``ids``, the i-th vector is that of the i-th document.
    Where FAISS labels its vectors (``IndexIDMap``, inverted lists), a label is the id of the vector's document, or its
    place among the documents if labels are exactly 0, 1, …, n-1. Every vector must have a document, and every document
    a vector.

    Some documents are encoded and compared with their vectors, and the finished index is searched for a sample of its
    own vectors: the manifest's ``adoption`` says what both found.

    An array keeps its type if it is float32 or float16; float64 becomes float32. A flat FAISS index is stored as the
    array that it is, and searched faster for it; any other is copied and searched by FAISS.

    Args:
        vectors: ``.npy`` or ``.npz`` (array ``vectors``, or its only matrix), anything else is read as a FAISS index.
        documents: read once.
        out: as for :func:`~typeahead.index.build.build_index`; what was there before stays in force until the end.
        teacher: whose vectors they are; searches are refused to encoders of another.
        encoder: encodes passages for that teacher: what vectors are compared with.
        unverified: adopt without comparing, and say so in the manifest.
        similarity: how the teacher compares: "cosine" needs vectors of length 1, "dot" takes any.
        normalize: divide each vector by its length; for arrays and flat FAISS indexes.
        dim: the teacher's dimension, checked if given.
        ids: the documents' ids in the order of the vectors.
        backend: "auto", "exact" or "hnsw", for arrays and flat FAISS indexes; other FAISS indexes stay what they are.
        nprobe: inverted lists that searches look into, for FAISS indexes that have some; by default what they say.
        dimensions: of the index, if fewer than the vectors', for the same: see :mod:`typeahead.index.projection`.
        progress: as for :func:`~typeahead.index.build.build_index`.
        warn: told, in a sentence, what may be wrong though it was adopted.
        source: where it comes from, kept in the manifest for people.
        guard: says how few documents may replace the index in force.

    Raises:
        ReplacementRefused: ``guard`` does not let so few documents through.
        SourceError: a file cannot be read; dimension, count, values or lengths are not what they must be; ids and
            documents do not match; vectors are not those of their documents; or there is no ``encoder`` to tell.
        IndexFolderError: as :func:`~typeahead.index.build.build_index`.
        MissingExtra: FAISS is needed and not installed.
        TypeaheadError: ``normalize`` under "dot", or an ``encoder`` of another teacher, similarity or role.
    """
    choose_backend(backend, 0)
    if similarity not in SIMILARITIES:
        raise ValueError(f"similarity {similarity!r} is none of {SIMILARITIES}")
    if not teacher.name:
        raise ValueError("the teacher's name is empty: name the model that made the vectors")
    if normalize and similarity != "cosine":
        raise TypeaheadError("--normalize is for cosine similarity: dot products depend on the lengths of vectors")
    if unverified:
        encoder = None
    elif encoder is None:
        raise SourceError(
            f"there is no passage encoder of {teacher.name} to check the vectors with: give one with --encoder, or "
            "adopt them with --unverified",
            path=vectors,
        )
    else:
        _check_encoder(encoder, teacher, similarity)
    if not vectors.is_file():
        raise SourceError("there is no such file of vectors", path=vectors)
    tell = progress or no_progress
    with Staging(out, {"format_version": FORMAT_VERSION, "kind": "adopt"}, resume=False, guard=guard) as staging:
        try:
            adopting = _Adopting(vectors, staging.folder, teacher, similarity, dim, tell)
            adopting.read(ids, normalize=normalize, nprobe=nprobe, dimensions=dimensions)
            staging.check(adopting.found.count)
            adopting.place(documents)
            adopting.make_searchable(backend, dimensions, nprobe)
            agreement = adopting.verify(encoder)
            adoption = adopting.measure(agreement, nprobe, dimensions, warn)
        except BaseException:
            # Nothing of it is worth going on with, and it may be large.
            staging.discard()
            raise
        return staging.commit(
            teacher=teacher,
            dim=adopting.found.dim,
            similarity=similarity,
            count=adopting.found.count,
            backend=adopting.backend,
            source=source,
            dimensions=dimensions,
            adoption=adoption,
        )


def _check_encoder(encoder: Encoder, teacher: Teacher, similarity: str) -> None:
    config = encoder.config
    own = Teacher(config.teacher.name, config.teacher.revision or None)
    other_revision = None not in (own.revision, teacher.revision) and own.revision != teacher.revision
    if own.name != teacher.name or other_revision:
        raise TypeaheadError(f"encoder {config.name} is of the teacher {own}, but the vectors are those of {teacher}")
    if config.role == "query":
        raise TypeaheadError(f"encoder {config.name} encodes queries: give one for passages, such as minilm-doc")
    if config.similarity != similarity:
        raise TypeaheadError(
            f"{teacher.name} compares by {config.similarity}: no encoder of it could search an index of {similarity}"
        )


@dataclass(frozen=True)
class _Found:
    """What a file of vectors holds, by row."""

    count: int
    dim: int
    #: Ids of the vectors' documents, if they are known; ``None`` if rows are places among the documents.
    keys: Sequence[str] | None = None
    #: Whether these ids are FAISS labels.
    labelled: bool = False
    #: Whether labels that are row numbers were given by somebody, who may have meant ids.
    given: bool | None = None
    #: Whether FAISS searches the file as it is; otherwise the vectors are in ``vectors.npy``.
    faiss: bool = False
    #: Whether FAISS holds the very vectors.
    exact: bool = True
    #: Vectors of the sampled rows, recall and what finds more, as FAISS's own process found them.
    sample: Vectors | None = None
    recall: float | None = None
    advice: str = ""


class _Adopting:
    """One adoption; its methods are its steps in their order."""

    found: _Found
    backend: str

    def __init__(
        self, vectors: Path, folder: Path, teacher: Teacher, similarity: str, dim: int | None, tell: OnProgress
    ) -> None:
        self._path, self._folder, self._teacher, self._dim, self._tell = vectors, folder, teacher, dim, tell
        self._cosine = similarity == "cosine"
        #: Rows that the documents' ids mean, where documents stand in another order.
        self._contradiction: NDArray[np.int64] | None = None

    def read(self, ids: Path | None, *, normalize: bool, nprobe: int | None, dimensions: int | None) -> None:
        """Read the file and store its vectors."""
        if self._path.suffix in (".npy", ".npz"):
            if nprobe is not None:
                raise SourceError("--nprobe is for FAISS indexes with inverted lists (IVF)", path=self._path)
            self._read_array(ids, normalize)
        else:
            self._read_faiss(ids, normalize, nprobe)
        check_dimensions(dimensions, self.found.dim)
        if dimensions is not None and self.found.faiss:
            raise SourceError("only arrays and flat indexes can be brought to fewer dimensions", path=self._path)

    def _read_array(self, ids: Path | None, normalize: bool) -> None:
        matrix, keys = read_array(self._path)
        count, dim = matrix.shape
        self._check_dim(dim)
        keys = self._keys(ids, count, keys)
        store_matrix(
            (np.asarray(matrix[start : start + _CHUNK]) for start in range(0, count, _CHUNK)),
            self._folder / VECTORS,
            dim,
            names=np.arange(count),
            cosine=self._cosine,
            normalize=normalize,
            path=self._path,
            half=matrix.dtype.itemsize == 2,
            done=lambda done: self._tell("copy", done, count),
        )
        self.found = _Found(count, dim, keys)

    def _read_faiss(self, ids: Path | None, normalize: bool, nprobe: int | None) -> None:
        inspected = inspect_faiss(self._path, self._folder, cosine=self._cosine, normalize=normalize, nprobe=nprobe)
        report, labels = inspected.report, inspected.labels
        self._check_dim(report.dim)
        keys = self._keys(ids, report.count, None)
        are_rows = bool(np.array_equal(labels, np.arange(len(labels))))
        if keys is not None:
            keys = [keys[place] for place in inspected.order]
        elif not are_rows:
            keys = [str(label) for label in labels.tolist()]
        if not report.flat and not are_rows:
            np.save(self._folder / LABELS, labels, allow_pickle=False)
        self.found = _Found(
            count=report.count,
            dim=report.dim,
            keys=keys,
            labelled=ids is None,
            given=report.given,
            faiss=not report.flat,
            exact=report.exact,
            sample=inspected.sample,
            recall=report.recall,
            advice=report.advice,
        )

    def _check_dim(self, dim: int) -> None:
        if self._dim is not None and dim != self._dim:
            raise SourceError(
                f"vectors have {dim} dimensions, those of {self._teacher.name} have {self._dim}", path=self._path
            )

    def _keys(self, ids: Path | None, count: int, keys: Sequence[str] | None) -> Sequence[str] | None:
        if ids is not None:
            keys = read_ids(ids)
        if keys is not None and len(keys) != count:
            raise SourceError(f"{len(keys)} ids for {count} vectors", path=ids or self._path)
        return keys

    def place(self, documents: Iterable[Document]) -> None:
        """Store the documents in the rows of their vectors."""
        target, found = self._folder / DOCUMENTS, self.found
        other = store_documents(
            documents, found.keys, found.count, target, self._path, self._tell, labels=found.labelled
        )
        if found.given is True and other is not None:
            # Somebody labelled each vector with what is a document's id.
            move_documents(target, other)
        elif found.given is False:
            # FAISS itself counts so; or somebody gave it ids.
            self._contradiction = other

    def make_searchable(self, backend: str, dimensions: int | None, nprobe: int | None) -> None:
        """Make what is searched of the stored vectors, and open it."""
        found, folder = self.found, self._folder
        if found.faiss:
            self.backend = "faiss"
            vectors = open_vectors(folder, "faiss", found.count, found.dim, None, nprobe=nprobe)
            self._search: Search = vectors.search
            return
        self.backend = choose_backend(backend, found.count)
        projection = None
        if dimensions is not None:
            reduce_vectors(folder, dimensions, cosine=self._cosine)
            projection = read_projection(folder, found.dim, dimensions)
        name = VECTORS if projection is None else REDUCED
        if self.backend == "hnsw":
            done = found.count
            build_graph(map_vectors(folder / name), folder / GRAPH, lambda rows: self._tell("graph", rows, done))
        opened = open_vectors(folder, self.backend, found.count, dimensions or found.dim, None, name=name)

        def search(queries: Vectors, k: int) -> list[list[tuple[int, float]]]:
            if projection is not None:
                queries = project(queries, projection, cosine=self._cosine)
            return opened.search(queries, k)

        self._search = search

    def verify(self, encoder: Encoder | None) -> Agreement | None:
        """Compare a sample with what ``encoder`` makes of its documents; ``None`` if there is no encoder."""
        found = self.found
        if encoder is None:
            if self._contradiction is not None:
                raise SourceError(
                    f"{self._readings()}: give --ids, or a passage encoder that can tell", path=self._path
                )
            return None
        if not found.count:
            return Agreement(True, None)
        self._tell("verify", 0, None)
        rows = sample_rows(found.count, SAMPLE)
        vectors = found.sample if found.faiss else np.asarray(map_vectors(self._folder / VECTORS)[rows], np.float32)
        search = self._search if found.faiss and not (found.exact and vectors is not None) else None
        places = [rows]
        if self._contradiction is not None:
            places.append(np.argsort(self._contradiction)[rows])
        readings = [compare(encoder, self._passages(place), rows, vectors, search) for place in places]
        right = [number for number, reading in enumerate(readings) if reading.agrees]
        if len(readings) == 2 and len(right) != 1:
            how = "both agree" if right else f"neither agrees ({readings[0]}; {readings[1]})"
            raise SourceError(
                f"{self._readings()}, and with what {encoder.config.name} makes of the documents {how}: give --ids",
                path=self._path,
            )
        if not right:
            raise SourceError(
                f"the vectors are not those of their documents: of {len(rows)} that {encoder.config.name} encoded, "
                f"{readings[0]}, where {USUAL} is usual and {LEAST} the least; {_CAUSES}",
                path=self._path,
            )
        if right == [1]:
            assert self._contradiction is not None
            move_documents(self._folder / DOCUMENTS, self._contradiction)
        return readings[right[0]]

    def _readings(self) -> str:
        assert self._contradiction is not None
        place = int(np.flatnonzero(self._contradiction != np.arange(self.found.count))[0])
        return (
            f"the label {place} may be that of document {place + 1}, counted in their order, whose id is "
            f"'{self._contradiction[place]}', or of the one with the id '{place}'"
        )

    def _passages(self, rows: NDArray[np.int64]) -> list[str]:
        store = Documents(self._folder / DOCUMENTS, self.found.count)
        try:
            read = store.read(rows.tolist())
        finally:
            store.close()
        return [read[row].passage for row in rows.tolist()]

    def measure(
        self, agreement: Agreement | None, nprobe: int | None, dimensions: int | None, warn: Callable[[str], None]
    ) -> Adoption:
        """Search a sample of the index's own vectors; warn of what may be wrong."""
        found, recall = self.found, self.found.recall
        if not found.faiss:
            recall = self._recall()
            if dimensions is not None:
                (self._folder / VECTORS).unlink()
        if agreement is None:
            warn(f"nobody has checked that these are {self._teacher.name}'s vectors of these documents")
        elif agreement.cosine is not None and agreement.cosine < USUAL:
            coarse = "" if found.exact else ", or are its codes that coarse"
            warn(f"the median cosine to the encoder's own vectors is {agreement.cosine:.3f}: {_CAUSES[:-1]}{coarse}?")
        if recall is not None and recall < LOW:
            advice = found.advice or ("more --dimensions find more" if dimensions else "--backend exact finds all")
            warn(f"searches find {recall:.3f} of the 10 nearest vectors: {advice}")
        elif recall is None and found.count:
            warn(f"neither lengths nor recall could be measured: {found.advice}")
        return Adoption(agreement is not None, agreement.cosine if agreement else None, recall, nprobe)

    def _recall(self) -> float | None:
        vectors = map_vectors(self._folder / VECTORS)
        count = len(vectors)
        if not count:
            return None
        queries = np.asarray(vectors[sample_rows(count)], np.float32)

        def parts() -> Iterator[NDArray[np.floating]]:
            for start in range(0, count, _CHUNK):
                yield vectors[start : start + _CHUNK]
                self._tell("recall", min(start + _CHUNK, count), count)

        return Neighbours(queries, parts(), lambda rows: vectors[rows]).recall(self._search)
