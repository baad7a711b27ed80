"""Opens, searches and closes finished indexes. ``build`` and ``adopt`` create them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.errors import IndexCorrupt, IndexTooOld
from typeahead.index.documents import Documents
from typeahead.index.exact import NONE_NEAR, Nearest
from typeahead.index.lexical.lexical import Lexical
from typeahead.index.manifest import MOST_CANDIDATES, Manifest
from typeahead.index.projection import REDUCED, project, read_projection
from typeahead.index.sparse import SPARSE, SparseWords
from typeahead.index.staging import DOCUMENTS
from typeahead.index.vectors import VectorSearch, open_vectors
from typeahead.search.ranking import Hit
from typeahead.search.space import Space, check_space
from typeahead.text.document import Document
from typeahead.text.ids import PassageIds

if TYPE_CHECKING:
    from typeahead.models.config import ModelConfig

#: "sparse" opens the token weights of a sparse encoder beside the documents' words.
LexicalFiles = Literal["words", "sparse"]

#: How often a reader retries because a newer index has replaced the one it was opening.
_ATTEMPTS = 3


class Index:
    """An open index, made by :func:`open_index`. All methods may be called from several threads."""

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        vectors: VectorSearch,
        documents: Documents,
        lexical: Lexical,
        projection: Vectors | None = None,
        sparse: SparseWords | None = None,
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        self._lexical = lexical
        #: The token weights of a sparse encoder, or None if the index was opened without them.
        self.sparse = sparse
        self._projection = projection
        self._vectors = vectors
        self._documents = documents

    def check_teacher(self, config: ModelConfig) -> None:
        """Check that an encoder with ``config`` produces vectors in the space of this index.

        Compares the teachers' names, their revisions if both are known, the dimensions and the similarities. Raises
        :class:`~typeahead.errors.TeacherMismatch`, which names both.
        """
        check_space(self.space, config, folder=self.folder)

    @property
    def space(self) -> Space:
        """The embedding space of the vectors."""
        manifest = self.manifest
        return Space(manifest.teacher.name, manifest.teacher.revision, manifest.dim, manifest.similarity)

    def search(self, queries: Vectors, k: int) -> list[list[Hit]]:
        """Find the ``k`` most similar documents to each of ``queries`` float32 (n, dim), best first.

        With "cosine", scores do not depend on the lengths of queries. A zero query, which an encoder returns for a text
        without tokens, finds nothing. There are fewer than ``k`` hits if there are fewer documents, or if an
        approximate back end finds fewer.

        Raises ``ValueError`` for a wrong shape, a non-finite value or ``k`` below 1,
        :class:`~typeahead.errors.IndexCorrupt` if a document cannot be read, and
        :class:`~typeahead.errors.IndexFolderError` if the index is closed.
        """
        found = self.rank(queries, k)
        documents = self._documents.read([row for pairs in found for row, _ in pairs])
        return [[_hit(documents[row], score) for row, score in pairs] for pairs in found]

    @property
    def lexical(self) -> Lexical:
        """The words of the documents; raises :class:`~typeahead.errors.IndexFolderError` if the index is closed."""
        self._documents.check_open()
        return self._lexical

    @property
    def generation(self) -> Path:
        """The folder of the active generation."""
        return self.folder / self.manifest.generation

    def documents(self, rows: Sequence[int]) -> list[Document]:
        """Return the documents of some rows; raises the same errors as :meth:`search`."""
        found = self._documents.read(rows)
        return [found[row] for row in rows]

    def named(self, ids: Sequence[str]) -> dict[int, Document]:
        """Return the documents of some ids by row, without ids that do not exist; raises as :meth:`search` does."""
        return self._documents.named(ids)

    def ids(self) -> PassageIds:
        """Return the ids of all documents by row; raises the same errors as :meth:`search`."""
        return self._documents.ids()

    def similarities(self, query: Vectors, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Return the similarity of ``query`` float32 (dim,) to each of n rows, with the scores of :meth:`rank`.

        These are float64 (n,).

        Returns None if the vectors are not available, as in some adopted indexes, and for a zero query. Raises the same
        errors as :meth:`rank`.
        """
        asked, prepared = self._prepared(np.asarray(query)[None])
        if asked is not None:
            return None
        return self._vectors.scores_of(prepared[0], rows)

    def rank(self, queries: Vectors, k: int) -> list[list[tuple[int, float]]]:
        """Find the rows of the ``k`` most similar documents, with their scores; otherwise like :meth:`search`."""
        return [found.pairs() for found in self.nearest(queries, k)]

    def nearest(self, queries: Vectors, k: int) -> list[Nearest]:
        """Find the same as :meth:`rank`, as arrays."""
        if k < 1:
            raise ValueError(f"k is {k}; it must be at least 1")
        asked, prepared = self._prepared(queries)
        found = self._vectors.nearest(prepared, k)
        if asked is not None:
            every = iter(found)
            found = [next(every) if one else NONE_NEAR for one in asked]
        return found

    def _prepared(self, queries: Vectors) -> tuple[NDArray[np.bool_] | None, Vectors]:
        """Convert queries for the search; also return a mask of non-zero queries, if some are zero and left out."""
        self._documents.check_open()
        queries = np.asarray(queries, np.float32)
        if queries.ndim != 2 or queries.shape[1] != self.manifest.dim:
            raise ValueError(f"queries have the shape {queries.shape}; it must be (n, {self.manifest.dim})")
        wide = queries.astype(np.float64)
        lengths = np.sqrt(np.vecdot(wide, wide))
        # Both are NaN if any length is.
        shortest, longest = lengths.min(initial=1.0), lengths.max(initial=1.0)
        if not longest < np.inf:
            raise ValueError("a query has a non-finite value")
        asked = None if shortest > 0 else lengths > 0
        if asked is not None:
            queries, wide, lengths = queries[asked], wide[asked], lengths[asked]
        if self.manifest.similarity == "cosine":
            queries = (wide / lengths[:, None]).astype(np.float32)
        if self._projection is not None:
            queries = project(queries, self._projection, cosine=self.manifest.similarity == "cosine")
        return asked, queries

    def close(self) -> None:
        """Close the files. Running searches may fail; later ones do."""
        self._documents.close()

    def __len__(self) -> int:
        return self.manifest.count

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open_index(
    path: Path,
    *,
    search_candidates: int | None = None,
    lexical: LexicalFiles = "words",
    manifest: Manifest | None = None,
) -> Index:
    """Open the index in folder ``path`` for reading; it may be replaced while it is open.

    Args:
        path: the folder.
        search_candidates: number of candidates that a search of an HNSW graph keeps: more find more and take longer.
        Defaults to the number in the index's manifest.
        lexical: "sparse" also opens :attr:`Index.sparse`, the file that ``python -m
        training.light.sparse_passages`` writes.
        manifest: the manifest to use, possibly of an older generation; defaults to the current one.

    Raises:
        IndexNotFound: there is no index, or it is not finished.
        IndexCorrupt: a file is missing or truncated, or parts disagree; the message names the file.
        IndexTooNew: it has a newer format.
        IndexTooOld: it has an older format, which ``typeahead index --upgrade`` turns into the present one.
        MissingExtra: it needs FAISS, or SciPy for "sparse", which is not installed.
        ValueError: ``search_candidates`` is below 1 or above 100,000.
    """
    if search_candidates is not None and not 1 <= search_candidates <= MOST_CANDIDATES:
        raise ValueError(f"search_candidates is {search_candidates}; it must be from 1 to {MOST_CANDIDATES}")
    path = Path(path)
    if manifest is not None:
        return _open(path, manifest, search_candidates, lexical)
    manifest = Manifest.read(path)
    for _ in range(_ATTEMPTS):
        try:
            return _open(path, manifest, search_candidates, lexical)
        except IndexCorrupt:
            # Since the manifest was read, a newer index may have replaced this one and deleted its files.
            now = Manifest.read(path)
            if now.generation == manifest.generation:
                raise
            manifest = now
    return _open(path, manifest, search_candidates, lexical)


