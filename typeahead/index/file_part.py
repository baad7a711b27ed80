"""The first part of an open index: a generation in files. ``parts`` says what a part is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.errors import IndexCorrupt
from typeahead.index.columns import FIELDS, StoredColumns
from typeahead.index.documents import Documents
from typeahead.index.exact import NONE_NEAR, Nearest
from typeahead.index.lexical.lexical import Lexical
from typeahead.index.manifest import Manifest
from typeahead.index.parts import PassageMap
from typeahead.index.projection import REDUCED, read_projection
from typeahead.index.queries import Preparation
from typeahead.index.staging import DOCUMENTS
from typeahead.index.vectors import VECTORS, VectorSearch, map_vectors, open_vectors
from typeahead.text.document import Document, Passage
from typeahead.text.ids import PassageIds


class FilePart:
    """An open generation: :class:`typeahead.index.parts.Part`. May be used from several threads.

    All methods raise :class:`~typeahead.errors.IndexCorrupt` for damage that opening did not notice, and
    :class:`~typeahead.errors.IndexFolderError` after :meth:`close`.
    """

    def __init__(
        self,
        manifest: Manifest,
        documents: Documents,
        vectors: VectorSearch,
        preparation: Preparation,
        words: Lexical,
        columns: StoredColumns,
    ) -> None:
        #: Number of documents.
        self.count = manifest.count
        self.passages: PassageMap = words.passages
        self.columns = columns
        self._ids: PassageIds | None = None
        self.preparation = preparation
        self._documents, self._vectors, self._words = documents, vectors, words

    @classmethod
    def open(cls, folder: Path, manifest: Manifest, candidates: int | None = None) -> FilePart:
        """Open the generation of ``manifest`` in an index folder, whose files were verified.

        ``candidates`` is the number that a search of a graph keeps, ``None`` for the manifest's. Raises
        :class:`~typeahead.errors.IndexCorrupt` and :class:`~typeahead.errors.MissingExtra`.
        """
        generation = folder / manifest.generation
        count, passages = manifest.count, manifest.passages
        documents = Documents(generation / DOCUMENTS, count, passages)
        try:
            candidates = candidates or manifest.search_candidates
            projection, name = None, VECTORS if manifest.dimensions is None else REDUCED
            if manifest.dimensions is None:
                nprobe = manifest.adoption.nprobe if manifest.adoption else None
                vectors = open_vectors(generation, manifest.backend, passages, manifest.dim, candidates, nprobe=nprobe)
            else:
                projection = read_projection(generation, manifest.dim, manifest.dimensions)
                vectors = open_vectors(
                    generation, manifest.backend, passages, manifest.dimensions, candidates, name=name
                )
            half = manifest.backend != "faiss" and map_vectors(generation / name).dtype == np.float16
            words = Lexical.open(generation, count, passages)
            columns = StoredColumns.open(generation / FIELDS, count)
        except (OSError, ValueError) as error:
            documents.close()
            raise IndexCorrupt(f"{generation}: {error}: rebuild the index", folder=folder) from error
        except BaseException:
            documents.close()
            raise
        preparation = Preparation(manifest.dim, manifest.similarity == "cosine", projection, half)
        return cls(manifest, documents, vectors, preparation, words, columns)

    @property
    def words(self) -> Lexical:
        """The words of the documents."""
        self._documents.check_open()
        return self._words

    def nearest(self, queries: Vectors, k: int, admitted: NDArray[np.bool_] | None = None) -> list[Nearest]:
        """Find the k nearest passages to ``queries`` float32 (m, dim), of those ``admitted``: bool (passages,).

        A query of zeros finds nothing. Raises ``ValueError`` for a wrong shape, a non-finite value or ``k`` below 1.
        """
        if k < 1:
            raise ValueError(f"k is {k}; it must be at least 1")
        self._documents.check_open()
        asked, prepared = self.preparation.prepared(queries)
        some = () if admitted is None else (admitted,)
        found = self._vectors.nearest(prepared, k, *some)
        if asked is not None:
            every = iter(found)
            found = [next(every) if one else NONE_NEAR for one in asked]
        return found

    def similarities(self, query: Vectors, passages: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Return the similarity of ``query`` float32 (dim,) to n passages, with the scores of :meth:`nearest`.

        These are float64 (n,). Returns None if the vectors are not available, as in some adopted indexes, and for a
        query of zeros. Raises the same errors as :meth:`nearest`.
        """
        self._documents.check_open()
        asked, prepared = self.preparation.prepared(np.asarray(query)[None])
        return None if asked is not None else self._vectors.scores_of(prepared[0], passages)

    def vectors(self, passages: NDArray[np.int64]) -> Vectors | None:
        """Return the vectors that are searched, of n passages: float32 (n, dim); None if they are not available."""
        return self._vectors.vectors_of(passages)

    def rows(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the rows of some ids, without ids that do not exist."""
        return self._documents.rows(ids)

    def ids(self) -> PassageIds:
        """Return the ids of all documents by row. They are read once: a million take half a second."""
        self._documents.check_open()
        if self._ids is None:
            self._ids = self._documents.ids()
        return self._ids

    def documents(self, rows: Sequence[int]) -> list[Document]:
        """Return the whole documents of some rows."""
        found = self._documents.read(rows)
        return [found[row] for row in rows]

    def named(self, ids: Sequence[str]) -> dict[int, Document]:
        """Return the whole documents of some ids by row, without ids that do not exist."""
        return self._documents.named(ids)

    def shown(self, passages: Sequence[int]) -> list[Document]:
        """Return the documents of some passages as hits show them: with the passage's text alone, and its URL."""
        found = self._documents.shown(passages)
        return [found[passage] for passage in passages]

    def divided(self, row: int) -> tuple[Document, tuple[Passage, ...]]:
        """Return a whole document and its passages."""
        return self._documents.read([row])[row], self._documents.passages([row])[row]

    def close(self) -> None:
        """Close the files. Running searches may fail; later ones do."""
        self._documents.close()
