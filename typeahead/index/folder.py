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
from typeahead.index.exact import Nearest
from typeahead.index.file_part import FilePart
from typeahead.index.lexical.lexical import Lexical
from typeahead.index.manifest import MOST_CANDIDATES, Manifest
from typeahead.index.parts import PassageMap
from typeahead.index.sparse import SPARSE, SparseWords
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
#: How many times as many passages are looked at where those of too few documents were found.
_WIDER = 4


class Index:
    """An open index, made by :func:`open_index`. All methods may be called from several threads."""

    def __init__(self, folder: Path, manifest: Manifest, part: FilePart, sparse: SparseWords | None = None) -> None:
        self.folder = folder
        self.manifest = manifest
        #: The documents, their words, fields and vectors.
        self.part = part
        #: The token weights of a sparse encoder, or None if the index was opened without them.
        self.sparse = sparse

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

        A hit shows the best passage of its document. With "cosine", scores do not depend on the lengths of queries. A
        zero query, which an encoder returns for a text without tokens, finds nothing. There are fewer than ``k`` hits
        if there are fewer documents, or if an approximate back end finds fewer.

        Raises ``ValueError`` for a wrong shape, a non-finite value or ``k`` below 1,
        :class:`~typeahead.errors.IndexCorrupt` if a document cannot be read, and
        :class:`~typeahead.errors.IndexFolderError` if the index is closed.
        """
        found = [one.pairs() for one in self._best(queries, k)]
        documents = iter(self.part.shown([passage for pairs in found for passage, _ in pairs]))
        return [[_hit(next(documents), score) for _, score in pairs] for pairs in found]

    @property
    def lexical(self) -> Lexical:
        """The words of the documents; raises :class:`~typeahead.errors.IndexFolderError` if the index is closed."""
        return self.part.words

    @property
    def generation(self) -> Path:
        """The folder of the active generation."""
        return self.folder / self.manifest.generation

    def documents(self, rows: Sequence[int]) -> list[Document]:
        """Return the whole documents of some rows; raises the same errors as :meth:`search`."""
        return self.part.documents(rows)

    def named(self, ids: Sequence[str]) -> dict[int, Document]:
        """Return whole documents by row, for some ids, without ids that do not exist; raises as :meth:`search` does."""
        return self.part.named(ids)

    def ids(self) -> PassageIds:
        """Return the ids of all documents by row; raises the same errors as :meth:`search`."""
        return self.part.ids()

    def similarities(self, query: Vectors, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Return the similarity of ``query`` float32 (dim,) to each of n documents, with the scores of :meth:`rank`.

        These are float64 (n,). A document has the similarity of its best passage.

        Returns None if the vectors are not available, as in some adopted indexes, and for a zero query. Raises the same
        errors as :meth:`rank`.
        """
        passages, places = self.part.passages.of(rows)
        scores = self.part.similarities(query, passages)
        if scores is None or self.part.passages.starts is None or not len(rows):
            return scores
        return np.maximum.reduceat(scores, places)

    def rank(self, queries: Vectors, k: int) -> list[list[tuple[int, float]]]:
        """Find the rows of the ``k`` most similar documents, with their scores; otherwise like :meth:`search`."""
        return [found.pairs() for found in self.nearest(queries, k)]

    def nearest(self, queries: Vectors, k: int) -> list[Nearest]:
        """Find the same as :meth:`rank`, as arrays."""
        documents_of = self.part.passages.documents_of
        return [Nearest(documents_of(rows), scores) for rows, scores in self._best(queries, k)]

    def _best(self, queries: Vectors, k: int) -> list[Nearest]:
        """Find the best passage of each of the ``k`` most similar documents."""
        passages = self.part.passages
        found = self.part.nearest(queries, k)
        if passages.starts is None:
            return found
        asked, best = k, [_first_of_each(one, passages, k) for one in found]
        # Several of the nearest passages may be of one document, so more of them are needed.
        while asked < passages.count:
            short = [place for place, one in enumerate(best) if len(one.rows) < k and len(found[place].rows) == asked]
            if not short:
                break
            asked = min(_WIDER * asked, passages.count)
            for place, one in zip(short, self.part.nearest(queries[short], asked), strict=True):
                found[place], best[place] = one, _first_of_each(one, passages, k)
        return best

    def close(self) -> None:
        """Close the files. Running searches may fail; later ones do."""
        self.part.close()

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
            f"{path} was built by an earlier typeahead, whose format is no longer read: run "
            f"`typeahead index --upgrade {path}`, which keeps the vectors",
            folder=path,
        )
    manifest.verify_files(path)
    part = FilePart.open(path, manifest, candidates)
    try:
        sparse = SparseWords(path / manifest.generation / SPARSE, manifest.count) if lexical == "sparse" else None
    except (OSError, ValueError) as error:
        part.close()
        raise IndexCorrupt(f"{path / manifest.generation}: {error}: rebuild the index", folder=path) from error
    except BaseException:
        part.close()
        raise
    return Index(path, manifest, part, sparse)


def _first_of_each(found: Nearest, passages: PassageMap, k: int) -> Nearest:
    """Keep the best passage of each of the first ``k`` documents."""
    _, first = np.unique(passages.documents_of(found.rows), return_index=True)
    kept = np.sort(first)[:k]
    return Nearest(found.rows[kept], found.scores[kept])


def _hit(document: Document, score: float) -> Hit:
    return Hit(document.id, score, document.title, document.text, document.url)