def _open(path: Path, manifest: Manifest, candidates: int | None, lexical: LexicalFiles) -> Index:
    if manifest.is_earlier:
        raise IndexTooOld(
            f"{path} was built by an earlier typeahead, and its words are not in the form that is searched now: run "
            f"`typeahead index --upgrade {path}`, which keeps the vectors",
            folder=path,
        )
    manifest.verify_files(path)
    generation = path / manifest.generation
    documents = Documents(generation / DOCUMENTS, manifest.count)
    try:
        candidates = candidates or manifest.search_candidates
        projection = None
        if manifest.dimensions is None:
            nprobe = manifest.adoption.nprobe if manifest.adoption else None
            vectors = open_vectors(
                generation, manifest.backend, manifest.count, manifest.dim, candidates, nprobe=nprobe
            )
        else:
            projection = read_projection(generation, manifest.dim, manifest.dimensions)
            vectors = open_vectors(
                generation, manifest.backend, manifest.count, manifest.dimensions, candidates, name=REDUCED
            )
        words = Lexical.open(generation, manifest.count)
        sparse = SparseWords(generation / SPARSE, manifest.count) if lexical == "sparse" else None
    except (OSError, ValueError) as error:
        documents.close()
        raise IndexCorrupt(f"{generation}: {error}: rebuild the index", folder=path) from error
    except BaseException:
        documents.close()
        raise
    return Index(path, manifest, vectors, documents, words, projection, sparse)


def _hit(document: Document, score: float) -> Hit:
    return Hit(document.id, score, document.title, document.text, document.url)
