"""The steps of adoption: read, match with documents, compare with the encoder, measure, activate."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Encoder, Vectors
from typeahead.errors import SourceError, TypeaheadError
from typeahead.index.adopt.agreement import LEAST, SAMPLE, USUAL, Agreement, check_encoder, compare
from typeahead.index.adopt.arrays import read_array
from typeahead.index.adopt.faiss_file import inspect_faiss
from typeahead.index.adopt.lengths import store_matrix
from typeahead.index.adopt.matching import move_documents, store_documents
from typeahead.index.adopt.passages import store_passages
from typeahead.index.adopt.recall import LOW, Neighbours, Search, sample_rows
from typeahead.index.approximate import build_graph
from typeahead.index.build import recorded
from typeahead.index.documents import Documents
from typeahead.index.guard import CAREFUL, Guard
from typeahead.index.manifest import FORMAT_VERSION, SIMILARITIES, Adoption, Manifest, Teacher
from typeahead.index.projection import REDUCED, check_dimensions, project, read_projection, reduce_vectors
from typeahead.index.staging import DOCUMENTS, Staging
from typeahead.index.vectors import GRAPH, LABELS, VECTORS, choose_backend, map_vectors, open_vectors
from typeahead.index.words import index_words
from typeahead.progress import OnProgress, no_progress
from typeahead.text.document import Document
from typeahead.text.id_lists import read_ids

_CHUNK = 8192
_CAUSES = "was the title left out, was another model used, or are the documents in another order?"


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
    by_passage: bool = False,
    encoder_address: str = "",
) -> Manifest:
    """Make an index ``out`` from the teacher's ``vectors`` and their ``documents``, and activate it.

    A vector belongs to the document whose id is at the same position in ``ids`` (a text file with one id per line, a
    JSON array, or a ``.npy`` array; an ``.npz`` file may contain them as its array ``ids``). FAISS's inverted lists
    keep no order, so for them ``ids`` follow ascending labels. Without ``ids``, the i-th vector belongs to the i-th
    document. If FAISS labels its vectors (``IndexIDMap``, inverted lists), a label is the id of the vector's document,
    or the document's position if the labels are exactly 0, 1, …, n-1. Every vector must have a document, and every
    document a vector. With ``by_passage``, ``documents`` are passages, each with a vector: those that follow each other
    with the same id are one document.

    Some documents are encoded and compared with their vectors, and the finished index is searched for a sample of its
    own vectors: the manifest's ``adoption`` records both results.

    An array keeps its type if it is float32 or float16; float64 becomes float32. A flat FAISS index is stored as a
    plain array, which makes its search faster; any other index is copied, and FAISS searches it.

    Args:
        vectors: ``.npy`` or ``.npz`` (array ``vectors``, or its only matrix); anything else is read as a FAISS index.
        documents: read once.
        out: as for :func:`~typeahead.index.build.build_index`; the previous index stays active until the end.
        teacher: the model that made the vectors; encoders of other teachers cannot search the index.
        encoder: a passage encoder of that teacher; the vectors are compared with its embeddings.
        unverified: adopt without this comparison, and record that in the manifest.
        similarity: the teacher's similarity: "cosine" needs vectors of length 1, "dot" accepts any.
        normalize: divide each vector by its length; for arrays and flat FAISS indexes.
        dim: the teacher's dimension, checked if given.
        ids: the documents' ids in the order of the vectors.
        backend: "auto", "exact" or "hnsw", for arrays and flat FAISS indexes; other FAISS indexes stay unchanged.
        nprobe: inverted lists that a search probes, for FAISS indexes with such lists; defaults to the index's own
        setting.
        dimensions: of the index, if fewer than the vectors', for arrays and flat FAISS indexes: see
        :mod:`typeahead.index.projection`.
        progress: as for :func:`~typeahead.index.build.build_index`.
        warn: called with one sentence for each possible problem that does not prevent adoption.
        source: description of where the vectors come from, recorded in the manifest.
        guard: decides how few documents may replace the current index.
        by_passage: whether there is a vector for each passage. The passages of a document have one title, and fields
            and URL are those of the first; what follows "#" in their URLs leads to each. ``ids`` must name the document
            of each passage in this order.
        encoder_address: the name or folder that ``encoder`` was loaded by, recorded in the manifest; by default its
            name.

    Raises:
        ReplacementRefused: ``guard`` does not accept so few documents.
        SourceError: a file cannot be read; dimension, count, values or lengths are wrong; ids and documents do not
        match; vectors do not belong to their documents; or there is no ``encoder`` to check that.
        IndexFolderError: as :func:`~typeahead.index.build.build_index`.
        MissingExtra: FAISS is needed and not installed.
        TypeaheadError: ``normalize`` under "dot", or an ``encoder`` of another teacher, similarity or role.
    """
    choose_backend(backend, 0)
    if similarity not in SIMILARITIES:
        raise ValueError(f"similarity {similarity!r} is not one of {SIMILARITIES}")
    if not teacher.name:
        raise ValueError("the teacher's name is empty: name the model that made the vectors")
    if normalize and similarity != "cosine":
        raise TypeaheadError("--normalize requires cosine similarity: dot products depend on the lengths of vectors")
    if unverified:
        encoder = None
    elif encoder is None:
        raise SourceError(
            f"there is no passage encoder of {teacher.name} to check the vectors with: pass one with --encoder, or "
            "adopt them with --unverified",
            path=vectors,
        )
    else:
        check_encoder(encoder, teacher, similarity)
    if not vectors.is_file():
        raise SourceError("this file of vectors does not exist", path=vectors)
    tell = progress or no_progress
    with Staging(out, {"format_version": FORMAT_VERSION, "kind": "adopt"}, resume=False, guard=guard) as staging:
        try:
            adopting = _Adopting(vectors, staging.folder, teacher, similarity, dim, tell)
            adopting.read(ids, normalize=normalize, nprobe=nprobe, dimensions=dimensions)
            if not by_passage:
                staging.check(adopting.found.count)
            adopting.place(documents, by_passage=by_passage)
            staging.check(adopting.documents)
            adopting.make_searchable(backend, dimensions, nprobe)
            agreement = adopting.verify(encoder)
            adoption = adopting.measure(agreement, nprobe, dimensions, warn)
        except BaseException:
            # Nothing of it can be resumed, and it may be large.
            staging.discard()
            raise
        return staging.commit(
            teacher=teacher,
            dim=adopting.found.dim,
            similarity=similarity,
            count=adopting.documents,
            passages=adopting.found.count,
            backend=adopting.backend,
            source=source,
            dimensions=dimensions,
            adoption=adoption,
            encoder=None if encoder is None else recorded(encoder, encoder_address),
        )


@dataclass(frozen=True)
class _Found:
    """The content of a file of vectors, by row."""

    count: int
    dim: int
    #: Ids of the vectors' documents, if known; ``None`` if row numbers are document positions.
    keys: Sequence[str] | None = None
    #: Whether these ids are FAISS labels.
    labelled: bool = False
    #: Whether the user assigned labels that happen to be row numbers, and may have meant ids.
    given: bool | None = None
    #: Whether FAISS searches the file as it is; otherwise the vectors are in ``vectors.npy``.
    faiss: bool = False
    #: Whether FAISS holds the original vectors.
    exact: bool = True
    #: Vectors of the sampled rows, recall, and how to find more; measured in FAISS's own process.
    sample: Vectors | None = None
    recall: float | None = None
    advice: str = ""


class _Adopting:
    """One adoption; its methods are the steps, in order."""

    found: _Found
    #: Number of documents.
    documents: int
    backend: str

    def __init__(
        self, vectors: Path, folder: Path, teacher: Teacher, similarity: str, dim: int | None, tell: OnProgress
    ) -> None:
        self._path, self._folder, self._teacher, self._dim, self._tell = vectors, folder, teacher, dim, tell
        self._cosine = similarity == "cosine"
        #: The rows that the documents' ids would mean, if that differs from the documents' order.
        self._contradiction: NDArray[np.int64] | None = None

    def read(self, ids: Path | None, *, normalize: bool, nprobe: int | None, dimensions: int | None) -> None:
        """Read the file and store its vectors."""
        if self._path.suffix in (".npy", ".npz"):
            if nprobe is not None:
                raise SourceError("--nprobe requires a FAISS index with inverted lists (IVF)", path=self._path)
            self._read_array(ids, normalize)
        else:
            self._read_faiss(ids, normalize, nprobe)
        check_dimensions(dimensions, self.found.dim)
        if dimensions is not None and self.found.faiss:
            raise SourceError("only arrays and flat indexes can be reduced to fewer dimensions", path=self._path)

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
                f"vectors have {dim} dimensions, but those of {self._teacher.name} have {self._dim}", path=self._path
            )

    def _keys(self, ids: Path | None, count: int, keys: Sequence[str] | None) -> Sequence[str] | None:
        if ids is not None:
            keys = read_ids(ids)
        if keys is not None and len(keys) != count:
            raise SourceError(f"{len(keys)} ids for {count} vectors", path=ids or self._path)
        return keys

    def place(self, documents: Iterable[Document], *, by_passage: bool) -> None:
        """Store each document in the row of its vector, or the documents of passages."""
        target, found = self._folder / DOCUMENTS, self.found
        if by_passage:
            self.documents = store_passages(documents, found.keys, found.count, target, self._path, self._tell)
            index_words(target, self.documents, self._tell, found.count)
            return
        self.documents = found.count
        other = store_documents(
            documents, found.keys, found.count, target, self._path, self._tell, labels=found.labelled
        )
        if found.given is True and other is not None:
            # The user labelled each vector with a document's id.
            move_documents(target, other)
        elif found.given is False:
            # FAISS itself counts this way, or the user assigned these ids.
            self._contradiction = other
        index_words(target, found.count, self._tell)

    def make_searchable(self, backend: str, dimensions: int | None, nprobe: int | None) -> None:
        """Build the search structure for the stored vectors, and open it."""
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
        """Compare a sample with ``encoder``'s embeddings of its documents; ``None`` without an encoder."""
        found = self.found
        if encoder is None:
            if self._contradiction is not None:
                raise SourceError(f"{self._readings()}: pass --ids, or a passage encoder to find out", path=self._path)
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
                f"{self._readings()}, and with {encoder.config.name}'s embeddings of the documents {how}: pass --ids",
                path=self._path,
            )
        if not right:
            raise SourceError(
                f"the vectors do not belong to their documents: of {len(rows)} that {encoder.config.name} encoded, "
                f"{readings[0]}, while {USUAL} is usual and {LEAST} the minimum; {_CAUSES}",
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
            f"the label {place} may be that of document {place + 1} in their order, whose id is "
            f"'{self._contradiction[place]}', or of the document with the id '{place}'"
        )

    def _passages(self, rows: NDArray[np.int64]) -> list[str]:
        store = Documents(self._folder / DOCUMENTS, self.documents, self.found.count)
        try:
            read = store.shown(rows.tolist())
        finally:
            store.close()
        return [read[row].passage for row in rows.tolist()]

    def measure(
        self, agreement: Agreement | None, nprobe: int | None, dimensions: int | None, warn: Callable[[str], None]
    ) -> Adoption:
        """Search a sample of the index's own vectors; warn of possible problems."""
        found, recall = self.found, self.found.recall
        if not found.faiss:
            recall = self._recall()
            if dimensions is not None:
                (self._folder / VECTORS).unlink()
        if agreement is None:
            warn(f"these vectors were never compared with {self._teacher.name}'s vectors of these documents")
        elif agreement.cosine is not None and agreement.cosine < USUAL:
            coarse = "" if found.exact else ", or are its codes just that coarse"
            warn(f"the median cosine to the encoder's own vectors is {agreement.cosine:.3f}: {_CAUSES[:-1]}{coarse}?")
        if recall is not None and recall < LOW:
            advice = found.advice or ("more --dimensions find more" if dimensions else "--backend exact finds all")
            warn(f"searches find {recall:.3f} of the 10 nearest vectors: {advice}")
        elif recall is None and found.count:
            warn(f"lengths and recall could not be measured: {found.advice}")
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
